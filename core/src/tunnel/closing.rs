//! Ending a tunnel by our own wish (G5): a Close to each side that can have one, its answer, and the end of each
//! connection in the order that RFC 6455 §7.1.1 gives.

use core::time::Duration;

use super::{
    Farewell, Purpose, Tunnel,
    output::Busy,
    own::{Kind, OwnFrame, mask},
};
use crate::{
    Draining, Side,
    buffer::Turn,
    record::{EndedBy, EndedHow},
    state::{connection, tunnel},
    time::Tick,
    websocket::{CloseCode, ControlFrame},
};

/// The longest time that a worker's shutdown waits for the answers to its Closes.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// A tunnel that we are ending.
#[derive(Clone, Debug)]
pub(super) struct Closing {
    pub(super) why: EndedBy,
    /// It is over then, whoever has answered.
    pub(super) until: Tick,
    pub(super) manner: Manner,
    /// What becomes of the Close to each side.
    pub(super) said: [Said; 2],
}

/// How a tunnel is ended by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Manner {
    /// Each side gets a Close and answers it.
    Handshake,
    /// Each side gets a Close where its socket takes one now; nothing is awaited.
    AtOnce,
    /// Each side gets the end of its stream, for frames can't be told.
    HalfClose,
}

/// What becomes of a Close.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Said {
    /// It waits for a place between two frames.
    Waits(ControlFrame),
    /// It is being sent.
    Goes,
    /// It was sent, or the other end's own has passed: at most one goes in a direction.
    Told,
    /// There is no place for it, or nobody who takes it.
    Never,
}

impl Said {
    /// A word for it.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Waits(_) => "waits",
            Self::Goes => "goes",
            Self::Told => "told",
            Self::Never => "never",
        }
    }

    const fn is_settled(&self) -> bool {
        matches!(self, Self::Told | Self::Never)
    }
}

impl Tunnel {
    /// Begins to end a tunnel that isn't over, unless that has begun already.
    pub(super) fn close(&mut self, why: EndedBy, manner: Manner, now: Tick, turn: &mut Turn<'_>) {
        if self.closing().is_some() {
            return;
        }
        let knows_frames = self.frames.as_ref().is_some_and(|frames| frames.takes_ours());
        let manner = match (knows_frames, manner) {
            (true, manner) => manner,
            (false, Manner::AtOnce) => return self.finish(Some(why)),
            (false, _) => Manner::HalfClose,
        };
        let within = match why {
            EndedBy::Shutdown => self.settings.close_timeout.min(SHUTDOWN),
            _ => self.settings.close_timeout,
        };
        self.counts.ended = Some(why);
        let said = Side::BOTH.map(|side| self.prepare(side, why, manner));
        self.rare_mut(turn.buffers).closing = Some(Closing { why, until: now.after(within), manner, said });
        self.busy.set(Busy::CLOSING);
        if let EndedBy::Ping(side) = why {
            // Nothing can be told to a side that is dead, and nothing comes from it.
            self.failed(side, None, turn);
        }
        if manner == Manner::HalfClose {
            for from in Side::BOTH {
                if self.course(from).permits(tunnel::Event::SourceEnded) {
                    self.tunnel_event(from, tunnel::Event::SourceEnded);
                }
            }
        }
    }

    /// The Close to a side.
    fn prepare(&self, to: Side, why: EndedBy, manner: Manner) -> Said {
        let from = to.opposite();
        let Some(frames) = self.frames.as_ref().filter(|_| manner != Manner::HalfClose) else {
            return Said::Never;
        };
        if frames.lane(from).has_closed() {
            return Said::Told;
        }
        let key = (to == Side::Upstream).then(|| mask(frames.seed.draw(Purpose::MaskClose, 0)));
        let (code, reason) = self.words(to, why);
        ControlFrame::close(code, reason, key).map_or(Said::Never, Said::Waits)
    }

