//! What follows when a timer fires.

use super::{Ending, Session, phase::Phase};
use crate::{
    buffer::Turn,
    timer::{Named, Timer},
};

impl Session {
    pub(super) fn timed_out(&mut self, turn: &mut Turn<'_>) {
        if self.must_read_first() {
            self.client_was_read();
        }
        let mut named = Named::default();
        while let Some(timer) = self.deadlines().expired(turn.now.tick, &mut named) {
            self.expired(timer, turn);
            while self.advance(turn) {}
        }
    }

    fn expired(&mut self, timer: Timer, turn: &mut Turn<'_>) {
        if let Phase::Receiving(_) = self.phase {
            self.begin_exchange(turn.buffers);
        }
        match &mut self.phase {
            // Nothing was begun, or all was said: there is nobody to tell (E6).
            Phase::Greeting | Phase::Idle(_) | Phase::Lingering(_) => self.close_client(Ending::Fin),
            Phase::Exchange(exchange) => exchange.expired(&mut self.common, timer, turn),
            // A tunnel has its own.
            Phase::Receiving(_) | Phase::Tunnel(_) | Phase::Finished(_) | Phase::Closed => {}
        }
    }
}
