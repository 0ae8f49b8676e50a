//! The sockets that questions and answers travel on.
//!
//! Whoever wants to forge an answer has to guess the port of a socket along with the number of a question
//! (RFC 5452 §9.2). So a socket carries only so many questions, and is closed when the last has its answer: the
//! system gives the next one another port. A name is asked for once at a time, so that a forged answer has one
//! number to hit, however many questions are under way.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use mio::{
    Interest, Registry, Token,
    net::{TcpStream, UdpSocket},
};

use super::{
    Bounds,
    message::{self, Kind},
};

/// The longest message over TCP: its length has 16 bits (RFC 1035 §4.2.2).
const LONGEST: usize = u16::MAX as usize;

/// How often a number is drawn before a socket is said to have none left.
const DRAWS: usize = 16;

/// Which question something is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The number of the lookup.
    pub(super) lookup: u64,
    /// The index of the question in it.
    pub(super) question: usize,
}

/// Where an answer is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// On this socket, with this number.
    Datagram(Token, u16),
    /// On this connection.
    Connection(Token),
}

/// All sockets of a resolver.
#[derive(Debug)]
pub(super) struct Wires {
    registry: Registry,
    bounds: Bounds,
    next: usize,
    datagrams: HashMap<Token, Datagrams>,
    /// Where the next question to a server goes.
    open: HashMap<SocketAddr, Token>,
    connections: HashMap<Token, Connection>,
    /// The oldest first; some have ended.
    order: VecDeque<Token>,
    /// Whose connection another one has taken the place of.
    pub(super) displaced: Vec<Target>,
}

/// A UDP socket, connected to a name server: the system drops what others send.
#[derive(Debug)]
struct Datagrams {
    socket: UdpSocket,
    server: SocketAddr,
    asked: HashMap<u16, Target>,
    /// Questions so far.
    used: usize,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    target: Target,
    number: u16,
    unsent: Vec<u8>,
    received: Vec<u8>,
}

/// What a socket brought.
#[derive(Debug)]
pub(super) enum News {
    /// A message with this number of bytes, which has the number of this question.
    Message(Target, u16, usize),
    /// A message that is no answer to anything.
    Noise,
    /// No answer will come to these.
    Failed(Vec<Target>, io::ErrorKind),
    /// Nothing for now.
    Quiet,
}

impl Wires {
    /// `first`: the lowest token that nobody else uses.
    pub(super) fn new(registry: Registry, bounds: Bounds, first: usize) -> Self {
        Self {
            registry,
            bounds,
            next: first,
            datagrams: HashMap::new(),
            open: HashMap::new(),
            connections: HashMap::new(),
            order: VecDeque::new(),
            displaced: Vec::new(),
        }
    }

    /// Asks in a datagram.
    pub(super) fn send(
        &mut self,
        server: SocketAddr,
        target: Target,
        name: &str,
        kind: Kind,
    ) -> io::Result<Wire> {
        let token = self.socket_for(server)?;
        let Some(datagrams) = self.datagrams.get_mut(&token) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let sent = datagrams.send(target, name, kind);
        match sent {
            Ok(number) => Ok(Wire::Datagram(token, number)),
            Err(error) => {
                self.close_if_done(token);
                Err(error)
            }
        }
    }

    /// Asks over a connection. Where there are too many, the oldest makes room.
    pub(super) fn connect(
        &mut self,
        server: SocketAddr,
        target: Target,
        name: &str,
        kind: Kind,
    ) -> io::Result<Wire> {
        let (number, question) = question(name, kind)?;
        while self.connections.len() >= self.bounds.connections
            && let Some(oldest) = self.order.pop_front()
        {
            if let Some(connection) = self.connections.remove(&oldest) {
                self.displaced.push(connection.target);
            }
        }
        let mut stream = TcpStream::connect(server)?;
        let token = self.next_token();
        self.registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let length = u16::try_from(question.len()).map_err(io::Error::other)?;
        let unsent = [&length.to_be_bytes(), &*question].concat();
        self.connections.insert(token, Connection { stream, target, number, unsent, received: Vec::new() });
        self.order.push_back(token);
        Ok(Wire::Connection(token))
    }

    /// Nobody waits for this answer any more.
    pub(super) fn forget(&mut self, wire: Wire) {
        match wire {
            Wire::Datagram(token, number) => {
                if let Some(datagrams) = self.datagrams.get_mut(&token) {
                    datagrams.asked.remove(&number);
                    self.close_if_done(token);
                }
            }
            Wire::Connection(token) => {
                self.connections.remove(&token);
                while self.order.front().is_some_and(|token| !self.connections.contains_key(token)) {
                    self.order.pop_front();
                }
            }
        }
    }

