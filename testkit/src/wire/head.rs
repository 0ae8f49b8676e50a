//! Heads, and the framing that follows from them.

/// What reading a head has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// It goes on.
    Partial,
    /// The head, and how many bytes it has.
    Complete(T, usize),
    /// It is not canonical: why.
    Broken(String),
}

/// A field line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name, as written.
    pub name: String,
    /// Its value.
    pub value: Vec<u8>,
}

/// A request head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The request-target.
    pub target: Vec<u8>,
    /// The minor version: HTTP/1.*n*.
    pub minor: u8,
    /// The header section.
    pub fields: Vec<Field>,
}

/// A response head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The minor version: HTTP/1.*n*.
    pub minor: u8,
    /// The status code.
    pub status: u16,
    /// The reason phrase.
    pub reason: Vec<u8>,
    /// The header section.
    pub fields: Vec<Field>,
}

/// How the content behind a head is framed (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// So many bytes; none for none.
    Length(u64),
    /// In chunks.
    Chunked,
    /// All that comes.
    UntilClose,
}

/// Reads a request head.
#[must_use]
pub fn request(bytes: &[u8]) -> Parsed<Request> {
    read(bytes, |start, fields| {
        let mut words = start.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err("a request line has three words".to_owned());
        };
        let method = token(method).ok_or("the method is no token")?;
        if target.is_empty() || target.iter().any(|byte| matches!(byte, 0..=0x20 | 0x7f | b'#')) {
            return Err("the request-target".to_owned());
        }
        Ok(Request { method, target: target.to_vec(), minor: minor(version)?, fields })
    })
}

/// Reads a response head.
#[must_use]
pub fn response(bytes: &[u8]) -> Parsed<Response> {
    read(bytes, |start, fields| {
        let (version, rest) = start.split_at_checked(8).ok_or("a short status line")?;
        let [b' ', a, b, c, b' ', reason @ ..] = rest else {
            return Err("a status line is a version, three digits and a reason phrase".to_owned());
        };
        let digits = [*a, *b, *c];
        if !digits.iter().all(u8::is_ascii_digit) || !matches!(a, b'1'..=b'5') {
            return Err("the status code".to_owned());
        }
        let status = digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        if !reason.iter().all(|byte| is_text(*byte)) {
            return Err("the reason phrase".to_owned());
        }
        Ok(Response { minor: minor(version)?, status, reason: reason.to_vec(), fields })
    })
}

impl Request {
    /// The values of the field lines with this name, in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        values(&self.fields, name)
    }

    /// How its content is framed.
    ///
    /// # Errors
    /// When it says so otherwise than once.
    pub fn framing(&self) -> Result<Framing, String> {
        let framing = framing(&self.fields, self.minor)?;
        Ok(framing.unwrap_or(Framing::Length(0)))
    }
}

impl Response {
    /// The values of the field lines with this name, in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        values(&self.fields, name)
    }

    /// Whether it is an interim response.
    #[must_use]
    pub fn is_interim(&self) -> bool {
        matches!(self.status, 100..=199) && self.status != 101
    }

    /// How its content is framed; `to` is the method that it answers.
    ///
    /// # Errors
    /// When it says so otherwise than once, or says so where it may not.
    pub fn framing(&self, to: &str) -> Result<Framing, String> {
        let framing = framing(&self.fields, self.minor)?;
        let silent = matches!(self.status, 100..=199 | 204);
        if silent && framing.is_some() {
            return Err(format!("a {} with a framing field", self.status));
        }
        if silent || self.status == 304 || to == "HEAD" {
            return Ok(Framing::Length(0));
        }
        Ok(framing.unwrap_or(Framing::UntilClose))
    }
}

/// Reads a head whose start line `start` understands.
fn read<T>(bytes: &[u8], start: impl FnOnce(&[u8], Vec<Field>) -> Result<T, String>) -> Parsed<T> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return match lone_control(bytes) {
            Some(error) => Parsed::Broken(error),
            None => Parsed::Partial,
        };
    };
    let head = &bytes[..end];
    if let Some(error) = lone_control(&bytes[..end + 4]) {
        return Parsed::Broken(error);
    }
    let mut lines = split_lines(head);
    let first = lines.next().unwrap_or_default();
    let fields: Result<Vec<Field>, String> = lines.map(field).collect();
    match fields.and_then(|fields| start(first, fields)) {
        Ok(head) => Parsed::Complete(head, end + 4),
        Err(error) => Parsed::Broken(format!("{error}: {}", head.escape_ascii())),
    }
}

