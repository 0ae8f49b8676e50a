//! The origin server: just enough HTTP/1.1. An upgrade request gets a correct `101`, and from then on its messages back;
//! `GET /get/NUMBER` gets the content of that number, and the connection persists.

use anyhow::{Context as _, Result, bail, ensure};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use underpass_benches::frames::{Frame, Kind, Sender};
use underpass_benches::handshake::accept_of;
use underpass_benches::pattern;

/// A running origin server, and what went wrong in it.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    faults: Faults,
}

type Faults = Rc<RefCell<Vec<String>>>;

impl Origin {
    /// Listens, and serves as long as the runtime runs.
    pub(crate) fn start(listener: std::net::TcpListener) -> Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        let faults = Faults::default();
        let heard = Rc::clone(&faults);
        spawn_local(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => drop(spawn_local(serve_and_tell(stream, Rc::clone(&heard)))),
                    Err(error) => return heard.borrow_mut().push(format!("accept: {error}")),
                }
            }
        });
        Ok(Self { address, faults })
    }

    /// Fails when a connection saw what a proxy must not send, or broke.
    pub(crate) fn check(&self) -> Result<()> {
        let faults = self.faults.borrow();
        match faults.first() {
            None => Ok(()),
            Some(first) => bail!("the origin server saw {} fault(s); the first: {first}", faults.len()),
        }
    }
}

async fn serve_and_tell(stream: TcpStream, faults: Faults) {
    if let Err(error) = serve(stream).await {
        faults.borrow_mut().push(format!("{error:#}"));
    }
}

async fn serve(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 8 * 1024];
    let mut filled = 0;
    loop {
        let Some((length, asked)) = parse(&buffer[..filled])? else {
            ensure!(filled < buffer.len(), "a request head of more than {filled} bytes");
            match stream.read(&mut buffer[filled..]).await.context("reading a request")? {
                0 if filled == 0 => return Ok(()),
                0 => bail!("the end of the stream inside a request head"),
                read => filled += read,
            }
            continue;
        };
        buffer.copy_within(length..filled, 0);
        filled -= length;
        match asked {
            Asked::Upgrade { accept } => {
                let head = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: {accept}\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).await.context("sending a 101")?;
                return echo(stream, buffer, filled).await;
            }
            Asked::Content(number) => {
                let mut response = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
                    pattern::CONTENT_LENGTH
                )
                .into_bytes();
                response.extend_from_slice(&pattern::content(number));
                stream.write_all(&response).await.context("sending a response")?;
            }
        }
    }
}

/// Sends back each message, and answers Pings; `filled` bytes of the buffer came already, behind the request.
async fn echo(mut stream: TcpStream, mut buffer: Vec<u8>, mut filled: usize) -> Result<()> {
    loop {
        let frame =
            Frame::first(&buffer[..filled], Sender::Client).context("a tunnel at the origin server")?;
        let Some(frame) = frame.filter(|frame| frame.length <= filled) else {
            let longest = frame.map_or(LONGEST_HEADER, |frame| frame.length);
            buffer.resize(buffer.len().max(longest), 0);
            match stream.read(&mut buffer[filled..]).await.context("reading from a tunnel")? {
                0 if filled == 0 => return Ok(()),
                0 => bail!("the end of a tunnel inside a frame"),
                read => filled += read,
            }
            continue;
        };
        // Only a proxy sends Pings here: it gets a Pong for each.
        if frame.kind != Kind::Pong {
            let begin = frame.answer(&mut buffer)?;
            stream.write_all(&buffer[begin..frame.length]).await.context("sending through a tunnel")?;
        }
        buffer.copy_within(frame.length..filled, 0);
        filled -= frame.length;
    }
}

/// So many bytes have room, whatever has come.
const LONGEST_HEADER: usize = 14;

enum Asked {
    Upgrade { accept: String },
    Content(u64),
}

/// The first request in `bytes` and the length of its head; `None` when it isn't whole yet.
fn parse(bytes: &[u8]) -> Result<Option<(usize, Asked)>> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(length) = request.parse(bytes).context("a malformed request")? else {
        return Ok(None);
    };
    let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    ensure!(method == "GET" && request.version == Some(1), "not a GET of HTTP/1.1: {method} {target}");
    let field =
        |name: &str| request.headers.iter().find(|f| f.name.eq_ignore_ascii_case(name)).map(|f| f.value);
    ensure!(field("Transfer-Encoding").is_none(), "a GET with content");

    if let Some(number) = target.strip_prefix("/get/") {
        // A gateway that forwards an upgrade nobody asked for has failed at the very job that is measured.
        ensure!(field("Upgrade").is_none(), "Upgrade on an ordinary request");
        return Ok(Some((length, Asked::Content(number.parse().context("a GET without its number")?))));
    }
    ensure!(target.starts_with("/chat/"), "an unexpected target: {target}");
    ensure!(
        field("Upgrade").is_some_and(|v| v.eq_ignore_ascii_case(b"websocket"))
            && field("Connection").is_some_and(|v| v.eq_ignore_ascii_case(b"upgrade"))
            && field("Sec-WebSocket-Version") == Some(b"13"),
        "an upgrade request that lost its fields on the way"
    );
    let key = field("Sec-WebSocket-Key").context("an upgrade request without its key")?;
    Ok(Some((length, Asked::Upgrade { accept: accept_of(key) })))
}