    /// Takes one message in.
    pub(super) fn receive(&mut self, token: Token, bytes: &mut Vec<u8>) -> News {
        if let Some(datagrams) = self.datagrams.get_mut(&token) {
            let news = datagrams.receive(bytes);
            if matches!(news, News::Failed(..)) {
                self.close_if_done(token);
            }
            return news;
        }
        let Some(connection) = self.connections.get_mut(&token) else { return News::Quiet };
        match connection.converse() {
            Ok(()) => match message_of(&connection.received) {
                Some(message) => {
                    message.clone_into(bytes);
                    News::Message(connection.target, connection.number, bytes.len())
                }
                None => News::Failed(vec![connection.target], io::ErrorKind::InvalidData),
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => News::Quiet,
            Err(error) => News::Failed(vec![connection.target], error.kind()),
        }
    }

    /// A socket that takes one more question.
    fn socket_for(&mut self, server: SocketAddr) -> io::Result<Token> {
        let current = self.open.get(&server).copied();
        let used = current.and_then(|token| self.datagrams.get(&token)).map(|datagrams| datagrams.used);
        let crowded = self.datagrams.len() >= self.bounds.sockets;
        match current {
            Some(token) if crowded || used.is_some_and(|used| used < self.bounds.questions_of_a_socket) => {
                Ok(token)
            }
            // Without a descriptor left, the questions share what there is.
            Some(token) => Ok(self.open_socket(server).unwrap_or(token)),
            None => self.open_socket(server),
        }
    }

    fn open_socket(&mut self, server: SocketAddr) -> io::Result<Token> {
        let any = match server {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let mut socket = UdpSocket::bind(any)?;
        socket.connect(server)?;
        let token = self.next_token();
        self.registry.register(&mut socket, token, Interest::READABLE)?;
        self.datagrams.insert(token, Datagrams { socket, server, asked: HashMap::new(), used: 0 });
        self.open.insert(server, token);
        Ok(token)
    }

    /// What is dropped, the system watches no more.
    fn close_if_done(&mut self, token: Token) {
        if let Some(datagrams) = self.datagrams.get(&token)
            && datagrams.asked.is_empty()
        {
            if self.open.get(&datagrams.server) == Some(&token) {
                self.open.remove(&datagrams.server);
            }
            self.datagrams.remove(&token);
        }
    }

    fn next_token(&mut self) -> Token {
        let token = Token(self.next);
        self.next += 1;
        token
    }
}

impl Datagrams {
    fn send(&mut self, target: Target, name: &str, kind: Kind) -> io::Result<u16> {
        for _ in 0..DRAWS {
            let (number, question) = question(name, kind)?;
            if self.asked.contains_key(&number) {
                continue;
            }
            match self.socket.send(&question) {
                // As lost as any datagram may be: it is sent again when nobody answers.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => drop(sent?),
            }
            self.used += 1;
            self.asked.insert(number, target);
            return Ok(number);
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    fn receive(&mut self, bytes: &mut Vec<u8>) -> News {
        bytes.resize(4096, 0);
        match self.socket.recv(bytes) {
            Ok(count) => {
                let number = bytes.first_chunk().map(|number| u16::from_be_bytes(*number));
                let asked = number.and_then(|number| Some((*self.asked.get(&number)?, number)));
                asked.map_or(News::Noise, |(target, number)| News::Message(target, number, count))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => News::Quiet,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => News::Noise,
            // Nobody listens there. Which question that answers can't be told: all of them went there.
            Err(error) => News::Failed(self.asked.drain().map(|(_, target)| target).collect(), error.kind()),
        }
    }
}

impl Connection {
    /// Sends what is to be sent, then receives what there is, until the message is whole.
    fn converse(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            let count = match self.stream.write(&self.unsent) {
                // The connection is not made yet.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                sent => sent?,
            };
            self.unsent.drain(..count);
        }
        let mut bytes = [0; 4096];
        while message_of(&self.received).is_none() && self.received.len() < LONGEST + 2 {
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.received.extend_from_slice(bytes.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A question with a number that nobody guesses.
fn question(name: &str, kind: Kind) -> io::Result<(u16, Vec<u8>)> {
    let mut number = [0; 2];
    getrandom::fill(&mut number)?;
    let number = u16::from_be_bytes(number);
    let question = message::question(number, name, kind).ok_or(io::ErrorKind::InvalidInput)?;
    Ok((number, question))
}

/// The first message, when it is there whole.
fn message_of(received: &[u8]) -> Option<&[u8]> {
    let (length, rest) = received.split_first_chunk()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}
