//! `tunnel_pass` and the directives that go with it: CONNECT.

use std::net::SocketAddr;

use underpass_core::{
    Address,
    config::{
        Destination, DestinationHost, DestinationPolicy, DestinationRule, SocketOptions, Target, TunnelPass,
    },
    template::Escape,
};

use super::{Builder, level::Level, proxy::next_upstream, upgrade::upgrade, upstream::parse_host};
use crate::{
    error::{ConfigNote, Error},
    syntax::{Directive, Word},
    values,
};

impl Builder<'_> {
    /// Reads `tunnel_pass [ADDRESS]`.
    pub(super) fn tunnel(&mut self, directive: &Directive, level: &Level<'_>) -> Result<TunnelPass, Error> {
        let destination = match directive.arguments.first() {
            Some(address) => {
                if let Some(rule) = level.innermost("tunnel_allow").or_else(|| level.innermost("tunnel_deny"))
                {
                    let message =
                        format!("\"{}\" has no effect: \"tunnel_pass\" names an address", rule.name.text);
                    self.notes.push(ConfigNote::new(&rule.name.position, message));
                }
                Destination::Configured(self.tunnel_target(address)?)
            }
            None => {
                let policy = DestinationPolicy::new(self.destination_rules(level)?, self.own.clone());
                Destination::Requested { policy, group: self.groups.variable() }
            }
        };
        let mut tunnel = TunnelPass::new(destination);
        tunnel.connect_timeout = level.time("tunnel_connect_timeout")?;
        tunnel.read_timeout = level.time("tunnel_read_timeout")?;
        tunnel.send_timeout = level.time("tunnel_send_timeout")?;
        tunnel.next_upstream = next_upstream(level, "tunnel")?;
        tunnel.tunnel = upgrade(level)?;
        tunnel.socket = self.tunnel_socket(level)?;
        Ok(tunnel)
    }

    fn tunnel_target(&mut self, address: &Word) -> Result<Target, Error> {
        if address.text.contains('$') {
            let url = self.template(address, Escape::None)?;
            return Ok(Target::Template { url, group: self.groups.variable() });
        }
        if let Some(path) = address.text.strip_prefix("unix:") {
            return self.unix_group(path, address).map(Target::Group);
        }
        let host = parse_host(&address.text, address)?;
        match (self.groups.named(host.host), host.port) {
            (Some(group), None) => Ok(Target::Group(group)),
            (None, Some(_)) => self.plain_group(host, address).map(Target::Group),
            (Some(_), Some(port)) => {
                let message = format!("upstream \"{}\" may not have port {port}", host.host);
                Err(Error::new(&address.position, message))
            }
            (None, None) => Err(Error::new(&address.position, format!("no port in \"{}\"", address.text))
                .hint("a tunnel has no default port")),
        }
    }

    fn tunnel_socket(&self, level: &Level<'_>) -> Result<SocketOptions, Error> {
        let mut socket = SocketOptions::default();
        let bytes = |name: &str| {
            let read = |text: &str| values::size(text).and_then(|size| u32::try_from(size).ok());
            level.innermost(name).map(|_| level.value(name, read)).transpose()
        };
        socket.keepalive = level.flag("tunnel_socket_keepalive")?;
        socket.receive_buffer = bytes("tunnel_socket_rcvbuf")?;
        socket.send_buffer = bytes("tunnel_socket_sndbuf")?;
        if let Some(directive) = level.innermost("tunnel_bind") {
            socket.bind = self.bind(directive)?;
        }
        Ok(socket)
    }

    pub(super) fn destination_rules(&mut self, level: &Level<'_>) -> Result<Vec<DestinationRule>, Error> {
        let mut rules = Vec::new();
        for directive in level.nearest(&["tunnel_allow", "tunnel_deny"]) {
            let allows = directive.name.text == "tunnel_allow";
            let host = self.destination_host(directive.argument(0))?;
            let ports = directive.arguments.get(1).map(ports).transpose()?;
            rules.push(DestinationRule::new(allows, host, ports));
        }
        Ok(rules)
    }

    fn destination_host(&mut self, word: &Word) -> Result<DestinationHost, Error> {
        let text = word.text.to_ascii_lowercase();
        let invalid = || {
            Error::new(&word.position, format!("invalid host \"{}\"", word.text))
                .hint("it is all, a name, *.name, an address or a network; ports stand behind a space")
        };
        if text == "all" {
            return Ok(DestinationHost::Any);
        }
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(&text);
        if let Some(network) = values::network(bare) {
            return Ok(DestinationHost::Network(network));
        }
        if let Some(mask) = text.strip_prefix('*').filter(|mask| mask.len() > 1 && mask.starts_with('.')) {
            return Ok(DestinationHost::Below(mask.into()));
        }
        let is_name = !text.is_empty() && !text.contains(['*', '/', ':', '[']) && !text.starts_with('.');
        if is_name { Ok(DestinationHost::Name(text.into())) } else { Err(invalid()) }
    }
}

/// `443`, `8000-8999`.
fn ports(word: &Word) -> Result<(u16, u16), Error> {
    let (first, last) = word.text.split_once('-').unwrap_or((&word.text, &word.text));
    let ports = values::parse_port(first).zip(values::parse_port(last)).filter(|(first, last)| first <= last);
    ports.ok_or_else(|| {
        Error::new(&word.position, format!("invalid ports \"{}\"", word.text))
            .hint("it is a port, or the first and the last of several, as in 8000-8999")
    })
}

/// The addresses of the Internet that servers listen on.
pub(super) fn own_addresses<'l>(listens: impl Iterator<Item = &'l Address>) -> Vec<SocketAddr> {
    let mut own: Vec<_> = listens
        .filter_map(|address| match address {
            Address::Ip(address) => Some(*address),
            Address::Unix(_) => None,
        })
        .collect();
    own.sort_unstable();
    own.dedup();
    own
}
