//! The `upgrade_*` directives.

use underpass_core::{
    DrainSettings, Farewell, Lifetime, MessageRate, PingSettings, WebSocketSettings,
    config::{MaxTunnels, TunnelFormat, Upgrade},
    websocket::CloseCode,
};

use super::*;

fn upgrade(directives: &str) -> Upgrade {
    site(&format!("server {{ location / {{ {directives} proxy_pass http://192.0.2.1; }} }}"))
        .proxy("/")
        .upgrade
        .clone()
}

fn tunnels(directives: &str) -> Upgrade {
    let found = site(&format!("server {{ location / {{ {directives} tunnel_pass 192.0.2.1:22; }} }}"));
    let Handler::Tunnel(tunnel) = &found.location("/").handler else { panic!("no tunnel") };
    tunnel.tunnel.clone()
}

#[test]
fn defaults_are_those_of_the_core() {
    assert_eq!(upgrade(""), Upgrade::default());
    assert_eq!(tunnels(""), Upgrade::default());
}

#[test]
fn pings() {
    let ping = |directives: &str| upgrade(directives).websocket.ping;
    let every = PingSettings::every(Duration::from_secs(30));
    assert_eq!(ping("upgrade_ping_interval 30s;"), Some(every));
    let mut to_client = every;
    (to_client.timeout, to_client.upstream) = (Duration::from_secs(5), false);
    assert_eq!(
        ping("upgrade_ping_interval 30s; upgrade_ping_timeout 5s; upgrade_ping_to client;"),
        Some(to_client)
    );
    let mut to_upstream = every;
    to_upstream.client = false;
    assert_eq!(ping("upgrade_ping_interval 30s; upgrade_ping_to upstream;"), Some(to_upstream));
    assert_eq!(ping("upgrade_ping_interval 30s; upgrade_ping_timeout 0; upgrade_ping_to both;"), Some(every));
    assert_eq!(ping("upgrade_ping_interval 0; upgrade_ping_timeout 5s;"), None);
}

#[test]
fn frames() {
    let found = upgrade(
        "upgrade_websocket_frames off; upgrade_websocket_strict on; upgrade_client_silence 90s;
         upgrade_message_limit 64k; upgrade_message_rate 10r/s burst=20;",
    );
    assert!(!found.websocket_frames);
    let mut expected = WebSocketSettings::default();
    expected.strict = true;
    expected.client_silence = Some(Duration::from_secs(90));
    expected.message_limit = std::num::NonZeroU64::new(65_536);
    expected.message_rate = Some(MessageRate::new(Duration::from_millis(100), 20));
    assert_eq!(found.websocket, expected);
    let off = "upgrade_client_silence 0; upgrade_message_limit 0; upgrade_message_rate off;";
    assert_eq!(upgrade(off), Upgrade::default());
    let rate = |text: &str| upgrade(&format!("upgrade_message_rate {text};")).websocket.message_rate;
    assert_eq!(rate("30r/m"), Some(MessageRate::new(Duration::from_secs(2), 0)));
    assert_eq!(rate("1r/m burst=0"), Some(MessageRate::new(Duration::from_secs(60), 0)));
}

#[test]
fn drains() {
    let drain = |directives: &str| upgrade(directives).drain;
    let mut expected = DrainSettings::default();
    expected.window = Some(Duration::from_secs(600));
    expected.on_reload = true;
    assert_eq!(drain("upgrade_drain_window 10m; upgrade_drain_on_reload on;"), expected);
    let close = |text: &str| drain(&format!("upgrade_drain_close {text};")).close;
    let farewell =
        |code, reason: &str| Farewell::new(CloseCode::new(code).expect("a code"), reason).expect("short");
    assert_eq!(Farewell::default(), farewell(1012, "service restart"));
    assert_eq!(close("1012"), farewell(1012, ""), "a code alone has no reason");
    assert_eq!(close("4001 'bye for now'"), farewell(4001, "bye for now"));
    let longest = "ä".repeat(61) + "x";
    assert_eq!(close(&format!("1001 {longest}")), farewell(1001, &longest), "123 bytes");
    let mut ended = Upgrade::default();
    ended.close_timeout = Duration::from_secs(2);
    assert_eq!(upgrade("upgrade_close_timeout 2s;"), ended);
}

#[test]
fn lifetimes_and_rates() {
    let lifetime = |text: &str| upgrade(&format!("upgrade_max_lifetime {text};")).max_lifetime;
    let hour = Duration::from_secs(3600);
    assert_eq!(lifetime("1h"), Some(Lifetime::new(hour, 10)));
    assert_eq!(lifetime("1h jitter=0%"), Some(Lifetime::new(hour, 0)));
    assert_eq!(lifetime("1h jitter=100%"), Some(Lifetime::new(hour, 100)));
    assert_eq!(lifetime("off"), None);
    assert_eq!(lifetime("0"), None);
    assert_eq!(upgrade("upgrade_limit_rate 1m;").limit_rate, std::num::NonZeroU64::new(1 << 20));
    assert_eq!(upgrade("upgrade_limit_rate 0;").limit_rate, None);
}

#[test]
fn tunnels_of_connect_have_them_too() {
    let found = tunnels(
        "upgrade_close_timeout 2s; upgrade_drain_window 1m; upgrade_max_lifetime 1h; upgrade_limit_rate 1k;",
    );
    assert_eq!(found.close_timeout, Duration::from_secs(2));
    assert_eq!(found.drain.window, Some(Duration::from_secs(60)));
    assert_eq!(found.max_lifetime, Some(Lifetime::new(Duration::from_secs(3600), 10)));
    assert_eq!(found.limit_rate, std::num::NonZeroU64::new(1024));
}

