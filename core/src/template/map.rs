//! nginx's `map` (B7).

use std::{collections::HashMap, sync::Arc};

use super::{Captures, Pattern, Template};

/// A `map` block: from the value of one template to another template.
#[derive(Debug)]
pub struct Map {
    source: Template,
    /// Keys in lower case: strings match ignoring case.
    exact: HashMap<Box<[u8]>, Arc<Template>>,
    /// `*.example.com`, as `.example.com`.
    leading: HashMap<Box<[u8]>, Arc<Template>>,
    /// `example.*`, as `example.`.
    trailing: HashMap<Box<[u8]>, Arc<Template>>,
    patterns: Vec<(Arc<dyn Pattern>, Arc<Template>)>,
    default: Option<Arc<Template>>,
    hostnames: bool,
    volatile: bool,
}

impl Map {
    /// Begins a map of the values of `source`.
    pub fn builder(source: Template) -> MapBuilder {
        MapBuilder(Self {
            source,
            exact: HashMap::new(),
            leading: HashMap::new(),
            trailing: HashMap::new(),
            patterns: Vec::new(),
            default: None,
            hostnames: false,
            volatile: false,
        })
    }

    pub(crate) fn source(&self) -> &Template {
        &self.source
    }

    /// Whether the value is to be found anew at each use: `volatile`.
    pub(crate) fn is_volatile(&self) -> bool {
        self.volatile
    }

    /// Exact, then longest prefix mask, longest suffix mask, first regular expression, `default`.
    /// `value` is put into lower case on the way.
    pub(crate) fn find(&self, value: &mut Vec<u8>, captures: &mut Captures) -> Option<&Template> {
        if self.hostnames && value.ends_with(b".") {
            value.pop();
        }
        // Strings first: a pattern that isn't asked leaves the captures as they were.
        let original = (!self.patterns.is_empty()).then(|| value.clone());
        value.make_ascii_lowercase();
        let by_pattern = || {
            let subject = original.as_deref()?;
            self.patterns.iter().find(|(pattern, _)| pattern.find(subject, captures)).map(|(_, found)| found)
        };
        self.exact
            .get(value.as_slice())
            .or_else(|| self.find_mask(value))
            .or_else(by_pattern)
            .or(self.default.as_ref())
            .map(AsRef::as_ref)
    }

    fn find_mask(&self, key: &[u8]) -> Option<&Arc<Template>> {
        let dots = || key.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at);
        let leading = dots().find_map(|at| self.leading.get(key.get(at..)?));
        let trailing = || dots().rev_find_map(|at| self.trailing.get(key.get(..=at)?));
        leading.or_else(trailing)
    }
}

/// `find_map` from the back, for iterators that can't be reversed cheaply.
trait RevFindMap: Iterator + Sized {
    fn rev_find_map<T>(self, mut f: impl FnMut(Self::Item) -> Option<T>) -> Option<T> {
        self.fold(None, |last, item| f(item).or(last))
    }
}

impl<I: Iterator> RevFindMap for I {}

/// Builds a [`Map`]. Each adding method says `false` when the key was there before.
#[derive(Debug)]
#[must_use]
pub struct MapBuilder(Map);

impl MapBuilder {
    /// Adds a string; case is ignored.
    pub fn exact(&mut self, key: &[u8], value: Template) -> bool {
        self.0.exact.insert(key.to_ascii_lowercase().into(), Arc::new(value)).is_none()
    }

    /// With `hostnames`: adds `example.com`, `*.example.com`, `.example.com` or `example.*`.
    pub fn hostname(&mut self, key: &[u8], value: Template) -> bool {
        let key = key.to_ascii_lowercase();
        let value = Arc::new(value);
        if let Some(mask) = key.strip_prefix(b"*") {
            self.0.leading.insert(mask.into(), value).is_none()
        } else if let Some(name) = key.strip_prefix(b".") {
            let whole = self.0.exact.insert(name.into(), Arc::clone(&value)).is_none();
            self.0.leading.insert(key.into(), value).is_none() && whole
        } else if let Some(mask) = key.strip_suffix(b"*") {
            self.0.trailing.insert(mask.into(), value).is_none()
        } else {
            self.0.exact.insert(key.into(), value).is_none()
        }
    }

    /// Adds a regular expression, tried after those added before.
    pub fn pattern(&mut self, pattern: Arc<dyn Pattern>, value: Template) {
        self.0.patterns.push((pattern, Arc::new(value)));
    }

    /// Sets what holds when nothing matches.
    pub fn default(&mut self, value: Template) -> bool {
        self.0.default.replace(Arc::new(value)).is_none()
    }

    /// Keys are host names with masks, and a dot at the end of a value is ignored: `hostnames`.
    pub fn hostnames(&mut self) {
        self.0.hostnames = true;
    }

    /// The value is found anew at each use: `volatile`.
    pub fn volatile(&mut self) {
        self.0.volatile = true;
    }

    /// The map.
    #[must_use]
    pub fn build(self) -> Map {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::{Names, Variable};

    fn found(map: &Map, value: &str) -> String {
        let mut captures = Captures::default();
        map.find(&mut value.as_bytes().to_vec(), &mut captures)
            .map_or_else(String::new, |t| t.source().to_owned())
    }

    #[test]
    fn the_page_s_map() {
        let mut map = Map::builder(Template::variable(Variable::Http("upgrade".into())));
        map.default(Template::literal("upgrade"));
        map.exact(b"", Template::literal("close"));
        let map = map.build();
        assert_eq!(found(&map, ""), "close");
        assert_eq!(found(&map, "websocket"), "upgrade");
    }

    #[test]
    fn masks_in_nginx_s_order() {
        let mut map = Map::builder(Template::variable(Variable::Host));
        map.hostnames();
        for (key, value) in [
            ("example.com", "exact"),
            ("*.example.com", "prefix"),
            ("*.a.example.com", "longer prefix"),
            ("www.*", "suffix"),
            ("www.example.*", "longer suffix"),
            (".both.org", "both"),
        ] {
            assert!(map.hostname(key.as_bytes(), Template::literal(value)));
        }
        let map = map.build();
        for (value, expected) in [
            ("EXAMPLE.com.", "exact"),
            ("b.example.com", "prefix"),
            ("b.a.example.com", "longer prefix"),
            ("www.example.com", "prefix"),
            ("www.example.org", "longer suffix"),
            ("www.else.org", "suffix"),
            ("both.org", "both"),
            ("x.both.org", "both"),
            ("nothing", ""),
        ] {
            assert_eq!(found(&map, value), expected, "{value}");
        }
    }

    #[test]
    fn first_pattern_wins_and_captures() {
        #[derive(Debug)]
        struct Prefix(&'static str);
        impl Pattern for Prefix {
            fn find(&self, subject: &[u8], captures: &mut Captures) -> bool {
                captures.begin(subject);
                captures.set(1, self.0.len(), subject.len());
                subject.starts_with(self.0.as_bytes())
            }
        }
        let mut map = Map::builder(Template::variable(Variable::Host));
        map.pattern(Arc::new(Prefix("ab")), Template::literal("first"));
        map.pattern(Arc::new(Prefix("a")), Template::literal("second"));
        let map = map.build();
        let mut captures = Captures::default();
        assert_eq!(map.find(&mut b"abc".to_vec(), &mut captures).map(Template::source), Some("first"));
        assert_eq!(captures.get(1), b"c");
        assert_eq!(found(&map, "axx"), "second");
        assert!(().lookup("anything").is_none());
    }
}
