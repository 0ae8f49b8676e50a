//! What a location comes to. What goes wrong, and the way from a file, is tested from outside.

use core::time::Duration;
use std::{io, net::IpAddr};

use underpass_core::{
    config::{Condition, Handler, Location, Proxy, ProxyUri, Return, Step, Target},
    shared::{Endpoint, Peer},
    template::SetId,
};

mod access;
mod answers;
mod forwarding;
mod levels;
mod rewriting;
mod tls;
mod upgrade;
mod variables;

use super::*;
use crate::Resolve;
use location::Site;

#[derive(Debug)]
struct Hosts;

impl Resolve for Hosts {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let address = |text: &str| text.parse().expect("an address");
        match host {
            "one.test" => Ok(vec![address("192.0.2.1"), address("192.0.2.1")]),
            "two.test" => Ok(vec![address("192.0.2.1"), address("2001:db8::2")]),
            _ => Err(io::Error::other("unknown host")),
        }
    }
}

/// The servers and groups of a file, and what was noted.
struct Found {
    servers: Vec<VirtualServer>,
    groups: Vec<underpass_core::shared::Group>,
    maps: Vec<Mapping>,
    sinks: Vec<LogFile>,
    resolvers: Vec<Resolver>,
    access: Vec<Access>,
    notes: Vec<String>,
}

fn site(http: &str) -> Found {
    let mut options = LoadOptions::new("/prefix");
    options.resolver = Arc::new(Hosts);
    let text = format!("http {{\n{http}\n}}");
    let source = Source::expand("f".as_ref(), text.into(), "").expect("directives");
    let http = source.tree[0].inside();
    let mut builder = Builder::new(&options, "/etc".as_ref());
    builder.declare(http).expect("variables");
    let maps = builder.mappings(http).expect("maps");
    builder.log_formats(http).expect("formats");
    builder.upstreams(http).expect("upstreams");
    builder.zones(http).expect("zones");
    builder.own = builder.own(http).expect("addresses");
    let servers = builder.servers(http).expect("servers");
    Found {
        servers,
        groups: builder.groups.take(),
        maps,
        sinks: builder.sinks,
        resolvers: builder.resolvers,
        access: builder.access,
        notes: in_order(builder.notes, &source.files).iter().map(ToString::to_string).collect(),
    }
}

impl Found {
    fn location(&self, path: &str) -> &Location {
        fn find<'s>(sites: &'s [Site], path: &str) -> Option<&'s Location> {
            let here = sites.iter().find(|site| site.matcher.path() == path).map(|site| &*site.location);
            here.or_else(|| sites.iter().find_map(|site| find(&site.nested, path)))
        }
        let mut found = self.servers.iter().filter_map(|server| find(&server.sites, path));
        found.next().expect("a location of this path")
    }

    fn proxy(&self, path: &str) -> &Proxy {
        let Handler::Proxy(proxy) = &self.location(path).handler else { panic!("{path} doesn't forward") };
        proxy
    }

    fn peers(&self, path: &str) -> String {
        let Target::Group(id) = self.proxy(path).target else { panic!("{path} has no group") };
        let address = |peer: &Peer| match &peer.endpoint {
            Endpoint::Address(address) => address.to_string(),
            other => panic!("{other:?}"),
        };
        self.groups[id.0].peers().map(address).collect::<Vec<_>>().join(" ")
    }
}

fn headers(proxy: &Proxy) -> Vec<String> {
    proxy.set_headers.iter().map(|line| format!("{}: {}", line.name(), line.value.source())).collect()
}

fn answer(location: &Location) -> &Return {
    let Handler::Return(answer) = &location.handler else { panic!("it forwards") };
    answer
}
