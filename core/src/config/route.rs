//! Which location answers a request.

use std::{collections::HashMap, sync::Arc};

use super::{Location, Locations, Route, Router, TlsRules};
use crate::{
    RequestHead,
    template::{Captures, Masks, Regex},
};

/// The virtual servers of one listening socket: nginx's `server` blocks and their `location`s.
#[derive(Debug)]
pub struct ServerTable {
    servers: Vec<Server>,
    names: Masks<usize>,
    patterns: Vec<(Regex, usize)>,
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
        let mut names = Masks::default();
        let mut patterns = Vec::new();
        for (index, server) in servers.iter().enumerate() {
            for name in &server.names {
                match name {
                    ServerName::Name(name) => {
                        names.add(name.as_bytes(), index);
                    }
                    ServerName::Regex(regex) => patterns.push((regex.clone(), index)),
                }
            }
        }
        Self { servers, names, patterns, default }
    }

    /// nginx's order: the name, the longest mask in front, the longest mask behind, the first regular
    /// expression, the default server.
    fn server(&self, head: &RequestHead<'_>) -> &Server {
        let by_pattern =
            || self.patterns.iter().find(|(regex, _)| head.matches(regex, head.host())).map(|(_, at)| *at);
        let find = || self.names.find(head.host()).copied().or_else(by_pattern).unwrap_or(self.default);
        // Found once for a request: its groups would otherwise come back and take the place of later ones.
        let index = head.server(find);
        // `new` has checked every index; the default server is as good an answer as any.
        self.servers.get(index).unwrap_or(&self.servers[self.default])
    }

    /// The index of the server that answers to `name` in a TLS handshake, in lower case and without a dot behind it, found as a
    /// `Host` is; absent, the default server's.
    #[must_use]
    pub fn named_in_handshake(&self, name: Option<&str>) -> usize {
        let Some(name) = name else { return self.default };
        let mut captures = Captures::default();
        let by_pattern = || {
            let mut patterns = self.patterns.iter();
            patterns
                .find(|(regex, _)| regex.pattern().find(name.as_bytes(), &mut captures))
                .map(|(_, at)| *at)
        };
        self.names.find(name.as_bytes()).copied().or_else(by_pattern).unwrap_or(self.default)
    }
}

impl Router for ServerTable {
    fn route(&self, head: &RequestHead<'_>) -> Route {
        let server = self.server(head);
        server.locations.find(head).unwrap_or_else(|| Route::Location(Arc::clone(&server.level)))
    }

    fn entry(&self, head: &RequestHead<'_>) -> Option<Arc<Location>> {
        Some(Arc::clone(&self.server(head).level))
    }

    fn named(&self, head: &RequestHead<'_>, name: &str) -> Option<Arc<Location>> {
        self.server(head).named.get(name).cloned()
    }

    fn tls(&self, head: &RequestHead<'_>) -> TlsRules {
        self.server(head).tls
    }

    fn tls_of(&self, name: Option<&str>) -> TlsRules {
        self.servers.get(self.named_in_handshake(name)).map(|server| server.tls).unwrap_or_default()
    }
}

/// A virtual server.
#[derive(Debug)]
#[non_exhaustive]
pub struct Server {
    /// Its names.
    pub names: Vec<ServerName>,
    /// The server's own level: its rewrite directives come first, and it answers where no location does.
    pub level: Arc<Location>,
    /// Its locations.
    pub locations: Locations,
    /// Its named locations, without the `@`.
    pub named: HashMap<Box<str>, Arc<Location>>,
    /// The server judges the certificates of its TLS clients by these rules.
    pub tls: TlsRules,
}

impl Server {
    /// A server without locations.
    #[must_use]
    pub fn new(names: Vec<ServerName>, level: Arc<Location>) -> Self {
        Self {
            names,
            level,
            locations: Locations::default(),
            named: HashMap::new(),
            tls: TlsRules::default(),
        }
    }
}

/// One `server_name`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ServerName {
    /// `example.com`, `*.example.com`, `.example.com`, `www.example.*`; the empty name: requests without a host.
    Name(Box<str>),
    /// `~REGEX`, matched against the host in lower case.
    Regex(Regex),
}

impl From<&str> for ServerName {
    fn from(name: &str) -> Self {
        Self::Name(name.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Handler, Place, Proxy, Return, Settings, Target},
        record::Heads,
        template::Pattern,
    };

