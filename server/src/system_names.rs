//! Names to addresses, as the system does it: the file of hosts, its name servers, whatever else it is told to ask.

use std::{
    future::Future,
    io,
    net::{IpAddr, ToSocketAddrs as _},
    sync::{Arc, Mutex, PoisonError},
};

use underpass_core::Address;

use crate::threads::{Client, Full, Threads};

/// Names that are looked up at a time: the system answers each on a thread of its own.
const AT_A_TIME: usize = 4;

/// Looks names up as the system does (`getaddrinfo`). A clone stands for the same thing.
///
/// The system takes its time, so that this is done by four threads of its own, which the first name starts; they have
/// the rights of the thread that asked. Of the names that wait for a thread, those of one client wait behind those of
/// others.
#[derive(Clone, Debug, Default)]
pub struct SystemNames(Arc<Mutex<Option<Threads>>>);

impl SystemNames {
    /// The addresses of `name`, for a client. The future ends with an error when the system has none, when it has no
    /// thread to find out, and when too many names wait.
    pub(crate) fn look_up(
        &self,
        name: &str,
        client: &Address,
    ) -> impl Future<Output = io::Result<Vec<IpAddr>>> + Send + use<> {
        let name = name.to_owned();
        // The port is the session's business.
        let find = move || {
            let found = (name.as_str(), 0).to_socket_addrs()?;
            Ok(found.map(|address| address.ip()).collect())
        };
        let asked = self.threads().and_then(|threads| {
            threads.run(Client::of(client), find).map_err(|Full| io::ErrorKind::QuotaExceeded.into())
        });
        async { asked?.await? }
    }

    fn threads(&self) -> io::Result<Threads> {
        let mut threads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*threads {
            Some(known) => Ok(known.clone()),
            None => Ok(threads.insert(Threads::start("names", AT_A_TIME)?).clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;
    use crate::threads::tests::{hold_up, wait};

    fn client() -> Address {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 1)).into()
    }

    #[test]
    fn the_system_knows_this_machine() {
        let names = SystemNames::default();
        let found = wait(names.look_up("localhost", &client())).expect("an address");
        assert!(found.iter().all(IpAddr::is_loopback) && !found.is_empty(), "{found:?}");
        wait(names.look_up("no such name", &client())).expect_err("no name has a space");
    }

    #[test]
    fn names_that_find_no_room_are_an_error_at_once() {
        let names = SystemNames::default();
        let threads = names.threads().expect("threads");
        let _busy: Vec<_> = (0..AT_A_TIME).map(|_| hold_up(&threads)).collect();
        let waiting = (0..1000).map(|_| names.look_up("localhost", &client()));
        let _waiting: Vec<_> = waiting.collect();
        let error = wait(names.look_up("localhost", &client())).expect_err("there is no room");
        assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
    }
}
