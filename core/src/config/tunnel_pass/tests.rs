//! Whom `tunnel_pass` lets a client reach.

use super::*;

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn rule(allows: bool, host: DestinationHost, ports: Option<(u16, u16)>) -> DestinationRule {
    DestinationRule::new(allows, host, ports)
}

#[test]
fn without_rules_only_the_public_internet_is_reached() {
    let policy = DestinationPolicy::default();
    for open in ["9.9.9.9:443", "[2620:fe::fe]:443", "100.128.0.1:80", "172.32.0.1:80", "223.255.255.255:1"]
        .into_iter()
        .chain(["[64:ff9b::909:909]:80", "[::ffff:9.9.9.9]:80", "192.0.1.1:80", "198.20.0.1:80"])
        .chain(["[100:0:0:1::]:80", "[64:ff9b:2::]:80", "[2003::]:80"])
    {
        assert!(policy.permits("x", address(open)), "{open}");
    }
    for closed in [
        "0.0.0.0:80",
        "0.1.2.3:80",
        "10.1.1.1:80",
        "100.64.0.1:80",
        "100.127.255.255:80",
        "127.0.0.1:80",
        "169.254.169.254:80",
        "172.31.255.255:80",
        "192.168.1.1:80",
        "224.0.0.1:80",
        "255.255.255.255:80",
        "[::]:80",
        "[::1]:80",
        "[fd00::1]:80",
        "[fe80::1]:80",
        "[febf::1]:80",
        "[ff02::1]:80",
        "[::ffff:127.0.0.1]:80",
        "[::ffff:10.0.0.1]:80",
        "[64:ff9b::7f00:1]:80",
        "[64:ff9b::a00:1]:80",
        "9.9.9.9:25",
        "[2620:fe::fe]:25",
        "192.0.0.8:80",
        "192.0.2.1:80",
        "198.18.0.1:80",
        "198.19.255.255:80",
        "198.51.100.1:80",
        "203.0.113.1:80",
        "[2001:db8::1]:80",
        "[2001:db8:ffff::1]:80",
        "[2002:909:909::]:80",
        "[64:ff9b:1:909:9:900::]:80",
        "[fec0::1]:80",
        "[100::1]:80",
        "[64:ff9b::c000:201]:80",
        "[::ffff:192.0.2.1]:80",
    ] {
        assert!(!policy.permits("x", address(closed)), "{closed}");
    }
}

#[test]
fn the_first_rule_that_matches_decides() {
    let network =
        |text: &str, bits| DestinationHost::Network(Network::new(text.parse().expect("an address"), bits));
    let policy = DestinationPolicy::new(
        vec![
            rule(false, DestinationHost::Name("bad.example.com".into()), None),
            rule(true, DestinationHost::Below(".example.com".into()), Some((443, 443))),
            rule(true, network("10.1.0.0", 16), Some((8000, 8999))),
        ],
        vec![],
    );
    for (name, to, expected) in [
        ("bad.example.com", "9.9.9.9:443", false),
        ("www.EXAMPLE.com", "9.9.9.9:443", true),
        ("www.example.com", "9.9.9.9:80", false),
        ("example.com", "9.9.9.9:443", false),
        (".example.com", "9.9.9.9:443", false),
        ("www.example.com", "127.0.0.1:443", false),
        ("any", "10.1.2.3:8080", true),
        ("any", "[::ffff:10.1.2.3]:8080", true),
        ("any", "10.1.2.3:80", false),
        ("any", "9.9.9.9:443", false),
    ] {
        assert_eq!(policy.permits(name, address(to)), expected, "{name} {to}");
    }
}

#[test]
fn denying_alone_leaves_the_rest_as_it_is() {
    let policy = DestinationPolicy::new(vec![rule(false, DestinationHost::Any, Some((1, 442)))], vec![]);
    assert!(policy.permits("x", address("9.9.9.9:443")));
    assert!(!policy.permits("x", address("9.9.9.9:80")));
    assert!(!policy.permits("x", address("10.0.0.1:443")));
}

#[test]
fn all_means_all() {
    let policy = DestinationPolicy::new(vec![rule(true, DestinationHost::Any, None)], vec![]);
    assert!(policy.permits("x", address("127.0.0.1:25")));
}

