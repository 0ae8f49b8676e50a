//! The shell of a simulated world.

use std::{net::IpAddr, sync::Arc};

use underpass_core::{
    Address, Admission, Connected, Dial, DialError, Disposal, Ending, Event, Fault, Leg, Lookup, Output,
    Relayed, Side, Tick, TunnelEvent, Turn, Verdict, Wait, shared::Lease,
};

use super::{Connect, End, Exchange, Machine, Origin, World, name};

/// Rounds after which a session that has still something to do is taken for one that never rests.
const ROUNDS: usize = 200_000;

/// Bytes that a pipe holds.
const PIPE: usize = 64 << 10;

impl World {
    /// Moves bytes and runs errands until nothing is left to be done at this moment.
    ///
    /// # Panics
    /// When the session breaks the contract, or never comes to rest.
    pub fn run(&mut self) {
        for _ in 0..ROUNDS {
            let Some(wait) = self.obey() else { return self.come_back() };
            let due = wait.deadline.is_some_and(|deadline| deadline <= self.now.tick);
            let moved = match self.order.reads_first {
                _ if self.completion.is_some() => self.complete(wait) | self.notice_resets(wait),
                false => self.relay_past(wait) | self.write(wait) | self.read(wait),
                true => self.relay_past(wait) | self.read(wait) | self.write(wait),
            } | self.acknowledge(wait);
            if due {
                // What has come at the last moment has come in time.
                let (session, mut turn) = self.parts();
                session.handle_timeout(&mut turn);
            }
            if !moved && !due {
                self.rest();
                return;
            }
        }
        panic!("the session never comes to rest: {:?}", self.session.snapshot(self.now.tick));
    }

    /// Everybody leaves, and time passes: the end.
    ///
    /// # Panics
    /// When it doesn't come, or something other than a dial is out.
    pub fn wind_up(&mut self) {
        if self.is_out() {
            self.answer_dial(Connect::Refuse);
        }
        self.connects_else = Connect::Refuse;
        self.client.set_window(usize::MAX);
        self.client_ends();
        for _ in 0..200 {
            if self.done {
                return;
            }
            assert!(self.elapse_to_deadline() || self.done, "nothing will ever end");
        }
        panic!("it doesn't end: {:?}", self.session.snapshot(self.now.tick));
    }

    /// The dial that is out gets its answer.
    ///
    /// # Panics
    /// When none is out.
    pub fn answer_dial(&mut self, connect: Connect) {
        let (dial, lease) = self.tokens.dial.take().expect("a dial is out");
        self.answer(dial, lease, connect);
        self.run();
    }

    /// The lookup that is out gets its answer, which may come too late.
    ///
    /// # Panics
    /// When none is out.
    pub fn answer_lookup(&mut self, result: Result<&[IpAddr], Fault>) {
        let lookup = self.tokens.lookup.take().expect("a lookup is out");
        let (session, mut turn) = self.parts();
        session.handle_resolved(lookup, result, &mut turn);
        self.run();
    }

    /// The claim that is out gets its answer, which may come too late.
    ///
    /// # Panics
    /// When none is out.
    pub fn answer_claim(&mut self, admission: Admission) {
        let claim = self.tokens.claim.take().expect("a claim is out");
        let (session, mut turn) = self.parts();
        session.handle_admitted(claim, admission, &mut turn);
        self.run();
    }

