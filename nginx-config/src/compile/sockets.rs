//! Which servers share a socket.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use underpass_core::{
    Address,
    config::{Config, ServerName, ServerTable, Settings},
};

use super::{listen::Listen, server::VirtualServer, tls::no_certificate};
use crate::{
    error::{ConfigNote, Error},
    loaded::{Listener, SessionTrace},
    tls::{ListenerTls, ServerTls},
};

/// The listening sockets of all servers.
pub(super) struct Sockets<'s>(Vec<Socket<'s>>);

struct Socket<'s> {
    /// The first that names the address.
    listen: &'s Listen,
    /// The one that says something of the socket.
    options: Option<&'s Listen>,
    servers: Vec<usize>,
    /// Index in `servers`, when one has said that it is.
    default: Option<usize>,
    /// Whether any of them says so.
    proxy_protocol: bool,
    /// Whether any of them says so.
    ssl: bool,
}

/// What the configuration of a socket is made of.
pub(super) struct Shared {
    pub(super) router: Arc<ServerTable>,
    /// `ssl`.
    pub(super) tls: bool,
    /// What holds before a request is routed.
    pub(super) edge: Arc<Settings>,
    pub(super) proxy_protocol: bool,
    /// `session_trace` of the default server.
    pub(super) trace: Option<SessionTrace>,
}

impl<'s> Sockets<'s> {
    /// Collects what the servers say; names that two servers of a socket claim become notes.
    pub(super) fn of(servers: &'s [VirtualServer], notes: &mut Vec<ConfigNote>) -> Result<Self, Error> {
        let mut sockets: Vec<Socket<'s>> = Vec::new();
        let mut known: HashMap<&Address, usize> = HashMap::new();
        for (index, server) in servers.iter().enumerate() {
            for listen in &server.listens {
                let at = *known.entry(&listen.address).or_insert(sockets.len());
                if at == sockets.len() {
                    sockets.push(Socket {
                        listen,
                        options: None,
                        servers: Vec::new(),
                        default: None,
                        proxy_protocol: listen.proxy_protocol,
                        ssl: listen.ssl,
                    });
                }
                if let Some(socket) = sockets.get_mut(at) {
                    socket.add(index, listen, notes)?;
                }
            }
        }
        for socket in &sockets {
            socket.note_conflicts(servers, notes);
            socket.check_certificates(servers)?;
        }
        Ok(Self(sockets))
    }

    /// Makes the listeners; `config` makes what sessions share.
    pub(super) fn listeners(
        self,
        servers: &[VirtualServer],
        mut config: impl FnMut(Shared) -> Arc<Config>,
    ) -> Vec<Listener> {
        let listener = |socket: Socket<'_>| {
            let members: Vec<_> = socket.servers.iter().filter_map(|index| servers.get(*index)).collect();
            let default = socket.default.unwrap_or(0);
            let edge = members.get(default).map(|server| Arc::clone(&server.settings)).unwrap_or_default();
            let trace = members.get(default).and_then(|server| server.trace.clone());
            let table = members.iter().map(|server| server.to_server()).collect();
            let router = Arc::new(ServerTable::new(table, default));
            Listener {
                address: socket.listen.address.clone(),
                tls: socket.tls(&members, &router),
                options: socket.options.and_then(|listen| listen.options.clone()).unwrap_or_default(),
                written: socket.listen.written.clone(),
                position: socket.listen.position.clone(),
                config: config(Shared {
                    router,
                    tls: socket.ssl,
                    edge,
                    proxy_protocol: socket.proxy_protocol,
                    trace,
                }),
            }
        };
        self.0.into_iter().map(listener).collect()
    }
}

impl<'s> Socket<'s> {
    fn add(&mut self, server: usize, listen: &'s Listen, notes: &mut Vec<ConfigNote>) -> Result<(), Error> {
        if listen.default_server {
            if self.default.is_some() {
                let message = format!("a duplicate default server for {}", listen.address);
                return Err(Error::new(&listen.position, message)
                    .hint("one server of an address may be its \"default_server\""));
            }
            self.default = Some(self.servers.len());
        }
        if listen.options.is_some() {
            if self.options.is_some() {
                let message = format!("duplicate listen options for {}", listen.address);
                return Err(Error::new(&listen.position, message)
                    .hint("one \"listen\" of an address may have the options of its socket"));
            }
            self.options = Some(listen);
        }
        let differs = [
            (listen.proxy_protocol != self.listen.proxy_protocol, "proxy_protocol"),
            (listen.ssl != self.listen.ssl, "ssl"),
        ];
        for (_, name) in differs.into_iter().filter(|(differs, _)| *differs) {
            let message = format!("protocol options redefined for {}", listen.address);
            let hint = format!("\"{name}\" on one \"listen\" counts for all of the address");
            notes.push(ConfigNote::new(&listen.position, message).hint(hint));
        }
        self.proxy_protocol |= listen.proxy_protocol;
        self.ssl |= listen.ssl;
        self.servers.push(server);
        Ok(())
    }

    fn tls(&self, members: &[&VirtualServer], table: &Arc<ServerTable>) -> Option<ListenerTls> {
        let servers = members.iter().map(|server| Arc::clone(&server.tls)).collect();
        let default = self.default.unwrap_or(0);
        self.ssl.then(|| ListenerTls { table: Arc::clone(table), servers, default })
    }

    /// The default server has a certificate, or refuses everybody, and then each other server has one or does.
    fn check_certificates(&self, servers: &[VirtualServer]) -> Result<(), Error> {
        if !self.ssl {
            return Ok(());
        }
        let members =
            || self.servers.iter().filter_map(|index| servers.get(*index)).map(|server| &server.tls);
        let Some(default) = members().nth(self.default.unwrap_or(0)) else { return Ok(()) };
        if !default.credentials.is_empty() {
            return Ok(());
        }
        let mut needing: Box<dyn Iterator<Item = &Arc<ServerTls>>> = match default.reject {
            true => Box::new(members()),
            false => Box::new([default].into_iter()),
        };
        match needing.find(|server| server.credentials.is_empty() && !server.reject) {
            Some(server) => Err(no_certificate(server)),
            None => Ok(()),
        }
    }

    fn note_conflicts(&self, servers: &[VirtualServer], notes: &mut Vec<ConfigNote>) {
        let mut seen: HashSet<&str> = HashSet::new();
        let members = self.servers.iter().filter_map(|index| servers.get(*index));
        for name in members.flat_map(|server| &server.names) {
            let ServerName::Name(text) = &name.name else { continue };
            if !seen.insert(text) {
                let address = &self.listen.address;
                let message = format!("conflicting server name \"{text}\" on {address}, ignored");
                notes.push(ConfigNote::new(&name.position, message));
            }
        }
    }
}
