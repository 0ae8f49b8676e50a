//! Accepting clients, as long as there is room for them.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use underpass_core::{ClientInfo, Fault, Severity};

use super::{
    super::{
        Network,
        acceptor::{Accepted, Acceptor},
        entrance::{self, Entrance},
        guest::Guest,
        pump::Connection,
        secured::Secured,
        socket,
    },
    Acceptance, Worker,
};
use crate::{Service, panics, wake::Source};

/// Clients accepted from one listening socket before others have their turn.
const ACCEPTS: u32 = 64;

/// How long nobody is accepted after the system had no descriptor or memory for it: nginx's number.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

impl<N: Network> Worker<N> {
    pub(super) fn accept_from_all(&mut self) {
        self.acceptance = Acceptance::Open;
        for (index, acceptor) in (0..).zip(&self.acceptors) {
            if acceptor.as_ref().is_some_and(Acceptor::list) {
                self.ready.push(Source::Listener(index));
            }
        }
    }

    fn acceptor(&self, index: u16) -> Option<&Acceptor<N>> {
        self.acceptors.get(usize::from(index))?.as_ref()
    }

    pub(super) fn accept(&mut self, index: u16) {
        if let Some(acceptor) = self.acceptor(index) {
            acceptor.begin();
        }
        for _ in 0..ACCEPTS {
            if self.acceptance != Acceptance::Open || !self.has_room() {
                return;
            }
            let Self { acceptors, shared, .. } = self;
            let acceptor = acceptors.get(usize::from(index)).and_then(Option::as_ref);
            let Some(acceptor) = acceptor else { return };
            match acceptor.poll_accept(&mut shared.network) {
                Poll::Pending => return,
                Poll::Ready(Ok(accepted)) => {
                    let (number, address) = (acceptor.number(), acceptor.address().clone());
                    let before = Arc::clone(acceptor.service());
                    // A client that came behind a reload is served as it says, though the worker was here first. The
                    // reload may have taken the socket away; others of the same address have the same configuration.
                    self.take_reload();
                    let known = self.acceptor(index).filter(|acceptor| acceptor.number() == number);
                    let mut others = self.acceptors.iter().flatten();
                    let renewed = known.or_else(|| others.find(|other| *other.address() == address));
                    let service = renewed.map_or(before, |acceptor| Arc::clone(acceptor.service()));
                    self.begin(accepted, service);
                }
                Poll::Ready(Err(error)) => self.accept_failed(error),
            }
        }
        if self.acceptor(index).is_some_and(Acceptor::list) {
            self.ready.push(Source::Listener(index));
        }
    }

    pub(super) fn begin(&mut self, accepted: Accepted<N>, service: Arc<Service>) {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        self.told = false;
        let Accepted { stream, remote, local } = accepted;
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let client = ClientInfo::new(remote, local, serial, self.secret);
        if let Some(chooser) = service.tls.clone() {
            let entrance = Entrance::new(stream, client, chooser, service, self.shared.now().tick);
            let guest = Guest::Entrance(Box::new(entrance));
            let number = self.slots.insert(guest, self.control.ready_list());
            return self.entering.push_back(number);
        }
        let session = match panics::catch(|| entrance::begin(&service, client, &self.shared)) {
            Ok(session) => session,
            Err(panic) => {
                let message = format!("a session can't begin: {panic}");
                return service.provisions.log.event(Severity::Alert, &message, self.shared.moment);
            }
        };
        let connection = Connection::new(session, service, Secured::plain(stream));
        let guest = Guest::Session(Box::new(connection));
        let number = self.slots.insert(guest, self.control.ready_list());
        self.turn(number);
    }

    pub(super) fn has_room(&mut self) -> bool {
        if self.slots.connections() + self.shared.pool.len() < self.most_connections {
            return true;
        }
        // As in nginx, an idle connection makes room for a client.
        self.shared.pool.retain(|_| false);
        if self.slots.connections() < self.most_connections {
            return true;
        }
        self.acceptance = Acceptance::Full;
        self.tell(Severity::Alert, &format!("{} worker_connections are not enough", self.most_connections));
        false
    }

    fn accept_failed(&mut self, error: io::Error) {
        if socket::is_of_one_connection(&error) {
            return;
        }
        // No descriptor or no memory, which the next call would find as well.
        self.acceptance = Acceptance::Paused(self.shared.now().tick.after(ACCEPT_PAUSE));
        self.tell(Severity::Crit, &format!("accept4() failed ({})", Fault::from(error)));
    }

    /// Tells the operator once, until a client is accepted again.
    fn tell(&mut self, severity: Severity, message: &str) {
        if !self.told {
            self.told = true;
            self.provisions.log.event(severity, message, self.shared.moment);
        }
    }
}
