//! What is said of mistakes, word for word, and where they are said to be.

mod common;

use common::options;
use underpass_nginx_config::load_text;

/// In each text, `^` stands right before the place that the message names.
fn expect(text: &str, message: &str) {
    let place = text.find('^').expect("a place");
    let before = &text[..place];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let (said, hint) = message.split_once("; ").map_or((message, None), |(said, hint)| (said, Some(hint)));
    let error = load_text("f", text.replacen('^', "", 1), &options()).expect_err(text);
    let whole =
        format!("{said} in f:{line}:{column}{}{}", hint.map_or("", |_| "; "), hint.unwrap_or_default());
    assert_eq!(error.to_string(), whole, "{text}");
}

fn in_http(text: &str, message: &str) {
    expect(&format!("http {{\n    {text}\n}}"), message);
}

fn in_server(text: &str, message: &str) {
    in_http(&format!("server {{\n{text} }}"), message);
}

fn in_location(text: &str, message: &str) {
    in_server(&format!("location /a {{ {text} }}"), message);
}

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
    for (text, name) in [("^ssl_certificate x;", "ssl_certificate"), ("^ssl on;", "ssl")] {
        in_server(
            text,
            &format!(
                "TLS is not in this version: \"{name}\"; let another server terminate TLS in front, \
                 and remove the line"
            ),
        );
    }
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
    expect("daemon ^yes;", "invalid value \"yes\" in \"daemon\" directive, it must be \"on\" or \"off\"");
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
    in_server("listen ^unix:;", "no path in \"unix:\"");
    in_server(
        &format!("listen ^unix:/{};", "x".repeat(107)),
        &format!("too long path in \"unix:/{}\"", "x".repeat(107)),
    );
    in_server("listen ^81-80;", "invalid port range in \"81-80\" of the \"listen\" directive");
    in_server("listen 80 ^fast;", "invalid parameter \"fast\"");
    const SSL: &str = "let another server terminate TLS in front, and listen without it";
    in_server("listen 443 ^ssl;", &format!("TLS is not in this version: \"ssl\"; {SSL}"));
    in_server("listen 443 ^quic;", &format!("TLS is not in this version: \"quic\"; {SSL}"));
    in_server("listen 80 ^backlog=0;", "invalid backlog \"backlog=0\"");
    in_server("listen 80 ^rcvbuf=x;", "invalid rcvbuf \"rcvbuf=x\"");
    in_server("listen [::]:80 ^ipv6only=x;", "invalid ipv6only flags \"x\"");
    in_server("listen 80 ^ipv6only=on;", "ipv6only is not supported on addr \"0.0.0.0:80\"");
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

#[test]
fn forwarding() {
    const PREFIX: &str = "\"proxy_pass\" takes a URL that begins with \"http://\"";
    in_location("proxy_pass ^backend;", &format!("invalid URL prefix; {PREFIX}"));
    in_location("proxy_pass ^https://a;", &format!("TLS is not in this version; {PREFIX}"));
    in_location("proxy_pass ^https://$host;", &format!("TLS is not in this version; {PREFIX}"));
    in_location("proxy_pass ^ftp://$host;", &format!("invalid URL prefix; {PREFIX}"));
    in_location("proxy_pass ^http://$hots;", "unknown \"hots\" variable; did you mean \"$host\"?");
    in_location("proxy_pass ^http://;", "no host in upstream \"\"");
    in_location("proxy_pass ^http:///a;", "no host in upstream \"\"");
    in_location("proxy_pass ^http://a:0;", "invalid port in upstream \"a:0\"");
    in_location("proxy_pass ^http://u@a;", "invalid host in upstream \"u@a\"");
    in_location("proxy_pass ^http://unix:;", "no path in \"http://unix:\"");
    in_location(
        "^proxy_redirect default;",
        "\"proxy_redirect default\" should be placed after the \"proxy_pass\" directive",
    );
    in_location(
        "proxy_pass http://$host; ^proxy_redirect default;",
        "\"proxy_redirect default\" cannot be used with \"proxy_pass\" directive with variables",
    );
    in_http("proxy_redirect ^on;", "invalid parameter \"on\"; one parameter is \"default\" or \"off\"");
    in_http("proxy_cookie_path ^x;", "invalid parameter \"x\"; one parameter is \"off\"");
    in_location("proxy_pass http://127.0.0.1; proxy_bind ^x;", "invalid address \"x\"");
    in_location(
        "proxy_pass http://127.0.0.1; proxy_bind 127.0.0.1 ^transparent;",
        "invalid parameter \"transparent\"; \"transparent\" is not in this version",
    );
    in_location(
        "proxy_pass ^http://127.0.0.1?a;",
        "invalid URI in \"proxy_pass\"; it begins with \"/\", without spaces, control characters and \"#\"",
    );
    in_location(
        "proxy_pass ^http://nowhere.test/;",
        "host not found in upstream \"nowhere.test\"; the resolver says: unknown host",
    );
    in_http(
        "upstream a { server 127.0.0.1; } server { location / { proxy_pass ^http://a:80; } }",
        "upstream \"a\" may not have port 80; the ports stand in the \"upstream\" block",
    );
    in_location(
        "proxy_set_header ^'a b' c;",
        "invalid field name \"a b\"; a field name consists of letters, digits and !#$%&'*+-.^_`|~ only",
    );
    in_http("proxy_set_header A ^$b;", "unknown \"b\" variable");
}

