//! A worker: whose turn it is, timers, accepting, the end.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use underpass_core::{Buffers, ClientInfo, Draining, Fault, Pool, Severity, Tick};

use super::{
    Network, Reactor, Watch,
    acceptor::{Accepted, Acceptor},
    entrance::{self, Entrance},
    guest::Guest,
    pump::{Connection, Next, Shared},
    secured::Secured,
    selector::Selector,
    slots::Slots,
    socket,
    timer::Timer,
};
use crate::{
    Clock, Control, End, Listener, Provisions, Reload, Service, Setup, Timers, panics, wake::Source,
};

#[cfg(test)]
mod tests;

/// Clients accepted from one listening socket before others have their turn.
const ACCEPTS: u32 = 64;

/// How long nobody is accepted after the system had no descriptor or memory for it: nginx's number.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// How often idle upstream connections are looked at.
const SWEEP: Duration = Duration::from_secs(1);

/// Clients that go on with their TLS handshakes before others have their turn. A key of RSA costs a millisecond each.
const HANDSHAKES: usize = 4;

/// Sessions that are told to drain before others have their turn.
const DRAINS: u32 = 256;

/// Serves until [`Control`] says otherwise. The future is `Send`.
///
/// # Errors
/// When the listening sockets can't be registered with the runtime, or the system has no random bytes.
/// Whatever happens on a connection is no error of the worker.
pub async fn serve<R: Reactor>(setup: Setup) -> io::Result<()> {
    serve_on::<Selector<R>>(setup).await
}

/// The same on any network.
pub(super) async fn serve_on<N: Network>(setup: Setup) -> io::Result<()> {
    let mut worker = Worker::<N>::new(setup)?;
    poll_fn(move |cx| worker.poll(cx)).await
}

struct Worker<N: Network> {
    control: Control,
    /// By the index that their wake-ups carry.
    acceptors: Vec<Option<Acceptor<N>>>,
    acceptance: Acceptance,
    most_connections: usize,
    /// Whether a failure to accept was told since the last success.
    told: bool,
    slots: Slots<N>,
    /// Nobody is accepted any more; the worker is done when the last session is, or has had its last turn.
    end: Option<End>,
    /// Then everything is over, where the worker is ending and has been told when.
    ends_by: Option<Tick>,
    drains: VecDeque<Drain>,
    provisions: Provisions,
    /// Whose turn it is.
    ready: Vec<Source>,
    /// Clients before their sessions that can go on, in their order.
    entering: VecDeque<u32>,
    deadlines: Timers<u32>,
    /// When idle upstream connections are looked at next.
    sweep: Option<Tick>,
    timer: Timer<N>,
    clock: Clock,
    secret: [u8; 16],
    shared: Shared<N>,
}

/// Whether clients are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acceptance {
    Open,
    /// Not before this time: the system had no room.
    Paused(Tick),
    /// Not before a session has a connection less: `worker_connections`.
    Full,
}

/// Sessions that are to be told to drain, from a number on.
#[derive(Clone, Copy, Debug)]
struct Drain {
    /// Those of one configuration; absent: all of them.
    generation: Option<u64>,
    why: Draining,
    next: u32,
}

impl<N: Network> Worker<N> {
    fn new(setup: Setup) -> io::Result<Self> {
        let Setup { listeners, provisions, clock, connections, control, watch } = setup;
        let network = N::new(watch.map_or_else(Watch::new, Ok)?)?;
        let mut secret = [0; 16];
        getrandom::fill(&mut secret)?;
        let shared = Shared {
            buffers: Buffers::default(),
            pool: Pool::default(),
            generation: 0,
            network,
            place: 0,
            line: Vec::new(),
            moment: clock.now(),
            farewells: Vec::new(),
        };
        let mut worker = Self {
            acceptors: Vec::new(),
            acceptance: Acceptance::Open,
            most_connections: connections,
            told: false,
            slots: Slots::new(),
            end: None,
            ends_by: None,
            drains: VecDeque::new(),
            provisions,
            ready: Vec::new(),
            entering: VecDeque::new(),
            deadlines: Timers::new(),
            sweep: None,
            timer: Timer::new(control.ready_list()),
            clock,
            secret,
            shared,
            control,
        };
        for listener in listeners {
            worker.listen(listener)?;
        }
        worker.accept_from_all();
        Ok(worker)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.moment = self.clock.now();
        let mut ready = std::mem::take(&mut self.ready);
        self.control.ready_list().take(&mut ready, cx.waker());
        let more = match self.look_at_sockets(&mut ready, cx) {
            Ok(more) => more,
            Err(error) => return Poll::Ready(Err(error)),
        };
        for source in ready.drain(..) {
            match source {
                // Each session has one turn more, behind which nothing is waited for.
                Source::Session(_) | Source::Listener(_) if self.end == Some(End::Stop) => {}
                Source::Session(number) if self.slots.shakes_hands(number) => self.entering.push_back(number),
                Source::Session(number) => self.turn(number),
                Source::Listener(index) => self.accept(index),
                Source::Timer => self.timer.went_off(),
                Source::Control => {
                    self.take_reload();
                    if let Some(end) = self.control.end() {
                        self.end(end);
                    }
                }
            }
        }
        if self.end != Some(End::Stop) {
            self.let_enter();
        }
        self.drain_some();
        if self.end == Some(End::Stop) && self.drains.is_empty() {
            return Poll::Ready(Ok(()));
        }
        // What came to the worker's own list meanwhile waits until the runtime has looked at the sockets.
        ready.append(&mut self.ready);
        self.ready = ready;
        self.keep_time();
        if self.end.is_some() && self.slots.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if more || !self.ready.is_empty() || !self.drains.is_empty() || !self.entering.is_empty() {
            // Not a plain wake-up, with which a runtime may come back before it has looked at them.
            N::yield_now(cx);
        }
        Poll::Pending
    }

