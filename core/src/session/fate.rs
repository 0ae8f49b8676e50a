//! What becomes of the client's connection when an exchange is over: it follows from what has happened, whoever noticed
//! it, and in whatever order.

use super::Ending;
use crate::{config::LingeringClose, record::Outcome};

/// What is known of an exchange that its connection's future follows from.
///
/// Whatever happens notes its fact; nobody but [`fate`] decides anything by them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Facts(u8);

/// A fact about an exchange; none is ever taken back while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Fact {
    /// The request was understood, and its client wants the connection to persist (RFC 9112 §9.3).
    Persistent = 1,
    /// The connection has served its time or its number of requests, or persists nowhere at this location.
    Bounded = 1 << 1,
    /// The end of the connection is the end of the content (RFC 9112 §6.3, to a client of HTTP/1.0).
    EndsContent = 1 << 2,
    /// Bytes have come behind an upgrade that was refused: they may be a tunnel's, and are no request (A7).
    BehindUpgrade = 1 << 3,
    /// What comes next is not told from another request: something that the client sends isn't read to its end, or was
    /// not understood, or its response was cut short.
    Unread = 1 << 4,
    /// The client is gone, or there is nothing more to be said to it or read of it.
    Gone = 1 << 5,
}

/// What becomes of the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fate {
    /// Another request may come.
    Persist,
    /// It is closed, by the other end's wish: nothing more will come.
    Close,
    /// It is closed behind a whole answer, by our wish, of which the client may not know: where something has come
    /// behind its request, that is read and dropped first.
    Leave,
    /// It is closed, and what still comes is read and dropped first.
    Linger,
}

/// How the client's connection stands when an exchange has ended.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each may be so or not, whatever the others are")]
pub(super) struct Stand {
    /// The request was read whole.
    pub(super) is_complete: bool,
    /// Something has come behind the request.
    pub(super) has_more: bool,
    /// The client has not ended its stream.
    pub(super) reads: bool,
    /// The client can be written to.
    pub(super) writes: bool,
}

/// What follows an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The next one.
    Exchange,
    /// The client is read before it is left: once, which takes no time, or for as long as it sends and is permitted.
    Linger { once: bool },
    /// The client's connection is closed.
    Close(Ending),
}

impl Facts {
    pub(super) const NONE: Self = Self(0);

    pub(super) fn note(&mut self, fact: Fact) {
        self.0 |= fact as u8;
    }

    const fn has(self, fact: Fact) -> bool {
        self.0 & fact as u8 != 0
    }
}

/// What becomes of the client's connection, as far as is known.
pub(super) const fn fate(facts: Facts, draining: bool) -> Fate {
    if facts.has(Fact::Gone) {
        Fate::Close
    } else if facts.has(Fact::Unread) {
        Fate::Linger
    } else if !facts.has(Fact::Persistent) || facts.has(Fact::EndsContent) {
        Fate::Close
    } else if facts.has(Fact::BehindUpgrade) {
        Fate::Linger
    } else if facts.has(Fact::Bounded) || draining {
        // The client doesn't know yet: what it has sent already must not destroy the response.
        Fate::Leave
    } else {
        Fate::Persist
    }
}

