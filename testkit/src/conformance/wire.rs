//! A peer's end of a real connection, in clear or under TLS.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use socket2::SockRef;

use crate::tls::TlsStream;

/// A peer's end of a connection.
pub(super) enum Wire {
    Clear(TcpStream),
    Tls(Box<TlsStream>),
}

impl Wire {
    /// The same, with a client's handshake behind it.
    pub(super) fn secured(self) -> Result<Self, String> {
        match self {
            Self::Clear(socket) => {
                let stream = TlsStream::connect(socket).map_err(|error| format!("handshake: {error}"))?;
                Ok(Self::Tls(Box::new(stream)))
            }
            secured @ Self::Tls(_) => Ok(secured),
        }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        match self {
            Self::Clear(socket) => socket,
            Self::Tls(stream) => stream.socket(),
        }
    }

    /// Ends what is sent, in order.
    pub(super) fn end(&mut self) -> io::Result<()> {
        if let Self::Tls(stream) = self {
            stream.notify_end()?;
        }
        self.socket().shutdown(Shutdown::Write)
    }

    /// Resets the connection.
    pub(super) fn reset(self) -> io::Result<()> {
        SockRef::from(self.socket()).set_linger(Some(Duration::ZERO))
    }
}

impl Read for Wire {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Clear(socket) => socket.read(space),
            Self::Tls(stream) => match stream.read(space) {
                // Whether an end is in order, cases don't ask: in clear nothing tells.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
                read => read,
            },
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Clear(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
