//! How a tunnel lives.

use core::{num::NonZeroU64, time::Duration};
use std::sync::Arc;

use crate::websocket::{CloseCode, ControlFrame, PayloadTooLong};

/// How a tunnel lives: its timers, half-close, resets, what it knows of WebSocket, and how we end it. One value serves
/// any number of tunnels.
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
    /// What is done with the frames of a tunnel of WebSocket (G1). Absent: its bytes are of any kind, and nothing is
    /// looked for in them.
    pub websocket: Option<WebSocketSettings>,
    /// How the tunnel is told that the server goes away (G6).
    pub drain: DrainSettings,
    /// How long ending a tunnel by our own wish may take (G5, `upgrade_close_timeout`). 5 s.
    pub close_timeout: Duration,
    /// When a tunnel ends for its age (G7, `upgrade_max_lifetime`). Absent: never.
    pub max_lifetime: Option<Lifetime>,
    /// How many bytes a second are read in each direction (G8, `upgrade_limit_rate`). Absent: as fast as they come.
    pub limit_rate: Option<NonZeroU64>,
    /// How often the tunnel asks for a line about its progress (G9, `every=` of `upgrade_log`). Absent: never.
    pub log_every: Option<Duration>,
}

/// What is done with the frames of a tunnel of WebSocket (G1 to G4, G8). The default looks, counts, and ends nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebSocketSettings {
    /// Whether a violation of RFC 6455 §5 ends the tunnel with Close 1002 (G2, `upgrade_websocket_strict`). Off: the
    /// tunnel goes on, and nothing is put into it any more.
    pub strict: bool,
    /// Pings of ours (G3, `upgrade_ping_interval`). Absent: none.
    pub ping: Option<PingSettings>,
    /// How long the client may send no data frame (G4, `upgrade_client_silence`). Absent: as long as it likes.
    pub client_silence: Option<Duration>,
    /// How long a message may be: the sum of its fragments' payload lengths as framed, that is, compressed where an
    /// extension compresses (G8, `upgrade_message_limit`). Absent: of any length.
    pub message_limit: Option<NonZeroU64>,
    /// How many messages the client may send (G8, `upgrade_message_rate`). Absent: any number.
    pub message_rate: Option<MessageRate>,
}

/// Pings of ours (G3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PingSettings {
    /// How long nothing may come from a side before it gets a Ping (`upgrade_ping_interval`). Each is shortened by up to
    /// 10 %, by chance.
    pub interval: Duration,
    /// How long a side may take to send anything after that (`upgrade_ping_timeout`). As the interval.
    pub timeout: Duration,
    /// Whether the client gets Pings (`upgrade_ping_to`). It does.
    pub client: bool,
    /// Whether the origin server gets Pings. It does.
    pub upstream: bool,
}

impl PingSettings {
    /// A Ping to either side that has been silent for `interval`, which is how long the answer may take, too.
    #[must_use]
    pub const fn every(interval: Duration) -> Self {
        Self { interval, timeout: interval, client: true, upstream: true }
    }
}

/// How many messages a side may send (G8). What comes faster isn't read until there is room, so that nothing is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageRate {
    /// One message in so much time.
    pub per: Duration,
    /// So many more may come at once.
    pub burst: u32,
}

impl MessageRate {
    /// One message in so much time, and `burst` more at once.
    #[must_use]
    pub const fn new(per: Duration, burst: u32) -> Self {
        Self { per, burst }
    }
}

/// When a tunnel ends for its age (G7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lifetime {
    /// After so long, more or less.
    pub time: Duration,
    /// By at most so many hundredths of it sooner or later, spread evenly by chance; at most 100.
    pub jitter_percent: u8,
}

impl Lifetime {
    /// After so long, with `jitter_percent` hundredths of it (at most 100) more or less.
    #[must_use]
    pub const fn new(time: Duration, jitter_percent: u8) -> Self {
        Self { time, jitter_percent: if jitter_percent > 100 { 100 } else { jitter_percent } }
    }
}

/// How a tunnel is told that the server goes away (G6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainSettings {
    /// The span over which the ends of tunnels are spread, each at a moment of its own by chance
    /// (`upgrade_drain_window`). Absent: tunnels live until they end.
    pub window: Option<Duration>,
    /// Whether tunnels of an earlier configuration are drained, too (`upgrade_drain_on_reload`). Off.
    pub on_reload: bool,
    /// What the Close says (`upgrade_drain_close`). `1012 "service restart"`.
    pub close: Farewell,
}

/// What a Close of ours says: a code, and a reason for logs and developers (RFC 6455 §5.5.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Farewell {
    code: CloseCode,
    reason: Arc<str>,
}

impl Farewell {
    /// A code and a reason, which may be empty.
    ///
    /// # Errors
    /// The reason has more than [`ControlFrame::MAX_REASON`] bytes.
    pub fn new(code: CloseCode, reason: &str) -> Result<Self, PayloadTooLong> {
        if reason.len() > ControlFrame::MAX_REASON {
            return Err(PayloadTooLong);
        }
        Ok(Self { code, reason: reason.into() })
    }

    /// Its code.
    #[must_use]
    pub const fn code(&self) -> CloseCode {
        self.code
    }

    /// Its reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// `1012 "service restart"`.
impl Default for Farewell {
    fn default() -> Self {
        Self { code: CloseCode::SERVICE_RESTART, reason: "service restart".into() }
    }
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
            websocket: None,
            drain: DrainSettings::default(),
            close_timeout: Duration::from_secs(5),
            max_lifetime: None,
            limit_rate: None,
            log_every: None,
        }
    }
}
