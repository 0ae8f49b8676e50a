//! Streams with tokio's own traits, on tokio's timers. Call these within a tokio runtime.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use ::tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time,
};
use underpass_core::{ClientInfo, config::Config};

use crate::{Connector, ProxySettings, Relay, RelaySettings, Stream, clock::Sleep, proxy_with};

/// A stream with the traits of tokio.
#[derive(Clone, Copy, Debug)]
pub struct Io<S>(pub S);

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for Io<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut space = ReadBuf::new(space);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut space))?;
        Poll::Ready(Ok(space.filled().len()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match bytes {
            [one] => Pin::new(&mut self.0).poll_write(cx, one),
            several => Pin::new(&mut self.0).poll_write_vectored(cx, several),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// tokio's clock, the paused one of tests included.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioClock;

impl crate::Clock for TokioClock {
    fn now(&self) -> Instant {
        time::Instant::now().into_std()
    }

    fn sleep_until(&self, then: Instant) -> Sleep {
        Box::pin(time::sleep_until(then.into()))
    }
}

/// Relays two streams with tokio's traits until both are over, or a timer ends them: see [`Relay`].
///
/// ```
/// # use underpass_futures::{RelaySettings, tokio::relay};
/// # async fn example(client: tokio::net::TcpStream, origin: tokio::net::TcpStream) {
/// let report = relay(client, origin, &RelaySettings::default()).await;
/// println!("{} bytes from the client, {} to it", report.from_client, report.from_upstream);
/// # }
/// ```
pub fn relay<A, B>(client: A, upstream: B, settings: &RelaySettings) -> Relay<Io<A>, Io<B>>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    Relay::new(Io(client), Io(upstream), settings, Arc::new(TokioClock))
}

/// Serves one client, whose stream has tokio's traits: see [`proxy_with`].
pub async fn proxy<C, K>(client: C, info: ClientInfo, config: &Arc<Config>, connector: &K)
where
    C: AsyncRead + AsyncWrite + Unpin,
    K: Connector,
{
    proxy_with(Io(client), info, config, connector, &ProxySettings::new(Arc::new(TokioClock))).await;
}
