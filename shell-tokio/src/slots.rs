//! The sessions of a worker, by number.

use std::{
    sync::Arc,
    task::{Context, Waker},
};

use underpass_shell_common::wake::{Alarm, ReadyList, Source};

use crate::pump::{Connection, Next, Shared};

/// Places for sessions. A place is used again and keeps its alarm.
#[derive(Default)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
    connections: usize,
}

struct Slot {
    /// Boxed: a session moves once, whatever happens to the table.
    connection: Option<Box<Connection>>,
    alarm: Arc<Alarm>,
}

impl Slots {
    /// Gives the session a number.
    pub(crate) fn insert(&mut self, connection: Connection, ready: &Arc<ReadyList>) -> u32 {
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
    /// dropped, and its number free.
    pub(crate) fn turn(&mut self, number: u32, shared: &mut Shared) -> Option<Next> {
        let slot = self.slots.get_mut(number as usize)?;
        slot.alarm.reset();
        let connection = slot.connection.as_mut()?;
        self.connections -= connection.count();
        // Made for the turn: kept, it would cost each idle session 16 bytes.
        let waker = Waker::from(Arc::clone(&slot.alarm));
        let next = connection.turn(shared, &mut Context::from_waker(&waker));
        if matches!(next, Next::Done) {
            if let Some(connection) = slot.connection.take() {
                connection.session.recycle(&mut shared.buffers);
            }
            self.free.push(number);
        } else {
            self.connections += connection.count();
        }
        Some(next)
    }

    /// Whether the session was not listed as ready; now it counts as listed.
    pub(crate) fn list(&self, number: u32) -> bool {
        self.slots.get(number as usize).is_some_and(|slot| slot.alarm.list())
    }

    /// The session with this number.
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut Connection> {
        self.slots.get_mut(number as usize)?.connection.as_deref_mut()
    }

    /// A number above those of all sessions.
    pub(crate) fn end(&self) -> u32 {
        u32::try_from(self.slots.len()).expect("a process has fewer descriptors than that")
    }

    /// Whether there is no session.
    pub(crate) fn is_empty(&self) -> bool {
        self.free.len() == self.slots.len()
    }

    /// How many connections the sessions have.
    pub(crate) fn connections(&self) -> usize {
        self.connections
    }
}