    /// Polls to `Wait`, which is kept, or to `Done`.
    fn obey(&mut self) -> Option<Wait> {
        for _ in 0..ROUNDS {
            match self.session.poll_output() {
                Output::Resolve(lookup) => self.resolve(lookup),
                // Nobody else decides of requests that are admitted but for the tunnels that come of them.
                Output::Admit(claim) if claim.rules().is_none() => {
                    let admission = match claim.admit_tunnel() {
                        Ok(permit) => {
                            self.permit = permit.map(Arc::new);
                            Admission::Granted
                        }
                        Err(refusal) => Admission::Refused(refusal),
                    };
                    let (session, mut turn) = self.parts();
                    session.handle_admitted(claim, admission, &mut turn);
                }
                Output::Admit(claim) => match self.admission {
                    None => self.tokens.claim = Some(claim),
                    Some(admission) => {
                        let (session, mut turn) = self.parts();
                        session.handle_admitted(claim, admission, &mut turn);
                    }
                },
                Output::Connect(dial) => self.dial(dial),
                Output::Judge(verdict) => {
                    if let Some(lease) = &self.lease {
                        lease.judge(verdict, self.now.tick);
                    }
                }
                Output::Release(leg, verdict, disposal) => {
                    self.cancel(leg, true);
                    self.release(verdict, disposal);
                }
                Output::Shutdown(side) => {
                    self.cancel(self.session.connection(side), false);
                    self.peer(side).expect("a connection to shut down").shut_down();
                }
                Output::Close(ending) => {
                    self.cancel(Leg::CLIENT, true);
                    assert!(self.closed.is_none(), "the client's connection is closed twice");
                    self.closed = Some(ending);
                    self.client.close(ending);
                }
                Output::Note(note) => {
                    assert_ne!(note.event, Event::IllegalTransition);
                    self.notes.push((note.event, self.session.line(&note)));
                }
                Output::LogTunnel(event) => self.log_of_tunnel(event),
                Output::ExchangeDone => {
                    self.log_exchange();
                    self.permit = None;
                }
                Output::Wait(wait) => {
                    assert!(!self.done, "a session waits after it was done");
                    self.wait = Some(wait);
                    return Some(wait);
                }
                Output::Done => {
                    assert!(self.closed.is_some(), "a session is done whose client was never closed");
                    assert!(self.upstream.is_none(), "a session is done that holds an upstream connection");
                    assert!(!self.dials(), "a session is done whose dial was not cancelled");
                    self.done = true;
                    self.wait = None;
                    return None;
                }
            }
        }
        panic!("outputs without an end: {:?}", self.session.snapshot(self.now.tick));
    }

    fn resolve(&mut self, lookup: Lookup) {
        match self.addresses.clone() {
            None => self.tokens.lookup = Some(lookup),
            Some(result) => {
                let (session, mut turn) = self.parts();
                session.handle_resolved(lookup, result.as_deref().map_err(|fault| *fault), &mut turn);
            }
        }
    }

    fn dial(&mut self, mut dial: Dial) {
        dial.tell_local(|ip| self.local.contains(&ip));
        assert!(self.upstream.is_none(), "a dial while an upstream connection is held");
        if let Some(peer) = dial.tls() {
            self.secured_with.push((peer.settings.0, peer.name.to_string()));
            self.preambles.push(String::from_utf8_lossy(dial.preamble()).into_owned());
        }
        match self.session.session().choose(&dial, self.now.tick) {
            Err(error) => {
                let (session, mut turn) = self.parts();
                session.handle_connected(dial, Err(error), &mut turn);
            }
            Ok(choice) => {
                let (session, mut turn) = self.parts();
                let lease = session.handle_chosen(&dial, choice, &mut turn);
                let pooled = self.origins.iter().rposition(|o| o.idle && o.address == *lease.address());
                if let (true, Some(index)) = (dial.may_reuse(), pooled) {
                    self.origins[index].idle = false;
                    return self.established(dial, lease, index, true);
                }
                let listens = self.listens.is_none_or(|only| Address::Ip(only) == *lease.address());
                let next = self.connects.pop_front().unwrap_or(self.connects_else);
                let connect = if listens { next } else { Connect::Refuse };
                self.answer(dial, lease, connect);
            }
        }
    }

    fn answer(&mut self, dial: Dial, lease: Lease, connect: Connect) {
        match connect {
            Connect::Hang => self.tokens.dial = Some((dial, lease)),
            Connect::Refuse => {
                let refused = Fault { kind: std::io::ErrorKind::ConnectionRefused, os: Some(111) };
                self.failed(dial, lease, DialError::Io(refused));
            }
            Connect::Fail => {
                let not_ours = Fault { kind: std::io::ErrorKind::AddrNotAvailable, os: Some(99) };
                self.failed(dial, lease, DialError::Local(not_ours));
            }
            Connect::Unshaken => self.failed(dial, lease, DialError::Tls),
            Connect::Accept => {
                let address: Address = lease.address().clone();
                let mut end = End::default();
                end.set_window(self.window);
                self.origins.push(Origin { end, address, idle: false });
                let index = self.origins.len() - 1;
                self.established(dial, lease, index, false);
            }
        }
    }

    fn failed(&mut self, dial: Dial, lease: Lease, error: DialError) {
        lease.report(error.verdict(), self.now.tick);
        let (session, mut turn) = self.parts();
        session.handle_connected(dial, Err(error), &mut turn);
    }

    fn established(&mut self, dial: Dial, lease: Lease, index: usize, reused: bool) {
        let connected = if reused { Connected::Reused } else { Connected::Fresh };
        self.upstream = Some(index);
        self.lease = Some(Arc::new(lease));
        self.told_of_reset[1] = false;
        let (session, mut turn) = self.parts();
        session.handle_connected(dial, Ok(connected), &mut turn);
    }

