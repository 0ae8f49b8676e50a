//! Which addresses are this machine's, as the system says at this moment: addresses come and go, and a table of its
//! routes knows of more than its interfaces have.

use std::net::{IpAddr, UdpSocket};

/// Whether what is sent to `ip` arrives at this machine. Costs a few system calls, and is asked only where a client
/// names the port of a listener of ours.
pub(super) fn has_address(ip: IpAddr) -> bool {
    // Where the system tells no routes (a sandbox without netlink), a socket can be bound to an address only if it is
    // the machine's, or with `ip_nonlocal_bind` to any: then too much is refused, and never too little.
    is_routed_here(ip).unwrap_or_else(|| UdpSocket::bind((ip, 0)).is_ok())
}

#[cfg(target_os = "linux")]
use super::rtnetlink::is_routed_here;

#[cfg(not(target_os = "linux"))]
fn is_routed_here(_: IpAddr) -> Option<bool> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_here_and_the_internet_is_not() {
        for here in ["127.0.0.1", "127.0.0.2", "127.1.2.3", "::1"] {
            assert!(has_address(here.parse().expect("an address")), "{here}");
        }
        for elsewhere in ["9.9.9.9", "2620:fe::fe"] {
            assert!(!has_address(elsewhere.parse().expect("an address")), "{elsewhere}");
        }
    }
}
