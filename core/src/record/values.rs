//! The values of variables (B5).

use core::time::Duration;
use std::io::Write as _;

use super::{Heads, Outcome, Record, note::ClientAddress, tls::write_of_tls};
use crate::{
    Address,
    http1::{Known, Version},
    template::{Captures, Escape, MapId, Mapping, Part, Regex, Template, Variable, write_escaped},
    time::{Civil, Now, Tick, write_decimal, write_padded},
};

impl Record {
    /// Evaluates a template.
    pub(crate) fn write_template(&self, template: &Template, now: Now, out: &mut Vec<u8>) {
        for part in template.parts() {
            match part {
                Part::Literal(text) => out.extend_from_slice(text),
                Part::Variable(variable) => self.write_value(variable, template.escape(), now, out),
            }
        }
    }

    /// Evaluates a template of the configuration for this exchange, as far as it has come.
    pub fn evaluate(&self, template: &Template, now: Now, out: &mut Vec<u8>) {
        self.write_template(template, now, out);
    }

    /// Evaluates one variable and escapes its value.
    pub(crate) fn write_value(&self, variable: &Variable, escape: Escape, now: Now, out: &mut Vec<u8>) {
        if escape == Escape::None {
            return self.write_variable(variable, now, out);
        }
        let mut value = self.spare();
        self.write_variable(variable, now, &mut value);
        if !(value.is_empty() && variable.is_always_there()) {
            write_escaped(out, &value, escape);
        }
        self.return_spare(value);
    }

    fn write_variable(&self, variable: &Variable, now: Now, out: &mut Vec<u8>) {
        match variable {
            Variable::RemoteAddr => show(out, ClientAddress(self.remote())),
            Variable::RemotePort => write_port(out, self.remote()),
            Variable::BinaryRemoteAddr => write_binary(out, self.remote()),
            Variable::RealipRemoteAddr => show(out, ClientAddress(&self.client.remote)),
            Variable::RealipRemotePort => write_port(out, &self.client.remote),
            Variable::ProxyProtocolAddr => {
                if let Some(header) = self.forwarded.as_ref().and_then(|forwarded| forwarded.header) {
                    show(out, header.source.ip());
                }
            }
            Variable::ProxyProtocolPort => {
                if let Some(header) = self.forwarded.as_ref().and_then(|forwarded| forwarded.header) {
                    write_decimal(out, u64::from(header.source.port()));
                }
            }
            Variable::ServerAddr => show(out, ClientAddress(&self.client.local)),
            Variable::ServerPort => write_port(out, &self.client.local),
            Variable::Scheme => out.extend_from_slice(self.scheme()),
            Variable::Https if self.client.tls.is_some() => out.extend_from_slice(b"on"),
            Variable::Connection => write_decimal(out, self.client.serial),
            Variable::ConnectionRequests => write_decimal(out, self.requests),
            Variable::ConnectionTime => write_seconds(out, now.tick, self.accepted),
            Variable::Hostname => out.extend_from_slice(self.config.identity.hostname.as_bytes()),
            Variable::Pid => write_decimal(out, u64::from(self.config.identity.pid)),
            Variable::NginxVersion => out.extend_from_slice(env!("CARGO_PKG_VERSION").as_bytes()),
            Variable::Msec => write_thousandths(out, now.unix_ms),
            Variable::TimeIso8601 => write_iso8601(out, now),
            Variable::TimeLocal => write_local(out, now),
            Variable::ServerName => out.extend_from_slice(self.server_name().as_bytes()),
            Variable::ProxyHost => out.extend_from_slice(self.proxy_host()),
            Variable::ProxyPort => out.extend_from_slice(self.proxy_port()),
            Variable::Status => self.write_status(out),
            Variable::RequestTime => write_seconds(out, now.tick, self.figures.began),
            Variable::BytesSent => write_decimal(out, self.bytes_sent()),
            Variable::BodyBytesSent => {
                write_decimal(out, self.bytes_sent().saturating_sub(self.figures.head_sent));
            }
            Variable::RequestLength => write_decimal(out, self.figures.request_length),
            Variable::RequestCompletion if self.outcome == Outcome::Complete => out.extend_from_slice(b"OK"),
            Variable::Pipe => out.push(if self.figures.pipelined { b'p' } else { b'.' }),
            Variable::GzipRatio => out.push(b'-'),
            Variable::UpstreamAddr
            | Variable::UpstreamStatus
            | Variable::UpstreamConnectTime
            | Variable::UpstreamHeaderTime
            | Variable::UpstreamResponseTime
            | Variable::UpstreamBytesSent
            | Variable::UpstreamBytesReceived => {
                self.write_attempts(variable, now.tick, out);
            }
            Variable::Map(id) => self.write_map(*id, now, out),
            Variable::RequestId => self.write_request_id(out),
            Variable::TunnelProtocol if self.figures.websocket => out.extend_from_slice(b"websocket"),
            other => {
                if let Some(heads) = &self.heads {
                    self.write_of_heads(heads, other, out);
                }
                if let Some(report) = &self.figures.tunnel {
                    self.write_of_tunnel(report, other, now, out);
                }
                if let Some(facts) = &self.client.tls {
                    write_of_tls(facts, other, now, out);
                }
            }
        }
    }

