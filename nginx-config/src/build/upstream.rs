//! `upstream`, and the groups of one that a plain `proxy_pass` makes.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::{IpAddr, SocketAddr},
};

use underpass_core::{
    Address,
    shared::{Group, GroupId, KeepAlive, Peer},
};

use super::{Builder, all, level::first_argument, level::value_or_default};
use crate::{
    directives::Context,
    error::{Error, Position},
    resolve::Resolve,
    syntax::{Directive, Word},
    values::{self, HostPort},
};

/// The groups of a configuration.
#[derive(Debug, Default)]
pub(super) struct Groups {
    list: Vec<Group>,
    /// Those of `upstream` blocks, names in lower case.
    named: HashMap<String, GroupId>,
    /// Those of a plain `proxy_pass`, by host and port.
    plain: HashMap<(String, u16), GroupId>,
}

impl Groups {
    /// The group of an `upstream` block.
    pub(super) fn named(&self, name: &str) -> Option<GroupId> {
        self.named.get(&name.to_ascii_lowercase()).copied()
    }

    pub(super) fn take(&mut self) -> Vec<Group> {
        std::mem::take(&mut self.list)
    }

    fn push(&mut self, group: Group) -> GroupId {
        self.list.push(group);
        GroupId(self.list.len() - 1)
    }
}

impl Builder<'_> {
    /// Reads the `upstream` blocks.
    pub(super) fn upstreams(&mut self, http: &[Directive]) -> Result<(), Error> {
        for block in all(http, "upstream") {
            let name = block.argument(0);
            let group = self.upstream(name, block)?;
            let id = GroupId(self.groups.list.len());
            match self.groups.named.entry(name.text.to_ascii_lowercase()) {
                Entry::Occupied(_) => {
                    let message = format!("duplicate upstream \"{}\"", name.text);
                    return Err(Error::new(&name.position, message));
                }
                Entry::Vacant(entry) => entry.insert(id),
            };
            self.groups.push(group);
        }
        Ok(())
    }

    fn upstream(&self, name: &Word, block: &Directive) -> Result<Group, Error> {
        let mut peers = Vec::new();
        for server in all(block.inside(), "server") {
            peers.extend(self.peers(server)?);
        }
        if peers.is_empty() {
            let message = "no servers are inside upstream";
            return Err(Error::new(&block.name.position, message));
        }
        let connections = first_argument(block.inside(), "keepalive");
        let mut keepalive = KeepAlive::default();
        keepalive.connections = value_or_default("keepalive", connections, Context::Upstream, |text| {
            values::number(text).and_then(|number| usize::try_from(number).ok())
        })?;
        Ok(Group::new(&name.text, peers, keepalive))
    }

    fn peers(&self, server: &Directive) -> Result<Vec<Peer>, Error> {
        if let Some(parameter) = server.arguments.get(1) {
            let message = format!("invalid parameter \"{}\"", parameter.text);
            return Err(Error::new(&parameter.position, message)
                .hint("parameters of a \"server\" in an upstream are not in this version"));
        }
        let word = server.argument(0);
        let HostPort { host, port } = parse_host(&word.text, word)?;
        let addresses = self.addresses(host, &word.position)?;
        let peer = |ip| Peer::new(Address::Ip(SocketAddr::new(ip, port.unwrap_or(80))));
        Ok(addresses.into_iter().map(peer).collect())
    }

    /// The group of a `proxy_pass` that names no `upstream`.
    pub(super) fn plain_group(&mut self, target: HostPort<'_>, word: &Word) -> Result<GroupId, Error> {
        let port = target.port.unwrap_or(80);
        let key = (target.host.to_ascii_lowercase(), port);
        if let Some(id) = self.groups.plain.get(&key) {
            return Ok(*id);
        }
        let addresses = self.addresses(target.host, &word.position)?;
        let peer = |ip| Peer::new(Address::Ip(SocketAddr::new(ip, port)));
        let peers = addresses.into_iter().map(peer).collect();
        let group = Group::new(&format!("{}:{port}", target.host), peers, KeepAlive::default());
        let id = self.groups.push(group);
        self.groups.plain.insert(key, id);
        Ok(id)
    }

    fn addresses(&self, host: &str, position: &Position) -> Result<Vec<IpAddr>, Error> {
        look_up(host, &*self.options.resolver)
            .map_err(|hint| Error::new(position, format!("host not found in upstream \"{host}\"")).hint(hint))
    }
}

/// The host and port in `text`, a part of `word`.
pub(super) fn parse_host<'t>(text: &'t str, word: &Word) -> Result<HostPort<'t>, Error> {
    if text.starts_with("unix:") {
        let message = format!("\"{text}\": Unix domain sockets are not in this version");
        return Err(Error::new(&word.position, message));
    }
    HostPort::parse(text)
        .map_err(|fault| Error::new(&word.position, format!("{fault} in upstream \"{text}\"")))
}

/// The addresses of a host, each once; an address is its own.
///
/// # Errors
/// With what the resolver says.
pub(super) fn look_up(host: &str, resolver: &dyn Resolve) -> Result<Vec<IpAddr>, String> {
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = literal.parse() {
        return Ok(vec![address]);
    }
    let found = resolver.resolve(host).map_err(|error| format!("the resolver says: {error}"))?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err("the resolver knows no address of it".to_owned()) } else { Ok(addresses) }
}
