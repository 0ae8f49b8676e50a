//! The shell's errands: upstream connections are made, used again, and let go.

use underpass_core::{Connected, DialError, Disposal, Ending, Fault, Pooled, Verdict};

use super::{
    Simulation, Wake,
    network::EndOf,
    origin::Origin,
    script,
    worker::{Errand, Upstream},
};
use crate::wire::{self, Parsed};

impl Simulation {
    pub(super) fn connect(&mut self, number: usize, dial: underpass_core::Dial) {
        let live = &self.worker.live[number];
        assert!(
            live.upstream.is_none() && live.dial.is_none(),
            "a dial while there is an upstream connection"
        );
        self.check_retry(number);
        let line = live.session.as_ref().map_or(b"".as_slice(), |session| session.record().request_line());
        let target = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let attempt = live.facts.attempts.len();
        let facts = self.ledger.by_target(target).unwrap_or_else(|| panic!("{}", line.escape_ascii()));
        assert_eq!(facts.client, number, "a dial for another session's request");
        let meets = facts.request.answer(attempt).map_or(script::Dial::Hangs, |answer| answer.dial);
        let now = self.now.tick;
        let session = self.worker.live[number].session.as_ref().expect("it has sent us out");
        let choice = match session.choose(&dial, now) {
            Ok(choice) => choice,
            Err(error) => {
                return self.report(number, |session, turn| session.handle_connected(dial, Err(error), turn));
            }
        };
        let lease = self.report(number, |session, turn| session.handle_chosen(&dial, choice, turn));
        self.live(number).facts.attempts.push(0);
        while let Some(end) = self.worker.pool.take(&dial, &lease, now) {
            assert!(!self.worker.draining, "an idle connection that outlived the drain");
            if self.network.readable(end.connection, self.time).is_none() {
                self.begin_upstream(
                    number,
                    Upstream { read: self.reads[end.connection.connection], end, lease },
                );
                return self.report(number, |session, turn| {
                    session.handle_connected(dial, Ok(Connected::Reused), turn);
                });
            }
            self.network.close(end.connection, Ending::Fin, self.time);
        }
        let live = self.live(number);
        live.errands += 1;
        let errand = Errand { dial, lease, number: live.errands, meets };
        let (at, wake) = (errand.meets, Wake::Dial(number, live.errands));
        live.dial = Some(errand);
        match at {
            script::Dial::Accepted(after) | script::Dial::Refused(after) => {
                self.schedule(self.time + after, wake);
            }
            script::Dial::Hangs => {}
        }
    }

    /// Rule E10: no second attempt once the client has a byte of a final response, none of a request that isn't
    /// idempotent once a byte of it was sent.
    fn check_retry(&self, number: usize) {
        let live = &self.worker.live[number];
        if live.facts.attempts.is_empty() {
            return;
        }
        let mut rest = live.facts.to_client.as_slice();
        while !rest.is_empty() {
            match wire::response(rest) {
                Parsed::Complete(head, length) if head.is_interim() => rest = &rest[length..],
                Parsed::Partial if rest.starts_with(b"HTTP/1.1 1") || rest.len() < 10 => break,
                _ => panic!("another attempt behind {}", rest.escape_ascii()),
            }
        }
    }

    /// The dial with this number has its answer, or nobody waits for it any more.
    pub(super) fn dialled(&mut self, number: usize, errand: u32) {
        let live = self.live(number);
        if let Some(at) = live.late.iter().position(|(number, _)| *number == errand) {
            let (_, late) = live.late.remove(at);
            if live.session.is_some() {
                let before = self.snapshot(number);
                self.report(number, |session, turn| {
                    session.handle_connected(late, Ok(Connected::Fresh), turn);
                });
                self.changed_nothing(number, &before, "an answer that came too late");
            }
            return;
        }
        let Some(errand) = live.dial.take_if(|dial| dial.number == errand) else { return };
        if let script::Dial::Accepted(_) = errand.meets {
            let Errand { dial, lease, .. } = errand;
            let latency = self.random.u64(0..2_000);
            let capacity = self.random.usize(200..40_000);
            let connection = self.network.connect(latency, capacity);
            let end = EndOf { connection, active: true };
            self.reads.resize(connection + 1, 0);
            self.origins.push(Origin::new(end.other()));
            self.owners.resize(connection + 1, Wake::Nothing);
            self.owners[connection] = Wake::Origin(self.origins.len() - 1);
            let end = Pooled::new(end, self.now.tick);
            self.begin_upstream(number, Upstream { end, lease, read: 0 });
            self.report(number, |session, turn| session.handle_connected(dial, Ok(Connected::Fresh), turn));
        } else {
            let refused: Fault = std::io::ErrorKind::ConnectionRefused.into();
            let error = DialError::Io(refused);
            errand.lease.report(error.verdict(), self.now.tick);
            self.report(number, |session, turn| session.handle_connected(errand.dial, Err(error), turn));
        }
        self.turn(number);
    }

    fn begin_upstream(&mut self, number: usize, upstream: Upstream) {
        if let Some(origin) = self.origin_of(upstream.end.connection) {
            origin.user = Some(number);
        }
        self.users.resize(self.users.len().max(upstream.end.connection.connection + 1), None);
        self.users[upstream.end.connection.connection] = Some(number);
        let live = self.live(number);
        live.upstream = Some(upstream);
        live.told_of_reset[1] = false;
    }

    pub(super) fn origin_of(&mut self, end: EndOf) -> Option<&mut Origin> {
        match self.owners.get(end.connection) {
            Some(Wake::Origin(number)) => self.origins.get_mut(*number),
            _ => None,
        }
    }

    pub(super) fn release(&mut self, number: usize, verdict: Verdict, disposal: Disposal) {
        let (now, time) = (self.now.tick, self.time);
        let live = self.live(number);
        live.pipes = Default::default();
        if let Some(Errand { dial, lease, number, meets: _ }) = live.dial.take() {
            assert!(matches!(disposal, Disposal::Close(_)), "a dial can't be pooled");
            // What it brings comes too late.
            live.late.push((number, dial));
            lease.report(verdict, now);
            return;
        }
        let Upstream { end, lease, read } = live.upstream.take().expect("something to release");
        let connection = end.connection;
        self.users[connection.connection] = None;
        match disposal {
            Disposal::Pool => {
                assert!(!self.worker.draining, "pooled while draining");
                let origin = self.origin_of(connection).expect("its origin server");
                let clean = origin.boundaries.contains(&read);
                assert!(clean, "pooled after {read} bytes, which is no end of a response");
                assert!(!origin.is_spoiled(), "pooled although it is not clean");
                self.reads[connection.connection] = read;
                let refused = if self.network.readable(connection, time).is_some() {
                    Some(end)
                } else {
                    self.worker.pool.put(&lease, end, now)
                };
                if let Some(end) = refused {
                    self.network.close(end.connection, Ending::Fin, time);
                }
            }
            Disposal::Close(ending) => self.network.close(connection, ending, time),
        }
        lease.report(verdict, now);
    }
}
