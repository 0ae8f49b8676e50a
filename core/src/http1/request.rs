//! A request head (RFC 9112 §3).

use super::{
    Fields, Known,
    fields::{FEW_LINES, Span},
    scan::{Scan, head_end},
    target::{authority, is_target_byte, normalise_path},
    version::Version,
};
use crate::{config::Settings, violation::Violation};

/// A request head as received, with what routing reads off it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) fields: Fields,
    pub(crate) version: Version,
    line: Span,
    method: Span,
    target: Span,
    form: Form,
    /// It became a GET: what came was answered with an error, for which another location has a page.
    is_get: bool,
    /// The authority as received: from an absolute-form target, else from `Host`.
    authority: Span,
    /// The host in it.
    named: Span,
    /// Normalised path, then the host in lower case, then the target in origin-form where it was not received
    /// in that form.
    derived: Vec<u8>,
    path_len: usize,
    host_len: usize,
    measured: Measured,
}

/// How far a head that is still coming has been compared with its limits, so that no byte is looked at twice.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    /// Up to here every line is complete and short enough.
    line: usize,
    /// Up to here there is no further line end.
    upto: usize,
}

/// What a head may measure: a line in its first `start` bytes, any other line, and all of it.
#[derive(Clone, Copy, Debug)]
struct Limits {
    start: usize,
    line: usize,
    whole: usize,
}

/// RFC 9112 §3.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Form {
    #[default]
    Origin,
    /// The lengths of `http://`, and of that and the authority, which is not forwarded (§3.2.2).
    Absolute(usize, u32),
    Authority,
    Asterisk,
}

/// What parsing has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// More bytes are needed.
    Partial,
    /// The head is complete; it took so many bytes, empty lines before it included.
    Complete(usize),
}

/// Empty lines that are skipped before a request line (RFC 9112 §2.2 asks for at least one).
const LEADING_EMPTY_LINES: usize = 4;

/// Bytes that a request takes before it is known to exceed its limit: empty lines, the head, and one more byte.
pub(crate) fn most_of_request(settings: &Settings) -> usize {
    2 * LEADING_EMPTY_LINES + settings.head_limit() + 1
}

impl Request {
    pub(crate) fn clear(&mut self) {
        self.fields.clear();
        self.derived.clear();
        (self.path_len, self.host_len) = (0, 0);
        (self.line, self.method, self.target) = Default::default();
        (self.authority, self.named) = Default::default();
        (self.form, self.version, self.is_get) = Default::default();
        self.measured = Measured::default();
    }

    /// Reads a request head from the front of `bytes`. What was read is kept even when it is refused, so
    /// that the log can show it.
    pub(crate) fn parse(
        &mut self,
        bytes: &[u8],
        scan: &mut Scan,
        settings: &Settings,
    ) -> Result<Parsed, Violation> {
        let Some(skipped) = skip_empty_lines(bytes)? else { return Ok(Parsed::Partial) };
        let received = bytes.get(skipped..).unwrap_or_default();
        let end = if scan.is_new() && self.read_plain(received, settings) {
            bytes.len()
        } else {
            scan.skip(skipped);
            let head = head_end(bytes, scan);
            let end = head.map_or(bytes.len(), Scan::upto);
            self.measured.check(bytes.get(skipped..end).unwrap_or_default(), settings)?;
            let Some(head) = head else { return Ok(Parsed::Partial) };
            self.clear();
            self.fields.copy(bytes.get(skipped..end).unwrap_or_default());
            if !settings.allow_bare_lf && head.has_bare_lf() {
                return Err(Violation::BareLf);
            }
            let line_end = self.read_request_line()?;
            self.fields.parse_request(line_end, settings.max_headers.min(head.lines()))?;
            end
        };
        self.read_authority()?;
        self.derive(settings.merge_slashes)?;
        Ok(Parsed::Complete(end))
    }

    /// Reads the lines of a short head that has come in one piece with nothing behind it, as most do: where it ends is found
    /// by reading it, and needs no search. Says whether there is nothing odd about it; what is odd is told by reading again.
    fn read_plain(&mut self, head: &[u8], settings: &Settings) -> bool {
        if !head.ends_with(b"\r\n\r\n") || !Limits::of(settings).always_permit(head.len()) {
            return false;
        }
        self.clear();
        self.fields.copy(head);
        let Ok(line_end) = self.read_request_line() else { return false };
        let has_crlf = head.get(..line_end).is_some_and(|line| line.ends_with(b"\r\n"));
        has_crlf
            && self.fields.parse_request(line_end, settings.max_headers.min(FEW_LINES)) == Ok(head.len())
            && self.fields.are_plain()
    }

