//! Looking at frames on their way (G1, G2, G8): how much of what has come may pass.

use super::{
    Held, Tunnel,
    closing::Manner,
    frames::{Lane, Sight},
    output::Busy,
    own::{ANSWER, ping_payload},
    rare::HEADER,
};
use crate::{
    Side,
    buffer::Turn,
    record::EndedBy,
    time::Tick,
    websocket::{Frame, FrameViolation, Next, Opcode, Unmasked},
};

/// What stands at the front of what has come from a side.
#[derive(Clone, Copy, Debug)]
enum Front {
    /// Nothing that can be told yet.
    Incomplete,
    /// So many bytes of the frame under way. They are taken.
    Payload(usize),
    /// So many bytes of a data frame, and whether it is the first of its message and the last. They are taken.
    Data { count: usize, begins: bool, ends: bool },
    /// So many bytes of a Ping. They are taken.
    Ping(usize),
    /// So many bytes of a Pong that answers none of our Pings. They are taken.
    Pong(usize),
    /// A Pong that answers this Ping of ours. It is not taken.
    Ours(u32),
    /// So many bytes of a Close, and its code; 1005 where it has none (RFC 6455 §7.1.5). They are taken.
    Close(usize, u16),
    /// A frame that makes its message longer than it may be. It is not taken.
    TooLong,
    /// The beginning of a message for which there is no room yet. It is not taken.
    TooSoon,
    /// What stands behind a Close.
    Behind,
    /// A frame that breaks a rule.
    Broken(FrameViolation),
}

impl Tunnel {
    /// Lets data frames pass as long as there is nothing to decide about them; `false` when there is.
    #[inline]
    pub(super) fn take_data(&mut self, from: Side, now: Tick) -> bool {
        let (Some(frames), Some(websocket)) = (&mut self.frames, &self.settings.websocket) else {
            return false;
        };
        let held = &mut self.directions[from.index()].held;
        let lane = frames.lane_mut(from);
        let is_rated = from == Side::Downstream && websocket.message_rate.is_some();
        if lane.sight != Sight::Relays || lane.in_control || lane.ahead > 0 || is_rated {
            return false;
        }
        let run = lane.scanner.take_data(held.unseen(), websocket.message_limit.map(Into::into));
        held.pass(run.taken);
        lane.counts(run.frames, run.messages);
        if let (Side::Downstream, 1.., Some(watch)) = (from, run.taken, &mut self.watch) {
            watch.data_came(now);
        }
        held.unseen().is_empty()
    }

    /// Lets pass what may pass of what has come from a side.
    pub(super) fn scan(&mut self, from: Side, now: Tick, turn: &mut Turn<'_>) {
        if from == Side::Downstream {
            // Said again where it still is so.
            self.busy.clear(Busy::TOO_SOON);
        }
        let waited = self.stalled_since(from).is_some();
        while !self.directions[from.index()].held.unseen().is_empty()
            && !self.is_done()
            && self.scan_front(from, now, turn)
        {}
        if !waited
            && self.stalled_since(from).is_some()
            && let Some(carried) = self.directions[from.index()].course.carried()
        {
            // What was kept here waits for the other side from now on, however long ago it came.
            carried.since = now;
        }
    }