    /// Variables that are read off the heads.
    fn write_of_heads(&self, heads: &Heads, variable: &Variable, out: &mut Vec<u8>) {
        let request = &heads.request;
        let fields = &request.fields;
        match variable {
            Variable::Host if request.host().is_empty() => {
                out.extend_from_slice(self.server_name().as_bytes());
            }
            Variable::Host => out.extend_from_slice(request.host()),
            Variable::RequestPort => out.extend_from_slice(request.port().unwrap_or_default()),
            Variable::IsRequestPort if request.port().is_some() => out.push(b':'),
            Variable::RequestMethod => out.extend_from_slice(request.method()),
            Variable::RequestUri => out.extend_from_slice(request.origin_target()),
            Variable::Uri | Variable::DocumentUri => out.extend_from_slice(heads.path()),
            Variable::Args | Variable::QueryString => {
                out.extend_from_slice(heads.query());
            }
            Variable::IsArgs if !heads.query().is_empty() => out.push(b'?'),
            Variable::Request => out.extend_from_slice(request.line()),
            Variable::ServerProtocol => out.extend_from_slice(match request.version {
                Version::Http10 => b"HTTP/1.0",
                Version::Http11 => b"HTTP/1.1",
            }),
            Variable::ContentLength => join(out, fields.values(Known::ContentLength), b", "),
            Variable::ContentType => join(out, fields.values(Known::ContentType), b", "),
            Variable::RemoteUser => {
                let start = out.len();
                self.write_credentials(out);
                let colon = out.get(start..).and_then(|pair| memchr::memchr(b':', pair));
                out.truncate(start + colon.unwrap_or(0));
            }
            // An absolute-form target overrides Host, here as in routing (E4).
            Variable::Http(name) if &**name == "host" => out.extend_from_slice(request.authority()),
            Variable::Http(name) if &**name == "cookie" => join(out, fields.named(b"cookie"), b"; "),
            Variable::Http(name) => join(out, fields.named(name.as_bytes()), b", "),
            Variable::UpstreamHttp(name) => join(out, heads.response.fields.named(name.as_bytes()), b", "),
            Variable::UpstreamTrailer(name) => join(out, heads.trailers[1].named(name.as_bytes()), b", "),
            Variable::SentTrailer(name) => {
                join(out, sent_values(&heads.sent_trailers, name.as_bytes()), b", ");
            }
            // Before our head is written, it is going to be much like the origin server's.
            Variable::SentHttp(name) if heads.sent.is_empty() => {
                join(out, heads.response.fields.named(name.as_bytes()), b", ");
            }
            Variable::SentHttp(name) => write_sent(&heads.sent, name, out),
            Variable::TunnelProtocol => self.write_protocol(heads, out),
            Variable::TunnelSubprotocol if self.status == 101 => {
                join(out, heads.response.fields.named(b"sec-websocket-protocol"), b", ");
            }
            Variable::Arg(name) => {
                let arguments = heads.query().split(|byte| *byte == b'&');
                out.extend_from_slice(find_pair(arguments, name.as_bytes()).unwrap_or_default());
            }
            Variable::Cookie(name) => {
                let cookies = fields.values(Known::Cookie).flat_map(|line| line.split(|byte| *byte == b';'));
                let found = find_pair(cookies.map(crate::http1::trim), name.as_bytes());
                out.extend_from_slice(found.unwrap_or_default());
            }
            Variable::Capture(index) => heads.memo.write_capture(usize::from(*index), out),
            Variable::Set(variable) => heads.memo.write_set(*variable, out),
            Variable::ProxyAddXForwardedFor => {
                let start = out.len();
                join(out, fields.named(b"x-forwarded-for"), b", ");
                if out.len() > start {
                    out.extend_from_slice(b", ");
                }
                show(out, ClientAddress(self.remote()));
            }
            _ => {}
        }
    }