    /// Stands for a regular expression: the text occurs.
    #[derive(Debug)]
    struct Contains(&'static str);

    impl Pattern for Contains {
        fn find(&self, subject: &[u8], captures: &mut Captures) -> bool {
            captures.begin(subject);
            subject.windows(self.0.len()).any(|window| window == self.0.as_bytes())
        }
    }

    fn regex(text: &'static str) -> Regex {
        Regex::new(Arc::new(Contains(text)), vec![])
    }

    fn answer(status: u16) -> Arc<Location> {
        Arc::new(Location::new(Handler::Return(Return::new(status, None))))
    }

    fn proxy() -> Arc<Location> {
        let proxy = Proxy::new(Target::Group(crate::shared::GroupId(0)), "b");
        Arc::new(Location::new(Handler::Proxy(Box::new(proxy))))
    }

    /// The status of the location (0: it forwards), and whether a slash is to be added.
    fn route(table: &ServerTable, host: &str, path: &str) -> (u16, bool) {
        let mut heads = Heads::default();
        let head = format!("OPTIONS {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        heads
            .request
            .parse(head.as_bytes(), &mut crate::http1::Scan::default(), &Settings::default())
            .expect("well-formed");
        let status = |location: &Location| match &location.handler {
            Handler::Return(answer) => answer.status,
            _ => 0,
        };
        match table.route(&RequestHead(&heads)) {
            Route::Location(location) => (status(&location), false),
            Route::AddSlash(location) => (status(&location), true),
        }
    }

    #[test]
    fn locations_as_nginx_finds_them() {
        let mut server = Server::new(vec![], answer(404));
        let mut outer = Place::new(answer(206));
        assert!(outer.nested.prefix(b"/n/in", Place::new(answer(207))));
        outer.nested.regex(regex("deep"), Place::new(answer(208)));
        let mut settled = Place::new(answer(209));
        settled.settles = true;
        let locations = &mut server.locations;
        assert!(locations.prefix(b"/a", Place::new(answer(201))));
        assert!(locations.prefix(b"/a/b/", Place::new(proxy())));
        assert!(locations.prefix(b"/c/", Place::new(proxy())));
        assert!(locations.prefix(b"/c", Place::new(answer(202))));
        assert!(locations.prefix(b"/n", outer));
        assert!(locations.prefix(b"/static", settled));
        assert!(locations.exact(b"/a/x", answer(203)));
        assert!(!locations.exact(b"/a/x", answer(204)));
        assert!(!locations.prefix(b"/a", Place::new(answer(205))));
        locations.regex(regex(".php"), Place::new(answer(210)));
        locations.regex(regex("php"), Place::new(answer(211)));
        let table = ServerTable::new(vec![server], 0);
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
            ("/a/x.php", (210, false)),
            ("/php", (211, false)),
            ("/static/x.php", (209, false)),
            ("/n/other", (206, false)),
            ("/n/in/x", (207, false)),
            ("/n/in/deep", (208, false)),
            ("/n/x.php", (210, false)),
            ("/n/in/x.php", (210, false)),
        ] {
            assert_eq!(route(&table, "h", path), expected, "{path}");
        }
    }

    #[test]
    fn servers_as_nginx_finds_them() {
        let server = |names: &[&str], status| {
            Server::new(names.iter().map(|name| (*name).into()).collect(), answer(status))
        };
        let mut by_regex = server(&[], 206);
        by_regex.names.push(ServerName::Regex(regex("42")));
        let table = ServerTable::new(
            vec![
                server(&["default"], 200),
                server(&["example.com", "www.example.*"], 201),
                server(&["*.example.com"], 202),
                server(&["*.a.example.com"], 203),
                server(&[".both.org"], 204),
                server(&["example.com"], 205),
                by_regex,
            ],
            0,
        );
        for (host, status) in [
            ("example.com", 201),
            ("EXAMPLE.com:8080", 201),
            ("www.example.org", 201),
            ("www.example.com", 202),
            ("x.a.example.com", 203),
            ("both.org", 204),
            ("x.y.both.org", 204),
            ("42.org", 206),
            ("nobody", 200),
        ] {
            assert_eq!(route(&table, host, "/").0, status, "{host}");
        }
        for (name, index) in [
            (Some("example.com"), 1),
            (Some("www.example.org"), 1),
            (Some("x.a.example.com"), 3),
            (Some("42.org"), 6),
            (Some("nobody"), 0),
            (None, 0),
        ] {
            assert_eq!(table.named_in_handshake(name), index, "{name:?}");
        }
    }
}
