//! What holds after every input. Checked in debug builds only: a breach is a mistake of ours, never the
//! network's doing.

use super::Session;
use crate::{
    Side,
    state::{connection, exchange::State},
    timer::Timer,
};

impl Session {
    pub(super) fn check_invariants(&self) {
        if cfg!(debug_assertions) {
            for side in Side::BOTH {
                debug_assert!(self.flow(side).inbox.is_sound(), "{side:?}: positions of the buffer");
            }
            self.check_legs();
            self.check_timers();
        }
    }

    fn check_legs(&self) {
        let upstream = self.leg(Side::Upstream).state();
        match self.exchange.state() {
            State::Greeting
            | State::Idle
            | State::Receiving
            | State::Routing
            | State::Resolving
            | State::Admitting
            | State::Dialling => {
                debug_assert_eq!(upstream, connection::State::Absent, "nobody was dialled");
            }
            State::Awaiting | State::Switching | State::Tunnelling => {
                debug_assert_ne!(upstream, connection::State::Absent, "an origin server is connected");
            }
            State::Closed => {
                debug_assert_eq!(self.leg(Side::Downstream).state(), connection::State::Absent);
                debug_assert_eq!(upstream, connection::State::Absent);
            }
            State::Responding | State::Replying | State::Finished | State::Lingering => {}
        }
        let is_passed_through = matches!(self.exchange.state(), State::Routing | State::Finished);
        debug_assert!(!is_passed_through, "what follows is decided at once");
        if self.exchange.state() == State::Tunnelling {
            let is_quiet = |side: &Side| self.flow(*side).is_quiet();
            debug_assert!(Side::BOTH.iter().all(is_quiet), "its bytes are the tunnel's");
            debug_assert!(self.record.heads.is_none(), "a tunnel has no heads");
        }
        debug_assert_eq!(
            self.tunnel.is_some(),
            self.exchange.state() == State::Tunnelling,
            "it is there while it is open"
        );
    }

    /// A deadline exists in every state that waits for a peer, and none in a state that doesn't own its timer.
    fn check_timers(&self) {
        let state = self.exchange.state();
        for (timer, _) in self.deadlines().running() {
            debug_assert!(owns(state, timer), "{timer:?} runs in {state:?}");
        }
        let waits_for_peer = !matches!(self.exchange.state(), State::Closed | State::Admitting);
        if waits_for_peer && self.work.pending.close.is_none() {
            debug_assert!(self.deadline().is_some(), "no deadline in {:?}", self.exchange.state());
        }
    }
}

/// Whether a timer may run in a state: what it bounds can be waited for there.
fn owns(state: State, timer: Timer) -> bool {
    let under_way = matches!(state, State::Awaiting | State::Responding | State::Switching);
    match timer {
        Timer::Drain => state != State::Closed,
        Timer::ClientHeader => matches!(state, State::Greeting | State::Idle | State::Receiving),
        Timer::KeepAlive => state == State::Idle,
        Timer::Resolve => state == State::Resolving,
        Timer::Admission => state == State::Admitting,
        Timer::Rate => matches!(state, State::Responding | State::Replying),
        Timer::Connect => state == State::Dialling,
        Timer::ClientBody => under_way,
        Timer::UpstreamSend => under_way || state == State::Tunnelling,
        Timer::UpstreamRead => matches!(state, State::Awaiting | State::Responding),
        Timer::Handshake => state == State::Awaiting,
        // An interim response may wait for the client whoever is being asked.
        Timer::ClientSend => {
            !matches!(state, State::Greeting | State::Idle | State::Lingering | State::Closed)
        }
        Timer::LingerIdle | Timer::LingerTotal => {
            matches!(state, State::Replying | State::Lingering | State::Tunnelling)
        }
        Timer::TunnelIdle | Timer::HalfClose | Timer::Acknowledgement => state == State::Tunnelling,
    }
}