#[test]
fn logs_of_tunnels() {
    let site = site(
        "log_format f $tunnel_event; upgrade_log tunnels;
         server {
             location /a { proxy_pass http://192.0.2.1; }
             location /b { upgrade_log other f every=5m; proxy_pass http://192.0.2.1; }
             location /c { upgrade_log off; proxy_pass http://192.0.2.1; }
             location /d { upgrade_log tunnels every=30s; proxy_pass http://192.0.2.1; }
             location /e { upgrade_log syslog:server=192.0.2.1 f; tunnel_pass 192.0.2.1:22; } }",
    );
    let log = |path: &str| site.location(path).tunnel_log.as_ref();
    let format = |path: &str| match log(path).map(|log| &log.format) {
        Some(TunnelFormat::Template(format)) => format.source().to_owned(),
        other => format!("{other:?}"),
    };
    assert_eq!((format("/a").as_str(), format("/b").as_str()), ("Some(Json)", "$tunnel_event"));
    assert!(log("/c").is_none());
    assert_eq!(format("/e"), "$tunnel_event");
    let every = |path: &str| log(path).and_then(|log| log.every);
    assert_eq!(every("/a"), None);
    assert_eq!(every("/b"), Some(Duration::from_secs(300)));
    assert_eq!(every("/d"), Some(Duration::from_secs(30)));
    let target = |path: &str| log(path).map(|log| site.sinks[log.sink.0].target.to_string()).expect("a log");
    assert_eq!((target("/a"), target("/b")), ("/prefix/tunnels".to_owned(), "/prefix/other".to_owned()));
    assert_eq!(log("/a").map(|log| log.sink), log("/d").map(|log| log.sink), "a file is one log");
}

#[test]
fn bounds_of_tunnels() {
    let site = site(
        "server { listen 81; upgrade_max_tunnels 5;
             location /a { proxy_pass http://192.0.2.1; location /a/in { proxy_pass http://192.0.2.1; } }
             location /b { upgrade_max_tunnels 7; proxy_pass http://192.0.2.1;
                 location /b/in { proxy_pass http://192.0.2.1; } }
             location /c { upgrade_max_tunnels 0; proxy_pass http://192.0.2.1; } }
         server { listen 82; location /d { proxy_pass http://192.0.2.1; } }",
    );
    let bound = |path: &str| site.location(path).max_tunnels.as_ref();
    let most = |path: &str| bound(path).map(MaxTunnels::most);
    let found = ["/a", "/a/in", "/b", "/b/in", "/c", "/d"].map(most);
    assert_eq!(found, [Some(5), Some(5), Some(7), Some(7), None, None]);
    let (a, b) = (bound("/a").expect("a bound"), bound("/b").expect("a bound"));
    let (_one, _two) = (a.admit(), bound("/a/in").expect("a bound").admit());
    assert_eq!((a.open(), b.open()), (2, 0), "where it stands, tunnels are counted together");
    assert_eq!(bound("/b/in").map(MaxTunnels::open), Some(0));
}

#[test]
fn a_reload_goes_on_counting() {
    let options = LoadOptions::new("/prefix");
    let load = |listen: &str, path: &str, most: u32| {
        let text = format!(
            "http {{ server {{ {listen} server_name a b;
             location {path} {{ upgrade_max_tunnels {most}; proxy_pass http://192.0.2.1; }} }} }}"
        );
        let source = Source::expand("f".as_ref(), text.into(), "").expect("directives");
        let mut builder = Builder::new(&options, "/etc".as_ref());
        let servers = builder.servers(source.tree[0].inside()).expect("servers");
        servers[0].sites[0].location.max_tunnels.clone().expect("a bound")
    };
    let before = load("listen 81;", "/a", 5);
    let _tunnel = before.admit();
    let open = |listen: &str, path: &str, most: u32| load(listen, path, most).open();
    assert_eq!(open("listen 81;", "/a", 5), 1);
    assert_eq!(open("listen 81;", "/a", 2), 1, "another bound changes nothing");
    assert_eq!(open("listen 82;", "/a", 5), 0, "it is another server");
    assert_eq!(open("listen 81;", "/b", 5), 0, "it is another location");
    assert_eq!(open("listen 81;", "= /a", 5), 0, "it is another location");
}

#[test]
fn they_are_inherited_one_by_one() {
    let site = site(
        "upgrade_ping_interval 30s; upgrade_max_lifetime 1h jitter=5%;
         server { upgrade_ping_to client; upgrade_drain_close 1001 bye;
             location /a { upgrade_max_lifetime off; proxy_pass http://192.0.2.1; }
             location /b { upgrade_ping_interval 0; upgrade_drain_close 1012; proxy_pass http://192.0.2.1; } }",
    );
    let (a, b) = (&site.proxy("/a").upgrade, &site.proxy("/b").upgrade);
    let mut ping = PingSettings::every(Duration::from_secs(30));
    ping.upstream = false;
    assert_eq!((a.websocket.ping, b.websocket.ping), (Some(ping), None));
    assert_eq!((a.max_lifetime, b.max_lifetime), (None, Some(Lifetime::new(Duration::from_secs(3600), 5))));
    assert_eq!((a.drain.close.reason(), b.drain.close.reason()), ("bye", ""));
}
