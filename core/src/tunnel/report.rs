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
    /// What ended it: the side that said Close or ended its stream first, or what ended it before its sides did. Absent
    /// while nothing has.
    pub ended: Option<EndedBy>,
    /// How it ended. Absent while it hasn't.
    pub how: Option<EndedHow>,
    /// Whether a stream ended otherwise than in order.
    pub cut: bool,
}

/// What is known of one side of a tunnel (G9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// How its connection is to be closed, in the end.
    pub ending: Ending,
}

impl Default for SideReport {
    fn default() -> Self {
        Self {
            frames: None,
            close: None,
            silence: Duration::ZERO,
            blocked: Duration::ZERO,
            ping: None,
            ending: Ending::Fin,
        }
    }
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

/// What is counted of any tunnel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) opened: Tick,
    /// Bytes that came from each side.
    from: [u64; 2],
    /// Bytes that each side was sent.
    to: [u64; 2],
    /// When something came from each side last.
    heard: [Tick; 2],
    /// Nanoseconds for which bytes waited because a side didn't take them.
    blocked: [u64; 2],
    /// Milliseconds of the longest time in which nothing came from a side.
    silence: [u32; 2],
    pub(super) ended: Option<EndedBy>,
    /// How a stream failed first, or how the tunnel ended.
    pub(super) how: Option<EndedHow>,
    pub(super) cut: bool,
    pub(super) endings: [Ending; 2],
}

impl Counts {
    pub(super) const fn new(opened: Tick) -> Self {
        Self {
            opened,
            from: [0; 2],
            to: [0; 2],
            heard: [opened; 2],
            blocked: [0; 2],
            silence: [0; 2],
            ended: None,
            how: None,
            cut: false,
            endings: [Ending::Fin; 2],
        }
    }

    #[inline]
    pub(super) fn received(&mut self, from: Side, count: u64) {
        self.from[from.index()] += count;
    }

    #[inline]
    pub(super) fn sent(&mut self, to: Side, count: u64) {
        self.to[to.index()] += count;
    }

    /// Bytes have waited for so long for a side.
    #[inline]
    pub(super) fn waited(&mut self, to: Side, span: Duration) {
        self.blocked[to.index()] += u64::try_from(span.as_nanos()).unwrap_or(0);
    }

    /// Something has come from a side.
    #[inline]
    pub(super) fn heard(&mut self, from: Side, now: Tick) {
        self.silent_until(from, now);
        self.heard[from.index()] = now;
    }

    /// Nothing has come from a side until now.
    #[inline]
    pub(super) fn silent_until(&mut self, from: Side, now: Tick) {
        let silence = u32::try_from(now.since(self.heard[from.index()]).as_millis()).unwrap_or(u32::MAX);
        self.silence[from.index()] = self.silence[from.index()].max(silence);
    }

    pub(super) fn report(&self) -> TunnelReport {
        let side = |side: Side| SideReport {
            silence: Duration::from_millis(self.silence[side.index()].into()),
            blocked: Duration::from_nanos(self.blocked[side.index()]),
            ending: self.endings[side.index()],
            ..SideReport::default()
        };
        let [from_client, from_upstream] = self.from;
        let [to_client, to_upstream] = self.to;
        TunnelReport {
            opened: self.opened,
            from_client,
            from_upstream,
            to_client,
            to_upstream,
            client: side(Side::Downstream),
            upstream: side(Side::Upstream),
            ended: self.ended,
            how: self.how,
            cut: self.cut,
        }
    }
}

impl TunnelReport {
    pub(super) fn side_mut(&mut self, side: Side) -> &mut SideReport {
        match side {
            Side::Downstream => &mut self.client,
            Side::Upstream => &mut self.upstream,
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
