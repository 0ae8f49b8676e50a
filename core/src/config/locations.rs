//! The locations of a server, and the order in which nginx looks through them.

use std::{collections::HashMap, sync::Arc};

use super::{Handler, Location, Route};
use crate::{RequestHead, template::Regex};

/// A level of `location` blocks: those of a server, or those nested in one of them.
#[derive(Debug, Default)]
pub struct Locations {
    exact: HashMap<Box<[u8]>, Arc<Location>>,
    /// Longest first, so that the first match is the longest.
    prefixes: Vec<(Box<[u8]>, Place)>,
    /// In the order of the file.
    patterns: Vec<(Regex, Place)>,
}

/// A location and what is nested in it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Place {
    /// The location.
    pub location: Arc<Location>,
    /// The locations in it.
    pub nested: Locations,
    /// `^~`: no regular expression is tried once this is the longest prefix.
    pub settles: bool,
}

impl Place {
    /// A location with nothing in it.
    #[must_use]
    pub fn new(location: Arc<Location>) -> Self {
        Self { location, nested: Locations::default(), settles: false }
    }
}

impl Locations {
    /// Adds `location = PATH`. The first of two equal paths stays; `false` says that there was one.
    pub fn exact(&mut self, path: &[u8], location: Arc<Location>) -> bool {
        if self.exact.contains_key(path) {
            return false;
        }
        self.exact.insert(path.into(), location);
        true
    }

    /// Adds `location PREFIX`. The first of two equal prefixes stays; `false` says that there was one.
    pub fn prefix(&mut self, prefix: &[u8], place: Place) -> bool {
        if self.prefixes.iter().any(|(known, _)| **known == *prefix) {
            return false;
        }
        let at = self.prefixes.partition_point(|(known, _)| known.len() >= prefix.len());
        self.prefixes.insert(at, (prefix.into(), place));
        true
    }

    /// Adds `location ~ REGEX`, tried after those added before.
    pub fn regex(&mut self, regex: Regex, place: Place) {
        self.patterns.push((regex, place));
    }

    /// Finds the location of the request's path.
    pub(crate) fn find(&self, head: &RequestHead<'_>) -> Option<Route> {
        self.search(head).map(|found| found.route)
    }

    /// nginx's order: an exact path; a prefix that the path only lacks the slash of; the longest prefix, what is
    /// nested in it first; the first regular expression, unless the prefix settles it; else the prefix.
    fn search(&self, head: &RequestHead<'_>) -> Option<Found> {
        // `*` is for the server as a whole (RFC 9112 §3.2.4), which is where `/` is.
        let path = if head.path() == b"*" { b"/" } else { head.path() };
        if let Some(location) = self.exact.get(path) {
            return Some(Found::settled(Route::Location(Arc::clone(location))));
        }
        let longest = self.prefixes.iter().find(|(prefix, _)| path.starts_with(prefix));
        let is_whole = longest.is_some_and(|(prefix, _)| prefix.len() == path.len());
        if !is_whole && let Some(place) = self.lacking_slash(path) {
            return Some(Found::settled(Route::AddSlash(Arc::clone(&place.location))));
        }
        let mut best = None;
        if let Some((_, place)) = longest {
            let nested = place.nested.search(head);
            if nested.as_ref().is_some_and(|found| found.settled) {
                return nested;
            }
            best = nested.or_else(|| Some(Found::open(place)));
        }
        if longest.is_some_and(|(_, place)| place.settles) {
            return best;
        }
        let Some((_, place)) = self.patterns.iter().find(|(regex, _)| head.matches(regex, path)) else {
            return best;
        };
        let route = place.nested.search(head).unwrap_or_else(|| Found::open(place)).route;
        Some(Found::settled(route))
    }

    fn lacking_slash(&self, path: &[u8]) -> Option<&Place> {
        let lacks_slash = |prefix: &[u8]| prefix.strip_suffix(b"/") == Some(path) && !path.is_empty();
        let forwards = |place: &Place| matches!(place.location.handler, Handler::Proxy(_));
        self.prefixes
            .iter()
            .find(|(prefix, place)| lacks_slash(prefix) && forwards(place))
            .map(|(_, place)| place)
    }
}

/// What a level has come to.
struct Found {
    route: Route,
    /// No regular expression of a level above is tried any more.
    settled: bool,
}

impl Found {
    fn settled(route: Route) -> Self {
        Self { route, settled: true }
    }

    fn open(place: &Place) -> Self {
        Self { route: Route::Location(Arc::clone(&place.location)), settled: false }
    }
}
