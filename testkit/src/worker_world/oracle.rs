//! What has to hold at the end of a run, and of a drain.

use underpass_core::{Outcome, shared::GroupId};

use super::{Simulation, Stats, client::Client, worker::Exchange};

impl Simulation {
    /// When the time for a drain is over, so is every session, as soon as each had its turn.
    pub(super) fn check_drained(&mut self) {
        for number in 0..self.worker.live.len() {
            for _ in 0..1000 {
                self.turn(number);
            }
            assert!(self.worker.live[number].session.is_none(), "session {number} outlives the drain");
        }
    }

    /// When nothing will happen any more: everything has ended, nothing is held, and the records tell what the
    /// peers have seen.
    pub(super) fn check_the_end(&mut self) -> Stats {
        let mut stats = Stats { steps: self.steps, seconds: self.time / 1_000_000, ..Stats::default() };
        for number in 0..self.worker.live.len() {
            let live = &mut self.worker.live[number];
            if let Some(session) = &live.session {
                panic!("session {number} never ends: {:?}", session.snapshot(self.now.tick));
            }
            let live = &self.worker.live[number];
            stats.exchanges += live.exchanges.len() as u64;
            for exchange in &live.exchanges {
                stats.tunnels += u64::from(exchange.tunnel.is_some());
                stats.complete += u64::from(exchange.outcome == Outcome::Complete);
                stats.retries += exchange.attempts.saturating_sub(1) as u64;
            }
            if let Some(client) = &self.clients[number] {
                self.check_client(number, client);
            }
        }
        stats.reused = self.origins.iter().map(|origin| origin.served().saturating_sub(1) as u64).sum();
        self.check_leases();
        stats
    }

    fn check_leases(&self) {
        for peer in self.ledger.setting.config.upstreams.status(GroupId(0), self.now.tick) {
            assert_eq!(peer.leases, 0, "leases are out: {peer:?}");
        }
    }

    /// One response per request, in order; and who was there to the end has got all that the records say.
    fn check_client(&self, number: usize, client: &Client) {
        let exchanges = &self.worker.live[number].exchanges;
        for (at, got) in client.got.iter().enumerate() {
            assert!(got.complete || at + 1 == client.got.len(), "a response behind one that never ended");
        }
        let unfinished = exchanges.iter().any(|exchange| exchange.tunnel.is_some() && !is_complete(exchange));
        if client.saw_end {
            let sent = exchanges.iter().filter(|exchange| is_complete(exchange));
            let sent: Vec<u16> = sent.map(|exchange| exchange.status).take(client.requests()).collect();
            // Of a tunnel that was not ended in order the client may have seen the 101, or not.
            let seen = client.got.iter().filter(|got| got.complete && !(unfinished && got.status == 101));
            let seen: Vec<u16> = seen.map(|got| got.status).collect();
            assert_eq!(
                seen, sent,
                "client {number}: what came whole, and what was sent whole: {exchanges:?}"
            );
        }
        let Some(exchange) = exchanges.iter().find(|exchange| exchange.tunnel.is_some()) else { return };
        self.check_tunnel(exchange, client);
    }

    /// Rules C1, C7: the counts are those of the peers, and equal at both ends when the tunnel ended in order.
    fn check_tunnel(&self, exchange: &Exchange, client: &Client) {
        let Some((from_client, from_origin, ended, cut)) = exchange.tunnel else { return };
        let origin = exchange.origin.map(|origin| &self.origins[origin]).expect("a tunnel has two ends");
        let count = |bytes: usize| bytes as u64;
        assert!(from_client <= count(client.said()), "more than the client has said");
        assert!(from_origin <= count(origin.said()), "more than the origin server has said");
        assert!(count(origin.tunnelled) <= from_client);
        assert!(ended.is_some(), "nobody has ended it");
        let in_order = exchange.outcome == Outcome::Complete && self.ledger.setting.half_close;
        assert!(!(exchange.outcome == Outcome::Complete && cut), "a cut tunnel is not complete");
        if !in_order {
            return;
        }
        if !self.network.is_reset(origin.end) && !origin.left {
            assert_eq!(count(origin.tunnelled), from_client, "the origin server got all: {exchange:?}");
            assert_eq!(from_client, count(client.said()), "all that the client has said: {exchange:?}");
        }
        if client.saw_end {
            let got = client.got.last().expect("its 101");
            assert_eq!(count(got.bytes), from_origin, "the client got all: {exchange:?}");
            assert_eq!(
                from_origin,
                count(origin.said()),
                "all that the origin server has said: {exchange:?}"
            );
        }
    }
}

/// Whether the client has it whole, as far as the record says.
fn is_complete(exchange: &Exchange) -> bool {
    exchange.outcome == Outcome::Complete
}