    /// Lists whose sockets have become ready. Says whether there may be more.
    fn look_at_sockets(&mut self, ready: &mut Vec<Source>, cx: &mut Context<'_>) -> io::Result<bool> {
        let Self { slots, acceptors, shared, .. } = self;
        shared.network.poll_ready(cx, &mut |source| {
            let is_listed = match source {
                Source::Session(place) => !slots.list(place),
                Source::Listener(index) => {
                    let acceptor = acceptors.get(usize::from(index)).and_then(Option::as_ref);
                    !acceptor.is_some_and(Acceptor::list)
                }
                Source::Timer | Source::Control => false,
            };
            if !is_listed {
                ready.push(source);
            }
        })
    }

    /// Some of those who shake hands go on, so that others don't wait for all of them.
    fn let_enter(&mut self) {
        for _ in 0..HANDSHAKES {
            let Some(number) = self.entering.pop_front() else { return };
            self.turn(number);
        }
    }

    fn turn(&mut self, number: u32) {
        let next = self.slots.turn(number, &mut self.shared);
        self.goes_on(number, next);
    }

    /// What follows from a session's turn.
    fn goes_on(&mut self, number: u32, next: Option<Next>) {
        match next {
            Some(Next::Sleep(Some(deadline))) => self.deadlines.set(number, deadline.0),
            Some(Next::Again) if self.slots.list(number) => self.ready.push(Source::Session(number)),
            Some(Next::Done) => self.deadlines.clear(number),
            Some(Next::Sleep(None) | Next::Again) | None => {}
        }
        while let Some(farewell) = self.shared.farewells.pop() {
            let mut farewell = Box::new(farewell);
            farewell.drain(Draining::Quit(self.ends_by));
            let guest = Guest::Farewell(farewell);
            let number = self.slots.insert(guest, self.control.ready_list());
            // Its socket wakes it there from now on.
            self.turn(number);
        }
        // Not only a session that ends makes room: one that gives up its upstream connection does as well.
        if self.acceptance == Acceptance::Full && self.slots.connections() < self.most_connections {
            self.accept_from_all();
        }
    }
}

/// Accepting.
impl<N: Network> Worker<N> {
    fn accept_from_all(&mut self) {
        self.acceptance = Acceptance::Open;
        for (index, acceptor) in (0..).zip(&self.acceptors) {
            if acceptor.as_ref().is_some_and(Acceptor::list) {
                self.ready.push(Source::Listener(index));
            }
        }
    }

    fn acceptor(&self, index: u16) -> Option<&Acceptor<N>> {
        self.acceptors.get(usize::from(index))?.as_ref()
    }

