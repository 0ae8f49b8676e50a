//! `location`, and what is nested in it.

use std::{collections::HashSet, sync::Arc};

use underpass_core::{
    config::{Handler, Location, Locations, Place, Return, Script, Server, Step},
    template::Regex,
};

use super::{
    Builder, all,
    level::{Level, has},
    script::Forwarding,
};
use crate::{
    directives::{self, Context, Effect},
    error::{ConfigNote, Error},
    syntax::{Directive, Word},
};

/// Which requests a location answers.
#[derive(Clone, Debug)]
pub(super) enum Matcher {
    /// `= PATH`.
    Exact(String),
    /// `PATH`, or `^~ PATH`.
    Prefix { path: String, settles: bool },
    /// `~ REGEX`, or `~* REGEX`.
    Regex { source: String, regex: Regex },
    /// `@NAME`.
    Named(String),
}

impl Matcher {
    /// As it was written, without its modifier.
    pub(super) fn path(&self) -> &str {
        match self {
            Self::Exact(path)
            | Self::Prefix { path, .. }
            | Self::Regex { source: path, .. }
            | Self::Named(path) => path,
        }
    }

    /// What `proxy_pass` with a URI replaces.
    pub(super) fn replaceable(&self) -> Option<usize> {
        match self {
            Self::Exact(path) | Self::Prefix { path, .. } => Some(path.len()),
            Self::Regex { .. } | Self::Named(_) => None,
        }
    }

    /// What no two locations of a block have in common; regular expressions may be the same.
    fn key(&self) -> Option<(u8, String)> {
        match self {
            Self::Exact(path) => Some((0, path.clone())),
            Self::Prefix { path, .. } => Some((1, path.clone())),
            Self::Named(name) => Some((2, name.clone())),
            Self::Regex { .. } => None,
        }
    }
}

/// A location of the file.
pub(super) struct Site {
    pub(super) matcher: Matcher,
    pub(super) location: Arc<Location>,
    pub(super) nested: Vec<Self>,
}

/// The locations of a block, for one socket.
pub(super) fn add_to(server: &mut Server, sites: &[Site]) {
    server.locations = locations(sites);
    for site in sites {
        if let Matcher::Named(name) = &site.matcher {
            server.named.insert(name.trim_start_matches('@').into(), Arc::clone(&site.location));
        }
    }
}

fn locations(sites: &[Site]) -> Locations {
    let mut found = Locations::default();
    for site in sites {
        let mut place = Place::new(Arc::clone(&site.location));
        place.nested = locations(&site.nested);
        match &site.matcher {
            Matcher::Exact(path) => {
                found.exact(path.as_bytes(), place.location);
            }
            Matcher::Prefix { path, settles } => {
                place.settles = *settles;
                found.prefix(path.as_bytes(), place);
            }
            Matcher::Regex { regex, .. } => found.regex(regex.clone(), place),
            Matcher::Named(_) => {}
        }
    }
    found
}

/// What is around a location.
#[derive(Clone, Copy)]
pub(super) struct Around<'a, 't> {
    pub(super) level: &'a Level<'t>,
    pub(super) server_name: &'a Arc<str>,
    /// The location that it is nested in.
    pub(super) outer: Option<&'a Matcher>,
}

