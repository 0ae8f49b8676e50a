//! What has been decided and not yet polled.

use super::{Disposal, Ending, Event, Note, Severity, Verdict};
use crate::{
    Side,
    shared::{GroupId, HashKey},
};

/// Outputs that wait to be polled. There is room for each kind once, which is enough: a state that wants
/// a second of a kind can't be reached before the first was polled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Pending {
    notes: [Option<Note>; 4],
    lost: u32,
    pub(super) judgement: Option<Verdict>,
    pub(super) release: Option<(Verdict, Disposal)>,
    pub(super) errand: Option<Errand>,
    /// The shell is out to connect.
    pub(super) dialling: bool,
    shutdown: [bool; 2],
    pub(super) exchange_done: bool,
    /// Lines about the tunnel: that it has opened, and that it is over.
    tunnel_lines: [bool; 2],
    pub(super) close: Option<Ending>,
    /// A mistake of ours was found: the session ends with a reset.
    pub(super) illegal: bool,
}

/// An errand that the shell is to be sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Errand {
    Resolve,
    /// Have the request admitted, or not, by these rules.
    Admit,
    /// Connect to a peer of the group; an idle connection will do or won't. The key is what the group is balanced by, if it is by
    /// one.
    Connect {
        group: GroupId,
        may_reuse: bool,
        key: HashKey,
    },
}

impl Pending {
    pub(super) const NONE: Self = Self {
        notes: [None; 4],
        lost: 0,
        judgement: None,
        release: None,
        errand: None,
        dialling: false,
        shutdown: [false; 2],
        exchange_done: false,
        tunnel_lines: [false; 2],
        close: None,
        illegal: false,
    };

    pub(super) fn note(&mut self, note: Note) {
        match self.notes.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some(note),
            None => self.lost += 1,
        }
    }

    pub(super) fn take_note(&mut self) -> Option<Note> {
        // They stand in their order from the first place on.
        if let Some(first) = self.notes[0].take() {
            self.notes.rotate_left(1);
            return Some(first);
        }
        let lost = std::mem::take(&mut self.lost);
        (lost > 0).then_some(Note { severity: Severity::Warn, event: Event::Lost(lost) })
    }

    /// A line is due about a tunnel that has opened (G9).
    pub(super) fn tell_opened(&mut self) {
        self.tunnel_lines[0] = true;
    }

    /// A line is due about a tunnel that is over.
    pub(super) fn tell_closed(&mut self) {
        self.tunnel_lines[1] = true;
    }

    /// Whether a line is due about a tunnel that has opened.
    pub(super) fn tells_opened(&self) -> bool {
        self.tunnel_lines[0]
    }

    pub(super) fn take_opened(&mut self) -> bool {
        std::mem::take(&mut self.tunnel_lines[0])
    }

    pub(super) fn take_closed(&mut self) -> bool {
        std::mem::take(&mut self.tunnel_lines[1])
    }

    pub(super) fn shut_down(&mut self, side: Side) {
        self.shutdown[side.index()] = true;
    }

    pub(super) fn forget_shutdown(&mut self, side: Side) {
        self.shutdown[side.index()] = false;
    }

    pub(super) fn take_shutdown(&mut self) -> Option<Side> {
        Side::BOTH.into_iter().find(|side| std::mem::take(&mut self.shutdown[side.index()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_counted_and_told_behind_the_rest() {
        let mut pending = Pending::default();
        let events = [Event::NextPeer, Event::ClientLeft, Event::TunnelOpened, Event::UpstreamClosed];
        for event in events {
            pending.note(event.note());
        }
        for _ in 0..300 {
            pending.note(Event::TrailerDropped.note());
        }
        for event in events {
            assert_eq!(pending.take_note(), Some(event.note()));
        }
        assert_eq!(pending.take_note(), Some(Event::Lost(300).note()));
        assert_eq!(pending.take_note(), None, "they are told once");
    }
}
