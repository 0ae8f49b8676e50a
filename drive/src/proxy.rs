//! A whole session: one client's requests and its tunnel, on any two kinds of stream.

use std::{
    fmt,
    future::{Future, poll_fn},
    io::{self, ErrorKind},
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use underpass_core::{
    Address, Admission, Claim, ClientInfo, Connected, Dial, DialError, Disposal, Lookup, Note, Output,
    Record, Session, Side, TunnelEvent, Verdict,
    config::Config,
    shared::{Lease, Permit},
};

use crate::{
    Clock, Stream,
    clock::Alarm,
    pump::{Blocked, Leg, Next, Pump, advance, close, lend, poll_goodbyes},
};

/// Makes connections to origin servers.
///
/// Every function from an [`Address`] to a future stream is one:
///
/// ```
/// # use underpass_core::Address;
/// # use underpass_futures::{Connector, Futures};
/// # use smol::net::TcpStream;
/// let connector = |address: Address| async move {
///     let Address::Ip(address) = address else { return Err(std::io::ErrorKind::Unsupported.into()) };
///     TcpStream::connect(address).await.map(Futures)
/// };
/// # fn is_one(_: impl Connector) {}
/// # is_one(connector);
/// ```
pub trait Connector: Sync {
    /// A connection to an origin server.
    type Stream: Stream;

    /// Connects. It is dropped where the session gives the connection up.
    fn connect(&self, address: &Address) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Looks a name up: its addresses, in the order in which they are to be tried. Only a configuration whose
    /// URLs hold variables asks for it; by default nothing is found.
    fn resolve(&self, name: &str) -> impl Future<Output = io::Result<Vec<IpAddr>>> + Send {
        let _ = name;
        std::future::ready(Err(ErrorKind::Unsupported.into()))
    }
}

impl<F, Connecting, S> Connector for F
where
    F: Fn(Address) -> Connecting + Sync,
    Connecting: Future<Output = io::Result<S>> + Send,
    S: Stream,
{
    type Stream = S;

    fn connect(&self, address: &Address) -> impl Future<Output = io::Result<S>> + Send {
        self(address.clone())
    }
}

/// What a session needs besides its streams: a clock, and somebody to tell what happens.
#[derive(Clone)]
pub struct ProxySettings {
    clock: Arc<dyn Clock>,
    on_note: Option<Arc<OnNote>>,
    on_exchange: Option<Arc<OnExchange>>,
    on_tunnel: Option<Arc<OnTunnel>>,
}

type OnNote = dyn Fn(&Record, &Note) + Send + Sync;
type OnExchange = dyn Fn(&Record) + Send + Sync;
type OnTunnel = dyn Fn(&Record, TunnelEvent) + Send + Sync;

impl ProxySettings {
    /// Tells nobody.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, on_note: None, on_exchange: None, on_tunnel: None }
    }

    /// Has `told` called with what belongs into an error log; [`Record::write_note`] words it. It must neither
    /// block nor panic.
    #[must_use]
    pub fn on_note(mut self, told: impl Fn(&Record, &Note) + Send + Sync + 'static) -> Self {
        self.on_note = Some(Arc::new(told));
        self
    }

    /// Has `told` called at the end of each exchange, and of the tunnel. It must neither block nor panic.
    #[must_use]
    pub fn on_exchange(mut self, told: impl Fn(&Record) + Send + Sync + 'static) -> Self {
        self.on_exchange = Some(Arc::new(told));
        self
    }

    /// Has `told` called when a tunnel opens, while it lives, and when it ends, where its location has a
    /// [`TunnelLog`](underpass_core::config::TunnelLog); [`Record::write_tunnel_line`] writes the line. It must neither
    /// block nor panic.
    #[must_use]
    pub fn on_tunnel(mut self, told: impl Fn(&Record, TunnelEvent) + Send + Sync + 'static) -> Self {
        self.on_tunnel = Some(Arc::new(told));
        self
    }
}

