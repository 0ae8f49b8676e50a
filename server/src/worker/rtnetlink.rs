//! What Linux says of a route that no call on a socket says: rtnetlink(7).

use std::{
    io::{self, Read as _, Write as _},
    net::IpAddr,
};

use netlink_packet_core::{NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::{RouteAttribute, RouteMessage, RouteType},
};
use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

/// `AF_NETLINK` and `NETLINK_ROUTE`.
const NETLINK: (i32, i32) = (16, 0);

/// Whether the route to `ip` ends at this machine; nothing where the system doesn't say.
pub(super) fn is_routed_here(ip: IpAddr) -> Option<bool> {
    let answer = ask(&request(ip)).ok()?;
    match NetlinkMessage::deserialize(&answer).ok()?.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(route)) => {
            Some(matches!(route.header.kind, RouteType::Local | RouteType::Broadcast | RouteType::Anycast))
        }
        NetlinkPayload::Error(error) => {
            let nowhere = [Errno::NETUNREACH, Errno::HOSTUNREACH, Errno::ACCESS];
            nowhere.iter().any(|errno| error.raw_code() == -errno.raw_os_error()).then_some(false)
        }
        _ => None,
    }
}

fn ask(request: &[u8]) -> io::Result<Vec<u8>> {
    let (domain, protocol) = NETLINK;
    let mut kernel = Socket::new(Domain::from(domain), Type::DGRAM.nonblocking(), Some(protocol.into()))?;
    kernel.write_all(request)?;
    // The answer is there when the request has been written.
    let mut answer = vec![0; 4096];
    let length = kernel.read(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}

fn request(ip: IpAddr) -> Vec<u8> {
    let mut route = RouteMessage::default();
    let (family, bits) = if ip.is_ipv4() { (AddressFamily::Inet, 32) } else { (AddressFamily::Inet6, 128) };
    (route.header.address_family, route.header.destination_prefix_length) = (family, bits);
    route.attributes.push(RouteAttribute::Destination(ip.into()));
    let mut message = NetlinkMessage::from(RouteNetlinkMessage::GetRoute(route));
    message.header.flags = NLM_F_REQUEST;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_where_routes_end() {
        for (ip, expected) in [("127.0.0.1", true), ("127.0.0.2", true), ("::1", true), ("9.9.9.9", false)] {
            assert_eq!(is_routed_here(ip.parse().expect("an address")), Some(expected), "{ip}");
        }
    }
}
