//! Where an origin server and a proxy listen.

use anyhow::{Context as _, Result};
use std::net::{IpAddr, SocketAddr, TcpListener};

/// Takes two free ports outside of the range that clients' connections are given theirs from: a proxy must find its
/// port free each time it is started.
pub fn free_pair(host: IpAddr) -> Result<(TcpListener, SocketAddr)> {
    let mut ports = 18080..18280;
    let mut next = || {
        ports
            .find_map(|port| TcpListener::bind((host, port)).ok())
            .context("no free port between 18080 and 18280")
    };
    let origin = next()?;
    let listen = next()?.local_addr()?;
    Ok((origin, listen))
}
