//! Where rewriting and error pages have led a request.

use super::Heads;

/// How often a location may be searched anew for one request, as in nginx.
const MAX_TURNS: u8 = 10;

/// Where rewriting and error pages have led a request. By default nowhere: it is for the URI that it came with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "what nginx keeps of a request, each on its own")]
pub(crate) struct Detour {
    path: Vec<u8>,
    query: Vec<u8>,
    /// These two hold in the place of the request's own.
    changed: bool,
    /// The path is another one than the location was found by, so that the next is to be searched.
    pub(crate) searches: bool,
    /// The path is another one than the location was found by, and the request stays there: nothing of it is what
    /// the location matched.
    pub(crate) whole: bool,
    /// The client itself has not named the path: `internal` locations are open to it.
    pub(crate) internal: bool,
    /// The location is found already: a named one.
    pub(crate) is_named: bool,
    /// How often it was led elsewhere.
    turns: u8,
    /// The error that an error page answers.
    pub(crate) error: Option<u16>,
    /// The status code that its answer has, whatever it says itself.
    pub(crate) status: Option<u16>,
    /// The origin server's status code that a page has taken the place of.
    pub(crate) intercepted: Option<u16>,
    /// Where a redirect of our own leads, which an error page may answer: a URI, or a path of this server.
    pub(crate) redirect: Vec<u8>,
    /// The request's content can't be had any more.
    pub(crate) content_gone: bool,
    /// It was given up before it had come whole.
    pub(crate) content_cut: bool,
    /// An upgrade was asked for that didn't come about: on offer elsewhere before, or refused by ourselves.
    pub(crate) upgrade: bool,
}

impl Detour {
    pub(crate) fn clear(&mut self) {
        let [path, query, redirect] = [&mut self.path, &mut self.query, &mut self.redirect].map(|text| {
            text.clear();
            std::mem::take(text)
        });
        *self = Self { path, query, redirect, ..Self::default() };
    }

    /// Counts one more way that the request is led; `false` when these are too many.
    pub(crate) fn turn(&mut self) -> bool {
        self.searches = false;
        self.turns = self.turns.saturating_add(1);
        self.turns <= MAX_TURNS
    }
}

/// The URI that a request is for. `$request_uri` shows what came; everything else goes by these.
impl Heads {
    /// The path: normalised as it came, or as it was rewritten.
    pub(crate) fn path(&self) -> &[u8] {
        if self.detour.changed { &self.detour.path } else { self.request.path() }
    }

    /// The query without its question mark; empty when there is none.
    pub(crate) fn query(&self) -> &[u8] {
        if self.detour.changed { &self.detour.query } else { self.request.query().unwrap_or_default() }
    }

    /// Whether the URI is no longer the one that the request came with.
    pub(crate) fn is_rewritten(&self) -> bool {
        self.detour.changed
    }

    /// Gives the request another path; `None` leaves the query as it is.
    pub(crate) fn rewrite_path(&mut self, path: &[u8], query: Option<&[u8]>) {
        let Self { request, detour, .. } = self;
        if let Some(query) = query {
            detour.query.clear();
            detour.query.extend_from_slice(query);
        } else if !detour.changed {
            detour.query.clear();
            detour.query.extend_from_slice(request.query().unwrap_or_default());
        }
        detour.path.clear();
        detour.path.extend_from_slice(path);
        (detour.changed, detour.internal) = (true, true);
    }

    /// Gives the request another query.
    pub(crate) fn rewrite_query(&mut self, query: &[u8]) {
        let Self { request, detour, .. } = self;
        if !detour.changed {
            detour.path.clear();
            detour.path.extend_from_slice(request.path());
        }
        detour.query.clear();
        detour.query.extend_from_slice(query);
        detour.changed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    fn path_and_query_are_rewritten_each_on_its_own() {
        let mut heads = Heads::default();
        let head = b"GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n";
        heads.request.parse(head, &mut 0, &Settings::default()).expect("well-formed");
        assert_eq!((heads.path(), heads.query()), (b"/a".as_slice(), b"b".as_slice()));
        heads.rewrite_query(b"c");
        assert_eq!((heads.path(), heads.query()), (b"/a".as_slice(), b"c".as_slice()));
        assert!(!heads.detour.internal, "a query opens nothing");
        heads.rewrite_path(b"/d", None);
        assert_eq!((heads.path(), heads.query()), (b"/d".as_slice(), b"c".as_slice()));
        heads.rewrite_path(b"/e", Some(b""));
        assert_eq!((heads.path(), heads.query()), (b"/e".as_slice(), b"".as_slice()));
        heads.detour.clear();
        assert_eq!((heads.path(), heads.query()), (b"/a".as_slice(), b"b".as_slice()));
        heads.rewrite_path(b"/f", None);
        assert_eq!((heads.path(), heads.query()), (b"/f".as_slice(), b"b".as_slice()));
    }

    #[test]
    fn ten_turns_and_no_more() {
        let mut detour = Detour::default();
        assert!((0..10).all(|_| detour.turn()));
        assert!(!detour.turn());
        assert!(!detour.turn());
    }
}
