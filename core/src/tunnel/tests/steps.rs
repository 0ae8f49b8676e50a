//! Steps that tests of a tunnel take.

use super::*;

pub(super) const SECOND: u64 = 1_000_000_000;

pub(super) fn seconds(count: u64) -> core::time::Duration {
    core::time::Duration::from_secs(count)
}

/// A tunnel of WebSocket that ends by its age after 20 seconds, and of which nothing has to be polled.
pub(super) fn aged(change: impl FnOnce(&mut TunnelSettings)) -> Bench {
    let mut settings = TunnelSettings {
        websocket: Some(WebSocketSettings::default()),
        max_lifetime: Some(Lifetime::new(seconds(20), 0)),
        ..TunnelSettings::default()
    };
    change(&mut settings);
    quiet(settings)
}

pub(super) fn quiet(settings: TunnelSettings) -> Bench {
    let mut bench = Bench::new(settings, false);
    bench.polled();
    bench
}

impl Bench {
    /// The same once more, with a worker of its own.
    pub(super) fn twin(&self) -> Self {
        let Self { tunnel, buffers, now, general, pipes } = self;
        let buffers = Buffers::new(buffers.size());
        Self { tunnel: tunnel.clone(), buffers, now: *now, general: *general, pipes: *pipes }
    }

    pub(super) fn passes(&mut self, seconds: u64) -> Vec<String> {
        self.tell(Report::Passes(1_000 * seconds));
        self.tell(Report::TimesOut)
    }

    pub(super) fn says_close(&mut self, from: Side) -> Vec<String> {
        self.tell(Report::Frame(from, Sent::Close))
    }

    pub(super) fn offered(&self, to: Side) -> Vec<u8> {
        self.tunnel.transmit(to).iter().flat_map(|slice| slice.to_vec()).collect()
    }

    /// Takes all there is for a side.
    pub(super) fn takes(&mut self, to: Side) -> Vec<u8> {
        let mut taken = Vec::new();
        loop {
            let offered = self.offered(to);
            if offered.is_empty() {
                return taken;
            }
            self.sent(to, Ok(offered.len()));
            taken.extend(offered);
        }
    }

    pub(super) fn both_take(&mut self) {
        for side in Side::BOTH {
            self.takes(side);
        }
    }

    pub(super) fn stops(&mut self) {
        let turn = &mut Turn { now: self.now, buffers: &mut self.buffers };
        self.tunnel.handle_drain(Draining::Stop, turn);
    }

    /// When this timer is due, in nanoseconds from the beginning on.
    pub(super) fn timer(&self, timer: Timer) -> Option<u64> {
        let running = self.tunnel.running();
        running.into_iter().find(|(found, _)| *found == timer).map(|(_, at)| at.0 - BEGIN.tick.0)
    }

    pub(super) fn how(&self) -> (bool, Option<crate::record::EndedHow>) {
        (self.tunnel.is_done(), self.tunnel.report().how)
    }
}

pub(super) fn shuts_down(outputs: &[String], side: Side) -> bool {
    outputs.contains(&format!("Shutdown({side:?})"))
}

impl Bench {
    /// These bytes come, all at once.
    pub(super) fn comes(&mut self, from: Side, bytes: &[u8]) {
        let turn = &mut Turn { now: self.now, buffers: &mut self.buffers };
        self.tunnel.receive_space(from, turn).expect("bytes are wanted")[..bytes.len()]
            .copy_from_slice(bytes);
        self.received(from, Ok(bytes.len()));
        self.polled();
    }
}