    /// Splits the request line; says where the header section begins.
    fn read_request_line(&mut self) -> Result<usize, Violation> {
        let bytes = self.fields.bytes();
        let feed = memchr::memchr(b'\n', bytes).ok_or(Violation::BadRequestLine)?;
        let line = bytes.get(..feed).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.line = Span::new(0, line.len());
        if line.contains(&b'\r') {
            return Err(Violation::BareCr);
        }
        let mut parts = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(if line.iter().any(|byte| *byte < b' ' || *byte == 0x7f) {
                Violation::ControlByte
            } else {
                Violation::BadRequestLine
            });
        };
        if !super::is_token(method) {
            return Err(Violation::BadMethod);
        }
        let is_connect = method == b"CONNECT";
        let is_options = method == b"OPTIONS";
        let target_at = method.len() + 1;
        let version = parse_version(version)?;
        let form = target_form(target, is_connect, is_options)?;
        let (method, target) = (Span::new(0, method.len()), Span::new(target_at, target_at + target.len()));
        (self.method, self.target, self.version, self.form) = (method, target, version, form);
        Ok(feed + 1)
    }

    /// Finds the one authority that the request is for (RFC 9112 §3.2, §3.3; E4).
    fn read_authority(&mut self) -> Result<(), Violation> {
        let mut hosts = self.fields.values(Known::Host);
        let host = match (hosts.next(), hosts.next()) {
            (_, Some(_)) => return Err(Violation::SeveralHosts),
            (None, None) if self.version == Version::Http11 => return Err(Violation::MissingHost),
            (host, None) => host,
        };
        let received = match host.map(authority) {
            Some(None) => return Err(Violation::BadHost),
            received => received.flatten(),
        };
        let (text, named) = match self.form {
            // RFC 9112 §3.2.2: a received Host is ignored beside an absolute-form target.
            Form::Absolute(scheme, length) => {
                let target = self.target.of(self.fields.bytes());
                let text = target.get(scheme..length as usize).unwrap_or_default();
                (text, authority(text))
            }
            _ => (host.unwrap_or_default(), received),
        };
        let position = |part: &[u8]| {
            if part.is_empty() { Span::default() } else { Span::within(self.fields.bytes(), part) }
        };
        let named = named.map_or_else(Span::default, |authority| position(authority.host));
        (self.authority, self.named) = (position(text), named);
        Ok(())
    }

    fn derive(&mut self, merges_slashes: bool) -> Result<(), Violation> {
        let mut derived = std::mem::take(&mut self.derived);
        let outcome = match (self.form, self.received_target()) {
            // A location is searched all the same: the one of the server as a whole.
            (Form::Authority, _) => {
                derived.push(b'/');
                Ok(())
            }
            (Form::Asterisk, _) | (Form::Absolute(..), b"") if self.method() == b"OPTIONS" => {
                derived.push(b'*');
                Ok(())
            }
            // RFC 9112 §3.2.1: an empty path is sent as "/".
            (_, b"" | [b'?', ..]) => normalise_path(b"/", merges_slashes, &mut derived),
            (_, target) => normalise_path(path_of(target), merges_slashes, &mut derived),
        };
        self.path_len = derived.len();
        let host = self.named.of(self.fields.bytes());
        // As nginx: the dot of a fully qualified name says nothing here.
        let host = host.strip_suffix(b".").filter(|host| !host.is_empty()).unwrap_or(host);
        derived.extend(host.iter().map(u8::to_ascii_lowercase));
        self.host_len = derived.len() - self.path_len;
        if let target @ (b"" | [b'?', ..]) = self.received_target() {
            derived.push(if derived.starts_with(b"*") { b'*' } else { b'/' });
            derived.extend_from_slice(target);
        }
        self.derived = derived;
        outcome
    }

    pub(crate) fn line(&self) -> &[u8] {
        self.line.of(self.fields.bytes())
    }

    pub(crate) fn method(&self) -> &[u8] {
        if self.is_get { b"GET" } else { self.method.of(self.fields.bytes()) }
    }

    /// From here on it is a GET, or still a HEAD.
    pub(crate) fn become_get(&mut self) {
        self.is_get = !self.is_head();
    }

    /// What goes on as request-target: origin-form or `*` (RFC 9112 §3.2.1, §3.2.4).
    pub(crate) fn origin_target(&self) -> &[u8] {
        match self.derived.get(self.path_len + self.host_len..) {
            Some(target) if !target.is_empty() => target,
            _ => self.received_target(),
        }
    }

    /// The target without what absolute-form has in front; empty when there is nothing else.
    fn received_target(&self) -> &[u8] {
        let target = self.target.of(self.fields.bytes());
        match self.form {
            Form::Absolute(_, length) => target.get(length as usize..).unwrap_or_default(),
            Form::Origin | Form::Authority | Form::Asterisk => target,
        }
    }

    pub(crate) fn query(&self) -> Option<&[u8]> {
        let target = self.received_target();
        memchr::memchr(b'?', target).and_then(|at| target.get(at + 1..))
    }

    pub(crate) fn path(&self) -> &[u8] {
        self.derived.get(..self.path_len).unwrap_or_default()
    }

    pub(crate) fn host(&self) -> &[u8] {
        self.derived.get(self.path_len..self.path_len + self.host_len).unwrap_or_default()
    }

    /// Host and port as received.
    pub(crate) fn authority(&self) -> &[u8] {
        self.authority.of(self.fields.bytes())
    }

    pub(crate) fn port(&self) -> Option<&[u8]> {
        authority(self.authority()).and_then(|authority| authority.port)
    }

    /// The host of a CONNECT, which its target alone names (D2); brackets of an IPv6 address included.
    pub(crate) fn connect_host(&self) -> &[u8] {
        authority(self.target.of(self.fields.bytes())).map_or(b"", |authority| authority.host)
    }

    /// The port of a CONNECT.
    pub(crate) fn connect_port(&self) -> Option<&[u8]> {
        authority(self.target.of(self.fields.bytes())).and_then(|authority| authority.port)
    }

    /// Says whether the request-target begins with `https://`.
    pub(crate) fn asks_for_https(&self) -> bool {
        matches!(self.form, Form::Absolute(scheme, _) if scheme == HTTPS.len())
    }

    pub(crate) fn is_head(&self) -> bool {
        self.method() == b"HEAD"
    }
}

