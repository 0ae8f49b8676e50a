//! The configurations that a script may choose from.

use std::{sync::Arc, time::Duration};

use underpass_core::{
    Address, RequestHead,
    config::{Config, Handler, Location, Proxy, Route, Router, SetHeader, Settings, Target},
    shared::{Group, GroupId, KeepAlive, Peer, Upstreams},
};

/// How many configurations there are.
pub(super) const SETTINGS: usize = 6;

/// What an oracle has to know of a configuration.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// The configuration.
    pub(super) config: Arc<Config>,
    /// Requests that are not idempotent are sent again, too.
    pub(super) non_idempotent: bool,
    /// One ended direction of a tunnel doesn't end the other.
    pub(super) half_close: bool,
}

#[derive(Debug)]
struct Everything(Arc<Location>);

impl Router for Everything {
    fn route(&self, _: &RequestHead<'_>) -> Route {
        Route::Location(Arc::clone(&self.0))
    }
}

/// The configuration with this number.
pub(super) fn setting(number: usize) -> Setting {
    let number = number % SETTINGS;
    let seconds = Duration::from_secs;
    let mut proxy = Proxy::new(Target::Group(GroupId(0)), "origin");
    proxy.set_headers = SetHeader::websocket_recipe();
    proxy.connect_timeout = seconds(3);
    proxy.send_timeout = seconds(4);
    proxy.read_timeout = seconds(5);
    proxy.upgrade.half_close_timeout = seconds(3);
    // Its tunnels carry bytes of any kind.
    proxy.upgrade.websocket_frames = false;
    let mut settings = Settings::default();
    settings.client_header_timeout = seconds(3);
    settings.client_body_timeout = seconds(3);
    settings.send_timeout = seconds(4);
    settings.keepalive_timeout = seconds(6);
    settings.lingering_time = seconds(5);
    settings.lingering_timeout = seconds(2);
    let mut keepalive = KeepAlive::default();
    let mut peers = 1;
    match number {
        0 => {}
        // A group whose peers are tried one after the other.
        1 => peers = 3,
        // As nginx ends tunnels, and resets wherever that can be had.
        2 => {
            proxy.upgrade.half_close = false;
            proxy.upgrade.relay_reset = true;
            settings.reset_timedout_connection = true;
        }
        // Clients that leave are not followed; connections are used up soon.
        3 => {
            proxy.ignore_client_abort = true;
            settings.keepalive_requests = 3;
            keepalive.connections = 1;
            keepalive.requests = 4;
            keepalive.timeout = seconds(1);
        }
        // Everything is tried again that may be.
        4 => {
            peers = 2;
            proxy.next_upstream.non_idempotent = true;
            proxy.upgrade.handshake_timeout = Some(seconds(2));
            settings.client_max_body_size = 20_000;
        }
        // No persistence on either side.
        _ => {
            settings.keepalive_timeout = Duration::ZERO;
            keepalive.connections = 0;
            proxy.upgrade.relay_reset = true;
        }
    }
    let setting = |config| Setting { config, non_idempotent: number == 4, half_close: number != 2 };
    let mut location = Location::new(Handler::Proxy(Box::new(proxy)));
    let settings = Arc::new(settings);
    location.settings = Arc::clone(&settings);
    let all = (0..peers).map(|peer| Peer::new(address(peer))).collect();
    let upstreams = Upstreams::new(vec![Group::new("origin", all, keepalive)]);
    let mut config = Config::new(Arc::new(Everything(Arc::new(location))), Arc::new(upstreams));
    config.edge = settings;
    setting(Arc::new(config))
}

fn address(peer: usize) -> Address {
    let port = 9000 + u16::try_from(peer).expect("few peers");
    Address::Ip((std::net::Ipv4Addr::LOCALHOST, port).into())
}
