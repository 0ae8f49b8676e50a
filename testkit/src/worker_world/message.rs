//! The bytes that the peers of a script send.

use super::script::{Fault, Final, Framing, Reply, Request, Switch, Upgrade};

/// Which bytes are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Request,
    Response,
    FromClient,
    FromOrigin,
}

/// A target that no client asks for: who sees it has taken content for a request.
pub(super) const SMUGGLED: &str = "/smuggled";

/// What stands behind a response that nobody asked for more of.
pub(super) const SURPLUS: &[u8] = b"HTTP/1.1 200 OK\r\nX-Id: 0\r\nContent-Length: 0\r\n\r\n";

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// `count` bytes of a stream's content from `from` on. Two streams differ everywhere; and now and then a request
/// stands in one, for whoever loses count of its bytes.
pub(super) fn content(id: u32, stream: Stream, from: usize, count: usize) -> Vec<u8> {
    const BAIT: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: sim\r\n\r\n";
    const BLOCK: usize = 96;
    let salt = u64::from(id) << 3 | stream as u64;
    let mut bytes = Vec::with_capacity(count + BLOCK);
    for block in from / BLOCK..=(from + count) / BLOCK {
        let start = bytes.len();
        for word in 0..BLOCK / 8 {
            bytes.extend_from_slice(&mixed(salt ^ ((block * BLOCK + word) as u64) << 20).to_le_bytes());
        }
        if bytes[start].is_multiple_of(3) {
            bytes[start..start + BAIT.len()].copy_from_slice(BAIT);
        }
        if block == 0 && stream == Stream::FromClient {
            // Nobody could take this for a method.
            bytes[start] = b'(';
        }
    }
    bytes.drain(..from % BLOCK);
    bytes.truncate(count);
    bytes
}

/// SplitMix64's finaliser.
fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A request, as its client sends it.
pub(super) fn request(request: &Request) -> Vec<u8> {
    let Request { id, minor, .. } = request;
    let method = request.sent_method();
    let mut head = format!("{method} /r{id} HTTP/1.{minor}\r\nHost: sim\r\nX-Id: {id}\r\n");
    let mut options = vec!["x-hop"];
    head += "X-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\n";
    match request.upgrade {
        Upgrade::No => {}
        Upgrade::Token => head += "Upgrade: sim/1\r\n",
        Upgrade::WebSocket => {
            head +=
                &format!("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n");
        }
        Upgrade::Keyless => head += "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        Upgrade::Http2 => head += "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
        Upgrade::Unconnected => head += "Upgrade: sim/1\r\n",
    }
    if !matches!(request.upgrade, Upgrade::No | Upgrade::Unconnected) {
        options.push("Upgrade");
    }
    match (request.closes, minor) {
        (true, _) => options.push("close"),
        (false, 0) => options.push("keep-alive"),
        (false, _) => {}
    }
    head += &format!("Connection: {}\r\n", options.join(", "));
    if request.expects {
        head += "Expect: 100-continue\r\n";
    }
    match request.fault {
        Some(Fault::TwoLengths) => head += "Content-Length: 1\r\nContent-Length: 2\r\n",
        Some(Fault::LengthAndCoding) => head += "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        Some(Fault::SpaceBeforeColon) => head += "X : y\r\n",
        Some(Fault::Folded) => head += "X: y\r\n z\r\n",
        Some(Fault::TwoHosts) => head += "Host: sim\r\n",
        None | Some(Fault::BadMethod | Fault::BadChunk) => {}
    }
    let bytes = content(*id, Stream::Request, 0, request.length);
    message(head, request.framing, &bytes, request.fault == Some(Fault::BadChunk))
}

/// A final response, as its origin server sends it.
pub(super) fn response(request: &Request, answer: &Final) -> Vec<u8> {
    let Final { status, closes, .. } = *answer;
    let mut head = format!(
        "HTTP/1.1 {status} Some Reason\r\nX-Id: {}\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nConnection: x-hop{}\r\n",
        request.id,
        if closes { ", close" } else { "" }
    );
    if status == 426 {
        head += "Upgrade: sim/1\r\n";
    }
    let bytes = content(request.id, Stream::Response, 0, answer.length);
    let mut message = message(head, answer.framing, &bytes, false);
    if !has_content(request, answer) {
        let end = message.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4);
        message.truncate(end);
    }
    message
}

/// Whether content stands behind this head (RFC 9110 §6.4.1).
pub(super) fn has_content(request: &Request, answer: &Final) -> bool {
    request.method != "HEAD" && !matches!(answer.status, 204 | 304)
}

fn message(mut head: String, framing: Framing, content: &[u8], bad_chunk: bool) -> Vec<u8> {
    match framing {
        Framing::Empty | Framing::UntilClose => {}
        Framing::Length => head += &format!("Content-Length: {}\r\n", content.len()),
        Framing::Chunked => head += "Transfer-Encoding: chunked\r\n",
    }
    let mut bytes = (head + "\r\n").into_bytes();
    match framing {
        Framing::Empty => {}
        Framing::Length | Framing::UntilClose => bytes.extend_from_slice(content),
        Framing::Chunked => {
            if bad_chunk {
                bytes.extend_from_slice(b"x\r\n");
            }
            for (number, chunk) in content.chunks(1 + content.len() / 3).enumerate() {
                let extension = if number == 0 { ";a=\"b\"" } else { "" };
                bytes.extend_from_slice(format!("{:X}{extension}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            let trailers =
                if content.len().is_multiple_of(2) { "" } else { "X-Sum: 1\r\nContent-Length: 5\r\n" };
            bytes.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
        }
    }
    bytes
}

/// What an origin server says besides final responses and tunnel bytes; nothing for what it only does.
pub(super) fn words(request: &Request, reply: &Reply) -> Vec<u8> {
    match reply {
        Reply::Interim(status) => format!(
            "HTTP/1.1 {status} Interim\r\nX-Id: {}\r\nX-Hop: 1\r\nConnection: x-hop\r\n\r\n",
            request.id
        )
        .into_bytes(),
        Reply::Switch(switch) => switching(request, *switch),
        Reply::Babble => b"\x16\x03\x01 no HTTP at all\r\n\r\n".to_vec(),
        Reply::Pause(_)
        | Reply::Final(_)
        | Reply::Speak(_)
        | Reply::End
        | Reply::Reset
        | Reply::StopReading
        | Reply::Read => Vec::new(),
    }
}

fn switching(request: &Request, switch: Switch) -> Vec<u8> {
    let minor = if switch == Switch::Old { 0 } else { 1 };
    let websocket = request.upgrade == Upgrade::WebSocket;
    let mut head = format!("HTTP/1.{minor} 101 Switching\r\nX-Id: {}\r\n", request.id);
    if switch != Switch::Unconnected {
        head += "Connection: Upgrade\r\n";
    }
    match switch {
        Switch::Nameless => {}
        Switch::Other => head += "Upgrade: other\r\n",
        _ if websocket => head += "Upgrade: WebSocket\r\n",
        _ => head += "Upgrade: sim/1\r\n",
    }
    if websocket {
        let accept = if switch == Switch::WrongHash { KEY } else { ACCEPT };
        head += &format!("Sec-WebSocket-Accept: {accept}\r\n");
    }
    (head + "Content-Length: 7\r\n\r\n").into_bytes()
}

/// Whether this 101 opens a tunnel for this request (rule A5).
pub(super) fn opens(request: &Request, switch: Switch) -> bool {
    let right_hash = switch == Switch::WrongHash && request.upgrade == Upgrade::Token;
    request.fault.is_none() && request.asks_for_tunnel() && (switch == Switch::Right || right_hash)
}
