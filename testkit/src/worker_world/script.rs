//! What is going to happen: written out, so that a run can be kept, cut down and run again.
//!
//! Times are microseconds of virtual time.

use serde::{Deserialize, Serialize};

/// A whole run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// Decides what is not written out: where bytes are cut, in which order the shell does its work, when it
    /// calls although nothing has happened.
    pub seed: u64,
    /// Number of the configuration (`super::settings`).
    pub setting: usize,
    /// Who comes.
    pub clients: Vec<Client>,
    /// What happens to the worker.
    pub events: Vec<Event>,
}

/// Something that happens to the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: u64,
    /// What.
    pub what: Happening,
}

/// What happens to a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Happening {
    /// It drains, within so much time if there is a bound.
    Drain(Option<u64>),
    /// It doesn't run for so long: every deadline in between is missed.
    Leap(u64),
    /// The wall clock steps by so many milliseconds.
    Wall(i64),
}

/// A client's connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// When it connects.
    pub arrives: u64,
    /// How long its bytes travel, either way.
    pub latency: u64,
    /// Bytes that the network holds, each way.
    pub capacity: usize,
    /// What it does, one after the other.
    pub acts: Vec<Act>,
    /// It closes its connection when it sees the proxy's end of stream, as most do.
    pub closes: bool,
}

/// What a client does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// Sends a request.
    Ask(Request),
    /// Waits until it has got a final response, or a tunnel, for everything that it asked.
    Await,
    /// Does nothing for a while.
    Pause(u64),
    /// Sends so many bytes into the tunnel that it asked for last, whether it is open yet or not; nothing when
    /// it was refused.
    Speak(usize),
    /// Shuts its direction down.
    End,
    /// Resets.
    Reset,
    /// Reads nothing more.
    StopReading,
    /// Reads again.
    Read,
}

/// A request, and how it will be answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its number, which is in its target and decides its content.
    pub id: u32,
    /// The method.
    pub method: String,
    /// HTTP/1.*n*.
    pub minor: u8,
    /// What is wrong with it.
    pub fault: Option<Fault>,
    /// How it asks for a tunnel.
    pub upgrade: Upgrade,
    /// How its content is framed.
    pub framing: Framing,
    /// Bytes of content.
    pub length: usize,
    /// It says `Expect: 100-continue`, and waits for nothing.
    pub expects: bool,
    /// It says `Connection: close`.
    pub closes: bool,
    /// It is sent in pieces of so many bytes, 0 for whole, with pauses between them.
    pub piece: usize,
    /// How long each pause is.
    pub pause: u64,
    /// What the origin server does at the first attempt, the second and so on; the last holds for all others.
    pub answers: Vec<Answer>,
}

/// What is wrong with a request: each has to be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// Two lengths.
    TwoLengths,
    /// A length and a coding.
    LengthAndCoding,
    /// A space before a colon.
    SpaceBeforeColon,
    /// A line that goes on in the next.
    Folded,
    /// Two hosts.
    TwoHosts,
    /// A method that is no token.
    BadMethod,
    /// A chunk without a size.
    BadChunk,
}

/// How a request asks for a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Upgrade {
    /// It doesn't.
    No,
    /// For a protocol that nobody knows.
    Token,
    /// For WebSocket.
    WebSocket,
    /// For WebSocket, without a key: 400.
    Keyless,
    /// For HTTP/2, which doesn't pass: it is ordinary.
    Http2,
    /// Without the connection option: it is ordinary.
    Unconnected,
}

/// How content is framed by its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Framing {
    /// There is none.
    Empty,
    /// By a length.
    Length,
    /// In chunks.
    Chunked,
    /// It ends with the connection.
    UntilClose,
}

/// What an origin server does about one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What the dial for it meets, when there is one.
    pub dial: Dial,
    /// It begins when the request's head has come, before the rest.
    pub early: bool,
    /// What it does, one after the other.
    pub acts: Vec<Reply>,
}

/// What a dial meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dial {
    /// It is accepted after a while.
    Accepted(u64),
    /// It is refused after a while.
    Refused(u64),
    /// Nothing.
    Hangs,
}

/// What an origin server does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Nothing for a while.
    Pause(u64),
    /// An interim response.
    Interim(u16),
    /// A final response.
    Final(Final),
    /// A 101.
    Switch(Switch),
    /// Bytes into the tunnel that it has opened.
    Speak(usize),
    /// Bytes that are no HTTP.
    Babble,
    /// Shuts its direction down.
    End,
    /// Resets.
    Reset,
    /// Reads nothing more.
    StopReading,
    /// Reads again.
    Read,
}

/// A final response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Final {
    /// The status code.
    pub status: u16,
    /// How its content is framed.
    pub framing: Framing,
    /// Bytes of content.
    pub length: usize,
    /// It says `Connection: close`.
    pub closes: bool,
    /// It is sent in pieces of so many bytes, 0 for whole, with pauses between them.
    pub piece: usize,
    /// How long each pause is.
    pub pause: u64,
    /// It is cut after so many bytes, head included: nothing more is sent, and the rest of the answer follows.
    pub cut: Option<usize>,
    /// Bytes that nobody asked for stand behind it, where the network takes both at once.
    pub surplus: bool,
}

/// A 101.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Switch {
    /// As it has to be.
    Right,
    /// To a protocol that nobody named.
    Other,
    /// Without the connection option.
    Unconnected,
    /// Without a protocol.
    Nameless,
    /// Of HTTP/1.0.
    Old,
    /// For WebSocket, with the wrong hash.
    WrongHash,
}

impl Request {
    /// Whether it asks for a tunnel in a way that has to go on (rules A1, A4, A6).
    #[must_use]
    pub fn asks_for_tunnel(&self) -> bool {
        matches!(self.fault, None | Some(Fault::BadChunk))
            && self.minor == 1
            && match self.upgrade {
                Upgrade::Token => true,
                Upgrade::WebSocket => self.method == "GET",
                Upgrade::No | Upgrade::Keyless | Upgrade::Http2 | Upgrade::Unconnected => false,
            }
    }

    /// Whether its bytes may be sent to an origin server.
    #[must_use]
    pub fn is_forwarded(&self) -> bool {
        let keyless = self.minor == 1
            && matches!(self.upgrade, Upgrade::Keyless | Upgrade::WebSocket)
            && !(self.upgrade == Upgrade::WebSocket && self.method == "GET");
        let broken_head = !matches!(self.fault, None | Some(Fault::BadChunk));
        !keyless && !broken_head
    }

    /// The method as it is sent.
    #[must_use]
    pub fn sent_method(&self) -> &str {
        if self.fault == Some(Fault::BadMethod) { "G(T" } else { &self.method }
    }

    /// Whether its method is idempotent (RFC 9110 §9.2.2).
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE")
    }

    /// What the origin server does at the attempt with this number.
    #[must_use]
    pub fn answer(&self, attempt: usize) -> Option<&Answer> {
        self.answers.get(attempt).or_else(|| self.answers.last())
    }
}
