//! All groups of a configuration.

use std::{borrow::Cow, collections::HashMap, net::IpAddr};

use super::{
    group::Group,
    peer::{Endpoint, GroupId},
};
use crate::{Address, time::Tick};

/// All groups of a configuration, shared by its workers. A group is locked while a peer is chosen and when a
/// lease ends, never while bytes move.
#[derive(Debug, Default)]
pub struct Upstreams {
    groups: Vec<Group>,
    /// By name, in lower case.
    names: HashMap<Box<str>, Vec<GroupId>>,
    /// Those whose name is a host and a port: by the host, in lower case.
    hosts: HashMap<Box<str>, Vec<(u16, GroupId)>>,
}

/// Groups, and how they are found.
impl Upstreams {
    /// A table of `groups`; a [`GroupId`] is an index into it.
    #[must_use]
    pub fn new(groups: Vec<Group>) -> Self {
        let (mut names, mut hosts) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for (id, group) in groups.iter().enumerate().map(|(at, group)| (GroupId(at), group)) {
            let name = group.name().to_ascii_lowercase();
            if let Some((host, digits)) = name.rsplit_once(':')
                && let Ok(port) = digits.parse()
            {
                hosts.entry(host.into()).or_default().push((port, id));
            }
            names.entry(name.into_boxed_str()).or_default().push(id);
        }
        Self { groups, names, hosts }
    }

    /// The group `id`.
    #[must_use]
    pub fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(id.0)
    }

    /// The group that a URL with variables leads to, as nginx finds it: an `upstream` called `host`, whatever
    /// the case, when there is no port, else the peers of a plain `proxy_pass` to this host and port. A group
    /// without peers is found by nobody.
    pub(crate) fn named(&self, host: &str, port: Option<u16>) -> Option<GroupId> {
        let has_upper = host.bytes().any(|byte| byte.is_ascii_uppercase());
        let host = if has_upper { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) };
        let has_peers = |id: &GroupId| self.group(*id).is_some_and(|group| group.peers().next().is_some());
        let upstreams = self.names.get(&*host).filter(|_| port.is_none()).into_iter().flatten().copied();
        let plain = self.hosts.get(&*host).into_iter().flatten();
        let plain = plain.filter(|(known, _)| *known == port.unwrap_or(80)).map(|(_, id)| *id);
        upstreams.chain(plain).find(has_peers)
    }
}

/// Names whose addresses change.
impl Upstreams {
    /// The `server` lines whose peers the shell has to look up, again and again ([`super::Peer::resolved`]).
    pub fn names(&self) -> impl Iterator<Item = Named<'_>> {
        let named = |group, server, endpoint| match endpoint {
            &Endpoint::Name { ref host, port } => Some(Named { group, server, host, port }),
            Endpoint::Address(_) => None,
        };
        self.groups.iter().zip(0..).flat_map(move |(group, id)| {
            group
                .peers()
                .zip(0..)
                .filter_map(move |(peer, server)| named(GroupId(id), server, &peer.endpoint))
        })
    }

    /// From now on the peers of the line `server` are those at `addresses`: peers that were there before keep
    /// their leases and their health, those that are gone are chosen no more, and their leases stay valid.
    ///
    /// Says whether there is such a line, with a name to look up. When a lookup fails for another reason than
    /// that there is no such name, call nothing: the last answer holds.
    pub fn update(&self, group: GroupId, server: usize, addresses: &[IpAddr]) -> bool {
        let Some(group) = self.group(group) else { return false };
        let Some(peer) = group.peer(server) else { return false };
        let Endpoint::Name { port, .. } = peer.endpoint else { return false };
        group.peer_table().hold().update(server, peer, port, addresses);
        true
    }
}

/// A new configuration.
impl Upstreams {
    /// Takes over what `before` knew of names: for each line that looks up the same host and port in a group
    /// of the same name, its addresses, so that a reload needn't wait for lookups. Leases and health begin
    /// anew, as in nginx.
    pub fn inherit(&self, before: &Self) {
        for name in self.names() {
            let is_same = |old: &Named<'_>| {
                (old.host, old.port) == (name.host, name.port)
                    && self.group_name(name.group) == before.group_name(old.group)
            };
            if let Some(old) = before.names().find(is_same) {
                let known = before.status(old.group, Tick(0)).into_iter();
                let ips =
                    known.filter(|peer| peer.server == old.server).filter_map(|peer| match peer.address {
                        Address::Ip(address) => Some(address.ip()),
                        Address::Unix(_) => None,
                    });
                self.update(name.group, name.server, &ips.collect::<Vec<_>>());
            }
        }
    }

    fn group_name(&self, id: GroupId) -> Option<&str> {
        self.group(id).map(Group::name)
    }
}

/// A `server` line with a name that is looked up while workers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Named<'a> {
    /// Its group.
    pub group: GroupId,
    /// Index of the line in the group.
    pub server: usize,
    /// The name.
    pub host: &'a str,
    /// The port.
    pub port: u16,
}

/// Looks, for status pages and tests.
impl Upstreams {
    /// How the peers of a group are at this time.
    #[must_use]
    pub fn status(&self, group: GroupId, now: Tick) -> Vec<PeerStatus> {
        let Some(group) = self.group(group) else { return Vec::new() };
        let peer_table = group.peer_table().hold();
        let status = |state: &super::peer_state::PeerState| PeerStatus {
            address: state.address.clone(),
            server: state.server,
            leases: state.leases(),
            failures: state.failures(),
            unavailable: state.is_unavailable(now),
        };
        peer_table.present().map(status).collect()
    }
}

/// How a peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerStatus {
    /// Where it listens.
    pub address: Address,
    /// Index of its line in the group.
    pub server: usize,
    /// Leases that are out.
    pub leases: u32,
    /// Failures since its last success.
    pub failures: u32,
    /// Whether it has failed too often of late to be chosen beside others.
    pub unavailable: bool,
}
