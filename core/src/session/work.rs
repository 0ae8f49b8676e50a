//! What has come and what waits to be polled: lent while there is something in it.

use super::{flow::Flow, pending::Pending};
use crate::{
    buffer::{Buffers, Lend, Spares},
    tunnel::OwnFrame,
};

/// What has come and what waits to be polled. It outlives an exchange.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work {
    /// By the side that the bytes come from.
    pub(super) flows: [Flow; 2],
    pub(super) pending: Pending,
    /// Frames of a tunnel's own that may be on their way, by the side that gets them.
    pub(super) own_frames: [Option<Box<OwnFrame>>; 2],
}

impl Work {
    const NONE: Self =
        Self { flows: [Flow::NONE, Flow::NONE], pending: Pending::NONE, own_frames: [None, None] };
}

impl Lend for Work {
    fn quiet() -> &'static Self {
        static NONE: Work = Work::NONE;
        &NONE
    }

    /// Whether it says nothing that it wouldn't say without memory. When bytes moved last, nobody asks between
    /// exchanges.
    fn is_quiet(&self) -> bool {
        // Everything is taken apart, so that nothing that is added later is lost.
        let Self { flows, pending, own_frames } = self;
        flows.iter().all(Flow::is_quiet)
            && *pending == Pending::NONE
            && own_frames.iter().all(Option::is_none)
    }

    fn clear(&mut self) {
        *self = Self::NONE;
    }

    fn spare(buffers: &mut Buffers) -> &mut Spares {
        &mut buffers.works
    }
}
