//! A seeded simulation: a worker with many sessions, hostile clients and origin servers, and a network between
//! them, all in virtual time.
//!
//! A seed becomes a [`Script`]; running it is deterministic. Peers are written from the RFCs and read what they
//! get with a reader of their own ([`crate::wire`]); every byte of content says whose it is and where it
//! belongs. What has to hold is checked as it happens: a run that breaks a property panics, and
//! [`shrink()`] takes everything out of its script that isn't needed for that.

mod client;
mod errands;
mod generate;
mod ledger;
mod message;
mod network;
mod oracle;
mod origin;
pub mod script;
mod sender;
mod settings;
mod shell;
mod shrink;
mod traces;
mod worker;

pub use script::Script;
pub use shrink::{Failure, run, shrink};
pub use traces::run_traced;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use underpass_core::{
    Address, ClientInfo, Now, Tick,
    trace::{Setting, Traced},
};

use client::Client;
use ledger::Ledger;
use network::{EndOf, Network};
use origin::Origin;
use script::Happening;
use worker::{Live, Worker};

/// Wake-ups after which a run is taken for one that never ends.
const FOREVER: u64 = 3_000_000;

/// Microseconds after which a run is taken for one that never ends.
const LONG: u64 = 3_600_000_000;

/// What a run has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Reports that sessions got.
    pub steps: u64,
    /// Exchanges that are over.
    pub exchanges: u64,
    /// Tunnels among them.
    pub tunnels: u64,
    /// Exchanges whose response came whole, or whose tunnel ended in order.
    pub complete: u64,
    /// Attempts beyond the first, and connections that were used again.
    pub retries: u64,
    /// Requests over connections that had served one before.
    pub reused: u64,
    /// Virtual seconds.
    pub seconds: u64,
}

/// Who is to look what there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wake {
    Nothing,
    Arrival(usize),
    Client(usize),
    Origin(usize),
    Session(usize),
    Dial(usize, u32),
    Event(usize),
    DrainIsOver,
}

/// A run.
#[derive(Debug)]
struct Simulation {
    script: Script,
    ledger: Ledger,
    network: Network,
    worker: Worker,
    clients: Vec<Option<Client>>,
    origins: Vec<Origin>,
    /// Who is at the passive end of each connection: an origin server, or a session.
    owners: Vec<Wake>,
    /// Which session uses the active end of an upstream connection.
    users: Vec<Option<usize>>,
    /// Bytes that were read from each upstream connection when it was pooled.
    reads: Vec<u64>,
    /// Time, what comes first at that time, and in the order of its making.
    queue: BinaryHeap<Reverse<(u64, u32, u64, Wake)>>,
    scheduled: u64,
    /// When somebody is to be woken next because time has passed.
    alarms: BTreeMap<Wake, u64>,
    /// Microseconds.
    time: u64,
    now: Now,
    random: fastrand::Rng,
    steps: u64,
    notes: u64,
    /// Whether sessions are traced, and how.
    tracing: Option<Setting>,
    /// Traces that were replayed.
    replayed: u64,
}

impl Simulation {
    fn new(script: Script) -> Self {
        let ledger = Ledger::new(&script, settings::setting(script.setting));
        let random = fastrand::Rng::with_seed(script.seed);
        let mut simulation = Self {
            ledger,
            network: Network::default(),
            worker: Worker::default(),
            clients: Vec::new(),
            origins: Vec::new(),
            owners: Vec::new(),
            users: Vec::new(),
            reads: Vec::new(),
            queue: BinaryHeap::new(),
            scheduled: 0,
            alarms: BTreeMap::new(),
            time: 0,
            now: Now { tick: Tick(0), unix_ms: 784_111_777_000, utc_offset_min: 0 },
            random,
            steps: 0,
            notes: 0,
            tracing: None,
            replayed: 0,
            script,
        };
        for number in 0..simulation.script.clients.len() {
            simulation.schedule(simulation.script.clients[number].arrives, Wake::Arrival(number));
            simulation.clients.push(None);
        }
        for number in 0..simulation.script.events.len() {
            simulation.schedule(simulation.script.events[number].at, Wake::Event(number));
        }
        simulation
    }

    fn schedule(&mut self, at: u64, wake: Wake) {
        self.scheduled += 1;
        // What happens at the same moment happens in any order.
        self.queue.push(Reverse((at.max(self.time), self.random.u32(..), self.scheduled, wake)));
    }

    /// Wakes somebody when time has passed, unless that happens earlier anyway.
    fn alarm(&mut self, at: u64, wake: Wake) {
        if self.alarms.get(&wake).is_none_or(|earlier| *earlier > at) {
            self.alarms.insert(wake, at);
            self.schedule(at, wake);
        }
    }

    /// Runs to the end.
    fn run(&mut self) -> Stats {
        let mut wakes = 0;
        while let Some(Reverse((at, _, _, wake))) = self.queue.pop() {
            wakes += 1;
            assert!(wakes < FOREVER && at < LONG, "a run that never ends: {wake:?} at {at}");
            self.set_time(at.max(self.time));
            if self.alarms.get(&wake).is_some_and(|alarm| *alarm <= self.time) {
                self.alarms.remove(&wake);
            }
            self.wake(wake);
            for (at, end) in std::mem::take(&mut self.network.wakes) {
                let wake = self.owner(end);
                self.schedule(at, wake);
            }
        }
        self.check_the_end()
    }