impl fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxySettings").field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// Serves one client on a stream with the traits of `futures`: see [`proxy_with`]. Sleeps on the reactor of
/// `async-io`.
#[cfg(feature = "async-io")]
pub async fn proxy<C, K>(client: C, info: ClientInfo, config: &Arc<Config>, connector: &K)
where
    C: futures_io::AsyncRead + futures_io::AsyncWrite + Unpin,
    K: Connector,
{
    let settings = ProxySettings::new(Arc::new(crate::AsyncIo));
    proxy_with(crate::Futures(client), info, config, connector, &settings).await;
}

/// Serves one client, from its first byte until its connection is closed: requests, upgrades, the tunnel.
///
/// What becomes of a request is decided by the configuration alone. Connections to origin servers are not kept
/// for other exchanges, and every request is admitted: what limits apply is the caller's decision. Dropping the
/// future closes both connections.
pub async fn proxy_with<C: Stream, K: Connector>(
    client: C,
    info: ClientInfo,
    config: &Arc<Config>,
    connector: &K,
    settings: &ProxySettings,
) {
    let alarm = Alarm::new(Arc::clone(&settings.clock));
    let session = Session::new(Arc::clone(config), info, alarm.now());
    let (client, upstream, errand) = (Some(Leg::new(client)), None, None);
    let mut proxying =
        Proxying { session, client, upstream, lease: None, permit: None, errand, alarm, connector, settings };
    poll_fn(|cx| proxying.poll(cx)).await;
    let until = proxying.alarm.now().tick.after(config.edge.lingering_timeout);
    let Proxying { client, upstream, alarm, .. } = &mut proxying;
    poll_fn(|cx| poll_goodbyes(client, upstream, (alarm, until), cx)).await;
}

/// A session and what it uses.
struct Proxying<'a, C, K: Connector> {
    session: Session,
    client: Option<Leg<C>>,
    upstream: Option<Leg<K::Stream>>,
    /// Of the connection to the origin server, or of the dial under way.
    lease: Option<Lease>,
    /// The tunnel of the exchange counts, where its location has a bound.
    permit: Option<Permit>,
    errand: Option<Errand<'a, K::Stream>>,
    alarm: Alarm,
    connector: &'a K,
    settings: &'a ProxySettings,
}

