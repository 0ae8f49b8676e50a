//! What a location comes to. What goes wrong, and the way from a file, is tested from outside.

use core::time::Duration;
use std::{io, net::IpAddr};

use underpass_core::{
    config::{Condition, Handler, HttpVersion, Location, Proxy, ProxyUri, Return, Step, Target},
    shared::{Endpoint, Peer},
    template::SetId,
};

use super::*;
use crate::Resolve;
use location::Site;

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
struct Found {
    servers: Vec<VirtualServer>,
    groups: Vec<underpass_core::shared::Group>,
    maps: Vec<Mapping>,
    sinks: Vec<PathBuf>,
    notes: Vec<String>,
}

fn site(http: &str) -> Found {
    let mut options = LoadOptions::new("/prefix");
    options.resolver = Arc::new(Hosts);
    let text = format!("http {{\n{http}\n}}");
    let source = Source::expand("f".as_ref(), text.into(), "").expect("directives");
    let http = source.tree[0].inside();
    let mut builder = Builder::new(&options);
    builder.declare(http).expect("variables");
    let maps = builder.mappings(http).expect("maps");
    builder.log_formats(http).expect("formats");
    builder.upstreams(http).expect("upstreams");
    let servers = builder.servers(http).expect("servers");
    Found {
        servers,
        groups: builder.groups.take(),
        maps,
        sinks: builder.sinks.into_iter().map(|log| log.path).collect(),
        notes: builder.notes.iter().map(ToString::to_string).collect(),
    }
}

impl Found {
    fn location(&self, path: &str) -> &Location {
        fn find<'s>(sites: &'s [Site], path: &str) -> Option<&'s Location> {
            let here = sites.iter().find(|site| site.matcher.path() == path).map(|site| &*site.location);
            here.or_else(|| sites.iter().find_map(|site| find(&site.nested, path)))
        }
        let mut found = self.servers.iter().filter_map(|server| find(&server.sites, path));
        found.next().expect("a location of this path")
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
            "this \"return\" is never reached: one before it ends the rewriting in f:8:43",
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
        let names = site.servers[index].names.iter().map(|name| &*name.shown);
        names.collect::<Vec<_>>()
    };
    assert_eq!((names(0), names(1), names(2)), (vec!["a.test", "b.test"], vec![""], vec![""]));
    assert_eq!(&*site.location("/").server_name, "a.test");
    assert_eq!(answer(&site.servers[0].otherwise).status, 404);
    assert_eq!(answer(&site.servers[1].otherwise).status, 301);
    assert!(site.servers[1].sites.is_empty());
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
    let matchers: Vec<_> = site.servers[0].sites.iter().map(|site| format!("{:?}", site.matcher)).collect();
    let exact = |path: &str| format!("Exact({path:?})");
    let prefix = |path: &str| format!("Prefix {{ path: {path:?}, settles: false }}");
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
    assert_eq!(site.notes, ["\"$x\" is defined before: this block holds in f:3:19"]);
}

/// A script as one line.
fn shown(steps: &[Step]) -> String {
    let step = |step: &Step| match step {
        Step::Set(SetId(id), value) => format!("set {id} {}", value.source()),
        Step::SetArgs(value) => format!("args {}", value.source()),
        Step::If(branch) => {
            let to = branch.location.as_ref().map_or("", |_| " -> proxy");
            let condition = match &branch.condition {
                Condition::True(value) => value.source().to_owned(),
                Condition::Equal { value, other, negated } => {
                    format!("{} {}= {}", value.source(), if *negated { "!" } else { "=" }, other.source())
                }
                Condition::Matches { value, negated, .. } => {
                    format!("{} {}~", value.source(), if *negated { "!" } else { "" })
                }
                _ => "?".to_owned(),
            };
            format!("if {condition} [{}]{to}", shown(&branch.steps))
        }
        Step::Rewrite(rewrite) => format!("rewrite {} {:?}", rewrite.replacement.source(), rewrite.then),
        Step::Break => "break".to_owned(),
        Step::Return(answer) => format!("return {}", answer.status),
        _ => "?".to_owned(),
    };
    steps.iter().map(step).collect::<Vec<_>>().join("; ")
}

