//! A worker: whose turn it is, timers, accepting, the end.

use std::{
    future::{Future as _, poll_fn},
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::task::{unconstrained, yield_now};
use underpass_core::{Buffers, ClientInfo, Fault, Pool, Session, Severity, Tick, config::Config};
use underpass_shell_common::{Clock, Timers};

use crate::{
    Control, Listener, Log,
    control::Wish,
    listen::{Accepted, Acceptor},
    pump::{Connection, Next, Shared},
    slots::Slots,
    socket::is_quiet,
    timer::Timer,
    wake::Source,
};

/// Clients accepted from one listening socket before others have their turn.
const ACCEPTS: u32 = 64;

/// How long nobody is accepted after the system had no descriptor or memory for it: nginx's number.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// How often idle upstream connections are looked at.
const SWEEP: Duration = Duration::from_secs(1);

/// What a worker is made of.
#[derive(Debug)]
pub struct Setup {
    listeners: Vec<Listener>,
    log: Log,
    clock: Clock,
    connections: usize,
    control: Control,
}

impl Setup {
    /// A worker that accepts clients from `listeners`, logs nothing, and has nginx's 512 connections.
    #[must_use]
    pub fn new(listeners: Vec<Listener>) -> Self {
        Self {
            listeners,
            log: Log::default(),
            clock: Clock::start(),
            connections: 512,
            control: Control::default(),
        }
    }

    /// Logs go to `log`.
    #[must_use]
    pub fn logging_to(self, log: Log) -> Self {
        Self { log, ..self }
    }

    /// At most so many connections at a time, those to origin servers included: nginx's `worker_connections`.
    #[must_use]
    pub fn connections(self, connections: usize) -> Self {
        Self { connections, ..self }
    }

    /// The worker obeys `control`, which serves one worker only.
    #[must_use]
    pub fn controlled_by(self, control: &Control) -> Self {
        Self { control: control.clone(), ..self }
    }

    /// Time is read from `clock`.
    #[must_use]
    pub fn timed_by(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }
}

/// Serves until [`Control`] says otherwise.
///
/// # Errors
/// When the listening sockets can't be registered with the runtime, or the system has no random bytes.
/// Whatever happens on a connection is no error of the worker.
pub async fn serve(setup: Setup) -> io::Result<()> {
    let mut worker = Worker::new(setup)?;
    // The budget that the runtime gives its tasks is taken by one task here, and would be spent by one busy
    // session; turns are bounded by their own.
    unconstrained(poll_fn(move |cx| worker.poll(cx))).await;
    Ok(())
}

struct Worker {
    control: Control,
    acceptors: Vec<Acceptor>,
    acceptance: Acceptance,
    most_connections: usize,
    /// Whether a failure to accept was told since the last success.
    told: bool,
    slots: Slots,
    draining: bool,
    /// Whose turn it is.
    ready: Vec<Source>,
    deadlines: Timers<u32>,
    /// When idle upstream connections are looked at next.
    sweep: Option<Tick>,
    timer: Timer,
    clock: Clock,
    secret: [u8; 16],
    shared: Shared,
}

/// Whether clients are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acceptance {
    Open,
    /// Not before this time: the system had no room.
    Paused(Tick),
    /// Not before a connection ends: `worker_connections`.
    Full,
}

