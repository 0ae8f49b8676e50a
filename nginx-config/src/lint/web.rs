//! The places of an `http` block, with what is around them.

use std::{collections::HashMap, rc::Rc, time::Duration};

use crate::{
    loaded::Listener,
    syntax::{ByName, Directive, Word},
    values,
};

/// An `http` block, as the rules look at it.
pub(super) struct Web<'t> {
    pub(super) http: Rc<ByName<'t>>,
    pub(super) listeners: &'t [Listener],
    /// `worker_shutdown_timeout`, which stands outside.
    pub(super) shutdown: Option<Duration>,
    /// Every `http`, `server`, `location` and `if`, outer ones first.
    pub(super) places: Vec<Place<'t>>,
    /// The first `upstream` of each name, in lower case.
    upstreams: HashMap<String, &'t Directive>,
    /// What variables may be: the values of maps and of `set`, by name in lower case.
    values: HashMap<String, Vec<&'t Word>>,
}

/// A block and those around it.
#[derive(Clone)]
pub(super) struct Place<'t> {
    /// The blocks around it and its own, outermost first; `http` has no directive here.
    levels: Vec<Rc<ByName<'t>>>,
    /// Its own directive; absent: `http`.
    pub(super) block: Option<&'t Directive>,
    /// The server that it is in.
    pub(super) server: Option<&'t Directive>,
}

impl<'t> Web<'t> {
    pub(super) fn new(http: &'t [Directive], listeners: &'t [Listener]) -> Self {
        let http = Rc::new(ByName::of(http));
        let mut upstreams = HashMap::new();
        for upstream in http.all(&["upstream"]) {
            upstreams.entry(upstream.argument(0).text.to_ascii_lowercase()).or_insert(upstream);
        }
        let mut values: HashMap<_, Vec<_>> = HashMap::new();
        for map in http.all(&["map"]) {
            let words = map.inside().iter().filter_map(|pair| pair.arguments.first());
            values.entry(variable_name(map.argument(1))).or_default().extend(words);
        }
        let outermost = Place { levels: vec![Rc::clone(&http)], block: None, server: None };
        let mut web = Self { http, listeners, shutdown: None, places: Vec::new(), upstreams, values };
        web.collect(outermost);
        for set in
            web.places.iter().flat_map(|place| place.own().iter()).filter(|line| line.name.text == "set")
        {
            web.values.entry(variable_name(set.argument(0))).or_default().push(set.argument(1));
        }
        web
    }

    fn collect(&mut self, place: Place<'t>) {
        let inside = place.own();
        self.places.push(place.clone());
        for block in inside {
            if matches!(block.name.text.as_str(), "server" | "location" | "if") && block.block.is_some() {
                let mut inner = place.clone();
                inner.levels.push(Rc::new(ByName::of(block.inside())));
                inner.block = Some(block);
                if block.name.text == "server" {
                    inner.server = Some(block);
                }
                self.collect(inner);
            }
        }
    }

    /// The places that forward, each with its `proxy_pass`.
    pub(super) fn forwarding(&self) -> impl Iterator<Item = (&Place<'t>, &'t Directive)> {
        self.places.iter().filter_map(|place| {
            let pass = place.first("proxy_pass")?;
            Some((place, pass))
        })
    }

    /// The `upstream` of this name.
    pub(super) fn upstream(&self, name: &str) -> Option<&'t Directive> {
        self.upstreams.get(&name.to_ascii_lowercase()).copied()
    }

    /// What the variable in `text` may be, as far as the file says: the values of its `map` or of its `set`s,
    /// variables in them included. Nothing for any other text.
    pub(super) fn values_of(&self, text: &str) -> Vec<&'t Word> {
        let mut values = Vec::new();
        self.collect_values(text, 4, &mut values);
        values
    }

    fn collect_values(&self, text: &str, depth: usize, values: &mut Vec<&'t Word>) {
        let plain = text.replace(['{', '}'], "");
        let Some(name) = plain.strip_prefix('$').filter(|_| depth > 0) else { return };
        for word in self.values.get(&name.to_ascii_lowercase()).into_iter().flatten().copied() {
            values.push(word);
            self.collect_values(&word.text, depth - 1, values);
        }
    }
}

