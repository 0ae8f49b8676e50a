//! A new configuration for a worker.

use std::time::Duration;

use crate::{Listener, Provisions};

/// A configuration that takes the place of a worker's own.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reload {
    /// Where clients are accepted from. What the worker listened on and is not among them is closed, once
    /// the clients that wait there are accepted.
    pub listeners: Vec<Listener>,
    /// What new sessions need besides.
    pub provisions: Provisions,
    /// Connections at a time.
    pub connections: usize,
    /// How long the sessions that are open now may go on; absent: their tunnels live until they end.
    pub within: Option<Duration>,
}

impl Reload {
    /// The same settings as a worker made of [`Setup::new`](crate::Setup::new).
    #[must_use]
    pub fn new(listeners: Vec<Listener>) -> Self {
        Self { listeners, provisions: Provisions::default(), connections: 512, within: None }
    }

    /// Takes the place of a reload that the worker has not seen: the sockets that came with it come with this
    /// one, and the sessions that are open began before either.
    pub(crate) fn supersede(&mut self, unseen: Self) {
        self.within = unseen.within;
        for mut earlier in unseen.listeners {
            let same = |listener: &&mut Listener| listener.number() == earlier.number();
            if let Some(listener) = self.listeners.iter_mut().find(same) {
                listener.keep_socket(earlier.take_socket());
            }
        }
    }
}
