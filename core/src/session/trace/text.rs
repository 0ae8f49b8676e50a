//! How a trace writes what it tells.

use std::{fmt, io::ErrorKind};

use crate::{
    Address, Draining, Fault, Side,
    session::{Admission, Connected, DialError, Input, Output, Refusal},
};

/// Bytes as they are where they are printable ASCII.
pub(super) struct Escaped<'a>(pub(super) &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for byte in self.0 {
            match byte {
                b'\r' => f.write_str("\\r")?,
                b'\n' => f.write_str("\\n")?,
                b'\\' => f.write_str("\\\\")?,
                b' '..=b'~' => f.write_char(char::from(*byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

/// The bytes that [`Escaped`] has written; none when it hasn't.
pub(super) fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (byte, behind) = match behind {
            [b'r', behind @ ..] => (b'\r', behind),
            [b'n', behind @ ..] => (b'\n', behind),
            [b'\\', behind @ ..] => (b'\\', behind),
            [b'x', high, low, behind @ ..] => (hex(&[*high, *low])?, behind),
            _ => return None,
        };
        bytes.push(byte);
        rest = behind;
    }
    Some(bytes)
}

pub(super) fn hex(digits: &[u8; 2]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// The name of a side.
pub(super) const fn name(side: Side) -> &'static str {
    match side {
        Side::Downstream => "client",
        Side::Upstream => "upstream",
    }
}

pub(super) fn side(text: &str) -> Option<Side> {
    Side::BOTH.into_iter().find(|side| name(*side) == text)
}

pub(super) fn address(text: &str) -> Option<Address> {
    match text.strip_prefix("unix:") {
        Some(path) => Some(Address::Unix(std::path::Path::new(path).into())),
        None => text.parse().ok().map(Address::Ip),
    }
}

/// A failure: the kind, and the system's number where there is one.
pub(super) struct Failure(pub(super) Fault);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { kind, os } = self.0;
        write!(f, "failed {kind:?}")?;
        os.map_or(Ok(()), |number| write!(f, " {number}"))
    }
}

/// What sockets fail with; another kind is told, and replayed as "other".
const KINDS: &[ErrorKind] = &[
    ErrorKind::WouldBlock,
    ErrorKind::Interrupted,
    ErrorKind::ConnectionRefused,
    ErrorKind::ConnectionReset,
    ErrorKind::ConnectionAborted,
    ErrorKind::NotConnected,
    ErrorKind::BrokenPipe,
    ErrorKind::TimedOut,
    ErrorKind::UnexpectedEof,
    ErrorKind::HostUnreachable,
    ErrorKind::NetworkUnreachable,
    ErrorKind::NetworkDown,
    ErrorKind::AddrInUse,
    ErrorKind::AddrNotAvailable,
    ErrorKind::NotFound,
    ErrorKind::PermissionDenied,
    ErrorKind::InvalidInput,
    ErrorKind::InvalidData,
    ErrorKind::OutOfMemory,
    ErrorKind::QuotaExceeded,
    ErrorKind::WriteZero,
    ErrorKind::Unsupported,
];

/// Reads what [`Failure`] writes, behind its first word.
pub(super) fn fault(mut words: std::str::SplitAsciiWhitespace<'_>) -> Option<Fault> {
    let kind = words.next()?;
    let kind = KINDS.iter().find(|known| format!("{known:?}") == kind).copied().unwrap_or(ErrorKind::Other);
    let os = match words.next() {
        Some(number) => Some(number.parse().ok()?),
        None => None,
    };
    Some(Fault { kind, os })
}

/// An input, without its sign.
pub(super) struct Told<'i, 'a>(pub(super) &'i Input<'a>);

