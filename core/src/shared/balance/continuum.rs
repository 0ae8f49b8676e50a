//! `hash … consistent`: peers and keys lie on a circle, and a key goes to the next peer on it.

use super::{
    PeerState,
    crc32::{Crc32, HashKey},
    hash::LOOKS,
    turn::in_turn,
};

/// Points of a peer with weight 1: ketama's number.
const POINTS: u32 = 160;

/// The circle. It rests on the names that the configuration has, whatever addresses they mean at a time: a
/// point whose peers are gone leads to the next.
#[derive(Debug, Default)]
pub(in crate::shared) struct Continuum {
    names: Vec<Box<str>>,
    /// Position and name, in the order of the circle; the first to take a position has it.
    points: Box<[(u32, u32)]>,
}

impl Continuum {
    /// A circle of peers, by name and weight.
    pub(in crate::shared) fn new<'a>(peers: impl Iterator<Item = (&'a str, u32)>) -> Self {
        let (mut names, mut points) = (Vec::new(), Vec::new());
        for ((name, weight), index) in peers.zip(0..) {
            let base = Crc32::of(place(name).0).and(&[0]).and(place(name).1);
            // Each position follows from the one before, as in Cache::Memcached::Fast.
            let mut position = 0_u32;
            for _ in 0..weight.saturating_mul(POINTS) {
                position = base.and(&position.to_le_bytes()).value();
                points.push((position, index));
            }
            names.push(name.into());
        }
        points.sort_by_key(|(position, _)| *position);
        points.dedup_by_key(|(position, _)| *position);
        Self { names, points: points.into() }
    }

    /// The peer that the key goes to; of several with its name, the next in turn.
    pub(super) fn choose(
        &self,
        states: &mut [PeerState],
        key: HashKey,
        may: impl Fn(&PeerState) -> bool,
    ) -> Option<usize> {
        let start = self.points.partition_point(|(position, _)| *position < key.crc());
        let (before, behind) = self.points.split_at(start);
        for (_, index) in behind.iter().chain(before).take(LOOKS as usize) {
            let name = self.names.get(*index as usize)?;
            let found = in_turn(states, |state| state.is_primary() && state.peer.name == *name && may(state));
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

/// Host and port of a name as written; a Unix domain socket's path is all host.
fn place(name: &str) -> (&[u8], &[u8]) {
    if let Some(path) =
        name.as_bytes().split_at_checked(5).filter(|(unix, _)| unix.eq_ignore_ascii_case(b"unix:"))
    {
        return (path.1, b"");
    }
    match name.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            (host.as_bytes(), port.as_bytes())
        }
        _ => (name.as_bytes(), b""),
    }
}