impl Builder<'_> {
    /// Reads the `location` blocks of a server or a location.
    pub(super) fn locations<'t>(
        &mut self,
        block: &'t [Directive],
        around: Around<'_, 't>,
    ) -> Result<Vec<Site>, Error> {
        let (mut sites, mut keys) = (Vec::new(), HashSet::new());
        for directive in all(block, "location") {
            let site = self.location(directive, around)?;
            if site.matcher.key().is_some_and(|key| !keys.insert(key)) {
                let message = format!("duplicate location \"{}\"", site.matcher.path());
                return Err(Error::new(&directive.name.position, message));
            }
            sites.push(site);
        }
        Ok(sites)
    }

    fn location<'t>(&mut self, block: &'t Directive, around: Around<'_, 't>) -> Result<Site, Error> {
        let matcher = self.matcher(block)?;
        check_nesting(&matcher, around.outer, block)?;
        let inside = block.inside();
        let mut level = self.level(Some(around.level), inside)?;
        self.max_tunnels(&mut level, block)?;
        let other = other_answer(inside, &level);
        let proxy = match all(inside, "proxy_pass").next() {
            Some(directive) => Some(self.proxy(directive.argument(0), &level, Some(&matcher))?),
            None => None,
        };
        let mut script =
            self.script(inside, Forwarding { level: &level, server_name: around.server_name })?;
        let tunnel = all(inside, "tunnel_pass").next().map(|directive| self.tunnel(directive, &level));
        let tunnel = tunnel.transpose()?;
        if let Some(directive) = all(inside, "tunnel_pass").next().filter(|_| proxy.is_some()) {
            let message = "\"tunnel_pass\" and \"proxy_pass\" in one location";
            return Err(Error::new(&directive.name.position, message)
                .hint("CONNECT is for one, all other methods are for the other: they need a server each"));
        }
        let handler = match (first_return(&mut script), tunnel, proxy, other) {
            (Some(answer), ..) => Handler::Return(answer),
            (None, Some(tunnel), ..) => Handler::Tunnel(Box::new(tunnel)),
            (None, None, _, Some(other)) if other.name.text == "try_files" => {
                self.unsupported(other, &matcher, block)
            }
            (None, None, Some(proxy), _) => Handler::Proxy(Box::new(proxy)),
            (None, None, None, _) if answers_all(&script.steps) => Handler::Nothing,
            (None, None, None, Some(other)) if denies_all(&level) => {
                Handler::Unsupported(other.name.text.as_str().into())
            }
            (None, None, None, Some(other)) => self.unsupported(other, &matcher, block),
            (None, None, None, None) => {
                if !answers_some(&script.steps) && !denies_all(&level) {
                    self.note_no_handler(&matcher, block);
                }
                Handler::Nothing
            }
        };
        let mut location = self.finish_location(handler, &level, around.server_name, &block.name)?;
        location.script = Arc::new(script);
        location.internal = has(inside, &["internal"]);
        let around = Around { level: &level, outer: Some(&matcher), ..around };
        let nested = self.locations(inside, around)?;
        Ok(Site { matcher, location: location.shared(), nested })
    }

    /// The answer in the place of a directive that this version doesn't have.
    fn unsupported(&mut self, directive: &Directive, matcher: &Matcher, block: &Directive) -> Handler {
        let name = &directive.name.text;
        let message = format!("location \"{}\" answers by \"{name}\": requests get a 501", matcher.path());
        let note = ConfigNote::new(&block.name.position, message)
            .hint("there is only forwarding in this version: \"proxy_pass\" to a server that does this");
        self.notes.push(note);
        self.noted.insert(name.clone());
        Handler::Unsupported(name.as_str().into())
    }

    fn note_no_handler(&mut self, matcher: &Matcher, block: &Directive) {
        let message = format!(
            "location \"{}\" has neither \"proxy_pass\" nor \"return\": it answers 404",
            matcher.path()
        );
        self.notes.push(ConfigNote::new(&block.name.position, message));
    }

    /// A location with what `level` says of it.
    pub(super) fn finish_location(
        &mut self,
        handler: Handler,
        level: &Level<'_>,
        server_name: &Arc<str>,
        place: &Word,
    ) -> Result<Location, Error> {
        let mut location = Location::new(handler);
        location.settings = Arc::clone(&level.settings);
        location.server_name = Arc::clone(server_name);
        location.access_logs = self.access_logs_of(level, place)?;
        location.max_tunnels.clone_from(&level.max_tunnels);
        location.tunnel_log.clone_from(&level.tunnel_log);
        location.error_pages = Arc::clone(&level.error_pages);
        location.recursive_error_pages = level.flag("recursive_error_pages")?;
        location.additions = Arc::clone(&level.additions);
        location.types = Arc::clone(&level.types);
        location.resolver = level.resolver;
        (location.admission, location.realm) = self.access(level)?;
        location.rates = self.rates(level)?;
        location.error_logs.clone_from(&level.error_logs);
        Ok(location)
    }

    fn matcher(&mut self, block: &Directive) -> Result<Matcher, Error> {
        let (modifier, path) = match block.arguments.as_slice() {
            [modifier, path] => (modifier.text.as_str(), path),
            [path, ..] => ("", path),
            [] => ("", &block.name),
        };
        let text = path.text.as_str();
        // A modifier may be glued to its path; of `~*` and `~` the longer one is meant.
        let (modifier, text) = match modifier {
            "" => ["=", "^~", "~*", "~"]
                .into_iter()
                .find_map(|modifier| text.strip_prefix(modifier).map(|rest| (modifier, rest)))
                .unwrap_or(("", text)),
            modifier => (modifier, text),
        };
        Ok(match modifier {
            "=" => Matcher::Exact(text.to_owned()),
            "^~" => Matcher::Prefix { path: text.to_owned(), settles: true },
            "~" | "~*" => {
                let regex = self.regex(path, text, modifier == "~*")?;
                Matcher::Regex { source: text.to_owned(), regex }
            }
            "" if text.starts_with('@') => Matcher::Named(text.to_owned()),
            "" => Matcher::Prefix { path: text.to_owned(), settles: false },
            _ => {
                let message = format!("invalid location modifier \"{modifier}\"");
                return Err(Error::new(&block.argument(0).position, message)
                    .hint("it is =, ^~, ~ or ~*, with a space before the path"));
            }
        })
    }
}

