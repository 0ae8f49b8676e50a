//! nginx's `map` (B7).

use std::sync::Arc;

use super::{Masks, Regex, Template};

/// A `map` block: from the value of one template to another template.
#[derive(Debug)]
pub struct Map {
    source: Template,
    /// Keys in lower case: strings match ignoring case.
    strings: Masks<Arc<Template>>,
    patterns: Vec<(Regex, Arc<Template>)>,
    default: Option<Arc<Template>>,
    hostnames: bool,
    volatile: bool,
    /// No value has a variable in it, and no pattern gives one its value.
    plain: bool,
}

impl Map {
    /// Begins a map of the values of `source`.
    pub fn builder(source: Template) -> MapBuilder {
        MapBuilder(Self {
            source,
            strings: Masks::default(),
            patterns: Vec::new(),
            default: None,
            hostnames: false,
            volatile: false,
            plain: true,
        })
    }

    pub(crate) fn source(&self) -> &Template {
        &self.source
    }

    /// Whether the value is to be found anew at each use: `volatile`.
    pub(crate) fn is_volatile(&self) -> bool {
        self.volatile
    }

    /// Whether its source alone says what its value is, and looking it up changes nothing else.
    pub(crate) fn is_plain(&self) -> bool {
        self.plain
    }

    /// Exact, then longest prefix mask, longest suffix mask, first regular expression, `default`.
    /// `lower` is space to work in; `matches` tries a regular expression.
    pub(crate) fn find(
        &self,
        value: &[u8],
        lower: &mut Vec<u8>,
        mut matches: impl FnMut(&Regex, &[u8]) -> bool,
    ) -> Option<&Template> {
        let value = value.strip_suffix(b".").filter(|_| self.hostnames).unwrap_or(value);
        lower.clear();
        lower.extend(value.iter().map(u8::to_ascii_lowercase));
        // Strings first: a pattern that isn't asked leaves the captures as they were.
        let by_pattern =
            || self.patterns.iter().find(|(regex, _)| matches(regex, value)).map(|(_, found)| found);
        self.strings.find(lower).or_else(by_pattern).or(self.default.as_ref()).map(AsRef::as_ref)
    }
}

/// Builds a [`Map`]. Each adding method says `false` when the key was there before.
#[derive(Debug)]
#[must_use]
pub struct MapBuilder(Map);

impl MapBuilder {
    /// Adds a string; case is ignored.
    pub fn exact(&mut self, key: &[u8], value: Template) -> bool {
        let value = self.value(value);
        self.0.strings.exact(key, value)
    }

    /// With `hostnames`: adds `example.com`, `*.example.com`, `.example.com` or `example.*`.
    pub fn hostname(&mut self, key: &[u8], value: Template) -> bool {
        let value = self.value(value);
        self.0.strings.add(key, value)
    }

    /// Adds a regular expression, tried after those added before.
    pub fn regex(&mut self, regex: Regex, value: Template) {
        self.0.plain &= regex.names().is_empty();
        let value = self.value(value);
        self.0.patterns.push((regex, value));
    }

    /// Sets what holds when nothing matches.
    pub fn default(&mut self, value: Template) -> bool {
        let value = self.value(value);
        self.0.default.replace(value).is_none()
    }

    fn value(&mut self, value: Template) -> Arc<Template> {
        self.0.plain &= value.variables().next().is_none();
        Arc::new(value)
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
    use crate::template::{Captures, Names, Pattern, Variable};

    fn found(map: &Map, value: &str) -> String {
        map.find(value.as_bytes(), &mut Vec::new(), |_, _| false)
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
        for known in
            ["Example.com", "*.EXAMPLE.com", "www.*", ".example.com", ".both.org", "both.org", "*.both.org"]
        {
            assert!(!map.hostname(known.as_bytes(), Template::literal("again")), "{known}");
        }
        assert!(map.hostname(b"half.org", Template::literal("half")));
        assert!(!map.hostname(b".half.org", Template::literal("rest")), "of the two one was there");
        let map = map.build();
        for (value, expected) in [
            ("half.org", "half"),
            ("x.half.org", "rest"),
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
        map.regex(Regex::new(Arc::new(Prefix("ab")), vec![]), Template::literal("first"));
        map.regex(Regex::new(Arc::new(Prefix("a")), vec![]), Template::literal("second"));
        let map = map.build();
        let mut captures = Captures::default();
        let mut find = |value: &[u8]| {
            let found = map
                .find(value, &mut Vec::new(), |regex, subject| regex.pattern().find(subject, &mut captures));
            (found.map(Template::source), captures.get(1).to_vec())
        };
        assert_eq!(find(b"abc"), (Some("first"), b"c".to_vec()));
        assert_eq!(find(b"axx").0, Some("second"));
        assert!(().lookup("anything").is_none());
    }
}