    /// The code and the reason of the Close to a side.
    fn words(&self, to: Side, why: EndedBy) -> (CloseCode, &str) {
        let farewell: &Farewell = &self.settings.drain.close;
        match why {
            EndedBy::Violation(_) => (CloseCode::PROTOCOL_ERROR, ""),
            EndedBy::Limit => (CloseCode::MESSAGE_TOO_BIG, ""),
            EndedBy::Ping(Side::Upstream) => (CloseCode::INTERNAL_ERROR, ""),
            EndedBy::Silence if to == Side::Downstream => (CloseCode::GOING_AWAY, "silent"),
            EndedBy::Lifetime | EndedBy::Drain | EndedBy::Shutdown => (farewell.code(), farewell.reason()),
            EndedBy::Ping(_) | EndedBy::Silence | EndedBy::Timer(_) | EndedBy::Client | EndedBy::Upstream => {
                (CloseCode::GOING_AWAY, "")
            }
        }
    }

    /// Goes on with ending the tunnel; says whether something has changed.
    pub(super) fn step_closing(&mut self, turn: &mut Turn<'_>) -> bool {
        let mut moved = false;
        for to in Side::BOTH {
            moved |= self.say(to, turn);
            moved |= self.end_client(to);
        }
        let is_over = self.closing().is_some_and(|closing| closing.manner != Manner::HalfClose)
            && Side::BOTH.into_iter().all(|side| self.has_parted(side));
        if is_over {
            self.finish(None);
        }
        moved
    }

    /// Says Close to a side as soon as there is a place for it.
    fn say(&mut self, to: Side, turn: &mut Turn<'_>) -> bool {
        let from = to.opposite();
        let Some(closing) = self.closing() else { return false };
        let (said, manner) = (&closing.said[to.index()], closing.manner);
        let frames = self.frames.as_ref();
        let at_boundary = frames.is_some_and(|frames| frames.lane(from).is_at_boundary());
        let held = &self.directions[from.index()].held;
        let in_front = to == Side::Downstream && self.busy.has(Busy::FRONT);
        // A Close that has to go at once doesn't queue behind bytes that wait.
        let has_place = at_boundary && (manner != Manner::AtOnce || !(held.waits() || in_front));
        // Where the source has ended within a frame, no place comes.
        let is_lost =
            !self.leg(to).writes() || (!at_boundary && !self.course(from).is_flowing() && held.is_empty());
        let next = match said {
            Said::Waits(_) | Said::Goes if is_lost => Said::Never,
            Said::Waits(_) if self.own(to).is_some() => return false,
            Said::Waits(frame) if has_place => {
                let frame = OwnFrame::new(frame.clone(), Kind::Close);
                self.put_in(to, frame, turn);
                Said::Goes
            }
            Said::Waits(_) if manner == Manner::AtOnce => Said::Never,
            Said::Goes if self.own(to).is_none() => Said::Told,
            _ => return false,
        };
        self.set_said(to, next);
        true
    }

    /// Notes what has become of the Close to a side.
    fn set_said(&mut self, to: Side, next: Said) {
        if let Some(closing) = self.rare.as_mut().and_then(|rare| rare.closing.as_mut()) {
            closing.said[to.index()] = next;
        }
    }

    /// A Close that waits for a place between two frames: there will be none.
    pub(super) fn forget_waiting_close(&mut self, to: Side) {
        if matches!(self.said(to), Some(Said::Waits(_))) {
            self.set_said(to, Said::Never);
        }
    }

    /// Of the client's connection we send the end first (RFC 6455 §7.1.1).
    fn end_client(&mut self, side: Side) -> bool {
        let is_due = side == Side::Downstream
            && self.said(side) == Some(&Said::Told)
            && self.has_said_close(side)
            && self.leg(side).writes();
        if is_due {
            self.leg_event(side, connection::Event::OurEnd);
            self.busy.shut_down(side);
        }
        is_due
    }

    /// Whether we are done with a side: no Close of ours is still to go there, and we await no answer from it.
    fn has_parted(&self, side: Side) -> bool {
        let Some(closing) = self.closing() else { return false };
        if !closing.said[side.index()].is_settled() {
            return false;
        }
        match closing.manner {
            Manner::AtOnce => true,
            _ if closing.said[side.index()] == Said::Never || !self.leg(side).reads() => true,
            _ if closing.why == EndedBy::Violation(side) => true,
            // The origin server ends its connection first.
            _ => side == Side::Downstream && self.has_said_close(side),
        }
    }

    fn has_said_close(&self, side: Side) -> bool {
        self.frames.as_ref().is_some_and(|frames| frames.lane(side).has_closed())
    }

