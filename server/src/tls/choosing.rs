//! From the name that a client looks for to a server's settings.

use std::sync::{Arc, PoisonError, RwLock};

use underpass_core::config::ServerTable;
use underpass_tls::{Choose, Hello, ServerSettings};

/// The settings of a server, which may change while it is served ([`super::watching`]).
#[derive(Debug)]
pub(super) struct Served {
    /// `ssl_reject_handshake`.
    reject: bool,
    /// Absent: it has no certificate, and the default server's settings hold, as in nginx.
    settings: RwLock<Option<ServerSettings>>,
}

impl Served {
    pub(super) fn new(reject: bool, settings: Option<ServerSettings>) -> Self {
        Self { reject, settings: RwLock::new(settings) }
    }

    pub(super) fn replace(&self, settings: ServerSettings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Some(settings);
    }

    fn settings(&self) -> Option<ServerSettings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Chooses among the servers of a socket as nginx does: by the name, else the default server.
#[derive(Debug)]
pub(super) struct ByName {
    table: Arc<ServerTable>,
    servers: Vec<Arc<Served>>,
    default: usize,
}

impl ByName {
    pub(super) fn new(table: Arc<ServerTable>, servers: Vec<Arc<Served>>, default: usize) -> Self {
        Self { table, servers, default }
    }

    /// What a client gets that looks for this name; `None` refuses it.
    pub(super) fn find(&self, name: Option<&str>) -> Option<ServerSettings> {
        // A dot behind a name says that it is whole.
        let name = name.map(|name| name.strip_suffix('.').unwrap_or(name));
        let found = self.servers.get(self.table.named_in_handshake(name))?;
        if found.reject {
            return None;
        }
        found.settings().or_else(|| {
            let default = self.servers.get(self.default).filter(|default| !default.reject)?;
            default.settings()
        })
    }
}

impl Choose for ByName {
    fn choose(&self, hello: &Hello<'_>) -> Option<ServerSettings> {
        self.find(hello.server_name())
    }
}
