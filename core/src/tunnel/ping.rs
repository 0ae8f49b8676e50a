//! Pings of ours, and sides that answer none (G3).

use core::time::Duration;

use super::{
    NEVER, Purpose, Tunnel,
    closing::Manner,
    output::Busy,
    own::{Kind, OwnFrame, mask, ping_payload},
    watch::Vigil,
};
use crate::{Side, buffer::Turn, record::EndedBy, time::Tick, websocket::ControlFrame};

impl From<Side> for Purpose {
    fn from(side: Side) -> Self {
        match side {
            Side::Downstream => Self::PingClient,
            Side::Upstream => Self::PingUpstream,
        }
    }
}

/// What is due to a side that is watched by Pings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A Ping.
    Ping(Tick),
    /// Its sign of life.
    Answer(Tick),
}

impl Tunnel {
    /// What is due to this side, and when; nothing to one that has ended or sent Close, that isn't read, or that can't
    /// be sent a frame of ours.
    #[inline]
    pub(super) fn ping_due(&self, side: Side) -> Option<Due> {
        let ping = self.settings.websocket.as_ref()?.ping.as_ref()?;
        let is_watched = match side {
            Side::Downstream => ping.client,
            Side::Upstream => ping.upstream,
        };
        if !is_watched || !self.can_ping(side) {
            return None;
        }
        let watch = self.watch.as_ref()?;
        match watch.vigil(side)? {
            Vigil::Awaits(since) => Some(Due::Answer(since.after(ping.timeout))),
            // One Ping is out at a time.
            Vigil::Hears(_) if self.own(side).is_some() => None,
            // Nor is one of the other end's out while it may be among what waits here.
            Vigil::Hears(_)
                if watch.has_relayed_ping(side) && self.stalled_since(side.opposite()).is_some() =>
            {
                None
            }
            Vigil::Hears(since) => Some(Due::Ping(since.after(watch.interval(side, ping.interval)))),
        }
    }

    fn can_ping(&self, side: Side) -> bool {
        let Some(frames) = &self.frames else { return false };
        let to = frames.lane(side.opposite());
        frames.takes_ours()
            && !frames.lane(side).has_closed()
            && !to.has_closed()
            && self.course(side).is_flowing()
            && self.course(side.opposite()).is_flowing()
    }

    /// Sends the Pings that are due. A Ping of the other end's that is unanswered serves as ours: a peer may answer the
    /// latest only (RFC 6455 §5.5.3).
    pub(super) fn ping(&mut self, now: Tick, turn: &mut Turn<'_>) {
        for side in Side::BOTH {
            if !matches!(self.ping_due(side), Some(Due::Ping(at)) if at <= now) {
                continue;
            }
            let Some(watch) = &mut self.watch else { continue };
            if watch.has_relayed_ping(side) {
                watch.asked(side, now);
                continue;
            }
            let watched = &mut watch.sides[side.index()];
            let number = watched.pings;
            watched.pings = number.wrapping_add(1);
            watched.pinged = NEVER;
            let Some(frames) = &self.frames else { continue };
            let drawn = frames.seed.draw(side.into(), number);
            let key = (side == Side::Upstream).then(|| mask(drawn));
            if let Ok(frame) = ControlFrame::ping(&ping_payload(drawn, number), key) {
                self.put_in(side, OwnFrame::new(frame, Kind::Ping), turn);
            }
        }
    }

    /// Ends the tunnel of a side that owes a sign of life: its connection is reset, and the other side is told (G3).
    pub(super) fn unanswered(&mut self, now: Tick, turn: &mut Turn<'_>) {
        let is_dead = |side: &Side| matches!(self.ping_due(*side), Some(Due::Answer(at)) if at <= now);
        if let Some(side) = Side::BOTH.into_iter().find(is_dead) {
            self.close(EndedBy::Ping(side), Manner::Handshake, now, turn);
        }
    }

    /// A frame of ours was sent whole.
    pub(super) fn own_sent(&mut self, to: Side, kind: Kind, now: Tick) {
        if let (Kind::Ping, Some(watch)) = (kind, &mut self.watch) {
            watch.asked(to, now);
            watch.sides[to.index()].pinged = now;
        }
    }

    /// Puts a frame of ours behind what has passed to this side, at the next place between two frames.
    pub(super) fn put_in(&mut self, to: Side, frame: OwnFrame, turn: &mut Turn<'_>) {
        let frame = turn.buffers.own_frames.boxed(frame);
        self.rare_mut(turn.buffers).own[to.index()] = Some(frame);
        self.busy.set(Busy::OWN);
    }

    /// A Ping that waits for a place between two frames: there may be none any more.
    pub(super) fn forget_waiting_ping(&mut self, to: Side) {
        let (Some(rare), Some(frames)) = (&mut self.rare, &self.frames) else { return };
        // What can be sent may be on its way.
        if !frames.lane(to.opposite()).is_at_boundary() {
            rare.own[to.index()].take_if(|own| own.kind() == Kind::Ping);
        }
        if rare.own.iter().all(Option::is_none) {
            self.busy.clear(Busy::OWN);
        }
    }

    /// The frame of ours that goes to this side.
    #[inline]
    pub(super) fn own(&self, to: Side) -> Option<&OwnFrame> {
        self.rare.as_ref()?.own[to.index()].as_deref()
    }

    /// What can be sent of it, behind what has passed.
    pub(super) fn own_offered(&self, to: Side) -> &[u8] {
        let from = to.opposite();
        let has_place = self.frames.as_ref().is_some_and(|frames| frames.lane(from).is_at_boundary())
            && self.course(from).piped() == 0
            && !(to == Side::Downstream && self.busy.has(Busy::FRONT));
        self.own(to).filter(|_| has_place).map_or(b"", OwnFrame::rest)
    }
}

impl super::watch::Watched {
    /// How long the last answer to a Ping of ours took.
    pub(super) fn last_round_trip(&self) -> Option<Duration> {
        self.round_trip.map(|micros| Duration::from_micros(micros.get().into()))
    }

    /// The Ping with this number was answered. Only the last one tells how long that takes.
    pub(super) fn answered(&mut self, number: u32, now: Tick) {
        if number.wrapping_add(1) == self.pings && self.pinged != NEVER {
            let micros = u32::try_from(now.since(self.pinged).as_micros()).unwrap_or(u32::MAX);
            // A clock that is too coarse to tell says one.
            self.round_trip = std::num::NonZeroU32::new(micros.max(1));
            self.pinged = NEVER;
        }
    }
}
