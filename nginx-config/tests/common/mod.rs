//! Options of the tests: names are looked up in a table.

use std::{io, net::IpAddr, sync::Arc};

use underpass_nginx_config::{LoadOptions, Resolve};

/// Options with the prefix `/prefix` and a resolver that asks nobody.
pub(crate) fn options() -> LoadOptions {
    let mut options = LoadOptions::new("/prefix");
    options.resolver = Arc::new(Hosts);
    options
}

#[derive(Debug)]
struct Hosts;

impl Resolve for Hosts {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        match host {
            "localhost" => Ok(vec![[127, 0, 0, 1].into(), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])]),
            _ => Err(io::Error::other("unknown host")),
        }
    }
}
