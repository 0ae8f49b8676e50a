//! From one configuration to the next, and the end.

use std::{io, sync::Arc, time::Duration};

use underpass_core::{Draining, Fault, Severity, Tick};

use super::{
    super::{Network, acceptor::Acceptor, slots::Slots},
    Drain, Worker,
};
use crate::{End, Listener, Reload, Service};

/// Sessions that are told to drain before others have their turn.
const DRAINS: u32 = 256;

impl<N: Network> Worker<N> {
    /// Accepts clients from a socket that the worker doesn't have yet.
    pub(super) fn listen(&mut self, listener: Listener) -> io::Result<()> {
        let at = self.acceptors.iter().position(Option::is_none).unwrap_or(self.acceptors.len());
        let index = u16::try_from(at).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let service = self.service(&listener);
        let (ready, network) = (self.control.ready_list(), &mut self.shared.network);
        let acceptor = Acceptor::new(listener, service, index, ready, network)?;
        if at == self.acceptors.len() {
            self.acceptors.push(None);
        }
        self.acceptors[at] = Some(acceptor);
        Ok(())
    }

    fn service(&self, listener: &Listener) -> Arc<Service> {
        let (config, provisions) = (Arc::clone(listener.config()), self.provisions.clone());
        let tls = listener.chooser().cloned();
        Arc::new(Service { config, provisions, tls, generation: self.shared.generation })
    }

    pub(super) fn take_reload(&mut self) {
        if let Some(reload) = self.control.take_reload() {
            self.reload(reload);
        }
    }

    fn reload(&mut self, reload: Reload) {
        let Reload { listeners, provisions, connections, within, .. } = reload;
        for at in 0..self.acceptors.len() {
            let number = self.acceptors[at].as_ref().map(Acceptor::number);
            if !listeners.iter().any(|listener| Some(listener.number()) == number) {
                self.close(at);
            }
        }
        let until = within.map(|within| self.shared.now().tick.after(within));
        self.drain(Some(self.shared.generation), Draining::Reload(until));
        self.shared.generation += 1;
        self.provisions = provisions;
        self.most_connections = connections;
        self.told = false;
        for listener in listeners {
            let service = self.service(&listener);
            let known = |acceptor: &&mut Acceptor<N>| acceptor.number() == listener.number();
            if let Some(acceptor) = self.acceptors.iter_mut().flatten().find(known) {
                acceptor.renew(service);
            } else if let Err(error) = self.listen(listener) {
                let message = format!("a listening socket is lost ({})", Fault::from(error));
                self.provisions.log.event(Severity::Alert, &message, self.shared.moment);
            }
        }
        self.accept_from_all();
    }

    pub(super) fn end(&mut self, end: End) {
        if self.end == Some(end) {
            return;
        }
        self.end = Some(end);
        match end {
            End::Drain { within } => self.leave(within, Draining::Quit),
            End::Retire { within } => self.leave(within, Draining::Reload),
            End::Stop => {
                // TERM: a Close is written where the socket takes it at once (G6). Nobody is accepted any more, and
                // what other drains have left undone is of no consequence.
                self.acceptors.clear();
                self.drains.clear();
                self.drain(None, Draining::Stop);
            }
        }
    }

    fn leave(&mut self, within: Option<Duration>, why: fn(Option<Tick>) -> Draining) {
        self.ends_by = within.map(|within| self.shared.now().tick.after(within));
        (0..self.acceptors.len()).for_each(|at| self.close(at));
        // Sessions that began before an earlier reload have heard of that only.
        self.drain(None, why(self.ends_by));
    }

    /// Closes a listening socket, once the clients that wait at it are accepted. Those of a socket that lives on are
    /// for the worker that takes it over, and for its configuration.
    fn close(&mut self, at: usize) {
        let Some(acceptor) = self.acceptors.get_mut(at).and_then(Option::take) else { return };
        while !acceptor.lives_on()
            && self.has_room()
            && let Ok(accepted) = acceptor.accept_waiting(&mut self.shared.network)
        {
            self.begin(accepted, Arc::clone(acceptor.service()));
        }
        acceptor.close(&mut self.shared.network);
    }

    /// No session of this configuration, or of any, begins another request.
    fn drain(&mut self, generation: Option<u64>, why: Draining) {
        self.shared.pool.retain(|_| false);
        self.drains.push_back(Drain { generation, why, next: 0 });
    }

    pub(super) fn drain_some(&mut self) {
        let Some(mut drain) = self.drains.pop_front() else { return };
        let end = self.slots.end().min(drain.next.saturating_add(DRAINS));
        for number in drain.next..end {
            let concerned = |slots: &Slots<N>| {
                let generation = slots.generation(number);
                generation.is_some() && drain.generation.is_none_or(|only| generation == Some(only))
            };
            if !concerned(&self.slots) {
                continue;
            }
            if self.slots.shakes_hands(number) {
                // At the end of the worker it has nothing to say, and might have much to do. Otherwise it goes on with the
                // others that shake hands, a few at a time.
                if drain.why != Draining::Stop {
                    self.slots.note_drain(number, drain.why, &mut self.shared);
                    self.entering.push_back(number);
                }
                continue;
            }
            if drain.why != Draining::Stop {
                // A request that has come already is one that was begun.
                self.turn(number);
            }
            if concerned(&self.slots) {
                let next = self.slots.drain(number, drain.why, &mut self.shared);
                self.goes_on(number, next);
            }
        }
        drain.next = end;
        if end < self.slots.end() {
            self.drains.push_front(drain);
        }
    }
}