impl<'t> Place<'t> {
    /// The directives of the block itself.
    pub(super) fn own(&self) -> &'t [Directive] {
        self.levels.last().map(|level| level.block()).unwrap_or_default()
    }

    /// The first directive of this name in the block itself.
    pub(super) fn first(&self, name: &str) -> Option<&'t Directive> {
        self.levels.last()?.first(name)
    }

    /// The block itself and those around it, innermost first.
    pub(super) fn outwards(&self) -> impl Iterator<Item = &ByName<'t>> {
        self.levels.iter().rev().map(Rc::as_ref)
    }

    /// The innermost directive of this name.
    pub(super) fn innermost(&self, name: &str) -> Option<&'t Directive> {
        self.outwards().find_map(|level| level.first(name))
    }

    /// The directives of this name that hold: those of the innermost level that has any.
    pub(super) fn holding(&self, name: &str) -> Vec<&'t Directive> {
        self.outwards().map(|level| level.all(&[name])).find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// The `proxy_set_header` for a field that holds.
    pub(super) fn set_header(&self, field: &str) -> Option<&'t Directive> {
        let lines = self.holding("proxy_set_header");
        lines.into_iter().rev().find(|line| line.argument(0).text.eq_ignore_ascii_case(field))
    }

    /// `location "/chat/"`, `the "if"`.
    pub(super) fn called(&self) -> String {
        match self.block {
            Some(block) if block.name.text == "location" => {
                let path = block.arguments.last().map_or("", |word| &word.text);
                format!("location \"{path}\"")
            }
            Some(block) => format!("this \"{}\"", block.name.text),
            None => "\"http\"".to_owned(),
        }
    }

    /// What the `Connection` and `Upgrade` that it forwards say.
    pub(super) fn upgrades(&self, web: &Web<'_>) -> Upgrades<'t> {
        let connection = self.set_header("Connection");
        let upgrade = self.set_header("Upgrade").filter(|line| !line.argument(1).text.is_empty());
        let permits = connection.is_some_and(|line| permits_upgrade(web, &line.argument(1).text));
        Upgrades { connection, upgrade, permits }
    }

    /// A time that is 0 where it is off, and the line that says it; nothing where none does, or it is off.
    pub(super) fn time_but_zero(&self, name: &str) -> Option<(Duration, &'t Directive)> {
        let line = self.innermost(name)?;
        let time = values::time(&line.argument(0).text).filter(|time| !time.is_zero())?;
        Some((time, line))
    }

    /// Whether frames are looked for in a WebSocket.
    pub(super) fn looks_for_frames(&self) -> bool {
        let line = self.innermost("upgrade_websocket_frames");
        line.is_none_or(|line| values::flag(&line.argument(0).text) != Some(false))
    }

    /// How long a tunnel may be silent, and the line that says so.
    pub(super) fn read_timeout(&self) -> (Option<Duration>, Option<&'t Directive>) {
        let line = self.innermost("proxy_read_timeout");
        let time = line.map_or(Some(Duration::from_secs(60)), |line| values::time(&line.argument(0).text));
        (time, line)
    }
}

/// How a place forwards an upgrade.
pub(super) struct Upgrades<'t> {
    pub(super) connection: Option<&'t Directive>,
    /// `Upgrade` that is not empty.
    pub(super) upgrade: Option<&'t Directive>,
    /// Whether `connection` permits an upgrade.
    pub(super) permits: bool,
}

fn permits_upgrade(web: &Web<'_>, value: &str) -> bool {
    let says = |text: &str| text.split([',', ' ']).any(|option| option.eq_ignore_ascii_case("upgrade"));
    let received = ["$http_connection", "${http_connection}", "$http_upgrade", "${http_upgrade}"];
    let one = |text: &str| says(text) || received.contains(&text.to_ascii_lowercase().as_str());
    one(value) || web.values_of(value).iter().any(|word| one(&word.text))
}

/// The name of the variable that a line defines.
fn variable_name(word: &Word) -> String {
    word.text.trim_start_matches('$').to_ascii_lowercase()
}

/// The directives of this name in a block.
pub(super) fn named<'t, 'n>(
    block: &'t [Directive],
    name: &'n str,
) -> impl Iterator<Item = &'t Directive> + use<'t, 'n> {
    block.iter().filter(move |directive| directive.name.text == name)
}

/// Every directive below `block`, itself not.
pub(super) fn below<'t>(block: &'t [Directive], found: &mut Vec<&'t Directive>) {
    for directive in block {
        found.push(directive);
        below(directive.inside(), found);
    }
}

/// The names of the variables in a text.
pub(super) fn variables(text: &str) -> impl Iterator<Item = String> {
    text.split('$').skip(1).filter_map(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        rest.get(..end).filter(|name| !name.is_empty()).map(str::to_ascii_lowercase)
    })
}
