//! One session's turn: obeys its outputs, moves its bytes. The only match on [`Output`].

mod ends;

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use underpass_core::{
    Buffers, Claim, Connected, Dial, Disposal, Ending, Leg, Now, Output, Pool, Pooled, Severity, Side, Tick,
    Turn, Verdict, Wait,
    shared::{Lease, Permit},
    trace::Traced,
};

use super::{
    Network, Stream as _,
    errand::{Brought, Errand},
    farewell::Farewell,
    machine,
    secured::Secured,
    socket,
};
use crate::{
    Moment, Service,
    admission::{Answer, Counted, Decision},
    panics::{self, Panic},
};

/// Rounds of reading and writing after which others have their turn.
const ROUNDS: u32 = 16;

/// Rounds in which what comes at the last moment still comes in time: one in which what is sent makes room, and one in
/// which there is room. Behind them a deadline that has passed is reported, whether or not bytes go on moving.
const LAST_ROUNDS: u32 = 2;

/// A session and what it uses.
pub(super) struct Connection<N: Network> {
    pub(super) session: Traced,
    service: Arc<Service>,
    /// The client's connection, until it is closed.
    client: Option<Secured<N::Stream>>,
    upstream: Option<Upstream<N>>,
    /// Boxed, so that a session without one has little to carry.
    errand: Option<Box<Errand<N>>>,
    /// What the exchange is counted by.
    permits: Option<Box<Permits>>,
    counted: Counted,
    blocked: Blocked,
    /// Sides whose write direction is to be shut down before the session waits: when their connection is
    /// closed instead, that says the same with a call less.
    shutdowns: [bool; 2],
}

/// The permits of an exchange, one in front of the others: most exchanges have none, few have several, and a quiet tunnel
/// pays for every byte.
#[expect(dead_code, reason = "a permit counts until it is dropped")]
struct Permits(Permit, Option<Box<Self>>);

/// What would block in this turn, by side: the runtime wakes the session when that changes, which is another
/// turn.
#[derive(Clone, Copy, Debug, Default)]
struct Blocked {
    reads: [bool; 2],
    writes: [bool; 2],
    /// Not all had been acknowledged.
    acknowledgements: [bool; 2],
}

/// A connection to an origin server, in use.
struct Upstream<N: Network> {
    leg: Leg,
    stream: Pooled<Secured<N::Stream>>,
    lease: Lease,
}

/// What the sessions of a worker share.
pub(super) struct Shared<N: Network> {
    pub(super) buffers: Buffers,
    pub(super) pool: Pool<Secured<N::Stream>>,
    /// How many times the configuration has been replaced.
    pub(super) generation: u64,
    pub(super) network: N,
    /// Where the guest is whose turn it is.
    pub(super) place: u32,
    /// Where log lines are put together.
    pub(super) line: Vec<u8>,
    pub(super) moment: Moment,
    /// Connections that are to be closed once their sockets have taken what waits. They have a place of their own with the next
    /// turn of the worker.
    pub(super) farewells: Vec<Farewell<N>>,
}

/// What comes after a turn.
pub(super) enum Next {
    /// Sleep until a socket or an errand is ready, or the deadline has come.
    Sleep(Option<Tick>),
    /// There may be more to do, but others come first.
    Again,
    /// The session is over.
    Done,
}

impl<N: Network> Connection<N> {
    pub(super) fn new(session: Traced, service: Arc<Service>, client: Secured<N::Stream>) -> Self {
        Self {
            session,
            service,
            client: Some(client),
            upstream: None,
            errand: None,
            permits: None,
            counted: Counted::default(),
            blocked: Blocked::default(),
            shutdowns: [false; 2],
        }
    }

    /// The session has another place.
    pub(super) fn set_place(&self, place: u32) {
        if let Some(client) = &self.client {
            client.set_place(Some(place));
        }
    }

