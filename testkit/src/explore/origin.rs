//! The origin server of the connection in use.

use super::alphabet::History;
use crate::session_world::World;

pub(super) fn in_use(world: &World) -> usize {
    world.upstream().expect("a connection in use")
}

pub(super) fn origin_sends(world: &mut World, bytes: &[u8]) {
    let index = in_use(world);
    world.origins[index].end.send(bytes);
    world.run();
}

/// Everything that the origin server of the connection in use has said.
pub(super) fn said<'h>(world: &World, history: &'h mut History) -> &'h mut Vec<u8> {
    let index = in_use(world);
    if history.from_origins.len() <= index {
        history.from_origins.resize(index + 1, Vec::new());
    }
    &mut history.from_origins[index]
}
