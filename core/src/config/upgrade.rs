//! What may become a tunnel, and how it lives: the `upgrade_*` directives.

use core::{num::NonZeroU64, time::Duration};

use crate::tunnel::{DrainSettings, Lifetime, WebSocketSettings};

/// What may become a tunnel, and how it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "a field for each directive that is on or off")]
pub struct Upgrade {
    /// `upgrade_protocols` (A4).
    pub protocols: UpgradeProtocols,
    /// `upgrade_websocket_validation` (A6). On.
    pub websocket_validation: bool,
    /// `upgrade_lenient_101` (A5): a 101 may lack the connection option `upgrade`. Off.
    pub lenient_101: bool,
    /// `upgrade_handshake_timeout` (A12); absent: `proxy_read_timeout`.
    pub handshake_timeout: Option<Duration>,
    /// `upgrade_half_close` (C2). On.
    pub half_close: bool,
    /// `upgrade_half_close_timeout` (C2). 60 s.
    pub half_close_timeout: Duration,
    /// `upgrade_relay_reset` (C3). Off.
    pub relay_reset: bool,
    /// `upgrade_websocket_frames` (G1): whether frames are looked for in a tunnel of WebSocket. On.
    pub websocket_frames: bool,
    /// What is done with these frames (G2 to G4, G8).
    pub websocket: WebSocketSettings,
    /// How a tunnel is told that the server goes away (G6).
    pub drain: DrainSettings,
    /// `upgrade_close_timeout` (G5). 5 s.
    pub close_timeout: Duration,
    /// `upgrade_max_lifetime` (G7); absent: a tunnel may grow as old as it likes.
    pub max_lifetime: Option<Lifetime>,
    /// `upgrade_limit_rate` (G8): bytes a second in each direction; absent: as fast as they come.
    pub limit_rate: Option<NonZeroU64>,
}

impl Default for Upgrade {
    fn default() -> Self {
        Self {
            protocols: UpgradeProtocols::AllButHttp2,
            websocket_validation: true,
            lenient_101: false,
            handshake_timeout: None,
            half_close: true,
            half_close_timeout: Duration::from_secs(60),
            relay_reset: false,
            websocket_frames: true,
            websocket: WebSocketSettings::default(),
            drain: DrainSettings::default(),
            close_timeout: Duration::from_secs(5),
            max_lifetime: None,
            limit_rate: None,
        }
    }
}

/// `upgrade_protocols`: the tokens that may pass (A4).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpgradeProtocols {
    /// Every token but `h2c` and `h2`: a tunnel of HTTP/2 would carry requests past every rule.
    AllButHttp2,
    /// Those listed, case ignored.
    Only(Vec<Box<str>>),
}

impl UpgradeProtocols {
    /// Whether the protocol (its name without a version) may pass.
    #[must_use]
    pub fn permit(&self, protocol: &[u8]) -> bool {
        match self {
            Self::AllButHttp2 => {
                !protocol.eq_ignore_ascii_case(b"h2c") && !protocol.eq_ignore_ascii_case(b"h2")
            }
            Self::Only(listed) => listed.iter().any(|name| protocol.eq_ignore_ascii_case(name.as_bytes())),
        }
    }
}
