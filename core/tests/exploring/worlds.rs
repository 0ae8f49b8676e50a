//! Where the explorations begin.

use std::time::Duration;

use underpass_core::TunnelSettings;
use underpass_testkit::session_world::{Connect, World, config_of};

/// Most timers have one length: what matters is which runs, and equal lengths keep the states few.
const TIMERS: &str = "client_header_timeout 1s; client_body_timeout 1s; send_timeout 1s; keepalive_timeout 1s;
    lingering_timeout 1s; lingering_time 1s; resolver_timeout 1s; proxy_connect_timeout 1s; proxy_send_timeout 1s;
    proxy_read_timeout 1s; tunnel_connect_timeout 1s; tunnel_read_timeout 1s; tunnel_send_timeout 1s;
    upgrade_half_close_timeout 1s;";

/// What makes a location a proxy that passes upgrades on.
pub(crate) const PROXY: &str = "proxy_pass http://127.0.0.1:9000; proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection upgrade;";

/// A tunnel alone, with timers as above, at rest.
pub(crate) fn alone() -> World {
    let second = Duration::from_secs(1);
    let mut settings = TunnelSettings::default();
    (settings.idle_timeout, settings.half_close_timeout) = (second, second);
    (settings.client_send_timeout, settings.upstream_send_timeout) = (second, second);
    (settings.lingering_time, settings.lingering_timeout) = (second, second);
    let mut world = World::tunnel(settings, [b"", b""]);
    world.run();
    world
}

/// A proxy with more in its location.
pub(crate) fn proxy_with(more: &str) -> World {
    world("", "", &format!("location / {{ {PROXY} {more} }}"))
}

/// A server whose locations are these, at rest; `http` stands in front of the server, `listen` behind its address.
pub(crate) fn world(http: &str, listen: &str, server: &str) -> World {
    let config = config_of(&format!(
        "http {{ access_log off; {TIMERS} {http} server {{ listen 127.0.0.1:8080 {listen}; {server} }} }}"
    ));
    let mut world = World::with_buffers(config, 1024);
    world.connects_else = Connect::Hang;
    world.run();
    world
}