    /// A write has done what it could, where nothing is awaited.
    pub(super) fn has_tried(&mut self, to: Side) {
        let is_last = self.closing().is_some_and(|closing| closing.manner == Manner::AtOnce);
        // Nor for a Ping of ours that the Close would have followed.
        if is_last && self.own(to).is_some() {
            self.set_said(to, Said::Never);
        }
    }

    /// How a tunnel has ended that we have ended: every side that could has answered, or not.
    pub(super) fn ended_how(&self) -> EndedHow {
        let Some(closing) = self.closing() else { return EndedHow::Timeout };
        let has_answered = |side: Side| {
            let could = closing.why != EndedBy::Ping(side) && closing.why != EndedBy::Violation(side);
            !could
                || self.has_said_close(side)
                || (closing.manner == Manner::HalfClose && !self.leg(side).reads())
        };
        match closing.manner {
            Manner::AtOnce => EndedHow::Timeout,
            Manner::Handshake | Manner::HalfClose if Side::BOTH.into_iter().all(has_answered) => {
                EndedHow::Close
            }
            Manner::Handshake | Manner::HalfClose => EndedHow::Timeout,
        }
    }

    /// Whether the end of a stream may be sent on to a side now: not before a Close of ours, and not to an origin
    /// server that ends its connection first.
    pub(super) fn may_end(&self, to: Side) -> bool {
        if self.own(to).is_some() {
            return false;
        }
        match self.closing() {
            None => true,
            Some(closing) => closing.said[to.index()].is_settled(),
        }
    }

    /// Whether that end is left to closing the connection.
    pub(super) fn leaves_end(&self, to: Side) -> bool {
        to == Side::Upstream && self.awaits_closes()
    }

    /// The worker shuts down, or there is a newer configuration (C8, G6).
    pub(super) fn drain(&mut self, draining: Draining, now: Tick, turn: &mut Turn<'_>) {
        let (until, is_spread) = match draining {
            Draining::Quit(until) => (until, true),
            Draining::Reload(until) => (until, self.settings.drain.on_reload),
            Draining::Stop => return self.stop(now, turn),
        };
        if let Some(until) = until {
            self.rare_mut(turn.buffers).drain = until;
        }
        if let (true, Some(window), Some(watch)) = (is_spread, self.settings.drain.window, &self.watch) {
            let at = watch.drain_moment(window, now);
            let rare = self.rare_mut(turn.buffers);
            rare.moment = rare.moment.min(at);
        }
    }

    /// TERM: a Close is said where a socket takes it at once, and nothing is awaited, whatever was (G6).
    fn stop(&mut self, now: Tick, turn: &mut Turn<'_>) {
        match self.rare.as_mut().and_then(|rare| rare.closing.as_mut()) {
            None => self.close(EndedBy::Shutdown, Manner::AtOnce, now, turn),
            Some(closing) if closing.manner == Manner::HalfClose => self.finish(None),
            Some(closing) => closing.manner = Manner::AtOnce,
        }
    }

    /// The time of a shutdown is over: what is being closed has no longer than others.
    pub(super) fn shut_down(&mut self, now: Tick, turn: &mut Turn<'_>) {
        if let Some(rare) = &mut self.rare {
            rare.drain = super::NEVER;
        }
        if !self.frames.as_ref().is_some_and(|frames| frames.takes_ours()) && self.closing().is_none() {
            // C8: other tunnels, and those that have gone blind, end at once.
            return self.finish(Some(EndedBy::Shutdown));
        }
        self.close(EndedBy::Shutdown, Manner::Handshake, now, turn);
        let most = now.after(self.settings.close_timeout.min(SHUTDOWN));
        if let Some(closing) = self.rare.as_mut().and_then(|rare| rare.closing.as_mut()) {
            closing.until = closing.until.min(most);
        }
    }

    /// Whether each side is to answer a Close before it is over.
    pub(super) fn awaits_closes(&self) -> bool {
        self.closing().is_some_and(|closing| closing.manner == Manner::Handshake)
    }

    pub(super) fn closing(&self) -> Option<&Closing> {
        self.rare.as_ref()?.closing.as_ref()
    }

    fn said(&self, to: Side) -> Option<&Said> {
        self.closing().map(|closing| &closing.said[to.index()])
    }
}