    fn accept(&mut self, index: u16) {
        if let Some(acceptor) = self.acceptor(index) {
            acceptor.begin();
        }
        for _ in 0..ACCEPTS {
            if self.acceptance != Acceptance::Open || !self.has_room() {
                return;
            }
            let Self { acceptors, shared, .. } = self;
            let acceptor = acceptors.get(usize::from(index)).and_then(Option::as_ref);
            let Some(acceptor) = acceptor else { return };
            match acceptor.poll_accept(&mut shared.network) {
                Poll::Pending => return,
                Poll::Ready(Ok(accepted)) => {
                    let (number, address) = (acceptor.number(), acceptor.address().clone());
                    let before = Arc::clone(acceptor.service());
                    // A client that came behind a reload is served as it says, though the worker was here first. The
                    // reload may have taken the socket away; others of the same address have the same configuration.
                    self.take_reload();
                    let known = self.acceptor(index).filter(|acceptor| acceptor.number() == number);
                    let mut others = self.acceptors.iter().flatten();
                    let renewed = known.or_else(|| others.find(|other| *other.address() == address));
                    let service = renewed.map_or(before, |acceptor| Arc::clone(acceptor.service()));
                    self.begin(accepted, service);
                }
                Poll::Ready(Err(error)) => self.accept_failed(error),
            }
        }
        if self.acceptor(index).is_some_and(Acceptor::list) {
            self.ready.push(Source::Listener(index));
        }
    }

    fn begin(&mut self, accepted: Accepted<N>, service: Arc<Service>) {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        self.told = false;
        let Accepted { stream, remote, local } = accepted;
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let client = ClientInfo::new(remote, local, serial, self.secret);
        if let Some(chooser) = service.tls.clone() {
            let entrance = Entrance::new(stream, client, chooser, service, self.shared.now().tick);
            let guest = Guest::Entrance(Box::new(entrance));
            let number = self.slots.insert(guest, self.control.ready_list());
            return self.entering.push_back(number);
        }
        let session = match panics::catch(|| entrance::begin(&service, client, &self.shared)) {
            Ok(session) => session,
            Err(panic) => {
                let message = format!("a session can't begin: {panic}");
                return service.provisions.log.event(Severity::Alert, &message, self.shared.moment);
            }
        };
        let connection = Connection::new(session, service, Secured::plain(stream));
        let guest = Guest::Session(Box::new(connection));
        let number = self.slots.insert(guest, self.control.ready_list());
        self.turn(number);
    }

    fn has_room(&mut self) -> bool {
        if self.slots.connections() + self.shared.pool.len() < self.most_connections {
            return true;
        }
        // As in nginx, an idle connection makes room for a client.
        self.shared.pool.retain(|_| false);
        if self.slots.connections() < self.most_connections {
            return true;
        }
        self.acceptance = Acceptance::Full;
        self.tell(Severity::Alert, &format!("{} worker_connections are not enough", self.most_connections));
        false
    }

    fn accept_failed(&mut self, error: io::Error) {
        if socket::is_of_one_connection(&error) {
            return;
        }
        // No descriptor or no memory, which the next call would find as well.
        self.acceptance = Acceptance::Paused(self.shared.now().tick.after(ACCEPT_PAUSE));
        self.tell(Severity::Crit, &format!("accept4() failed ({})", Fault::from(error)));
    }

    /// Tells the operator once, until a client is accepted again.
    fn tell(&mut self, severity: Severity, message: &str) {
        if !self.told {
            self.told = true;
            self.provisions.log.event(severity, message, self.shared.moment);
        }
    }
}

/// Time, and the end.
impl<N: Network> Worker<N> {
    fn keep_time(&mut self) {
        let now = self.shared.now().tick;
        while let Some(number) = self.deadlines.expired(now.0) {
            self.turn(number);
        }
        if matches!(self.acceptance, Acceptance::Paused(until) if until <= now) {
            self.accept_from_all();
        }
        self.sweep_pool(now);
        let paused = match self.acceptance {
            Acceptance::Paused(until) => Some(until),
            Acceptance::Open | Acceptance::Full => None,
        };
        let times = [self.deadlines.next_deadline().map(Tick), paused, self.sweep];
        if let Some(next) = times.into_iter().flatten().min() {
            self.timer.set(next, &self.clock);
        }
    }

    /// Closes idle upstream connections that are too old, or that the other end has closed.
    fn sweep_pool(&mut self, now: Tick) {
        let pool = &mut self.shared.pool;
        if self.sweep.is_some_and(|at| at <= now) {
            while pool.expire(now).is_some() {}
            pool.retain(Secured::is_quiet);
            self.sweep = None;
        }
        if self.sweep.is_none() && !pool.is_empty() {
            self.sweep = Some(now.after(SWEEP));
        }
    }
}

/// From one configuration to the next, and the end.
impl<N: Network> Worker<N> {
    /// Accepts clients from a socket that the worker doesn't have yet.
    fn listen(&mut self, listener: Listener) -> io::Result<()> {
        let at = self.acceptors.iter().position(Option::is_none).unwrap_or(self.acceptors.len());
        let index = u16::try_from(at).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let service = self.service(&listener);
        let (ready, network) = (self.control.ready_list(), &mut self.shared.network);
        let acceptor = Acceptor::new(listener, service, index, ready, network)?;
        if at == self.acceptors.len() {
            self.acceptors.push(None);
        }
        self.acceptors[at] = Some(acceptor);
        Ok(())
    }

