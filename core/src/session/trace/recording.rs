//! Reads what was traced.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use super::{
    mask::mask_head,
    text::{Escaped, address, fault, side, unescape},
};
use crate::{
    Address, Buffers, ClientInfo, Draining, Fault, Now, Side, Tick,
    config::{Identity, TraceRuleId},
    session::{Admission, Connected, DialError, Refusal},
    wait::Relayed,
};

/// Finds the sessions in a trace, in the order in which they began.
///
/// Lines of a session whose beginning is not there (the file was rotated meanwhile) are skipped, and so is a last
/// line without its end. A number that comes again begins another session.
///
/// # Errors
/// With the first line that is none of a trace.
pub fn read(trace: &[u8]) -> Result<Vec<Recording>, Broken> {
    let mut recordings: Vec<Recording> = Vec::new();
    let mut configurations = Configurations::new();
    let whole = memchr::memrchr(b'\n', trace).and_then(|at| trace.get(..at)).unwrap_or_default();
    for (number, line) in (1..).zip(whole.split(|byte| *byte == b'\n')) {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let broken = || Broken { line: number };
        let line = std::str::from_utf8(line).map_err(|_| broken())?;
        if let Some(line) = line.strip_prefix("config ") {
            add_line(&mut configurations, line).ok_or_else(broken)?;
            continue;
        }
        let (serial, line) = line.split_once(' ').ok_or_else(broken)?;
        let serial = serial.parse().map_err(|_| broken())?;
        if let "session 1" | "session 2" | "session 3" = line {
            let (is_version_1, tells_frames) = (line == "session 1", line == "session 3");
            recordings.push(Recording { is_version_1, tells_frames, ..Recording::new(serial) });
            continue;
        }
        if let Some(recording) = recordings.iter_mut().rev().find(|known| known.serial() == serial) {
            recording.add(number, line).ok_or_else(broken)?;
        }
    }
    for recording in &mut recordings {
        let lines = configurations.get(&*recording.configuration_id).into_iter().flatten();
        recording.configuration.extend(lines.flat_map(|(_, line)| [line.as_str(), "\n"]));
    }
    Ok(recordings)
}

/// The lines of configurations, by their names and numbers: one that is told twice is the same.
type Configurations = BTreeMap<String, BTreeMap<usize, String>>;

fn add_line(configurations: &mut Configurations, line: &str) -> Option<()> {
    let mut words = line.splitn(3, ' ');
    let (id, number, line) = (words.next()?, words.next()?.parse().ok()?, text(words.next()?)?);
    configurations.entry(id.to_owned()).or_default().insert(number, line);
    Some(())
}

/// A line that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its number, from 1.
    pub line: usize,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is not a line of a session's trace", self.line)
    }
}

impl std::error::Error for Broken {}

/// One session, as it was traced.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recording {
    /// The text of its configuration; empty when the trace lacks it.
    pub configuration: String,
    /// What the trace calls that.
    pub(super) configuration_id: String,
    /// Which listening socket's configuration it is: [`Config::trace`](crate::config::Config::trace). Absent: the
    /// only one.
    pub listener: Option<TraceRuleId>,
    /// Who the gateway was.
    pub identity: Identity,
    /// Whose session it is.
    pub client: ClientInfo,
    /// Whether content and credentials are as they were.
    pub plain: bool,
    /// Whether only credentials are masked in it.
    is_version_1: bool,
    /// Whether frames are told: from version 3 on.
    pub(super) tells_frames: bool,
    pub(super) buffer_size: usize,
    pub(super) began: Option<Now>,
    pub(super) events: Vec<(usize, String, Event)>,
    /// What was received, by side.
    pub(super) streams: [Vec<u8>; 2],
}

/// What a line tells.
#[derive(Clone, Debug)]
pub(super) enum Event {
    At(Now),
    Call(Call),
    Output,
    Text,
    /// What has come of frames with the call or the output in front of it.
    Frame,
}

/// Memory of a session's that its shell uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lent {
    /// To receive from this side into.
    Space(Side),
    /// To be sent to this side.
    Bytes(Side),
}