impl Worker {
    fn new(setup: Setup) -> io::Result<Self> {
        let Setup { listeners, log, clock, connections, control } = setup;
        let list = control.ready_list();
        let acceptors = (0..)
            .zip(listeners)
            .map(|(index, listener)| Acceptor::new(listener, index, list))
            .collect::<io::Result<Vec<_>>>()?;
        let mut secret = [0; 16];
        getrandom::fill(&mut secret)?;
        let shared = Shared {
            buffers: Buffers::default(),
            pool: Pool::default(),
            log,
            line: Vec::new(),
            moment: clock.now(),
        };
        let mut worker = Self {
            acceptors,
            acceptance: Acceptance::Open,
            most_connections: connections,
            told: false,
            slots: Slots::default(),
            draining: false,
            ready: Vec::new(),
            deadlines: Timers::new(),
            sweep: None,
            timer: Timer::new(list),
            clock,
            secret,
            shared,
            control,
        };
        worker.accept_from_all();
        Ok(worker)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.moment = self.clock.now();
        let mut ready = std::mem::take(&mut self.ready);
        self.control.ready_list().take(&mut ready, cx.waker());
        for source in ready.drain(..) {
            match source {
                Source::Session(number) => self.turn(number),
                Source::Listener(index) => self.accept(index),
                Source::Timer => self.timer.went_off(),
                Source::Control => match self.control.wish() {
                    Some(Wish::Stop) => return Poll::Ready(()),
                    Some(Wish::Drain { within }) => self.drain(within),
                    None => {}
                },
            }
        }
        // What came to the worker's own list meanwhile waits until the runtime has looked at the sockets.
        ready.append(&mut self.ready);
        self.ready = ready;
        self.keep_time();
        if self.draining && self.slots.is_empty() {
            return Poll::Ready(());
        }
        if !self.ready.is_empty() {
            // Not a plain wake-up, with which a runtime may come back before it has looked at them.
            let _pending = pin!(yield_now()).poll(cx);
        }
        Poll::Pending
    }

    fn turn(&mut self, number: u32) {
        match self.slots.turn(number, &mut self.shared) {
            Some(Next::Sleep(Some(deadline))) => self.deadlines.set(number, deadline.0),
            Some(Next::Again) if self.slots.list(number) => self.ready.push(Source::Session(number)),
            Some(Next::Done) => {
                self.deadlines.clear(number);
                if self.acceptance == Acceptance::Full {
                    self.accept_from_all();
                }
            }
            Some(Next::Sleep(None) | Next::Again) | None => {}
        }
    }
}

/// Accepting.
impl Worker {
    fn accept_from_all(&mut self) {
        self.acceptance = Acceptance::Open;
        for (index, acceptor) in (0..).zip(&self.acceptors) {
            if acceptor.list() {
                self.ready.push(Source::Listener(index));
            }
        }
    }

    fn accept(&mut self, index: u16) {
        if let Some(acceptor) = self.acceptors.get(usize::from(index)) {
            acceptor.begin();
        }
        for _ in 0..ACCEPTS {
            if self.acceptance != Acceptance::Open || !self.has_room() {
                return;
            }
            let Some(acceptor) = self.acceptors.get(usize::from(index)) else { return };
            match acceptor.poll_accept() {
                Poll::Pending => return,
                Poll::Ready(Ok(accepted)) => {
                    let config = Arc::clone(acceptor.config());
                    self.begin(accepted, config);
                }
                Poll::Ready(Err(error)) => self.accept_failed(error),
            }
        }
        if self.acceptors.get(usize::from(index)).is_some_and(Acceptor::list) {
            self.ready.push(Source::Listener(index));
        }
    }

    fn begin(&mut self, accepted: Accepted, config: Arc<Config>) {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        self.told = false;
        let Accepted { stream, remote, local } = accepted;
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let client = ClientInfo { remote, local, serial, secret: self.secret };
        let session = Session::new(Arc::clone(&config), client, self.shared.now());
        let connection = Connection::new(session, config, stream);
        let number = self.slots.insert(connection, self.control.ready_list());
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
        // The client has left already: none of our business.
        if matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::NotConnected
                | io::ErrorKind::Interrupted
        ) {
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
            self.shared.log.event(severity, message, self.shared.moment);
        }
    }
}

/// Time, and the end.
impl Worker {
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
            pool.retain(|stream| is_quiet(stream));
            self.sweep = None;
        }
        if self.sweep.is_none() && !pool.is_empty() {
            self.sweep = Some(now.after(SWEEP));
        }
    }

    fn drain(&mut self, within: Option<Duration>) {
        if std::mem::replace(&mut self.draining, true) {
            return;
        }
        self.acceptors.clear();
        self.shared.pool.retain(|_| false);
        let until = within.map(|within| self.shared.now().tick.after(within));
        for (number, connection) in self.slots.iter_mut() {
            connection.session.handle_drain(until, &mut self.shared.lend());
            self.ready.push(Source::Session(number));
        }
    }
}
