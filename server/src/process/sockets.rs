//! The listening sockets of a process: opened for a configuration, kept by the next one, shared out to workers.
//!
//! With each address that several workers listen on, each has a socket of its own: the system spreads the
//! connections over them. What waits in the queue of such a socket is lost when the socket is closed. So a
//! socket lives as long as its address is listened on, whatever becomes of its worker: another takes it over.

use std::{collections::HashSet, fs, io, net::SocketAddr, os::unix::net::UnixListener, sync::Arc};

use underpass_core::{Address, Fault};
use underpass_nginx_config::{ListenOptions, Listener as Wanted};

use super::{
    bind::{SocketFile, bind},
    trouble::Trouble,
};
use crate::{
    Listener,
    keeper::{Keeper, Kept},
    listen::{Listening, next_number, refused},
};

/// Listening sockets, by address. Those of two configurations share what both listen on.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    open: Vec<Open>,
    /// Who binds them; absent: this process does.
    keeper: Option<Arc<Keeper>>,
}

/// The sockets of one address.
#[derive(Debug)]
struct Open {
    address: Address,
    options: ListenOptions,
    sockets: Vec<Arc<Numbered>>,
    /// What couldn't be set when they were opened.
    failures: Vec<String>,
}

#[derive(Debug)]
struct Numbered {
    number: u64,
    socket: Listening,
    /// What a worker can tell from that the socket is held here.
    holder: Arc<()>,
    /// Removed with the socket.
    _file: Option<Entry>,
}

