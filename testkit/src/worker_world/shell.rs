//! The shell: moves the bytes of all sessions of a worker.
//!
//! It obeys the contract and nothing more: it reads and writes as little as it likes, in any order, calls
//! without a reason where that has to change nothing, and keeps answers until they come too late.

use underpass_core::{
    Admission, Ending, Event, Fault, Output, Relayed, Side, Snapshot, Tick, Turn, Wait, trace::Traced,
};

use super::{
    Simulation, Wake,
    network::EndOf,
    worker::{Exchange, Facts, Live},
};

/// Bytes that the pipe of a relay holds.
const PIPE: usize = 64 << 10;

#[derive(Clone, Copy, Debug)]
enum Step {
    Write(Side),
    Read(Side),
    Relay(Side),
}

impl Simulation {
    /// One turn of a session: bounded, never sleeps.
    pub(super) fn turn(&mut self, number: usize) {
        let rounds = self.random.usize(1..6);
        for _ in 0..rounds {
            let Some(wait) = self.obey(number) else { return };
            let is_due = wait.deadline.is_some_and(|deadline| deadline <= self.now.tick);
            if !is_due && self.random.u8(..) < 40 {
                self.report_nothing(number);
            }
            let mut steps = [
                Step::Write(Side::Downstream),
                Step::Write(Side::Upstream),
                Step::Read(Side::Downstream),
                Step::Read(Side::Upstream),
                Step::Relay(Side::Downstream),
                Step::Relay(Side::Upstream),
            ];
            self.random.shuffle(&mut steps);
            let mut moved = false;
            for step in steps {
                moved |= match step {
                    Step::Write(side) => wait.writes(side) && self.write(number, side),
                    Step::Read(side) if wait.reads(side) => self.read(number, side),
                    Step::Read(side) => self.notice_reset(number, side),
                    // The permission is as old as the wait: what was read since goes first.
                    Step::Relay(side) => !moved && self.relay_past(number, side, wait.relays(side)),
                };
            }
            for side in Side::BOTH {
                moved |= wait.acknowledges(side) && self.acknowledge(number, side);
            }
            if moved {
                continue;
            }
            if !is_due {
                self.rest(number);
                return;
            }
            self.report(number, Traced::handle_timeout);
        }
        // Others have their turn first.
        self.schedule(self.time, Wake::Session(number));
    }

