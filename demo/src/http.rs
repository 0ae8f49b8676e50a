//! Just enough HTTP for a page and for the handshake of a WebSocket; one request per connection.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tungstenite::handshake::server::{Request, create_response, write_response};
use tungstenite::http::header::{HOST, ORIGIN, UPGRADE};
use tungstenite::http::{HeaderValue, Version};

use super::{Shared, chat, linger::linger};

const LONGEST_HEAD: usize = 32 * 1024;
const MOST_FIELDS: usize = 100;
/// A head that takes longer, or an answer that is not taken for so long, ends the connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves the one request of a connection.
pub(super) fn serve(stream: &Arc<TcpStream>, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let (request, rest) = match read_head(stream)? {
        Head::Request(request, rest) => (request, rest),
        Head::None => return Ok(()),
        Head::Malformed => return refuse(stream, "400 Bad Request", "This is no HTTP/1 request.\n"),
        Head::TooLong => {
            return refuse(
                stream,
                "431 Request Header Fields Too Large",
                "The request's head is too long.\n",
            );
        }
    };
    let is_websocket_path = matches!(request.uri().path(), "/chat/" | "/chat/echo");
    if is_websocket_path && request.headers().contains_key(UPGRADE) {
        return upgrade(stream, &request, rest, shared);
    }
    if request.uri().path() == "/drain" {
        return drain(stream, &request, shared);
    }
    if !matches!(request.method().as_str(), "GET" | "HEAD") {
        let fields = ["Allow: GET, HEAD"];
        write_answer(stream, "405 Method Not Allowed", &fields, "There is nothing to send here.\n", false)?;
        return linger(stream);
    }
    let head_only = request.method().as_str() == "HEAD";
    let (status, fields, body): (_, &[&str], String) = match request.uri().path() {
        "/" => {
            let fields = &["Content-Type: text/html; charset=utf-8", "Cache-Control: no-store"];
            ("200 OK", fields, shared.page())
        }
        _ if is_websocket_path => {
            ("426 Upgrade Required", &["Upgrade: websocket"], "Ask for a WebSocket here.\n".into())
        }
        _ => ("404 Not Found", &[], "There is only the page at / in this demo.\n".into()),
    };
    write_answer(stream, status, fields, &body, head_only)?;
    linger(stream)
}

/// Tells a client that comes while the demo is full, without waiting for anything: the caller has others to
/// accept.
pub(super) fn turn_away(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    write_answer(stream, "503 Service Unavailable", &[], "The demo is full.\n", false)
}

fn refuse(stream: &TcpStream, status: &str, body: &str) -> io::Result<()> {
    write_answer(stream, status, &[], body, false)?;
    linger(stream)
}

fn upgrade(stream: &Arc<TcpStream>, request: &Request, rest: Vec<u8>, shared: &Shared) -> io::Result<()> {
    let Ok(response) = create_response(request) else {
        return refuse(stream, "400 Bad Request", "This is no handshake of a WebSocket.\n");
    };
    let mut head = Vec::new();
    write_response(&mut head, &response).map_err(io::Error::other)?;
    (&mut &**stream).write_all(&head)?;
    if request.uri().path() == "/chat/echo" {
        chat::echo(stream, rest)
    } else {
        let tunnel = request.headers().get("X-Request-ID").and_then(|value| value.to_str().ok());
        chat::talk(stream, rest, tunnel.map(str::to_owned), &shared.room)
    }
}

/// Makes the proxy drain its tunnels, when the page itself asks for it.
fn drain(stream: &TcpStream, request: &Request, shared: &Shared) -> io::Result<()> {
    let Some(drain) = shared.drain.get() else {
        return refuse(stream, "404 Not Found", "There is no proxy here that could drain.\n");
    };
    if request.method().as_str() != "POST" {
        write_answer(stream, "405 Method Not Allowed", &["Allow: POST"], "This takes a POST.\n", false)?;
        return linger(stream);
    }
    if !is_of_the_page(request) {
        return refuse(stream, "403 Forbidden", "Only the page of the demo may ask for this.\n");
    }
    match (drain.0)() {
        Ok(()) => write_answer(stream, "202 Accepted", &[], "The proxy drains its tunnels.\n", false)?,
        Err(error) => {
            let text = format!("The proxy can't be told to drain: {error}\n");
            write_answer(stream, "500 Internal Server Error", &[], &text, false)?;
        }
    }
    linger(stream)
}

/// Whether a page of this very host has sent it: a browser says with each POST which page that was, and a page of another
/// site can't make it say otherwise (Fetch, "append a request `Origin` header").
fn is_of_the_page(request: &Request) -> bool {
    let field = |name| request.headers().get(name).map(HeaderValue::as_bytes);
    let (Some(origin), Some(host)) = (field(ORIGIN), field(HOST)) else { return false };
    let site = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
    site == Some(host)
}

enum Head {
    /// The request, and what was read behind its head.
    Request(Box<Request>, Vec<u8>),
    /// The client went away without asking for anything.
    None,
    Malformed,
    TooLong,
}

fn read_head(mut stream: &TcpStream) -> io::Result<Head> {
    let begun = Instant::now();
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        // The whole head shares one deadline, however small its pieces are. A timeout of zero is an error.
        let left = PATIENCE.saturating_sub(begun.elapsed()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece)? {
            0 => return Ok(if bytes.is_empty() { Head::None } else { Head::Malformed }),
            length => bytes.extend_from_slice(&piece[..length]),
        }
        match parse(&bytes) {
            Ok(Some((request, length))) => {
                return Ok(Head::Request(Box::new(request), bytes.split_off(length)));
            }
            Ok(None) if begun.elapsed() >= PATIENCE => return Err(io::ErrorKind::TimedOut.into()),
            Ok(None) if bytes.len() > LONGEST_HEAD => return Ok(Head::TooLong),
            Ok(None) => {}
            Err(Unparsable::TooManyFields) => return Ok(Head::TooLong),
            Err(Unparsable::Malformed) => return Ok(Head::Malformed),
        }
    }
}

enum Unparsable {
    TooManyFields,
    Malformed,
}

/// The request and the length of its head, or `None` when more is needed.
fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, Unparsable> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut head = httparse::Request::new(&mut fields);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Unparsable::TooManyFields),
        Err(_) => return Err(Unparsable::Malformed),
    };
    let version = if head.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let mut request = Request::builder()
        .version(version)
        .method(head.method.unwrap_or_default())
        .uri(head.path.unwrap_or_default());
    for field in head.headers {
        request = request.header(field.name, field.value);
    }
    request.body(()).map(|request| Some((request, length))).map_err(|_| Unparsable::Malformed)
}

fn write_answer(
    mut stream: &TcpStream,
    status: &str,
    fields: &[&str],
    body: &str,
    head_only: bool,
) -> io::Result<()> {
    let mut text = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
    if !fields.iter().any(|field| field.starts_with("Content-Type:")) {
        text += "Content-Type: text/plain; charset=utf-8\r\n";
    }
    for field in fields {
        text = text + field + "\r\n";
    }
    text += "\r\n";
    if !head_only {
        text += body;
    }
    stream.write_all(text.as_bytes())
}
