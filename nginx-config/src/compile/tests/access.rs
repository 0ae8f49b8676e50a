use underpass_core::{
    Severity,
    config::{Bind, Destination, DestinationHost, TunnelPass},
};

use super::*;
use crate::access::Who;

fn access<'f>(found: &'f Found, path: &str) -> &'f Access {
    let number = found.location(path).admission.expect("it has rules");
    &found.access[number.0 as usize]
}

#[test]
fn addresses_and_users_are_inherited_together_each() {
    let site = site(
        "deny 192.0.2.1; allow 192.0.2.0/24; allow unix:; deny all;
         server {
             auth_basic 'the $host'; auth_basic_user_file users;
             location /a { return 200; }
             location /b { allow all; satisfy any; auth_basic off; return 200; }
             location /c { auth_basic_user_file /etc/others; return 200; }
         }",
    );
    let a = access(&site, "/a");
    let shown: Vec<_> = a.clients.iter().map(|rule| (rule.allows, format!("{:?}", rule.who))).collect();
    assert_eq!(shown.len(), 4);
    assert!(!shown[0].0 && shown[1].0 && shown[2].0 && !shown[3].0);
    assert_eq!((a.clients[2].who, a.clients[3].who), (Who::Unix, Who::All));
    assert_eq!(a.users.as_ref().expect("users").file, PathBuf::from("/etc/users"));
    assert_eq!(site.location("/a").realm.as_ref().map(Template::source), Some("the $host"));
    let b = access(&site, "/b");
    assert_eq!((b.clients.len(), b.any, b.users.is_none()), (1, true, true));
    assert_eq!(access(&site, "/c").users.as_ref().expect("users").file, PathBuf::from("/etc/others"));
}

#[test]
fn limits_have_zones() {
    let site = site(
        "limit_conn_zone $binary_remote_addr zone=perip:1m;
         limit_req_zone $http_key zone=keys:64k rate=10r/s;
         limit_req_zone $http_key zone=slow:64k rate=30r/m;
         limit_conn_status 429; limit_req_log_level warn;
         server {
             location /a { limit_conn perip 5; limit_req zone=keys burst=3 delay=2; return 200; }
             location /b { limit_req zone=slow burst=7 nodelay; limit_req_dry_run on; return 200; }
             location /c { return 200; }
         }",
    );
    let a = access(&site, "/a");
    let connections = &a.connections[0];
    assert_eq!((&*connections.zone.name, connections.most, connections.status), ("perip", 5, 429));
    let requests = &a.requests[0];
    assert_eq!((requests.burst, requests.undelayed, requests.status), (3, 2, 503));
    assert_eq!((requests.severity, requests.dry_run), (Severity::Warn, false));
    let b = &access(&site, "/b").requests[0];
    assert_eq!((b.burst, b.undelayed, b.dry_run), (7, u32::MAX, true));
    assert_eq!(site.location("/c").admission, None);
}

#[test]
fn mistakes_are_named() {
    for (file, expected) in [
        ("server { location / { limit_conn x 1; } }", "zero size shared memory zone \"x\""),
        ("server { location / { limit_req zone=x; } }", "zero size shared memory zone \"x\""),
        ("limit_conn_zone $host zone=a:1k; ", "zone \"zone=a:1k\" is too small"),
        ("limit_conn_zone $host size=1m; ", "invalid parameter \"size=1m\""),
        ("limit_req_zone $host zone=a:1m rate=5; ", "invalid rate \"rate=5\""),
        ("limit_conn_zone $host zone=a:1m; limit_conn_zone $uri zone=a:1m;", "is already bound to a key"),
        ("server { allow 192.0.2.256; }", "invalid parameter \"192.0.2.256\""),
        ("server { auth_basic x; }", "\"auth_basic\" without \"auth_basic_user_file\""),
        ("server { location / { tunnel_pass a; } }", "no port in \"a\""),
        ("server { tunnel_pass; tunnel_allow a:b; }", "invalid host \"a:b\""),
        ("server { tunnel_pass; tunnel_allow a 9-8; }", "invalid ports \"9-8\""),
    ] {
        let text = format!("http {{ {file} }}");
        let error = crate::load_text("f", text, &LoadOptions::default()).expect_err(file).to_string();
        assert!(error.contains(expected), "{file}: {error}");
    }
}

fn tunnel<'f>(found: &'f Found, path: &str) -> &'f TunnelPass {
    let Handler::Tunnel(tunnel) = &found.location(path).handler else { panic!("{path} opens no tunnel") };
    tunnel
}

