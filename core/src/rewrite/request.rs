//! The request head that goes upstream.

use super::{
    check_value, crosses,
    method::SentMethod,
    plan::{Offer, Plan, sets},
    run::Run,
    trim_value, write_line,
};
use crate::{
    config::{Proxy, SetHeader, Via},
    http1::{
        ConnectionOptions, Field, Framing, Known, KnownSet, Request, Version, authority, write_encoded_path,
        write_encoded_query, write_encoded_target, write_encoded_uri,
    },
    record::{Heads, Record},
    template::Template,
    time::{Now, write_decimal},
    violation::Violation,
    websocket::handshake,
};

/// Writes the head that goes upstream behind its beginning, which [`Plan::make`] has written, and behind it the content
/// that the configuration puts in the place of the client's. Says whether field lines were dropped for an underscore in
/// their name (B3).
pub(crate) fn write_request(
    record: &Record,
    framing: Framing,
    plan: Plan,
    now: Now,
    offered: &[u8],
    out: &mut Vec<u8>,
) -> Result<bool, Violation> {
    let Some(proxy) = record.proxy() else { return Err(Violation::NoPeer) };
    match &proxy.set_body {
        None if proxy.pass_request_body => write_head(record, framing, plan, now, offered, out),
        None => write_head(record, Framing::Empty, plan, now, offered, out),
        Some(template) => record.with_value(template, now, |content| {
            let length = Framing::Length(content.len() as u64);
            let dropped = write_head(record, length, plan, now, offered, out)?;
            out.extend_from_slice(content);
            Ok(dropped)
        }),
    }
}

fn write_head(
    record: &Record,
    framing: Framing,
    plan: Plan,
    now: Now,
    offered: &[u8],
    out: &mut Vec<u8>,
) -> Result<bool, Violation> {
    let (Some(proxy), Some(heads)) = (record.proxy(), &record.heads) else { return Err(Violation::NoPeer) };
    let request = &heads.request;
    if framing == Framing::Chunked && !plan.is_http11 {
        return Err(Violation::NoContentLength);
    }
    if plan.offer == Offer::WebSocket && proxy.upgrade.websocket_validation {
        let version = request.fields.only(Known::SecWebSocketVersion);
        let key = request.fields.only(Known::SecWebSocketKey);
        handshake::check_offer(request.method(), version, key)?;
        if plan.method != SentMethod::Get {
            return Err(Violation::WebSocketMethod);
        }
    }
    write_target(proxy, heads, plan.method, out);
    // Our own version, whatever the client's (RFC 9112 §2.3, E14).
    out.extend_from_slice(match proxy.http_version {
        Version::Http11 => b" HTTP/1.1\r\n",
        Version::Http10 => b" HTTP/1.0\r\n",
    });
    let mut lines = Lines { record, proxy, now, out };
    lines.configured(plan, offered)?;
    lines.defaults(framing, request);
    let underscores = proxy.pass_request_headers && lines.received(request);
    lines.via(request);
    out.extend_from_slice(b"\r\n");
    Ok(underscores)
}

fn write_target(proxy: &Proxy, heads: &Heads, method: SentMethod, out: &mut Vec<u8>) {
    // RFC 9112 §3.2.4: an asterisk is for OPTIONS alone, and has no query; with another `proxy_method` the root stands
    // for the server.
    let path = match heads.path() {
        b"*" if method == SentMethod::Options && heads.url.uri().is_none() => return out.push(b'*'),
        b"*" => b"/",
        path => path,
    };
    match &proxy.uri {
        // nginx: a URI that variables have made is the target as it stands.
        _ if heads.url.uri().is_some() => {
            let uri = heads.url.uri().unwrap_or_default();
            if uri.starts_with(b"?") {
                out.push(b'/');
            }
            write_encoded_target(uri, out);
        }
        // nginx: what the location matched is replaced in the normalised path; the query goes on as it was.
        Some(uri) if path.starts_with(b"/") && !heads.detour.whole => {
            write_encoded_uri(&uri.replacement, out);
            write_encoded_path(path.get(uri.matched..).unwrap_or_default(), out);
            write_query(heads, out);
        }
        _ if heads.is_rewritten() || heads.path() == b"*" => {
            if !path.starts_with(b"/") {
                out.push(b'/');
            }
            write_encoded_path(path, out);
            write_query(heads, out);
        }
        _ => out.extend_from_slice(heads.request.origin_target()),
    }
}

fn write_query(heads: &Heads, out: &mut Vec<u8>) {
    if !heads.query().is_empty() {
        out.push(b'?');
        write_encoded_query(heads.query(), out);
    }
}

/// The header section in the making.
struct Lines<'a> {
    record: &'a Record,
    proxy: &'a Proxy,
    now: Now,
    out: &'a mut Vec<u8>,
}

