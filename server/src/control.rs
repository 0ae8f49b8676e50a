//! Draining, stopping and reloading a worker from outside.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    reload::Reload,
    wake::{ReadyList, Source},
};

/// A handle to one worker: cheap to clone, usable from any thread, before the worker runs and after it ended.
#[derive(Clone, Debug, Default)]
pub struct Control {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    wishes: Mutex<Wishes>,
    ready: Arc<ReadyList>,
}

#[derive(Debug, Default)]
struct Wishes {
    end: Option<End>,
    reload: Option<Reload>,
}

/// How a worker is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// When the last session is over.
    Drain {
        /// Tunnels live no longer than that.
        within: Option<Duration>,
    },
    /// The same, because a newer configuration has no place for it, while the process goes on: no client is sent away, and
    /// tunnels are drained where that is wished of a reload.
    Retire {
        /// Tunnels live no longer than that.
        within: Option<Duration>,
    },
    /// At once: each session has one more turn.
    Stop,
}

impl Control {
    /// A handle that no worker obeys yet, see [`crate::Setup::controlled_by`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The worker closes its listening sockets, ends what is idle, finishes the open exchanges, and is done
    /// when the last session is over. Tunnels live until they end by themselves or, with `within`, until that
    /// time is over. A second call changes nothing.
    pub fn drain(&self, within: Option<Duration>) {
        self.tell(|wishes| {
            if matches!(wishes.end, None | Some(End::Retire { .. })) {
                wishes.end = Some(End::Drain { within });
            }
        });
    }

    /// The worker ends likewise, because a newer configuration has no place for it: its sessions are told of a reload, and
    /// not of an end of the process (C8, G6). It changes nothing where the worker ends already.
    pub fn retire(&self, within: Option<Duration>) {
        self.tell(|wishes| {
            wishes.end.get_or_insert(End::Retire { within });
        });
    }

    /// The worker closes everything and is done. Each session has one more turn, so that what it says of that is written
    /// where its socket takes it at once; nothing is awaited.
    pub fn stop(&self) {
        self.tell(|wishes| wishes.end = Some(End::Stop));
    }

    /// Clients that the worker accepts from now on are served as `reload` says. What is open keeps the
    /// configuration that it began with and drains: what is idle ends, exchanges are finished, tunnels live
    /// on. Of two calls that the worker sees together, the second holds.
    pub fn reload(&self, mut reload: Reload) {
        self.tell(|wishes| {
            if let Some(unseen) = wishes.reload.take() {
                reload.supersede(unseen);
            }
            wishes.reload = Some(reload);
        });
    }

    /// For a shell: how the worker is to end.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.lock().end
    }

    /// For a shell: the configuration to change to, once.
    #[must_use]
    pub fn take_reload(&self) -> Option<Reload> {
        self.lock().reload.take()
    }

    /// For a shell: where the worker finds [`Source::Control`] when something is wished.
    #[must_use]
    pub fn ready_list(&self) -> &Arc<ReadyList> {
        &self.shared.ready
    }

    fn tell(&self, wish: impl FnOnce(&mut Wishes)) {
        wish(&mut self.lock());
        self.shared.ready.push(Source::Control);
    }

    fn lock(&self) -> MutexGuard<'_, Wishes> {
        self.shared.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Listener;

    #[test]
    fn the_first_drain_counts_and_a_stop_overrides_it() {
        let control = Control::new();
        assert_eq!(control.end(), None);
        control.clone().drain(None);
        control.drain(Some(Duration::from_secs(1)));
        assert_eq!(control.end(), Some(End::Drain { within: None }));
        control.stop();
        control.drain(None);
        assert_eq!(control.end(), Some(End::Stop));
    }

    #[test]
    fn whoever_retires_may_have_to_leave_with_all_others() {
        let control = Control::new();
        let within = Some(Duration::from_secs(1));
        control.retire(within);
        control.retire(None);
        assert_eq!(control.end(), Some(End::Retire { within }));
        control.drain(None);
        control.retire(within);
        assert_eq!(control.end(), Some(End::Drain { within: None }));
    }

    #[test]
    fn of_two_reloads_the_last_is_taken_once_and_no_socket_is_lost() {
        let control = Control::new();
        let origin = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
        let config = Arc::new(underpass_core::config::Config::proxy_to(origin.into(), "o"));
        let first = Listener::bind(([127, 0, 0, 1], 0).into(), Arc::clone(&config)).expect("a free port");
        // To whoever has been sent a socket, it is not sent again.
        let again = first.renewed(config);
        let limit = Duration::from_secs(5);
        control.reload(Reload { connections: 1, within: Some(limit), ..Reload::new(vec![first]) });
        control.reload(Reload { connections: 2, ..Reload::new(vec![again]) });
        let mut taken = control.take_reload().expect("what was wished");
        assert_eq!((taken.connections, taken.within), (2, Some(limit)));
        assert!(taken.listeners[0].take_socket().is_some());
        assert!(control.take_reload().is_none());
    }
}
