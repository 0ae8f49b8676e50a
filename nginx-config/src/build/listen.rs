//! `listen`: addresses, and which servers share a socket.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use underpass_core::config::{Config, ServerName, ServerTable, Settings};

use super::{Builder, all, server::VirtualServer, upstream::look_up};
use crate::{
    check::missing_semicolon,
    error::{Error, Note, Position},
    loaded::{ListenOptions, Listener},
    syntax::{Directive, Word},
    values::{self, HostPort},
};

/// One address of a server.
pub(super) struct Listen {
    address: SocketAddr,
    default_server: bool,
    written: String,
    position: Position,
}

impl Builder<'_> {
    /// Where a server is reached: port 80 of every address when it doesn't say.
    pub(super) fn listens(&self, server: &Directive) -> Result<Vec<Listen>, Error> {
        let mut listens: Vec<Listen> = Vec::new();
        for directive in all(server.inside(), "listen") {
            let word = directive.argument(0);
            let default_server = default_server(directive)?;
            for address in self.listen_addresses(word)? {
                if listens.iter().any(|listen| listen.address == address) {
                    return Err(Error::new(&word.position, format!("a duplicate listen {address}")));
                }
                let position = word.position.clone();
                listens.push(Listen { address, default_server, written: word.text.clone(), position });
            }
        }
        if listens.is_empty() {
            let position = server.name.position.clone();
            let address = SocketAddr::new(ANY, 80);
            listens.push(Listen { address, default_server: false, written: "*:80".to_owned(), position });
        }
        Ok(listens)
    }

    fn listen_addresses(&self, word: &Word) -> Result<Vec<SocketAddr>, Error> {
        let text = word.text.as_str();
        let error = |fault: &str| {
            Error::new(&word.position, format!("{fault} in \"{text}\" of the \"listen\" directive"))
        };
        if text.starts_with("unix:") {
            let message = format!("\"{text}\": Unix domain sockets are not in this version");
            return Err(Error::new(&word.position, message));
        }
        if values::number(text).is_some() {
            let port = values::parse_port(text).ok_or_else(|| error("invalid port"))?;
            return Ok(vec![SocketAddr::new(ANY, port)]);
        }
        let HostPort { host, port } = HostPort::parse(text).map_err(error)?;
        let hosts = if host == "*" {
            vec![ANY]
        } else {
            look_up(host, &*self.options.resolver).map_err(|hint| error("host not found").hint(hint))?
        };
        Ok(hosts.into_iter().map(|host| SocketAddr::new(host, port.unwrap_or(80))).collect())
    }
}

const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The parameters behind the address.
fn default_server(directive: &Directive) -> Result<bool, Error> {
    let mut default_server = false;
    for word in directive.arguments.iter().skip(1) {
        let known = |name: &&str| {
            word.text.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        };
        let error = Error::new(&word.position, format!("invalid parameter \"{}\"", word.text));
        match word.text.as_str() {
            "default_server" | "default" => default_server = true,
            "ssl" | "quic" => return Err(error.hint("TLS is not in this version")),
            _ if ABSENT.iter().any(known) => {
                return Err(error.hint("of nginx's parameters, this version has \"default_server\""));
            }
            _ => {
                return Err(match missing_semicolon(directive) {
                    Some(hint) => error.hint(hint),
                    None => error,
                });
            }
        }
    }
    Ok(default_server)
}

/// Parameters that nginx has.
const ABSENT: [&str; 14] = [
    "http2",
    "proxy_protocol",
    "setfib",
    "fastopen",
    "backlog",
    "rcvbuf",
    "sndbuf",
    "accept_filter",
    "deferred",
    "bind",
    "ipv6only",
    "reuseport",
    "so_keepalive",
    "multipath",
];

/// The listening sockets of all servers.
pub(super) struct Sockets<'s>(Vec<Socket<'s>>);

struct Socket<'s> {
    /// The first that names the address.
    listen: &'s Listen,
    servers: Vec<usize>,
    /// Index in `servers`, when one has said that it is.
    default: Option<usize>,
}

impl<'s> Sockets<'s> {
    /// Collects what the servers say; names that two servers of a socket claim become notes.
    pub(super) fn of(servers: &'s [VirtualServer], notes: &mut Vec<Note>) -> Result<Self, Error> {
        let mut sockets: Vec<Socket<'s>> = Vec::new();
        let mut known: HashMap<SocketAddr, usize> = HashMap::new();
        for (index, server) in servers.iter().enumerate() {
            for listen in &server.listens {
                let at = *known.entry(listen.address).or_insert(sockets.len());
                if at == sockets.len() {
                    sockets.push(Socket { listen, servers: Vec::new(), default: None });
                }
                if let Some(socket) = sockets.get_mut(at) {
                    socket.add(index, listen)?;
                }
            }
        }
        for socket in &sockets {
            socket.note_conflicts(servers, notes);
        }
        Ok(Self(sockets))
    }

    /// Makes the listeners; `config` makes what sessions share of a router and the settings before routing.
    pub(super) fn listeners(
        self,
        servers: &[VirtualServer],
        config: impl Fn(ServerTable, Arc<Settings>) -> Arc<Config>,
    ) -> Vec<Listener> {
        let listener = |socket: Socket<'_>| {
            let members: Vec<_> = socket.servers.iter().filter_map(|index| servers.get(*index)).collect();
            let default = socket.default.unwrap_or(0);
            let edge = members.get(default).map(|server| Arc::clone(&server.settings)).unwrap_or_default();
            let table = ServerTable::new(members.iter().map(|server| server.to_server()).collect(), default);
            Listener {
                address: socket.listen.address.into(),
                options: ListenOptions::default(),
                written: socket.listen.written.clone(),
                position: socket.listen.position.clone(),
                config: config(table, edge),
            }
        };
        self.0.into_iter().map(listener).collect()
    }
}

impl Socket<'_> {
    fn add(&mut self, server: usize, listen: &Listen) -> Result<(), Error> {
        if listen.default_server {
            if self.default.is_some() {
                let message = format!("a duplicate default server for {}", listen.address);
                return Err(Error::new(&listen.position, message)
                    .hint("one server of an address may be its \"default_server\""));
            }
            self.default = Some(self.servers.len());
        }
        self.servers.push(server);
        Ok(())
    }

    fn note_conflicts(&self, servers: &[VirtualServer], notes: &mut Vec<Note>) {
        let mut seen: HashSet<&str> = HashSet::new();
        let members = self.servers.iter().filter_map(|index| servers.get(*index));
        for name in members.flat_map(|server| &server.names) {
            let ServerName::Name(text) = &name.name else { continue };
            if !seen.insert(text) {
                let address = self.listen.address;
                let message = format!("conflicting server name \"{text}\" on {address}, ignored");
                notes.push(Note::new(&name.position, message));
            }
        }
    }
}
