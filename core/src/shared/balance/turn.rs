//! Peers in turn: smooth weighted round robin, and the fewest leases.

use super::PeerState;

/// The next in turn of those that `may` be chosen. Everybody's credit grows by its weight, the one with the
/// most is chosen and pays what all have got: so over as many choices as the weights' sum each is chosen as
/// often as its weight says, and its turns lie apart.
pub(super) fn in_turn(states: &mut [PeerState], may: impl Fn(&PeerState) -> bool) -> Option<usize> {
    let mut best = None;
    let mut total = 0;
    for (index, state) in states.iter_mut().enumerate().filter(|(_, state)| may(state)) {
        let credit = state.standing.earn(state.peer.weight, &mut total);
        if best.is_none_or(|(_, most)| credit > most) {
            best = Some((index, credit));
        }
    }
    let (index, _) = best?;
    states.get_mut(index)?.standing.credit -= total;
    Some(index)
}

/// The one with the fewest leases for its weight; of several, the next in turn.
pub(super) fn least_conn(states: &mut [PeerState], may: impl Fn(&PeerState) -> bool) -> Option<usize> {
    let candidates = || states.iter().enumerate().filter(|(_, state)| may(state));
    let (index, least) = candidates().min_by(|(_, a), (_, b)| a.load().compare(b.load()))?;
    let load = least.load();
    let several = candidates().filter(|(_, state)| state.load().compare(load).is_eq()).nth(1).is_some();
    if !several {
        return Some(index);
    }
    in_turn(states, |state| may(state) && state.load().compare(load).is_eq())
}
