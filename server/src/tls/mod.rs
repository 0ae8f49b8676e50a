//! TLS of a configuration: what its files come to, and which settings a client's handshake gets (rules H1, H4, H7).
//!
//! | file | what it holds |
//! |---|---|
//! | `files` | reading the files that a configuration names, with root's rights where it has to be |
//! | `making` | from the directives and the files to settings |
//! | `doubts` | what a certificate is told of to its operator, although it can be used |
//! | `kept` | sessions and keys of tickets, which a reload doesn't end |
//! | `choosing` | from the name that a client looks for to a server's settings |
//! | `watching` | certificates that change while they are used |

mod choosing;
mod doubts;
mod files;
mod kept;
mod making;
mod watching;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use underpass_core::Address;
use underpass_nginx_config::{Listener as Wanted, ServerTls, UpstreamTls};
use underpass_tls::{Choose, ClientSettings};

use crate::{Listener, Log, process::Trouble};
use choosing::{ByName, Served};
pub(crate) use files::{Reader, named_files, read};
pub(crate) use kept::Kept;
use making::Making;
use watching::Watched;
pub(crate) use watching::Watching;

/// TLS of a configuration, ready to be used.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    choosers: HashMap<Address, Arc<ByName>>,
    /// How origin servers are spoken to, by the number that the configuration has.
    pub(crate) upstream: Arc<[ClientSettings]>,
    /// What sessions and tickets go on with in the next configuration.
    pub(crate) kept: Kept,
    /// What the operator should know.
    pub(crate) warnings: Vec<String>,
    watched: Mutex<Vec<Watched>>,
}

impl Tls {
    /// Reads the files that a configuration names, and makes settings of them.
    ///
    /// # Errors
    /// With the first file that can't be read or used.
    pub(crate) fn of(
        listeners: &[Wanted],
        upstream: &[UpstreamTls],
        reader: &Reader,
        earlier: &Kept,
    ) -> Result<Self, Trouble> {
        let mut making = Making::new(reader.clone(), earlier.clone());
        let mut served: HashMap<*const ServerTls, Arc<Served>> = HashMap::new();
        let mut choosers = HashMap::new();
        let mut watched = Vec::new();
        for listener in listeners {
            let Some(tls) = &listener.tls else { continue };
            let mut servers = Vec::new();
            for server in &tls.servers {
                let known = served.get(&Arc::as_ptr(server));
                let known = match known {
                    Some(known) => Arc::clone(known),
                    None => {
                        let made = Arc::new(Served::new(server.reject, making.server(server)?));
                        if server.watch && !server.credentials.is_empty() {
                            watched.push(Watched::new(Arc::clone(server), Arc::clone(&made), &making));
                        }
                        served.insert(Arc::as_ptr(server), Arc::clone(&made));
                        made
                    }
                };
                servers.push(known);
            }
            let chooser = ByName::new(Arc::clone(&tls.table), servers, tls.default);
            choosers.insert(listener.address.clone(), Arc::new(chooser));
        }
        let upstream = upstream.iter().map(|tls| making.client(tls)).collect::<Result<_, _>>()?;
        let doubts = doubts::of_names(listeners, |files| making.leaf(files));
        doubts.into_iter().for_each(|doubt| making.warn(doubt));
        let (kept, warnings) = making.end();
        Ok(Self { choosers, upstream, kept, warnings, watched: Mutex::new(watched) })
    }

    /// Has clients of a socket begin with a handshake, where the configuration says so.
    pub(crate) fn secure(&self, listener: Listener) -> Listener {
        match self.choosers.get(listener.address()) {
            Some(chooser) => listener.secured_by(Arc::clone(chooser) as Arc<dyn Choose>),
            None => listener,
        }
    }

    /// Starts to look at the certificates that are to be watched, if there are any, until what is returned is dropped.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub(crate) fn watch(&self, reader: &Reader, log: Log) -> io::Result<Option<Watching>> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let watched = std::mem::take(&mut *watched);
        if watched.is_empty() { Ok(None) } else { Watching::start(watched, reader.clone(), log).map(Some) }
    }
}
