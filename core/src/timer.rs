//! The timers of a session.

use crate::time::Tick;

macro_rules! timers {
    ($($(#[$doc:meta])* $timer:ident = $name:literal,)+) => {
        /// A timer of a session. One of each at most runs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Timer { $($(#[$doc])* $timer,)+ }

        impl Timer {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$timer),+];

            /// The directive that sets it.
            #[must_use]
            pub const fn directive(self) -> &'static str {
                match self { $(Self::$timer => $name,)+ }
            }
        }

        const COUNT: usize = [$(Timer::$timer),+].len();
    };
}

timers! {
    /// For a whole request head (nginx `client_header_timeout`; from accept, or from its first byte).
    ClientHeader = "client_header_timeout",
    /// Between two pieces of request content (nginx `client_body_timeout`).
    ClientBody = "client_body_timeout",
    /// Between two writes that the client takes bytes of (nginx `send_timeout`).
    ClientSend = "send_timeout",
    /// For the next request to begin (nginx `keepalive_timeout`).
    KeepAlive = "keepalive_timeout",
    /// Between two pieces of what is read and dropped before closing (nginx `lingering_timeout`).
    LingerIdle = "lingering_timeout",
    /// For all of that (nginx `lingering_time`).
    LingerTotal = "lingering_time",
    /// For a name to be resolved (nginx `resolver_timeout`, 30 s).
    Resolve = "resolver_timeout",
    /// Until a delayed request may go on.
    Admission = "limit_req",
    /// Until more may move (nginx `limit_rate`, `proxy_limit_rate`).
    Rate = "limit_rate",
    /// For connecting to the origin server (nginx `proxy_connect_timeout`).
    Connect = "proxy_connect_timeout",
    /// Between two writes that the origin server takes bytes of (nginx `proxy_send_timeout`).
    UpstreamSend = "proxy_send_timeout",
    /// For the response head, then between two pieces of content (nginx `proxy_read_timeout`).
    UpstreamRead = "proxy_read_timeout",
    /// The same for the answer to an upgrade (`upgrade_handshake_timeout`; A12).
    Handshake = "upgrade_handshake_timeout",
    /// A tunnel on which no byte moves (nginx `proxy_read_timeout`; C5).
    TunnelIdle = "proxy_read_timeout",
    /// A tunnel of which one direction is over (`upgrade_half_close_timeout`; C2).
    HalfClose = "upgrade_half_close_timeout",
    /// Until it is asked again whether a tunnel's tail has been acknowledged (C3).
    Acknowledgement = "lingering_time",
    /// For a draining session to end (nginx `worker_shutdown_timeout`; C8).
    Drain = "worker_shutdown_timeout",
    /// Until a side that is silent gets a Ping (`upgrade_ping_interval`; G3).
    Ping = "upgrade_ping_interval",
    /// For a sign of life after it (`upgrade_ping_timeout`; G3).
    Pong = "upgrade_ping_timeout",
    /// For the client's next data frame (`upgrade_client_silence`; G4).
    ClientSilence = "upgrade_client_silence",
    /// For a tunnel that we are ending to end (`upgrade_close_timeout`; G5).
    Closing = "upgrade_close_timeout",
    /// Until a tunnel's moment in a drain, or the end of its life, comes (`upgrade_drain_window`, G6;
    /// `upgrade_max_lifetime`, G7).
    Moment = "upgrade_max_lifetime",
    /// Until the client may send another message (`upgrade_message_rate`; G8).
    MessageRate = "upgrade_message_rate",
    /// Until more may come through a tunnel (`upgrade_limit_rate`; G8).
    TunnelRate = "upgrade_limit_rate",
    /// Until the next line about a tunnel's progress (`upgrade_log`; G9).
    Progress = "upgrade_log",
}

const NEVER: Tick = Tick(u64::MAX);

/// When each timer of a state expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadlines {
    at: [Tick; COUNT],
    /// The earliest of them.
    next: Tick,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { at: [NEVER; COUNT], next: NEVER }
    }
}

impl Deadlines {
    pub(crate) fn add(&mut self, timer: Timer, at: Tick) {
        if let Some(slot) = self.at.get_mut(timer as usize) {
            debug_assert_eq!(*slot, NEVER, "a timer has one deadline");
            *slot = at;
            self.next = self.next.min(at);
        }
    }

    /// The earliest of all.
    pub(crate) fn next(&self) -> Option<Tick> {
        Some(self.next).filter(|at| *at != NEVER)
    }

    /// The timer that has expired first, and has not been named before.
    pub(crate) fn expired(self, now: Tick, named: &mut Named) -> Option<Timer> {
        let expired = self.running().filter(|(timer, at)| *at <= now && named.0 & named.bit(*timer) == 0);
        let (timer, _) = expired.min_by_key(|(_, at)| *at)?;
        named.0 |= named.bit(timer);
        Some(timer)
    }

    /// The timers that run, and when they expire.
    pub(crate) fn running(self) -> impl Iterator<Item = (Timer, Tick)> {
        let all = Timer::ALL.iter().copied().zip(self.at);
        all.filter(|(_, at)| *at != NEVER)
    }
}

/// Timers that have been named as expired: each is once with one report.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Named(u32);

impl Named {
    const fn bit(self, timer: Timer) -> u32 {
        1 << timer as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_first_and_each_once() {
        let mut deadlines = Deadlines::default();
        assert_eq!(deadlines.next(), None);
        deadlines.add(Timer::KeepAlive, Tick(20));
        deadlines.add(Timer::Connect, Tick(10));
        deadlines.add(Timer::Drain, Tick(30));
        assert_eq!(deadlines.next(), Some(Tick(10)));
        let mut named = Named::default();
        assert_eq!(deadlines.expired(Tick(9), &mut named), None);
        assert_eq!(deadlines.expired(Tick(20), &mut named), Some(Timer::Connect));
        assert_eq!(deadlines.expired(Tick(20), &mut named), Some(Timer::KeepAlive));
        assert_eq!(deadlines.expired(Tick(29), &mut named), None);
        assert_eq!(deadlines.expired(Tick(30), &mut named), Some(Timer::Drain));
        assert_eq!(deadlines.expired(Tick(99), &mut named), None);
        assert_eq!(deadlines.running().count(), 3);
    }
}
