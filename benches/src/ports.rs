//! Where an origin server and a proxy listen.

use anyhow::{Context as _, Result};
use std::net::{IpAddr, SocketAddr, TcpListener};

/// Takes free ports outside of the range that clients' connections are given theirs from: a proxy must find its
/// ports free each time it is started. The origin server's is listened on; then come the proxy's, in clear and for TLS.
///
/// # Errors
/// When there are no three.
pub fn free_three(host: IpAddr) -> Result<(TcpListener, [SocketAddr; 2])> {
    let mut ports = 18080..18280;
    let mut next = || {
        ports
            .find_map(|port| TcpListener::bind((host, port)).ok())
            .context("no free port between 18080 and 18280")
    };
    let origin = next()?;
    let (plain, secure) = (next()?, next()?);
    Ok((origin, [plain.local_addr()?, secure.local_addr()?]))
}
