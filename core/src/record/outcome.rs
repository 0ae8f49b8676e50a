//! How an exchange, or the tunnel that came of it, has ended.

use crate::timer::Timer;

/// How an exchange ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It hasn't.
    #[default]
    Open,
    /// The response was sent whole, or the tunnel ended in order.
    Complete,
    /// The connection was closed without an answer, as the configuration says (`return 444`).
    Unanswered,
    /// The client left before.
    ClientLeft,
    /// The origin server's response was cut short, or a stream of the tunnel.
    Cut,
    /// A timer fired.
    TimedOut(Timer),
    /// The worker was draining and the time for it was over.
    Drained,
}

/// Who ended a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndedBy {
    /// The client.
    Client,
    /// The origin server.
    Upstream,
    /// A timer.
    Timer(Timer),
    /// A drain whose time was over.
    Drain,
}
