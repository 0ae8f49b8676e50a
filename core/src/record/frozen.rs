//! What a tunnel's log lines need of the heads, so that the heads themselves can go.
//!
//! At the 101, every variable of the location's log formats whose value is known for good is evaluated
//! and packed, in the order of the templates: its length, then the value as it will stand in the line. A length takes
//! two bytes, and four from 32 KiB on, which the highest bit says. What moves on (times, byte counts) is evaluated
//! when the line is written.

use super::{Heads, Record};
use crate::{
    template::{Escape, Part, Template, Variable},
    time::Now,
};

/// A reader of packed values.
pub(super) struct Frozen<'a>(&'a [u8]);

impl<'a> Frozen<'a> {
    fn next(&mut self) -> &'a [u8] {
        let (length, rest) = match self.0 {
            [high, b, c, low, rest @ ..] if *high >= LONG => {
                (u32::from_be_bytes([*high, *b, *c, *low]) & !LONG_BIT, rest)
            }
            [high, low, rest @ ..] => (u32::from(u16::from_be_bytes([*high, *low])), rest),
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
        scratch.clear();
        if let Some(heads) = &self.heads {
            pack(scratch, |out| out.extend_from_slice(heads.request.line()));
            pack(scratch, |out| out.extend_from_slice(heads.request.authority()));
        }
        for log in self.location.iter().flat_map(|location| &location.access_logs) {
            for template in log.condition.iter().chain([&log.format]) {
                self.freeze_values(template.variables(), template.escape(), now, scratch);
            }
        }
        if let Some(log) = self.location.as_ref().and_then(|location| location.tunnel_log.as_ref()) {
            self.freeze_values(log.format.variables(), log.format.escape(), now, scratch);
        }
        self.figures.frozen = Some(scratch.as_slice().into());
        self.heads.take()
    }

    fn freeze_values<'v>(
        &self,
        variables: impl Iterator<Item = &'v Variable>,
        escape: Escape,
        now: Now,
        out: &mut Vec<u8>,
    ) {
        for variable in variables {
            pack(out, |out| {
                if is_late(variable) {
                    // Of a list over several attempts, all but the last value are known.
                    self.write_earlier(variable, out);
                } else {
                    self.write_value(variable, escape, now, out);
                }
            });
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
        for _ in templates.flat_map(|template| template.variables()) {
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
        out.extend_from_slice(frozen.next());
        if is_late(variable) {
            self.write_value(variable, escape, now, out);
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

/// What the first byte of a length in four bytes is at least.
const LONG: u8 = 0x80;

/// The bit that says so.
const LONG_BIT: u32 = 1 << 31;

/// Appends a value behind its length.
fn pack(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let before = out.len();
    // Nearly all lengths take two bytes: these are kept free.
    out.extend_from_slice(&[0; 2]);
    let start = out.len();
    write(out);
    // A value of 2 GiB would be cut.
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX).min(!LONG_BIT);
    out.truncate(start + length as usize);
    match u16::try_from(length) {
        Ok(short) if length < u32::from(LONG) << 8 => {
            if let Some(free) = out.get_mut(before..start) {
                free.copy_from_slice(&short.to_be_bytes());
            }
        }
        _ => {
            out.splice(before..start, (length | LONG_BIT).to_be_bytes());
        }
    }
}

/// Whether the value changes while a tunnel is open.
fn is_late(variable: &Variable) -> bool {
    is_late_in_tunnel(variable)
        || matches!(
            variable,
            Variable::RequestTime
                | Variable::BytesSent
                | Variable::BodyBytesSent
                | Variable::RequestCompletion
                | Variable::ConnectionTime
                | Variable::Msec
                | Variable::TimeLocal
                | Variable::TimeIso8601
                | Variable::UpstreamResponseTime
                | Variable::UpstreamBytesSent
                | Variable::UpstreamBytesReceived
        )
}

/// Whether it is said of a tunnel, and not known before the tunnel is open.
fn is_late_in_tunnel(variable: &Variable) -> bool {
    let is_known_before = matches!(variable, Variable::TunnelProtocol | Variable::TunnelSubprotocol);
    !is_known_before && Variable::OF_TUNNEL.contains(variable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_any_length_come_back() {
        let values: Vec<Vec<u8>> = [0, 1, 255, 256, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x1_2345]
            .map(|length| vec![b'x'; length])
            .into();
        let mut packed = Vec::new();
        for value in &values {
            pack(&mut packed, |out| out.extend_from_slice(value));
        }
        let mut frozen = Frozen(&packed);
        for value in &values {
            assert_eq!(frozen.next(), value);
        }
        assert!(frozen.next().is_empty() && frozen.0.is_empty());
    }
}
