//! What is known of a tunnel.

use core::time::Duration;
use std::fmt;

use crate::{
    Side,
    record::{EndedBy, EndedHow, Outcome},
    time::Tick,
    wait::Ending,
};

/// What is known of a tunnel: so far, or in the end (C7, G9).
///
/// Its text is that of the line in the error log: `tunnel closed by client, from client: 5, from upstream: 3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct TunnelReport {
    /// When it opened.
    pub opened: Tick,
    /// Bytes that came from the client and were to be relayed, those that were read ahead included.
    pub from_client: u64,
    /// Bytes that came from the origin server, likewise.
    pub from_upstream: u64,
    /// Bytes that the client was sent, with what was left of a head in front of the tunnel, and frames of ours.
    pub to_client: u64,
    /// Bytes that the origin server was sent.
    pub to_upstream: u64,
    /// What else is known of the client's side.
    pub client: SideReport,
    /// What else is known of the origin server's side.
    pub upstream: SideReport,
    /// What ended it: the side that ended first, or what ended it before its sides did. Absent while nothing has.
    pub ended: Option<EndedBy>,
    /// How it ended. Absent while it hasn't.
    pub how: Option<EndedHow>,
    /// Whether a stream ended otherwise than in order.
    pub cut: bool,
    /// How both connections are to be closed.
    pub ending: Ending,
}

/// What is known of one side of a tunnel (G9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SideReport {
    /// What it has sent, in frames. Absent where nobody looks for frames.
    pub frames: Option<FrameCount>,
    /// The code of the Close that it has sent; 1005 when that had none (RFC 6455 §7.1.5). Absent where it sent no Close.
    pub close: Option<u16>,
    /// The longest time in which nothing came from it.
    pub silence: Duration,
    /// For how long, in all, bytes waited because it didn't take them.
    pub blocked: Duration,
    /// How long its last answer to a Ping of ours took, from the Ping's last byte on. Absent where there was none.
    pub ping: Option<Duration>,
}

/// Frames of a side: those that it has sent itself, without Pongs to Pings of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FrameCount {
    /// Frames that have begun, control frames among them.
    pub frames: u64,
    /// Messages that have come to their last frame.
    pub messages: u64,
}

impl From<Side> for EndedBy {
    fn from(side: Side) -> Self {
        match side {
            Side::Downstream => Self::Client,
            Side::Upstream => Self::Upstream,
        }
    }
}

impl TunnelReport {
    pub(super) fn new(opened: Tick) -> Self {
        Self {
            opened,
            from_client: 0,
            from_upstream: 0,
            to_client: 0,
            to_upstream: 0,
            client: SideReport::default(),
            upstream: SideReport::default(),
            ended: None,
            how: None,
            cut: false,
            ending: Ending::Fin,
        }
    }

    /// How it ended, of a tunnel that is over.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.ended {
            Some(EndedBy::Timer(timer)) => Outcome::TimedOut(timer),
            Some(EndedBy::Drain | EndedBy::Shutdown) => Outcome::Drained,
            _ if self.cut => Outcome::Cut,
            _ => Outcome::Complete,
        }
    }

    #[inline]
    pub(super) fn count_received(&mut self, from: Side, count: u64) {
        match from {
            Side::Downstream => self.from_client += count,
            Side::Upstream => self.from_upstream += count,
        }
    }

    #[inline]
    pub(super) fn count_sent(&mut self, to: Side, count: u64) {
        match to {
            Side::Downstream => self.to_client += count,
            Side::Upstream => self.to_upstream += count,
        }
    }
}

impl fmt::Display for TunnelReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ended {
            Some(ended) => write!(f, "tunnel closed by {ended}")?,
            None => f.write_str("tunnel open")?,
        }
        write!(f, ", from client: {}, from upstream: {}", self.from_client, self.from_upstream)?;
        if self.cut { f.write_str(", cut") } else { Ok(()) }
    }
}