    /// Tells the operator that the session has panicked. Nothing of it is taken for granted any more.
    pub(super) fn tell(&self, panic: &Panic, shared: &mut Shared<N>) {
        let (log, moment) = (&self.service.provisions.log, shared.moment);
        let sentence = format!("a session is ended: {panic}");
        let line = &mut shared.line;
        let told = panics::catch(|| log.remark(&self.session, Severity::Alert, &sentence, line, moment));
        if told.is_err() {
            log.event(Severity::Alert, &sentence, moment);
        }
    }

    /// Which of the worker's configurations the session began with.
    pub(super) fn generation(&self) -> u64 {
        self.service.generation
    }

    /// How many connections the session has, those that are being made included.
    pub(super) fn count(&self) -> usize {
        usize::from(self.client.is_some())
            + usize::from(self.upstream.is_some())
            + usize::from(self.errand.is_some())
    }

    /// One turn: bounded, never sleeps.
    pub(super) fn turn(&mut self, shared: &mut Shared<N>, cx: &mut Context<'_>) -> Next {
        let next = self.obey(shared, cx);
        if let Some(lines) = self.session.take_lines()
            && let Some(trace) = self.service.trace()
        {
            trace.write(&lines);
        }
        next
    }

    fn obey(&mut self, shared: &mut Shared<N>, cx: &mut Context<'_>) -> Next {
        let mut rounds = 0;
        // Since the session was told of a deadline.
        let mut rounds_since = 0;
        self.blocked = Blocked::default();
        loop {
            match self.session.poll_output() {
                Output::Resolve(lookup) => {
                    let client = self.session.record().remote();
                    let errand = Errand::resolve(lookup, &self.service.provisions, client);
                    self.errand = Some(Box::new(errand));
                }
                Output::Admit(claim) => {
                    let gate = &self.service.provisions.gate;
                    match gate.ask(&claim, self.session.record(), shared.now(), self.counted) {
                        Answer::Now(decision) => self.admit(claim, decision, shared),
                        Answer::Later(decision) => {
                            self.errand = Some(Box::new(Errand::admit(claim, decision)));
                        }
                    }
                }
                Output::Connect(dial) => self.connect(dial, shared),
                Output::Judge(verdict) => {
                    if let Some(upstream) = &self.upstream {
                        upstream.lease.judge(verdict, shared.now().tick);
                    }
                    // A tunnel may have opened, and be quiet from here on.
                    self.session.forget_exchange(&mut shared.buffers);
                }
                Output::Release(_, verdict, disposal) => self.release(verdict, disposal, shared, cx),
                Output::Shutdown(side) => self.shutdowns[side as usize] = true,
                Output::Close(ending) => {
                    if let Some(client) = self.client.take() {
                        self.say_farewell(client, ending, shared, cx);
                    }
                }
                Output::Note(note) => {
                    self.service.provisions.log.note(&self.session, &note, &mut shared.line, shared.moment);
                }
                Output::LogTunnel(_) => {
                    let now = shared.now();
                    self.service.provisions.log.tunnel(&self.session, &mut shared.line, now);
                    self.session.forget_exchange(&mut shared.buffers);
                }
                Output::ExchangeDone => {
                    // Whoever reads the line finds that there is room.
                    self.permits = None;
                    self.counted = Counted::default();
                    let now = shared.now();
                    self.service.provisions.log.exchange(&self.session, &mut shared.line, now);
                    self.session.forget_exchange(&mut shared.buffers);
                }
                Output::Wait(wait) => {
                    if rounds == ROUNDS {
                        return Next::Again;
                    }
                    rounds += 1;
                    self.shut_down(cx);
                    if rounds_since == LAST_ROUNDS && is_due(wait, shared) {
                        rounds_since = 0;
                        self.session.handle_timeout(&mut shared.lend());
                        continue;
                    }
                    rounds_since = LAST_ROUNDS.min(rounds_since + 1);
                    if !self.advance(wait, shared, cx) {
                        return Next::Sleep(wait.deadline);
                    }
                }
                Output::Done => return Next::Done,
            }
        }
    }

