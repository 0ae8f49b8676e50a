//! How much may come (G8): what comes faster isn't read until there is room, so that nothing is lost.

use super::{Tunnel, TunnelSettings, output::Busy, watch::Watch};
use crate::{Side, rate::Rate, time::Tick};

impl Watch {
    /// Whether this side may begin another message.
    pub(super) fn has_room(&self, from: Side, settings: &TunnelSettings, now: Tick) -> bool {
        from == Side::Upstream || self.room_at(settings).is_none_or(|at| at <= now)
    }

    /// When the client may begin its next message; absent: at any time.
    pub(super) fn room_at(&self, settings: &TunnelSettings) -> Option<Tick> {
        let rate = settings.websocket.as_ref()?.message_rate?;
        let ahead = rate.per.saturating_mul(rate.burst);
        Some(Tick(self.messages.0.saturating_sub(u64::try_from(ahead.as_nanos()).unwrap_or(u64::MAX))))
    }

    /// The client has begun a message.
    pub(super) fn message_came(&mut self, settings: &TunnelSettings, now: Tick) {
        if let Some(rate) = settings.websocket.as_ref().and_then(|websocket| websocket.message_rate) {
            self.messages = self.messages.max(now).after(rate.per);
        }
    }
}

impl Tunnel {
    /// How many bytes may be read from a side now.
    pub(super) fn allowance(&self, from: Side, now: Tick) -> usize {
        let bytes = self.byte_rate(from).map_or(u64::MAX, |(rate, paid)| rate.allowance(paid, now));
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// So many bytes have come from a side.
    pub(super) fn pay(&mut self, from: Side, count: u64, now: Tick) {
        if let Some((rate, paid)) = self.byte_rate(from)
            && let Some(watch) = &mut self.watch
        {
            watch.bytes[from.index()] = rate.paid(paid, count, now);
        }
    }

    /// When more may be read from a side that is paced.
    pub(super) fn bytes_due(&self, from: Side) -> Option<Tick> {
        self.byte_rate(from).map(|(rate, paid)| rate.due(paid, u64::MAX))
    }

    /// Reads a side, or not, as its rate of bytes says. Whether there is room for a message, the scan says.
    pub(super) fn pace_reading(&mut self, now: Tick) {
        if self.busy.has(Busy::PACED) {
            for from in Side::BOTH {
                let waits = self.bytes_due(from).is_some_and(|due| due > now);
                self.busy.pause(from, waits);
            }
        }
    }

    fn byte_rate(&self, from: Side) -> Option<(Rate, Tick)> {
        Some((Rate(self.settings.limit_rate?), self.watch.as_ref()?.bytes[from.index()]))
    }
}
