//! Forwarding.

use underpass_core::{
    Address,
    config::{Substituted, Substitution, Via},
    shared::Balance,
};

use super::*;

#[test]
fn the_first_recipe_of_nginx_s_page() {
    let site = site(
        "upstream backend { server 127.0.0.1:9000; }
         server {
             listen 127.0.0.1:8080;
             location /chat/ {
                 proxy_pass http://backend;
                 proxy_http_version 1.1;
                 proxy_set_header Upgrade $http_upgrade;
                 proxy_set_header Connection \"upgrade\";
             }
         }",
    );
    let proxy = site.proxy("/chat/");
    assert_eq!(headers(proxy), ["Upgrade: $http_upgrade", "Connection: upgrade"]);
    assert_eq!(proxy.http_version, underpass_core::Version::Http11);
    assert_eq!((&*proxy.host, &*proxy.port), ("backend", "80"));
    assert_eq!(proxy.uri, None);
    assert_eq!(site.peers("/chat/"), "127.0.0.1:9000");
    assert_eq!(site.groups[0].name(), "backend");
    assert_eq!(site.notes, [""; 0]);
}

#[test]
fn the_second_recipe_of_nginx_s_page() {
    let site = site(
        "map $http_upgrade $connection_upgrade { default upgrade; '' close; }
         server {
             location /chat/ {
                 proxy_pass http://127.0.0.1:9000;
                 proxy_set_header Upgrade $http_upgrade;
                 proxy_set_header Connection $connection_upgrade;
             }
         }",
    );
    let proxy = site.proxy("/chat/");
    let variables: Vec<_> = proxy.set_headers.iter().flat_map(|line| line.value.variables()).collect();
    assert_eq!(format!("{variables:?}"), "[Http(\"upgrade\"), Map(MapId(0))]");
    let map = format!("{:?}", site.maps[0]);
    assert!(map.contains("exact: {[]: Template { source: \"close\""), "{map}");
    assert!(map.contains("default: Some(Template { source: \"upgrade\""), "{map}");
    assert_eq!((&*proxy.host, &*proxy.port), ("127.0.0.1:9000", "9000"));
}

