//! Two streams, relayed until both are over or a timer says so.

use std::{
    collections::hash_map::RandomState,
    fmt,
    future::Future,
    hash::BuildHasher as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use underpass_core::{Side, Tick, Tunnel, TunnelOutput, TunnelSecret, Turn};

use crate::{
    Clock, RelaySettings, Report, Stream,
    clock::Alarm,
    pump::{Leg, Next, Pump, advance, close, lend, poll_goodbyes},
};

/// Relays two streams with the traits of `futures` until both are over, or a timer ends them.
///
/// Sleeps on the reactor of `async-io`. [`Relay::new`] takes another clock.
///
/// ```
/// # use underpass_futures::{RelaySettings, relay};
/// # async fn example(client: smol::net::TcpStream, origin: smol::net::TcpStream) {
/// let report = relay(client, origin, &RelaySettings::default()).await;
/// println!("{} bytes from the client, {} to it", report.from_client, report.from_upstream);
/// # }
/// ```
#[cfg(feature = "async-io")]
pub fn relay<A, B>(
    client: A,
    upstream: B,
    settings: &RelaySettings,
) -> Relay<crate::Futures<A>, crate::Futures<B>>
where
    A: futures_io::AsyncRead + futures_io::AsyncWrite + Unpin,
    B: futures_io::AsyncRead + futures_io::AsyncWrite + Unpin,
{
    Relay::new(crate::Futures(client), crate::Futures(upstream), settings, Arc::new(crate::AsyncIo))
}

/// A relay, as a future that ends with its [`Report`].
///
/// - An end of stream on one side becomes one on the other, behind the last byte; the other direction goes on
///   (`half_close`).
/// - Neither side is read while the other takes nothing: at most one buffer waits in each direction, and a
///   quiet relay holds none.
/// - A relay ends by itself: when both directions are over, after silence (`idle_timeout`), when one side takes
///   nothing (`send_timeout`). A connection that fails doesn't lose what the other side is still to get.
/// - At its end both streams are closed, so that a layer of encryption can say goodbye, and dropped.
///
/// Dropping it drops both streams; [`RelaySettings::on_end`] is told.
#[must_use = "a relay moves nothing until it is polled"]
pub struct Relay<A, B> {
    client: Option<Leg<A>>,
    upstream: Option<Leg<B>>,
    settings: RelaySettings,
    alarm: Alarm,
    state: State,
}

enum State {
    /// Not polled yet: what was read ahead, from the client and from the other side.
    New([Vec<u8>; 2]),
    Running(Box<Tunnel>),
    /// The bytes are over, the streams are being closed.
    Closing {
        report: Report,
        until: Tick,
    },
    Over(Report),
}

impl<A: Stream, B: Stream> Relay<A, B> {
    /// A relay of any two streams, on any clock.
    pub fn new(client: A, upstream: B, settings: &RelaySettings, clock: Arc<dyn Clock>) -> Self {
        Self {
            client: Some(Leg::new(client)),
            upstream: Some(Leg::new(upstream)),
            settings: settings.clone(),
            alarm: Alarm::new(clock),
            state: State::New([Vec::new(), Vec::new()]),
        }
    }

    /// Bytes that were read behind the heads of a handshake: they are the first of what each side has sent.
    /// Without effect once the relay has been polled.
    pub fn read_ahead(mut self, from_client: &[u8], from_upstream: &[u8]) -> Self {
        if let State::New(read_ahead) = &mut self.state {
            *read_ahead = [from_client.to_vec(), from_upstream.to_vec()];
        }
        self
    }
}

impl<A, B> Relay<A, B> {
    fn report(&self) -> Report {
        let duration = Duration::from_nanos(self.alarm.now().tick.0);
        match &self.state {
            State::Running(tunnel) => Report::new(Some(&tunnel.report()), duration),
            State::Closing { report, .. } | State::Over(report) => *report,
            State::New(_) => Report::new(None, duration),
        }
    }
}

impl<A: Stream + Unpin, B: Stream + Unpin> Future for Relay<A, B> {
    type Output = Report;

    /// Polled again after its end, it says the same again.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Report> {
        let relay = self.get_mut();
        loop {
            match relay.state {
                State::New(_) | State::Running(_) => std::task::ready!(relay.poll_running(cx)),
                State::Closing { report, until } => {
                    let Self { client, upstream, alarm, .. } = &mut *relay;
                    std::task::ready!(poll_goodbyes(client, upstream, (alarm, until), cx));
                    relay.state = State::Over(report);
                    relay.settings.tell(&report);
                }
                State::Over(report) => return Poll::Ready(report),
            }
        }
    }
}

impl<A, B> Drop for Relay<A, B> {
    fn drop(&mut self) {
        if !matches!(self.state, State::Over(_)) {
            self.settings.tell(&self.report());
        }
    }
}

impl<A, B> fmt::Debug for Relay<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("report", &self.report()).finish_non_exhaustive()
    }
}

impl<A: Stream, B: Stream> Relay<A, B> {
    /// The loop of a shell: ready when the tunnel is over.
    fn poll_running(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { client, upstream, alarm, state, settings } = self;
        if let State::New([client, upstream]) = state {
            let settings = Arc::clone(&settings.tunnel);
            let secret = secret();
            let begin = |turn: &mut Turn<'_>| Tunnel::new(settings, secret, [client, upstream], turn);
            *state = State::Running(Box::new(lend(alarm.now(), begin)));
        }
        let State::Running(tunnel) = state else { return Poll::Ready(()) };
        let mut pump = Pump::default();
        let endings = loop {
            match tunnel.poll_output() {
                TunnelOutput::Shutdown(Side::Downstream) => client.iter_mut().for_each(Leg::shut_down),
                TunnelOutput::Shutdown(Side::Upstream) => upstream.iter_mut().for_each(Leg::shut_down),
                // A relay writes no log of its own.
                TunnelOutput::Note(_) | TunnelOutput::Progress => {}
                TunnelOutput::Done(report) => break [report.client.ending, report.upstream.ending],
                TunnelOutput::Wait(wait) => {
                    let now = alarm.now();
                    match pump.begin(&mut **tunnel, (client, upstream, now), wait, cx) {
                        Some(Next::GoOn) => continue,
                        Some(Next::Sleep) => return Poll::Pending,
                        None => {}
                    }
                    let legs = (&mut *client, &mut *upstream, &mut pump.blocked);
                    let moved = advance(&mut **tunnel, legs, (wait, now), cx);
                    if !moved && !alarm.wake_at(wait.deadline, cx) {
                        return Poll::Pending;
                    }
                }
            }
        };
        close(client, endings[0]);
        close(upstream, endings[1]);
        let (report, now) = (self.report(), self.alarm.now().tick);
        // A peer that doesn't read must not keep the streams from being dropped.
        let until = now.after(self.settings.tunnel.lingering_timeout);
        self.state = State::Closing { report, until };
        Poll::Ready(())
    }
}

/// What nobody can foresee of a tunnel: the standard library draws the keys of each [`RandomState`] from the system's
/// random numbers.
fn secret() -> TunnelSecret {
    let state = RandomState::new();
    let [low, high] = [0_u8, 1].map(|half| state.hash_one(half).to_ne_bytes());
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(low.into_iter().chain(high)).for_each(|(byte, drawn)| *byte = drawn);
    TunnelSecret::new(bytes)
}
