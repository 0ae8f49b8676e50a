//! What a shell drives: one client's connection, and the upstream connections made for it.
//!
//! A session is in one phase at a time: `phase` lists them, and each is a type with a file of its own, or a room where it
//! is large (`exchange`). `common` is what a session has in every phase, `downstream` the client's side. They meet in
//! `Session::apply`, the only place where an input enters, and in the tables of `state`, the only place where a state
//! changes.

mod around;
mod common;
mod deadlines;
mod downstream;
mod errand;
mod exchange;
mod fate;
mod finished;
mod flow;
mod idle;
mod inbox;
mod invariants;
mod legs;
mod lingering;
mod moves;
mod outbox;
mod output;
mod pending;
mod phase;
mod poll;
mod receiving;
mod segment;
mod snapshot;
mod timeout;
pub mod trace;
mod tunnel;
mod work;

pub(crate) use around::Around;
pub use errand::{Admission, Choice, Claim, Connected, Dial, DialError, Lookup, Refusal};
pub use legs::{Epoch, Leg};
pub(crate) use outbox::Outbox;
pub use outbox::Slices;
pub use output::{Disposal, Output};
pub use snapshot::Snapshot;

use crate::record::{Event, Note, Severity};

use std::{net::IpAddr, sync::Arc};

use self::phase::Phase;
use common::Common;
pub(crate) use exchange::Exchange;
use exchange::FinalRead;
use idle::Found;
use legs::Epochs;
pub(crate) use work::Work;

use crate::{
    Address, ClientInfo, Draining, Side,
    buffer::{Buffers, Loan, Turn},
    config::Config,
    fault::Fault,
    record::{Outcome, Record},
    shared::Lease,
    state::{Rows, Taken, connection, phase as phase_table},
    time::{MaybeTick, Now, Tick},
    tunnel::{Tunnel, TunnelReport},
    verdict::Verdict,
    wait::{Ending, Relayed, Wait},
};

/// One client's connection, from accept to close, with the exchanges and the tunnel on it.
///
/// Four groups of methods:
///
/// - **What happened** (`handle_*`): reports by the shell. None fails: whatever the network did is a
///   transition. Time comes in with [`Turn`]; it never goes back.
/// - **What to do** ([`poll_output`](Self::poll_output)): to be polled after each round of reports until it
///   says [`Output::Wait`] or [`Output::Done`].
/// - **Memory** ([`receive_space`](Self::receive_space), [`transmit`](Self::transmit)): where to read into
///   and what to write. It neither moves nor changes until its report.
/// - **Looks** ([`record`](Self::record), [`snapshot`](Self::snapshot)).
///
/// The loop of a shell, in six steps:
///
/// 1. Poll; do what the output says, and report what an errand brought. At [`Output::ExchangeDone`] read the record,
///    then give its memory back ([`forget_exchange`](Self::forget_exchange)), and so behind
///    [`Output::Judge`] and [`Output::LogTunnel`].
/// 2. At `Wait`: for each side that `writes`, write `transmit(side)` and report with `handle_sent`.
/// 3. For each side that `reads`, read into `receive_space(side)` and report with `handle_received`,
///    "would block" included. A shell that can tell reports `handle_acknowledged` for a side that `acknowledges`.
/// 4. When anything moved, go to 1; after a bounded number of rounds give others a turn.
/// 5. Else sleep until a socket is ready, an errand is done, or the deadline has come; at the deadline
///    report `handle_timeout`.
/// 6. At `Done`, drop the session.
#[derive(Clone, Debug)]
pub struct Session {
    common: Common,
    phase: Phase,
}

