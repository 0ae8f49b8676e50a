//! What forwarding and tunnelling have in common: an upstream connection, and how long it may take.

use core::time::Duration;

use super::{Destination, Handler, NextUpstream, Proxy, SocketOptions, Target, TunnelPass, Upgrade};
use crate::shared::GroupId;

/// An upstream connection, as `proxy_pass` or `tunnel_pass` says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hop<'a> {
    /// Where it leads; absent: to the authority that the client names.
    pub(crate) target: Option<&'a Target>,
    /// The group whose settings hold.
    pub(crate) group: GroupId,
    pub(crate) connect_timeout: Duration,
    pub(crate) send_timeout: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) next_upstream: &'a NextUpstream,
    /// How a tunnel over it lives.
    pub(crate) tunnel: &'a Upgrade,
    pub(crate) ignore_client_abort: bool,
    pub(crate) socket: &'a SocketOptions,
}

impl Handler {
    pub(crate) fn hop(&self) -> Option<Hop<'_>> {
        match self {
            Self::Proxy(proxy) => Some(proxy.hop()),
            Self::Tunnel(tunnel) => Some(tunnel.hop()),
            Self::Return(_) | Self::Unsupported(_) | Self::Nothing => None,
        }
    }
}

impl Proxy {
    fn hop(&self) -> Hop<'_> {
        Hop {
            target: Some(&self.target),
            group: self.target.group(),
            connect_timeout: self.connect_timeout,
            send_timeout: self.send_timeout,
            read_timeout: self.read_timeout,
            next_upstream: &self.next_upstream,
            tunnel: &self.upgrade,
            ignore_client_abort: self.ignore_client_abort,
            socket: &self.socket,
        }
    }
}

impl TunnelPass {
    fn hop(&self) -> Hop<'_> {
        let (target, group) = match &self.destination {
            Destination::Requested { group, .. } => (None, *group),
            Destination::Configured(target) => (Some(target), target.group()),
        };
        Hop {
            target,
            group,
            connect_timeout: self.connect_timeout,
            send_timeout: self.send_timeout,
            read_timeout: self.read_timeout,
            next_upstream: &self.next_upstream,
            tunnel: &self.tunnel,
            ignore_client_abort: false,
            socket: &self.socket,
        }
    }
}

impl Target {
    /// The group whose settings hold.
    fn group(&self) -> GroupId {
        match self {
            Self::Group(group)
            | Self::Name { group, .. }
            | Self::Template { group, .. }
            | Self::Peers { group, .. } => *group,
        }
    }
}
