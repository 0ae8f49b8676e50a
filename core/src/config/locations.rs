//! The locations of a server, and the order in which nginx looks through them.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::Arc,
};

use super::{Handler, Location, Route};
use crate::{RequestHead, template::Regex};

/// A level of `location` blocks: those of a server, or those nested in one of them.
#[derive(Debug, Default)]
pub struct Locations {
    exact: HashMap<Box<[u8]>, Arc<Location>>,
    prefixes: BTreeMap<Box<[u8]>, Place>,
    /// Prefixes that end in a slash, by what stands before it.
    slashed: HashMap<Box<[u8]>, Box<[u8]>>,
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
        if self.prefixes.contains_key(prefix) {
            return false;
        }
        if let Some(bare) = prefix.strip_suffix(b"/") {
            self.slashed.insert(bare.into(), prefix.into());
        }
        self.prefixes.insert(prefix.into(), place);
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
        let longest = self.longest(path);
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

    /// The longest prefix of the path. Among sorted ones it is the last that isn't behind the path, or it is a prefix of
    /// what that one and the path have in common: each further step goes to a shorter one.
    fn longest(&self, path: &[u8]) -> Option<(&[u8], &Place)> {
        let mut common = path;
        loop {
            let upto = (Bound::Unbounded, Bound::Included(common));
            let (prefix, place) = self.prefixes.range::<[u8], _>(upto).next_back()?;
            let alike = prefix.iter().zip(common).take_while(|(one, other)| one == other).count();
            if alike == prefix.len() {
                return Some((prefix, place));
            }
            common = common.get(..alike)?;
        }
    }

    fn lacking_slash(&self, path: &[u8]) -> Option<&Place> {
        let slashed = self.slashed.get(path).filter(|_| !path.is_empty())?;
        let place = self.prefixes.get(slashed)?;
        matches!(place.location.handler, Handler::Proxy(_)).then_some(place)
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_longest_prefix_is_found(
            prefixes in proptest::collection::vec("/?[ab/]{0,5}", 0..12),
            path in "/[ab/]{0,6}",
        ) {
            let mut locations = Locations::default();
            for prefix in &prefixes {
                locations.prefix(prefix.as_bytes(), Place::new(Arc::new(Location::new(Handler::Nothing))));
            }
            let fitting = prefixes.iter().filter(|prefix| path.starts_with(prefix.as_str()));
            let expected = fitting.max_by_key(|prefix| prefix.len()).map(String::as_bytes);
            prop_assert_eq!(locations.longest(path.as_bytes()).map(|(prefix, _)| prefix), expected);
        }
    }
}
