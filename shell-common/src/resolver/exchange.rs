//! One question on its way to a name server.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    os::fd::{AsFd, BorrowedFd},
    time::Instant,
};

use rustix::{event::PollFlags, io::Errno};
use socket2::{Domain, Protocol, Socket, Type};

use super::message::{self, Kind, Reply};

/// The longest message over TCP: its length has 16 bits (RFC 1035 §4.2.2).
const LONGEST: usize = u16::MAX as usize;

/// A question that was sent, or is about to be. Each has a socket and thereby a port of its own: who wants to
/// forge an answer has to guess it along with the number (RFC 5452 §9.2).
#[derive(Debug)]
pub(super) struct Exchange {
    number: u16,
    wire: Wire,
    deadline: Instant,
}

#[derive(Debug)]
enum Wire {
    Udp(UdpSocket),
    Tcp { stream: TcpStream, unsent: Vec<u8>, received: Vec<u8> },
}

impl Exchange {
    /// Asks in a datagram.
    pub(super) fn over_udp(
        server: SocketAddr,
        name: &str,
        kind: Kind,
        deadline: Instant,
    ) -> io::Result<Self> {
        let (number, question) = question(name, kind)?;
        let any = match server {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = UdpSocket::bind(any)?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        socket.send(&question)?;
        Ok(Self { number, wire: Wire::Udp(socket), deadline })
    }

    /// Asks over a connection.
    pub(super) fn over_tcp(
        server: SocketAddr,
        name: &str,
        kind: Kind,
        deadline: Instant,
    ) -> io::Result<Self> {
        let (number, question) = question(name, kind)?;
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        match socket.connect(&server.into()) {
            Err(error) if Errno::from_io_error(&error) != Some(Errno::INPROGRESS) => return Err(error),
            _ => {}
        }
        let length = u16::try_from(question.len()).map_err(io::Error::other)?;
        let unsent = [&length.to_be_bytes(), &*question].concat();
        let wire = Wire::Tcp { stream: socket.into(), unsent, received: Vec::new() };
        Ok(Self { number, wire, deadline })
    }

    /// When to stop waiting.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// What the socket is to be watched for.
    pub(super) fn interest(&self) -> PollFlags {
        match &self.wire {
            Wire::Tcp { unsent, .. } if !unsent.is_empty() => PollFlags::OUT,
            _ => PollFlags::IN,
        }
    }

    /// Does what can be done now. `None`: the answer isn't here yet.
    pub(super) fn advance(&mut self, name: &str, kind: Kind) -> io::Result<Option<Reply>> {
        let done = match &mut self.wire {
            Wire::Udp(socket) => receive(socket, self.number, name, kind),
            Wire::Tcp { stream, unsent, received } => {
                converse(stream, unsent, received).map(|()| message_of(received)).and_then(|message| {
                    let Some(message) = message else { return Ok(None) };
                    match message::reply(message, self.number, name, kind) {
                        // There is no wire with more room: this server can't answer (RFC 7766 §5).
                        Some(Reply::Truncated) => Ok(Some(Reply::Refused)),
                        reply => reply.map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into()),
                    }
                })
            }
        };
        match done {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(None)
            }
            done => done,
        }
    }
}

impl AsFd for Exchange {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.wire {
            Wire::Udp(socket) => socket.as_fd(),
            Wire::Tcp { stream, .. } => stream.as_fd(),
        }
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

/// A datagram that is no answer to the question is nothing.
fn receive(socket: &UdpSocket, number: u16, name: &str, kind: Kind) -> io::Result<Option<Reply>> {
    let mut bytes = [0; 4096];
    loop {
        let count = socket.recv(&mut bytes)?;
        let reply = message::reply(bytes.get(..count).unwrap_or_default(), number, name, kind);
        if reply.is_some() {
            return Ok(reply);
        }
    }
}

/// Sends what is to be sent, then receives what there is.
fn converse(stream: &mut TcpStream, unsent: &mut Vec<u8>, received: &mut Vec<u8>) -> io::Result<()> {
    while !unsent.is_empty() {
        let count = match stream.write(unsent) {
            // The connection is not made yet.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            sent => sent?,
        };
        unsent.drain(..count);
    }
    let mut bytes = [0; 4096];
    while message_of(received).is_none() && received.len() < LONGEST + 2 {
        match stream.read(&mut bytes)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => received.extend_from_slice(bytes.get(..count).unwrap_or_default()),
        }
    }
    Ok(())
}

/// The first message, when it is there whole.
fn message_of(received: &[u8]) -> Option<&[u8]> {
    let (length, rest) = received.split_first_chunk()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}
