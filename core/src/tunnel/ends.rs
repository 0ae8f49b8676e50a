//! How streams, connections and the tunnel come to their ends, each as its table permits.

use super::{
    Tunnel,
    course::{Course, Reading, Tail},
    output::Busy,
};
use crate::{
    Fault, Side,
    buffer::Turn,
    record::{EndedBy, EndedHow},
    state::{connection, tunnel},
    wait::Ending,
};

impl Tunnel {
    /// Reading or writing failed, or the side is given up: nothing can be read or written on this side any more.
    pub(super) fn failed(&mut self, side: Side, fault: Option<Fault>, turn: &mut Turn<'_>) {
        if self.leg(side).state() != connection::State::Failed && !self.is_done() {
            let was_cut = self.counts.cut;
            self.note_wait(side, turn.now.tick);
            self.leg_event(side, connection::Event::Fail);
            self.side_failed(side, fault.map_or(EndedHow::Reset, how_failed), turn);
            if fault.is_none() {
                // The other side's stream isn't cut: it ends with a Close.
                self.counts.cut = was_cut;
                self.counts.endings[side.index()] = Ending::Reset;
            }
        }
    }

    pub(super) fn side_failed(&mut self, side: Side, how: EndedHow, turn: &mut Turn<'_>) {
        self.counts.ended.get_or_insert_with(|| side.into());
        self.source_ended(side);
        self.sink_failed(side, how, turn);
    }

    /// A source has ended: in order, or cut.
    pub(super) fn source_ended(&mut self, from: Side) {
        if self.course(from).permits(tunnel::Event::SourceEnded) {
            self.tunnel_event(from, tunnel::Event::SourceEnded);
        }
        self.counts.ended.get_or_insert_with(|| from.into());
    }

    /// A side takes no more bytes (C3): what its peer still sends is dropped. What it had sent itself is still read and
    /// delivered: it may have written its last words and closed.
    pub(super) fn sink_failed(&mut self, sink: Side, how: EndedHow, turn: &mut Turn<'_>) {
        if self.leg(sink).writes() {
            self.note_wait(sink, turn.now.tick);
            self.leg_event(sink, connection::Event::OurEnd);
        }
        self.counts.ended.get_or_insert_with(|| sink.into());
        self.counts.how.get_or_insert(how);
        self.counts.cut = true;
        let from = sink.opposite();
        if let (Side::Downstream, Some(rare)) = (sink, &mut self.rare) {
            rare.front.discard();
            self.busy.clear(Busy::FRONT);
        }
        self.stop_relaying(from, turn);
        let direction = &mut self.directions[from.index()];
        if direction.course.permits(tunnel::Event::SinkFailed) {
            self.tunnel_event(from, tunnel::Event::SinkFailed);
        } else if let Course::Over(tail @ (Tail::Sent | Tail::Acknowledged)) = &mut direction.course {
            *tail = Tail::Lost(Reading::InVain);
        }
    }

    /// What a side has sent and will send goes nowhere. Where the tunnel is being ended, its Close is still awaited.
    fn stop_relaying(&mut self, from: Side, turn: &mut Turn<'_>) {
        let awaits_close = self.busy.has(Busy::CLOSING);
        let held = &mut self.directions[from.index()].held;
        if let Some(frames) = &mut self.frames {
            frames.lane_mut(from).stops(awaits_close);
        }
        if awaits_close {
            held.discard_seen();
            self.scan(from, turn.now.tick, turn);
        } else {
            held.discard();
        }
    }

    pub(super) fn end_direction(&mut self, from: Side) -> bool {
        let to = from.opposite();
        let direction = &self.directions[from.index()];
        let in_front =
            from == Side::Upstream && self.rare.as_ref().is_some_and(|rare| !rare.front.head_is_sent());
        match direction.course {
            Course::Ending(carried)
                if carried.piped == 0 && !direction.held.waits() && !in_front && self.may_end(to) =>
            {
                self.tunnel_event(from, tunnel::Event::Delivered);
                // The side that was cut is the one that has gone: the other can still be written.
                if self.leg(to).writes() && !self.relays_reset() && !self.leaves_end(to) {
                    self.leg_event(to, connection::Event::OurEnd);
                    self.busy.shut_down(to);
                }
                // `upgrade_half_close off`: either end ends both (C2), as soon as the tail has been delivered.
                if !self.settings.half_close && self.course(to).permits(tunnel::Event::SourceEnded) {
                    self.tunnel_event(to, tunnel::Event::SourceEnded);
                }
                true
            }
            _ => false,
        }
    }

    /// Both directions are over, or nobody waits for them any more: `because` of something else than its sides.
    pub(super) fn finish(&mut self, because: Option<EndedBy>) {
        let because = self.closing().map(|closing| closing.why).or(because);
        if because.is_some() {
            self.counts.how = Some(self.ended_how());
            self.counts.ended = because;
        } else {
            self.counts.how = Some(self.ended_by_itself());
        }
        let timed_out = matches!(because, Some(EndedBy::Timer(_)));
        let resets = timed_out && self.settings.reset_timedout_connection;
        if self.relays_reset() || resets || self.busy.has(Busy::ILLEGAL) {
            self.counts.endings = [Ending::Reset; 2];
        }
        if timed_out {
            self.busy.set(Busy::TIMED_OUT);
        }
        self.busy.set(Busy::CLOSED);
        self.busy.set(Busy::DONE);
    }

    /// How it has ended where its sides have ended it: a failure counts where no Close has been said on both sides.
    fn ended_by_itself(&self) -> EndedHow {
        let said = |frames: &super::Frames| Side::BOTH.map(|side| frames.lane(side).has_closed());
        match (self.frames.as_deref().map(said), self.counts.how) {
            (Some([true, true]), _) => EndedHow::Close,
            (_, Some(failed)) => failed,
            (Some([true, _] | [_, true]), None) => EndedHow::Close,
            _ => EndedHow::Fin,
        }
    }

    pub(super) fn leg_event(&mut self, side: Side, event: connection::Event) {
        self.taken.connection(self.leg(side), event);
        let legal = self.legs[side.index()].on(event);
        self.check_transition(legal, "connection", &event);
    }

    pub(super) fn tunnel_event(&mut self, from: Side, event: tunnel::Event) {
        let legal = self.directions[from.index()].course.on(event, &mut self.taken);
        self.check_transition(legal, "tunnel", &event);
        if event == tunnel::Event::SourceEnded {
            // The frame under way is cut short: the end of the stream waits for nothing that would stand behind it.
            self.forget_waiting_ping(from.opposite());
        }
    }

    /// An event without a row is a mistake of ours: loud in debug builds; in release builds it is noted, and the tunnel
    /// ends with a reset rather than go on in a state that nobody has thought through.
    fn check_transition(&mut self, legal: bool, machine: &str, event: &dyn std::fmt::Debug) {
        if !legal {
            debug_assert!(legal, "{machine}: no row for {event:?} in {:?}", self.directions);
            self.busy.set(Busy::ILLEGAL);
            self.finish(Some(EndedBy::Shutdown));
        }
    }
}

/// How a connection has failed: one that ends without its TLS saying so is cut (H5).
pub(super) fn how_failed(fault: Fault) -> EndedHow {
    match fault.kind {
        std::io::ErrorKind::UnexpectedEof => EndedHow::Cut,
        _ => EndedHow::Reset,
    }
}