impl Lines<'_> {
    /// `proxy_set_header` lines in their order, under their names as written; `Connection` and `Upgrade` are our own
    /// words (A3).
    fn configured(&mut self, plan: Plan, offered: &[u8]) -> Result<(), Violation> {
        let (mut said_connection, mut said_upgrade, mut said_host) = (false, false, false);
        for line in &self.proxy.set_headers {
            let name = line.name().as_bytes();
            match line.known() {
                Known::Connection => {
                    if !said_connection {
                        self.connection(name, plan);
                    }
                    said_connection = true;
                }
                Known::Upgrade => {
                    if plan.offer != Offer::Nothing && !said_upgrade {
                        write_line(self.out, name, offered);
                    }
                    said_upgrade = true;
                }
                Known::Te if self.says_te(plan.connection) => self.templated(name, &line.value)?,
                Known::Host => {
                    if !said_host {
                        self.host(name, &line.value)?;
                    }
                    said_host = true;
                }
                // Framing is ours (E1); what is left of the hop-by-hop fields would be a lie of the hop.
                Known::ContentLength | Known::Expect => {}
                known if known.is_hop_by_hop() => {}
                _ => self.templated(name, &line.value)?,
            }
        }
        if !said_connection {
            self.connection(b"Connection", plan);
        }
        Ok(())
    }

    fn connection(&mut self, name: &[u8], plan: Plan) {
        let Plan { offer, connection: configured, option, silent, is_http11, .. } = plan;
        let options: [(bool, &[u8]); 4] = [
            (offer != Offer::Nothing, option.as_bytes()),
            (configured.close || (!is_http11 && !configured.keep_alive && !silent), b"close"),
            (!is_http11 && configured.keep_alive && !configured.close, b"keep-alive"),
            (self.says_te(configured), b"TE"),
        ];
        let mut said = false;
        for (_, option) in options.iter().filter(|(due, _)| *due) {
            if said {
                self.out.extend_from_slice(b", ");
            } else {
                self.out.extend_from_slice(name);
                self.out.extend_from_slice(b": ");
            }
            self.out.extend_from_slice(option);
            said = true;
        }
        if said {
            self.out.extend_from_slice(b"\r\n");
        }
    }

    /// `TE` goes with the option that confines it to this hop (RFC 9110 §10.1.4), and only as configured.
    fn says_te(&self, configured: ConnectionOptions) -> bool {
        configured.te && self.proxy.http_version == Version::Http11 && sets(self.proxy, Known::Te)
    }

    /// Exactly one Host goes upstream; an empty one becomes `$proxy_host` (B2).
    fn host(&mut self, name: &[u8], value: &Template) -> Result<(), Violation> {
        let value_at = self.out.len() + name.len() + 2;
        self.templated(name, value)?;
        match self.out.get(value_at..).and_then(|line| line.strip_suffix(b"\r\n")) {
            None => write_line(self.out, name, self.record.proxy_host()),
            // What we would refuse ourselves can't be said to others (E4).
            Some(host) if authority(host).is_none() => {
                self.record.blame(value);
                return Err(Violation::TemplateHost);
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn templated(&mut self, name: &[u8], value: &Template) -> Result<(), Violation> {
        let start = self.out.len();
        self.out.extend_from_slice(name);
        self.out.extend_from_slice(b": ");
        let from = self.out.len();
        self.record.write_template(value, self.now, self.out);
        check_value(self.record, value, self.out.get(from..).unwrap_or_default())?;
        trim_value(self.out, from);
        if self.out.len() == from {
            self.out.truncate(start);
        } else {
            self.out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    fn defaults(&mut self, framing: Framing, request: &Request) {
        if !sets(self.proxy, Known::Host) {
            write_line(self.out, b"Host", self.record.proxy_host());
        }
        match framing {
            Framing::Chunked => self.out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            Framing::Length(length) => self.content_length(length),
            // "No content" said aloud is kept: origin servers of POST want to read it.
            Framing::Empty if request.fields.has(Known::ContentLength) => self.content_length(0),
            Framing::Empty | Framing::UntilClose => {}
        }
    }

    fn content_length(&mut self, length: u64) {
        self.out.extend_from_slice(b"Content-Length: ");
        write_decimal(self.out, length);
        self.out.extend_from_slice(b"\r\n");
    }

    /// The client's remaining lines, byte for byte in their order (B3). Says whether some were dropped.
    fn received(&mut self, request: &Request) -> bool {
        let fields = &request.fields;
        let keep_underscores = self.record.config.edge.underscores_in_headers;
        let set: KnownSet = self.proxy.set_headers.iter().map(SetHeader::known).collect();
        let is_set = |field: Field<'_>| {
            set.has(field.known())
                && self.proxy.set_headers.iter().any(|line| line.sets(field.known(), field.name()))
        };
        let mut run = Run::of(fields);
        let mut dropped = false;
        for field in fields.iter() {
            if matches!(field.known(), Known::Host | Known::ContentLength | Known::Expect)
                || !crosses(field)
                || is_set(field)
            {
                continue;
            }
            if !keep_underscores && field.has_underscore() {
                dropped = true;
                continue;
            }
            let left = (field.known() == Known::MaxForwards)
                .then(|| forwards_left(request, field.value()))
                .flatten();
            match left {
                // RFC 9110 §7.6.2: one hop less on OPTIONS; elsewhere the field has no meaning.
                Some(left) => {
                    run.flush(self.out);
                    self.out.extend_from_slice(field.name());
                    self.out.extend_from_slice(b": ");
                    write_decimal(self.out, left);
                    self.out.extend_from_slice(b"\r\n");
                }
                None => run.push(field, self.out),
            }
        }
        run.flush(self.out);
        dropped
    }

    /// RFC 9110 §7.6.3: the received version and a pseudonym.
    fn via(&mut self, request: &Request) {
        if self.proxy.via != Via::Off {
            self.out.extend_from_slice(match request.version {
                Version::Http10 => b"Via: 1.0 ",
                Version::Http11 => b"Via: 1.1 ",
            });
            self.out.extend_from_slice(self.record.config.identity.pseudonym.as_bytes());
            self.out.extend_from_slice(b"\r\n");
        }
    }
}

/// What `Max-Forwards` of an OPTIONS request becomes.
fn forwards_left(request: &Request, value: &[u8]) -> Option<u64> {
    (request.method() == b"OPTIONS").then(|| max_forwards(value))?.map(|number| number.saturating_sub(1))
}

/// The number in `Max-Forwards`, when it is one (RFC 9110 §7.6.2).
pub(crate) fn max_forwards(value: &[u8]) -> Option<u64> {
    let digits =
        std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}