#[test]
fn upstreams() {
    in_http("^upstream a { }", "no servers are inside upstream");
    in_http("upstream a { server 127.0.0.1; } upstream ^A { server 127.0.0.1; }", "duplicate upstream \"A\"");
    for parameter in ["fast", "weight=0", "weight=x", "weight", "max_conns=-1", "fail_timeout=x", "down=1"] {
        in_http(
            &format!("upstream a {{ server 127.0.0.1 ^{parameter}; }}"),
            &format!("invalid parameter \"{parameter}\""),
        );
    }
    in_http(
        "upstream a { server 127.0.0.1 ^slow_start=5s; }",
        "invalid parameter \"slow_start=5s\"; \"slow_start\" is not in this version",
    );
    in_http(
        "upstream a { server 127.0.0.1 ^backup; hash $uri; }",
        "balancing method does not support parameter \"backup\"",
    );
    in_http("upstream a { random ^one; server 127.0.0.1; }", "invalid parameter \"one\"");
    in_http("upstream a { hash $uri ^x; server 127.0.0.1; }", "invalid parameter \"x\"");
    in_http("upstream a { server ^http://127.0.0.1; }", "invalid host in upstream \"http://127.0.0.1\"");
    in_http(
        "upstream a { server 127.0.0.1;\n server ^nowhere.test:80; }",
        "host not found in upstream \"nowhere.test\"; the resolver says: unknown host",
    );
    in_http("upstream a { server 127.0.0.1; keepalive ^many; }", "\"keepalive\" directive invalid value");
}

#[test]
fn maps() {
    let in_map = |pairs: &str, message: &str| in_http(&format!("map $uri $x {{ {pairs} }}"), message);
    in_http("map ^$a $b { }", "unknown \"a\" variable; did you mean \"$b\"?");
    const NAME: &str = "it begins with \"$\", letters, digits and _ follow";
    in_http("map $uri ^b { }", &format!("invalid variable name \"b\"; {NAME}"));
    in_http(
        "map $uri ^$request_uri { }",
        "the duplicate \"request_uri\" variable; this variable is built in: choose another name",
    );
    in_map("default 1; ^default 2;", "duplicate default map parameter");
    in_map("a 1; ^A 2;", "conflicting parameter \"A\"");
    const PAIR: &str = "a pair is a value and what the variable is then; text with spaces stands in quotes";
    for pair in ["^a;", "^a 1 2;", "^default;"] {
        in_map(pair, &format!("invalid number of the map parameters; {PAIR}"));
    }
    in_map("^a { b; }", "unexpected \"{\"; this block holds pairs, each ends in \";\"");
    in_map("^~(a 1;", "invalid regular expression \"(a\": missing closing parenthesis");
    in_map("hostnames; ^a* 1;", "invalid hostname or wildcard \"a*\"");
    in_map("a ^$zzz;", "unknown \"zzz\" variable");
    in_http(
        "map $a $first { } map $b ^$a { } map $a $b { }",
        "cycle while evaluating variable \"a\"; maps use each other in a circle",
    );
    in_http(
        "map $uri ^$a { b $a; }",
        "cycle while evaluating variable \"a\"; maps use each other in a circle",
    );
}

