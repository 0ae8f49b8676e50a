//! The URI that a request is for: as it came, or as it was rewritten.

use super::Heads;

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
        heads
            .request
            .parse(head, &mut crate::http1::Scan::default(), &Settings::default())
            .expect("well-formed");
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
}
