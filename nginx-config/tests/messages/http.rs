//! Directives, servers, locations.

use super::{common::options, expect, in_http, in_location, in_server};
use underpass_nginx_config::load_text;

#[test]
fn a_message_is_one_line() {
    let said = |text| load_text("nginx.conf", text, &options()).expect_err("refused").to_string();
    assert_eq!(said("http {\n  'a\nb' c; }"), "unknown directive \"a\\nb\" in nginx.conf:2:3");
    let hint = "\"a\\nb\" of line 1 lacks a \";\" at its end";
    assert_eq!(said("'a\nb' }"), format!("unexpected \"}}\" in nginx.conf:2:4; {hint}"));
}

#[test]
fn directives() {
    expect("^foo bar;", "unknown directive \"foo\"");
    expect("http { ^sever { } }", "unknown directive \"sever\"; did you mean \"server\"?");
    in_server("^mirror /x;", "unknown directive \"mirror\"; \"mirror\" of nginx is not in this version");
    in_location(
        "^limit_except GET { deny all; }",
        "unknown directive \"limit_except\"; \"limit_except\" of nginx is not in this version: write \
         \"if ($request_method !~ ^(GET|HEAD)$) { return 403; }\"",
    );
    // What protects is obeyed or an error (J5).
    for name in ["auth_request", "auth_jwt", "valid_referers", "secure_link"] {
        in_server(
            &format!("^{name} x;"),
            &format!("unknown directive \"{name}\"; \"{name}\" of nginx is not in this version"),
        );
    }
    in_location(
        "if ($host) { ^limit_rate 1k; }",
        "\"limit_rate\" directive is not allowed here; write \"set $limit_rate RATE;\", which stands in an \"if\" and \
         comes before \"limit_rate\"",
    );
    in_server(
        "session_trace a.trace ^sample=0%;",
        "invalid parameter \"sample=0%\"; a part of all sessions is written as \"5%\", \"0.1%\" or \"1/1000\"",
    );
    in_server("session_trace a.trace ^content=some;", "invalid parameter \"content=some\"");
    in_server("session_trace off ^sample=1%;", "invalid parameter \"sample=1%\"");
    in_location(
        "^session_trace a.trace;",
        "\"session_trace\" directive is not allowed here; \"session_trace\" stands in \"http\" or in \"server\"",
    );
    in_server("^gzip_buffers 4;", "invalid number of arguments in \"gzip_buffers\" directive; it takes 2");
    in_server("^gzip_types;", "invalid number of arguments in \"gzip_types\" directive; it takes at least 1");
    in_location("^use epoll;", "\"use\" directive is not allowed here; \"use\" stands in \"events\"");
    in_location(
        "^content_by_lua_block { x = '}' }",
        "unknown directive \"content_by_lua_block\"; there is no Lua in this version",
    );
    expect("^server { }", "\"server\" directive is not allowed here; \"server\" stands in \"http\"");
    expect(
        "events { ^proxy_pass x; }",
        "\"proxy_pass\" directive is not allowed here; \"proxy_pass\" stands in \"location\" or in an \
         \"if\" of a \"location\"",
    );
    in_http("^pid x;", "\"pid\" directive is not allowed here; \"pid\" stands outside of all blocks");
    expect(
        "^location /b { }",
        "\"location\" directive is not allowed here; \"location\" stands in \"server\" or in \"location\"",
    );
    const IF: &str = "an \"if\" holds return, set, rewrite, break and, in a location, proxy_pass; let a \"map\" make the \
                      value instead, outside of the \"if\": an empty one adds no field";
    for (text, name) in
        [("^location /b { }", "location"), ("^add_header a b;", "add_header"), ("^root /x;", "root")]
    {
        in_location(
            &format!("if ($host) {{ {text} }}"),
            &format!("\"{name}\" directive is not allowed here; {IF}"),
        );
    }
    in_server(
        "if ($host) { ^proxy_pass http://a; }",
        &format!("\"proxy_pass\" directive is not allowed here; {IF}"),
    );
    expect("^http;", "directive \"http\" has no opening \"{\"");
    expect("^pid x { }", "directive \"pid\" is not terminated by \";\"");
    expect("^pid;", "invalid number of arguments in \"pid\" directive; it is written pid file;");
    expect("^http x { }", "invalid number of arguments in \"http\" directive; it is written http { ... }");
    expect("pid a; ^pid b;", "\"pid\" directive is duplicate");
    expect("http { } ^http { }", "\"http\" directive is duplicate");
    in_server("send_timeout 1; ^send_timeout 2;", "\"send_timeout\" directive is duplicate");
    in_location(
        "proxy_pass http://127.0.0.1; ^proxy_pass http://127.0.0.1;",
        "\"proxy_pass\" directive is duplicate",
    );
}

