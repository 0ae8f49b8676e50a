//! What a tunnel's log lines need of the heads, so that the heads themselves can go.
//!
//! At the 101, every variable of the location's log formats whose value is read off the heads is evaluated and packed,
//! in the order of the templates: its length, then the value as it will stand in the line. A length takes one byte,
//! two from 128 on and four from 16 KiB on, which its highest bits say. What moves on (times, byte counts) and what is
//! known without the heads is evaluated when the line is written.

use super::{Heads, Record};
use crate::{
    template::{Escape, MapId, Mapping, Part, Template, Variable},
    time::Now,
};

/// A reader of packed values.
pub(super) struct Frozen<'a>(&'a [u8]);

impl<'a> Frozen<'a> {
    fn next(&mut self) -> &'a [u8] {
        let (length, rest) = match self.0 {
            [low, rest @ ..] if *low < MIDDLE => (u32::from(*low), rest),
            [high, low, rest @ ..] if *high < LONG => {
                (u32::from(u16::from_be_bytes([*high, *low]) & !MIDDLE_BIT), rest)
            }
            [high, b, c, low, rest @ ..] => (u32::from_be_bytes([*high, *b, *c, *low]) & !LONG_BITS, rest),
            _ => return b"",
        };
        let (value, rest) = rest.split_at_checked(length as usize).unwrap_or((rest, b""));
        self.0 = rest;
        value
    }
}

impl Record {
    /// Packs what log lines need, and lets the heads go.
    pub(crate) fn freeze(&mut self, now: Now, scratch: &mut Vec<u8>) -> Option<Box<Heads>> {
        let mut packed = Packer::new(scratch);
        if let Some(heads) = &self.heads {
            packed.add(|out| out.extend_from_slice(heads.request.line()));
            packed.add(|out| out.extend_from_slice(heads.request.authority()));
        }
        for log in self.location.iter().flat_map(|location| &location.access_logs) {
            for template in log.condition.iter().chain([&log.format]) {
                self.freeze_values(template.variables(), template.escape(), now, &mut packed);
            }
        }
        if let Some(log) = self.location.as_ref().and_then(|location| location.tunnel_log.as_ref()) {
            self.freeze_values(log.format.variables(), log.format.escape(), now, &mut packed);
        }
        self.figures.frozen = Some(packed.done().into());
        self.heads.take()
    }

    fn freeze_values<'v>(
        &self,
        variables: impl Iterator<Item = &'v Variable>,
        escape: Escape,
        now: Now,
        packed: &mut Packer<'_>,
    ) {
        for variable in variables {
            match self.kept(variable) {
                Kept::Whole => packed.add(|out| self.write_value(variable, escape, now, out)),
                Kept::Beginning => packed.add(|out| self.write_earlier(variable, out)),
                Kept::Found => packed.add(|out| {
                    if self.has_found(variable) {
                        self.write_value(variable, escape, now, out);
                    }
                }),
                Kept::Nothing => {}
            }
        }
    }

    /// Request line and host.
    pub(super) fn frozen_context(&self) -> Option<[&[u8]; 2]> {
        let mut frozen = Frozen(self.figures.frozen.as_deref()?);
        Some([frozen.next(), frozen.next()])
    }

    /// The values for the log lines.
    pub(super) fn frozen_logs(&self) -> Option<Frozen<'_>> {
        let mut frozen = Frozen(self.figures.frozen.as_deref()?);
        let _context = (frozen.next(), frozen.next());
        Some(frozen)
    }

    /// The values for the line about the tunnel, which stand behind those.
    pub(super) fn frozen_tunnel_log(&self) -> Option<Frozen<'_>> {
        let mut frozen = self.frozen_logs()?;
        let logs = self.location.iter().flat_map(|location| &location.access_logs);
        let templates = logs.flat_map(|log| log.condition.iter().chain([&log.format]));
        let variables = templates.flat_map(|template| template.variables());
        for _ in variables.filter(|variable| self.kept(variable) != Kept::Nothing) {
            frozen.next();
        }
        Some(frozen)
    }

    /// Appends the value of a variable, of which that is packed which was known before.
    pub(super) fn write_thawed_value(
        &self,
        variable: &Variable,
        escape: Escape,
        frozen: &mut Frozen<'_>,
        now: Now,
        out: &mut Vec<u8>,
    ) {
        let kept = self.kept(variable);
        let known = if kept == Kept::Nothing { b"" } else { frozen.next() };
        out.extend_from_slice(known);
        // A map whose value was found empty is looked up again: what is packed can't be told from no value.
        if kept != Kept::Whole && (kept != Kept::Found || known.is_empty()) {
            self.write_value(variable, escape, now, out);
        }
    }

    /// How much of a variable's value is kept.
    fn kept(&self, variable: &Variable) -> Kept {
        match variable {
            // Nearly all tunnels are of this protocol.
            Variable::TunnelProtocol if self.figures.websocket => Kept::Nothing,
            // A map is looked up when its value is asked for (B7), which for a log line is when that is written.
            Variable::Map(id) if self.can_look_up(*id) => Kept::Found,
            _ => Kept::of(variable),
        }
    }

    /// Whether a map can be looked up without the heads.
    fn can_look_up(&self, id: MapId) -> bool {
        matches!(self.config.maps.get(id.0), Some(Mapping::Map(map)) if map.is_plain()
            && map.source().variables().all(|variable| matches!(self.kept(variable), Kept::Nothing | Kept::Found)))
    }

    /// Whether the value of a map was found before.
    fn has_found(&self, variable: &Variable) -> bool {
        match (variable, &self.heads) {
            (Variable::Map(id), Some(heads)) => heads.memo.has_found(*id),
            _ => false,
        }
    }

    /// Writes one line from packed and present values.
    pub(super) fn write_thawed(
        &self,
        format: &Template,
        frozen: &mut Frozen<'_>,
        now: Now,
        out: &mut Vec<u8>,
    ) {
        for part in format.parts() {
            match part {
                Part::Literal(text) => out.extend_from_slice(text),
                Part::Variable(variable) => {
                    self.write_thawed_value(variable, format.escape(), frozen, now, out);
                }
            }
        }
    }
}

