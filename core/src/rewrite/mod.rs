//! From a received head to a forwarded one (behaviour B), and heads of our own.
//!
//! What is written here is canonical: one space where one is meant, CRLF, framing that says what follows.

mod additions;
mod cookie;
mod method;
mod own;
mod plan;
mod reason;
mod redirect;
mod request;
mod response;
mod run;
mod substitution;
mod switch;
mod target;

pub(crate) use additions::{check_additions, has_trailers, write_trailers};
pub(crate) use method::SentMethod;
pub(crate) use own::{OwnResponse, write_established, write_own};
pub(crate) use plan::{Offer, Plan, asks_for_upgrade};
pub(crate) use reason::reason;
pub(crate) use request::{max_forwards, write_request};
pub(crate) use response::{Persistence, ResponseHead, write_interim, write_response};
pub(crate) use switch::check_switch;

use crate::{
    Side,
    http1::{Field, Known, is_value, trim},
    record::Record,
    template::Template,
    violation::Violation,
};

/// Whether a line may cross, as far as `Connection` and the hop-by-hop rules go (B1).
fn crosses(field: Field<'_>) -> bool {
    !(field.known().is_hop_by_hop() || field.nominated)
}

/// Whether a trailer field from this side goes on: not when it frames, routes, authenticates or is nominated
/// (E2; RFC 9110 §6.5.1), nor when it could pass for a field that we have set, or be read as one (B2, B3).
pub(crate) fn trailer_passes(record: &Record, from: Side, field: Field<'_>) -> bool {
    let is_set = || {
        let mut lines = record.proxy().into_iter().flat_map(|proxy| &proxy.set_headers);
        lines.any(|line| line.sets(field.known(), field.name()))
    };
    if !record.passes_trailers() {
        return false;
    }
    let hidden = from == Side::Upstream
        && record.proxy().is_some_and(|proxy| !response::shows(&proxy.response, field));
    let underscored = !record.config.edge.underscores_in_headers && field.has_underscore();
    let passes_for_ours = from == Side::Downstream && (underscored || is_set());
    let belongs_in_head = matches!(
        field.known(),
        Known::ProxyAuthorization
            | Known::Expect
            | Known::MaxForwards
            | Known::Trailer
            | Known::Via
            | Known::XAccel
    );
    !(belongs_in_head
        || hidden
        || passes_for_ours
        || field.known().must_not_be_nominated()
        || !crosses(field))
}

/// A value that a template made must not break out of its line, nor hold what we would refuse in a field that we
/// receive (B6; RFC 9110 §5.5). The log names the template.
fn check_value(record: &Record, template: &Template, value: &[u8]) -> Result<(), Violation> {
    if is_value(value) {
        return Ok(());
    }
    record.blame(template);
    Err(Violation::TemplateControl)
}

/// Takes white space off the ends of the value that begins at `from` (RFC 9110 §5.5: it is no part of it).
fn trim_value(out: &mut Vec<u8>, from: usize) {
    let value = out.get(from..).unwrap_or_default();
    let length = trim(value).len();
    let before = value.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    if before > 0 {
        out.drain(from..from + before);
    }
    out.truncate(from + length);
}

pub(crate) fn write_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