#[test]
fn values() {
    const TIME: &str = "a time is a number and a unit, as in 500ms, 60s, 1m30s, 1h";
    in_http("proxy_read_timeout ^1x;", &format!("\"proxy_read_timeout\" directive invalid value; {TIME}"));
    in_http("keepalive_timeout 1 ^'';", &format!("\"keepalive_timeout\" directive invalid value; {TIME}"));
    in_http(
        "client_max_body_size ^1t;",
        "\"client_max_body_size\" directive invalid value; a size is a number of bytes, or one with k, \
         m or g",
    );
    in_http("keepalive_requests ^-1;", "\"keepalive_requests\" directive invalid number");
    expect("worker_processes ^many;", "\"worker_processes\" directive invalid value");
    expect("worker_processes ^0;", "\"worker_processes\" directive invalid value");
    expect("events { worker_connections ^0; }", "\"worker_connections\" directive invalid value");
    expect("events { worker_connections ^1k; }", "invalid number \"1k\"");
    expect("daemon ^yes;", "invalid value \"yes\" in \"daemon\" directive, it must be \"on\" or \"off\"");
    in_http(
        "proxy_ignore_headers Set-Cookie ^X-Foo;",
        "invalid value \"X-Foo\"; \"proxy_ignore_headers\" is X-Accel-Redirect or X-Accel-Expires or \
         X-Accel-Limit-Rate or X-Accel-Buffering or X-Accel-Charset or Expires or Cache-Control or Set-Cookie or \
         Vary in this version",
    );
    in_location(
        "proxy_http_version ^2;",
        "invalid value \"2\"; \"proxy_http_version\" is 1.0 or 1.1 in this version",
    );
}

#[test]
fn listening() {
    in_server("listen 8080; listen ^*:8080;", "a duplicate listen 0.0.0.0:8080");
    in_server("listen ^99999;", "invalid port in \"99999\" of the \"listen\" directive");
    in_server("listen ^127.0.0.1:x;", "invalid port in \"127.0.0.1:x\" of the \"listen\" directive");
    in_server("listen ^'';", "no host in \"\" of the \"listen\" directive");
    in_server(
        "listen ^nowhere.test:80;",
        "host not found in \"nowhere.test:80\" of the \"listen\" directive; the resolver says: unknown host",
    );
    in_server("listen ^unix:;", "no path in the unix domain socket in \"unix:\" of the \"listen\" directive");
    in_server(
        &format!("listen ^unix:/{};", "x".repeat(107)),
        &format!("too long path in \"unix:/{}\"", "x".repeat(107)),
    );
    in_server("listen ^81-80;", "invalid port range in \"81-80\" of the \"listen\" directive");
    in_server("listen 80 ^fast;", "invalid parameter \"fast\"");
    in_server("listen 80 ^backlog=0;", "invalid backlog \"backlog=0\"");
    in_server("listen 80 ^rcvbuf=x;", "invalid rcvbuf \"rcvbuf=x\"");
    in_server("listen [::]:80 ^ipv6only=x;", "invalid parameter \"ipv6only=x\"");
    in_server(
        "listen 80 ^so_keepalive=x;",
        "invalid so_keepalive value: \"x\"; it is on, off, or idle:interval:count, of which some may \
         be left out",
    );
    in_http(
        "server { listen 80 backlog=5; } server { listen ^80 backlog=5; }",
        "duplicate listen options for 0.0.0.0:80; one \"listen\" of an address may have the options of \
         its socket",
    );
    in_http(
        "server { listen 80 default_server; } server { listen ^80 default_server; }",
        "a duplicate default server for 0.0.0.0:80; one server of an address may be its \"default_server\"",
    );
}

#[test]
fn servers_and_locations() {
    in_server(
        "server_name ^a*b;",
        "server name \"a*b\" is invalid; a mask stands for whole labels at one end: *.example.com, \
         .example.com or example.*",
    );
    in_server("server_name ^~;", "empty regex in server name \"~\"");
    in_server("server_name ^~(a;", "invalid regular expression \"(a\": missing closing parenthesis");
    in_server("location /a { } ^location /a { }", "duplicate location \"/a\"");
    in_server("location = /a { } ^location =/a { }", "duplicate location \"/a\"");
    in_server(
        "location ^! /a { }",
        "invalid location modifier \"!\"; it is =, ^~, ~ or ~*, with a space before the path",
    );
    in_server(
        "location ~ a { } location ~ a { } location @n { } ^location @n { }",
        "duplicate location \"@n\"",
    );
    in_server(
        "location ~ ^[a { }",
        "invalid regular expression \"[a\": missing terminating ] for character class",
    );
    in_server(
        "location = /a { ^location /a/b { } }",
        "location \"/a/b\" cannot be inside the exact location \"/a\"",
    );
    in_server(
        "location @a { ^location /b { } }",
        "location \"/b\" cannot be inside the named location \"@a\"",
    );
    in_location("^location @b { }", "named location \"@b\" can be on the server level only");
    in_location("^location /b { }", "location \"/b\" is outside location \"/a\"");
    in_location("^location = /b { }", "location \"/b\" is outside location \"/a\"");
    in_location(
        "return ^foo;",
        "invalid return code \"foo\"; it takes a code, or a URL that begins with http://, https:// or \
         $scheme",
    );
    in_location(
        "return ^1000;",
        "invalid return code \"1000\"; it is between 200 and 599; 444 closes the connection",
    );
    in_server("return 200 ^$hots;", "unknown \"hots\" variable; did you mean \"$host\"?");
    in_server("return 200 ^'a$';", "invalid variable name");
    in_server("return 200 ^${host;", "the closing bracket in \"host\" variable is missing");
}
