//! What is wrong with a section of field lines.

use super::{is_token, is_value};
use crate::violation::Violation;

/// Names what is wrong with a request's header section that the parser refused.
pub(super) fn diagnose(section: &[u8]) -> Violation {
    for line in section.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line.first() {
            None => break,
            Some(b' ' | b'\t') => return Violation::ObsFold,
            Some(_) => {}
        }
        if line.contains(&b'\r') {
            return Violation::BareCr;
        }
        let Some(colon) = memchr::memchr(b':', line) else { return Violation::MissingColon };
        let (name, value) = line.split_at(colon);
        if name.last().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
            return Violation::SpaceBeforeColon;
        }
        if !is_token(name) {
            return Violation::BadFieldName;
        }
        if !is_value(value) {
            return Violation::ControlByte;
        }
    }
    Violation::BadFieldName
}
