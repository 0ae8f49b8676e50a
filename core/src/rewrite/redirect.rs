//! Where a client is sent: what stands in front of a path in a `Location` of ours.

use crate::{Address, http1::write_encoded_uri, record::Record, time::write_decimal};

/// Appends the `Location` of a redirect of our own (RFC 9110 §10.2.2), be its response that of an error page. What
/// stands in front of a path is as the location says that answers.
pub(super) fn write_location(record: &Record, out: &mut Vec<u8>) {
    let uri = record.heads.as_ref().map_or(b"".as_slice(), |heads| &heads.detour.redirect);
    if uri.is_empty() {
        return;
    }
    out.extend_from_slice(b"Location: ");
    if uri.starts_with(b"/") {
        write_own_origin(record, out);
    }
    write_encoded_uri(uri, out);
    out.extend_from_slice(b"\r\n");
}

/// Appends `http://host[:port]`, or `https://` with TLS, under which the client reaches this server, as `absolute_redirect`,
/// `server_name_in_redirect` and `port_in_redirect` have it: the host that was asked for, and the port that we
/// listen on.
pub(crate) fn write_own_origin(record: &Record, out: &mut Vec<u8>) {
    let settings = record.settings();
    if !settings.absolute_redirect {
        return;
    }
    out.extend_from_slice(record.scheme());
    out.extend_from_slice(b"://");
    let asked = record.heads.as_ref().map_or(b"".as_slice(), |heads| heads.request.host());
    let name = record.location.as_ref().map_or(b"".as_slice(), |location| location.server_name.as_bytes());
    let (first, second) = if settings.server_name_in_redirect { (name, asked) } else { (asked, name) };
    match (first, second, &record.client.local) {
        (b"", b"", Address::Ip(local)) => write_address(local.ip(), out),
        (b"", host, _) | (host, _, _) => out.extend_from_slice(host),
    }
    let usual = if record.client.tls.is_some() { 443 } else { 80 };
    let port = record.client.local.port().filter(|port| *port != usual && settings.port_in_redirect);
    if let Some(port) = port {
        out.push(b':');
        write_decimal(out, u64::from(port));
    }
}

/// An address as it stands in an authority (RFC 3986 §3.2.2).
fn write_address(ip: std::net::IpAddr, out: &mut Vec<u8>) {
    use std::io::Write as _;
    // Writing into memory doesn't fail.
    let _ = if ip.is_ipv6() { write!(out, "[{ip}]") } else { write!(out, "{ip}") };
}