#[test]
fn addresses_and_shares() {
    let in_geo = |pairs: &str, message: &str| in_http(&format!("geo $x {{ {pairs} }}"), message);
    in_geo("^10.0.0.0/40 a;", "invalid network \"10.0.0.0/40\"");
    in_geo("^a;", "invalid number of the geo parameters");
    in_geo("^a 1 2;", "invalid number of the geo parameters");
    in_geo(
        "default 1; ^ranges;",
        "the \"ranges\" directive must be the first directive inside \"geo\" block",
    );
    in_geo("ranges; ^10.0.0.9-10.0.0.1 a;", "invalid range \"10.0.0.9-10.0.0.1\"");
    in_geo(
        "^proxy 10.0.0.1;",
        "\"proxy\" of a \"geo\" block is not in this version; addresses behind trusted proxies are \
         taken by \"set_real_ip_from\" in this version",
    );
    let in_split =
        |pairs: &str, message: &str| in_http(&format!("split_clients $uri $x {{ {pairs} }}"), message);
    const SHARE: &str = "a share has at most two places, as in 0.25%, or is \"*\" for the rest";
    for share in ["5", "a%", "0.123%", "1.%", "0%"] {
        in_split(&format!("^{share} a;"), &format!("invalid percent value \"{share}\"; {SHARE}"));
    }
    in_split("60% a; ^50% b;", "percent total is greater than 100%");
    in_split("^60%;", "invalid number of the split_clients parameters");
}

#[test]
fn rewriting() {
    const FLAG: &str = "the flag is last, break, redirect or permanent";
    in_server("rewrite a b ^c;", &format!("invalid parameter \"c\"; {FLAG}"));
    in_server("rewrite ^(a b;", "invalid regular expression \"(a\": missing closing parenthesis");
    in_server("rewrite a ^$b;", "unknown \"b\" variable");
    in_server("set ^a b;", "invalid variable name \"a\"; it begins with \"$\", letters, digits and _ follow");
    in_server(
        "set ^$host b;",
        "the duplicate \"host\" variable; this variable is built in: choose another name",
    );
    in_http(
        "map $uri $m { } server { location ~ ^(?<m>.) { } }",
        "the duplicate \"m\" variable; a block defines it already: choose another name",
    );
    in_server(
        "location ~ ^(?<host>.) { }",
        "the duplicate \"host\" variable; this variable is built in: choose another name",
    );
    const PARENTHESES: &str = "a condition stands in parentheses";
    const FORMS: &str = "it is ($variable), ($variable = text), or with !=, ~, ~*, !~, !~* in the place of =";
    in_server("if ^$host { }", &format!("invalid condition \"$host\"; {PARENTHESES}"));
    in_server("if (^$host { }", &format!("invalid condition \"$host\"; {PARENTHESES}"));
    in_server("if ^() { }", &format!("invalid condition \"()\"; {PARENTHESES}"));
    in_server("if (^host) { }", &format!("invalid condition \"host\"; {FORMS}"));
    in_server("if (^$host = a b) { }", &format!("invalid condition \"$host\"; {FORMS}"));
    in_server(
        "if ($host ^== a) { }",
        "unexpected \"==\" in condition; there are =, !=, ~, ~*, !~ and !~*, with spaces around",
    );
    in_server("if ($host ~ ^(a) { }", "invalid regular expression \"(a\": missing closing parenthesis");
    in_server(
        "if (^!-f $request_filename) { }",
        "invalid condition \"!-f\"; files are not looked at in this version: remove the \"if\"",
    );
    const URI: &str = "\"proxy_pass\" cannot have URI part in location given by regular expression, or \
                       inside named location, or inside \"if\" statement, or inside \"limit_except\" block; \
                       remove what follows the address";
    in_location("if ($host) { proxy_pass ^http://127.0.0.1/; }", URI);
    in_server("location ~ a { proxy_pass ^http://127.0.0.1/; }", URI);
    in_server("location @a { proxy_pass ^http://127.0.0.1/; }", URI);
}

