//! Which peer is chosen. Plain functions of the seats of a group: nothing here is shared or locked.

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

use super::{asker::Asker, peer::Balance, seat::Seat};
use chance::Draws;
use hash::Wheel;
use turn::{in_turn, least_conn};

/// Chooses a seat: a primary by `balance`, then the next in turn of those, then a backup.
pub(super) fn choose(
    seats: &mut [Seat],
    balance: &Balance,
    continuum: &Continuum,
    asker: &Asker<'_>,
) -> Option<usize> {
    let alone = seats.iter().filter(|seat| seat.is_present()).nth(1).is_none();
    let may = |seat: &Seat| seat.may_be_chosen(asker, alone);
    let primary = |seat: &Seat| seat.is_primary() && may(seat);
    let backup = |seat: &Seat| !seat.is_primary() && may(seat);
    let draws = Draws::new(asker.chance);
    let found = match balance {
        Balance::LeastConn => return least_conn(seats, primary).or_else(|| least_conn(seats, backup)),
        Balance::RoundRobin => None,
        Balance::IpHash => Wheel::of(seats).and_then(|wheel| wheel.ip_hash(asker.client, primary)),
        Balance::Hash { .. } if asker.key.is_empty() => None,
        Balance::Hash { consistent: true, .. } => continuum.choose(seats, asker.key, may),
        Balance::Hash { consistent: false, .. } => {
            Wheel::of(seats).and_then(|wheel| wheel.hash(asker.key, primary))
        }
        Balance::Random { two: false } => Wheel::of(seats).and_then(|wheel| wheel.random(draws, primary)),
        Balance::Random { two: true } => Wheel::of(seats).and_then(|wheel| wheel.random_two(draws, primary)),
    };
    found.or_else(|| in_turn(seats, primary)).or_else(|| in_turn(seats, backup))
}
