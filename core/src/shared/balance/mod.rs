//! Which peer is chosen. Plain functions of the states of peers: nothing here is shared or locked.

mod chance;
mod continuum;
mod crc32;
mod hash;
mod turn;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub(crate) use chance::seed;
pub(super) use continuum::Continuum;
pub(crate) use crc32::HashKey;

use super::{dial_facts::DialFacts, peer::Balance, peer_state::PeerState};
use chance::Draws;
use hash::Wheel;
use turn::{in_turn, least_conn};

/// Chooses a peer: a primary by `balance`, then the next in turn of those, then a backup.
pub(super) fn choose(
    states: &mut [PeerState],
    balance: &Balance,
    continuum: &Continuum,
    facts: &DialFacts<'_>,
) -> Option<usize> {
    let alone = states.iter().filter(|state| state.is_present()).nth(1).is_none();
    let may = |state: &PeerState| state.may_be_chosen(facts, alone);
    let primary = |state: &PeerState| state.is_primary() && may(state);
    let backup = |state: &PeerState| !state.is_primary() && may(state);
    let draws = Draws::new(facts.chance);
    let found = match balance {
        Balance::LeastConn => return least_conn(states, primary).or_else(|| least_conn(states, backup)),
        Balance::RoundRobin => None,
        Balance::IpHash => Wheel::of(states).and_then(|wheel| wheel.ip_hash(facts.client, primary)),
        Balance::Hash { .. } if facts.key.is_empty() => None,
        Balance::Hash { consistent: true, .. } => continuum.choose(states, facts.key, may),
        Balance::Hash { consistent: false, .. } => {
            Wheel::of(states).and_then(|wheel| wheel.hash(facts.key, primary))
        }
        Balance::Random { two: false } => Wheel::of(states).and_then(|wheel| wheel.random(draws, primary)),
        Balance::Random { two: true } => Wheel::of(states).and_then(|wheel| wheel.random_two(draws, primary)),
    };
    found.or_else(|| in_turn(states, primary)).or_else(|| in_turn(states, backup))
}