/// A CR or an LF that stands alone is nobody's line end.
fn lone_control(bytes: &[u8]) -> Option<String> {
    for (at, byte) in bytes.iter().enumerate() {
        let wrong = match byte {
            b'\r' => bytes.get(at + 1).is_some_and(|next| *next != b'\n'),
            b'\n' => at == 0 || bytes[at - 1] != b'\r',
            byte => !is_text(*byte),
        };
        if wrong {
            return Some(format!("byte {byte:#04x} at {at}: {}", bytes.escape_ascii()));
        }
    }
    None
}

fn split_lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// One field line: a token, a colon, one space, and a value without white space around it.
pub(super) fn field(line: &[u8]) -> Result<Field, String> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or("a field line without a colon")?;
    let name = token(&line[..colon]).ok_or("a field name that is no token")?;
    let value = line[colon + 1..].strip_prefix(b" ").ok_or("no space behind a colon")?;
    if value.trim_ascii() != value || !value.iter().all(|byte| is_text(*byte)) {
        return Err("a field value".to_owned());
    }
    Ok(Field { name, value: value.to_vec() })
}

fn values<'a>(fields: &'a [Field], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| &*field.value)
}

/// RFC 9112 §6.3, for senders: one `Content-Length` with one number, or `Transfer-Encoding: chunked`, or neither.
fn framing(fields: &[Field], minor: u8) -> Result<Option<Framing>, String> {
    let lengths: Vec<_> = values(fields, "content-length").collect();
    let codings: Vec<_> = values(fields, "transfer-encoding").collect();
    match (&*lengths, &*codings) {
        ([], []) => Ok(None),
        ([length], []) => {
            let text = str::from_utf8(length).map_err(|_| "Content-Length")?;
            if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err("Content-Length".to_owned());
            }
            text.parse().map(|length| Some(Framing::Length(length))).map_err(|_| "Content-Length".to_owned())
        }
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") && minor == 1 => Ok(Some(Framing::Chunked)),
        _ => Err("framing is said otherwise than once".to_owned()),
    }
}

fn minor(version: &[u8]) -> Result<u8, String> {
    match version {
        b"HTTP/1.1" => Ok(1),
        b"HTTP/1.0" => Ok(0),
        _ => Err("the version".to_owned()),
    }
}

/// RFC 9110 §5.6.2.
fn token(bytes: &[u8]) -> Option<String> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    (!bytes.is_empty() && bytes.iter().all(is_token)).then(|| String::from_utf8_lossy(bytes).into_owned())
}

/// What a line consists of: visible bytes, space and tab (RFC 9110 §5.5).
fn is_text(byte: u8) -> bool {
    !matches!(byte, 0..=8 | 10..=0x1f | 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_heads_only() {
        let Parsed::Complete(head, length) =
            request(b"POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        else {
            panic!("it is canonical");
        };
        assert_eq!((head.method.as_str(), &*head.target, length), ("POST", &b"/a?b"[..], 50));
        assert_eq!(head.framing(), Ok(Framing::Length(3)));
        assert!(matches!(response(b"HTTP/1.1 200 OK\r\nX: y"), Parsed::Partial));
        for broken in [
            &b"GET / HTTP/1.1\nHost: x\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nHost:x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x \r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n",
            b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        ] {
            assert!(matches!(request(broken), Parsed::Broken(_)), "{}", broken.escape_ascii());
        }
    }

    #[test]
    fn framing_is_said_once() {
        let framing =
            |fields: &str, to: &str| match response(format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes()) {
                Parsed::Complete(head, _) => head.framing(to).ok(),
                other => panic!("{other:?}"),
            };
        assert_eq!(framing("", "GET"), Some(Framing::UntilClose));
        assert_eq!(framing("Content-Length: 0\r\n", "GET"), Some(Framing::Length(0)));
        assert_eq!(framing("Content-Length: 5\r\n", "HEAD"), Some(Framing::Length(0)));
        assert_eq!(framing("Transfer-Encoding: chunked\r\n", "GET"), Some(Framing::Chunked));
        assert_eq!(framing("Content-Length: 1\r\nContent-Length: 1\r\n", "GET"), None);
        assert_eq!(framing("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "GET"), None);
        assert_eq!(framing("Content-Length: +1\r\n", "GET"), None);
    }
}