    /// A `map`: evaluated when first used, once per exchange unless it is volatile (B7).
    fn write_map(&self, id: MapId, now: Now, out: &mut Vec<u8>) {
        let Some(mapping) = self.config.maps.get(id.0) else { return };
        // What `set` gave it holds, volatile or not.
        if self.heads.as_ref().is_some_and(|heads| heads.memo.write_found(id, out)) {
            return;
        }
        let volatile = matches!(mapping, Mapping::Map(map) if map.is_volatile());
        let mut key = self.spare();
        self.write_template(mapping.source(), now, &mut key);
        let start = out.len();
        let found = match mapping {
            Mapping::Map(map) => {
                let mut lower = self.spare();
                let found = map.find(&key, &mut lower, |regex, subject| self.matches(regex, subject));
                self.return_spare(lower);
                found
            }
            Mapping::Split(split) => split.find(&key),
            Mapping::Geo(geo) => {
                out.extend_from_slice(geo.find(&key));
                None
            }
        };
        if let Some(template) = found {
            self.write_template(template, now, out);
        }
        if let (false, Some(heads)) = (volatile, &self.heads) {
            heads.memo.keep(id, out.get(start..).unwrap_or_default());
        }
        self.return_spare(key);
    }

    /// Tries a regular expression. A tunnel has no heads any more when its lines are written: the patterns that are tried then
    /// name no groups, and what they are tried on is no client's text, so that there is nothing to keep and nobody who could
    /// make a search give up.
    fn matches(&self, regex: &Regex, subject: &[u8]) -> bool {
        match &self.heads {
            Some(heads) => heads.memo.matches(regex, subject),
            None => regex.pattern().find(subject, &mut Captures::default()),
        }
    }

    pub(super) fn write_request_id(&self, out: &mut Vec<u8>) {
        let mut digest = sha1_smol::Sha1::new();
        digest.update(&self.client.secret);
        digest.update(&self.client.serial.to_le_bytes());
        digest.update(&self.requests.to_le_bytes());
        for byte in digest.digest().bytes().iter().take(16) {
            show(out, format_args!("{byte:02x}"));
        }
    }

    fn write_status(&self, out: &mut Vec<u8>) {
        write_padded(out, u64::from(self.status), 3);
    }

    /// The scheme under which the client has asked (RFC 9110 §4.2).
    pub(crate) fn scheme(&self) -> &'static [u8] {
        if self.client.tls.is_some() { b"https" } else { b"http" }
    }

    fn server_name(&self) -> &str {
        self.location.as_ref().map_or("", |location| &location.server_name)
    }
}

/// Appends what `value` displays.
pub(super) fn show(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    // Writing into memory doesn't fail.
    let _ = write!(out, "{value}");
}

