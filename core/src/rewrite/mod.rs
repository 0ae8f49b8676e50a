//! From a received head to a forwarded one (behaviour B), and heads of our own.
//!
//! What is written here is canonical: one space where one is meant, CRLF, framing that says what follows.

mod request;
mod response;

pub(crate) use request::{Offer, Plan, answers_offer, max_forwards, write_request};
pub(crate) use response::{
    OwnResponse, Persistence, ResponseHead, reason, write_interim, write_own, write_response,
};

use crate::{
    http1::{Fields, Known, nominates},
    violation::Violation,
};

/// Whether a line with this name may cross, as far as `Connection` and the hop-by-hop rules go (B1).
fn crosses(fields: &Fields, name: &[u8], known: Known, nominated: bool) -> bool {
    !(known.is_hop_by_hop() || nominated && nominates(fields, name))
}

/// A value that a template made must not break out of its line (B6).
fn check_value(value: &[u8]) -> Result<(), Violation> {
    if memchr::memchr3(b'\r', b'\n', 0, value).is_some() { Err(Violation::TemplateControl) } else { Ok(()) }
}

fn write_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
