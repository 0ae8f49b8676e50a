//! What is counted of an exchange for its log lines.

use super::{Attempt, TunnelEvent};
use crate::{
    buffer::{Buffers, Lend, Spares},
    time::Tick,
    tunnel::TunnelReport,
};

/// Counts and times of an exchange, of its last attempt, and of the tunnel that came of it. A client that is between
/// exchanges has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// When its first byte came.
    pub(crate) began: Tick,
    /// Bytes of the request, head and content.
    pub(crate) request_length: u64,
    /// Bytes sent to the client, heads included.
    pub(crate) sent: u64,
    /// Bytes of them that were heads.
    pub(crate) head_sent: u64,
    /// Bytes of the request were here before the exchange before it was over.
    pub(crate) pipelined: bool,
    /// The last attempt; those before it stand with the heads.
    pub(crate) attempt: Attempt,
    pub(crate) tunnel: Option<Box<TunnelReport>>,
    /// What the next line about the tunnel tells, or the last one told.
    pub(crate) event: Option<TunnelEvent>,
    /// The 101 has switched to WebSocket, and to nothing beneath or above it (G1).
    pub(crate) websocket: bool,
    /// The values of the heads that the log lines of a tunnel need: the tunnel has dropped the heads themselves.
    pub(super) frozen: Option<Box<[u8]>>,
}

impl Figures {
    const NONE: Self = Self {
        began: Tick(0),
        request_length: 0,
        sent: 0,
        head_sent: 0,
        pipelined: false,
        attempt: Attempt::NONE,
        tunnel: None,
        event: None,
        websocket: false,
        frozen: None,
    };
}

impl Lend for Figures {
    fn quiet() -> &'static Self {
        static NONE: Figures = Figures::NONE;
        &NONE
    }

    fn is_quiet(&self) -> bool {
        *self == Self::NONE
    }

    fn clear(&mut self) {
        *self = Self::NONE;
    }

    fn spare(buffers: &mut Buffers) -> &mut Spares {
        &mut buffers.figures
    }
}
