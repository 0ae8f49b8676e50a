//! What is inherited, and what holds without a word.

use underpass_core::{
    Severity,
    config::{Additions, ContentTypes, LingeringClose, LogId, ResolverId, ServerTokens, Settings},
};

use super::*;
use crate::LogTarget;

#[test]
fn the_case_of_a_word_of_a_list_is_ignored() {
    let site = site(
        "lingering_close Always; proxy_next_upstream ERROR Http_502; proxy_ignore_headers vary;
         server { location / { proxy_pass http://one.test; } }",
    );
    assert_eq!(site.location("/").settings.lingering_close, LingeringClose::Always);
    let next = &site.proxy("/").next_upstream;
    assert_eq!((next.error, next.timeout, &*next.statuses), (true, false, &[502][..]));
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
    assert_eq!(site.proxy("/b").http_version, underpass_core::Version::Http10);
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
    assert_eq!(*site.location("/").settings, Settings::default());
    let plain = Proxy::new(Target::Group(underpass_core::shared::GroupId(0)), "one.test");
    let expected = format!("{plain:?}").replace("redirects: []", "redirects: [Substitution");
    let (start, end) = expected.split_once("Substitution").expect("a redirect");
    let shown = format!("{:?}", site.proxy("/"));
    assert!(shown.starts_with(start) && shown.ends_with(end), "{shown}");
    let location = site.location("/");
    assert_eq!(format!("{:?}", location.additions), format!("{:?}", Arc::new(Additions::default())));
    assert_eq!(*location.types, ContentTypes::default());
    assert!(location.error_pages.is_empty() && location.resolver.is_none() && location.error_logs.is_none());
    let keepalive = underpass_core::shared::KeepAlive::default();
    assert_eq!(*site.groups[0].keepalive(), keepalive);
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
        logs.iter().map(|log| (log.sink.0, log.format.source())).collect::<Vec<_>>()
    };
    let combined = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                    \"$http_referer\" \"$http_user_agent\"";
    assert_eq!(logs("/none"), [(0, combined), (1, "$status escape$uri")]);
    assert_eq!(logs("/own"), [(1, "{\"a\":\"$uri\"}")]);
    assert_eq!(logs("/off"), []);
    assert_eq!(logs("/server"), []);
    let targets: Vec<_> = site.sinks.iter().map(|log| log.target.clone()).collect();
    assert_eq!(targets[..2], [file("/var/a.log"), file("/prefix/b.log")]);
}

fn file(path: &str) -> LogTarget {
    LogTarget::File(path.into())
}

#[test]
fn there_is_an_access_log_by_default() {
    let site = site("server { location / { return 200; } }");
    assert_eq!(site.sinks[0].target, file("/dev/stdout"));
    assert_eq!(site.location("/").access_logs.len(), 1);
    assert_eq!(site.servers[0].otherwise.access_logs.len(), 1);
}

#[test]
fn settings_towards_the_client() {
    let site = site(
        "client_body_timeout 1; keepalive_time 2; lingering_close always; lingering_time 3; lingering_timeout 4;
         reset_timedout_connection on; client_header_buffer_size 2k; large_client_header_buffers 2 4k; server_tokens off; resolver_timeout 5;
         server {
             underscores_in_headers on; allow_bare_lf off; merge_slashes off; max_headers 6;
             location /a { absolute_redirect off; port_in_redirect off; server_name_in_redirect on;
                           server_tokens ''; return 200; }
             location /b { return 200; }
         }",
    );
    let mut expected = Settings::default();
    let seconds = Duration::from_secs;
    expected.client_body_timeout = seconds(1);
    expected.keepalive_time = seconds(2);
    expected.lingering_close = LingeringClose::Always;
    (expected.lingering_time, expected.lingering_timeout) = (seconds(3), seconds(4));
    expected.reset_timedout_connection = true;
    (expected.client_header_start, expected.client_header_line) = (2048, 4096);
    expected.client_header_size = 8192;
    expected.server_tokens = ServerTokens::Off;
    expected.resolver_timeout = seconds(5);
    expected.underscores_in_headers = true;
    (expected.allow_bare_lf, expected.merge_slashes, expected.max_headers) = (false, false, 6);
    assert_eq!(*site.location("/b").settings, expected);
    assert!(Arc::ptr_eq(&site.location("/b").settings, &site.servers[0].settings));
    (expected.absolute_redirect, expected.port_in_redirect) = (false, false);
    expected.server_name_in_redirect = true;
    expected.server_tokens = ServerTokens::Text("".into());
    assert_eq!(*site.location("/a").settings, expected);
}

#[test]
fn clients_behind_proxies() {
    let site = site(
        "set_real_ip_from 10.0.0.0/8; set_real_ip_from unix:; real_ip_header X-Forwarded-For;
         server {
             location /a { return 200; }
             location /b { real_ip_recursive on; real_ip_header proxy_protocol; return 200; }
             location /c { set_real_ip_from one.test; return 200; }
         }",
    );
    let shown =
        |path: &str| format!("{:?}", site.location(path).settings.real_ip.as_deref().expect("proxies"));
    assert!(
        shown("/a").contains("10.0.0.0, bits: 8") && shown("/a").contains("trusts_unix: true"),
        "{}",
        shown("/a")
    );
    assert!(shown("/a").contains("Field(\"X-Forwarded-For\"), recursive: false"), "{}", shown("/a"));
    assert!(
        shown("/b").contains("10.0.0.0") && shown("/b").contains("ProxyProtocol, recursive: true"),
        "{}",
        shown("/b")
    );
    assert!(
        shown("/c").contains("192.0.2.1") && shown("/c").contains("trusts_unix: false"),
        "{}",
        shown("/c")
    );
}

#[test]
fn resolvers_are_shared() {
    let site = site(
        "resolver 192.0.2.53 one.test:5353 valid=10s ipv6=off status_zone=z;
         server {
             location /a { return 200; }
             location /b { resolver [::1]; return 200; }
             location /c { resolver [::1]; return 200; }
         }",
    );
    let number = |path: &str| site.location(path).resolver;
    assert_eq!(
        (number("/a"), number("/b"), number("/c")),
        (Some(ResolverId(0)), Some(ResolverId(1)), Some(ResolverId(1)))
    );
    let first = &site.resolvers[0];
    let servers: Vec<_> = first.servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["192.0.2.53:53", "192.0.2.1:5353"]);
    assert_eq!((first.valid, first.ipv4, first.ipv6), (Some(Duration::from_secs(10)), true, false));
    assert_eq!(site.resolvers[1].servers[0].to_string(), "[::1]:53");
}

