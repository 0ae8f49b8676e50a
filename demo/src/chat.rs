//! The two WebSockets: a chat for everybody who is there, and an echo.
//!
//! The chat's server says lines of text: `you N` to a guest who has come in, `joined N COUNT`, `left N COUNT`
//! and `message N TEXT` to all, and to a guest `ping CLIENT ORIGIN` of the guest's own tunnel: how many milliseconds the
//! last answers to the proxy's Pings took, `-` where there is none yet. What a guest sends is the TEXT.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tungstenite::error::CapacityError;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

use super::{linger::linger, pings::RoundTrips};

/// How often the server pings, so that no proxy takes a quiet tunnel for an idle one.
const PING_EVERY: Duration = Duration::from_secs(20);
/// A client that answers none of several pings is gone.
const SILENCE: Duration = Duration::from_secs(90);

const LONGEST_ECHO: usize = 16 << 20;
const LONGEST_LINE: usize = 4 << 10;
/// Lines that wait for a slow guest. One who falls further behind is shown out.
const LINES_WAITING: usize = 256;

/// The guests of the chat.
#[derive(Debug, Default)]
pub(super) struct Room {
    guests: Mutex<Guests>,
}

#[derive(Debug, Default)]
struct Guests {
    present: BTreeMap<u64, Guest>,
    last: u64,
}

#[derive(Debug)]
struct Guest {
    outbox: SyncSender<Vec<u8>>,
    stream: Arc<TcpStream>,
    /// What the proxy calls the tunnel.
    tunnel: Option<String>,
}

impl Room {
    fn enter(&self, guest: Guest) -> u64 {
        let mut guests = self.guests();
        guests.last += 1;
        let number = guests.last;
        guests.present.insert(number, guest);
        guests.tell(number, &format!("you {number}"));
        let count = guests.present.len();
        guests.tell_all(&format!("joined {number} {count}"));
        number
    }

    fn say(&self, number: u64, text: &str) {
        self.guests().tell_all(&format!("message {number} {text}"));
    }

    /// Tells a guest what the proxy has measured in the guest's tunnel.
    pub(super) fn pinged(&self, RoundTrips { tunnel, client, upstream }: &RoundTrips<'_>) {
        let guests = self.guests();
        let whose = |(_, guest): &(&u64, &Guest)| guest.tunnel.as_deref() == Some(*tunnel);
        if let Some((&number, _)) = guests.present.iter().find(whose) {
            guests.tell(number, &format!("ping {client} {upstream}"));
        }
    }

    fn leave(&self, number: u64) {
        let mut guests = self.guests();
        guests.present.remove(&number);
        let count = guests.present.len();
        guests.tell_all(&format!("left {number} {count}"));
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guests {
    fn tell_all(&self, line: &str) {
        self.present.keys().for_each(|&number| self.tell(number, line));
    }

    fn tell(&self, number: u64, line: &str) {
        let frame = encoded(Frame::message(line.to_owned(), OpCode::Data(Data::Text), true));
        if let Some(guest) = self.present.get(&number)
            && guest.outbox.try_send(frame).is_err()
        {
            // Too slow or gone. The thread that reads for this guest sees the end and does the rest.
            let _closed_already = guest.stream.shutdown(Shutdown::Both);
        }
    }
}

/// Lets the client of a fresh WebSocket take part in the chat until it leaves. `rest` was read behind the
/// handshake; the proxy calls the connection `tunnel`.
pub(super) fn talk(
    stream: &Arc<TcpStream>,
    rest: Vec<u8>,
    tunnel: Option<String>,
    room: &Room,
) -> io::Result<()> {
    converse(stream, rest, LONGEST_LINE, LINES_WAITING, |socket| {
        let outbox = socket.get_ref().outbox.clone();
        let number = room.enter(Guest { outbox, stream: Arc::clone(stream), tunnel });
        let ended = listen(socket, |_, message| {
            if let Message::Text(text) = message {
                let text = text.trim();
                if !text.is_empty() {
                    room.say(number, text);
                }
            }
            Ok(())
        });
        room.leave(number);
        ended
    })
}

/// Sends back what the client of a fresh WebSocket sends until it leaves. `rest` was read behind the
/// handshake.
pub(super) fn echo(stream: &TcpStream, rest: Vec<u8>) -> io::Result<()> {
    // A queue of one message: a client that doesn't read is not read from.
    converse(stream, rest, LONGEST_ECHO, 1, |socket| {
        listen(socket, |socket, message| {
            socket.write(message)?;
            socket.flush()
        })
    })
}

type Socket<'a> = WebSocket<Line<'a>>;

/// Runs `talk` on a WebSocket whose bytes leave through a thread of their own: others can send to it too, and
/// a frame is never cut in two by another one.
fn converse(
    stream: &TcpStream,
    rest: Vec<u8>,
    longest: usize,
    waiting: usize,
    talk: impl FnOnce(&mut Socket<'_>) -> io::Result<()>,
) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    let (outbox, queue) = mpsc::sync_channel(waiting);
    let config = WebSocketConfig::default().max_message_size(Some(longest)).max_frame_size(Some(longest));
    thread::scope(|scope| {
        let line = Line { stream, outbox };
        thread::Builder::new()
            .name("demo writer".into())
            .spawn_scoped(scope, move || send(stream, &queue))?;
        let mut socket = WebSocket::from_partially_read(line, rest, Role::Server, Some(config));
        talk(&mut socket)
        // Here the last sender goes, so the writer sends what is left, and ends.
    })?;
    linger(stream)
}

/// Gives every message to `hear`, until the end of the conversation.
fn listen(
    socket: &mut Socket<'_>,
    mut hear: impl FnMut(&mut Socket<'_>, Message) -> tungstenite::Result<()>,
) -> io::Result<()> {
    loop {
        let heard = match socket.read() {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => hear(socket, message),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        let (code, reason) = match heard {
            Ok(()) => continue,
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Ok(()),
            Err(Error::Io(error)) => return Err(error),
            Err(Error::Capacity(CapacityError::MessageTooLong { .. })) => {
                (CloseCode::Size, "the message is too long")
            }
            Err(Error::Utf8(_)) => (CloseCode::Invalid, "the text is not UTF-8"),
            Err(_) => (CloseCode::Protocol, "this breaks the rules of the protocol"),
        };
        socket.close(Some(CloseFrame { code, reason: reason.into() })).map_err(io::Error::other)?;
        return socket.flush().map_err(io::Error::other);
    }
}

/// What a WebSocket reads from and writes to.
#[derive(Debug)]
struct Line<'a> {
    stream: &'a TcpStream,
    outbox: SyncSender<Vec<u8>>,
}

impl Read for Line<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&mut &*self.stream).read(buffer)
    }
}

/// Takes every write whole, so whole frames enter the queue.
impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outbox.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn send(mut stream: &TcpStream, queue: &Receiver<Vec<u8>>) {
    let mut next_ping = Instant::now() + PING_EVERY;
    loop {
        let frames = match queue.recv_timeout(next_ping.saturating_duration_since(Instant::now())) {
            Ok(frames) => frames,
            Err(RecvTimeoutError::Timeout) => {
                next_ping = Instant::now() + PING_EVERY;
                encoded(Frame::ping(Vec::new()))
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if stream.write_all(&frames).is_err() {
            // The thread that reads is told by the end of its stream.
            let _closed_already = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

fn encoded(frame: Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A vector takes every write.
    let _all_of_it = frame.format(&mut bytes);
    bytes
}