    fn release(&mut self, verdict: Verdict, disposal: Disposal) {
        self.releases.push((verdict, disposal));
        self.pipes = Default::default();
        if let Some((_, lease)) = self.tokens.dial.take() {
            assert!(matches!(disposal, Disposal::Close(_)), "a dial can't be pooled");
            lease.report(verdict, self.now.tick);
            return;
        }
        let index = self.upstream.take().expect("something to release");
        let lease = self.lease.take().and_then(Arc::into_inner);
        if let Some(lease) = lease {
            lease.report(verdict, self.now.tick);
        }
        match disposal {
            Disposal::Pool => {
                let origin = &mut self.origins[index];
                assert!(origin.end.saw().is_none(), "a pooled connection is open");
                // A connection that is readable while idle is of no use.
                if origin.end.is_readable() {
                    origin.end.close(Ending::Fin);
                } else {
                    origin.idle = true;
                }
            }
            Disposal::Close(ending) => self.origins[index].end.close(ending),
        }
    }

    fn log_exchange(&mut self) {
        if let Machine::Tunnel(_) = self.session {
            return self.log_tunnel();
        }
        let record = self.session.record();
        let tunnel = record.tunnel().map(|t| (t.from_client, t.from_upstream, t.ended, t.cut));
        self.exchanges.push(Exchange {
            status: record.status(),
            outcome: record.outcome(),
            bytes_sent: record.bytes_sent(),
            tunnel,
        });
        let mut lines = Vec::new();
        record.write_lines(self.now, &mut Vec::new(), &mut |_, line| lines.push(line.to_vec()));
        self.log.extend(lines.iter().map(|line| String::from_utf8_lossy(line).trim_end().to_owned()));
    }

    /// A line about a tunnel. One alone has no record that writes it.
    fn log_of_tunnel(&mut self, event: TunnelEvent) {
        self.tunnel_lines.push(event);
        let Machine::Session(session) = &self.session else { return };
        let mut written = Vec::new();
        let mut write = |_, line: &[u8]| written.push(String::from_utf8_lossy(line).into_owned());
        session.record().write_tunnel_line(self.now, &mut Vec::new(), &mut write);
        assert_eq!(written.len(), 1, "a line is asked for where it is wanted");
        self.tunnel_log.extend(written.into_iter().map(|line| (event, line)));
        if let (Machine::Session(session), turn) = self.parts() {
            session.forget_exchange(turn.buffers);
        }
    }

    /// What a record would have of a tunnel alone.
    fn log_tunnel(&mut self) {
        let report = self.session.tunnel_report().expect("a tunnel has a report");
        self.exchanges.push(Exchange {
            status: 101,
            outcome: report.outcome(),
            bytes_sent: report.to_client,
            tunnel: Some((report.from_client, report.from_upstream, report.ended, report.cut)),
        });
    }

    pub(super) fn peer(&mut self, side: Side) -> Option<&mut End> {
        match side {
            Side::Downstream => Some(&mut self.client),
            Side::Upstream => self.upstream.map(|index| &mut self.origins[index].end),
        }
    }

    fn write(&mut self, wait: Wait) -> bool {
        let mut moved = false;
        for side in self.order.sides().into_iter().filter(|side| wait.writes(*side)) {
            let slices = self.session.transmit(self.session.connection(side));
            if slices.total() == 0 {
                continue;
            }
            assert!(slices.len() <= 4);
            let end = match side {
                Side::Downstream => &mut self.client,
                Side::Upstream => {
                    let index = self.upstream.expect("an upstream connection to write to");
                    &mut self.origins[index].end
                }
            };
            let result = end.write(slices.iter().map(|slice| &**slice));
            moved |= result != Err(Fault::WOULD_BLOCK);
            let (session, mut turn) = self.parts();
            session.handle_sent(session.connection(side), result, &mut turn);
        }
        moved
    }

    fn read(&mut self, wait: Wait) -> bool {
        let mut moved = false;
        for side in self.order.sides() {
            if wait.reads(side) {
                moved |= self.read_from(side);
            } else {
                moved |= self.notice_reset(side);
            }
        }
        moved
    }

    fn acknowledge(&mut self, wait: Wait) -> bool {
        let mut reported = false;
        for side in Side::BOTH.into_iter().filter(|side| wait.acknowledges(*side)) {
            if self.peer(side).is_some_and(|end| end.has_acknowledged()) {
                let (session, mut turn) = self.parts();
                session.handle_acknowledged(session.connection(side), &mut turn);
                reported = true;
            }
        }
        reported
    }

