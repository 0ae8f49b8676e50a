//! Pings, drains and frames (rules G).

use super::*;

/// A location that forwards WebSockets, with these directives around and in it, and `outside` of `http`.
fn with(outside: &str, http: &str, location: &str) -> Vec<String> {
    let mut options = LoadOptions::new("/prefix");
    options.resolver = Arc::new(Anybody);
    let text = format!(
        "{outside}\nhttp {{ {http}\nserver {{ listen 81; location /a {{ {RECIPE} proxy_pass http://192.0.2.1;\n{location} }} }} }}"
    );
    let loaded = load_text("f", text.clone(), &options).expect(&text);
    let line = |note: &crate::ConfigNote| {
        format!("{}:{} {}", note.position.line, note.position.column, note.message)
    };
    loaded.notes.iter().map(line).collect()
}

#[test]
fn pings_that_come_too_late() {
    let late = |interval: &str, time: &str| {
        format!(
            "4:1 a WebSocket of location \"/a\" is pinged when it was silent for {interval} s, and closed when it was \
             for {time} s (\"proxy_read_timeout\")"
        )
    };
    assert_eq!(with("", "", "upgrade_ping_interval 61s;"), [late("61", "60")]);
    assert_eq!(with("", "", "upgrade_ping_interval 60s;"), [late("60", "60")], "its answer comes too late");
    assert_eq!(with("", "proxy_read_timeout 2m;", "upgrade_ping_interval 1h;"), [late("3600", "120")]);
    // A WebSocket whose peer answers is not silent.
    assert_eq!(with("", "", "upgrade_ping_interval 30s;"), [""; 0]);
    assert_eq!(with("", "upgrade_ping_interval 30s;", ""), [""; 0]);
    let silent =
        "3:71 a WebSocket of location \"/a\" that is silent for 60 s is closed (\"proxy_read_timeout\")";
    let silent_here = with("", "", "upgrade_ping_interval 0;");
    assert_eq!(silent_here.len(), 1);
    assert_eq!(
        silent_here[0].split_once(' ').map(|(_, said)| said),
        silent.split_once(' ').map(|(_, said)| said)
    );
}

#[test]
fn windows_that_are_cut_short() {
    let cut = "2:31 tunnels are drained over 120 s, and \"worker_shutdown_timeout\" ends all that are left after 60 s";
    let window = "proxy_read_timeout 1h; upgrade_drain_window 2m;";
    assert_eq!(with("worker_shutdown_timeout 1m;", window, ""), [cut]);
    for outside in ["worker_shutdown_timeout 2m;", "worker_shutdown_timeout 0;", ""] {
        assert_eq!(with(outside, window, ""), [""; 0], "{outside}");
    }
    let off = "proxy_read_timeout 1h; upgrade_drain_window 0;";
    assert_eq!(with("worker_shutdown_timeout 1m;", off, ""), [""; 0]);
}

#[test]
fn codes_that_libraries_refuse() {
    let refused = "4:21 some WebSocket libraries take a Close with code 1014 for an error of the protocol";
    let long = "proxy_read_timeout 1h;";
    assert_eq!(with("", long, "upgrade_drain_close 1014;"), [refused]);
    for fine in ["upgrade_drain_close 1012;", "upgrade_drain_close 4014 bye;"] {
        assert_eq!(with("", long, fine), [""; 0], "{fine}");
    }
}

#[test]
fn what_rests_on_frames_without_frames() {
    let long = "proxy_read_timeout 1h;";
    for line in [
        "upgrade_ping_interval 30s;",
        "upgrade_websocket_strict on;",
        "upgrade_client_silence 1m;",
        "upgrade_message_limit 1m;",
        "upgrade_message_rate 5r/s;",
    ] {
        let (name, value) = line.split_once(' ').expect("a name");
        let lost = format!("4:1 \"{name}\" has no effect in location \"/a\": no frames are looked for");
        assert_eq!(with("", &format!("{long} {line}"), "upgrade_websocket_frames off;"), [lost], "{line}");
        assert_eq!(with("", long, line), [""; 0], "{line}");
        let off = if value == "on;" || name == "upgrade_message_rate" { "off" } else { "0" };
        let off = format!("upgrade_websocket_frames off; {name} {off};");
        assert_eq!(with("", long, &off), [""; 0], "{off}");
    }
}

#[test]
fn what_rests_on_frames_beside_connect() {
    let server = "server { listen 82; tunnel_pass 192.0.2.1:22;";
    let lost = |name: &str| {
        format!("2:66 \"{name}\" has no effect on tunnels of \"tunnel_pass\": nobody knows what is in them")
    };
    for (name, value) in [("upgrade_ping_interval", "30s"), ("upgrade_message_limit", "1m")] {
        let http = format!("proxy_read_timeout 1h; {server} {name} {value}; }}");
        let said = with("", &http, "");
        assert_eq!(said.len(), 1, "{name}");
        assert!(said[0].ends_with(lost(name).split_once(' ').expect("a place").1), "{said:?}");
        // It is meant for those who forward.
        let used = format!("proxy_read_timeout 1h; {name} {value}; {server} }}");
        assert_eq!(with("", &used, ""), [""; 0], "{name}");
    }
}