#[test]
fn tunnels_lead_where_the_client_asks_for_or_where_the_file_says() {
    let site = site(
        "upstream g { server 192.0.2.9:1; }
         tunnel_connect_timeout 5s; tunnel_allow *.example.com 443; tunnel_deny all;
         server {
             listen 127.0.0.1:3128;
             location / { tunnel_pass; tunnel_next_upstream off; tunnel_socket_rcvbuf 8k; }
             location /own { tunnel_pass; tunnel_allow 10.0.0.0/8 8000-8999; }
             location /to { tunnel_pass 192.0.2.1:443; }
             location /group { tunnel_pass g; tunnel_read_timeout 1h; }
             location /variable { tunnel_pass $host:$request_port; }
         }",
    );
    let free = tunnel(&site, "/");
    let Destination::Requested { policy, .. } = &free.destination else { panic!("it is configured") };
    assert_eq!(policy.own, ["127.0.0.1:3128".parse().expect("an address")]);
    assert_eq!(policy.rules.len(), 2);
    assert_eq!(policy.rules[0].host, DestinationHost::Below(".example.com".into()));
    assert_eq!(policy.rules[0].ports, Some((443, 443)));
    assert_eq!((policy.rules[1].allows, &policy.rules[1].host), (false, &DestinationHost::Any));
    assert_eq!(free.connect_timeout, Duration::from_secs(5));
    assert_eq!((free.next_upstream.error, free.socket.receive_buffer), (false, Some(8192)));
    let Destination::Requested { policy, .. } = &tunnel(&site, "/own").destination else { panic!() };
    assert_eq!((policy.rules.len(), policy.rules[0].ports), (1, Some((8000, 8999))));
    for path in ["/to", "/group"] {
        assert!(matches!(tunnel(&site, path).destination, Destination::Configured(Target::Group(_))));
    }
    let Destination::Configured(Target::Template { url, .. }) = &tunnel(&site, "/variable").destination
    else {
        panic!("it has variables")
    };
    assert_eq!(url.source(), "$host:$request_port");
    assert_eq!(tunnel(&site, "/group").read_timeout, Duration::from_secs(3600));
    assert!(
        site.notes.iter().all(|note| note.contains("\"tunnel_allow\" has no effect")),
        "{:?}",
        site.notes
    );
}

#[test]
fn sockets_of_tunnels_are_as_the_file_says() {
    let site = site(
        "tunnel_bind 127.0.0.2; tunnel_socket_keepalive on; tunnel_socket_sndbuf 4k; tunnel_send_timeout 7s;
         server {
             location / { tunnel_pass; }
             location /own {
                 tunnel_pass; tunnel_bind off; tunnel_socket_keepalive off; tunnel_next_upstream timeout;
                 tunnel_next_upstream_tries 2; tunnel_next_upstream_timeout 3s;
             }
         }",
    );
    let above = tunnel(&site, "/");
    assert_eq!((above.socket.keepalive, above.socket.send_buffer), (true, Some(4096)));
    assert_eq!(above.socket.receive_buffer, None);
    assert_eq!(above.send_timeout, Duration::from_secs(7));
    let own = tunnel(&site, "/own");
    let Bind::Address(from) = &above.socket.bind else { panic!("it is configured") };
    assert_eq!(*from, "127.0.0.2:0".parse().expect("an address"));
    assert!(matches!(own.socket.bind, Bind::Any));
    assert_eq!((own.socket.keepalive, own.socket.send_buffer), (false, Some(4096)));
    assert_eq!((own.next_upstream.error, own.next_upstream.timeout), (false, true));
    assert_eq!((own.next_upstream.tries, own.next_upstream.within), (2, Duration::from_secs(3)));
}

#[test]
fn zones_go_on_counting_when_a_configuration_is_loaded_again() {
    let options = LoadOptions::new("/prefix");
    let load = |size: &str, rate: &str| {
        let text = format!(
            "http {{ limit_conn_zone $host zone=c:{size}; limit_req_zone $host zone=r:1m rate={rate};
             server {{ limit_conn c 1; limit_req zone=r; }} }}"
        );
        let access = crate::load_text("f", text, &options).expect("loads").access;
        let rules = &access[0];
        (Arc::clone(&rules.connections[0].zone.counts), Arc::clone(&rules.requests[0].zone.buckets))
    };
    let (first, second, third) = (load("1m", "1r/s"), load("1m", "2r/s"), load("2m", "1r/s"));
    assert!(Arc::ptr_eq(&first.0, &second.0) && !Arc::ptr_eq(&first.1, &second.1));
    assert!(!Arc::ptr_eq(&first.0, &third.0) && Arc::ptr_eq(&first.1, &third.1));
}
