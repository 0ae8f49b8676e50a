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
}

const NEVER: Tick = Tick(u64::MAX);

/// When each timer expires.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Timers {
    at: [Tick; COUNT],
}

impl Default for Timers {
    fn default() -> Self {
        Self { at: [NEVER; COUNT] }
    }
}

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, at: Tick) {
        if let Some(slot) = self.at.get_mut(timer as usize) {
            *slot = at;
        }
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.set(timer, NEVER);
    }

    /// Stops all but the one that drains: it belongs to the session, not to an exchange.
    pub(crate) fn stop_all(&mut self) {
        let drain = self.get(Timer::Drain).unwrap_or(NEVER);
        *self = Self::default();
        self.set(Timer::Drain, drain);
    }

    pub(crate) fn get(&self, timer: Timer) -> Option<Tick> {
        self.at.get(timer as usize).copied().filter(|at| *at != NEVER)
    }

    pub(crate) fn runs(&self, timer: Timer) -> bool {
        self.get(timer).is_some()
    }

    /// The earliest of all.
    pub(crate) fn next(&self) -> Option<Tick> {
        self.at.iter().copied().min().filter(|at| *at != NEVER)
    }

    /// A timer that has expired, the earliest first; it is stopped.
    pub(crate) fn take_expired(&mut self, now: Tick) -> Option<Timer> {
        let expired = |timer: &&Timer| self.get(**timer).is_some_and(|at| at <= now);
        let timer = *Timer::ALL.iter().filter(expired).min_by_key(|timer| self.get(**timer))?;
        self.stop(timer);
        Some(timer)
    }

    /// The timers that run, and when they expire.
    pub(crate) fn running(&self) -> impl Iterator<Item = (Timer, Tick)> {
        Timer::ALL.iter().filter_map(|timer| self.get(*timer).map(|at| (*timer, at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_first_and_only_once() {
        let mut timers = Timers::default();
        assert_eq!(timers.next(), None);
        timers.set(Timer::KeepAlive, Tick(20));
        timers.set(Timer::Connect, Tick(10));
        timers.set(Timer::Drain, Tick(30));
        assert_eq!(timers.next(), Some(Tick(10)));
        assert_eq!(timers.take_expired(Tick(9)), None);
        assert_eq!(timers.take_expired(Tick(25)), Some(Timer::Connect));
        assert_eq!(timers.take_expired(Tick(25)), Some(Timer::KeepAlive));
        assert_eq!(timers.take_expired(Tick(25)), None);
        timers.set(Timer::Connect, Tick(40));
        timers.stop_all();
        assert_eq!(timers.running().collect::<Vec<_>>(), [(Timer::Drain, Tick(30))]);
    }
}
