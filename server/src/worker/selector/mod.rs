//! The sockets of a worker, watched by a selector of the worker's own.
//!
//! The system says once when a socket becomes ready (`EPOLLET`), and [`Readiness`] keeps it until an operation has found the
//! contrary. So a wake-up by one socket costs no system call on another, and no lock: the worker is one thread.
//!
//! | file | what it holds |
//! |---|---|
//! | `readiness` | what a socket is ready for, and who uses it |
//! | `connection` | a connection |
//! | `listener` | a listening socket |

mod connection;
mod listener;
mod readiness;

#[cfg(test)]
mod tests;

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    os::fd::{AsRawFd, OwnedFd},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use mio::{Events, Interest, Token, event, unix::SourceFd};
use rustix::{io::Errno, net};
use underpass_core::Address;

use self::{connection::Connection, listener::ListeningSocket, readiness::Readiness};
use super::{Network, reactor::Look, reactor::Reactor, watch::Watch};
use crate::{Listening, wake::Source};

/// So many sockets are asked about in one call.
const EVENTS: usize = 256;

/// Fewer sockets than that are never looked through for those that are gone.
const FEW: usize = 64;

/// The sockets of a worker.
pub(super) struct Selector<R> {
    poll: mio::Poll,
    events: Events,
    /// By the token that the system says.
    watched: Vec<Arc<Readiness>>,
    /// Tokens whose sockets are gone.
    free: Vec<Token>,
    /// With so many tokens, those that are gone are looked for.
    look_at: usize,
    reactor: R,
}

impl<R: Reactor> Selector<R> {
    /// Has the system say when a socket becomes ready.
    fn watch(
        &mut self,
        socket: &mut dyn event::Source,
        interest: Interest,
        readiness: Readiness,
    ) -> io::Result<Arc<Readiness>> {
        let readiness = Arc::new(readiness);
        let token = self.token();
        self.poll.registry().register(socket, token, interest).inspect_err(|_| self.free.push(token))?;
        match self.watched.get_mut(token.0) {
            Some(gone) => *gone = Arc::clone(&readiness),
            None => self.watched.push(Arc::clone(&readiness)),
        }
        Ok(readiness)
    }

    /// A token that no socket has.
    fn token(&mut self) -> Token {
        if self.free.is_empty() && self.watched.len() >= self.look_at {
            // Closing a socket takes it from the selector, and nobody is told. Each look is paid for by as many sockets as it finds.
            let is_gone = |(_, readiness): &(usize, &Arc<Readiness>)| Arc::strong_count(readiness) == 1;
            let gone = self.watched.iter().enumerate().filter(is_gone);
            self.free.extend(gone.map(|(token, _)| Token(token)));
            self.look_at = FEW.max(2 * (self.watched.len() - self.free.len()));
        }
        self.free.pop().unwrap_or(Token(self.watched.len()))
    }

    fn connection(&mut self, socket: OwnedFd, readiness: Readiness) -> io::Result<Connection> {
        let descriptor = socket.as_raw_fd();
        let both = Interest::READABLE | Interest::WRITABLE;
        let readiness = self.watch(&mut SourceFd(&descriptor), both, readiness)?;
        Ok(Connection::new(socket, readiness))
    }
}

impl<R: Reactor> Network for Selector<R> {
    type Stream = Connection;
    type Listener = ListeningSocket;
    type Sleep = R::Sleep;

    fn new(Watch { poll, descriptor }: Watch) -> io::Result<Self> {
        let reactor = R::new(descriptor)?;
        let events = Events::with_capacity(EVENTS);
        Ok(Self { poll, events, watched: Vec::new(), free: Vec::new(), look_at: FEW, reactor })
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>, found: &mut dyn FnMut(Source)) -> io::Result<bool> {
        let Self { poll, events, watched, reactor, .. } = self;
        let mut look = Look::All;
        reactor.poll_readable(cx, &mut || {
            match poll.poll(events, Some(Duration::ZERO)) {
                // A signal, which others see to.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
                result => result?,
            }
            let mut count = 0;
            for event in &*events {
                count += 1;
                let source = watched.get(event.token().0).and_then(|readiness| readiness.learn(event));
                source.into_iter().for_each(&mut *found);
            }
            look = if count < EVENTS { Look::All } else { Look::More };
            Ok(look)
        })?;
        Ok(look == Look::More)
    }

    fn listen(&mut self, socket: Listening, index: u16) -> io::Result<ListeningSocket> {
        let mut socket = listener::Socket::from(socket);
        let readiness = Readiness::of(Source::Listener(index));
        let readiness = self.watch(socket.source(), Interest::READABLE, readiness)?;
        Ok(ListeningSocket::new(socket, readiness))
    }

    fn close(&mut self, mut listener: ListeningSocket) {
        // While others have it, the system would go on saying when it is ready (epoll(7), question 6). It is there, so that this
        // doesn't fail.
        let _was_there = self.poll.registry().deregister(listener.source());
    }

    fn poll_accept(
        &mut self,
        listener: &ListeningSocket,
        _: &mut Context<'_>,
    ) -> Poll<io::Result<(Connection, Address)>> {
        listener.poll_accept().map(|accepted| {
            let (socket, remote) = accepted?;
            Ok((self.stream(socket)?, remote))
        })
    }

    fn stream(&mut self, socket: OwnedFd) -> io::Result<Connection> {
        self.connection(socket, Readiness::ready())
    }

    fn connect(
        &mut self,
        socket: OwnedFd,
        address: SocketAddr,
        place: u32,
    ) -> impl Future<Output = io::Result<Connection>> + Send + 'static {
        let begun = match net::connect(&socket, &address) {
            Ok(()) => self.connection(socket, Readiness::ready()),
            // EINTR: it goes on by itself (connect(2)).
            Err(Errno::INPROGRESS | Errno::INTR) => {
                self.connection(socket, Readiness::of(Source::Session(place)))
            }
            Err(errno) => Err(errno.into()),
        };
        async {
            let mut connection = begun?;
            poll_fn(|_| connection.poll_connected()).await?;
            Ok(connection)
        }
    }

    fn sleep_until(instant: Instant) -> R::Sleep {
        R::sleep_until(instant)
    }

    fn reset(sleep: Pin<&mut R::Sleep>, instant: Instant) {
        R::reset(sleep, instant);
    }

    fn yield_now(cx: &mut Context<'_>) {
        R::yield_now(cx);
    }
}
