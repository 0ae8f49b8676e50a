//! A client's connection, in clear or under TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::HandshakeKind;

/// Bytes to a proxy and back. Under TLS the end of what is read is that of `close_notify`; an end without it is an error
/// of the kind `UnexpectedEof`.
#[derive(Debug)]
pub enum Stream {
    /// In clear.
    Plain(TcpStream),
    /// Under TLS.
    Secured(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// The connection itself.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Secured(secured) => secured.get_ref().0,
        }
    }

    /// Whether its handshake took a session up again.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Secured(secured) => secured.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }

    /// The certificate of the other end, in DER: of a resumed session the one that it began with.
    #[must_use]
    pub fn certificate(&self) -> Option<&[u8]> {
        match self {
            Self::Plain(_) => None,
            Self::Secured(secured) => {
                secured.get_ref().1.peer_certificates().and_then(<[_]>::first).map(AsRef::as_ref)
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buffer),
            Self::Secured(secured) => Pin::new(secured).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Secured(secured) => Pin::new(secured).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Secured(secured) => Pin::new(secured).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Secured(secured) => Pin::new(secured).poll_shutdown(cx),
        }
    }
}
