//! CONNECT (behaviour D): a tunnel to where the client, or the configuration, says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Common, Exchange};
use crate::{
    Address, Side,
    buffer::Turn,
    config::{Destination, Handler, Permission, TunnelPass, is_localhost},
    http1::{Framing, Known},
    rewrite::write_established,
    state::{exchange, message},
    time::MaybeTick,
    violation::Violation,
};

/// What `localhost` means.
const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

impl Exchange {
    /// Where the client wants to be connected to: dials it, or looks its name up first (D4).
    pub(super) fn find_destination(&mut self, common: &mut Common, turn: &mut Turn<'_>) {
        let Some((host, port)) = common.requested_authority() else {
            return self.refuse(common, Violation::BadTarget, turn);
        };
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let permitted = match literal.parse::<IpAddr>() {
            Ok(address) => self.permit(common, &[address], port),
            // RFC 6761 §6.3: these names are known, and nobody is asked for them.
            Err(_) if is_localhost(host) => self.permit(common, &LOOPBACK, port),
            Err(_) => return self.look_up(common, turn),
        };
        if let Err(violation) = permitted {
            return self.refuse(common, violation, turn);
        }
        self.exchange_event(common, exchange::Event::Dial);
        self.dial(common, super::Origin::Fresh, turn);
    }

    /// Keeps the addresses that the policy permits: these are dialled and no others, so that a name which
    /// resolves differently the next time gains nothing.
    pub(super) fn permit(
        &mut self,
        common: &Common,
        addresses: &[IpAddr],
        port: u16,
    ) -> Result<(), Violation> {
        let Some(TunnelPass { destination: Destination::Requested { policy, .. }, .. }) =
            common.record.tunnel_pass()
        else {
            return Err(Violation::DestinationDenied);
        };
        let name = common.requested_authority().map_or("", |(host, _)| host);
        let local = match &common.record.client.local {
            Address::Ip(local) => Some(local.ip()),
            Address::Unix(_) => None,
        };
        let (mut permitted, mut elsewhere) = (Vec::new(), Vec::new());
        for &ip in addresses {
            match policy.permission(name, SocketAddr::new(ip, port), local) {
                Permission::Granted => {}
                Permission::GrantedElsewhere => elsewhere.push(ip),
                Permission::Denied => continue,
            }
            permitted.push(ip);
        }
        if permitted.is_empty() {
            return Err(Violation::DestinationDenied);
        }
        self.elsewhere = elsewhere;
        self.addresses = Some((permitted.into(), port));
        Ok(())
    }

    /// The connection is there: the client gets its 200, and the tunnel opens. Nothing of the client's has
    /// gone upstream before (D3; RFC 9931).
    pub(super) fn switch_to_tunnel(&mut self, common: &mut Common) {
        common.record.figures.attempt.answered = MaybeTick::at(common.tick);
        common.message_event(Side::Upstream, message::Event::HeadAlone);
        self.exchange_event(common, exchange::Event::Switch);
    }
}

/// What needs nothing of the exchange but its record and connections.
impl Common {
    /// What a CONNECT may carry: no content (D2; RFC 9110 §9.3.6 gives it no meaning).
    pub(super) fn check_connect(&self, framing: Framing) -> Result<(), Violation> {
        let Some(heads) = &self.record.heads else { return Err(Violation::BadRequestLine) };
        let is_empty = matches!(framing, Framing::Empty | Framing::Length(0));
        if !is_empty || heads.request.fields.has(Known::TransferEncoding) {
            return Err(Violation::ConnectContent);
        }
        Ok(())
    }

    /// Says that the tunnel is open; no framing field stands in it (RFC 9110 §9.3.6).
    pub(super) fn write_established(&mut self, turn: &mut Turn<'_>) {
        self.record.status = 200;
        // Writing it can't fail: no template stands in it.
        let _ = self.write_to_client(turn, |record, now, out| {
            write_established(record, now, out);
            Ok(out.len())
        });
    }
}

impl crate::record::Record {
    pub(crate) fn tunnel_pass(&self) -> Option<&TunnelPass> {
        match &self.location.as_deref()?.handler {
            Handler::Tunnel(tunnel) => Some(tunnel),
            _ => None,
        }
    }
}
