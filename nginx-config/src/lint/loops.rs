//! Requests that come back.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
};

use underpass_core::Address;

use super::web::{Web, named};
use crate::{error::ConfigNote, syntax::Directive, values::HostPort};

pub(super) fn check(web: &Web<'_>) -> Vec<ConfigNote> {
    let edges: Vec<Edge<'_>> = web
        .forwarding()
        .filter_map(|(place, pass)| {
            let to = targets(web, pass);
            let server = place.server?;
            let to: Vec<_> = to.iter().filter_map(|address| listener(web, address)).collect();
            let ends = place.innermost("proxy_via").is_none_or(|via| via.argument(0).text != "off");
            (!to.is_empty()).then(|| Edge { from: listens(web, server), to, pass, ends })
        })
        .collect();
    // Many locations may lead to the same sockets.
    let mut reachable = HashMap::new();
    let mut leads_to = |at: usize, goals: &[usize]| {
        let reached = reachable.entry(at).or_insert_with(|| reached_from(&edges, at));
        goals.iter().any(|goal| reached.contains(goal))
    };
    let mut comes_back = |edge: &&Edge<'_>| edge.to.iter().any(|to| leads_to(*to, &edge.from));
    let note = |edge: &Edge<'_>| {
        let url = edge.pass.argument(0);
        let message = format!("\"{}\" leads back to this gateway", url.text);
        let circle = match edge.ends {
            true => "a request in a circle ends in a 508",
            false => "with \"proxy_via off\" nothing may end a request in a circle",
        };
        ConfigNote::new(&url.position, message)
            .hint(format!("write the address of the origin server; {circle}"))
    };
    edges.iter().filter(|edge| comes_back(edge)).map(note).collect()
}

/// A `proxy_pass` from sockets to sockets of our own, by their numbers.
struct Edge<'t> {
    from: Vec<usize>,
    to: Vec<usize>,
    pass: &'t Directive,
    /// Requests that go this way are counted, by `Via`.
    ends: bool,
}

/// The sockets that requests that come to the socket `at` may go on to, itself included.
fn reached_from(edges: &[Edge<'_>], at: usize) -> Vec<usize> {
    let mut reached = vec![at];
    let mut next = 0;
    while let Some(&socket) = reached.get(next) {
        next += 1;
        for to in edges.iter().filter(|edge| edge.from.contains(&socket)).flat_map(|edge| &edge.to) {
            if !reached.contains(to) {
                reached.push(*to);
            }
        }
    }
    reached
}

/// The sockets that a server listens on.
fn listens(web: &Web<'_>, server: &Directive) -> Vec<usize> {
    let written: Vec<_> =
        named(server.inside(), "listen").map(|listen| listen.argument(0).text.as_str()).collect();
    let is_here = |listener: &crate::loaded::Listener| match written.as_slice() {
        [] => listener.address == Address::Ip(SocketAddr::from(([0, 0, 0, 0], 80))),
        written => written.iter().any(|text| {
            *text == listener.written || address(text, 80).is_some_and(|address| address == listener.address)
        }),
    };
    web.listeners
        .iter()
        .enumerate()
        .filter(|(_, listener)| is_here(listener))
        .map(|(index, _)| index)
        .collect()
}

/// Where a `proxy_pass` leads, as far as it says so by addresses.
fn targets(web: &Web<'_>, pass: &Directive) -> Vec<Address> {
    let url = &pass.argument(0).text;
    let Some(rest) = url.get("http://".len()..) else { return Vec::new() };
    if let Some(path) = rest.strip_prefix("unix:") {
        let path = path.split(':').next().unwrap_or_default();
        return vec![Address::Unix(std::path::Path::new(path).into())];
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    match web.upstream(authority) {
        Some(upstream) => named(upstream.inside(), "server")
            .filter_map(|server| {
                let text = &server.argument(0).text;
                match text.strip_prefix("unix:") {
                    Some(path) => Some(Address::Unix(std::path::Path::new(path).into())),
                    None => address(text, 80),
                }
            })
            .collect(),
        None => address(authority, 80).into_iter().collect(),
    }
}

/// An address as `listen` and `proxy_pass` write it; names but `localhost` are not looked up again.
fn address(text: &str, port: u16) -> Option<Address> {
    if let Some(port) = crate::values::parse_port(text) {
        return Some(SocketAddr::from(([0, 0, 0, 0], port)).into());
    }
    let HostPort { host, port: written } = HostPort::parse(text).ok()?;
    let ip = match host {
        "localhost" => IpAddr::from([127, 0, 0, 1]),
        "*" => IpAddr::from([0, 0, 0, 0]),
        host => host.trim_matches(['[', ']']).parse().ok()?,
    };
    Some(SocketAddr::new(ip, written.unwrap_or(port)).into())
}

/// The number of the socket that answers at `target`.
fn listener(web: &Web<'_>, target: &Address) -> Option<usize> {
    let same = web.listeners.iter().position(|listener| listener.address == *target);
    let Address::Ip(target) = target else { return same };
    let is_ours = target.ip().is_loopback() || target.ip().is_unspecified();
    let wildcard = || {
        web.listeners.iter().position(|listener| match &listener.address {
            Address::Ip(address) => address.ip().is_unspecified() && address.port() == target.port(),
            Address::Unix(_) => false,
        })
    };
    same.or_else(|| wildcard().filter(|_| is_ours))
}
