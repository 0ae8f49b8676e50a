//! Where requests go.

use super::{in_http, in_location};

#[test]
fn forwarding() {
    const PREFIX: &str = "\"proxy_pass\" takes a URL that begins with \"http://\" or \"https://\"";
    in_location("proxy_pass ^backend;", &format!("invalid URL prefix; {PREFIX}"));
    in_location("proxy_pass ^https://;", "no host in upstream \"\"");
    in_location("proxy_pass ^ftp://$host;", &format!("invalid URL prefix; {PREFIX}"));
    in_location("proxy_pass ^http://$hots;", "unknown \"hots\" variable; did you mean \"$host\"?");
    in_location("proxy_pass ^http://;", "no host in upstream \"\"");
    in_location("proxy_pass ^http:///a;", "no host in upstream \"\"");
    in_location("proxy_pass ^http://a:0;", "invalid port in upstream \"a:0\"");
    in_location("proxy_pass ^http://u@a;", "invalid host in upstream \"u@a\"");
    in_location("proxy_pass ^http://unix:;", "no path in the unix domain socket in upstream \"unix:\"");
    in_location(
        "^proxy_redirect default;",
        "\"proxy_redirect default\" should be placed after the \"proxy_pass\" directive",
    );
    in_location(
        "proxy_pass http://$host; ^proxy_redirect default;",
        "\"proxy_redirect default\" cannot be used with \"proxy_pass\" directive with variables",
    );
    in_http("proxy_redirect ^on;", "invalid parameter \"on\"; one parameter is \"default\" or \"off\"");
    for name in ["proxy_redirect", "proxy_cookie_domain", "proxy_cookie_path", "proxy_cookie_flags"] {
        let rule = if name == "proxy_cookie_flags" { "a secure" } else { "a b" };
        for (one, other) in [("off", rule), (rule, "off"), ("off", "off")] {
            let text = format!("{name} {one}; ^{name} {other};");
            in_http(&text, &format!("\"{name}\" directive is duplicate"));
        }
    }
    in_http("proxy_cookie_path ^x;", "invalid parameter \"x\"; one parameter is \"off\"");
    in_http("proxy_cookie_flags ^x;", "invalid parameter \"x\"; one parameter is \"off\"");
    in_http(
        "proxy_cookie_flags x secure ^strict;",
        "invalid parameter \"strict\"; a flag is secure, httponly, samesite=strict, samesite=lax, samesite=none, or \
         one of nosecure, nohttponly, nosamesite",
    );
    in_http("proxy_bind ^x;", "invalid address \"x\"");
    in_http("proxy_method ^$x;", "unknown \"x\" variable");
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
    in_http("^upstream a { server 127.0.0.1 backup; }", "no servers in upstream \"a\"");
    in_http("upstream a { zone ^'' 64k; server 127.0.0.1; }", "invalid zone name \"\"");
    in_http("upstream a { zone a ^x; server 127.0.0.1; }", "invalid zone size \"x\"");
    in_http("upstream a { zone ^a 4k; server 127.0.0.1; }", "zone \"a\" is too small; 32k are the least");
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
    const HEAVY: &str = "the weights of upstream \"a\" are too large for \"consistent\"; 62500 are the most in all: \
                         each adds 160 points, and smaller weights of the same proportions do the same";
    for servers in ["server 127.0.0.1 weight=62501;", "server 127.0.0.1 weight=4294967295; server 127.0.0.2;"]
    {
        in_http(&format!("upstream a {{ ^hash $uri consistent; {servers} }}"), HEAVY);
        in_http(&format!("upstream a {{ {servers} ^hash $uri consistent; }}"), HEAVY);
    }
    in_http("upstream a { hash $uri ^x; server 127.0.0.1; }", "invalid parameter \"x\"");
    in_http("upstream a { server ^http://127.0.0.1; }", "invalid host in upstream \"http://127.0.0.1\"");
    in_http(
        "upstream a { server 127.0.0.1;\n server ^nowhere.test:80; }",
        "host not found in upstream \"nowhere.test\"; the resolver says: unknown host",
    );
    in_http("upstream a { server 127.0.0.1; keepalive ^many; }", "\"keepalive\" directive invalid value");
}

#[test]
fn tunnels() {
    in_location("tunnel_pass ^a;", "no port in \"a\"; a tunnel has no default port");
    in_location("tunnel_pass ^$hots:80;", "unknown \"hots\" variable; did you mean \"$host\"?");
    in_location(
        "proxy_pass http://127.0.0.1; ^tunnel_pass;",
        "\"tunnel_pass\" and \"proxy_pass\" in one location; CONNECT is for one, all other methods are for the \
         other: they need a server each",
    );
    in_http(
        "tunnel_allow ^a:443;",
        "invalid host \"a:443\"; it is all, a name, *.name, an address or a network; ports stand \
         behind a space",
    );
}
