//! How an exchange, or the tunnel that came of it, has ended.

use std::fmt;

use crate::{address::Side, timer::Timer};

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

/// What a line of `upgrade_log` is about (G9).
///
/// Its text is the word of `$tunnel_event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TunnelEvent {
    /// The tunnel has opened.
    Open,
    /// It lives.
    Progress,
    /// It is over.
    Close,
}

impl TunnelEvent {
    /// Its word in log lines.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Progress => "progress",
            Self::Close => "close",
        }
    }
}

impl fmt::Display for TunnelEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What ended a tunnel.
///
/// Its text is the word of `$tunnel_ended_by` (G9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndedBy {
    /// The client.
    Client,
    /// The origin server.
    Upstream,
    /// This side answered no Ping of ours (G3).
    Ping(Side),
    /// The client sent no data frame for too long (G4).
    Silence,
    /// No byte moved, a side took none, or one direction lived on for too long (C2, C5).
    Timer(Timer),
    /// The tunnel had its age (G7).
    Lifetime,
    /// A message was too long (G8).
    Limit,
    /// This side broke RFC 6455 where that isn't permitted (G2).
    Violation(Side),
    /// Its moment in a drain had come (G6).
    Drain,
    /// The worker's time to shut down was over (C8).
    Shutdown,
}

impl EndedBy {
    /// Its word in log lines.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Ping(_) => "ping",
            Self::Silence => "silence",
            Self::Timer(Timer::ClientSend | Timer::UpstreamSend) => "send",
            Self::Timer(Timer::HalfClose) => "half-close",
            Self::Timer(_) => "idle",
            Self::Lifetime => "lifetime",
            Self::Limit => "limit",
            Self::Violation(_) => "violation",
            Self::Drain => "drain",
            Self::Shutdown => "shutdown",
        }
    }
}

impl fmt::Display for EndedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How a tunnel ended (G9).
///
/// Its text is the word of `$tunnel_ended_how`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndedHow {
    /// With a Close in each direction that could have one.
    Close,
    /// With ends of streams in order.
    Fin,
    /// A connection failed.
    Reset,
    /// A stream under TLS ended without `close_notify` (H5).
    Cut,
    /// By our own wish, without every side's answer.
    Timeout,
}

impl EndedHow {
    /// Its word in log lines.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Close => "close",
            Self::Fin => "fin",
            Self::Reset => "reset",
            Self::Cut => "cut",
            Self::Timeout => "timeout",
        }
    }
}

impl fmt::Display for EndedHow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
