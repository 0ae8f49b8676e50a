//! Which location answers a request.

use std::{collections::HashMap, fmt, sync::Arc};

use super::Location;
use crate::RequestHead;

/// Finds the location of a request. Implement it to route in code; [`ServerTable`] routes as nginx does.
pub trait Router: Send + Sync + fmt::Debug {
    /// Decides where `head` goes. The path has been normalised, the host checked and lower-cased.
    fn route(&self, head: &RequestHead<'_>) -> Route;
}

/// A router's decision.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Route {
    /// This location answers.
    Location(Arc<Location>),
    /// The path lacks the slash that the location's prefix ends in: answered with a 301 to the same
    /// path and a slash (nginx does this for a prefix location with `proxy_pass`).
    AddSlash(Arc<Location>),
}

/// The virtual servers of one listening socket: nginx's `server` blocks and their `location`s.
#[derive(Debug)]
pub struct ServerTable {
    servers: Vec<Server>,
    names: HashMap<Box<[u8]>, usize>,
    default: usize,
}

impl ServerTable {
    /// A table of `servers`; the one at `default` answers requests whose host matches none. Of two
    /// servers with one name the first has it, as in nginx.
    ///
    /// # Panics
    /// When `default` is no index of `servers`.
    #[must_use]
    pub fn new(servers: Vec<Server>, default: usize) -> Self {
        assert!(default < servers.len(), "the default server is one of the servers");
        let mut names = HashMap::new();
        for (index, server) in servers.iter().enumerate() {
            for name in &server.names {
                names.entry(name.to_ascii_lowercase().into_bytes().into_boxed_slice()).or_insert(index);
            }
        }
        Self { servers, names, default }
    }
}

impl Router for ServerTable {
    fn route(&self, head: &RequestHead<'_>) -> Route {
        let index = self.names.get(head.host()).copied().unwrap_or(self.default);
        match self.servers.get(index) {
            Some(server) => server.locate(head.path()),
            // `new` has checked every index; the first server is as good an answer as any.
            None => self.servers[self.default].locate(head.path()),
        }
    }
}

/// A virtual server.
#[derive(Debug)]
pub struct Server {
    names: Vec<Box<str>>,
    exact: HashMap<Box<[u8]>, Arc<Location>>,
    /// Longest first, so that the first match is the longest.
    prefixes: Vec<(Box<[u8]>, Arc<Location>)>,
    otherwise: Arc<Location>,
}

impl Server {
    /// A server of these exact names (the empty name: requests without a host). `otherwise` answers
    /// where no location matches: what the server's own level says, else 404.
    #[must_use]
    pub fn new(names: Vec<Box<str>>, otherwise: Arc<Location>) -> Self {
        Self { names, exact: HashMap::new(), prefixes: Vec::new(), otherwise }
    }

    /// Adds `location = PATH`. The first of two equal paths stays; `false` says that there was one.
    pub fn exact(&mut self, path: &[u8], location: Arc<Location>) -> bool {
        if self.exact.contains_key(path) {
            return false;
        }
        self.exact.insert(path.into(), location);
        true
    }

    /// Adds `location PREFIX`. The first of two equal prefixes stays; `false` says that there was one.
    pub fn prefix(&mut self, prefix: &[u8], location: Arc<Location>) -> bool {
        if self.prefixes.iter().any(|(known, _)| **known == *prefix) {
            return false;
        }
        let at = self.prefixes.partition_point(|(known, _)| known.len() >= prefix.len());
        self.prefixes.insert(at, (prefix.into(), location));
        true
    }

    /// nginx's order: an exact match, a prefix that is the whole path, a prefix that the path only lacks the
    /// slash of, the longest prefix.
    /// `*` is for the server as a whole (RFC 9112 §3.2.4), which is where `/` is.
    fn locate(&self, path: &[u8]) -> Route {
        let path = if path == b"*" { b"/" } else { path };
        if let Some(location) = self.exact.get(path) {
            return Route::Location(Arc::clone(location));
        }
        let found = self.prefixes.iter().find(|(prefix, _)| path.starts_with(prefix));
        if let Some((prefix, location)) = found
            && prefix.len() == path.len()
        {
            return Route::Location(Arc::clone(location));
        }
        let lacks_slash = |prefix: &[u8]| prefix.strip_suffix(b"/") == Some(path) && !path.is_empty();
        let forwards = |location: &Location| matches!(location.handler, super::Handler::Proxy(_));
        let longer =
            self.prefixes.iter().find(|(prefix, location)| lacks_slash(prefix) && forwards(location));
        match (longer, found) {
            (Some((_, location)), _) => Route::AddSlash(Arc::clone(location)),
            (None, Some((_, location))) => Route::Location(Arc::clone(location)),
            (None, None) => Route::Location(Arc::clone(&self.otherwise)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Handler, Proxy, Return, Target};

    fn route(server: &Server, path: &str) -> (u16, bool) {
        let status = |location: &Location| match &location.handler {
            Handler::Return(answer) => answer.status,
            Handler::Proxy(_) => 0,
        };
        match server.locate(path.as_bytes()) {
            Route::Location(location) => (status(&location), false),
            Route::AddSlash(location) => (status(&location), true),
        }
    }

    #[test]
    fn as_nginx_finds_them() {
        let answer = |status| Arc::new(Location::new(Handler::Return(Return::new(status, None))));
        let proxy = || {
            let proxy = Proxy::new(Target::Group(crate::shared::GroupId(0)), "b");
            Arc::new(Location::new(Handler::Proxy(Box::new(proxy))))
        };
        let mut server = Server::new(vec![], answer(404));
        assert!(server.prefix(b"/a", answer(201)));
        assert!(server.prefix(b"/a/b/", proxy()));
        assert!(server.prefix(b"/c/", proxy()));
        assert!(server.prefix(b"/c", answer(202)));
        assert!(server.exact(b"/a/x", answer(203)));
        assert!(!server.exact(b"/a/x", answer(204)));
        assert!(!server.prefix(b"/a", answer(205)));
        for (path, expected) in [
            ("/", (404, false)),
            ("/a", (201, false)),
            ("/ab", (201, false)),
            ("/a/x", (203, false)),
            ("/a/xy", (201, false)),
            ("/a/b", (0, true)),
            ("/a/b/", (0, false)),
            ("/c", (202, false)),
            ("/c/", (0, false)),
            ("*", (404, false)),
        ] {
            assert_eq!(route(&server, path), expected, "{path}");
        }
    }
}