#[test]
fn answers() {
    in_http("error_page ^200 /x;", "value \"200\" must be between 300 and 599");
    in_http(
        "error_page ^a /x;",
        "invalid value \"a\"; an error_page is codes, perhaps =CODE, and where they lead to",
    );
    in_http("error_page 404 ^=x /x;", "invalid value \"=x\"");
    in_http("error_page ^=404 /x;", "invalid value \"=404\"");
    in_http("error_page 404 ^/$x;", "unknown \"x\" variable");
    in_http(
        "add_header A b ^c;",
        "invalid parameter \"c\"; there is \"always\"; text with spaces stands in quotes",
    );
    in_http(
        "add_header ^'A:' b;",
        "invalid field name \"A:\"; a field name consists of letters, digits and !#$%&'*+-.^_`|~ only",
    );
    const EXPIRES: &str = "it takes a time from the request on, such as 1h or -1, epoch, max or off";
    in_http("expires ^x;", "\"expires\" directive invalid value");
    in_http("expires ^@15h;", &format!("a time of the day in \"expires\" is not in this version; {EXPIRES}"));
    in_http(
        "expires ^modified 1h;",
        &format!("\"modified\" in \"expires\" is not in this version; {EXPIRES}"),
    );
    in_http("expires ^$x;", &format!("a variable in \"expires\" is not in this version; {EXPIRES}"));
    in_http(
        "types { ^text/x; }",
        "invalid number of arguments in \"types\" directive; a pair is a type and its extensions",
    );
    in_http("resolver ^valid=x;", "invalid parameter: valid=x");
    in_http("^resolver 127.0.0.1 ipv4=off ipv6=off;", "\"ipv4\" and \"ipv6\" cannot both be \"off\"");
    in_http("^resolver valid=1s;", "no name servers defined");
    in_http(
        "resolver ^nowhere.test;",
        "host not found in name server \"nowhere.test\"; the resolver says: unknown host",
    );
    in_http("set_real_ip_from ^10.0.0.0/40;", "invalid network \"10.0.0.0/40\"");
    in_http(
        "set_real_ip_from ^nowhere.test;",
        "host not found in set_real_ip_from \"nowhere.test\"; the resolver says: unknown host",
    );
    in_http("large_client_header_buffers ^0 8k;", "\"large_client_header_buffers\" directive invalid value");
    in_http("large_client_header_buffers 4 ^x;", "\"large_client_header_buffers\" directive invalid value");
    expect(
        "worker_cpu_affinity ^012;",
        "invalid character \"2\" in \"worker_cpu_affinity\"; a mask is written in binary, as 0101",
    );
}

#[test]
fn logs() {
    in_http("access_log a ^b;", "unknown log format \"b\"");
    in_http("access_log off ^b;", "invalid parameter \"b\"");
    in_http("access_log a combined ^buffer=x;", "invalid buffer size \"buffer=x\"");
    in_http("access_log a combined buffer=1k ^flush=0;", "invalid flush time \"flush=0\"");
    in_http("access_log a combined ^x=0;", "invalid parameter \"x=0\"");
    in_http(
        "access_log ^a combined flush=1;",
        "no buffer is defined for access_log \"a\"; \"flush=\" needs \"buffer=\"",
    );
    in_http(
        "access_log a combined buffer=1k; access_log ^a combined buffer=2k;",
        "access_log \"/prefix/a\" already defined with conflicting parameters",
    );
    in_http("access_log ^syslog:server=a;", "logs to \"syslog:\" are not in this version");
    in_http("access_log ^$host.log;", "variables in the name of a log file are not in this version");
    in_http("log_format a b; log_format ^a c;", "duplicate \"log_format\" name \"a\"");
    in_http("log_format ^combined c;", "duplicate \"log_format\" name \"combined\"");
    in_http(
        "log_format a ^escape=xml c;",
        "unknown log format escaping \"xml\"; it is default, json or none",
    );
    in_http("log_format a b\n ^$stats;", "unknown \"stats\" variable; did you mean \"$status\"?");
    const LEVELS: &str = "it is one of debug, info, notice, warn, error, crit, alert, emerg";
    expect("error_log a ^loud;", &format!("invalid log level \"loud\"; {LEVELS}"));
    expect(
        "error_log a warn ^info;",
        "invalid parameter \"info\"; one level is enough: more serious events are included",
    );
}
