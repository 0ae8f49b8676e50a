//! A gateway that is obviously right: whole messages in, whole messages out, no bytes, no time, no limits.
//!
//! It is what a test compares the real one with: whatever the bytes' cut and whoever speaks first, the same
//! messages have to come out. It knows one configuration, the two lines of nginx's page on WebSocket proxying:
//! everything goes to one origin server, and an upgrade goes along.

use std::collections::BTreeMap;

/// Name and value.
pub type Line = (String, String);

/// Bytes that are shown as text.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.0[..self.0.len().min(60)];
        write!(f, "{} bytes \"{}\"", self.0.len(), shown.escape_ascii())
    }
}

/// Content, as its sender frames it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none, and nothing is said of it.
    None,
    /// `Content-Length`.
    Length(Bytes),
    /// In chunks of so many bytes, with a trailer section.
    Chunked(Bytes, usize, Vec<Line>),
    /// All that comes before the end of the stream.
    UntilClose(Bytes),
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The request-target.
    pub target: String,
    /// HTTP/1.*n*.
    pub minor: u8,
    /// The field lines besides those of framing.
    pub lines: Vec<Line>,
    /// The content.
    pub body: Body,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP/1.*n*.
    pub minor: u8,
    /// The status code.
    pub status: u16,
    /// The field lines besides those of framing.
    pub lines: Vec<Line>,
    /// The content.
    pub body: Body,
}

/// A request with all that is answered, and what is said in the tunnel that may come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Talk {
    /// What the client asks.
    pub request: Request,
    /// Interim responses, and the final one or the 101.
    pub responses: Vec<Response>,
    /// What the client says behind its request when that asks for a tunnel.
    pub up: Bytes,
    /// What the origin server says behind its 101.
    pub down: Bytes,
}

/// A message as its recipient understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The start line, without the reason phrase.
    pub start: String,
    /// Field lines that are no business of the gateway, in order.
    pub lines: Vec<Line>,
    /// The values of those that are, by name in lower case.
    pub own: BTreeMap<String, Vec<String>>,
    /// The content.
    pub content: Bytes,
    /// The trailer section.
    pub trailers: Vec<Line>,
}

/// What comes of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The requests that the origin server gets, and on which connection each comes.
    pub forwarded: Vec<(usize, Seen)>,
    /// The responses that the client gets.
    pub given: Vec<Seen>,
    /// The streams of the tunnel, up and down.
    pub tunnel: Option<(Bytes, Bytes)>,
}

/// Field lines that a gateway makes itself, or decides about.
pub const OWN: [&str; 7] =
    ["connection", "upgrade", "host", "via", "content-length", "transfer-encoding", "keep-alive"];

/// What a gateway does that sends everything to `host`.
#[must_use]
pub fn serve(host: &str, conversation: &[Talk]) -> Expected {
    let mut expected = Expected::default();
    let (mut connection, mut is_open) = (0, false);
    for Talk { request, responses, up, down } in conversation {
        let upgrade = asks_for_upgrade(request);
        // An upgrade goes on a connection of its own.
        if !is_open || upgrade {
            connection = if expected.forwarded.is_empty() { 0 } else { connection + 1 };
        }
        expected.forwarded.push((connection, forward(host, request, upgrade)));
        let Some((last, interim)) = responses.split_last() else { break };
        expected.given.extend(interim.iter().filter(|_| request.minor == 1).map(give_interim));
        if last.status == 101 {
            if upgrade && answers(last, request) {
                expected.given.push(give_switch(last));
                expected.tunnel = Some((up.clone(), down.clone()));
            } else {
                expected.given.push(own(502));
            }
            break;
        }
        let keeps = persists(request, last);
        expected.given.push(give(request, last, keeps));
        is_open = upstream_persists(request, last);
        if !keeps {
            break;
        }
    }
    expected
}

/// Rules A1, A2.
fn asks_for_upgrade(request: &Request) -> bool {
    request.minor == 1 && has_option(&request.lines, "upgrade") && value(&request.lines, "upgrade").is_some()
}

/// Rule A5.
fn answers(response: &Response, request: &Request) -> bool {
    let offered = value(&request.lines, "upgrade");
    response.minor == 1
        && has_option(&response.lines, "upgrade")
        && value(&response.lines, "upgrade").is_some_and(|chosen| Some(chosen) == offered)
}