impl fmt::Display for Told<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Input::Received(leg, result) => {
                write!(f, "received {} ", name(leg.side()))?;
                outcome(f, *result)
            }
            Input::Sent(leg, result) => {
                write!(f, "sent {} ", name(leg.side()))?;
                outcome(f, *result)
            }
            Input::Relayed(leg, moved) => {
                write!(f, "relayed {} {} {}", name(leg.side()), moved.taken, moved.delivered)
            }
            Input::Acknowledged(leg) => write!(f, "acknowledged {}", name(leg.side())),
            Input::Resolved(errand, Ok(addresses)) => {
                write!(f, "resolved {errand}")?;
                addresses.iter().try_for_each(|address| write!(f, " {address}"))
            }
            Input::Resolved(errand, Err(fault)) => write!(f, "resolved {errand} {}", Failure(*fault)),
            Input::Admitted(errand, admission) => {
                write!(f, "admitted {errand} ")?;
                match admission {
                    Admission::Granted => f.write_str("granted"),
                    Admission::Delayed(until) => write!(f, "delayed {}", until.0),
                    Admission::Refused(Refusal::Forbidden) => f.write_str("forbidden"),
                    Admission::Refused(Refusal::Unauthorized) => f.write_str("unauthorized"),
                    Admission::Refused(Refusal::Limited(status)) => write!(f, "limited {status}"),
                    Admission::Refused(Refusal::TooManyTunnels) => f.write_str("too-many-tunnels"),
                }
            }
            Input::Chosen(errand, number, address) => {
                write!(f, "chosen {errand} {number} {}", Escaped(address.to_string().as_bytes()))
            }
            Input::Connected(errand, result) => {
                write!(f, "connected {errand} ")?;
                match result {
                    Ok(Connected::Fresh) => f.write_str("fresh"),
                    Ok(Connected::Reused) => f.write_str("reused"),
                    Err(DialError::NoPeer) => f.write_str("nobody"),
                    Err(DialError::OwnListener) => f.write_str("ourselves"),
                    Err(DialError::Tls) => f.write_str("unshaken"),
                    Err(DialError::Local(fault)) => write!(f, "local {}", Failure(*fault)),
                    Err(DialError::Io(fault)) => write!(f, "{}", Failure(*fault)),
                }
            }
            Input::Timeout => f.write_str("timeout"),
            Input::Drain(draining) => {
                let (why, until) = match draining {
                    Draining::Quit(until) => ("quit", *until),
                    Draining::Reload(until) => ("reload", *until),
                    Draining::Stop => ("stop", None),
                };
                write!(f, "drain {why}")?;
                until.map_or(Ok(()), |until| write!(f, " {}", until.0))
            }
        }
    }
}

fn outcome(f: &mut fmt::Formatter<'_>, result: Result<usize, Fault>) -> fmt::Result {
    match result {
        Ok(count) => write!(f, "{count}"),
        Err(fault) => write!(f, "{}", Failure(fault)),
    }
}

/// An output, without its sign. The exchange that is over is told by its record.
pub(super) struct Said<'o>(pub(super) &'o Output, pub(super) &'o crate::Record);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(output, record) = self;
        match output {
            Output::Resolve(lookup) => {
                write!(f, "resolve {} {}", lookup.errand, Escaped(lookup.name.as_bytes()))
            }
            Output::Admit(claim) => {
                write!(f, "admit {}", claim.errand)?;
                if let Some(rules) = claim.rules {
                    write!(f, " by rules {}", rules.0)?;
                }
                if claim.max_tunnels.is_some() { f.write_str(" as a tunnel") } else { Ok(()) }
            }
            Output::Connect(dial) => {
                write!(f, "connect {} {}", dial.errand, if dial.may_reuse { "or reuse" } else { "afresh" })
            }
            Output::Judge(verdict) => write!(f, "judge {verdict:?}"),
            Output::Release(_, verdict, disposal) => write!(f, "release {verdict:?} {disposal:?}"),
            Output::Shutdown(side) => write!(f, "shutdown {}", name(*side)),
            Output::Close(ending) => write!(f, "close {ending:?}"),
            Output::Note(note) => {
                write!(f, "note {:?} {}", note.severity, Escaped(note.event.to_string().as_bytes()))
            }
            Output::LogTunnel(event) => write!(f, "log tunnel {event}"),
            Output::ExchangeDone => {
                write!(
                    f,
                    "exchange {} {:?} sent {}",
                    record.status(),
                    record.outcome(),
                    record.bytes_sent()
                )?;
                let Some(tunnel) = record.tunnel() else { return Ok(()) };
                write!(f, " tunnel {} {} {:?}", tunnel.from_client, tunnel.from_upstream, tunnel.ended)
            }
            Output::Wait(wait) => {
                f.write_str("wait")?;
                if let Some(deadline) = wait.deadline {
                    write!(f, " until {}", deadline.0)?;
                }
                for side in Side::BOTH {
                    for (kind, wanted) in [
                        ("reads", wait.reads(side)),
                        ("writes", wait.writes(side)),
                        ("relays", wait.relays(side) > 0),
                        ("acknowledges", wait.acknowledges(side)),
                    ] {
                        if wanted {
                            write!(f, " {kind} {}", name(side))?;
                        }
                    }
                }
                Ok(())
            }
            Output::Done => f.write_str("done"),
        }
    }
}
