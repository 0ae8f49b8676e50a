//! TLS on one connection.

use std::{
    io::{self, IoSlice},
    os::fd::AsFd,
    task::{Context, Poll, ready},
};

use rustix::{
    io::Errno,
    net::{RecvFlags, recv},
};
use underpass_tls::{End, Tls, TlsError};

use super::{
    super::{Stream, socket},
    lent::{Lent, with_lent},
    unsent::Unsent,
};

/// The longest plaintext of a record (RFC 8446 §5.1): so much is sealed at a time.
const RECORD: usize = 1 << 14;

/// So many bytes may wait for a peer that doesn't take them: above that nothing is received, since what comes may want answers (RFC
/// 8446 §4.6.3).
const MOST_UNSENT: usize = 2 * (RECORD + 256);

/// How often more is received, or taken from what was, when nothing came of it for whoever reads.
const READS: u32 = 16;

/// What is between a connection's socket and its plaintext.
#[derive(Debug)]
pub(super) struct Layer {
    /// Absent where the connection is plain, and only its first bytes have been received already.
    tls: Option<Tls>,
    /// Received, and not yet opened.
    unread: Vec<u8>,
    /// Sealed, and not yet taken by the socket.
    unsent: Unsent,
    end: OurEnd,
}

/// The end of our direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OurEnd {
    Open,
    /// `close_notify` has been sealed if it is to be, and the socket's end follows.
    Wanted,
    Sent,
}

impl Layer {
    pub(super) fn new(tls: Option<Tls>, unread: Vec<u8>) -> Self {
        Self { tls, unread, unsent: Unsent::default(), end: OurEnd::Open }
    }

    /// Has a client say its first words, behind others in clear.
    pub(super) fn begin(&mut self, preamble: &[u8]) -> Result<(), TlsError> {
        self.unsent.end().extend_from_slice(preamble);
        let Some(tls) = &mut self.tls else { return Ok(()) };
        tls.feed(&mut [], &mut [], self.unsent.end()).map(|_| ())
    }

    pub(super) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    pub(super) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// Whether the connection can do without: it is plain, and all that had been received is taken.
    pub(super) fn is_spent(&self) -> bool {
        self.tls.is_none() && self.unread.is_empty()
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty() || self.end == OurEnd::Wanted
    }

    #[cfg(test)]
    pub(super) fn unsent(&self) -> usize {
        self.unsent.len()
    }