#[test]
fn logs_have_parameters() {
    let site = site(
        "log_format f '$status'; error_log e.log warn;
         server {
             location /a { access_log a.log f buffer=4k flush=1m gzip if=$http_x; return 200; }
             location /b { access_log a.log if=$arg_y; error_log stderr debug; error_log e.log; return 200; }
             location /c { access_log c.log combined gzip=9; return 200; }
         }",
    );
    let condition = |path: &str| {
        let log = &site.location(path).access_logs[0];
        (log.sink.0, log.condition.as_ref().map(|condition| condition.source().to_owned()))
    };
    assert_eq!(condition("/a"), (1, Some("$http_x".to_owned())));
    assert_eq!(condition("/b"), (1, Some("$arg_y".to_owned())));
    let buffered = &site.sinks[1];
    assert_eq!(
        (&buffered.target, buffered.buffer, buffered.flush),
        (&file("/prefix/a.log"), Some(4096), Some(Duration::from_secs(60)))
    );
    assert_eq!(site.sinks[3].buffer, Some(65536));
    let errors = |path: &str| site.location(path).error_logs.as_ref().expect("logs").sinks.to_vec();
    assert_eq!(errors("/a"), [(LogId(0), Severity::Warn)]);
    assert_eq!(errors("/b"), [(LogId(2), Severity::Debug), (LogId(0), Severity::Error)]);
    assert_eq!(site.sinks[2].target, file("/dev/stderr"));
    assert_eq!(
        site.notes,
        ["\"gzip\" of \"access_log\" has no effect: logs are written as they are in f:4:66"]
    );
}

#[test]
fn sessions_are_traced_as_the_innermost_level_says() {
    let site = site(
        "session_trace all.trace sample=0.1%;
         server { listen 81; return 200; }
         server { listen 82; session_trace off; return 200; }
         server { listen 83; session_trace /var/own.trace content=plain; return 200; }",
    );
    let traces: Vec<_> = site.servers.iter().map(|server| server.trace.as_ref()).collect();
    let [Some(inherited), None, Some(own)] = traces.as_slice() else { panic!("{traces:?}") };
    assert_eq!(inherited.path, PathBuf::from("/prefix/all.trace"));
    assert_eq!((inherited.sample.share, inherited.sample.of, inherited.plain), (1, 1000, false));
    assert_eq!((own.path.as_path(), own.sample.share, own.plain), ("/var/own.trace".as_ref(), 1, true));
    assert_eq!(
        site.notes,
        [
            "\"session_trace\" writes content and credentials of clients to \"/var/own.trace\" as they are in f:5:30"
        ]
    );
}
