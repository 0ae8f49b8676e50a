//! An exchange: one request and its final response (RFC 9110 §3.4), or the tunnel that comes of it.
//!
//! What it has is private to this room, and goes back to the worker when it is over. Each role has a file: `request` reads
//! what the client asks, `routing` finds who answers, `upstream` is the origin server's side and `response` reads what it
//! says, `forward` moves content, `reply` answers in our own name, `connect` and `opening` lead to a tunnel.

mod connect;
mod content;
mod deadlines;
mod dial;
mod ending;
mod error_page;
mod forward;
mod opening;
mod outline;
mod pace;
mod poll;
mod reply;
mod request;
mod response;
mod routing;
mod script;
mod timeout;
mod tls;
mod unwanted;
mod upstream;

pub(super) use outline::Outline;

use std::{net::IpAddr, sync::Arc};

use super::{
    Admission, Choice, Common, Connected, Dial, DialError, Disposal, Ending, Event, Input, Refusal, Verdict,
    around, fate,
    fate::{Fact, Facts, Fate},
    finished::Finished,
    flow, pending, receiving,
};
use crate::{
    buffer::{Buffers, Lend, Spares, Turn},
    http1::Framing,
    rewrite::{Offer, SentMethod},
    state::exchange,
    time::Tick,
    violation::Violation,
};
use pace::Paces;

/// What an exchange has to remember besides its heads.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    machine: exchange::Machine,
    /// When it came to its state.
    entered: Tick,
    framing: Framing,
    offer: Offer,
    method: SentMethod,
    expectation: Expectation,
    /// What the future of the client's connection follows from.
    facts: Facts,
    /// Nothing that was said speaks against another exchange on the upstream connection.
    may_pool: bool,
    origin: Origin,
    interim: u16,
    tries: u32,
    /// Why the last attempt failed.
    failure: Option<Violation>,
    addresses: Option<(Arc<[IpAddr]>, u16)>,
    /// Those among them that may be dialled only where they are none of this machine (D4).
    elsewhere: Vec<IpAddr>,
    /// Request content has left our buffers: it can't be sent again.
    content_lost: bool,
    /// A write was told that the origin server's connection broke. The system says so once: reads find what had
    /// come, and then an end that is none.
    upstream_broke: bool,
    /// Bytes of request content that came.
    content_received: u64,
    final_read: FinalRead,
    /// Boxed: few exchanges have a rate.
    paces: Option<Box<Paces>>,
    /// When the request is admitted, or refused.
    admitted_at: Option<Tick>,
    /// When the origin server's last head was complete.
    told_at: Tick,
    /// The answer that waits for `auth_delay`.
    refusal: Option<Violation>,
    /// How the client's connection is closed in the end.
    ending: Ending,
}

impl Exchange {
    const NONE: Self = Self {
        machine: exchange::Machine::START,
        entered: Tick(0),
        framing: Framing::Empty,
        offer: Offer::Nothing,
        method: SentMethod::Other,
        expectation: Expectation::Nothing,
        facts: Facts::NONE,
        may_pool: false,
        origin: Origin::Fresh,
        interim: 0,
        tries: 0,
        failure: None,
        addresses: None,
        elsewhere: Vec::new(),
        content_lost: false,
        upstream_broke: false,
        content_received: 0,
        final_read: FinalRead::NotNeeded,
        paces: None,
        admitted_at: None,
        told_at: Tick(0),
        refusal: None,
        ending: Ending::Fin,
    };
}

impl Exchange {
    fn exchange_event(&mut self, common: &mut Common, event: exchange::Event) {
        common.taken.exchange(self.machine, event);
        let legal = self.machine.on(event);
        self.entered = common.tick;
        common.check_transition(legal, "exchange", &event);
    }

    /// What becomes of the client's connection, as far as is known.
    fn fate(&self, common: &Common) -> Fate {
        fate::fate(self.facts, common.draining.is_some())
    }

    /// The client was read, whatever came of it.
    pub(super) fn client_was_read(&mut self) {
        if self.final_read == FinalRead::Pending {
            self.final_read = FinalRead::Done;
        }
    }

    /// Takes what an errand has brought.
    pub(super) fn take_answer(&mut self, common: &mut Common, answer: Input<'_>, turn: &mut Turn<'_>) {
        match answer {
            Input::Resolved(errand, result) => self.resolved(common, errand, result, turn),
            Input::Admitted(errand, admission) => self.admitted(common, errand, admission, turn),
            Input::Chosen(errand, number, address) => self.chosen(common, errand, number, address),
            Input::Connected(errand, result) => self.connected(common, errand, result, turn),
            // These are reported of connections, or of the session.
            Input::Received(..)
            | Input::Sent(..)
            | Input::Relayed(..)
            | Input::Acknowledged(_)
            | Input::Timeout
            | Input::Drain(_) => {}
        }
    }

    /// Takes a step that is possible without another input; says whether there was one.
    pub(super) fn advance(&mut self, common: &mut Common, turn: &mut Turn<'_>) -> bool {
        use exchange::State;
        match self.machine.state() {
            State::Routing => self.route(common, turn),
            State::Resolving | State::Admitting | State::Dialling => self.read_request_content(common, turn),
            State::Awaiting => {
                self.read_request_content(common, turn)
                    || self.read_response_head(common, turn)
                    || self.miss_response(common, turn)
            }
            State::Responding => {
                self.read_request_content(common, turn)
                    || self.read_response_content(common, turn)
                    || self.release_origin(common, false)
                    || self.end_response(common)
            }
            State::Replying => self.read_unwanted_content(common) || self.end_reply(common),
            State::Switching => self.read_request_content(common, turn) || self.open_tunnel(common, turn),
            State::Read | State::Tunnelling | State::Finished => false,
        }
    }

    /// The state that it is in.
    pub(super) fn state(&self) -> exchange::State {
        self.machine.state()
    }

    /// What is left of it, once it is over.
    pub(super) fn finished(&self) -> Option<Finished> {
        (self.machine.state() == exchange::State::Finished)
            .then(|| Finished::exchange(self.facts, self.ending))
    }

    /// Whether it has become a tunnel, which takes its connections over.
    pub(super) fn is_tunnel(&self) -> bool {
        self.machine.state() == exchange::State::Tunnelling
    }
}

impl Default for Exchange {
    fn default() -> Self {
        Self::NONE
    }
}

impl Lend for Exchange {
    fn quiet() -> &'static Self {
        static NONE: Exchange = Exchange::NONE;
        &NONE
    }

    /// It is given back when its exchange is over, and not before.
    fn is_quiet(&self) -> bool {
        false
    }

    fn clear(&mut self) {
        *self = Self::NONE;
    }

    fn spare(buffers: &mut Buffers) -> &mut Spares {
        &mut buffers.exchanges
    }
}

/// `Expect: 100-continue` (A10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Expectation {
    Nothing,
    /// The client waits for a 100.
    Continue,
    /// A 100 was sent.
    Answered,
}

/// Where the upstream connection came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// It was made for this exchange.
    Fresh,
    /// From the pool: it may be stale.
    Pool,
}

/// Whether the client has been read since a refused upgrade's head came (A7), or since all was said to it that is
/// (E11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum FinalRead {
    NotNeeded,
    Pending,
    Done,
}
