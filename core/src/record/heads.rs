//! What an exchange has to remember of its two messages while it lasts.

use std::{net::SocketAddr, sync::Arc};

use super::{Attempt, Detour, Url, memo::Memo};
use crate::{
    TlsPeer,
    http1::{Fields, Request, Response},
    template::{MapId, Regex, SetId},
    time::Tick,
};

/// Memory of an exchange that its worker lends: both heads, earlier attempts, values of variables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heads {
    pub(crate) request: Request,
    pub(crate) response: Response,
    /// Trailer sections, by the side that they came from.
    pub(crate) trailers: [Fields; 2],
    /// The `Upgrade` list that went upstream.
    pub(crate) offered: Vec<u8>,
    /// The final head as the client gets it, when a log line asks for fields of it.
    pub(crate) sent: Vec<u8>,
    /// The trailer section that the client gets, without its last empty line.
    pub(crate) sent_trailers: Vec<u8>,
    /// Attempts before the last.
    pub(crate) earlier: Vec<Attempt>,
    pub(crate) detour: Detour,
    /// When the process was asked to end, if its first byte came after that.
    pub(crate) left_at: Option<Tick>,
    /// Where the location's URL leads, when there are variables in it.
    pub(crate) url: Url,
    /// Where upstream connections come from, when there are variables in that.
    pub(crate) bind: Option<SocketAddr>,
    /// Upstream connections are secured with this peer; absent: they are in clear.
    pub(crate) tls_peer: Option<Arc<TlsPeer>>,
    pub(super) memo: Memo,
}

impl Heads {
    pub(crate) fn clear(&mut self) {
        self.request.clear();
        self.response.clear();
        for trailers in &mut self.trailers {
            trailers.clear();
        }
        self.offered.clear();
        self.sent.clear();
        self.sent_trailers.clear();
        self.earlier.clear();
        self.detour.clear();
        self.left_at = None;
        self.url.clear();
        self.bind = None;
        self.tls_peer = None;
        self.memo.clear();
    }

    /// The bytes that the longest of the received heads takes, or that of the head as it was sent. Everything else here
    /// is made of these.
    pub(crate) fn memory(&self) -> usize {
        self.request.fields.memory().max(self.response.fields.memory()).max(self.sent.capacity())
    }

    /// Matches a regular expression of a rewrite directive. Unlike elsewhere, a match that fails takes the groups of
    /// the last one away.
    pub(crate) fn matches_or_forgets(&self, regex: &Regex, subject: &[u8]) -> bool {
        let matched = self.memo.matches(regex, subject);
        if !matched {
            self.memo.forget_captures();
        }
        matched
    }

    /// Whether a match was given up since this was asked last (B7).
    pub(crate) fn take_given_up(&mut self) -> bool {
        self.memo.take_given_up()
    }

    /// `set`.
    pub(crate) fn set(&self, variable: SetId, value: &[u8]) {
        self.memo.set(variable, value);
    }

    /// `set` of a variable that a `map` defines.
    pub(crate) fn set_map(&self, variable: MapId, value: &[u8]) {
        self.memo.keep(variable, value);
    }
}