/// Says how many bytes of empty lines stand before the request line; `None` when more bytes are needed.
fn skip_empty_lines(bytes: &[u8]) -> Result<Option<usize>, Violation> {
    let mut skipped = 0;
    for _ in 0..=LEADING_EMPTY_LINES {
        match bytes.get(skipped..).unwrap_or_default() {
            [b'\n', ..] => skipped += 1,
            [b'\r', b'\n', ..] => skipped += 2,
            [] | [b'\r'] => return Ok(None),
            [b'\r', ..] => return Err(Violation::BareCr),
            _ => return Ok(Some(skipped)),
        }
    }
    Err(Violation::BadRequestLine)
}

impl Limits {
    fn of(settings: &Settings) -> Self {
        Self {
            start: settings.client_header_start,
            line: settings.client_header_line.min(settings.head_limit()),
            whole: settings.head_limit(),
        }
    }

    /// Whether a head of this length keeps to them, whatever its lines are.
    fn always_permit(self, length: usize) -> bool {
        length <= self.start.max(self.line)
    }
}

impl Measured {
    /// Whether what has come of a head, whole or not, keeps to `large_client_header_buffers`: the same in every cut.
    fn check(&mut self, head: &[u8], settings: &Settings) -> Result<(), Violation> {
        let limits = Limits::of(settings);
        if limits.always_permit(head.len()) {
            return Ok(());
        }
        for feed in memchr::memchr_iter(b'\n', head.get(self.upto..).unwrap_or_default()) {
            let end = self.upto + feed + 1;
            self.check_line(end, limits)?;
            self.line = end;
        }
        self.upto = head.len();
        self.check_line(head.len(), limits)?;
        if head.len() > limits.whole { Err(Violation::HeadTooLarge) } else { Ok(()) }
    }

    /// The line that has come as far as `end`; the first is the request line.
    fn check_line(&self, end: usize, limits: Limits) -> Result<(), Violation> {
        if end <= limits.start || end - self.line <= limits.line {
            return Ok(());
        }
        Err(if self.line == 0 { Violation::TargetTooLong } else { Violation::HeadTooLarge })
    }
}

fn path_of(target: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'?', target).unwrap_or(target.len());
    target.get(..end).unwrap_or_default()
}

fn parse_version(text: &[u8]) -> Result<Version, Violation> {
    match text {
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Ok(Version::Http11),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(Violation::UnsupportedVersion),
        _ => Err(Violation::BadVersion),
    }
}

const HTTP: &[u8] = b"http://";

const HTTPS: &[u8] = b"https://";

fn target_form(target: &[u8], is_connect: bool, is_options: bool) -> Result<Form, Violation> {
    if target.is_empty() || !target.iter().copied().all(is_target_byte) {
        return Err(Violation::BadTarget);
    }
    if is_connect {
        return authority(target)
            .filter(|authority| authority.port.is_some())
            .map(|_| Form::Authority)
            .ok_or(Violation::BadTarget);
    }
    if target == b"*" {
        return if is_options { Ok(Form::Asterisk) } else { Err(Violation::BadTarget) };
    }
    if target.starts_with(b"/") {
        return Ok(Form::Origin);
    }
    let scheme = |name: &[u8]| target.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    let at = match [HTTPS, HTTP].into_iter().find(|name| scheme(name)) {
        Some(name) => name.len(),
        None => return Err(Violation::BadTarget),
    };
    let rest = target.get(at..).unwrap_or_default();
    let length = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    authority(rest.get(..length).unwrap_or_default()).ok_or(Violation::BadTarget)?;
    let length = u32::try_from(at + length).map_err(|_| Violation::BadTarget)?;
    Ok(Form::Absolute(at, length))
}

#[cfg(test)]
mod tests;