    fn service(&self, listener: &Listener) -> Arc<Service> {
        let (config, provisions) = (Arc::clone(listener.config()), self.provisions.clone());
        let tls = listener.chooser().cloned();
        Arc::new(Service { config, provisions, tls, generation: self.shared.generation })
    }

    fn take_reload(&mut self) {
        if let Some(reload) = self.control.take_reload() {
            self.reload(reload);
        }
    }

    fn reload(&mut self, reload: Reload) {
        let Reload { listeners, provisions, connections, within, .. } = reload;
        for at in 0..self.acceptors.len() {
            let number = self.acceptors[at].as_ref().map(Acceptor::number);
            if !listeners.iter().any(|listener| Some(listener.number()) == number) {
                self.close(at);
            }
        }
        let until = within.map(|within| self.shared.now().tick.after(within));
        self.drain(Some(self.shared.generation), Draining::Reload(until));
        self.shared.generation += 1;
        self.provisions = provisions;
        self.most_connections = connections;
        self.told = false;
        for listener in listeners {
            let service = self.service(&listener);
            let known = |acceptor: &&mut Acceptor<N>| acceptor.number() == listener.number();
            if let Some(acceptor) = self.acceptors.iter_mut().flatten().find(known) {
                acceptor.renew(service);
            } else if let Err(error) = self.listen(listener) {
                let message = format!("a listening socket is lost ({})", Fault::from(error));
                self.provisions.log.event(Severity::Alert, &message, self.shared.moment);
            }
        }
        self.accept_from_all();
    }

    fn end(&mut self, end: End) {
        if self.end == Some(end) {
            return;
        }
        self.end = Some(end);
        match end {
            End::Drain { within } => self.leave(within, Draining::Quit),
            End::Retire { within } => self.leave(within, Draining::Reload),
            End::Stop => {
                // TERM: a Close is written where the socket takes it at once (G6). Nobody is accepted any more, and
                // what other drains have left undone is of no consequence.
                self.acceptors.clear();
                self.drains.clear();
                self.drain(None, Draining::Stop);
            }
        }
    }

    fn leave(&mut self, within: Option<Duration>, why: fn(Option<Tick>) -> Draining) {
        self.ends_by = within.map(|within| self.shared.now().tick.after(within));
        (0..self.acceptors.len()).for_each(|at| self.close(at));
        // Sessions that began before an earlier reload have heard of that only.
        self.drain(None, why(self.ends_by));
    }

    /// Closes a listening socket, once the clients that wait at it are accepted. Those of a socket that lives on are
    /// for the worker that takes it over, and for its configuration.
    fn close(&mut self, at: usize) {
        let Some(acceptor) = self.acceptors.get_mut(at).and_then(Option::take) else { return };
        while !acceptor.lives_on()
            && self.has_room()
            && let Ok(accepted) = acceptor.accept_waiting(&mut self.shared.network)
        {
            self.begin(accepted, Arc::clone(acceptor.service()));
        }
        acceptor.close(&mut self.shared.network);
    }

    /// No session of this configuration, or of any, begins another request.
    fn drain(&mut self, generation: Option<u64>, why: Draining) {
        self.shared.pool.retain(|_| false);
        self.drains.push_back(Drain { generation, why, next: 0 });
    }

    fn drain_some(&mut self) {
        let Some(mut drain) = self.drains.pop_front() else { return };
        let end = self.slots.end().min(drain.next.saturating_add(DRAINS));
        for number in drain.next..end {
            let concerned = |slots: &Slots<N>| {
                let generation = slots.generation(number);
                generation.is_some() && drain.generation.is_none_or(|only| generation == Some(only))
            };
            if !concerned(&self.slots) {
                continue;
            }
            if drain.why == Draining::Stop {
                // Who shakes hands has nothing to say, and might have much to do.
                if self.slots.shakes_hands(number) {
                    continue;
                }
            } else {
                // A request that has come already is one that was begun.
                self.turn(number);
            }
            if concerned(&self.slots) {
                let next = self.slots.drain(number, drain.why, &mut self.shared);
                self.goes_on(number, next);
            }
        }
        drain.next = end;
        if end < self.slots.end() {
            self.drains.push_front(drain);
        }
    }
}
