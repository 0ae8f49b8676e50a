//! Who has a place with a worker: a session, or a connection before its session or behind it.

use std::task::Context;

use underpass_core::{Draining, Severity};

use super::{
    Network,
    entrance::{Entrance, Step},
    farewell::Farewell,
    pump::{Connection, Next, Shared},
};
use crate::panics::{self, Panic};

/// Who has a place. Boxed: each moves once, whatever happens to the table of places.
pub(super) enum Guest<N: Network> {
    /// A client before its session begins.
    Entrance(Box<Entrance<N>>),
    /// A session.
    Session(Box<Connection<N>>),
    /// A connection behind its session.
    Farewell(Box<Farewell<N>>),
}

impl<N: Network> Guest<N> {
    /// One turn: bounded, never sleeps.
    pub(super) fn turn(&mut self, shared: &mut Shared<N>, cx: &mut Context<'_>) -> Next {
        if let Self::Entrance(entrance) = self {
            match entrance.turn(shared, cx) {
                Step::Sleep(deadline) => return Next::Sleep(Some(deadline)),
                Step::Done => return Next::Done,
                Step::Enter(connection) => *self = Self::Session(connection),
            }
        }
        match self {
            Self::Session(connection) => connection.turn(shared, cx),
            Self::Farewell(farewell) => match farewell.turn(shared.now().tick, cx) {
                Some(deadline) => Next::Sleep(Some(deadline)),
                None => Next::Done,
            },
            Self::Entrance(_) => Next::Again,
        }
    }

    /// Its connections have this place: when they become ready, it has a turn.
    pub(super) fn set_place(&self, place: u32) {
        match self {
            Self::Entrance(entrance) => entrance.set_place(place),
            Self::Session(connection) => connection.set_place(place),
            Self::Farewell(farewell) => farewell.set_place(place),
        }
    }

    /// The worker shuts down, or has another configuration.
    pub(super) fn drain(&mut self, why: Draining, shared: &mut Shared<N>) {
        match self {
            Self::Entrance(entrance) => entrance.drain(why),
            Self::Session(connection) => connection.session.handle_drain(why, &mut shared.lend()),
            Self::Farewell(farewell) => farewell.drain(why),
        }
    }

    /// How many connections it has, those that are being made included.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Session(connection) => connection.count(),
            Self::Entrance(_) | Self::Farewell(_) => 1,
        }
    }

    /// Which of the worker's configurations it began with.
    pub(super) fn generation(&self) -> u64 {
        match self {
            Self::Entrance(entrance) => entrance.generation(),
            Self::Session(connection) => connection.generation(),
            Self::Farewell(farewell) => farewell.generation(),
        }
    }

    /// Whether its turns may cost as much as a handshake.
    pub(super) fn shakes_hands(&self) -> bool {
        matches!(self, Self::Entrance(_))
    }

    /// Tells the operator that its turn has panicked.
    pub(super) fn tell(&self, panic: &Panic, shared: &mut Shared<N>) {
        match self {
            Self::Entrance(entrance) => {
                entrance.tell(Severity::Alert, &format!("a client is dropped: {panic}"), shared);
            }
            Self::Session(connection) => connection.tell(panic, shared),
            // It has nothing that could panic, nor anybody to tell of.
            Self::Farewell(_) => {}
        }
    }

    /// Gives the worker back what was lent.
    pub(super) fn recycle(self, shared: &mut Shared<N>) {
        if let Self::Session(connection) = self {
            // After a panic the memory of a session may not be worth keeping, which is no other session's trouble.
            let _kept_or_dropped = panics::catch(|| connection.session.recycle(&mut shared.buffers));
        }
    }
}