/// What can happen to a session.
#[derive(Debug)]
enum Input<'a> {
    Received(Leg, Result<usize, Fault>),
    Sent(Leg, Result<usize, Fault>),
    Relayed(Leg, Relayed),
    Acknowledged(Leg),
    /// These name their errand by its number.
    Resolved(u32, Result<&'a [IpAddr], Fault>),
    Admitted(u32, Admission),
    Chosen(u32, u32, &'a Address),
    Connected(u32, Result<Connected, DialError>),
    Timeout,
    Drain(Draining),
}

/// What happened.
impl Session {
    /// A session for a client that was just accepted.
    #[must_use]
    pub fn new(config: Arc<Config>, client: ClientInfo, now: Now) -> Self {
        let mut session = Self::unconnected(config, client, now);
        session.common.leg_event(Side::Downstream, connection::Event::Established);
        let config = &session.common.record.config;
        if !config.proxy_protocol || config.tls {
            session.await_request();
        }
        session
    }

    fn unconnected(config: Arc<Config>, client: ClientInfo, now: Now) -> Self {
        Self {
            common: Common {
                record: Record::new(config, Arc::new(client), now),
                legs: [connection::Machine::default(); 2],
                work: Loan::default(),
                errands: 0,
                epochs: Epochs::default(),
                draining: None,
                ends_by: MaybeTick::NONE,
                tick: now.tick,
                taken: Taken::default(),
            },
            phase: Phase::Greeting,
        }
    }

    /// Bytes were received into [`receive_space`](Self::receive_space): so many, `Ok(0)` for the end of the
    /// stream. "Would block" is reported too: unused memory goes back. A reset may be reported whenever it
    /// is noticed. Of a connection that has been closed or released it only brings the memory back: a read that was
    /// cancelled is reported with whatever it came to.
    pub fn handle_received(&mut self, from: Leg, result: Result<usize, Fault>, turn: &mut Turn<'_>) {
        self.apply(Input::Received(from, result), turn);
    }

    /// So many bytes of [`transmit`](Self::transmit) were sent, and no layer of the shell's own holds them; but for one that has
    /// changed them, as TLS seals records: it sends what it holds before anything else, the end included. "Would
    /// block" is reported too. Of a connection that has been closed or released it only brings the memory back: a write
    /// that was cancelled is reported with whatever it came to.
    pub fn handle_sent(&mut self, to: Leg, result: Result<usize, Fault>, turn: &mut Turn<'_>) {
        self.apply(Input::Sent(to, result), turn);
    }

    /// Bytes were moved past the session, where [`Wait::relays`] permits it. What was taken and not yet
    /// delivered is in the shell's pipe. Ignored when that connection has been closed or released.
    /// Where a write from the pipe fails, report that as sent, and drop what the pipe holds: nobody takes it any more.
    pub fn handle_relayed(&mut self, from: Leg, moved: Relayed, turn: &mut Turn<'_>) {
        self.apply(Input::Relayed(from, moved), turn);
    }

    /// All that was sent to this side has been acknowledged, where [`Wait::acknowledges`] asks for it: a reset no
    /// more destroys it. Ignored when nobody has asked.
    pub fn handle_acknowledged(&mut self, to: Leg, turn: &mut Turn<'_>) {
        self.apply(Input::Acknowledged(to), turn);
    }

    /// A name was looked up: its addresses, in the order in which they are to be tried. A fault of the kind
    /// [`std::io::ErrorKind::QuotaExceeded`] says that nobody was asked, because too many names are being looked
    /// up already.
    pub fn handle_resolved(&mut self, lookup: Lookup, result: Result<&[IpAddr], Fault>, turn: &mut Turn<'_>) {
        self.apply(Input::Resolved(lookup.errand, result), turn);
    }

    /// A request was admitted, delayed or refused.
    pub fn handle_admitted(&mut self, claim: Claim, admission: Admission, turn: &mut Turn<'_>) {
        self.apply(Input::Admitted(claim.errand, admission), turn);
    }

    /// A peer was chosen for a dial: the session notes whom it tries, and hands the lease out. To be reported
    /// at once, before the pool is looked into or anything is sent.
    pub fn handle_chosen(&mut self, dial: &Dial, choice: Choice, turn: &mut Turn<'_>) -> Lease {
        let Choice(lease) = choice;
        self.apply(Input::Chosen(dial.errand, lease.number(), lease.address()), turn);
        lease
    }

    /// A dial brought a connection, or none.
    pub fn handle_connected(
        &mut self,
        dial: Dial,
        result: Result<Connected, DialError>,
        turn: &mut Turn<'_>,
    ) {
        self.apply(Input::Connected(dial.errand, result), turn);
    }

    /// The deadline may have come. A call too early changes nothing.
    pub fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        self.apply(Input::Timeout, turn);
    }

    /// The worker is shutting down or has a new configuration: no further request is begun (C8, G6). What has been
    /// said once may be said again, and more.
    pub fn handle_drain(&mut self, draining: Draining, turn: &mut Turn<'_>) {
        self.apply(Input::Drain(draining), turn);
    }

    /// Ends the session, and gives its memory back to the worker: call it at [`Output::Done`]. A session that
    /// is just dropped frees it instead. Where reads or writes still use that memory, their loop keeps the session
    /// until they are over.
    pub fn recycle(mut self, buffers: &mut Buffers) {
        for flow in self.common.work.held().into_iter().flat_map(|work| &mut work.flows) {
            flow.recycle(buffers);
        }
        self.common.work.give_back(buffers);
        self.common.record.figures.give_back(buffers);
        match self.phase {
            Phase::Exchange(mut exchange) => exchange.give_back(buffers),
            Phase::Tunnel(tunnel) => tunnel.recycle(buffers),
            _ => {}
        }
        if let Some(heads) = self.common.record.heads.take() {
            buffers.return_heads(heads);
        }
    }

    fn apply(&mut self, input: Input<'_>, turn: &mut Turn<'_>) {
        self.apply_watched(input, turn, |_| {});
    }

    /// The one place where state changes. `watch` looks on between any two steps.
    fn apply_watched(&mut self, input: Input<'_>, turn: &mut Turn<'_>, mut watch: impl FnMut(&Self)) {
        self.common.tick = self.common.tick.max(turn.now.tick);
        let is_taken = self.common.takes_report(&input);
        let is_of_tunnel = is_taken && self.report_to_tunnel(&input, turn);
        if is_taken && !is_of_tunnel {
            self.common.work.lend(turn.buffers);
            self.take(input, turn);
        }
        watch(self);
        // Nothing follows from what an open tunnel was told: it has taken its own steps.
        if is_of_tunnel && self.phase.tunnel().is_some() {
            self.settle_work(turn.buffers);
            return self.check_invariants();
        }
        while self.advance(turn) {
            watch(self);
        }
        watch(self);
        if self.common.record.take_given_up() {
            self.common.note(Event::MatchGivenUp);
        }
        self.settle(turn);
        self.check_invariants();
    }

    /// What an input is for a session that has no open tunnel.
    fn take(&mut self, input: Input<'_>, turn: &mut Turn<'_>) {
        match input {
            Input::Received(from, result) => self.received(from.side(), result, turn),
            Input::Sent(to, result) => self.sent(to.side(), result, turn),
            // These are reported of a tunnel.
            Input::Relayed(..) | Input::Acknowledged(_) => {}
            Input::Timeout => self.timed_out(turn),
            Input::Drain(draining) => self.drain(draining),
            answer => {
                // Outside of an exchange nobody is out on an errand.
                if let Phase::Exchange(exchange) = &mut self.phase {
                    exchange.take_answer(&mut self.common, answer, turn);
                }
            }
        }
    }

    /// Takes a step that is possible without another input; says whether there was one. Each consumes bytes or
    /// changes a state, so there is an end.
    fn advance(&mut self, turn: &mut Turn<'_>) -> bool {
        match &mut self.phase {
            Phase::Greeting => self.read_greeting(),
            Phase::Idle(idle) => match idle.look(&mut self.common) {
                Found::Nothing => false,
                Found::End => {
                    self.close_client(Ending::Fin);
                    true
                }
                Found::Request => {
                    let receiving = idle.begin_request(&mut self.common, turn);
                    self.enter_phase(phase_table::Event::HeadBegun, Phase::Receiving(receiving));
                    true
                }
            },
            Phase::Receiving(_) => self.read_request_head(turn),
            Phase::Exchange(_) => self.advance_exchange(turn),
            Phase::Finished(_) => self.go_on(),
            Phase::Lingering(lingering) => {
                let is_over = lingering.drop_input(&mut self.common);
                if is_over {
                    self.close_client(Ending::Fin);
                }
                is_over
            }
            Phase::Tunnel(_) | Phase::Closed => false,
        }
    }

    /// Takes a step of the exchange, or the one that leaves it: then its memory goes back, but for what follows from it.
    fn advance_exchange(&mut self, turn: &mut Turn<'_>) -> bool {
        let Phase::Exchange(exchange) = &mut self.phase else { return false };
        if let Some(finished) = exchange.finished() {
            exchange.give_back(turn.buffers);
            self.enter_phase(phase_table::Event::Finish, Phase::Finished(finished));
            return true;
        }
        let has_moved = exchange.advance(&mut self.common, turn);
        if exchange.is_tunnel() {
            exchange.give_back(turn.buffers);
            self.begin_tunnel(turn);
        }
        has_moved
    }
}

