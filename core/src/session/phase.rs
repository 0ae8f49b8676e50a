//! The phases of a session. What only one phase has lives in it, and is private to its module.

use std::fmt;

use super::{Exchange, Session, finished::Finished, idle::Idle, lingering::Lingering, receiving::Receiving};
use crate::{
    buffer::Loan,
    state::{exchange, phase},
    tunnel::Tunnel,
};

/// The phase of a session.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    Greeting,
    Idle(Idle),
    Receiving(Receiving),
    Exchange(Loan<Exchange>),
    Tunnel(Box<Tunnel>),
    Finished(Finished),
    Lingering(Lingering),
    Closed,
}

impl Phase {
    fn state(&self) -> phase::State {
        match self {
            Self::Greeting => phase::State::Greeting,
            Self::Idle(_) => phase::State::Idle,
            Self::Receiving(_) => phase::State::Receiving,
            Self::Exchange(_) => phase::State::Exchange,
            Self::Tunnel(_) => phase::State::Tunnelling,
            Self::Finished(_) => phase::State::Finished,
            Self::Lingering(_) => phase::State::Lingering,
            Self::Closed => phase::State::Closed,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }

    /// The tunnel, while it is open.
    pub(super) fn tunnel(&self) -> Option<&Tunnel> {
        match self {
            Self::Tunnel(tunnel) => Some(tunnel),
            _ => None,
        }
    }

    pub(super) fn tunnel_mut(&mut self) -> Option<&mut Tunnel> {
        match self {
            Self::Tunnel(tunnel) => Some(tunnel),
            _ => None,
        }
    }
}

/// Where a session is: its phase, or the state of its exchange.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Phase(phase::State),
    Exchange(exchange::State),
}

/// By the name that the diagrams have.
impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phase(state) => state.fmt(f),
            Self::Exchange(state) => state.fmt(f),
        }
    }
}

impl Session {
    /// Where it is.
    pub(super) fn stage(&self) -> Stage {
        match &self.phase {
            Phase::Exchange(exchange) => Stage::Exchange(exchange.state()),
            phase => Stage::Phase(phase.state()),
        }
    }

    /// Goes to the next phase, where the table has a row for that.
    pub(super) fn enter_phase(&mut self, event: phase::Event, next: Phase) {
        let mut machine = phase::Machine::of(self.phase.state());
        self.common.taken.phase(machine, event);
        let legal = machine.on(event) && machine.state() == next.state();
        self.common.check_transition(legal, "phase", &event);
        if legal {
            self.phase = next;
        }
    }
}
