//! A handshake, from its first byte to its end.

use std::{
    fmt, io,
    sync::Arc,
    task::{Context, Poll, ready},
};

use underpass_tls::{Choose, ClientSettings, Tls, TlsError};

use super::{Secured, layer::Layer, lent::with_lent};
use crate::worker::Stream;

/// What a handshake has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Shaken {
    /// The connection is under TLS.
    Secured,
    /// The client has sent plain HTTP, and the connection is plain: what came is read from it.
    Plain,
}

/// Why there is no handshake. The alert that fits has been sent.
#[derive(Debug)]
pub(in super::super) enum Failure {
    /// The connection has ended before.
    Ended,
    /// The connection failed.
    Io(io::Error),
    /// The peer's part is wrong, or isn't accepted.
    Tls(TlsError),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("peer closed the connection"),
            Self::Io(error) => underpass_core::Fault::from(error.kind()).fmt(f),
            Self::Tls(error) => error.fmt(f),
        }
    }
}

impl<S: Stream> Secured<S> {
    /// A server's end of a connection whose first bytes, `received`, have been received already.
    pub(in super::super) fn server(socket: S, choose: Arc<dyn Choose>, received: Vec<u8>) -> Self {
        let layer = Layer::new(Some(Tls::server(choose)), received);
        Self { socket, layer: Some(Box::new(layer)) }
    }

    /// A client's end of a connection to `name`. The `preamble` is sent before the handshake, in clear.
    ///
    /// # Errors
    /// When the settings can't be used for that name.
    pub(in super::super) fn client(
        socket: S,
        settings: &ClientSettings,
        name: &str,
        preamble: &[u8],
    ) -> Result<Self, Failure> {
        let tls = Tls::client(settings, name).map_err(Failure::Tls)?;
        let mut layer = Layer::new(Some(tls), Vec::new());
        layer.begin(preamble).map_err(Failure::Tls)?;
        Ok(Self { socket, layer: Some(Box::new(layer)) })
    }

    /// Goes on with the handshake, as far as that goes without waiting. What there is to send may still wait when it is over.
    pub(in super::super) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<Shaken, Failure>> {
        let Self { socket, layer } = self;
        let Some(layer) = layer else { return Poll::Ready(Ok(Shaken::Plain)) };
        loop {
            match layer.tls() {
                None => return Poll::Ready(Ok(Shaken::Plain)),
                Some(tls) if tls.is_handshaking() => {}
                Some(_) => {
                    // The last of our part goes now, or with what is sent next.
                    let _broken_or_later = layer.poll_flush(socket, cx);
                    return Poll::Ready(Ok(Shaken::Secured));
                }
            }
            let fed = ready!(with_lent(|lent| layer.poll_feed(socket, cx, &mut [], lent)));
            if let Err(error) = fed {
                return Poll::Ready(Err(error.into()));
            }
        }
    }

    /// TLS, once there is a handshake.
    pub(in super::super) fn tls(&self) -> Option<&Tls> {
        self.layer.as_ref()?.tls()
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Self::Ended;
        }
        match error.downcast::<TlsError>() {
            Ok(error) => Self::Tls(error),
            Err(error) => Self::Io(error),
        }
    }
}
