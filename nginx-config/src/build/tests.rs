//! What a location comes to. What goes wrong, and the way from a file, is tested from outside.

use core::time::Duration;
use std::{io, net::IpAddr};

use underpass_core::{
    config::{Handler, HttpVersion, Location, Proxy, ProxyUri, Return, Target},
    shared::{Endpoint, Peer},
};

use super::*;
use crate::Resolve;
use location::Matcher;

#[derive(Debug)]
struct Hosts;

impl Resolve for Hosts {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let address = |text: &str| text.parse().expect("an address");
        match host {
            "one.test" => Ok(vec![address("192.0.2.1"), address("192.0.2.1")]),
            "two.test" => Ok(vec![address("192.0.2.1"), address("2001:db8::2")]),
            _ => Err(io::Error::other("unknown host")),
        }
    }
}

/// The servers and groups of a file, and what was noted.
struct Site {
    servers: Vec<VirtualServer>,
    groups: Vec<underpass_core::shared::Group>,
    maps: Vec<underpass_core::template::Map>,
    sinks: Vec<PathBuf>,
    notes: Vec<String>,
}

fn site(http: &str) -> Site {
    let mut options = LoadOptions::new("/prefix");
    options.resolver = Arc::new(Hosts);
    let text = format!("http {{\n{http}\n}}");
    let source = Source::expand("f".as_ref(), text.into()).expect("directives");
    let http = source.tree[0].inside();
    let mut builder = Builder::new(&options);
    let maps = builder.maps(http).expect("maps");
    builder.log_formats(http).expect("formats");
    builder.upstreams(http).expect("upstreams");
    let servers = builder.servers(http).expect("servers");
    Site {
        servers,
        groups: builder.groups.take(),
        maps,
        sinks: builder.sinks.into_iter().map(|log| log.path).collect(),
        notes: builder.notes.iter().map(ToString::to_string).collect(),
    }
}

impl Site {
    fn location(&self, path: &str) -> &Location {
        let locations = self.servers.iter().flat_map(|server| &server.locations);
        let mut found = locations.filter(|(matcher, _)| matcher.path() == path);
        &found.next().expect("a location of this path").1
    }

    fn proxy(&self, path: &str) -> &Proxy {
        let Handler::Proxy(proxy) = &self.location(path).handler else { panic!("{path} doesn't forward") };
        proxy
    }

    fn peers(&self, path: &str) -> String {
        let Target::Group(id) = self.proxy(path).target else { panic!("{path} has no group") };
        let address = |peer: &Peer| match &peer.endpoint {
            Endpoint::Address(address) => address.to_string(),
            other => panic!("{other:?}"),
        };
        self.groups[id.0].peers().map(address).collect::<Vec<_>>().join(" ")
    }
}

fn headers(proxy: &Proxy) -> Vec<String> {
    proxy.set_headers.iter().map(|line| format!("{}: {}", line.name, line.value.source())).collect()
}