/// An input that owns what it tells.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Received {
        from: Side,
        result: Result<usize, Fault>,
        asked: bool,
    },
    Sent(Side, Result<usize, Fault>),
    Relayed(Side, Relayed),
    Acknowledged(Side),
    /// Memory was asked for, and its report comes some calls later.
    Lent(Lent),
    /// A report of the connection with this number, which was no more the present one.
    Late(u32, Box<Self>),
    Resolved(u32, Result<Vec<IpAddr>, Fault>),
    Admitted(u32, Admission),
    Chosen(u32, u32, Address),
    Connected(u32, Result<Connected, DialError>),
    Timeout,
    Drain(Draining),
}

type Words<'a> = std::str::SplitAsciiWhitespace<'a>;

impl Recording {
    fn new(serial: u64) -> Self {
        let unknown = Address::Unix(std::path::Path::new("").into());
        Self {
            configuration: String::new(),
            configuration_id: String::new(),
            listener: None,
            identity: Identity::default(),
            client: ClientInfo::new(unknown.clone(), unknown, serial, [0; 16]),
            plain: false,
            is_version_1: false,
            tells_frames: false,
            buffer_size: Buffers::SIZE,
            began: None,
            events: Vec::new(),
            streams: [Vec::new(), Vec::new()],
        }
    }

    /// Its number in the file.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.client.serial
    }

    fn add(&mut self, number: usize, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "configuration" => rest.clone_into(&mut self.configuration_id),
            // Until version 1 each session had its own.
            "config" => {
                self.configuration += &text(rest)?;
                self.configuration.push('\n');
            }
            "listener" => self.listener = Some(TraceRuleId(rest.parse().ok()?)),
            "server" => self.identity.server = text(rest)?.into(),
            "pseudonym" => self.identity.pseudonym = text(rest)?.into(),
            "hostname" => self.identity.hostname = text(rest)?.into(),
            "pid" => self.identity.pid = rest.parse().ok()?,
            "client" => self.client.remote = address(&text(rest)?)?,
            "local" => self.client.local = address(&text(rest)?)?,
            "secret" => self.client.secret = u128::from_str_radix(rest, 16).ok()?.to_be_bytes(),
            "buffer" => self.buffer_size = rest.parse().ok()?,
            "content" => self.plain = rest == "plain",
            "at" => {
                let now = time(rest.split_ascii_whitespace())?;
                self.began.get_or_insert(now);
                self.events.push((number, line.to_owned(), Event::At(now)));
            }
            "<" => self.events.push((number, line.to_owned(), Event::Call(call(rest)?))),
            ">" if rest.starts_with("text ") => {
                let masks = self.is_version_1 && !self.plain;
                let line = if masks { masked_again(line)? } else { line.to_owned() };
                self.events.push((number, line, Event::Text));
            }
            "-" => self.events.push((number, line.to_owned(), Event::Frame)),
            ">" => self.events.push((number, line.to_owned(), Event::Output)),
            "=" => self.receive(rest)?,
            _ => super::tls::hear(&mut self.client, word, rest)?,
        }
        Some(())
    }

    fn receive(&mut self, line: &str) -> Option<()> {
        let (from, rest) = line.split_once(' ')?;
        let (kind, rest) = rest.split_once(' ')?;
        let stream = self.streams.get_mut(side(from)?.index())?;
        match kind {
            "text" | "bytes" => stream.extend_from_slice(&unescape(rest.as_bytes())?),
            "content" => {
                let length = rest.parse::<u32>().ok()? as usize;
                stream.resize(stream.len() + length, b'x');
            }
            _ => return None,
        }
        Some(())
    }
}

/// A line of a head that is sent, as this version masks it.
fn masked_again(line: &str) -> Option<String> {
    let (to, head) = line.strip_prefix("> text ")?.split_once(' ')?;
    if !head.ends_with("\\n") {
        // The length of an answer's content.
        return Some(line.to_owned());
    }
    let mut head = unescape(head.as_bytes())?;
    mask_head(&mut head);
    Some(format!("> text {to} {}", Escaped(&head)))
}

fn text(escaped: &str) -> Option<String> {
    String::from_utf8(unescape(escaped.as_bytes())?).ok()
}

