//! Host names to addresses, when the configuration is loaded.

use std::{
    fmt, io,
    net::{IpAddr, ToSocketAddrs},
};

/// Looks up host names.
pub trait Resolve: Send + Sync + fmt::Debug {
    /// The addresses of `host`, in the order in which they should be used.
    ///
    /// # Errors
    /// When the name is unknown or can't be looked up.
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// Looks names up as the system does: hosts file, name service. Blocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
    }
}