    /// Does what can be done without sleeping; says whether anything was.
    fn advance(&mut self, wait: Wait, shared: &mut Shared<N>, cx: &mut Context<'_>) -> bool {
        let before = self.blocked;
        let mut moved = self.poll_errand(shared, cx);
        self.flush(cx);
        // What is written makes room for what is read.
        for side in Side::BOTH {
            moved |= wait.writes(side) && self.write(side, shared, cx);
        }
        let mut came = false;
        for side in Side::BOTH {
            came |= wait.reads(side) && self.read(side, shared, cx);
        }
        if came && self.session.has_tunnel() {
            // What came in a tunnel waits for nothing: it is written at once.
            for side in Side::BOTH {
                moved |= !wait.writes(side) && self.write(side, shared, cx);
            }
        }
        moved |= came;
        for side in Side::BOTH {
            moved |= wait.acknowledges(side) && self.acknowledge(side, shared);
        }
        if moved || !is_due(wait, shared) {
            return moved;
        }
        if before.any() {
            // What comes at the last moment comes in time, so nothing is taken for granted now.
            self.blocked = Blocked::default();
        } else {
            self.session.handle_timeout(&mut shared.lend());
        }
        true
    }

    fn write(&mut self, to: Side, shared: &mut Shared<N>, cx: &mut Context<'_>) -> bool {
        if self.blocked.writes[to as usize] {
            return false;
        }
        let Some((leg, stream)) = stream(&mut self.client, &mut self.upstream, to) else { return false };
        let polled = {
            let slices = self.session.transmit(leg);
            match &*slices {
                [] => return false,
                [one] => stream.poll_write(cx, one),
                several => stream.poll_write_vectored(cx, several),
            }
        };
        self.blocked.writes[to as usize] = polled.is_pending();
        let result = socket::outcome(polled);
        self.session.handle_sent(leg, result, &mut shared.lend());
        socket::progress(result)
    }

    fn read(&mut self, from: Side, shared: &mut Shared<N>, cx: &mut Context<'_>) -> bool {
        if self.blocked.reads[from as usize] {
            return false;
        }
        let Some((leg, stream)) = stream(&mut self.client, &mut self.upstream, from) else { return false };
        let polled = {
            let Some(space) = self.session.receive_space(leg, &mut shared.lend()) else {
                return false;
            };
            stream.poll_read(cx, space)
        };
        self.blocked.reads[from as usize] = polled.is_pending();
        let result = socket::outcome(polled);
        self.session.handle_received(leg, result, &mut shared.lend());
        socket::progress(result)
    }

    fn acknowledge(&mut self, to: Side, shared: &mut Shared<N>) -> bool {
        if self.blocked.acknowledgements[to as usize] {
            return false;
        }
        let Some((leg, stream)) = stream(&mut self.client, &mut self.upstream, to) else { return false };
        let has_all = stream.has_acknowledged();
        self.blocked.acknowledgements[to as usize] = !has_all;
        if has_all {
            self.session.handle_acknowledged(leg, &mut shared.lend());
        }
        has_all
    }

    fn poll_errand(&mut self, shared: &mut Shared<N>, cx: &mut Context<'_>) -> bool {
        let Some(errand) = &mut self.errand else { return false };
        let Poll::Ready(brought) = errand.poll(&mut self.session, &mut shared.lend(), cx) else {
            return false;
        };
        self.errand = None;
        match brought {
            Brought::Nothing => {}
            Brought::Refused(reason) => {
                let Shared { line, moment, .. } = shared;
                let log = &self.service.provisions.log;
                log.remark(&self.session, Severity::Error, &reason, line, *moment);
            }
            Brought::Connection(leg, stream, lease) => {
                let stream = Pooled::new(stream, shared.now().tick);
                self.begin_upstream(leg, stream, lease);
            }
            Brought::Decision(claim, decision) => self.admit(claim, decision, shared),
        }
        true
    }

    fn admit(&mut self, claim: Claim, decision: Decision, shared: &mut Shared<N>) {
        let Decision { admission, permits, notes, counted } = decision;
        for (severity, sentence) in notes {
            let Shared { line, moment, .. } = shared;
            self.service.provisions.log.remark(&self.session, severity, &sentence, line, *moment);
        }
        // What another location was admitted with counts on.
        if !permits.is_empty() {
            let before = self.permits.take();
            self.permits =
                permits.into_iter().fold(before, |rest, permit| Some(Box::new(Permits(permit, rest))));
        }
        self.counted = counted;
        self.session.handle_admitted(claim, admission, &mut shared.lend());
    }

