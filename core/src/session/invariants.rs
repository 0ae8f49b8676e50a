//! What holds after every input. Checked in debug builds only: a breach is a mistake of ours, never the
//! network's doing.

use super::{
    Session,
    phase::{Phase, Stage},
};
use crate::{
    Side,
    state::{connection, exchange::State, phase},
    timer::Timer,
};

impl Session {
    pub(super) fn check_invariants(&self) {
        if cfg!(debug_assertions) {
            for side in Side::BOTH {
                debug_assert!(self.common.flow(side).inbox.is_sound(), "{side:?}: positions of the buffer");
            }
            self.check_legs();
            self.check_timers();
        }
    }

    fn check_legs(&self) {
        let upstream = self.common.leg(Side::Upstream).state();
        match &self.phase {
            Phase::Exchange(exchange) => check_exchange(exchange.state(), upstream),
            Phase::Tunnel(_) => {
                debug_assert_ne!(upstream, connection::State::Absent, "an origin server is connected");
                let is_quiet = |side: &Side| self.common.flow(*side).is_quiet();
                debug_assert!(Side::BOTH.iter().all(is_quiet), "its bytes are the tunnel's");
                debug_assert!(self.common.record.heads.is_none(), "a tunnel has no heads");
            }
            Phase::Finished(_) => debug_assert!(false, "what follows is decided at once"),
            Phase::Greeting | Phase::Idle(_) | Phase::Receiving(_) | Phase::Lingering(_) => {
                debug_assert_eq!(upstream, connection::State::Absent, "nobody is asked");
            }
            Phase::Closed => {
                debug_assert_eq!(self.common.leg(Side::Downstream).state(), connection::State::Absent);
                debug_assert_eq!(upstream, connection::State::Absent);
            }
        }
    }

    /// A deadline exists in every state that waits for a peer, and none in a state that doesn't own its timer.
    fn check_timers(&self) {
        let stage = self.stage();
        for (timer, _) in self.deadlines().running() {
            debug_assert!(owns(stage, timer), "{timer:?} runs in {stage:?}");
        }
        let waits_for_peer =
            !matches!(stage, Stage::Phase(phase::State::Closed) | Stage::Exchange(State::Admitting));
        if waits_for_peer && self.common.work.pending.close.is_none() {
            debug_assert!(self.deadline().is_some(), "no deadline in {stage:?}");
        }
    }
}

fn check_exchange(state: State, upstream: connection::State) {
    match state {
        State::Resolving | State::Admitting | State::Dialling => {
            debug_assert_eq!(upstream, connection::State::Absent, "nobody was dialled");
        }
        State::Awaiting | State::Switching => {
            debug_assert_ne!(upstream, connection::State::Absent, "an origin server is connected");
        }
        State::Responding | State::Replying => {}
        State::Read | State::Routing | State::Tunnelling | State::Finished => {
            debug_assert!(false, "what follows is decided at once");
        }
    }
}

/// Whether a timer may run in a phase: what it bounds can be waited for there.
fn owns(stage: Stage, timer: Timer) -> bool {
    use phase::State as Of;
    let is_bounded = timer == Timer::Drain;
    match stage {
        Stage::Exchange(state) => is_bounded || exchange_owns(state, timer),
        Stage::Phase(Of::Greeting | Of::Receiving) => is_bounded || timer == Timer::ClientHeader,
        Stage::Phase(Of::Idle) => is_bounded || matches!(timer, Timer::ClientHeader | Timer::KeepAlive),
        Stage::Phase(Of::Lingering) => is_bounded || matches!(timer, Timer::LingerIdle | Timer::LingerTotal),
        // A tunnel has its own.
        Stage::Phase(Of::Exchange | Of::Tunnelling | Of::Finished | Of::Closed) => false,
    }
}

fn exchange_owns(state: State, timer: Timer) -> bool {
    let under_way = matches!(state, State::Awaiting | State::Responding | State::Switching);
    match timer {
        Timer::Resolve => state == State::Resolving,
        Timer::Admission => state == State::Admitting,
        Timer::Rate => matches!(state, State::Responding | State::Replying),
        Timer::Connect => state == State::Dialling,
        Timer::ClientBody | Timer::UpstreamSend => under_way,
        Timer::UpstreamRead => matches!(state, State::Awaiting | State::Responding),
        Timer::Handshake => state == State::Awaiting,
        // An interim response may wait for the client whoever is being asked.
        Timer::ClientSend => true,
        Timer::LingerIdle | Timer::LingerTotal => state == State::Replying,
        _ => false,
    }
}
