//! A worker: whose turn it is, and its timers.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    task::{Context, Poll},
    time::Duration,
};

use underpass_core::{Buffers, Draining, Pool, Tick};

use super::{
    Network, Reactor, Watch,
    acceptor::Acceptor,
    guest::Guest,
    pump::{Next, Shared},
    secured::Secured,
    selector::Selector,
    slots::Slots,
    timer::Timer,
};
use crate::{Clock, Control, End, Provisions, Setup, Timers, wake::Source};

mod accepting;
mod leaving;
#[cfg(test)]
mod tests;

/// How often idle upstream connections are looked at.
const SWEEP: Duration = Duration::from_secs(1);

/// Clients that go on with their TLS handshakes before others have their turn. A key of RSA costs a millisecond each.
const HANDSHAKES: usize = 4;

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