#[test]
fn names_of_this_machine() {
    for name in ["localhost", "LocalHost.", "a.localhost", "a.b.localhost."] {
        assert!(is_localhost(name), "{name}");
    }
    for name in ["", ".", "localhos", "alocalhost", "localhost.example", "localhost..", "local.host"] {
        assert!(!is_localhost(name), "{name}");
    }
}

#[test]
fn the_addresses_that_a_connection_may_arrive_at() {
    for (ip, expected) in [
        ("9.9.9.9", "9.9.9.9"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "::1"),
        ("::1", "::1"),
        ("::ffff:0.0.0.0", "127.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::10.0.0.1", "::a00:1 10.0.0.1"),
        ("64:ff9b::10.0.0.1", "10.0.0.1"),
        ("64:ff9b:1:a00:0:100::", "64:ff9b:1:a00:0:100:: 10.0.0.1 0.0.0.0"),
        ("64:ff9b:1:a00:5:600::", "64:ff9b:1:a00:5:600:: 10.0.5.6 0.0.0.0"),
        ("64:ff9b:1::10.0.0.1", "64:ff9b:1::a00:1 0.0.0.0 10.0.0.1"),
        ("2002:a00:1::7", "2002:a00:1::7 10.0.0.1"),
        ("2620:fe::fe", "2620:fe::fe"),
    ] {
        let all: Vec<_> = reached(ip.parse().expect("an address")).map(|found| found.to_string()).collect();
        assert_eq!(all.join(" "), expected, "{ip}");
    }
}

#[test]
fn our_own_listeners() {
    let any = || rule(true, DestinationHost::Any, None);
    let network = |text: &str, bits| {
        rule(true, DestinationHost::Network(Network::new(text.parse().expect("an address"), bits)), None)
    };
    let policy = |own: &str, rules| DestinationPolicy::new(rules, vec![address(own)]);
    use Permission::{Denied, Granted, GrantedElsewhere};
    for (policy, to, expected) in [
        (policy("0.0.0.0:8080", vec![any()]), "127.0.0.2:8080", Denied),
        (policy("0.0.0.0:8080", vec![any()]), "0.0.0.0:8080", Denied),
        (policy("0.0.0.0:8080", vec![any()]), "[::1]:8080", Denied),
        (policy("0.0.0.0:8080", vec![any()]), "[2002:7f00:1::]:8080", Denied),
        (policy("[::]:8080", vec![any()]), "127.0.0.1:8080", Denied),
        (policy("[::]:8080", vec![any()]), "10.0.0.9:8080", Denied),
        (policy("[::]:8080", vec![any()]), "[::ffff:10.0.0.9]:8080", Denied),
        (policy("[::]:8080", vec![any()]), "10.0.0.1:8080", GrantedElsewhere),
        (policy("[::]:8080", vec![any()]), "10.0.0.1:8081", Granted),
        (policy("[::]:8080", vec![]), "9.9.9.9:8080", GrantedElsewhere),
        (policy("[::]:8080", vec![]), "127.0.0.1:8080", Denied),
        (policy("[::]:8080", vec![network("0.0.0.0", 0)]), "10.0.0.1:8080", GrantedElsewhere),
        (policy("[::]:8080", vec![network("10.0.0.0", 8)]), "10.0.0.1:8080", Granted),
        (policy("10.0.0.1:8080", vec![any()]), "[64:ff9b::a00:1]:8080", Denied),
        (policy("10.0.0.1:8080", vec![any()]), "[2002:a00:1::1]:8080", Denied),
        (policy("10.0.0.1:8080", vec![any()]), "10.0.0.2:8080", Granted),
        (policy("127.0.0.1:8080", vec![any()]), "0.0.0.0:8080", Denied),
        (policy("127.0.0.1:8080", vec![network("127.0.0.1", 32)]), "127.0.0.1:8080", Granted),
    ] {
        let local = Some("10.0.0.9".parse().expect("an address"));
        assert_eq!(policy.permission("x", address(to), local), expected, "{to} {policy:?}");
    }
}