/// Looks.
impl Session {
    /// The record of the exchange: whole from [`Output::ExchangeDone`] to the next report; before that, what
    /// is known so far.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.common.record
    }

    /// What is known so far of the tunnel that is open; once it is over, [`Record::tunnel`] has it.
    #[must_use]
    pub fn tunnel_report(&self) -> Option<TunnelReport> {
        self.phase.tunnel().map(Tunnel::report)
    }

    /// Whether a tunnel is open.
    #[must_use]
    pub fn has_tunnel(&self) -> bool {
        self.phase.tunnel().is_some()
    }

    /// Whether what ends now ends with something missing: a stream of the tunnel was cut, or a response. Over TLS it then ends
    /// without `close_notify` (H5; RFC 8446 §6.1), since that would say that it is whole.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        match self.phase.tunnel() {
            Some(tunnel) => tunnel.is_cut(),
            None => matches!(self.common.record.outcome, Outcome::ClientLeft | Outcome::Cut),
        }
    }

    /// What the session is and holds, with deadlines relative to `now`, without totals and addresses: two
    /// sessions with equal snapshots behave alike.
    #[must_use]
    pub fn snapshot(&self, now: Tick) -> Snapshot {
        Snapshot::of(self, now)
    }

    /// The rows of the tables that this session has taken so far. For tests of what tests cover: none without
    /// debug assertions.
    #[doc(hidden)]
    #[must_use]
    pub fn rows_taken(&self) -> Rows {
        self.phase.tunnel().map_or(self.common.taken, |tunnel| self.common.taken.with(tunnel.taken())).rows()
    }
}