/// Rules B1, B2, B4, E1.
fn forward(host: &str, request: &Request, upgrade: bool) -> Seen {
    let mut via: Vec<String> = values(&request.lines, "via").map(str::to_owned).collect();
    via.push(format!("1.{} underpass", request.minor));
    let mut own = BTreeMap::from([("host".to_owned(), vec![host.to_owned()]), ("via".to_owned(), via)]);
    if upgrade {
        own.insert("connection".to_owned(), vec!["Upgrade".to_owned()]);
        let protocol = value(&request.lines, "upgrade").unwrap_or_default();
        own.insert("upgrade".to_owned(), vec![protocol.to_owned()]);
    }
    let (content, trailers) = frame(&request.body, true, &mut own);
    Seen {
        start: format!("{} {} HTTP/1.1", request.method, request.target),
        lines: passed(&request.lines),
        own,
        content,
        trailers: passed(&trailers),
    }
}

/// Rules B1, E8, E12.
fn give(request: &Request, response: &Response, keeps: bool) -> Seen {
    let mut own = BTreeMap::new();
    let bodiless = request.method == "HEAD" || matches!(response.status, 204 | 304);
    let (mut content, mut trailers) = (Bytes::default(), Vec::new());
    if response.status == 205 {
        own.insert("content-length".to_owned(), vec!["0".to_owned()]);
    } else if !bodiless {
        (content, trailers) = frame(&response.body, request.minor == 1, &mut own);
        trailers = if request.minor == 1 { trailers } else { Vec::new() };
    } else if let (Body::Length(bytes), true) = (&response.body, response.status != 204) {
        own.insert("content-length".to_owned(), vec![bytes.0.len().to_string()]);
    }
    match (keeps, request.minor) {
        (false, _) => drop(own.insert("connection".to_owned(), vec!["close".to_owned()])),
        (true, 0) => drop(own.insert("connection".to_owned(), vec!["keep-alive".to_owned()])),
        (true, _) => {}
    }
    Seen {
        start: format!("HTTP/1.1 {}", response.status),
        lines: passed(&response.lines),
        own,
        content,
        trailers: passed(&trailers),
    }
}

fn give_interim(response: &Response) -> Seen {
    Seen {
        start: format!("HTTP/1.1 {}", response.status),
        lines: passed(&response.lines),
        own: BTreeMap::new(),
        content: Bytes::default(),
        trailers: Vec::new(),
    }
}

/// Rule A11.
fn give_switch(response: &Response) -> Seen {
    let protocol = value(&response.lines, "upgrade").unwrap_or_default().to_owned();
    let own = [("connection", "Upgrade".to_owned()), ("upgrade", protocol)];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), vec![value])).collect();
    Seen { own, ..give_interim(response) }
}

/// A response of the gateway's own: all that is compared is its status.
fn own(status: u16) -> Seen {
    Seen {
        start: format!("HTTP/1.1 {status}"),
        lines: Vec::new(),
        own: BTreeMap::new(),
        content: Bytes::default(),
        trailers: Vec::new(),
    }
}

/// How content is framed on its way out; chunks go to whom they are known.
fn frame(body: &Body, knows_chunks: bool, own: &mut BTreeMap<String, Vec<String>>) -> (Bytes, Vec<Line>) {
    match body {
        Body::None => (Bytes::default(), Vec::new()),
        Body::Length(content) => {
            own.insert("content-length".to_owned(), vec![content.0.len().to_string()]);
            (content.clone(), Vec::new())
        }
        Body::Chunked(content, _, trailers) => {
            if knows_chunks {
                own.insert("transfer-encoding".to_owned(), vec!["chunked".to_owned()]);
            }
            (content.clone(), trailers.clone())
        }
        Body::UntilClose(content) => {
            if knows_chunks {
                own.insert("transfer-encoding".to_owned(), vec!["chunked".to_owned()]);
            }
            (content.clone(), Vec::new())
        }
    }
}

/// Rule B1: what stays of field lines when those that concern one connection only are gone.
fn passed(lines: &[Line]) -> Vec<Line> {
    const NEVER: [&str; 3] = ["te", "proxy-connection", "http2-settings"];
    let nominated: Vec<String> = options(lines).collect();
    let passes = |name: &str| {
        let name = name.to_ascii_lowercase();
        !nominated.contains(&name) && !NEVER.contains(&&*name) && !OWN.contains(&&*name)
    };
    lines.iter().filter(|(name, _)| passes(name)).cloned().collect()
}

/// Rule E7, towards the client.
fn persists(request: &Request, response: &Response) -> bool {
    let bodiless = request.method == "HEAD" || matches!(response.status, 204 | 205 | 304);
    let known_end = bodiless || matches!(response.body, Body::Length(_)) || request.minor == 1;
    wants_more(request.minor, &request.lines) && known_end
}

