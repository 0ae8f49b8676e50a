//! Events for the error log.

use std::{fmt, io::Write as _};

use super::{EndedBy, Record, Severity};
use crate::{
    Side,
    fault::Fault,
    template::{Escape, write_escaped},
    timer::Timer,
    violation::Violation,
    websocket::FrameViolation,
};

/// Something that happened, for the error log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Note {
    /// How grave it is.
    pub severity: Severity,
    /// What it is.
    pub event: Event,
}

/// What a [`Note`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event {
    /// A message was refused.
    Violation(Violation),
    /// Connecting to a peer failed.
    ConnectFailed(Fault),
    /// A peer was reached, and its TLS handshake failed. Why, the shell has told.
    HandshakeFailed,
    /// No connection could be made, for a reason that lies here.
    LocalFault(Fault),
    /// Reading from or writing to the origin server failed.
    UpstreamFailed(Fault),
    /// The origin server closed its connection too early.
    UpstreamClosed,
    /// An idle connection from the pool had been closed by the origin server; a fresh one is used.
    StaleConnection,
    /// Another peer is tried.
    NextPeer,
    /// The client left before the response was complete.
    ClientLeft,
    /// A timer fired.
    TimedOut(Timer),
    /// A request with `Upgrade` is treated as an ordinary one.
    NoUpgrade(NoUpgrade),
    /// Field lines of the request were dropped: their names hold an underscore (B3).
    UnderscoreDropped,
    /// Trailer fields were dropped (E2).
    TrailerDropped,
    /// A regular expression took more steps than it may, which is no match (B7).
    MatchGivenUp,
    /// A tunnel has opened.
    TunnelOpened,
    /// This side of a tunnel broke RFC 6455 (G2).
    FrameViolation(Side, FrameViolation),
    /// A tunnel is over.
    TunnelClosed(EndedBy),
    /// A mistake of this program: an event came in a state that has no row for it.
    IllegalTransition,
    /// So many notes more had no room.
    Lost(u32),
}

/// Why a request with `Upgrade` is treated as an ordinary one (A1 to A4). What the client did comes before what the
/// configuration says, which could not have helped then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoUpgrade {
    /// HTTP/1.0 has no upgrade.
    Http10,
    /// Its `Connection` lacks the option `upgrade`.
    NoOption,
    /// Its `Upgrade` names no protocol.
    NoProtocol,
    /// A part of its content was given up on the way to an error page.
    ContentGone,
    /// What goes upstream is HTTP/1.0.
    Http10Upstream,
    /// No `proxy_set_header Connection` permits it.
    NotPermitted,
    /// No `proxy_set_header Upgrade` passes it on.
    NotSet,
    /// `upgrade_protocols` has none of its protocols.
    Refused,
}

impl fmt::Display for NoUpgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http10 => "HTTP/1.0 has no upgrade (rule A2)",
            Self::NoOption => "its Connection lacks the option upgrade (rule A1)",
            Self::NoProtocol => "its Upgrade names no protocol (rule A1)",
            Self::ContentGone => "a part of its content was given up (rule A3)",
            Self::Http10Upstream => "HTTP/1.0 goes upstream (rule A3; see proxy_http_version)",
            Self::NotPermitted => {
                "no configured Connection has the option upgrade (rule A3; see proxy_set_header)"
            }
            Self::NotSet => "no Upgrade is configured, or an empty one (rule A3; see proxy_set_header)",
            Self::Refused => "none of its protocols may pass (rule A4; see upgrade_protocols)",
        })
    }
}

