//! What a tunnel's log lines need of the heads, so that the heads themselves can go.
//!
//! At the 101, every variable of the location's log formats whose value is known for good is evaluated
//! and packed, in the order of the templates: a length in two bytes, then the value as it will stand in
//! the line. What moves on (times, byte counts) is evaluated when the line is written.

use super::{Heads, Record};
use crate::{
    template::{Part, Template, Variable},
    time::Now,
};

/// A reader of packed values.
pub(super) struct Frozen<'a>(&'a [u8]);

impl<'a> Frozen<'a> {
    fn next(&mut self) -> &'a [u8] {
        let Some(([low, high], rest)) = self.0.split_first_chunk::<2>().map(|(length, rest)| (*length, rest))
        else {
            return b"";
        };
        let length = usize::from(u16::from_le_bytes([low, high]));
        let (value, rest) = rest.split_at_checked(length).unwrap_or((rest, b""));
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
                self.freeze_values(template, now, scratch);
            }
        }
        self.frozen = Some(scratch.as_slice().into());
        self.heads.take()
    }

    fn freeze_values(&self, template: &Template, now: Now, out: &mut Vec<u8>) {
        for variable in template.variables() {
            pack(out, |out| {
                if is_late(variable) {
                    // Of a list over several attempts, all but the last value are known.
                    self.write_earlier(variable, out);
                } else {
                    self.write_value(variable, template.escape(), now, out);
                }
            });
        }
    }

    /// Request line and host.
    pub(super) fn frozen_context(&self) -> Option<[&[u8]; 2]> {
        let mut frozen = Frozen(self.frozen.as_deref()?);
        Some([frozen.next(), frozen.next()])
    }

    /// The values for the log lines.
    pub(super) fn frozen_logs(&self) -> Option<Frozen<'_>> {
        let mut frozen = Frozen(self.frozen.as_deref()?);
        let _context = (frozen.next(), frozen.next());
        Some(frozen)
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
                    out.extend_from_slice(frozen.next());
                    if is_late(variable) {
                        self.write_value(variable, format.escape(), now, out);
                    }
                }
            }
        }
    }
}

/// Appends a value behind its length; one that is too long for two bytes is cut.
fn pack(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0, 0]);
    write(out);
    let length = u16::try_from(out.len() - start - 2).unwrap_or(u16::MAX);
    out.truncate(start + 2 + usize::from(length));
    if let Some(slot) = out.get_mut(start..start + 2) {
        slot.copy_from_slice(&length.to_le_bytes());
    }
}

/// Whether the value changes while a tunnel is open.
fn is_late(variable: &Variable) -> bool {
    matches!(
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