#[test]
fn header_lines_are_inherited_all_or_none() {
    let site = site(
        "proxy_set_header A 1; proxy_set_header B 2;
         server {
             location /none { proxy_pass http://one.test; }
             location /own { proxy_pass http://one.test; proxy_set_header C $host:$server_port; }
         }
         server {
             proxy_set_header D '';
             location /server { proxy_pass http://one.test; }
         }",
    );
    assert_eq!(headers(site.proxy("/none")), ["A: 1", "B: 2"]);
    assert_eq!(headers(site.proxy("/own")), ["C: $host:$server_port"]);
    assert_eq!(headers(site.proxy("/server")), ["D: "]);
}

#[test]
fn proxy_pass_in_all_its_forms() {
    let site = site(
        "server {
             location /plain { proxy_pass http://one.test; }
             location /port { proxy_pass HTTP://one.test:81; }
             location /eighty { proxy_pass http://one.test:80; }
             location /uri/ { proxy_pass http://one.test/; }
             location = /exact { proxy_pass http://one.test/a?b=c; }
             location /group { proxy_pass http://BACK/x; }
             location /two { proxy_pass http://two.test:8080; }
             location /six { proxy_pass http://[::1]:9000; }
             location /six80 { proxy_pass http://[::1]; }
         }
         upstream back { server one.test; server 127.0.0.1:81; server two.test:82; keepalive 0; }",
    );
    for (path, host, port, uri, peers) in [
        ("/plain", "one.test", "80", None, "192.0.2.1:80"),
        ("/port", "one.test:81", "81", None, "192.0.2.1:81"),
        ("/eighty", "one.test", "80", None, "192.0.2.1:80"),
        ("/uri/", "one.test", "80", Some("/"), "192.0.2.1:80"),
        ("/exact", "one.test", "80", Some("/a?b=c"), "192.0.2.1:80"),
        ("/group", "BACK", "80", Some("/x"), "192.0.2.1:80 127.0.0.1:81 192.0.2.1:82 [2001:db8::2]:82"),
        ("/two", "two.test:8080", "8080", None, "192.0.2.1:8080 [2001:db8::2]:8080"),
        ("/six", "[::1]:9000", "9000", None, "[::1]:9000"),
        ("/six80", "[::1]", "80", None, "[::1]:80"),
    ] {
        let proxy = site.proxy(path);
        assert_eq!((&*proxy.host, &*proxy.port), (host, port), "{path}");
        let uri = uri.map(|uri: &str| ProxyUri::new(path.len(), uri.as_bytes()));
        assert_eq!(proxy.uri, uri, "{path}");
        assert_eq!(site.peers(path), peers, "{path}");
    }
    assert_eq!(site.groups.len(), 6, "equal addresses share a group");
    assert_eq!(site.groups[0].keepalive().connections, 0);
}

#[test]
fn how_requests_are_forwarded() {
    let site = site(
        "proxy_next_upstream error http_502 http_404 non_idempotent invalid_header;
         server {
             proxy_hide_header X-A; proxy_hide_header X-B; proxy_pass_header X-Accel-Expires;
             location /a {
                 proxy_pass http://one.test; proxy_buffer_size 4k; proxy_ignore_client_abort on; proxy_via both;
                 proxy_next_upstream_tries 3; proxy_next_upstream_timeout 7; proxy_method POST; proxy_set_body $host;
                 proxy_pass_request_headers off; proxy_pass_request_body off; proxy_pass_trailers off;
                 proxy_intercept_errors on; proxy_bind 192.0.2.9; proxy_socket_keepalive on; proxy_protocol on;
                 upgrade_protocols websocket x/1; upgrade_websocket_validation off; upgrade_handshake_timeout 8;
                 upgrade_half_close off; upgrade_half_close_timeout 9; upgrade_relay_reset on;
                 upgrade_lenient_101 on;
             }
             location /b { proxy_pass http://one.test; proxy_next_upstream off; proxy_bind off; proxy_hide_header X-C; }
             location /c { proxy_pass http://one.test; proxy_bind [::1]:5; }
             location /d { proxy_pass http://one.test; proxy_bind $remote_addr; }
         }",
    );
    let (a, b) = (site.proxy("/a"), site.proxy("/b"));
    let seconds = Duration::from_secs;
    assert_eq!((a.buffer_size, a.ignore_client_abort, a.via), (4096, true, Via::Both));
    let next = &a.next_upstream;
    assert_eq!(
        (next.error, next.timeout, next.invalid_header, next.non_idempotent),
        (true, false, true, true)
    );
    assert_eq!((next.statuses.as_slice(), next.tries, next.within), ([502, 404].as_slice(), 3, seconds(7)));
    assert_eq!(a.method.as_ref().map(Template::source), Some("POST"));
    assert_eq!(a.set_body.as_ref().map(Template::source), Some("$host"));
    assert_eq!((a.pass_request_headers, a.pass_request_body, a.pass_trailers), (false, false, false));
    assert!(a.response.intercept_errors && a.socket.keepalive && a.proxy_protocol);
    let upgrade = &a.upgrade;
    assert!(upgrade.protocols.permit(b"WebSocket") && !upgrade.protocols.permit(b"y"));
    assert_eq!((upgrade.websocket_validation, upgrade.half_close, upgrade.relay_reset), (false, false, true));
    assert!(upgrade.lenient_101 && !b.upgrade.lenient_101);
    assert_eq!((upgrade.handshake_timeout, upgrade.half_close_timeout), (Some(seconds(8)), seconds(9)));
    assert_eq!(a.response.hide, ["X-A".into(), "X-B".into()]);
    assert_eq!((&b.response.hide, &b.response.pass), (&vec!["X-C".into()], &vec!["X-Accel-Expires".into()]));
    assert!(!b.next_upstream.error && b.next_upstream.statuses.is_empty());
    let bind = |path: &str| format!("{:?}", site.proxy(path).socket.bind);
    assert_eq!(
        (bind("/a"), bind("/b"), bind("/c")),
        ("Address(192.0.2.9:0)".into(), "Any".into(), "Address([::1]:5)".into())
    );
    assert!(bind("/d").contains("RemoteAddr"), "{}", bind("/d"));
}

#[test]
fn redirects_as_nginx_changes_them() {
    let site = site(
        "server {
             location /plain/ { proxy_pass http://one.test:81; }
             location /uri/ { proxy_pass http://one.test/x/; }
             location /off/ { proxy_pass http://one.test/x/; proxy_redirect off; }
             location /own/ { proxy_pass http://one.test; proxy_redirect http://a/ /b/; proxy_redirect ~*^http://c/(.*) /c/$1; }
             location /default/ { proxy_pass http://one.test/y; proxy_redirect default; proxy_redirect http://a/ $uri; }
             location ~ ^/regex/ { proxy_pass http://one.test; }
             location /variable/ { proxy_pass http://$host; }
             location /if/ { if ($host) { proxy_pass http://two.test; } proxy_pass http://one.test/z/; }
             location /cookies/ {
                 proxy_pass http://one.test;
                 proxy_cookie_domain one.test $host; proxy_cookie_domain ~(.) $1; proxy_cookie_path / /x/;
                 proxy_cookie_flags ~^a secure; proxy_cookie_flags $host $arg_a nosamesite;
             }
         }",
    );
    let rules = |rules: &[Substitution]| -> Vec<String> {
        let rule = |rule: &Substitution| match &rule.from {
            Substituted::Text(text) => format!("{} -> {}", text.source(), rule.to.source()),
            _ => format!("~ -> {}", rule.to.source()),
        };
        rules.iter().map(rule).collect()
    };
    for (path, expected) in [
        ("/plain/", vec!["http://one.test:81/ -> /"]),
        ("/uri/", vec!["http://one.test/x/ -> /uri/"]),
        ("/off/", vec![]),
        ("/own/", vec!["http://a/ -> /b/", "~ -> /c/$1"]),
        ("/default/", vec!["http://one.test/y -> /default/", "http://a/ -> $uri"]),
        ("^/regex/", vec!["http://one.test/ -> /"]),
        ("/variable/", vec![]),
        ("/if/", vec!["http://one.test/z/ -> /if/"]),
    ] {
        assert_eq!(rules(&site.proxy(path).response.redirects), expected, "{path}");
    }
    let Some(Step::If(branch)) = site.location("/if/").script.steps.first() else { panic!("an if") };
    let Some(Handler::Proxy(inner)) = branch.location.as_ref().map(|location| &location.handler) else {
        panic!("it forwards")
    };
    assert_eq!(rules(&inner.response.redirects), ["http://two.test/ -> /"]);
    let response = &site.proxy("/cookies/").response;
    assert_eq!(rules(&response.cookie_domains), ["one.test -> $host", "~ -> $1"]);
    assert_eq!(rules(&response.cookie_paths), ["/ -> /x/"]);
    let flags = response.cookie_flags.iter().map(|rule| {
        let flags: Vec<_> = rule.flags.iter().map(|flag| flag.source().to_owned()).collect();
        (matches!(rule.cookie, Substituted::Regex(_)), flags.join(" "))
    });
    assert_eq!(flags.collect::<Vec<_>>(), [(true, "secure".into()), (false, "$arg_a nosamesite".into())]);
}

#[test]
fn addresses_of_all_kinds() {
    let site = site(
        "upstream back {
             server one.test weight=2 max_conns=3 max_fails=4 fail_timeout=5s backup; server unix:/run/x down;
             server two.test:81 resolve; least_conn; zone z 64k; keepalive 7 local; keepalive_requests 8;
             keepalive_time 9; keepalive_timeout 10;
         }
         upstream hashed { server 192.0.2.1; hash $uri consistent; }
         upstream drawn { server 192.0.2.1; random two least_conn; }
         upstream sticky_ip { ip_hash; server 192.0.2.1; least_conn; }
         server {
             location /back/ { proxy_pass http://back; }
             location /hashed/ { proxy_pass http://hashed; }
             location /drawn/ { proxy_pass http://drawn; }
             location /ip/ { proxy_pass http://sticky_ip; }
             location /unix/ { proxy_pass http://unix:/run/app.sock; }
             location /unix-uri/ { proxy_pass http://unix:/run/app.sock:/x/; }
             location /variable/ { proxy_pass http://$host:8080/$1; }
             location /scheme/ { proxy_pass $scheme://back; }
             location /whole/ { proxy_pass $arg_to; }
         }",
    );
    let group = |path: &str| match site.proxy(path).target {
        Target::Group(id) => &site.groups[id.0],
        Target::Template { group, .. } => &site.groups[group.0],
        _ => panic!("{path}"),
    };
    let peers: Vec<_> = group("/back/").peers().collect();
    let first = peers[0];
    assert_eq!(
        (first.weight, first.max_conns, first.max_fails, first.backup, first.down),
        (2, 3, 4, true, false)
    );
    assert_eq!((first.fail_timeout, &*first.name), (Duration::from_secs(5), "one.test"));
    assert!(peers[1].down && matches!(&peers[1].endpoint, Endpoint::Address(Address::Unix(_))));
    assert!(matches!(&peers[2].endpoint, Endpoint::Name { host, port: 81 } if &**host == "two.test"));
    let keepalive = group("/back/").keepalive();
    assert_eq!((keepalive.connections, keepalive.requests), (7, 8));
    assert_eq!((keepalive.time.as_secs(), keepalive.timeout.as_secs()), (9, 10));
    assert_eq!(*group("/back/").balance(), Balance::LeastConn);
    assert!(matches!(group("/hashed/").balance(), Balance::Hash { consistent: true, .. }));
    assert_eq!(*group("/drawn/").balance(), Balance::Random { two: true });
    assert_eq!(*group("/ip/").balance(), Balance::LeastConn);
    assert_eq!(site.notes, ["load balancing method redefined in f:9:58"]);
    assert_eq!(site.peers("/unix/"), "unix:/run/app.sock");
    assert_eq!((&*site.proxy("/unix/").host, &*site.proxy("/unix/").port), ("localhost", ""));
    assert_eq!(site.proxy("/unix-uri/").uri, Some(ProxyUri::new(10, b"/x/")));
    assert!(std::ptr::eq(group("/unix/"), group("/unix-uri/")));
    for (path, url) in
        [("/variable/", "http://$host:8080/$1"), ("/scheme/", "$scheme://back"), ("/whole/", "$arg_to")]
    {
        let Target::Template { url: found, .. } = &site.proxy(path).target else { panic!("{path}") };
        assert_eq!((found.source(), group(path).size()), (url, 0), "{path}");
    }
    assert!(std::ptr::eq(group("/variable/"), group("/whole/")));
}
