//! Who the client is, as far as other proxies tell.

use std::net::{IpAddr, SocketAddr};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::Record;
use crate::{
    Address,
    config::{RealIp, RealIpSource},
    http1::{Fields, Known},
    proxy_protocol::Proxied,
};

/// What other proxies tell of the client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ForwardedClient {
    /// By the PROXY protocol header that the connection began with.
    pub(crate) header: Option<Proxied>,
    /// Who the client is for this exchange: `real_ip_header`.
    real: Option<Address>,
}

impl ForwardedClient {
    /// By a header that was read before there was a session.
    pub(super) fn told_by(header: Proxied) -> Self {
        Self { header: Some(header), real: None }
    }
}

impl Record {
    /// The client: who connected or, where `set_real_ip_from` trusts that one, who it says it speaks for.
    #[must_use]
    pub fn remote(&self) -> &Address {
        self.forwarded.as_ref().and_then(|forwarded| forwarded.real.as_ref()).unwrap_or(&self.client.remote)
    }

    /// Appends the Basic credentials of the request (RFC 7617 §2), `user:password`; says whether there are any. To
    /// a proxy that a client asks to connect it, they come in a field of their own (RFC 9110 §11.7.2).
    pub fn write_credentials(&self, out: &mut Vec<u8>) -> bool {
        let Some(heads) = &self.heads else { return false };
        let field =
            if self.tunnel_pass().is_some() { Known::ProxyAuthorization } else { Known::Authorization };
        let credentials = heads.request.fields.only(field).unwrap_or_default();
        let Some((scheme, encoded)) = credentials.split_at_checked(6) else { return false };
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return false;
        }
        let start = out.len();
        let decoded = STANDARD.decode_vec(crate::http1::trim(encoded), out).is_ok();
        if !decoded {
            out.truncate(start);
        }
        decoded
    }

    /// Learns who the client is, as the level says at which the request is. What was learned holds to the end of the
    /// exchange, wherever an error page or a rewrite leads it (ngx_http_realip_module).
    pub(crate) fn learn_client(&mut self) {
        if self.forwarded.as_ref().is_some_and(|forwarded| forwarded.real.is_some()) {
            return;
        }
        let Some(location) = &self.location else { return };
        let found = location.settings.real_ip.as_ref().and_then(|rules| self.real_address(rules));
        if found.is_some() {
            self.forwarded.get_or_insert_default().real = found;
        }
    }

    /// An exchange begins: what was learned of the client with the last one is no longer true.
    pub(super) fn forget_client(&mut self) {
        if let Some(forwarded) = &mut self.forwarded {
            forwarded.real = None;
        }
    }

    fn real_address(&self, rules: &RealIp) -> Option<Address> {
        let is_trusted = match &self.client.remote {
            Address::Ip(address) => rules.trusts(address.ip()),
            Address::Unix(_) => rules.trusts_unix,
        };
        if !is_trusted {
            return None;
        }
        match &rules.source {
            RealIpSource::ProxyProtocol => {
                self.forwarded.as_ref()?.header.map(|header| Address::Ip(header.source))
            }
            RealIpSource::Field(name) => {
                let fields = &self.heads.as_ref()?.request.fields;
                from_list(fields, name, rules).map(Address::Ip)
            }
        }
    }
}

/// Walks the list from its end: the last address, or with `real_ip_recursive` the last that isn't trusted.
fn from_list(fields: &Fields, name: &str, rules: &RealIp) -> Option<SocketAddr> {
    let mut found = None;
    let lines: Vec<&[u8]> = fields.named(name.as_bytes()).collect();
    let elements = lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
    for element in elements.map(crate::http1::trim).filter(|element| !element.is_empty()) {
        // What is no address ends the walk: what stands before it was written by nobody who is trusted.
        let Some(address) = parse(element) else { break };
        found = Some(address);
        if !rules.recursive || !rules.trusts(address.ip()) {
            break;
        }
    }
    found
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`; without a port, port 0.
fn parse(text: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0)).ok().or_else(|| text.parse().ok())
}

impl RealIp {
    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.contains(address)
    }
}