fn answer(location: &Location) -> &Return {
    let Handler::Return(answer) = &location.handler else { panic!("it forwards") };
    answer
}

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
    assert_eq!(proxy.http_version, HttpVersion::Http11);
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
fn scalar_values_come_from_the_innermost_level() {
    let site = site(
        "proxy_read_timeout 1h; proxy_send_timeout 5; client_max_body_size 2k; keepalive_timeout 10s 20s;
         server {
             proxy_read_timeout 2m; client_header_timeout 7s; keepalive_requests 3; send_timeout 500ms;
             location /a { proxy_pass http://one.test; proxy_read_timeout 1m30s; client_max_body_size 0; }
             location /b { proxy_pass http://one.test; proxy_connect_timeout 0; proxy_http_version 1.0; }
         }
         server { location /c { proxy_pass http://one.test; } }",
    );
    let seconds = Duration::from_secs;
    let times = |path| {
        let proxy = site.proxy(path);
        (proxy.connect_timeout, proxy.send_timeout, proxy.read_timeout)
    };
    assert_eq!(times("/a"), (seconds(60), seconds(5), seconds(90)));
    assert_eq!(times("/b"), (seconds(0), seconds(5), seconds(120)));
    assert_eq!(times("/c"), (seconds(60), seconds(5), seconds(3600)));
    assert_eq!(site.proxy("/b").http_version, HttpVersion::Http10);
    let a = &site.location("/a").settings;
    assert_eq!((a.client_max_body_size, a.keepalive_requests), (0, 3));
    assert_eq!((a.client_header_timeout, a.keepalive_timeout), (seconds(7), seconds(10)));
    assert_eq!(a.send_timeout, Duration::from_millis(500));
    assert_eq!(site.servers[0].settings.client_max_body_size, 2048);
    assert_eq!(site.servers[1].settings.client_header_timeout, seconds(60));
    assert_eq!(site.notes, ["the second parameter of \"keepalive_timeout\" has no effect in f:2:93"]);
}

#[test]
fn defaults_of_the_table_are_those_of_the_core() {
    let site = site("server { location / { proxy_pass http://one.test; } }");
    assert_eq!(*site.location("/").settings, underpass_core::config::Settings::default());
    let plain = Proxy::new(Target::Group(underpass_core::shared::GroupId(0)), "one.test");
    assert_eq!(format!("{:?}", site.proxy("/")), format!("{plain:?}"));
    let keepalive = underpass_core::shared::KeepAlive::default();
    assert_eq!(*site.groups[0].keepalive(), keepalive);
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
fn access_logs_are_inherited_all_or_none() {
    let site = site(
        "log_format short '$status ' escape $uri; log_format js escape=json '{\"a\":\"$uri\"}';
         access_log /var/a.log; access_log b.log short;
         server {
             location /none { return 200; }
             location /own { return 200; access_log b.log js; }
             location /off { return 200; access_log off; access_log c.log; }
         }
         server { access_log off; location /server { return 200; } }",
    );
    let logs = |path: &str| {
        let logs = &site.location(path).access_logs;
        logs.iter().map(|log| (log.sink, log.format.source())).collect::<Vec<_>>()
    };
    let combined = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                    \"$http_referer\" \"$http_user_agent\"";
    assert_eq!(logs("/none"), [(0, combined), (1, "$status escape$uri")]);
    assert_eq!(logs("/own"), [(1, "{\"a\":\"$uri\"}")]);
    assert_eq!(logs("/off"), []);
    assert_eq!(logs("/server"), []);
    assert_eq!(site.sinks[..2], [PathBuf::from("/var/a.log"), "/prefix/b.log".into()]);
}

#[test]
fn there_is_an_access_log_by_default() {
    let site = site("server { location / { return 200; } }");
    assert_eq!(site.sinks, [PathBuf::from("/dev/stdout")]);
    assert_eq!(site.location("/").access_logs.len(), 1);
    assert_eq!(site.servers[0].otherwise.access_logs.len(), 1);
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
fn returns() {
    let site = site(
        "server {
             location /code { return 204; }
             location /text { return 200 \"$host\\n\"; }
             location /moved { return 301 https://$host$request_uri; }
             location /url { return https://example.com; }
             location /scheme { return $scheme://example.com; }
             location /both { return 403; return 200; proxy_pass http://one.test; }
             location /empty { }
         }",
    );
    for (path, status, text) in [
        ("/code", 204, None),
        ("/text", 200, Some("$host\n")),
        ("/moved", 301, Some("https://$host$request_uri")),
        ("/url", 302, Some("https://example.com")),
        ("/scheme", 302, Some("$scheme://example.com")),
        ("/both", 403, None),
        ("/empty", 404, None),
    ] {
        let answer = answer(site.location(path));
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.text.as_ref().map(Template::source), text, "{path}");
    }
    assert_eq!(
        site.notes,
        [
            "this \"return\" is never reached: one before it answers in f:8:43",
            "location \"/empty\" has neither \"proxy_pass\" nor \"return\": it answers 404 in f:9:14",
        ]
    );
}

#[test]
fn the_server_s_own_level_answers_the_rest() {
    let site = site(
        "server { server_name A.test b.test; location / { return 200; } }
         server { server_name \"\"; return 301 https://a.test$request_uri; location /x { return 200; } }
         server { }",
    );
    let names = |index: usize| {
        let names = site.servers[index].names.iter().map(|(name, _)| &**name);
        names.collect::<Vec<_>>()
    };
    assert_eq!((names(0), names(1), names(2)), (vec!["a.test", "b.test"], vec![""], vec![""]));
    assert_eq!(&*site.location("/").server_name, "a.test");
    assert_eq!(answer(&site.servers[0].otherwise).status, 404);
    assert_eq!(answer(&site.servers[1].otherwise).status, 301);
    assert!(site.servers[1].locations.is_empty());
    assert_eq!(
        site.notes,
        ["the \"return\" of the server answers every request: its locations are never reached in f:3:10"]
    );
}

#[test]
fn locations_are_prefixes_or_exact() {
    let site = site(
        "server { location / { return 200; } location = / { return 200; } location =/a { return 200; }
                  location '/with space' { return 200; } location \"\" { return 200; } }",
    );
    let matchers: Vec<_> = site.servers[0].locations.iter().map(|(matcher, _)| matcher.clone()).collect();
    let exact = |path: &str| Matcher::Exact(path.to_owned());
    let prefix = |path: &str| Matcher::Prefix(path.to_owned());
    assert_eq!(matchers, [prefix("/"), exact("/"), exact("/a"), prefix("/with space"), prefix("")]);
}

#[test]
fn maps_use_each_other_in_any_order() {
    let site = site(
        "server { location / { return 200 $second; } }
         map $first$Host $seconD { a $http_x; \\default 2; \\~tilde 3; }
         map $uri $first { hostnames; volatile; default '<$request_id>'; *.test 1; .both 2; end.* 3; plain 4; }",
    );
    let map = format!("{:?}", site.maps[0]);
    for part in
        ["Variable(Map(MapId(1)))", "Http(\"x\")", "default: None", "hostnames: false, volatile: false"]
    {
        assert!(map.contains(part), "{part} in {map}");
    }
    let map = format!("{:?}", site.maps[1]);
    assert!(map.contains("hostnames: true, volatile: true"), "{map}");
    assert_eq!(answer(site.location("/")).text.as_ref().map(Template::source), Some("$second"));
}

#[test]
fn of_two_maps_for_a_variable_the_last_holds() {
    let site = site(
        "map $uri $x { default 1; }
         map $uri $x { default 2; }
         server { location / { return 200 $x; } }",
    );
    let text = answer(site.location("/")).text.as_ref().expect("a text");
    assert_eq!(format!("{:?}", text.variables().collect::<Vec<_>>()), "[Map(MapId(1))]");
    assert_eq!(site.notes, ["\"$x\" is defined by a \"map\" before: this one holds in f:3:19"]);
}