    /// How much memory it has of its own besides TLS.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.unread.capacity() + self.unsent.capacity() + self.tls.as_ref().map_or(0, Tls::waiting)
    }

    /// Our direction is to end, behind what waits.
    pub(super) fn end(&mut self, end: super::End) {
        if self.end != OurEnd::Open {
            return;
        }
        self.end = OurEnd::Wanted;
        if let Some(tls) = &mut self.tls
            && end == super::End::Whole
        {
            // While the handshake is under way there is no stream yet that could end in order.
            let _nothing_to_say = tls.close(self.unsent.end());
        }
    }

    pub(super) fn poll_flush<S: Stream>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let outcome = loop {
            if self.unsent.is_empty() {
                break Poll::Ready(Ok(()));
            }
            match socket.poll_write(cx, self.unsent.rest()) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => self.unsent.advance(count),
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        if outcome.is_ready() {
            // All was sent, or the connection has failed and takes nothing more.
            self.unsent = Unsent::default();
            if self.end == OurEnd::Wanted {
                self.end = OurEnd::Sent;
                socket::shut_down(socket);
            }
        }
        outcome
    }

    pub(super) fn poll_read<S: Stream>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
        space: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let Some(tls) = &self.tls else { return Poll::Ready(Ok(take(&mut self.unread, space))) };
        let has_ended = tls.end() == End::Notified && !tls.has_more();
        if has_ended {
            return Poll::Ready(Ok(0));
        }
        with_lent(|lent| {
            for _ in 0..READS {
                let fed = ready!(self.poll_feed(socket, cx, space, lent))?;
                if fed > 0 || self.tls.as_ref().is_some_and(|tls| tls.end() == End::Notified) {
                    return Poll::Ready(Ok(fed));
                }
            }
            // Others have their turn.
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    /// Feeds TLS with what was received, or what is received now, and sends what it wants sent. Says how much plaintext came of it.
    ///
    /// # Errors
    /// That of the socket; `UnexpectedEof` when the stream has ended without `close_notify` (H5, RFC 9112 §9.8); `InvalidData` with
    /// the [`TlsError`] of TLS.
    pub(super) fn poll_feed<S: Stream>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
        space: &mut [u8],
        lent: &mut Lent,
    ) -> Poll<io::Result<usize>> {
        // A failure to send is found by who sends, and by the read that follows.
        let _broken_or_later = self.poll_flush(socket, cx);
        if self.unsent.len() > MOST_UNSENT {
            return Poll::Pending;
        }
        let Some(tls) = &mut self.tls else { return Poll::Ready(Ok(0)) };
        let Lent { receive, send } = lent;
        let fed = if self.unread.is_empty() && !tls.has_more() {
            if !tls.wants() {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            match ready!(socket.poll_read(cx, receive))? {
                0 => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                count => {
                    let received = &mut receive[..count];
                    let fed = tls.feed(received, space, send);
                    match fed {
                        Ok(fed) => self.unread.extend_from_slice(&received[fed.consumed..]),
                        // The session reads these bytes as plain HTTP.
                        Err(TlsError::PlainHttp) => self.unread.extend_from_slice(received),
                        Err(_) => {}
                    }
                    fed
                }
            }
        } else {
            let mut unread = std::mem::take(&mut self.unread);
            let fed = tls.feed(&mut unread, space, send);
            match fed {
                Ok(fed) if fed.consumed < unread.len() => {
                    unread.drain(..fed.consumed);
                    self.unread = unread;
                }
                Err(TlsError::PlainHttp) => self.unread = unread,
                Ok(_) | Err(_) => {}
            }
            fed
        };
        self.send(socket, cx, send);
        match fed {
            Ok(fed) => Poll::Ready(Ok(fed.opened)),
            Err(TlsError::PlainHttp) => {
                self.tls = None;
                Poll::Ready(Ok(0))
            }
            Err(error) => Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error))),
        }
    }

    /// Seals at most a record's plaintext, when nothing waits any more.
    pub(super) fn poll_write<S: Stream>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(socket, cx))?;
        with_lent(|lent| {
            let Lent { receive, send } = lent;
            let Some(tls) = &mut self.tls else {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            };
            let plain = gather(slices, &mut receive[..RECORD]);
            tls.seal(plain, send).map_err(io::Error::other)?;
            let count = plain.len();
            self.send(socket, cx, send);
            Poll::Ready(Ok(count))
        })
    }

    /// Sends what the socket takes now, behind what waits; the rest waits. A failure is found by who sends next, and by who reads.
    fn send<S: Stream>(&mut self, socket: &mut S, cx: &mut Context<'_>, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut rest = bytes;
        if self.unsent.is_empty()
            && let Poll::Ready(Ok(count)) = socket.poll_write(cx, rest)
        {
            rest = rest.get(count..).unwrap_or_default();
        }
        if !rest.is_empty() {
            self.unsent.end().extend_from_slice(rest);
        }
    }

    /// Whether an idle connection is one still: what is there to be read is for TLS alone.
    pub(super) fn is_quiet(&mut self, socket: &impl AsFd) -> bool {
        let Some(tls) = &mut self.tls else { return false };
        with_lent(|lent| {
            // What wants an answer gets it in front of what is sent next.
            let Lent { receive, .. } = lent;
            for _ in 0..READS {
                let mut unread = std::mem::take(&mut self.unread);
                if tls.has_more() || !tls.wants() {
                    return false;
                }
                if !unread.is_empty() {
                    let fed = tls.feed(&mut unread, &mut [], self.unsent.end());
                    if fed.is_err() || tls.has_more() || !tls.wants() {
                        return false;
                    }
                    continue;
                }
                match recv(socket, &mut receive[..], RecvFlags::DONTWAIT) {
                    // EWOULDBLOCK has the same number.
                    Err(Errno::AGAIN) => return true,
                    Err(_) | Ok((0, _)) => return false,
                    Ok((count, _)) => self.unread = receive[..count].to_vec(),
                }
            }
            false
        })
    }
}

/// The first of the plaintext in one piece, as much as fits into a record: where it lies, if it lies in one.
fn gather<'a>(slices: &'a [IoSlice<'a>], into: &'a mut [u8]) -> &'a [u8] {
    let mut filled = slices.iter().filter(|slice| !slice.is_empty());
    let (first, second) = (filled.next().map_or(&[][..], |slice| slice), filled.next());
    if second.is_none() || first.len() >= into.len() {
        return &first[..first.len().min(into.len())];
    }
    let mut length = 0;
    for slice in slices {
        let room = &mut into[length..];
        let count = slice.len().min(room.len());
        room[..count].copy_from_slice(&slice[..count]);
        length += count;
    }
    &into[..length]
}

/// Takes from the front of `unread` what fits into `space`.
fn take(unread: &mut Vec<u8>, space: &mut [u8]) -> usize {
    let count = unread.len().min(space.len());
    space[..count].copy_from_slice(&unread[..count]);
    unread.drain(..count);
    count
}