    fn cancel(&mut self, leg: Leg, reads: bool) {
        if let Some(completion) = &mut self.completion {
            completion.cancel(leg, reads);
        }
    }

    fn notice_resets(&mut self, wait: Wait) -> bool {
        let is_read = |side: Side| wait.reads(side) || self.is_being_read(side);
        let unread: Vec<_> = Side::BOTH.into_iter().filter(|side| !is_read(*side)).collect();
        unread.into_iter().fold(false, |noticed, side| noticed | self.notice_reset(side))
    }

    fn read_from(&mut self, side: Side) -> bool {
        let mut turn = Turn { now: self.now, buffers: &mut self.buffers };
        let Some(space) = self.session.receive_space(self.session.connection(side), &mut turn) else {
            return false;
        };
        assert!(!space.is_empty(), "space is lent to the {} that holds nothing", name(side));
        let end = match side {
            Side::Downstream => &mut self.client,
            Side::Upstream => {
                let index = self.upstream.expect("an upstream connection to read from");
                &mut self.origins[index].end
            }
        };
        let result = end.read(space);
        self.session.handle_received(self.session.connection(side), result, &mut turn);
        result != Err(Fault::WOULD_BLOCK)
    }

    /// A reset is noticed even where nothing is read; it is told once.
    fn notice_reset(&mut self, side: Side) -> bool {
        let Some(fault) = self.peer(side).and_then(|end| end.failure()) else { return false };
        if std::mem::replace(&mut self.told_of_reset[side as usize], true) {
            return false;
        }
        let (session, mut turn) = self.parts();
        session.handle_received(session.connection(side), Err(fault), &mut turn);
        true
    }

    /// Takes the way past the session where it is permitted, as `splice` would.
    fn relay_past(&mut self, wait: Wait) -> bool {
        let mut moved = false;
        let splices = self.splices;
        for from in Side::BOTH.into_iter().filter(|_| splices) {
            let mut pipe = std::mem::take(&mut self.pipes[from as usize]);
            let most = usize::try_from(wait.relays(from)).unwrap_or(usize::MAX);
            if most == 0 && pipe.is_empty() {
                continue;
            }
            let source = self.peer(from).expect("a source");
            let mut taken = 0;
            if most > 0 && source.has_bytes() && pipe.len() < PIPE {
                let before = pipe.len();
                pipe.resize(PIPE.min(before.saturating_add(most)), 0);
                taken = source.read(&mut pipe[before..]).expect("bytes are there");
                pipe.truncate(before + taken);
            }
            let sink = self.peer(from.opposite()).expect("a sink");
            let result = if pipe.is_empty() { Ok(0) } else { sink.write([pipe.as_slice()].into_iter()) };
            let delivered = result.unwrap_or(0);
            pipe.drain(..delivered);
            self.pipes[from as usize] = pipe;
            moved |= taken + delivered > 0;
            let (session, mut turn) = self.parts();
            session.handle_relayed(
                session.connection(from),
                Relayed { taken: taken as u64, delivered: delivered as u64 },
                &mut turn,
            );
            if let Err(fault) = result
                && !fault.is_transient()
            {
                session.handle_sent(session.connection(from.opposite()), Err(fault), &mut turn);
                moved = true;
                // Nobody takes any more what is in the pipe.
                self.pipes[from as usize].clear();
            }
            // What was reported may have changed what is wanted.
            if moved {
                return true;
            }
        }
        moved
    }

    /// At rest: what the contract says of a session that waits.
    fn rest(&mut self) {
        let Some(wait) = self.obey() else { return };
        if !self.checks {
            return;
        }
        match self.session.poll_output() {
            Output::Wait(again) => assert_eq!(wait, again, "polling is not idempotent"),
            other => panic!("{other:?} after Wait without a report between"),
        }
        let now = self.now;
        let before = self.session.snapshot(now.tick);
        let mut copy = self.session.clone();
        assert_eq!(copy.snapshot(now.tick), before, "a clone differs");
        let early = wait.deadline.is_none_or(|deadline| deadline > now.tick);
        if early {
            copy.handle_timeout(&mut Turn { now, buffers: &mut self.buffers });
            assert_eq!(copy.snapshot(now.tick), before, "a timeout that came too early changed something");
        }
        for side in Side::BOTH {
            let offered = copy.transmit(copy.connection(side)).total();
            assert!(!wait.writes(side) || offered > 0, "nothing to write for the {}", name(side));
        }
        assert!(
            wait.deadline != Some(Tick(0)) || now.tick == Tick(0),
            "a session at rest has work to do at once"
        );
    }
}
