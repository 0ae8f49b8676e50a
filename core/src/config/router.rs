//! The trait that finds the location of a request.

use std::{fmt, sync::Arc};

use super::{Location, TlsRules};
use crate::RequestHead;

/// Finds the location of a request. Implement it to route in code; [`ServerTable`](super::ServerTable) routes as nginx does.
pub trait Router: Send + Sync + fmt::Debug {
    /// Decides where `head` goes. The path has been normalised, the host checked and lower-cased. Called
    /// again when a `rewrite` or an `error_page` has changed the path.
    fn route(&self, head: &RequestHead<'_>) -> Route;

    /// The level whose rewrite directives come before a location is searched: the server's own.
    fn entry(&self, head: &RequestHead<'_>) -> Option<Arc<Location>> {
        let _ = head;
        None
    }

    /// The location `@name` of the request's server.
    fn named(&self, head: &RequestHead<'_>, name: &str) -> Option<Arc<Location>> {
        let _ = (head, name);
        None
    }

    /// The server of this request judges certificates of clients by these rules.
    fn tls(&self, head: &RequestHead<'_>) -> TlsRules {
        let _ = head;
        TlsRules::default()
    }

    /// The server that `name` (in lower case) selects in a handshake has these rules, and the client's certificate was judged by
    /// them; `None` is a client that sent no name.
    fn tls_of(&self, name: Option<&str>) -> TlsRules {
        let _ = name;
        TlsRules::default()
    }
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
