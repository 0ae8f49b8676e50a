//! What a session thinks of a peer.

/// What the session thinks of the peer that a lease was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It answered.
    Success,
    /// It failed: refused, closed early, too slow, or not understood.
    Failure,
    /// Nothing can be said: the client left, or the connection was an idle one that had grown stale.
    Unjudged,
}
