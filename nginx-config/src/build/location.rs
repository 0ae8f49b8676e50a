//! `location` and `return`.

use std::sync::Arc;

use underpass_core::{
    config::{Handler, Location, Return},
    template::Escape,
};

use super::{Builder, all, level::Level};
use crate::{
    error::{Error, Note},
    syntax::{Directive, Word},
    values,
};

/// Which paths a location answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Matcher {
    Exact(String),
    Prefix(String),
}

impl Matcher {
    pub(super) fn path(&self) -> &str {
        match self {
            Self::Exact(path) | Self::Prefix(path) => path,
        }
    }
}

impl Builder<'_> {
    /// Reads one `location` block.
    pub(super) fn location(
        &mut self,
        block: &Directive,
        outer: &Level<'_>,
        server_name: &Arc<str>,
    ) -> Result<(Matcher, Arc<Location>), Error> {
        let matcher = matcher(block)?;
        let level = self.level(Some(outer), block.inside())?;
        let proxy_pass = all(block.inside(), "proxy_pass").next();
        let proxy = proxy_pass
            .map(|directive| self.proxy(directive.argument(0), &level, matcher.path().len()))
            .transpose()?;
        let handler = match (self.returned(block.inside())?, proxy) {
            (Some(answer), _) => Handler::Return(answer),
            (None, Some(proxy)) => Handler::Proxy(Box::new(proxy)),
            (None, None) => {
                let message = format!(
                    "location \"{}\" has neither \"proxy_pass\" nor \"return\": it answers 404",
                    matcher.path()
                );
                self.notes.push(Note::new(&block.name.position, message));
                not_found()
            }
        };
        let location = self.finish_location(handler, &level, server_name, &block.name)?;
        Ok((matcher, location))
    }

    /// A location with what `level` says of it.
    pub(super) fn finish_location(
        &mut self,
        handler: Handler,
        level: &Level<'_>,
        server_name: &Arc<str>,
        place: &Word,
    ) -> Result<Arc<Location>, Error> {
        let mut location = Location::new(handler);
        location.settings = level.settings()?;
        location.server_name = Arc::clone(server_name);
        location.access_logs = self.access_logs_of(level, place)?;
        Ok(Arc::new(location))
    }

    /// The first `return` of a block; those behind it are never reached.
    pub(super) fn returned(&mut self, block: &[Directive]) -> Result<Option<Return>, Error> {
        let mut first = None;
        for directive in all(block, "return") {
            let answer = self.answer(directive)?;
            if first.is_some() {
                let message = "this \"return\" is never reached: one before it answers";
                self.notes.push(Note::new(&directive.name.position, message));
            } else {
                first = Some(answer);
            }
        }
        Ok(first)
    }

    fn answer(&self, directive: &Directive) -> Result<Return, Error> {
        let word = directive.argument(0);
        let text = directive.arguments.get(1);
        let invalid = || Error::new(&word.position, format!("invalid return code \"{}\"", word.text));
        let Some(code) = values::number(&word.text) else {
            let is_url = ["http://", "https://", "$scheme"].iter().any(|start| word.text.starts_with(start));
            if text.is_some() || !is_url {
                return Err(
                    invalid().hint("it takes a code, or a URL that begins with http://, https:// or $scheme")
                );
            }
            return Ok(Return::new(302, Some(self.template(word, Escape::None)?)));
        };
        if code == 444 {
            return Err(invalid().hint("closing without an answer is not in this version"));
        }
        let Some(status) = u16::try_from(code).ok().filter(|status| (200..=599).contains(status)) else {
            return Err(invalid().hint("it is between 200 and 599"));
        };
        let text = text.map(|text| self.template(text, Escape::None)).transpose()?;
        Ok(Return::new(status, text))
    }
}

/// What answers where nothing else does.
pub(super) fn not_found() -> Handler {
    Handler::Return(Return::new(404, None))
}

fn matcher(block: &Directive) -> Result<Matcher, Error> {
    let (modifier, path) = match block.arguments.as_slice() {
        [modifier, path] => (modifier.text.as_str(), path),
        [path, ..] => ("", path),
        [] => ("", &block.name),
    };
    let absent = |what: &str| {
        Error::new(&block.argument(0).position, format!("{what} are not in this version"))
            .hint("a location is a prefix, or with \"=\" one path")
    };
    let text = path.text.as_str();
    match modifier {
        "=" => Ok(Matcher::Exact(text.to_owned())),
        "~" | "~*" => Err(absent("regular expressions in \"location\"")),
        "^~" => Err(absent("locations with \"^~\"")),
        "" if text.starts_with('~') => Err(absent("regular expressions in \"location\"")),
        "" if text.starts_with("^~") => Err(absent("locations with \"^~\"")),
        "" if text.starts_with('@') => Err(absent("named locations")),
        "" => Ok(match text.strip_prefix('=') {
            Some(exact) => Matcher::Exact(exact.to_owned()),
            None => Matcher::Prefix(text.to_owned()),
        }),
        _ => {
            let message = format!("invalid location modifier \"{modifier}\"");
            Err(Error::new(&block.argument(0).position, message))
        }
    }
}
