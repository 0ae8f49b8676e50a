//! TLS that says less than it seems to.

use std::collections::HashSet;

use super::web::{Place, Web, variables};
use crate::{
    error::{ConfigNote, Position},
    syntax::Directive,
    values,
};

pub(super) fn check(web: &Web<'_>) -> Vec<ConfigNote> {
    let mut told = HashSet::new();
    let mut notes: Vec<_> =
        web.forwarding().filter_map(|(place, pass)| unverified(place, pass, &mut told)).collect();
    notes.extend(web.places.iter().filter_map(in_clear));
    notes.extend(web.places.iter().flat_map(certificates_in_fields));
    notes
}

/// A client's certificate in PEM, which has several lines, in a field, which has one: nginx sends a fold, which RFC 9112 §5.2
/// forbids.
fn certificates_in_fields(place: &Place<'_>) -> impl Iterator<Item = ConfigNote> {
    let lines = place.own().iter().filter(|line| line.name.text == "proxy_set_header");
    lines.filter_map(|line| {
        let value = line.arguments.get(1)?;
        let name =
            variables(&value.text).find(|name| matches!(&**name, "ssl_client_cert" | "ssl_client_raw_cert"))?;
        let message = format!(
            "\"${name}\" has several lines, which no field may have: each request with a certificate of its client's is refused"
        );
        Some(ConfigNote::new(&value.position, message).hint("write \"$ssl_client_escaped_cert\""))
    })
}

/// Origin servers by TLS that nobody verifies: one note for each line that says so, else for each `proxy_pass`.
fn unverified(place: &Place<'_>, pass: &Directive, told: &mut HashSet<Position>) -> Option<ConfigNote> {
    let url = pass.argument(0);
    let line = place.innermost("proxy_ssl_verify");
    let verifies = line.is_some_and(|line| values::flag(&line.argument(0).text) == Some(true));
    if verifies || !may_be_https(&url.text, place) {
        return None;
    }
    let position = line.map_or(&url.position, |line| &line.name.position);
    if !told.insert(position.clone()) {
        return None;
    }
    let message = "nobody verifies who the origin server is: whoever is on the way there can be it (\"proxy_ssl_verify\")";
    let hint = "write \"proxy_ssl_verify on;\" and, unless its authority is one of the system's, \
                \"proxy_ssl_trusted_certificate FILE;\"";
    Some(ConfigNote::new(position, message).hint(hint))
}

/// Whether a URL is one of TLS, or has the scheme of a client that may come under TLS.
fn may_be_https(url: &str, place: &Place<'_>) -> bool {
    let Some((scheme, _)) = url.split_once("://") else { return false };
    if scheme.eq_ignore_ascii_case("https") {
        return true;
    }
    let is_client_s = ["$scheme", "${scheme}"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    is_client_s && place.server.is_some_and(|server| server.inside().iter().any(is_listen_with_tls))
}

fn is_listen_with_tls(line: &Directive) -> bool {
    line.name.text == "listen" && line.arguments.iter().any(|word| matches!(&*word.text, "ssl" | "quic"))
}

/// A server with certificates of its own that listens in clear only, at the port of HTTPS.
fn in_clear(place: &Place<'_>) -> Option<ConfigNote> {
    let server = place.block.filter(|block| block.name.text == "server")?;
    place.first("ssl_certificate")?;
    let listens = server.inside().iter().filter(|line| line.name.text == "listen");
    let mut listen = None;
    for line in listens {
        if is_listen_with_tls(line) {
            return None;
        }
        let address = &line.argument(0).text;
        if address == "443" || address.ends_with(":443") {
            listen = Some(line);
        }
    }
    let message = "this port is served in clear, although the server has a certificate";
    Some(ConfigNote::new(&listen?.name.position, message).hint("write \"ssl\" behind the address"))
}
