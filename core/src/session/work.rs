//! What has come and what waits to be polled: lent while there is something in it.

use super::{flow::Flow, pending::Pending};
use crate::buffer::{Buffers, Lend, Spares};

/// What has come and what waits to be polled. It outlives an exchange.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work {
    /// By the side that the bytes come from.
    pub(super) flows: [Flow; 2],
    pub(super) pending: Pending,
}

impl Work {
    const NONE: Self = Self { flows: [Flow::NONE, Flow::NONE], pending: Pending::NONE };
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
        let Self { flows, pending } = self;
        flows.iter().all(Flow::is_quiet) && *pending == Pending::NONE
    }

    fn clear(&mut self) {
        *self = Self::NONE;
    }

    fn spare(buffers: &mut Buffers) -> &mut Spares {
        &mut buffers.works
    }
}
