//! Where rewriting and error pages have led a request.

/// How often a location may be searched anew for one request, as in nginx.
const MAX_TURNS: u8 = 10;

/// Where rewriting and error pages have led a request. By default nowhere: it is for the URI that it came with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "what nginx keeps of a request, each on its own")]
pub(crate) struct Detour {
    pub(super) path: Vec<u8>,
    pub(super) query: Vec<u8>,
    /// These two hold in the place of the request's own.
    pub(super) changed: bool,
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
    /// After so many seconds the client may come again (RFC 9110 §10.2.3).
    pub(crate) retry_after: Option<u32>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_turns_and_no_more() {
        let mut detour = Detour::default();
        assert!((0..10).all(|_| detour.turn()));
        assert!(!detour.turn());
        assert!(!detour.turn());
    }
}
