//! Peers in turn: smooth weighted round robin, and the fewest leases.

use super::Seat;

/// The next in turn of those that `may` be chosen. Everybody's credit grows by its weight, the one with the
/// most is chosen and pays what all have got: so over as many choices as the weights' sum each is chosen as
/// often as its weight says, and its turns lie apart.
pub(super) fn in_turn(seats: &mut [Seat], may: impl Fn(&Seat) -> bool) -> Option<usize> {
    let mut best = None;
    let mut total = 0;
    for (index, seat) in seats.iter_mut().enumerate().filter(|(_, seat)| may(seat)) {
        let credit = seat.standing.earn(seat.peer.weight, &mut total);
        if best.is_none_or(|(_, most)| credit > most) {
            best = Some((index, credit));
        }
    }
    let (index, _) = best?;
    seats.get_mut(index)?.standing.credit -= total;
    Some(index)
}

/// The one with the fewest leases for its weight; of several, the next in turn.
pub(super) fn least_conn(seats: &mut [Seat], may: impl Fn(&Seat) -> bool) -> Option<usize> {
    let candidates = || seats.iter().enumerate().filter(|(_, seat)| may(seat));
    let (index, least) = candidates().min_by(|(_, a), (_, b)| a.load().compare(b.load()))?;
    let load = least.load();
    let several = candidates().filter(|(_, seat)| seat.load().compare(load).is_eq()).nth(1).is_some();
    if !several {
        return Some(index);
    }
    in_turn(seats, |seat| may(seat) && seat.load().compare(load).is_eq())
}