fn write_port(out: &mut Vec<u8>, address: &Address) {
    if let Some(port) = address.port() {
        write_decimal(out, u64::from(port));
    }
}

/// A client without an IP address has its text (nginx): a limit for each address is none where that is empty.
fn write_binary(out: &mut Vec<u8>, address: &Address) {
    match address {
        Address::Ip(address) => match address.ip() {
            std::net::IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
            std::net::IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
        },
        Address::Unix(_) => show(out, ClientAddress(address)),
    }
}

pub(super) fn write_seconds(out: &mut Vec<u8>, end: Tick, start: Tick) {
    write_span(out, end.since(start));
}

/// Seconds with milliseconds.
pub(super) fn write_span(out: &mut Vec<u8>, span: Duration) {
    write_thousandths(out, u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
}

fn write_thousandths(out: &mut Vec<u8>, n: u64) {
    write_decimal(out, n / 1000);
    out.push(b'.');
    write_padded(out, n % 1000, 3);
}

fn write_iso8601(out: &mut Vec<u8>, now: Now) {
    let civil = Civil::of(now.unix_ms, now.utc_offset_min);
    write_padded(out, civil.year.unsigned_abs(), 4);
    out.push(b'-');
    write_padded(out, u64::from(civil.month), 2);
    out.push(b'-');
    write_padded(out, u64::from(civil.day), 2);
    out.push(b'T');
    civil.write_time(out);
    write_offset(out, now.utc_offset_min, b":");
}

fn write_local(out: &mut Vec<u8>, now: Now) {
    let civil = Civil::of(now.unix_ms, now.utc_offset_min);
    write_padded(out, u64::from(civil.day), 2);
    out.push(b'/');
    out.extend_from_slice(civil.month_name().as_bytes());
    out.push(b'/');
    write_padded(out, civil.year.unsigned_abs(), 4);
    out.push(b':');
    civil.write_time(out);
    out.push(b' ');
    write_offset(out, now.utc_offset_min, b"");
}

fn write_offset(out: &mut Vec<u8>, minutes: i16, between: &[u8]) {
    out.push(if minutes < 0 { b'-' } else { b'+' });
    let minutes = u64::from(minutes.unsigned_abs());
    write_padded(out, minutes / 60, 2);
    out.extend_from_slice(between);
    write_padded(out, minutes % 60, 2);
}

fn join<'a>(out: &mut Vec<u8>, values: impl Iterator<Item = &'a [u8]>, separator: &[u8]) {
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.extend_from_slice(separator);
        }
        out.extend_from_slice(value);
    }
}

/// The value of the first `name=value` pair; case of the name is ignored, as in nginx.
fn find_pair<'a>(mut pairs: impl Iterator<Item = &'a [u8]>, name: &[u8]) -> Option<&'a [u8]> {
    pairs.find_map(|pair| {
        let equals = memchr::memchr(b'=', pair)?;
        let matches = pair.get(..equals)?.eq_ignore_ascii_case(name);
        matches.then(|| pair.get(equals + 1..).unwrap_or_default())
    })
}

/// A field of the head that the client got. Persistence is shown where it was understood without a word, too.
fn write_sent(head: &[u8], name: &str, out: &mut Vec<u8>) {
    let start = out.len();
    join(out, sent_values(head, name.as_bytes()), b", ");
    if out.len() == start && name == "connection" && !head.is_empty() {
        out.extend_from_slice(b"keep-alive");
    }
}

/// The values of a field in a section that we wrote; a status line in front of it is no field line, for it has a
/// space before any colon.
fn sent_values<'a>(section: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    section.split(|byte| *byte == b'\n').filter_map(move |line| {
        let colon = memchr::memchr(b':', line)?;
        let matches = line.get(..colon)?.eq_ignore_ascii_case(name);
        matches.then(|| crate::http1::trim(line.get(colon + 1..).unwrap_or_default().trim_ascii_end()))
    })
}