    /// Looks at what stands at the front; says whether there may be more to look at.
    fn scan_front(&mut self, from: Side, now: Tick, turn: &mut Turn<'_>) -> bool {
        let own_waits = self.own(from.opposite()).is_some();
        let closes = self.closing().is_some();
        let is_over = !self.course(from).is_flowing();
        let held = &mut self.directions[from.index()].held;
        let Some(frames) = &mut self.frames else {
            held.pass_all();
            return false;
        };
        let seed = frames.seed;
        let lane = frames.lane_mut(from);
        match lane.sight {
            Sight::Relays => {}
            Sight::Blind => {
                held.pass_all();
                return false;
            }
            Sight::Drops | Sight::DropsBlindly => {
                if !held.is_lent() {
                    let count = lane.drops(held.unseen());
                    held.cut_out(count);
                }
                return false;
            }
        }
        if lane.is_at_boundary() {
            lane.in_control = false;
            if own_waits {
                return false;
            }
            if closes {
                // Behind our Close nothing more is sent; what still comes is dropped until a Close does (G5).
                lane.sight = Sight::Drops;
                return true;
            }
        }
        let limit = self.settings.websocket.as_ref().and_then(|websocket| websocket.message_limit);
        let room = self.watch.as_ref().is_none_or(|watch| watch.has_room(from, &self.settings, now));
        let pings = self.watch.as_ref().map_or(0, |watch| watch.sides[from.index()].pings);
        let is_ours =
            |payload: Unmasked<'_>| our_ping(payload, pings, |number| seed.draw(from.into(), number));
        let ahead = usize::from(lane.ahead);
        let partial = self.rare.as_ref().and_then(|rare| rare.partial[from.index()]);
        let begun = partial.map(|passed| begun(passed, ahead, held.unseen()));
        let bytes = begun
            .as_ref()
            .map_or_else(|| held.unseen(), |(bytes, count)| bytes.get(..*count).unwrap_or_default());
        let front = look(lane, bytes, limit.map_or(u64::MAX, Into::into), room, is_ours);
        // Of these bytes so many have passed before.
        let passes = |held: &mut Held, lane: &mut Lane, count: usize| {
            held.pass(count.saturating_sub(ahead));
            lane.ahead = 0;
        };
        match front {
            Front::Incomplete => {}
            Front::Payload(count) => held.pass(count),
            Front::Data { count, ends, .. } => {
                lane.counts(1, usize::from(ends));
                passes(held, lane, count);
            }
            Front::Ping(count) | Front::Pong(count) => {
                lane.counts(1, 0);
                lane.in_control = true;
                passes(held, lane, count);
            }
            Front::Close(count, code) => {
                // The side that says Close first ends the tunnel; a server may end its connection first (RFC 6455 §7.1.1).
                self.counts.ended.get_or_insert_with(|| from.into());
                lane.counts(1, 0);
                lane.in_control = true;
                lane.closes(code);
                passes(held, lane, count);
            }
            Front::Ours(_) if held.waits() => return false,
            Front::Ours(_) => {
                let count = lane.takes_next(held.unseen());
                held.swallow(count);
            }
            Front::Behind => held.pass_all(),
            Front::Broken(_) | Front::TooLong | Front::TooSoon => {}
        }
        if ahead > 0
            && lane.ahead == 0
            && let Some(rare) = &mut self.rare
        {
            rare.partial[from.index()] = None;
        }
        let in_control = lane.in_control;
        self.note_front(from, front, in_control, now);
        match front {
            Front::Incomplete => {
                self.pass_beginning(from, is_over, turn);
                false
            }
            Front::TooSoon => {
                self.busy.set(Busy::TOO_SOON);
                false
            }
            Front::TooLong => {
                self.close(EndedBy::Limit, Manner::Handshake, now, turn);
                true
            }
            Front::Broken(violation) => {
                self.broken(from, violation, now, turn);
                true
            }
            _ => true,
        }
    }

    /// The beginning of a header passes as soon as it comes, where nothing that the rest of it may say keeps the frame
    /// back: a frame that is too long or too early, that breaks a rule where that isn't borne, a Pong that may be ours, a
    /// Close, whose code is told with it. Where no rest comes, the beginning passes as it is: it is a frame cut short, and
    /// no place for one of ours is behind it (G10).
    fn pass_beginning(&mut self, from: Side, is_over: bool, turn: &mut Turn<'_>) {
        let (Some(frames), Some(websocket)) = (&mut self.frames, &self.settings.websocket) else { return };
        let (lane, held) = (frames.lane_mut(from), &mut self.directions[from.index()].held);
        let ahead = usize::from(lane.ahead);
        let is_judged =
            websocket.strict || websocket.message_limit.is_some() || websocket.message_rate.is_some();
        let unseen = held.unseen();
        let is_control = |first: &u8| first & 0x08 != 0;
        let is_kept = is_judged || (ahead == 0 && unseen.first().is_some_and(is_control));
        if unseen.is_empty() || (is_kept && !is_over) {
            return;
        }
        let rare = self.rare.get_or_insert_with(|| turn.buffers.rares.take().unwrap_or_default());
        let partial = rare.partial[from.index()].get_or_insert([0; HEADER]);
        partial.iter_mut().skip(ahead).zip(unseen).for_each(|(slot, byte)| *slot = *byte);
        // A header that isn't whole is shorter than the longest, and a Pong that isn't is a few bytes longer.
        lane.ahead += u8::try_from(unseen.len()).unwrap_or(0);
        held.pass_all();
    }

    /// What is watched over takes notice.
    fn note_front(&mut self, from: Side, front: Front, in_control: bool, now: Tick) {
        let Some(watch) = &mut self.watch else { return };
        match front {
            Front::Data { begins, .. } if from == Side::Downstream => {
                watch.data_came(now);
                if begins {
                    watch.message_came(&self.settings, now);
                }
            }
            Front::Payload(_) if from == Side::Downstream && !in_control => watch.data_came(now),
            Front::Ping(_) => watch.relays_ping(from.opposite(), true),
            Front::Pong(_) => watch.relays_ping(from, false),
            Front::Ours(number) => watch.sides[from.index()].answered(number, now),
            _ => {}
        }
    }