/// nginx's rules for locations in locations.
fn check_nesting(inner: &Matcher, outer: Option<&Matcher>, block: &Directive) -> Result<(), Error> {
    let Some(outer) = outer else { return Ok(()) };
    let (name, around) = (inner.path(), outer.path());
    let error = |message: String| Err(Error::new(&block.name.position, message));
    match (outer, inner) {
        (Matcher::Exact(_), _) => {
            error(format!("location \"{name}\" cannot be inside the exact location \"{around}\""))
        }
        (Matcher::Named(_), _) => {
            error(format!("location \"{name}\" cannot be inside the named location \"{around}\""))
        }
        (_, Matcher::Named(_)) => error(format!("named location \"{name}\" can be on the server level only")),
        (_, Matcher::Exact(path) | Matcher::Prefix { path, .. }) if !path.starts_with(around) => {
            error(format!("location \"{name}\" is outside location \"{around}\""))
        }
        _ => Ok(()),
    }
}

/// Takes the `return` that a script begins with: then there is nothing else in it.
pub(super) fn first_return(script: &mut Script) -> Option<Return> {
    if !matches!(script.steps.first(), Some(Step::Return(_))) {
        return None;
    }
    script.steps.drain(..).find_map(|step| match step {
        Step::Return(answer) => Some(answer),
        _ => None,
    })
}

/// The directive that would answer in another way than forwarding.
fn other_answer<'t>(block: &'t [Directive], level: &Level<'t>) -> Option<&'t Directive> {
    let is_content = |directive: &&Directive| {
        let row = directives::find(&directive.name.text, Context::Location);
        row.is_some_and(|row| row.effect == Effect::Content)
    };
    let here = || block.iter().filter(is_content);
    here()
        .find(|directive| directive.name.text == "try_files")
        .or_else(|| here().find(|directive| !matches!(directive.name.text.as_str(), "root" | "dav_methods")))
        .or_else(|| level.innermost("root"))
}

/// Whether some way through the script ends in an answer, or somewhere else.
fn answers_some(steps: &[Step]) -> bool {
    steps.iter().any(|step| match step {
        Step::Return(_) | Step::Rewrite(_) => true,
        Step::If(branch) => branch.location.is_some() || answers_some(&branch.steps),
        _ => false,
    })
}

/// Whether nobody gets as far as an answer of the location: `deny all`.
fn denies_all(level: &Level<'_>) -> bool {
    let first = level.nearest(&["allow", "deny"]).next();
    first.is_some_and(|rule| rule.name.text == "deny" && rule.argument(0).text == "all")
}

/// Whether every way through it does, as far as this can be seen.
fn answers_all(steps: &[Step]) -> bool {
    steps.iter().any(|step| matches!(step, Step::Return(_)))
}