    pub(super) fn report<T>(
        &mut self,
        number: usize,
        report: impl FnOnce(&mut Traced, &mut Turn<'_>) -> T,
    ) -> T {
        self.steps += 1;
        let turn = &mut Turn { now: self.now, buffers: &mut self.worker.buffers };
        let live = &mut self.worker.live[number];
        let session = live.session.as_mut().expect("a session that is not over");
        let reported = report(session, turn);
        if self.tracing.is_some() {
            live.snapshots.push(session.snapshot(self.now.tick));
        }
        reported
    }

    pub(super) fn live(&mut self, number: usize) -> &mut Live {
        &mut self.worker.live[number]
    }

    pub(super) fn end(&self, number: usize, side: Side) -> Option<EndOf> {
        let live = &self.worker.live[number];
        match side {
            Side::Downstream => (!live.client_closed).then_some(live.client),
            Side::Upstream => live.upstream.as_ref().map(|upstream| upstream.end.connection),
        }
    }

    /// Polls to `Wait`, or to the end.
    fn obey(&mut self, number: usize) -> Option<Wait> {
        for _ in 0..1000 {
            let live = &mut self.worker.live[number];
            match live.session.as_mut()?.poll_output() {
                Output::Resolve(_) => panic!("no name is to be looked up"),
                Output::Admit(claim) => self.report(number, |session, turn| {
                    session.handle_admitted(claim, Admission::Granted, turn);
                }),
                Output::Connect(dial) => self.connect(number, dial),
                Output::Judge(verdict) => {
                    if let Some(upstream) = &live.upstream {
                        upstream.lease.judge(verdict, self.now.tick);
                    }
                }
                Output::Release(_, verdict, disposal) => self.release(number, verdict, disposal),
                Output::Shutdown(side) => {
                    let end = self.end(number, side).expect("a connection to shut down");
                    self.network.shut_down(end, self.time);
                }
                Output::Close(ending) => self.close(number, ending),
                Output::Note(note) => {
                    assert_ne!(note.event, Event::IllegalTransition);
                    let mut line = Vec::new();
                    live.session.as_ref()?.record().write_note(&note, &mut line);
                    assert!(!line.contains(&b'\n'), "a log line is one line");
                    self.notes += 1;
                }
                Output::LogTunnel(_) => {
                    let record = live.session.as_ref()?.record();
                    record.write_tunnel_line(self.now, &mut Vec::new(), &mut |_, line| {
                        assert!(!line.contains(&b'\n'), "a log line is one line");
                    });
                }
                Output::ExchangeDone => self.exchange_is_done(number),
                Output::Wait(wait) => {
                    live.wait = Some(wait);
                    return Some(wait);
                }
                Output::Done => {
                    assert!(live.client_closed, "a session is done whose client was never closed");
                    assert!(live.upstream.is_none(), "a session is done that holds an upstream connection");
                    assert!(live.dial.is_none(), "a session is done whose dial was not cancelled");
                    let mut session = live.session.take()?;
                    let trace = session.take_lines();
                    session.recycle(&mut self.worker.buffers);
                    if let Some(trace) = trace {
                        self.check_trace(number, &trace);
                    }
                    return None;
                }
            }
        }
        panic!("outputs without an end");
    }

    fn close(&mut self, number: usize, ending: Ending) {
        let time = self.time;
        let live = self.live(number);
        assert!(!live.client_closed, "the client's connection is closed twice");
        live.client_closed = true;
        let client = live.client;
        self.network.close(client, ending, time);
    }

    fn exchange_is_done(&mut self, number: usize) {
        let origin = match self.end(number, Side::Upstream).map(|end| self.owners[end.connection]) {
            Some(Wake::Origin(origin)) => Some(origin),
            _ => self.last_origin(number),
        };
        let live = &mut self.worker.live[number];
        let Some(session) = &live.session else { return };
        let record = session.record();
        assert_eq!(record.bytes_sent(), live.facts.sent, "$bytes_sent");
        assert!(!live.is_last, "bytes behind a refused upgrade were taken for a request");
        let tunnel = record.tunnel().map(|t| (t.from_client, t.from_upstream, t.ended, t.cut));
        let asked = self.clients[number].as_ref();
        let end = asked.and_then(|client| client.end_of_upgrade(live.exchanges.len()));
        live.is_last = tunnel.is_none() && end.is_some_and(|end| live.read > end);
        live.exchanges.push(Exchange {
            status: record.status(),
            outcome: record.outcome(),
            tunnel,
            attempts: live.facts.attempts.len(),
            origin,
        });
        let mut lines = 0;
        record.write_lines(self.now, &mut Vec::new(), &mut |_, _| lines += 1);
        live.facts = Facts::default();
    }

    fn last_origin(&self, number: usize) -> Option<usize> {
        self.origins.iter().rposition(|origin| origin.user == Some(number))
    }

    fn write(&mut self, number: usize, to: Side) -> bool {
        let Some(end) = self.end(number, to) else { return false };
        let limit = match self.random.u8(..) {
            0..=90 => self.random.usize(1..40),
            91..=120 => self.random.usize(1..2000),
            _ => usize::MAX,
        };
        let live = &mut self.worker.live[number];
        let Some(session) = &mut live.session else { return false };
        let slices = session.transmit(session.connection(to));
        if slices.total() == 0 {
            return false;
        }
        assert!(slices.len() <= 4);
        let mut given = Vec::new();
        for slice in &*slices {
            given.extend_from_slice(slice);
        }
        let result = self.network.write(end, std::iter::once(given.as_slice()), limit, self.time);
        let live = self.live(number);
        if let Ok(count) = result {
            live.gave(to, &given[..count]);
        }
        self.report(number, |session, turn| session.handle_sent(session.connection(to), result, turn));
        result != Err(Fault::WOULD_BLOCK)
    }

    fn read(&mut self, number: usize, from: Side) -> bool {
        let Some(end) = self.end(number, from) else { return false };
        let limit = match self.random.u8(..) {
            0..=60 => self.random.usize(1..60),
            _ => usize::MAX,
        };
        let live = &mut self.worker.live[number];
        let Some(session) = &mut live.session else { return false };
        let turn = &mut Turn { now: self.now, buffers: &mut self.worker.buffers };
        let Some(space) = session.receive_space(session.connection(from), turn) else { return false };
        assert!(!space.is_empty(), "space is lent that holds nothing");
        let limit = limit.min(space.len());
        let result = self.network.read(end, &mut space[..limit], self.time);
        match (result, &mut live.upstream, from) {
            (Ok(count), _, Side::Downstream) => live.read += count,
            (Ok(count), Some(upstream), Side::Upstream) => upstream.read += count as u64,
            _ => {}
        }
        self.report(number, |session, turn| session.handle_received(session.connection(from), result, turn));
        result != Err(Fault::WOULD_BLOCK)
    }

    fn acknowledge(&mut self, number: usize, to: Side) -> bool {
        let has_all = self.end(number, to).is_some_and(|end| self.network.has_acknowledged(end));
        if has_all {
            self.report(number, |session, turn| session.handle_acknowledged(session.connection(to), turn));
        }
        has_all
    }

    /// A reset can be noticed where nothing is read; it is told once.
    fn notice_reset(&mut self, number: usize, side: Side) -> bool {
        let live = &self.worker.live[number];
        let Some(end) =
            self.end(number, side).filter(|_| live.notices_resets && !live.told_of_reset[side as usize])
        else {
            return false;
        };
        let Some(Some(fault)) = self.network.readable(end, self.time) else { return false };
        self.live(number).told_of_reset[side as usize] = true;
        self.report(number, |session, turn| {
            session.handle_received(session.connection(side), Err(fault), turn);
        });
        true
    }

    /// Takes the way past the session, as `splice` would.
    fn relay_past(&mut self, number: usize, from: Side, most: u64) -> bool {
        let (Some(source), Some(sink)) = (self.end(number, from), self.end(number, from.opposite())) else {
            return false;
        };
        let time = self.time;
        let limit = self.random.usize(1..5000);
        let live = &mut self.worker.live[number];
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if !live.splices || (most == 0 && live.pipes[from as usize].is_empty()) {
            return false;
        }
        let mut pipe = std::mem::take(&mut live.pipes[from as usize]);
        let before = pipe.len();
        pipe.resize(PIPE.min(before.saturating_add(limit.min(most))).max(before), 0);
        let mut taken = 0;
        if most > 0 && self.network.readable(source, time) == Some(None) {
            // The end of the stream is read by the session itself.
            taken = self.network.read(source, &mut pipe[before..], time).unwrap_or(0);
        }
        pipe.truncate(before + taken);
        let result = if pipe.is_empty() {
            Ok(0)
        } else {
            self.network.write(sink, std::iter::once(pipe.as_slice()), limit, time)
        };
        let delivered = result.unwrap_or(0);
        let live = &mut self.worker.live[number];
        live.gave(from.opposite(), &pipe[..delivered]);
        pipe.drain(..delivered);
        live.pipes[from as usize] = pipe;
        let moved = Relayed { taken: taken as u64, delivered: delivered as u64 };
        self.report(number, |session, turn| session.handle_relayed(session.connection(from), moved, turn));
        if let Err(fault) = result
            && !fault.is_transient()
        {
            self.report(number, |session, turn| {
                session.handle_sent(session.connection(from.opposite()), Err(fault), turn);
            });
            return true;
        }
        taken + delivered > 0
    }

    /// Calls that have to change nothing: too early, about connections that are gone.
    fn report_nothing(&mut self, number: usize) {
        let before = self.snapshot(number);
        let reset: Fault = std::io::ErrorKind::ConnectionReset.into();
        let upstream = self.end(number, Side::Upstream).is_some();
        let kind = self.random.u8(0..5);
        self.report(number, |session, turn| match kind {
            0 if !upstream => session.handle_received(session.connection(Side::Upstream), Ok(7), turn),
            1 if !upstream => session.handle_received(session.connection(Side::Upstream), Err(reset), turn),
            2 if !upstream => session.handle_sent(session.connection(Side::Upstream), Ok(7), turn),
            3 if !upstream => session.handle_sent(session.connection(Side::Upstream), Err(reset), turn),
            _ => session.handle_timeout(turn),
        });
        self.changed_nothing(number, &before, "a report about nothing");
    }

    /// The worker drains (rule C8).
    pub(super) fn drain_session(&mut self, number: usize, until: Option<u64>) {
        if self.worker.live[number].session.is_none() {
            return;
        }
        let until = until.map(|until| Tick(until * 1000));
        self.report(number, |session, turn| {
            session.handle_drain(underpass_core::Draining::Quit(until), turn);
        });
        self.turn(number);
    }

    pub(super) fn snapshot(&self, number: usize) -> Option<Snapshot> {
        Some(self.worker.live[number].session.as_ref()?.snapshot(self.now.tick))
    }

    pub(super) fn changed_nothing(&self, number: usize, before: &Option<Snapshot>, what: &str) {
        let after = self.snapshot(number);
        let name = |snapshot: &Option<Snapshot>| snapshot.as_ref().map(Snapshot::exchange);
        assert!(after == *before, "{what} changed something: {:?} became {:?}", name(before), name(&after));
    }

    /// At rest: what the contract says of a session that waits.
    fn rest(&mut self, number: usize) {
        // "Would block" is a report, too.
        let Some(wait) = self.obey(number) else { return };
        let now = self.now.tick;
        let size = self.worker.buffers.size();
        let live = self.live(number);
        let Some(session) = &mut live.session else { return };
        match session.poll_output() {
            Output::Wait(again) => assert_eq!(wait, again, "polling is not idempotent"),
            other => panic!("{other:?} after Wait without a report between"),
        }
        let snapshot = session.snapshot(now);
        for side in Side::BOTH {
            assert!(!wait.writes(side) || can_send(session, side), "nothing to write");
            // A buffer, and what stands around its content.
            let held = snapshot.buffered(side);
            assert!(held <= size + 2048, "{held} bytes are held of the {side:?}");
        }
        let deadline =
            wait.deadline.unwrap_or_else(|| panic!("a session waits without a deadline: {snapshot:?}"));
        assert_ne!(deadline, Tick(0), "a session at rest has work to do at once");
        self.alarm(deadline.0.div_ceil(1000), Wake::Session(number));
    }
}

/// Whether a session has something to send. A copy is asked: memory that is lent has to be reported.
fn can_send(session: &Traced, to: Side) -> bool {
    let mut copy = session.clone();
    copy.transmit(copy.connection(to)).total() > 0
}

impl Live {
    fn gave(&mut self, to: Side, bytes: &[u8]) {
        match to {
            Side::Downstream => {
                self.facts.sent += bytes.len() as u64;
                let room = 4096_usize.saturating_sub(self.facts.to_client.len()).min(bytes.len());
                self.facts.to_client.extend_from_slice(&bytes[..room]);
            }
            Side::Upstream => {
                if let Some(sent) = self.facts.attempts.last_mut() {
                    *sent += bytes.len() as u64;
                }
            }
        }
    }
}