#[test]
fn rewrite_directives_in_the_order_of_the_file() {
    let site = site(
        "server {
             set $a 1; if ($host = x) { return 403; } rewrite ^/old(.*) /new$1;
             location /a {
                 set $b \"$a-2\"; set $A 3; set $args x=y;
                 if ($b) { set $c 1; proxy_pass http://one.test; }
                 if ( $b != '' ) { rewrite ^ /x last; }
                 if ($b !~* \"^x(?<tail>.*)\") { rewrite ^/(?<one>.*) /y break; rewrite z /z; break; }
                 rewrite ^ https://x$request_uri? permanent;
                 rewrite ^ /r redirect;
                 break; set $never 1;
                 proxy_pass http://one.test;
             }
             location /tail { return 200 $tail$one$c; }
         }",
    );
    assert_eq!(
        shown(&site.servers[0].otherwise.script.steps),
        "set 0 1; if $host == x [return 403]; rewrite /new$1 GoOn"
    );
    assert_eq!(
        shown(&site.location("/a").script.steps),
        "set 1 $a-2; set 0 3; args x=y; if $b [set 2 1] -> proxy; if $b != \u{20}[rewrite /x Last]; \
         if $b !~ [rewrite /y Break; rewrite /z GoOn; break]; rewrite https://x$request_uri? Permanent; \
         rewrite /r Redirect; break",
    );
    let text = answer(site.location("/tail")).text.as_ref().expect("a text");
    let sets: Vec<_> = text.variables().map(|variable| format!("{variable:?}")).collect();
    assert_eq!(sets, ["Set(SetId(3))", "Set(SetId(4))", "Set(SetId(2))"]);
    assert_eq!(site.notes, ["this \"set\" is never reached: one before it ends the rewriting in f:11:25"]);
}

#[test]
fn locations_of_all_kinds() {
    let site = site(
        "server {
             server_name .both.test *.mask.test www.tail.* ~^(?<sub>[a-z]+)\\.rx\\.test$ ~WWW $hostname;
             location ^~ /a/ { return 200; location /a/b { return 200 $sub; } location ~* \\.PHP$ { return 200; } }
             location ~ ^/r/(\\d+)$ { proxy_pass http://one.test; location ~ /r/1 { return 200 $1; } }
             location ~*x { return 200; }
             location @named { proxy_pass http://one.test; }
         }",
    );
    fn tree(sites: &[Site]) -> String {
        let site = |site: &Site| {
            let matcher = match &site.matcher {
                location::Matcher::Exact(path) => format!("={path}"),
                location::Matcher::Prefix { path, settles } => {
                    format!("{}{path}", if *settles { "^" } else { "" })
                }
                location::Matcher::Regex { source, .. } => format!("~{source}"),
                location::Matcher::Named(name) => name.clone(),
            };
            format!("{matcher}[{}]", tree(&site.nested))
        };
        sites.iter().map(site).collect::<Vec<_>>().join(" ")
    }
    assert_eq!(tree(&site.servers[0].sites), r"^/a/[/a/b[] ~\.PHP$[]] ~^/r/(\d+)$[~/r/1[]] ~x[] @named[]");
    let names: Vec<_> = site.servers[0].names.iter().map(|name| &*name.shown).collect();
    assert_eq!(
        names,
        ["both.test", "*.mask.test", "www.tail.*", r"~^(?<sub>[a-z]+)\.rx\.test$", "~WWW", "localhost"]
    );
    assert_eq!(site.servers[0].to_server().named.keys().collect::<Vec<_>>(), [&"named".into()]);
    assert_eq!(site.notes, [""; 0]);
}

#[test]
fn variables_of_addresses_and_shares() {
    let site = site(
        "geo $net { default out; 10.0.0.0/8 in; 10.1.0.0/16 $not_a_variable; 192.0.2.1 one; delete 10.1.0.0/16; }
         geo $http_x_real_ip $by_range { ranges; default 0; 10.0.0.1-10.0.0.9 1; }
         split_clients \"${remote_addr}$net\" $part { 0.5% a; 20% b; * c; }
         map $http_x $http_connection_upgrade { ~^a(?<inner>.)$ \"<$inner$1>\"; ~*B b; default $part; }
         server { location / { return 200 $http_connection_upgrade$net$by_range; } }",
    );
    let shown: Vec<_> = site.maps.iter().map(|map| format!("{map:?}")).collect();
    assert!(shown[0].contains("RemoteAddr") && !shown[0].contains("10.1"), "{}", shown[0]);
    assert!(shown[1].contains("10.0.0.9") && shown[1].contains("x-real-ip"), "{}", shown[1]);
    assert!(shown[2].contains("Map(MapId(0))") && shown[2].contains("(None, "), "{}", shown[2]);
    assert!(shown[3].contains("Map(MapId(2))") && shown[3].contains("SetId(0)"), "{}", shown[3]);
    let text = answer(site.location("/")).text.as_ref().expect("a text");
    let used: Vec<_> = text.variables().map(|variable| format!("{variable:?}")).collect();
    assert_eq!(used, ["Map(MapId(3))", "Map(MapId(0))", "Map(MapId(1))"]);
    assert_eq!(site.notes, [""; 0]);
}

#[test]
fn expressions_that_need_the_other_engine_are_noted() {
    let site = site("server { location ~ ^/(?!api) { return 200; } }");
    assert_eq!(
        site.notes,
        [
            "the regular expression \"^/(?!api)\" has look-ahead: it runs in a slower engine, and does not match \
          when that takes too many steps in f:2:21"
        ]
    );
}
