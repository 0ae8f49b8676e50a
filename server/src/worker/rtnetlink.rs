//! What Linux says of a route that no call on a socket says: rtnetlink(7).

use std::net::IpAddr;

use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::{RouteAttribute, RouteMessage, RouteType},
};
use rustix::io::Errno;

use super::netlink::ask;

/// `NETLINK_ROUTE`.
const PROTOCOL: i32 = 0;

/// Whether the route to `ip` ends at this machine; nothing where the system doesn't say.
pub(super) fn is_routed_here(ip: IpAddr) -> Option<bool> {
    match ask(PROTOCOL, RouteNetlinkMessage::GetRoute(route_to(ip))).ok()? {
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

fn route_to(ip: IpAddr) -> RouteMessage {
    let mut route = RouteMessage::default();
    let (family, bits) = if ip.is_ipv4() { (AddressFamily::Inet, 32) } else { (AddressFamily::Inet6, 128) };
    (route.header.address_family, route.header.destination_prefix_length) = (family, bits);
    route.attributes.push(RouteAttribute::Destination(ip.into()));
    route
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