/// The file of a socket.
#[derive(Debug)]
enum Entry {
    Own(#[expect(dead_code, reason = "it is dropped")] SocketFile),
    Kept(#[expect(dead_code, reason = "it is dropped")] Kept),
}

impl Sockets {
    /// No sockets; those that come are bound by `keeper`.
    pub(crate) fn bound_by(keeper: Option<Arc<Keeper>>) -> Self {
        Self { open: Vec::new(), keeper }
    }

    /// Whether what is wanted can be listened on, except that somebody may be there already: most likely the
    /// process whose configuration is tested.
    pub(crate) fn check(wanted: &[Wanted]) -> Result<(), Trouble> {
        for listener in wanted {
            let bound = match &listener.address {
                Address::Ip(address) => Listener::address_is_free(*address),
                Address::Unix(path) if path.exists() => Ok(()),
                Address::Unix(path) => {
                    UnixListener::bind(path).map(|_| ()).and_then(|()| fs::remove_file(path))
                }
            };
            match bound {
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    return Err(Trouble::new(refused(&listener.address, error)));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The sockets of the next configuration: those of this one, as far as they are `wanted`, and new ones.
    /// This one is as it was, whatever comes of it.
    pub(crate) fn next(&self, wanted: &[Wanted], workers: usize) -> Result<Self, Trouble> {
        // All addresses before the first is bound: a wildcard address of ours must not pass for somebody
        // else's.
        for listener in wanted {
            self.check_free(&listener.address)
                .map_err(|error| Trouble::new(refused(&listener.address, error)))?;
        }
        let mut open = Vec::new();
        for listener in wanted {
            let Wanted { address, options, .. } = listener;
            let mut sockets = self.find(address).map(|known| known.sockets.clone()).unwrap_or_default();
            let count = if matches!(address, Address::Ip(_)) { workers } else { 1 };
            let mut failures = Vec::new();
            while sockets.len() < count {
                let socket = Numbered::bind(address, options, self.keeper.as_ref(), &mut failures);
                sockets.push(Arc::new(socket.map_err(|error| Trouble::new(refused(address, error)))?));
            }
            open.push(Open { address: address.clone(), options: options.clone(), sockets, failures });
        }
        Ok(Self { open, keeper: self.keeper.clone() })
    }

    /// Gives kept sockets the options that have changed since `earlier`; says what couldn't be set, of new
    /// sockets too: an option that the system refuses leaves the socket as it is, as in nginx.
    pub(crate) fn follow(&self, earlier: &Self) -> Vec<String> {
        let mut failures: Vec<_> = self.open.iter().flat_map(|open| open.failures.iter().cloned()).collect();
        for open in &self.open {
            if earlier.find(&open.address).is_none_or(|known| known.options == open.options) {
                continue;
            }
            for socket in &open.sockets {
                socket.socket.configure(&open.options, &open.address, &mut failures);
                if let Err(error) = socket.socket.listen(&open.options) {
                    let fault = Fault::from(error);
                    failures.push(format!("listen() on {} failed, ignored ({fault})", open.address));
                }
            }
        }
        failures
    }

    /// The share of one of `workers`; a handle to each socket but those that it has, by their numbers.
    pub(crate) fn share(
        &self,
        wanted: &[Wanted],
        worker: usize,
        workers: usize,
        has: &HashSet<u64>,
    ) -> io::Result<Vec<Listener>> {
        let mut share = Vec::new();
        for listener in wanted {
            let Some(open) = self.find(&listener.address) else { continue };
            let alone = open.sockets.len() == 1;
            let its = |index: usize| alone || index % workers == worker;
            for (_, numbered) in open.sockets.iter().enumerate().filter(|(index, _)| its(*index)) {
                let socket = match has.contains(&numbered.number) {
                    true => None,
                    false => Some(numbered.socket.try_clone()?),
                };
                let config = Arc::clone(&listener.config);
                let holder = Arc::downgrade(&numbered.holder);
                share.push(Listener::shared(numbered.number, socket, open.address.clone(), config, holder));
            }
        }
        Ok(share)
    }

    /// What a worker needs of a configuration to serve clients at sockets that it has, by their numbers.
    pub(crate) fn renewed(&self, wanted: &[Wanted], has: &HashSet<u64>) -> Vec<Listener> {
        let mut renewed = Vec::new();
        for listener in wanted {
            let sockets = self.find(&listener.address).map(|open| open.sockets.iter()).unwrap_or_default();
            for numbered in sockets.filter(|numbered| has.contains(&numbered.number)) {
                let (address, config) = (listener.address.clone(), Arc::clone(&listener.config));
                let holder = Arc::downgrade(&numbered.holder);
                renewed.push(Listener::shared(numbered.number, None, address, config, holder));
            }
        }
        renewed
    }

    fn find(&self, address: &Address) -> Option<&Open> {
        self.open.iter().find(|open| open.address == *address)
    }

    fn check_free(&self, address: &Address) -> io::Result<()> {
        match address {
            Address::Ip(ip) if !self.overlaps(*ip) => match &self.keeper {
                Some(keeper) => keeper.address_is_free(address),
                None => Listener::address_is_free(*ip),
            },
            _ => Ok(()),
        }
    }

    /// Whether a socket of ours is what would be found in the way: on the address itself, or on the wildcard
    /// address of its port, or on one of those that the wildcard address stands for.
    fn overlaps(&self, address: SocketAddr) -> bool {
        self.open.iter().any(|open| match open.address {
            Address::Ip(known) => {
                let any = known.ip().is_unspecified() || address.ip().is_unspecified();
                known == address || any && known.port() == address.port()
            }
            Address::Unix(_) => false,
        })
    }
}

impl Numbered {
    fn bind(
        address: &Address,
        options: &ListenOptions,
        keeper: Option<&Arc<Keeper>>,
        failures: &mut Vec<String>,
    ) -> io::Result<Self> {
        let bound =
            keeper.map_or(Ok(None), |keeper| Ok::<_, io::Error>(keeper.bind(address)?.zip(Some(keeper))));
        let (socket, file) = match (bound?, address) {
            (Some((socket, _)), Address::Ip(_)) => (Listening::Tcp(socket.into()), None),
            (Some((socket, keeper)), Address::Unix(path)) => {
                (Listening::Unix(socket.into()), Some(Entry::Kept(keeper.keep(path))))
            }
            (None, _) => {
                let (socket, file) = bind(address, options.dual_stack)?;
                (socket, file.map(Entry::Own))
            }
        };
        socket.configure(options, address, failures);
        socket.listen(options)?;
        socket.prepare()?;
        Ok(Self { number: next_number(), socket, holder: Arc::default(), _file: file })
    }
}

#[cfg(test)]
mod tests {
    use socket2::SockRef;

    use super::*;

    #[test]
    fn options_that_the_system_refuses_are_told_and_ignored() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let address = free.expect("an address");
        let wanted = |options: &str| {
            let text = format!("events {{}} http {{ server {{ listen {address} {options}; return 204; }} }}");
            let options = underpass_nginx_config::LoadOptions::default();
            underpass_nginx_config::load_text("t", text, &options).expect("good").listeners
        };
        let refused = [
            format!("setsockopt(TCP_KEEPIDLE, 86400) {address} failed, ignored (22: Invalid argument)"),
            format!("setsockopt(TCP_KEEPCNT, 200) {address} failed, ignored (22: Invalid argument)"),
        ];
        let nothing = Sockets::default();
        let first = nothing.next(&wanted("so_keepalive=1d:5s:200"), 2).expect("it listens");
        assert_eq!(first.follow(&nothing), refused, "once for all of its sockets");
        std::net::TcpStream::connect(address).expect("somebody listens");
        let Listening::Tcp(socket) = &first.open[0].sockets[0].socket else { panic!("no TCP") };
        let socket = SockRef::from(socket);
        assert!(socket.keepalive().expect("an option"));
        assert_eq!(socket.tcp_keepalive_interval().expect("an option").as_secs(), 5, "the rest is set");

        let unchanged = first.next(&wanted("so_keepalive=1d:5s:200"), 2).expect("it listens");
        assert_eq!(unchanged.follow(&first), [""; 0], "it was said");
        let changed = unchanged.next(&wanted("so_keepalive=1d:6s:200"), 2).expect("it listens");
        assert_eq!(changed.follow(&unchanged), refused);
        assert_eq!(socket.tcp_keepalive_interval().expect("an option").as_secs(), 6);
    }

    #[test]
    fn a_worker_can_tell_whether_its_socket_lives_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let text = format!("events {{}} http {{ server {{ listen unix:{}; return 204; }} }}", path.display());
        let options = underpass_nginx_config::LoadOptions::default();
        let wanted = underpass_nginx_config::load_text("t", text, &options).expect("good").listeners;
        let sockets = Sockets::default().next(&wanted, 1).expect("a free name");
        let share = sockets.share(&wanted, 0, 1, &HashSet::new()).expect("handles");
        let holder = share[0].holder();
        let kept = sockets.next(&wanted, 1).expect("what is open already");
        drop(sockets);
        assert_eq!(holder.strong_count(), 1, "the next configuration listens there too");
        drop(kept);
        assert_eq!(holder.strong_count(), 0, "nobody else accepts who waits");
    }
}