    /// A side has broken RFC 6455 §5 (G2).
    fn broken(&mut self, from: Side, violation: FrameViolation, now: Tick, turn: &mut Turn<'_>) {
        let Some(frames) = &mut self.frames else { return };
        // Of both sides only the first to break a rule is told of.
        let is_first = !frames.is_blind(from.opposite());
        if is_first {
            self.rare_mut(turn.buffers).violation = Some((from, violation));
            self.busy.set(Busy::VIOLATED);
        }
        if self.settings.websocket.as_ref().is_some_and(|websocket| websocket.strict) {
            if let Some(frames) = &mut self.frames {
                frames.lane_mut(from).sight = Sight::DropsBlindly;
            }
            self.close(EndedBy::Violation(from), Manner::Handshake, now, turn);
        } else {
            // As long as it can be told where in a frame each direction is.
            Side::BOTH.into_iter().for_each(|to| self.forget_waiting_ping(to));
            let is_closing = self.closing().is_some();
            if let Some(frames) = &mut self.frames {
                let lane = frames.lane_mut(from);
                lane.goes_blind();
                if is_closing {
                    lane.sight = Sight::DropsBlindly;
                }
            }
            if is_closing {
                // It was to stand behind this frame, whose end nobody knows (G10).
                self.forget_waiting_close(from.opposite());
            }
            if let Some(rare) = &mut self.rare {
                rare.partial[from.index()] = None;
            }
        }
    }
}

/// The beginning of a header that has passed already, with what has come behind it.
fn begun(mut bytes: [u8; HEADER], ahead: usize, unseen: &[u8]) -> ([u8; HEADER], usize) {
    let rest = bytes.iter_mut().skip(ahead).zip(unseen);
    let count = ahead + rest.map(|(slot, byte)| *slot = *byte).count();
    (bytes, count)
}

/// What stands at the front of `bytes`.
fn look(
    lane: &mut Lane,
    bytes: &[u8],
    limit: u64,
    room: bool,
    is_ours: impl FnOnce(Unmasked<'_>) -> Option<u32>,
) -> Front {
    let frame = match lane.scanner.next(bytes) {
        Ok(Next::Wait) => return Front::Incomplete,
        Ok(Next::Payload(count)) => return Front::Payload(count),
        Ok(Next::Closed) => return Front::Behind,
        Err(violation) => return Front::Broken(violation),
        Ok(Next::Frame(frame)) => frame,
    };
    let header = *frame.header();
    match header.opcode {
        Opcode::Ping => Front::Ping(frame.take()),
        Opcode::Pong => look_at_pong(frame, is_ours),
        Opcode::Close => {
            let code = frame.close_code().unwrap_or(NO_CODE);
            Front::Close(frame.take(), code)
        }
        Opcode::Text | Opcode::Binary | Opcode::Continuation if frame.message_length() > limit => {
            Front::TooLong
        }
        Opcode::Text | Opcode::Binary if !room => Front::TooSoon,
        Opcode::Text | Opcode::Binary | Opcode::Continuation => {
            let begins = header.opcode != Opcode::Continuation;
            Front::Data { count: frame.take(), begins, ends: header.ends_message() }
        }
    }
}

/// What a Close without a code counts as (RFC 6455 §7.1.5).
const NO_CODE: u16 = 1005;

/// A Pong that may be ours is held back until that is decided.
fn look_at_pong(frame: Frame<'_, '_>, is_ours: impl FnOnce(Unmasked<'_>) -> Option<u32>) -> Front {
    if frame.header().length == ANSWER {
        let Some(payload) = frame.pong_payload() else { return Front::Incomplete };
        if let Some(number) = is_ours(payload) {
            return Front::Ours(number);
        }
    }
    Front::Pong(frame.take())
}

/// The number of the Ping of ours that says `payload`, when there were `pings` of them.
fn our_ping(payload: Unmasked<'_>, pings: u32, draw: impl FnOnce(u32) -> [u8; 20]) -> Option<u32> {
    let mut number = [0; 4];
    number.iter_mut().zip(payload.clone()).for_each(|(slot, byte)| *slot = byte);
    let number = u32::from_le_bytes(number);
    // What was never sent is not worth a digest.
    (number < pings && payload.eq(ping_payload(draw(number), number))).then_some(number)
}

impl Lane {
    /// Takes the frame at the front; says how many bytes it has.
    fn takes_next(&mut self, bytes: &[u8]) -> usize {
        match self.scanner.next(bytes) {
            Ok(Next::Frame(frame)) => frame.take(),
            _ => 0,
        }
    }

    /// How many bytes from the front are dropped: all but the beginning of a header. A Close among them is noticed.
    fn drops(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while self.sight == Sight::Drops {
            match self.scanner.next(bytes.get(at..).unwrap_or_default()) {
                Ok(Next::Wait) => return at,
                Ok(Next::Payload(count)) => at += count,
                Ok(Next::Closed) => return bytes.len(),
                Ok(Next::Frame(frame)) => {
                    let is_close = frame.header().opcode == Opcode::Close;
                    let code = frame.close_code().unwrap_or(NO_CODE);
                    at += frame.take();
                    if is_close {
                        self.closes(code);
                    }
                }
                Err(_) => self.goes_blind(),
            }
        }
        bytes.len()
    }
}
