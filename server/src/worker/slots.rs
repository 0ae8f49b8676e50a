//! The sessions of a worker, by number, and the connections that have none yet or no more.

use std::{
    sync::Arc,
    task::{Context, Waker},
};

use underpass_core::Draining;

use super::{
    Network,
    guest::Guest,
    pump::{Next, Shared},
};
use crate::{
    panics,
    wake::{Alarm, ReadyList, Source},
};

/// Places for guests. A place is used again and keeps its alarm.
pub(super) struct Slots<N: Network> {
    slots: Vec<Slot<N>>,
    free: Vec<u32>,
    connections: usize,
}

struct Slot<N: Network> {
    guest: Option<Guest<N>>,
    alarm: Arc<Alarm>,
}

impl<N: Network> Slots<N> {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), connections: 0 }
    }

    /// Gives the guest a number.
    pub(super) fn insert(&mut self, guest: Guest<N>, ready: &Arc<ReadyList>) -> u32 {
        self.connections += guest.count();
        let free = self.free.pop();
        let number = free.unwrap_or_else(|| self.end());
        guest.set_place(number);
        let guest = Some(guest);
        if free.is_some() {
            self.slots[number as usize].guest = guest;
            return number;
        }
        self.slots.push(Slot { guest, alarm: Alarm::new(ready, Source::Session(number)) });
        number
    }

    /// Gives the session with this number its turn; `None` when it is over already. At [`Next::Done`] it is
    /// dropped, and its number free. A session that panics is over, which the error log is told.
    pub(super) fn turn(&mut self, number: u32, shared: &mut Shared<N>) -> Option<Next> {
        self.guarded(number, shared, Guest::turn)
    }

    /// Tells the session with this number to drain, and gives it its turn, as [`Self::turn`] does.
    pub(super) fn drain(&mut self, number: u32, why: Draining, shared: &mut Shared<N>) -> Option<Next> {
        self.guarded(number, shared, |guest, shared, cx| {
            guest.drain(why, shared);
            guest.turn(shared, cx)
        })
    }

    /// Tells a guest to drain, which has no turn for it now.
    pub(super) fn note_drain(&mut self, number: u32, why: Draining, shared: &mut Shared<N>) {
        let slot = self.slots.get_mut(number as usize);
        if let Some(guest) = slot.and_then(|slot| slot.guest.as_mut()) {
            guest.drain(why, shared);
        }
    }

    fn guarded(
        &mut self,
        number: u32,
        shared: &mut Shared<N>,
        turn: impl FnOnce(&mut Guest<N>, &mut Shared<N>, &mut Context<'_>) -> Next,
    ) -> Option<Next> {
        let slot = self.slots.get_mut(number as usize)?;
        slot.alarm.reset();
        shared.place = number;
        let guest = slot.guest.as_mut()?;
        self.connections -= guest.count();
        // Made for the turn: kept, it would cost each idle session 16 bytes.
        let waker = Waker::from(Arc::clone(&slot.alarm));
        let cx = &mut Context::from_waker(&waker);
        let next = panics::catch(|| turn(guest, shared, cx)).unwrap_or_else(|panic| {
            guest.tell(&panic, shared);
            Next::Done
        });
        if matches!(next, Next::Done) {
            if let Some(guest) = slot.guest.take() {
                guest.recycle(shared);
            }
            self.free.push(number);
        } else {
            self.connections += guest.count();
        }
        Some(next)
    }

    /// Whether the session was not listed as ready; now it counts as listed.
    pub(super) fn list(&self, number: u32) -> bool {
        self.slots.get(number as usize).is_some_and(|slot| slot.alarm.list())
    }

    /// Which of the worker's configurations the session with this number began with, if there is one.
    pub(super) fn generation(&self, number: u32) -> Option<u64> {
        self.slots.get(number as usize)?.guest.as_ref().map(Guest::generation)
    }

    /// Whether a turn of this number may cost as much as a handshake.
    pub(super) fn shakes_hands(&self, number: u32) -> bool {
        let slot = self.slots.get(number as usize);
        slot.and_then(|slot| slot.guest.as_ref()).is_some_and(Guest::shakes_hands)
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
