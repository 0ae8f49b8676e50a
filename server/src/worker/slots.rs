//! The sessions of a worker, by number.

use std::{
    sync::Arc,
    task::{Context, Waker},
};

use underpass_core::Tick;

use super::{
    Reactor,
    pump::{Connection, Next, Shared},
};
use crate::{
    panics,
    wake::{Alarm, ReadyList, Source},
};

/// Places for sessions. A place is used again and keeps its alarm.
pub(super) struct Slots<R: Reactor> {
    slots: Vec<Slot<R>>,
    free: Vec<u32>,
    connections: usize,
}

struct Slot<R: Reactor> {
    /// Boxed: a session moves once, whatever happens to the table.
    connection: Option<Box<Connection<R>>>,
    alarm: Arc<Alarm>,
}

impl<R: Reactor> Slots<R> {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), connections: 0 }
    }

    /// Gives the session a number.
    pub(super) fn insert(&mut self, connection: Connection<R>, ready: &Arc<ReadyList>) -> u32 {
        self.connections += connection.count();
        let connection = Some(Box::new(connection));
        if let Some(number) = self.free.pop() {
            self.slots[number as usize].connection = connection;
            return number;
        }
        let number = self.end();
        self.slots.push(Slot { connection, alarm: Alarm::new(ready, Source::Session(number)) });
        number
    }

    /// Gives the session with this number its turn; `None` when it is over already. At [`Next::Done`] it is
    /// dropped, and its number free. A session that panics is over, which the error log is told.
    pub(super) fn turn(&mut self, number: u32, shared: &mut Shared<R>) -> Option<Next> {
        self.guarded(number, shared, Connection::turn)
    }

    /// Tells the session with this number to drain, and gives it its turn, as [`Self::turn`] does.
    pub(super) fn drain(&mut self, number: u32, until: Option<Tick>, shared: &mut Shared<R>) -> Option<Next> {
        self.guarded(number, shared, |connection, shared, cx| {
            connection.session.handle_drain(until, &mut shared.lend());
            connection.turn(shared, cx)
        })
    }

    fn guarded(
        &mut self,
        number: u32,
        shared: &mut Shared<R>,
        turn: impl FnOnce(&mut Connection<R>, &mut Shared<R>, &mut Context<'_>) -> Next,
    ) -> Option<Next> {
        let slot = self.slots.get_mut(number as usize)?;
        slot.alarm.reset();
        let connection = slot.connection.as_mut()?;
        self.connections -= connection.count();
        // Made for the turn: kept, it would cost each idle session 16 bytes.
        let waker = Waker::from(Arc::clone(&slot.alarm));
        let cx = &mut Context::from_waker(&waker);
        let next = panics::catch(|| turn(connection, shared, cx)).unwrap_or_else(|panic| {
            connection.tell(&panic, shared);
            Next::Done
        });
        if matches!(next, Next::Done) {
            if let Some(connection) = slot.connection.take() {
                // After a panic the memory of a session may not be worth keeping, which is no other session's trouble.
                let _kept_or_dropped = panics::catch(|| connection.session.recycle(&mut shared.buffers));
            }
            self.free.push(number);
        } else {
            self.connections += connection.count();
        }
        Some(next)
    }

    /// Whether the session was not listed as ready; now it counts as listed.
    pub(super) fn list(&self, number: u32) -> bool {
        self.slots.get(number as usize).is_some_and(|slot| slot.alarm.list())
    }

    /// Which of the worker's configurations the session with this number began with, if there is one.
    pub(super) fn generation(&self, number: u32) -> Option<u64> {
        self.slots.get(number as usize)?.connection.as_deref().map(Connection::generation)
    }

    /// A number above those of all sessions.
    pub(super) fn end(&self) -> u32 {
        // A process has fewer descriptors than that.
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    /// Whether there is no session.
    pub(super) fn is_empty(&self) -> bool {
        self.free.len() == self.slots.len()
    }

    /// How many connections the sessions have.
    pub(super) fn connections(&self) -> usize {
        self.connections
    }
}