/// Rule E7, towards the origin server.
fn upstream_persists(request: &Request, response: &Response) -> bool {
    let has_none = matches!(response.status, 204 | 304);
    let bodiless = request.method == "HEAD" || has_none;
    let announces = match &response.body {
        Body::Length(content) => !content.0.is_empty(),
        Body::Chunked(..) => true,
        Body::None | Body::UntilClose(_) => false,
    };
    let framed = match &response.body {
        // What a 205 has brought is not waited for.
        Body::Length(content) => response.status != 205 || content.0.is_empty(),
        Body::Chunked(..) => response.status != 205,
        Body::None | Body::UntilClose(_) => false,
    };
    wants_more(response.minor, &response.lines) && (bodiless || framed) && !(has_none && announces)
}

fn wants_more(minor: u8, lines: &[Line]) -> bool {
    !has_option(lines, "close") && (minor == 1 || has_option(lines, "keep-alive"))
}

fn has_option(lines: &[Line], option: &str) -> bool {
    options(lines).any(|other| other == option)
}

fn options(lines: &[Line]) -> impl Iterator<Item = String> {
    let connection = lines.iter().filter(|(name, _)| name.eq_ignore_ascii_case("connection"));
    connection.flat_map(|(_, value)| value.split(',')).map(|option| option.trim().to_ascii_lowercase())
}

fn value<'l>(lines: &'l [Line], name: &str) -> Option<&'l str> {
    values(lines, name).next()
}

fn values<'l>(lines: &'l [Line], name: &str) -> impl Iterator<Item = &'l str> {
    lines.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
}

impl Request {
    /// As its client sends it.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        message(format!("{} {} HTTP/1.{}", self.method, self.target, self.minor), &self.lines, &self.body)
    }
}

impl Response {
    /// As its origin server sends it in answer to `method`.
    #[must_use]
    pub fn bytes(&self, method: &str) -> Vec<u8> {
        let mut bytes =
            message(format!("HTTP/1.{} {} Reason", self.minor, self.status), &self.lines, &self.body);
        if method == "HEAD" || matches!(self.status, 100..=199 | 204 | 304) {
            let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4);
            bytes.truncate(head);
        }
        bytes
    }

    /// Whether the end of the stream belongs to it.
    #[must_use]
    pub fn ends_with_stream(&self) -> bool {
        matches!(self.body, Body::UntilClose(_))
    }
}

fn message(start: String, lines: &[Line], body: &Body) -> Vec<u8> {
    let mut head = start + "\r\n";
    for (number, (name, value)) in lines.iter().enumerate() {
        // Optional white space is none of anybody's business.
        let (before, behind) = [(" ", ""), ("", ""), ("\t", " "), ("  ", "\t")][number % 4];
        head += &format!("{name}:{before}{value}{behind}\r\n");
    }
    match body {
        Body::None | Body::UntilClose(_) => {}
        Body::Length(content) => head += &format!("Content-Length: {}\r\n", content.0.len()),
        Body::Chunked(..) => head += "Transfer-Encoding: chunked\r\n",
    }
    let mut bytes = (head + "\r\n").into_bytes();
    match body {
        Body::None => {}
        Body::Length(content) | Body::UntilClose(content) => bytes.extend_from_slice(&content.0),
        Body::Chunked(content, size, trailers) => {
            for chunk in content.0.chunks((*size).max(1)) {
                bytes.extend_from_slice(format!("{:04X};x=\"y\"\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n");
            for (name, value) in trailers {
                bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
            }
            bytes.extend_from_slice(b"\r\n");
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, value: &str) -> Line {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_conversation() {
        let get = Request {
            method: "GET".to_owned(),
            target: "/".to_owned(),
            minor: 1,
            lines: vec![
                line("Host", "a"),
                line("X", "y"),
                line("Connection", "Keep-Alive, Gone"),
                line("gone", "1"),
            ],
            body: Body::None,
        };
        let ok =
            Response { minor: 1, status: 200, lines: vec![], body: Body::UntilClose(Bytes(b"x".to_vec())) };
        let talk = Talk { request: get, responses: vec![ok], up: Bytes::default(), down: Bytes::default() };
        let expected = serve("o", &[talk.clone(), talk]);
        assert_eq!(expected.forwarded.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 1]);
        let (_, forwarded) = &expected.forwarded[0];
        assert_eq!(forwarded.lines, [line("X", "y")]);
        assert_eq!(forwarded.own.keys().collect::<Vec<_>>(), ["host", "via"]);
        assert_eq!(expected.given[0].own.keys().collect::<Vec<_>>(), ["transfer-encoding"]);
        assert_eq!(expected.given[0].content.0, b"x");
    }
}
