//! How a tunnel lives.

use core::time::Duration;

/// How a tunnel lives: its timers, half-close, resets. One value serves any number of tunnels.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TunnelSettings {
    /// How long the tunnel may be without a byte moved in either direction (C5, nginx `proxy_read_timeout`). It stands
    /// still while bytes wait for a side that takes none. 60 s.
    pub idle_timeout: Duration,
    /// Between two writes of which the origin server takes bytes, while bytes wait for it (C5, nginx
    /// `proxy_send_timeout`). 60 s.
    pub upstream_send_timeout: Duration,
    /// The same towards the client (C5, nginx `send_timeout`). 60 s.
    pub client_send_timeout: Duration,
    /// Whether one direction may end and the other go on (C2, `upgrade_half_close`). On.
    pub half_close: bool,
    /// How long the other direction may go on without a byte; never longer than `idle_timeout` (C2,
    /// `upgrade_half_close_timeout`). 60 s.
    pub half_close_timeout: Duration,
    /// Whether a stream that was cut on one side is reset on the other, behind its tail (C3, `upgrade_relay_reset`).
    /// Off.
    pub relay_reset: bool,
    /// For how long at most what a side sends in vain is read and dropped, so that closing doesn't destroy what is on
    /// its way to it (C3, nginx `lingering_time`). 30 s.
    pub lingering_time: Duration,
    /// Between two pieces of that (C3, nginx `lingering_timeout`). 5 s.
    pub lingering_timeout: Duration,
    /// Whether both connections are reset when a timer ends the tunnel, instead of closed in order (C5, nginx
    /// `reset_timedout_connection`). Off.
    pub reset_timedout_connection: bool,
}

impl Default for TunnelSettings {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            idle_timeout: minute,
            upstream_send_timeout: minute,
            client_send_timeout: minute,
            half_close: true,
            half_close_timeout: minute,
            relay_reset: false,
            lingering_time: Duration::from_secs(30),
            lingering_timeout: Duration::from_secs(5),
            reset_timedout_connection: false,
        }
    }
}
