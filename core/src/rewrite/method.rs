//! The method that a request is sent with.

use crate::{
    config::Proxy,
    http1::{Request, is_token},
    proxy_protocol,
    record::Record,
    template::Template,
    time::Now,
    violation::Violation,
};

/// What matters of the method that goes upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum SentMethod {
    Get,
    /// Its response has no content (RFC 9110 §9.3.2).
    Head,
    /// May ask for the server as a whole (§9.3.7).
    Options,
    /// Repeating the request is the same as making it once, as with the three above (§9.2.2).
    Idempotent,
    #[default]
    Other,
}

impl SentMethod {
    pub(super) fn of(method: &[u8]) -> Self {
        match method {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"OPTIONS" => Self::Options,
            b"TRACE" | b"PUT" | b"DELETE" => Self::Idempotent,
            _ => Self::Other,
        }
    }
}

/// Writes the beginning of a request for upstream, up to the request-target, and says which method it has. A method from
/// a template is checked as it is written: evaluated again it may be another one.
pub(super) fn write_beginning(
    record: &Record,
    proxy: &Proxy,
    request: &Request,
    now: Now,
    out: &mut Vec<u8>,
) -> Result<SentMethod, Violation> {
    // Under TLS it comes before the handshake ([`crate::Dial::preamble`]).
    if proxy.proxy_protocol && record.proxy_tls().is_none() {
        proxy_protocol::write(record.remote(), &record.client.local, out);
    }
    let start = out.len();
    let method = match &proxy.method {
        Some(template) => {
            record.write_template(template, now, out);
            check_method(record, template, out.get(start..).unwrap_or_default())?
        }
        None => {
            out.extend_from_slice(request.method());
            SentMethod::of(request.method())
        }
    };
    out.push(b' ');
    Ok(method)
}

/// A method from a template is a token (B6), and asks for no tunnel behind our back.
fn check_method(record: &Record, template: &Template, method: &[u8]) -> Result<SentMethod, Violation> {
    if is_token(method) && method != b"CONNECT" {
        return Ok(SentMethod::of(method));
    }
    record.blame(template);
    Err(Violation::TemplateMethod)
}