    fn set_time(&mut self, time: u64) {
        let passed = time - self.time;
        self.time = time;
        self.now.tick = Tick(time * 1000);
        self.now.unix_ms = self.now.unix_ms.saturating_add(passed / 1000);
    }

    fn wake(&mut self, wake: Wake) {
        match wake {
            Wake::Nothing => {}
            Wake::Arrival(number) => self.arrive(number),
            Wake::Client(number) => {
                let Some(client) = &mut self.clients[number] else { return };
                if let Some(later) = client.wake(&mut self.network, &mut self.ledger, self.time) {
                    self.alarm(later, wake);
                }
            }
            Wake::Origin(number) => {
                let origin = &mut self.origins[number];
                if let Some(later) = origin.wake(&mut self.network, &mut self.ledger, self.time) {
                    self.alarm(later, wake);
                }
            }
            Wake::Session(number) => {
                if self.worker.live.get(number).is_some_and(|live| live.session.is_some()) {
                    self.turn(number);
                }
            }
            Wake::Dial(number, errand) => self.dialled(number, errand),
            Wake::Event(number) => self.happen(number),
            Wake::DrainIsOver => self.check_drained(),
        }
    }

    fn arrive(&mut self, number: usize) {
        let plan = self.script.clients[number].clone();
        let connection = self.network.connect(plan.latency, plan.capacity);
        let end = EndOf { connection, active: true };
        self.owners.resize(connection + 1, Wake::Nothing);
        self.reads.resize(connection + 1, 0);
        let client = Client::new(plan, end);
        self.clients[number] = Some(client);
        let ip = |text: &str| Address::Ip(text.parse().expect("an address"));
        let info = ClientInfo::new(ip("127.0.0.1:50000"), ip("127.0.0.1:8080"), number as u64, [7; 16]);
        let config = std::sync::Arc::clone(&self.ledger.setting.config);
        let (splices, notices) = (self.random.u8(..) < 80, self.random.bool());
        // Sessions have the numbers of their clients.
        while self.worker.live.len() <= number {
            self.worker.live.push(Live::default());
        }
        if self.worker.draining {
            // The listener is closed: the connection is refused, or was accepted by nobody.
            self.network.close(end.other(), underpass_core::Ending::Reset, self.time);
        } else {
            self.worker.live[number] = Live::new(
                Traced::new(config, info, self.now, self.tracing.as_ref()),
                end.other(),
                splices,
                notices,
            );
            self.owners[connection] = Wake::Session(number);
            self.schedule(self.time, Wake::Session(number));
        }
        self.schedule(self.time, Wake::Client(number));
    }

    /// Who looks at this end.
    fn owner(&self, end: EndOf) -> Wake {
        let passive = self.owners.get(end.connection).copied().unwrap_or(Wake::Nothing);
        match (passive, end.active) {
            (passive, false) => passive,
            (Wake::Origin(_), true) => {
                self.users.get(end.connection).copied().flatten().map_or(Wake::Nothing, Wake::Session)
            }
            (Wake::Session(number), true) => Wake::Client(number),
            // A client whose connection was refused.
            (_, true) => self
                .clients
                .iter()
                .position(|client| client.as_ref().is_some_and(|client| client.end == end))
                .map_or(Wake::Nothing, Wake::Client),
        }
    }

    fn happen(&mut self, number: usize) {
        match self.script.events[number].what {
            Happening::Drain(within) => self.drain(within),
            Happening::Leap(time) => self.set_time(self.time + time),
            Happening::Wall(ms) => self.now.unix_ms = self.now.unix_ms.saturating_add_signed(ms),
        }
    }

    /// Rule C8.
    fn drain(&mut self, within: Option<u64>) {
        if self.worker.draining {
            return;
        }
        self.worker.draining = true;
        let mut idle = Vec::new();
        self.worker.pool.retain(|end| {
            idle.push(*end);
            false
        });
        for end in idle {
            self.network.close(end, underpass_core::Ending::Fin, self.time);
        }
        let until = within.map(|within| self.time + within);
        for number in 0..self.worker.live.len() {
            self.drain_session(number, until);
        }
        if let Some(until) = until {
            self.schedule(until + 1, Wake::DrainIsOver);
        }
    }
}

impl std::ops::AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.exchanges += other.exchanges;
        self.tunnels += other.tunnels;
        self.complete += other.complete;
        self.retries += other.retries;
        self.reused += other.reused;
        self.seconds += other.seconds;
    }
}

impl std::fmt::Display for Stats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { steps, exchanges, tunnels, complete, retries, reused, seconds } = self;
        write!(
            f,
            "{steps} steps, {exchanges} exchanges ({complete} complete, {tunnels} tunnels, {retries} retried, \
             {reused} on a used connection), {seconds} virtual seconds"
        )
    }
}
