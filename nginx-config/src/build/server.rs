//! `server`: a virtual server.

use std::sync::Arc;

use underpass_core::config::{Handler, Location, Place, Server, ServerName, Settings};

use super::{
    Builder, all,
    level::Level,
    listen::Listen,
    location::{Matcher, not_found},
};
use crate::{
    error::{Error, Note, Position},
    syntax::{Directive, Word},
};

/// A server and where it is reached.
pub(super) struct VirtualServer {
    pub(super) listens: Vec<Listen>,
    /// In lower case, with their places.
    pub(super) names: Vec<(Box<str>, Position)>,
    /// What holds before a request is routed.
    pub(super) settings: Arc<Settings>,
    pub(super) locations: Vec<(Matcher, Arc<Location>)>,
    pub(super) otherwise: Arc<Location>,
}

impl VirtualServer {
    /// The server as the table of a socket needs it; locations are shared.
    pub(super) fn to_server(&self) -> Server {
        let names = self.names.iter().map(|(name, _)| ServerName::Name(name.clone())).collect();
        let mut server = Server::new(names, Arc::clone(&self.otherwise));
        for (matcher, location) in &self.locations {
            let path = matcher.path().as_bytes();
            match matcher {
                Matcher::Exact(_) => server.locations.exact(path, Arc::clone(location)),
                Matcher::Prefix(_) => server.locations.prefix(path, Place::new(Arc::clone(location))),
            };
        }
        server
    }
}

impl Builder<'_> {
    /// Reads one `server` block of `http`.
    pub(super) fn server<'t>(
        &mut self,
        block: &'t Directive,
        http: &Level<'t>,
    ) -> Result<VirtualServer, Error> {
        let listens = self.listens(block)?;
        let names = self.names(block)?;
        let first_name: Arc<str> = names.first().map_or("", |(name, _)| name).into();
        let level = self.level(Some(http), block.inside())?;
        let answer = self.returned(block.inside())?;
        let mut locations = self.locations(block, &level, &first_name)?;
        if answer.is_some() && !locations.is_empty() {
            let message =
                "the \"return\" of the server answers every request: its locations are never reached";
            self.notes.push(Note::new(&block.name.position, message));
            locations.clear();
        }
        let handler = answer.map_or_else(not_found, Handler::Return);
        let otherwise = self.finish_location(handler, &level, &first_name, &block.name)?;
        Ok(VirtualServer { listens, names, settings: level.settings()?, locations, otherwise })
    }

    fn locations(
        &mut self,
        server: &Directive,
        level: &Level<'_>,
        server_name: &Arc<str>,
    ) -> Result<Vec<(Matcher, Arc<Location>)>, Error> {
        let mut locations: Vec<(Matcher, Arc<Location>)> = Vec::new();
        for block in all(server.inside(), "location") {
            let (matcher, location) = self.location(block, level, server_name)?;
            if locations.iter().any(|(known, _)| *known == matcher) {
                let message = format!("duplicate location \"{}\"", matcher.path());
                return Err(Error::new(&block.name.position, message));
            }
            locations.push((matcher, location));
        }
        Ok(locations)
    }

    /// The names of a server: without any, it is that of requests without a host.
    fn names(&mut self, server: &Directive) -> Result<Vec<(Box<str>, Position)>, Error> {
        let mut names = Vec::new();
        for word in all(server.inside(), "server_name").flat_map(|directive| &directive.arguments) {
            names.push((self.name(word)?, word.position.clone()));
        }
        if names.is_empty() {
            names.push(("".into(), server.name.position.clone()));
        }
        Ok(names)
    }

    fn name(&mut self, word: &Word) -> Result<Box<str>, Error> {
        let text = word.text.as_str();
        if text.starts_with('~') || text.starts_with('.') || text.starts_with("*.") || text.ends_with(".*") {
            let message =
                format!("server name \"{text}\": masks and regular expressions are not in this version");
            return Err(Error::new(&word.position, message).hint("write out the names"));
        }
        if text.contains('*') {
            return Err(Error::new(&word.position, format!("server name \"{text}\" is invalid")));
        }
        if text.contains('/') {
            let message = format!("server name \"{text}\" has suspicious symbols");
            self.notes.push(Note::new(&word.position, message));
        }
        let name = if text == "$hostname" { &self.options.identity.hostname } else { text };
        Ok(name.to_ascii_lowercase().into())
    }
}