    fn connect(&mut self, mut dial: Dial, shared: &mut Shared<N>) {
        dial.tell_local(machine::has_address);
        let now = shared.now().tick;
        let lease = match self.session.choose(&dial, now) {
            Ok(choice) => self.session.handle_chosen(&dial, choice, &mut shared.lend()),
            Err(error) => return self.session.handle_connected(dial, Err(error), &mut shared.lend()),
        };
        while let Some(mut stream) = shared.pool(&self.service).and_then(|pool| pool.take(&dial, &lease, now))
        {
            if stream.connection.is_quiet() {
                stream.connection.set_place(Some(shared.place));
                self.begin_upstream(dial.leg(), stream, lease);
                return self.session.handle_connected(dial, Ok(Connected::Reused), &mut shared.lend());
            }
        }
        let Shared { network, place, .. } = shared;
        let errand = Errand::connect(dial, lease, &self.service.provisions, network, *place);
        self.errand = Some(Box::new(errand));
    }

    fn begin_upstream(&mut self, leg: Leg, stream: Pooled<Secured<N::Stream>>, lease: Lease) {
        self.upstream = Some(Upstream { leg, stream, lease });
        self.blocked.reads[Side::Upstream as usize] = false;
        self.blocked.writes[Side::Upstream as usize] = false;
    }

    fn release(
        &mut self,
        verdict: Verdict,
        disposal: Disposal,
        shared: &mut Shared<N>,
        cx: &mut Context<'_>,
    ) {
        let now = shared.now().tick;
        if let Some(errand) = self.errand.take() {
            errand.cancel(verdict, now);
        }
        self.shutdowns[Side::Upstream as usize] = false;
        let Some(Upstream { stream, lease, .. }) = self.upstream.take() else { return };
        match (disposal, shared.pool(&self.service)) {
            (Disposal::Pool, Some(pool)) if !stream.connection.has_unsent() => {
                stream.connection.set_place(None);
                drop(pool.put(&lease, stream, now));
            }
            (Disposal::Pool, _) => self.say_farewell(stream.connection, Ending::Fin, shared, cx),
            (Disposal::Close(ending), _) => self.say_farewell(stream.connection, ending, shared, cx),
        }
        lease.report(verdict, now);
    }
}

impl Blocked {
    fn any(self) -> bool {
        [self.reads, self.writes, self.acknowledgements].as_flattened().contains(&true)
    }
}

impl<N: Network> Shared<N> {
    pub(super) fn now(&self) -> Now {
        let Moment { monotonic_ns, unix_ms, utc_offset_min } = self.moment;
        Now { tick: Tick(monotonic_ns), unix_ms, utc_offset_min }
    }

    /// The idle connections that a session may use: those that were made for its configuration.
    fn pool(&mut self, service: &Service) -> Option<&mut Pool<Secured<N::Stream>>> {
        (service.generation == self.generation).then_some(&mut self.pool)
    }

    /// What a session is lent for one report.
    pub(super) fn lend(&mut self) -> Turn<'_> {
        Turn { now: self.now(), buffers: &mut self.buffers }
    }
}

/// Whether the deadline has passed.
fn is_due<N: Network>(wait: Wait, shared: &Shared<N>) -> bool {
    wait.deadline.is_some_and(|deadline| deadline <= shared.now().tick)
}

fn stream<'a, N: Network>(
    client: &'a mut Option<Secured<N::Stream>>,
    upstream: &'a mut Option<Upstream<N>>,
    side: Side,
) -> Option<(Leg, &'a mut Secured<N::Stream>)> {
    match side {
        Side::Downstream => client.as_mut().map(|stream| (Leg::CLIENT, stream)),
        Side::Upstream => upstream.as_mut().map(|upstream| (upstream.leg, &mut upstream.stream.connection)),
    }
}
