//! Why sessions are asked to end, and by when.

use crate::time::Tick;

/// Why a session or a tunnel is asked to end, and by when (C8, G6).
///
/// In each case no further request is begun on a client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Draining {
    /// The process ends when its clients have left (QUIT): everything is over by this moment. Absent: tunnels live on
    /// until they end, or until their moments in [`DrainSettings::window`](crate::DrainSettings::window) come.
    Quit(Option<Tick>),
    /// There is a newer configuration (a reload): likewise, and tunnels have such moments where
    /// [`DrainSettings::on_reload`](crate::DrainSettings::on_reload) says so.
    Reload(Option<Tick>),
    /// The process ends at once (TERM): a WebSocket gets a Close where its socket takes it now, and nothing is awaited.
    Stop,
}

/// Why, without by when: a session notes the latter for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Cause {
    Quit,
    Reload,
    Stop,
}

impl Cause {
    /// Because of this, until then.
    pub(crate) fn until(self, until: Option<Tick>) -> Draining {
        match self {
            Self::Quit => Draining::Quit(until),
            Self::Reload => Draining::Reload(until),
            Self::Stop => Draining::Stop,
        }
    }
}

impl Draining {
    pub(crate) fn cause(self) -> Cause {
        match self {
            Self::Quit(_) => Cause::Quit,
            Self::Reload(_) => Cause::Reload,
            Self::Stop => Cause::Stop,
        }
    }

    /// The earlier of `deadline` and the moment by which everything is over; a stop has none of its own.
    #[must_use]
    pub fn by(self, deadline: Tick) -> Tick {
        match self {
            Self::Quit(Some(until)) | Self::Reload(Some(until)) => until.min(deadline),
            Self::Quit(None) | Self::Reload(None) | Self::Stop => deadline,
        }
    }

    /// When everything is over; absent: whenever it ends.
    pub(crate) fn until(self, now: Tick) -> Option<Tick> {
        match self {
            Self::Quit(until) | Self::Reload(until) => until,
            Self::Stop => Some(now),
        }
    }
}
