//! What of a configuration is masked where it is shown.

use std::sync::Arc;

use super::*;
use crate::syntax::{Printed, parse};

fn told(text: &str) -> String {
    let tree = parse(&Arc::from("f"), text.as_bytes()).expect("syntax");
    Printed(&masked(&tree)).to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_may_be_a_secret_is_masked() {
    for (text, expected) in [
        (
            "proxy_set_header Authorization \"Bearer s3cr3t\";",
            "proxy_set_header Authorization \"Bearer xxxxxx\";",
        ),
        ("proxy_set_header X-Key \"a-$http_x-b\";", "proxy_set_header X-Key \"xx${http_x}xx\";"),
        ("proxy_set_header Host a.test;", "proxy_set_header Host a.test;"),
        ("add_header X-Key ${a}secret always;", "add_header X-Key \"${a}xxxxxx\" always;"),
        ("return 200 \"a secret\";", "return 200 \"x xxxxxx\";"),
        ("return 302 https://h/?a=$x&k=secret;", "return 302 https://h/?a=$x&k=xxxxxx;"),
        ("return 404;", "return 404;"),
        ("env KEY=secret;", "env KEY=xxxxxx;"),
        ("fastcgi_param KEY secret;", "fastcgi_param KEY xxxxxx;"),
        ("rewrite ^/a$ /b?k=secret&c=$1 last;", "rewrite ^/a$ /b?k=xxxxxx&c=$1 last;"),
        ("proxy_pass http://h/a?k=secret;", "proxy_pass http://h/a?k=xxxxxx;"),
        ("if ($http_x_key != secret) { return 403; }", "if ($http_x_key != xxxxxx) { return 403; }"),
        ("if ( $arg_key = secret ) { }", "if ( $arg_key = xxxxxx ) { }"),
        ("if ($arg_key = \"s3-cret\") { }", "if ($arg_key = xx-xxxx ) { }"),
        (
            "if ($http_authorization !~ \"^Bearer s3cret$\") { }",
            "if ($http_authorization !~ \"^Bearer xxxxxx$\" ) { }",
        ),
        ("if ($args ~ (^|&)token=secret) { }", "if ($args ~ (^|&)token=xxxxxx) { }"),
        ("if ($http_upgrade = websocket) { }", "if ($http_upgrade = websocket) { }"),
        ("if ($host ~* ^chat.example$) { }", "if ($host ~* ^chat.example$) { }"),
        (
            "map $http_x_key $ok { default 0; first1 1; second 1; secret 1; ~^abcdef 1; }",
            "map $http_x_key $ok { default 0; xxxxxx 1; ~^xxxxxx 1; }",
        ),
        (
            "map $host $key { a.test secret; } proxy_set_header X-Key $key;",
            "map $host $key { a.test xxxxxx; } proxy_set_header X-Key $key;",
        ),
    ] {
        assert_eq!(told(text), expected);
    }
}

#[test]
fn what_a_session_decides_by_stays() {
    for text in [
        "map $http_upgrade $connection_upgrade { default upgrade; \"\" close; } \
         proxy_set_header Connection $connection_upgrade;",
        "map $host $backend { a.test first_group; } proxy_pass http://$backend;",
        "set $name origin.example; set $target http://$name; proxy_pass $target;",
        "set $test A; set $test \"${test}B\"; if ($test = AB) { return 403; }",
        "set $block 0; if ($http_x_key) { set $block 1; } if ($block) { return 403; }",
        "map $http_origin $ok { ~^https://[a-z]+\\.example$ 1; } if ($ok) { return 204; }",
        "geo $limited { default 1; 10.0.0.0/8 0; } limit_req_zone $limited zone=a:1m rate=1r/s;",
        "location ~ ^/token/[0-9]+$ { proxy_read_timeout 60s; }",
    ] {
        let same = parse(&Arc::from("f"), text.as_bytes()).expect("syntax");
        let same = Printed(&same).to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(told(text), same);
    }
}
