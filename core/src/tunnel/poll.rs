//! What to do: outputs, and memory.

use super::{
    Tunnel,
    course::{Course, Direction},
    held::Held,
    output::{Busy, Said, TunnelOutput},
};
use crate::{
    Side,
    buffer::Turn,
    record::{EndedBy, Event},
    session::Slices,
    wait::Wait,
};

/// What to do.
impl Tunnel {
    /// What to do next. Poll until it says [`TunnelOutput::Wait`] or [`TunnelOutput::Done`]; polled again after that
    /// without a report between, it says the same.
    pub fn poll_output(&mut self) -> TunnelOutput {
        match self.take_output() {
            Some(said) => said.into(),
            None if self.is_done() => TunnelOutput::Done(self.report()),
            None => TunnelOutput::Wait(self.wait()),
        }
    }

    /// Whether a line about its progress is due.
    #[inline]
    pub(crate) fn tells_progress(&self) -> bool {
        self.busy.has(Busy::PROGRESS)
    }

    /// An output that is polled once: a note, or a shutdown.
    #[inline]
    pub(crate) fn take_output(&mut self) -> Option<Said> {
        if !self.busy.speaks() {
            return None;
        }
        let note = self.take_note();
        note.or_else(|| self.busy.take(Busy::PROGRESS).then_some(Said::Progress))
            .or_else(|| self.take_shutdown())
    }

    fn take_note(&mut self) -> Option<Said> {
        let event = if self.busy.take(Busy::OPENED) {
            Event::TunnelOpened
        } else if self.busy.take(Busy::ILLEGAL) {
            Event::IllegalTransition
        } else if self.busy.take(Busy::VIOLATED)
            && let Some((side, violation)) = self.rare.as_mut().and_then(|rare| rare.violation.take())
        {
            Event::FrameViolation(side, violation)
        } else if let (true, Some(EndedBy::Timer(timer))) =
            (self.busy.take(Busy::TIMED_OUT), self.counts.ended)
        {
            Event::TimedOut(timer)
        } else if let (true, Some(ended)) = (self.busy.take(Busy::CLOSED), self.counts.ended) {
            Event::TunnelClosed(ended)
        } else {
            return None;
        };
        Some(Said::Note(event.note()))
    }

    fn take_shutdown(&mut self) -> Option<Said> {
        self.busy.take_shutdown().map(Said::Shutdown)
    }

    /// What it waits for.
    pub(crate) fn wait(&self) -> Wait {
        if let [Some(from_client), Some(from_upstream)] = self.flowing() {
            let mut wait = Wait::new(self.deadline());
            for (from, (held, piped)) in Side::BOTH.into_iter().zip([from_client, from_upstream]) {
                wait.read(from, piped == 0 && held.has_space());
                wait.write(from.opposite(), held.waits());
                wait.relay(from, if held.is_empty() { self.unseen(from) } else { 0 });
            }
            debug_assert_eq!(wait, self.general_wait(), "the short path waits for what the general one does");
            return wait;
        }
        self.general_wait()
    }

    /// Both directions, where both flow and nothing else is to be done.
    #[inline]
    fn flowing(&self) -> [Option<(&Held, u32)>; 2] {
        [0, 1].map(|index: usize| match &self.directions[index] {
            Direction { held, course: Course::Flowing(carried) } if !self.busy.any() => {
                Some((held, carried.piped))
            }
            _ => None,
        })
    }

    /// How many bytes of what comes from a side need not be seen.
    #[inline]
    pub(super) fn unseen(&self, from: Side) -> u64 {
        self.frames.as_ref().map_or(u64::MAX, |frames| frames.lane(from).relays())
    }

    fn general_wait(&self) -> Wait {
        let mut wait = Wait::new(self.deadline());
        for side in Side::BOTH {
            wait.read(side, self.wants(side));
            wait.write(side, self.offers(side));
            wait.relay(side, self.may_relay(side));
            wait.acknowledge(side, self.awaits_acknowledgement(side));
        }
        wait
    }

    /// Where to receive bytes from this side into; `None` when none are wanted now.
    pub fn receive_space(&mut self, from: Side, turn: &mut Turn<'_>) -> Option<&mut [u8]> {
        let flows = !self.busy.any()
            && matches!(self.directions[from.index()].course, Course::Flowing(carried) if carried.piped == 0);
        if flows {
            return self.directions[from.index()].held.space(turn.buffers);
        }
        if !self.wants(from) {
            return None;
        }
        let most = self.allowance(from, turn.now.tick);
        let held = &mut self.directions[from.index()].held;
        if let Some(block) = held.retire() {
            self.rare_mut(turn.buffers).retired[from.index()] = Some(block);
        }
        let space = self.directions[from.index()].held.space(turn.buffers)?;
        let most = most.clamp(1, space.len());
        space.get_mut(..most)
    }

    /// What is to be sent to this side, in order; nothing where nothing is. Report what was sent with
    /// [`handle_sent`](Self::handle_sent). What a report of received bytes has brought may be sent before the next
    /// poll.
    #[must_use]
    pub fn transmit(&self, to: Side) -> Slices<'_> {
        let direction = &self.directions[to.opposite().index()];
        if direction.course.is_flowing() && !self.busy.any() {
            return Slices::one(direction.held.bytes());
        }
        if !self.offers(to) {
            return Slices::one(b"");
        }
        let content = direction.held.bytes();
        if let (Side::Downstream, true, Some(rare)) = (to, self.busy.has(Busy::FRONT), &self.rare) {
            return rare.front.slices_in_front_of(content);
        }
        Slices::two(content, self.own_offered(to))
    }
}