/// What a session has been sent out for.
enum Errand<'a, S> {
    Resolve(Lookup, Pending<'a, Vec<IpAddr>>),
    Connect(Dial, Pending<'a, S>),
}

type Pending<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

impl<C: Stream, K: Connector> Proxying<'_, C, K> {
    /// The loop of a shell: ready when the session is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut pump = Pump::default();
        loop {
            let now = self.alarm.now();
            match self.session.poll_output() {
                Output::Resolve(lookup) => {
                    // The future is the connector's, which lives as long; the name goes with it.
                    let (connector, name) = (self.connector, lookup.name().to_owned());
                    let resolving = Box::pin(async move { connector.resolve(&name).await });
                    self.errand = Some(Errand::Resolve(lookup, resolving));
                }
                Output::Admit(claim) => {
                    let admission = self.count_tunnel(&claim);
                    lend(now, |turn| self.session.handle_admitted(claim, admission, turn));
                }
                Output::Connect(dial) => self.connect(dial),
                Output::Judge(verdict) => {
                    self.lease.iter().for_each(|lease| lease.judge(verdict, now.tick));
                    lend(now, |turn| self.session.forget_exchange(turn.buffers));
                }
                Output::Release(_, verdict, disposal) => {
                    self.errand = None;
                    match disposal {
                        Disposal::Close(ending) => close(&mut self.upstream, ending),
                        Disposal::Pool => self.upstream = None,
                    }
                    self.lease.take().into_iter().for_each(|lease| lease.report(verdict, now.tick));
                }
                Output::Shutdown(Side::Downstream) => self.client.iter_mut().for_each(Leg::shut_down),
                Output::Shutdown(Side::Upstream) => self.upstream.iter_mut().for_each(Leg::shut_down),
                Output::Close(ending) => close(&mut self.client, ending),
                Output::Note(note) => {
                    self.settings.on_note.iter().for_each(|told| told(self.session.record(), &note));
                }
                Output::LogTunnel(event) => {
                    self.settings.on_tunnel.iter().for_each(|told| told(self.session.record(), event));
                    lend(now, |turn| self.session.forget_exchange(turn.buffers));
                }
                Output::ExchangeDone => {
                    self.settings.on_exchange.iter().for_each(|told| told(self.session.record()));
                    lend(now, |turn| self.session.forget_exchange(turn.buffers));
                    self.permit = None;
                }
                Output::Done => return Poll::Ready(()),
                Output::Wait(wait) => {
                    let Self { session, client, upstream, .. } = self;
                    match pump.begin(session, (client, upstream, now), wait, cx) {
                        Some(Next::GoOn) => continue,
                        Some(Next::Sleep) => return Poll::Pending,
                        None => {}
                    }
                    let moved = advance(session, (client, upstream, &mut pump.blocked), (wait, now), cx)
                        | self.poll_errand(&mut pump.blocked, cx);
                    if !moved && !self.alarm.wake_at(wait.deadline, cx) {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Whoever is served is let in, up to the bound of tunnels that the location has. An exchange is counted once.
    fn count_tunnel(&mut self, claim: &Claim) -> Admission {
        if self.permit.is_some() {
            return Admission::Granted;
        }
        match claim.admit_tunnel() {
            Ok(permit) => {
                self.permit = permit;
                Admission::Granted
            }
            Err(refusal) => Admission::Refused(refusal),
        }
    }

    fn connect(&mut self, dial: Dial) {
        let now = self.alarm.now();
        match self.session.choose(&dial, now.tick) {
            Err(error) => lend(now, |turn| self.session.handle_connected(dial, Err(error), turn)),
            Ok(choice) => {
                let lease = lend(now, |turn| self.session.handle_chosen(&dial, choice, turn));
                let (connector, address) = (self.connector, lease.address().clone());
                // Plaintext never stands in for TLS, and a connector knows of none (H4).
                let is_plain = dial.tls().is_none();
                let connecting = Box::pin(async move {
                    if is_plain {
                        connector.connect(&address).await
                    } else {
                        Err(ErrorKind::Unsupported.into())
                    }
                });
                (self.lease, self.errand) = (Some(lease), Some(Errand::Connect(dial, connecting)));
            }
        }
    }

    /// Reports what an errand has brought; says whether it has.
    fn poll_errand(&mut self, blocked: &mut Blocked, cx: &mut Context<'_>) -> bool {
        let now = self.alarm.now();
        match self.errand.take() {
            None => return false,
            Some(Errand::Resolve(lookup, mut resolving)) => match resolving.as_mut().poll(cx) {
                Poll::Pending => {
                    self.errand = Some(Errand::Resolve(lookup, resolving));
                    return false;
                }
                Poll::Ready(found) => {
                    let found = found.as_deref().map_err(|error| error.kind().into());
                    lend(now, |turn| self.session.handle_resolved(lookup, found, turn));
                }
            },
            Some(Errand::Connect(dial, mut connecting)) => match connecting.as_mut().poll(cx) {
                Poll::Pending => {
                    self.errand = Some(Errand::Connect(dial, connecting));
                    return false;
                }
                Poll::Ready(Ok(stream)) => {
                    self.upstream = Some(Leg::new(stream));
                    blocked.clear(Side::Upstream);
                    lend(now, |turn| self.session.handle_connected(dial, Ok(Connected::Fresh), turn));
                }
                Poll::Ready(Err(error)) => {
                    self.lease.take().into_iter().for_each(|lease| lease.report(Verdict::Failure, now.tick));
                    let unshaken = dial.tls().is_some();
                    let error = if unshaken { DialError::Tls } else { DialError::Io(error.into()) };
                    lend(now, |turn| self.session.handle_connected(dial, Err(error), turn));
                }
            },
        }
        true
    }
}