/// What the first byte of a length in two bytes is at least.
const MIDDLE: u8 = 0x80;

/// The bit that says so.
const MIDDLE_BIT: u16 = 1 << 15;

/// What the first byte of a length in four bytes is at least.
const LONG: u8 = 0xc0;

/// The bits that say so.
const LONG_BITS: u32 = 3 << 30;

/// Packs values.
struct Packer<'a> {
    out: &'a mut Vec<u8>,
    /// Behind the last value that isn't empty: empty ones at the end need not be kept.
    end: usize,
}

impl<'a> Packer<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        out.clear();
        Self { out, end: 0 }
    }

    /// Appends a value behind its length.
    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let out = &mut *self.out;
        let before = out.len();
        // Nearly all lengths take one byte: it is kept free.
        out.push(0);
        let start = out.len();
        write(out);
        // A value of 1 GiB would be cut.
        let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX).min(!LONG_BITS);
        out.truncate(start + length as usize);
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short), _) if short < MIDDLE => out.splice(before..start, [short]).for_each(drop),
            (_, Ok(middle)) if middle < u16::from(LONG & !MIDDLE) << 8 => {
                out.splice(before..start, (middle | MIDDLE_BIT).to_be_bytes()).for_each(drop);
            }
            _ => out.splice(before..start, (length | LONG_BITS).to_be_bytes()).for_each(drop),
        }
        if length > 0 {
            self.end = out.len();
        }
    }

    fn done(self) -> &'a [u8] {
        self.out.truncate(self.end);
        self.out
    }
}

/// How much of a variable's value is kept from the 101 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// All of it: it is read off the heads.
    Whole,
    /// All values but the last, of a list over several attempts.
    Beginning,
    /// The value that a map had before, if it was asked for one; else it is looked up when the line is written.
    Found,
    /// Nothing: it changes while a tunnel is open, or the heads don't say it.
    Nothing,
}

impl Kept {
    fn of(variable: &Variable) -> Self {
        match variable {
            Variable::UpstreamResponseTime
            | Variable::UpstreamBytesSent
            | Variable::UpstreamBytesReceived => Self::Beginning,
            // These change.
            Variable::RequestTime
            | Variable::BytesSent
            | Variable::BodyBytesSent
            | Variable::RequestCompletion
            | Variable::ConnectionTime
            | Variable::Msec
            | Variable::TimeLocal
            | Variable::TimeIso8601 => Self::Nothing,
            // These don't, nor do the heads say them.
            Variable::RemoteAddr
            | Variable::RemotePort
            | Variable::RealipRemoteAddr
            | Variable::RealipRemotePort
            | Variable::ServerAddr
            | Variable::ServerPort
            | Variable::Connection
            | Variable::ConnectionRequests
            | Variable::RequestId
            | Variable::Status => Self::Nothing,
            Variable::TunnelProtocol | Variable::TunnelSubprotocol => Self::Whole,
            of_tunnel if Variable::OF_TUNNEL.contains(of_tunnel) => Self::Nothing,
            _ => Self::Whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept of a log line for as long as a tunnel lives is mostly short.
    #[test]
    fn a_length_takes_no_more_than_it_has_to() {
        for (length, size) in [(1, 1), (0x7f, 1), (0x80, 2), (0x3fff, 2), (0x4000, 4), (0x1_0000, 4)] {
            let mut out = Vec::new();
            let mut packer = Packer::new(&mut out);
            packer.add(|out| out.resize(out.len() + length, b'x'));
            assert_eq!(packer.done().len(), size + length, "{length:#x}");
        }
        // Nothing at the end of all takes nothing.
        let mut out = Vec::new();
        let mut packer = Packer::new(&mut out);
        packer.add(|out| out.push(b'x'));
        packer.add(|_| ());
        assert_eq!(packer.done(), [1, b'x']);
    }

    #[test]
    fn values_of_any_length_come_back() {
        let values: Vec<Vec<u8>> =
            [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x3fff, 0x4000, 0xffff, 0x1_0000, 0x1_2345]
                .map(|length| vec![b'x'; length])
                .into();
        let mut scratch = Vec::new();
        let mut packer = Packer::new(&mut scratch);
        for value in values.iter().chain([&Vec::new(), &Vec::new()]) {
            packer.add(|out| out.extend_from_slice(value));
        }
        let packed = packer.done();
        assert_eq!(packed.last(), Some(&b'x'), "what is empty at the end isn't kept");
        let mut frozen = Frozen(packed);
        for value in &values {
            assert_eq!(frozen.next(), value);
        }
        assert!(frozen.next().is_empty() && frozen.0.is_empty());
    }
}