fn time(mut words: Words<'_>) -> Option<Now> {
    let tick = Tick(words.next()?.parse().ok()?);
    Some(Now { tick, unix_ms: words.next()?.parse().ok()?, utc_offset_min: words.next()?.parse().ok()? })
}

fn call(line: &str) -> Option<Call> {
    if let Some((number, report)) = line.strip_prefix("late ").and_then(|line| line.split_once(' ')) {
        return Some(Call::Late(number.parse().ok()?, Box::new(call(report)?)));
    }
    let (asked, line) = line.strip_prefix("unasked ").map_or((true, line), |line| (false, line));
    let mut words = line.split_ascii_whitespace();
    Some(match words.next()? {
        "received" => {
            let from = side(words.next()?)?;
            Call::Received { from, result: outcome(words, |count| count.parse().ok())?, asked }
        }
        "sent" => Call::Sent(side(words.next()?)?, outcome(words, |count| count.parse().ok())?),
        "relayed" => {
            let from = side(words.next()?)?;
            let mut number = || words.next()?.parse().ok();
            Call::Relayed(from, Relayed { taken: number()?, delivered: number()? })
        }
        "acknowledged" => Call::Acknowledged(side(words.next()?)?),
        "lent" => Call::Lent(match words.next()? {
            "space" => Lent::Space(side(words.next()?)?),
            "bytes" => Lent::Bytes(side(words.next()?)?),
            _ => return None,
        }),
        "resolved" => {
            let errand = words.next()?.parse().ok()?;
            match words.clone().next() {
                Some("failed") => Call::Resolved(errand, Err(outcome(words, |_| None::<()>)?.err()?)),
                _ => {
                    let addresses = words.map(str::parse).collect::<Result<Vec<IpAddr>, _>>();
                    Call::Resolved(errand, Ok(addresses.ok()?))
                }
            }
        }
        "admitted" => Call::Admitted(words.next()?.parse().ok()?, admission(words)?),
        "chosen" => {
            let (errand, number) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            Call::Chosen(errand, number, address(&text(line.splitn(4, ' ').nth(3)?)?)?)
        }
        "connected" => {
            let errand = words.next()?.parse().ok()?;
            let result = match words.clone().next()? {
                "nobody" => Err(DialError::NoPeer),
                "ourselves" => Err(DialError::OwnListener),
                "unshaken" => Err(DialError::Tls),
                "local" => {
                    let _local = words.next();
                    Err(DialError::Local(outcome(words, |_| None::<()>)?.err()?))
                }
                _ => outcome(words, connected)?.map_err(DialError::Io),
            };
            Call::Connected(errand, result)
        }
        "timeout" => Call::Timeout,
        "drain" => Call::Drain(draining(words)?),
        _ => return None,
    })
}

fn draining(mut words: Words<'_>) -> Option<Draining> {
    let (why, until) = (words.next()?, words.next().map(str::parse).transpose().ok()?.map(Tick));
    match (why, until) {
        ("quit", until) => Some(Draining::Quit(until)),
        ("reload", until) => Some(Draining::Reload(until)),
        ("stop", None) => Some(Draining::Stop),
        _ => None,
    }
}

fn connected(word: &str) -> Option<Connected> {
    match word {
        "fresh" => Some(Connected::Fresh),
        "reused" => Some(Connected::Reused),
        _ => None,
    }
}

fn outcome<T>(mut words: Words<'_>, value: impl FnOnce(&str) -> Option<T>) -> Option<Result<T, Fault>> {
    match words.next()? {
        "failed" => fault(words).map(Err),
        word => value(word).map(Ok),
    }
}

fn admission(mut words: Words<'_>) -> Option<Admission> {
    Some(match words.next()? {
        "granted" => Admission::Granted,
        "delayed" => Admission::Delayed(Tick(words.next()?.parse().ok()?)),
        "forbidden" => Admission::Refused(Refusal::Forbidden),
        "unauthorized" => Admission::Refused(Refusal::Unauthorized),
        "too-many-tunnels" => Admission::Refused(Refusal::TooManyTunnels),
        "limited" => Admission::Refused(Refusal::Limited(words.next()?.parse().ok()?)),
        _ => return None,
    })
}
