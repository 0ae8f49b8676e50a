//! How a relay lives, and what it says at its end.

use std::{fmt, sync::Arc, time::Duration};

use underpass_core::{EndedBy, EndedHow, SideReport, TunnelReport, TunnelSettings};

/// How relays live. One value serves any number of them.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct RelaySettings {
    /// Timers, half-close, lingering; what is done with the frames of a WebSocket, and how it is ended.
    pub tunnel: Arc<TunnelSettings>,
    on_end: Option<Arc<OnEnd>>,
}

type OnEnd = dyn Fn(&Report) + Send + Sync;

impl RelaySettings {
    /// Sixty seconds of silence end a relay, as nginx does; either side may end its own direction first.
    #[must_use]
    pub fn new(tunnel: TunnelSettings) -> Self {
        Self { tunnel: Arc::new(tunnel), on_end: None }
    }

    /// Has `told` called with the report of each relay that ends, also of one whose future was dropped.
    ///
    /// It runs inside the relay's last poll, or its `Drop`: it must not block, and not panic.
    #[must_use]
    pub fn on_end(mut self, told: impl Fn(&Report) + Send + Sync + 'static) -> Self {
        self.on_end = Some(Arc::new(told));
        self
    }

    pub(crate) fn tell(&self, report: &Report) {
        if let Some(told) = &self.on_end {
            told(report);
        }
    }
}

impl fmt::Debug for RelaySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelaySettings").field("tunnel", &self.tunnel).finish_non_exhaustive()
    }
}

/// How a relay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Bytes that came from the client.
    pub from_client: u64,
    /// Bytes that came from the other side.
    pub from_upstream: u64,
    /// How long it lived.
    pub duration: Duration,
    /// Who or what ended it first; absent: its future was dropped before.
    pub ended: Option<EndedBy>,
    /// How it ended; absent, too, where its future was dropped.
    pub how: Option<EndedHow>,
    /// A stream of it was cut: it ended with a reset, or its bytes could not be delivered any more.
    pub cut: bool,
    /// What else is known of the client: silences, frames, its Close, how long it takes to answer a Ping.
    pub client: SideReport,
    /// The same of the other side.
    pub upstream: SideReport,
}

impl Report {
    pub(crate) fn new(tunnel: Option<&TunnelReport>, duration: Duration) -> Self {
        Self {
            from_client: tunnel.map_or(0, |tunnel| tunnel.from_client),
            from_upstream: tunnel.map_or(0, |tunnel| tunnel.from_upstream),
            duration,
            ended: tunnel.and_then(|tunnel| tunnel.ended),
            how: tunnel.and_then(|tunnel| tunnel.how),
            cut: tunnel.is_some_and(|tunnel| tunnel.cut),
            client: tunnel.map(|tunnel| tunnel.client).unwrap_or_default(),
            upstream: tunnel.map(|tunnel| tunnel.upstream).unwrap_or_default(),
        }
    }
}