/// What follows an exchange with this outcome, whose client's connection stands like this.
pub(super) fn next(
    fate: Fate,
    stand: Stand,
    lingering: LingeringClose,
    ending: Ending,
    outcome: Outcome,
) -> Next {
    let Stand { is_complete, has_more, reads, writes } = stand;
    if fate == Fate::Persist && is_complete && writes && (reads || has_more) {
        return Next::Exchange;
    }
    let lingers = match lingering {
        LingeringClose::Off => false,
        LingeringClose::On => matches!(fate, Fate::Leave | Fate::Linger),
        // C8: when a drain's time is over, nothing outlives it.
        LingeringClose::Always => outcome != Outcome::Drained,
    };
    if lingers && reads && ending == Ending::Fin {
        let is_answered = fate == Fate::Leave && lingering == LingeringClose::On;
        Next::Linger { once: is_answered && is_complete && !has_more }
    } else {
        Next::Close(ending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: [Fact; 6] =
        [Fact::Persistent, Fact::Bounded, Fact::EndsContent, Fact::BehindUpgrade, Fact::Unread, Fact::Gone];

    fn facts(noted: &[Fact]) -> Facts {
        let mut facts = Facts::default();
        noted.iter().for_each(|fact| facts.note(*fact));
        facts
    }

    #[test]
    fn the_table() {
        use Fact::{BehindUpgrade, Bounded, EndsContent, Gone, Persistent, Unread};
        for (noted, draining, expected) in [
            (&[][..], false, Fate::Close),
            (&[Bounded], false, Fate::Close),
            (&[BehindUpgrade], true, Fate::Close),
            (&[Unread], false, Fate::Linger),
            (&[Persistent], false, Fate::Persist),
            (&[Persistent], true, Fate::Leave),
            (&[Persistent, Bounded], false, Fate::Leave),
            (&[Persistent, EndsContent], false, Fate::Close),
            (&[Persistent, EndsContent, Bounded], true, Fate::Close),
            (&[Persistent, EndsContent, BehindUpgrade], false, Fate::Close),
            (&[Persistent, EndsContent, Unread], false, Fate::Linger),
            (&[Persistent, BehindUpgrade], false, Fate::Linger),
            (&[Persistent, BehindUpgrade, Bounded], true, Fate::Linger),
            (&[Persistent, Unread, Bounded], true, Fate::Linger),
            (&[Persistent, Gone], false, Fate::Close),
            (&[Persistent, Gone, Unread, BehindUpgrade, Bounded], true, Fate::Close),
        ] {
            assert_eq!(fate(facts(noted), draining), expected, "{noted:?} {draining}");
        }
    }

    /// Of any two facts the stronger one decides, whichever came first.
    #[test]
    fn the_order_of_facts_makes_no_difference() {
        for one in FACTS {
            for other in FACTS {
                assert_eq!(facts(&[one, other]), facts(&[other, one]));
                assert!(facts(&[one, other]).has(one) && facts(&[one, other]).has(other));
            }
            assert!(FACTS.iter().all(|fact| facts(&[one]).has(*fact) == (*fact == one)), "{one:?}");
        }
    }

    #[test]
    fn what_follows() {
        let quiet = Stand { is_complete: true, has_more: false, reads: true, writes: true };
        let more = Stand { has_more: true, ..quiet };
        let ended = Stand { reads: false, ..quiet };
        let (on, fin) = (LingeringClose::On, Ending::Fin);
        let (once, long) = (Next::Linger { once: true }, Next::Linger { once: false });
        let close = Next::Close(fin);
        for (fate, stand, expected) in [
            (Fate::Persist, quiet, Next::Exchange),
            (Fate::Persist, more, Next::Exchange),
            (Fate::Persist, ended, close),
            (Fate::Persist, Stand { has_more: true, ..ended }, Next::Exchange),
            (Fate::Persist, Stand { writes: false, ..quiet }, close),
            (Fate::Persist, Stand { is_complete: false, ..quiet }, close),
            (Fate::Close, more, close),
            (Fate::Leave, quiet, once),
            (Fate::Leave, more, long),
            (Fate::Leave, Stand { is_complete: false, ..quiet }, long),
            (Fate::Leave, ended, close),
            (Fate::Linger, quiet, long),
            (Fate::Linger, Stand { writes: false, ..quiet }, long),
            (Fate::Linger, ended, close),
        ] {
            assert_eq!(next(fate, stand, on, fin, Outcome::Complete), expected, "{fate:?} {stand:?}");
            let reset = next(fate, stand, on, Ending::Reset, Outcome::Complete);
            let is_exchange = expected == Next::Exchange;
            assert_eq!(reset, if is_exchange { expected } else { Next::Close(Ending::Reset) });
            let off = next(fate, stand, LingeringClose::Off, fin, Outcome::Complete);
            assert_eq!(off, if is_exchange { expected } else { close }, "{fate:?} {stand:?}");
        }
        let always = |fate, outcome| next(fate, quiet, LingeringClose::Always, fin, outcome);
        assert_eq!(always(Fate::Close, Outcome::Complete), long);
        assert_eq!(always(Fate::Leave, Outcome::Complete), long);
        assert_eq!(always(Fate::Close, Outcome::Drained), close);
    }
}
