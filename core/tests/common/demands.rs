//! Locations that forward and upgrade, and what comes of requests to them.

use std::time::Duration;

use super::text;
use underpass_testkit::session_world::{World, config_of};

pub(crate) const RECIPE: &str =
    "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";
pub(crate) const UPGRADE: &str = "GET /u HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n";
pub(crate) const SWITCH: &str = "HTTP/1.1 101 S\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n";
pub(crate) const KEY: &str = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const INSTANT: Duration = Duration::from_nanos(1);

pub(crate) fn http(text: &str) -> World {
    World::new(config_of(&format!("http {{ {text} }}")))
}

/// One location that forwards.
pub(crate) fn proxy(in_location: &str) -> World {
    http(&format!(
        "access_log off; server {{ listen 127.0.0.1:8080; location / {{ proxy_pass http://127.0.0.1:9000;
         {in_location} }} }}"
    ))
}

/// One that forwards upgrades, too.
pub(crate) fn upgrading(in_location: &str) -> World {
    proxy(&format!("{RECIPE} {in_location}"))
}

pub(crate) fn request(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

pub(crate) fn asking(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

pub(crate) fn offering(protocols: &str) -> String {
    request(&format!("Upgrade: {protocols}\r\nConnection: upgrade\r\n"))
}

pub(crate) fn switching(protocol: &str) -> String {
    format!("HTTP/1.1 101 S\r\nUpgrade: {protocol}\r\nConnection: upgrade\r\n\r\n")
}

/// The field lines that the origin server has got.
pub(crate) fn sent(world: &World) -> Vec<String> {
    let head = text(world.origins.last().expect("somebody was dialled").end.received());
    head.lines().skip(1).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

pub(crate) fn values<'l>(lines: &'l [String], name: &str) -> Vec<&'l str> {
    lines.iter().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect()
}

pub(crate) fn got(world: &World) -> String {
    text(world.client.received())
}

pub(crate) fn status(world: &World) -> String {
    got(world).get(9..12).unwrap_or_default().to_owned()
}