impl Event {
    pub(crate) const fn note(self) -> Note {
        let severity = match self {
            Self::Violation(violation) => match violation.culprit() {
                crate::violation::Culprit::Client => Severity::Info,
                crate::violation::Culprit::Origin | crate::violation::Culprit::Configuration => {
                    Severity::Error
                }
            },
            Self::ConnectFailed(_) | Self::UpstreamFailed(_) | Self::UpstreamClosed => Severity::Error,
            Self::HandshakeFailed
            | Self::StaleConnection
            | Self::ClientLeft
            | Self::TunnelOpened
            | Self::TunnelClosed(_)
            | Self::FrameViolation(..)
            | Self::NoUpgrade(_)
            | Self::UnderscoreDropped
            | Self::TrailerDropped => Severity::Info,
            Self::TimedOut(timer) => match timer {
                Timer::Connect | Timer::UpstreamRead | Timer::UpstreamSend | Timer::Handshake => {
                    Severity::Error
                }
                _ => Severity::Info,
            },
            Self::LocalFault(_) => Severity::Crit,
            Self::NextPeer | Self::MatchGivenUp | Self::Lost(_) => Severity::Warn,
            Self::IllegalTransition => Severity::Crit,
        };
        Note { severity, event: self }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(violation) => write!(f, "{} {violation}", violation.status()),
            Self::ConnectFailed(fault) => {
                write!(f, "connect() failed ({fault}) while connecting to upstream")
            }
            Self::HandshakeFailed => f.write_str("no TLS handshake with upstream"),
            Self::LocalFault(fault) => {
                write!(f, "no connection can be made from here ({fault}) while connecting to upstream")
            }
            Self::UpstreamFailed(fault) => write!(f, "upstream connection failed ({fault})"),
            Self::UpstreamClosed => f.write_str("upstream prematurely closed connection"),
            Self::StaleConnection => f.write_str("idle upstream connection was stale, using a fresh one"),
            Self::NextPeer => f.write_str("trying the next peer"),
            Self::ClientLeft => f.write_str("client closed connection before the response was complete"),
            Self::TimedOut(timer) => write!(f, "timed out ({})", timer.directive()),
            Self::NoUpgrade(reason) => {
                write!(f, "Upgrade ignored, the request is an ordinary one: {reason}")
            }
            Self::UnderscoreDropped => {
                f.write_str("field names with an underscore dropped (rule B3; see underscores_in_headers on)")
            }
            Self::TrailerDropped => {
                f.write_str("trailer fields dropped that frame, route or authenticate (rule E2)")
            }
            Self::MatchGivenUp => f.write_str(
                "a regular expression that looks around or refers back took too many steps: no match (rule B7)",
            ),
            Self::TunnelOpened => f.write_str("tunnel opened"),
            Self::FrameViolation(side, violation) => {
                write!(f, "WebSocket frames of the {} can't be followed: {violation}", whose(*side))
            }
            Self::TunnelClosed(EndedBy::Ping(side)) => {
                write!(f, "tunnel closed by ping: the {} gave no sign of life", whose(*side))
            }
            Self::TunnelClosed(ended) => write!(f, "tunnel closed by {ended}"),
            Self::IllegalTransition => f.write_str("illegal state transition, a mistake of this program"),
            Self::Lost(count) => write!(f, "{count} further events"),
        }
    }
}

/// The peer on this side, in a sentence.
const fn whose(side: Side) -> &'static str {
    match side {
        Side::Downstream => "client",
        Side::Upstream => "origin server",
    }
}

impl Record {
    /// Appends the sentence of a note and what it is about, in the manner of nginx's error log: client,
    /// server, request, upstream, host.
    pub fn write_note(&self, note: &Note, line: &mut Vec<u8>) {
        self.write_sentence(&note.event, line);
        if let (Event::TunnelClosed(_), Some(tunnel)) = (note.event, &self.figures.tunnel) {
            let order = if tunnel.cut { ", cut" } else { "" };
            // Writing into memory doesn't fail.
            let _ = write!(
                line,
                ", from client: {}, from upstream: {}{order}",
                tunnel.from_client, tunnel.from_upstream
            );
        }
        self.write_context(line);
        if let Event::Violation(violation) = note.event
            && violation.culprit() == crate::violation::Culprit::Configuration
        {
            let mut blamed = Vec::new();
            self.write_blamed(&mut blamed);
            let is_directive = violation == Violation::NotImplemented;
            write_quoted(if is_directive { ", directive: \"" } else { ", template: \"" }, &blamed, line);
        }
    }

    /// The same for a sentence of the shell's own about this exchange.
    pub fn write_remark(&self, sentence: &str, line: &mut Vec<u8>) {
        self.write_sentence(&sentence, line);
        self.write_context(line);
    }

    fn write_sentence(&self, sentence: &dyn fmt::Display, line: &mut Vec<u8>) {
        // Writing into memory doesn't fail.
        let _ = write!(line, "{sentence}, client: {}", ClientAddress(self.remote()));
    }

    fn write_context(&self, line: &mut Vec<u8>) {
        if let Some(location) = &self.location {
            // Writing into memory doesn't fail.
            let _ = write!(line, ", server: {}", location.server_name);
        }
        let [request, host] = self.frozen_context().unwrap_or_else(|| match &self.heads {
            Some(heads) => [heads.request.line(), heads.request.authority()],
            None => [b"", b""],
        });
        write_quoted(", request: \"", request, line);
        let earlier = self.heads.iter().flat_map(|heads| heads.earlier.last());
        // By now another attempt may have begun.
        let mut attempts = [&self.figures.attempt].into_iter().chain(earlier);
        if let Some(peer) = attempts.find_map(|attempt| attempt.peer.as_ref()) {
            let scheme = if self.proxy_tls().is_some() { "https" } else { "http" };
            write_quoted(", upstream: \"", format!("{scheme}://{peer}").as_bytes(), line);
        }
        write_quoted(", host: \"", host, line);
    }
}

fn write_quoted(label: &str, value: &[u8], line: &mut Vec<u8>) {
    if !value.is_empty() {
        line.extend_from_slice(label.as_bytes());
        write_escaped(line, value, Escape::Log);
        line.push(b'"');
    }
}

/// The client's address as nginx logs it: without port.
pub(super) struct ClientAddress<'a>(pub(super) &'a crate::Address);

impl fmt::Display for ClientAddress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            crate::Address::Ip(address) => write!(f, "{}", address.ip()),
            crate::Address::Unix(_) => f.write_str("unix:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upgrade_that_is_ignored_is_information() {
        assert_eq!(Event::NoUpgrade(NoUpgrade::NoOption).note().severity, Severity::Info);
    }
}
