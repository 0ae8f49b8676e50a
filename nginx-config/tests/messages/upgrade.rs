//! The `upgrade_*` directives.

use super::{in_http, in_location};

#[test]
fn closes() {
    let codes = "a Close has a code of 1000 to 1003, 1007 to 1014, or 3000 to 4999";
    for code in [
        "0",
        "999",
        "1004",
        "1005",
        "1006",
        "1015",
        "2000",
        "2999",
        "5000",
        "65536",
        "99999999999",
        "x",
        "1012s",
    ] {
        in_http(&format!("upgrade_drain_close ^{code};"), &format!("unknown close code \"{code}\"; {codes}"));
    }
    let long = "x".repeat(124);
    in_location(
        &format!("upgrade_drain_close 1012 ^{long};"),
        "the reason of \"upgrade_drain_close\" has 124 bytes; a Close has room for 123",
    );
    let long = "ä".repeat(62);
    in_location(
        &format!("upgrade_drain_close 1012 ^'{long}';"),
        "the reason of \"upgrade_drain_close\" has 124 bytes; a Close has room for 123",
    );
    in_http(
        "^upgrade_drain_close 1012 a b;",
        "invalid number of arguments in \"upgrade_drain_close\" directive; it is written upgrade_drain_close code \
         [reason];",
    );
}

#[test]
fn lifetimes() {
    let value = "\"upgrade_max_lifetime\" directive invalid value; it is off, or a time, as in 12h";
    in_http("upgrade_max_lifetime ^x;", value);
    in_http("upgrade_max_lifetime ^12h30x;", value);
    let jitter = "it is jitter=PERCENT%, with at most 100 of them, as in jitter=10%";
    for word in ["jitter=101%", "jitter=10", "jitter=", "jitter=-1%", "jitter=1.5%", "spread=1%", "10%"] {
        for time in ["1h", "off"] {
            let message = format!("invalid parameter \"{word}\"; {jitter}");
            in_location(&format!("upgrade_max_lifetime {time} ^{word};"), &message);
        }
    }
}

#[test]
fn rates() {
    let rate = "it is off, or a number that isn't 0 and r/s or r/m, as in 10r/s";
    for word in ["0r/s", "0r/m", "10", "10r/h", "r/s", "-1r/s", "1.5r/s", "99999999999r/s", "x"] {
        in_http(&format!("upgrade_message_rate ^{word};"), &format!("invalid rate \"{word}\"; {rate}"));
    }
    for word in ["burst=", "burst=-1", "burst=4294967296", "nodelay"] {
        let message = format!("invalid parameter \"{word}\"; it is burst=NUMBER, as in burst=20");
        in_http(&format!("upgrade_message_rate 10r/s ^{word};"), &message);
    }
    for name in ["upgrade_limit_rate", "upgrade_message_limit"] {
        let message =
            format!("\"{name}\" directive invalid value; a size is a number of bytes, or one with k, m or g");
        in_http(&format!("{name} ^1t;"), &message);
    }
}

#[test]
fn pings() {
    in_http(
        "upgrade_ping_to ^server;",
        "invalid value \"server\"; \"upgrade_ping_to\" is client or upstream or both in this version",
    );
    let time = "a time is a number and a unit, as in 500ms, 60s, 1m30s, 1h";
    for name in [
        "upgrade_ping_interval",
        "upgrade_ping_timeout",
        "upgrade_client_silence",
        "upgrade_close_timeout",
        "upgrade_drain_window",
    ] {
        in_http(&format!("{name} ^x;"), &format!("\"{name}\" directive invalid value; {time}"));
        in_http(&format!("{name} 1s; ^{name} 1s;"), &format!("\"{name}\" directive is duplicate"));
    }
    for name in ["upgrade_websocket_frames", "upgrade_websocket_strict", "upgrade_drain_on_reload"] {
        let message = format!("invalid value \"1\" in \"{name}\" directive, it must be \"on\" or \"off\"");
        in_http(&format!("{name} ^1;"), &message);
    }
}

#[test]
fn logs() {
    in_http("upgrade_log tunnels ^nothing;", "unknown log format \"nothing\"");
    in_http("upgrade_log off ^every=5m;", "invalid parameter \"every=5m\"");
    in_http("upgrade_log tunnels combined ^5m;", "invalid parameter \"5m\"");
    in_http("upgrade_log tunnels every=5m ^every=5m;", "invalid parameter \"every=5m\"");
    in_http("upgrade_log tunnels combined ^buffer=1k;", "invalid parameter \"buffer=1k\"");
    let every = "it is written every=TIME, as in every=5m";
    for time in ["", "0", "x"] {
        in_http(&format!("upgrade_log tunnels ^every={time};"), &format!("invalid time \"{time}\"; {every}"));
    }
    in_http("upgrade_log ^memory:1m;", "logs to \"memory:\" are not in this version");
    in_http("upgrade_log a; ^upgrade_log b;", "\"upgrade_log\" directive is duplicate");
}

#[test]
fn bounds() {
    in_location("upgrade_max_tunnels ^-1;", "\"upgrade_max_tunnels\" directive invalid number");
    in_location("upgrade_max_tunnels ^4294967296;", "\"upgrade_max_tunnels\" directive invalid number");
    in_http(
        "^upgrade_max_tunnels 5;",
        "\"upgrade_max_tunnels\" directive is not allowed here; \"upgrade_max_tunnels\" stands in \"server\" or in \
         \"location\"",
    );
}
