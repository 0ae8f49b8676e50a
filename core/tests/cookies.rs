//! `proxy_cookie_flags` (J5): what nginx makes of the same lines. The table was taken from it.

mod common;

use common::demands::http;

const RULES: &str = "proxy_cookie_flags a secure httponly samesite=lax;
    proxy_cookie_flags b nosecure nohttponly nosamesite;
    proxy_cookie_flags ~^re.$ samesite=strict;
    proxy_cookie_flags $arg_name $arg_flag samesite=none;
    proxy_cookie_flags d secure nosecure;
    proxy_cookie_flags e samesite=lax samesite=strict nosamesite;";

/// What the client gets of `cookie` in a location with `rules`.
fn given(rules: &str, target: &str, cookie: &str) -> String {
    let mut world = http(&format!(
        "access_log off; server {{ listen 127.0.0.1:8080;
         location / {{ proxy_pass http://127.0.0.1:9000; {rules} }} }}"
    ));
    world.client_sends(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
    world.origin_sends(format!("HTTP/1.1 204 No Content\r\nSet-Cookie: {cookie}\r\n\r\n"));
    let received = String::from_utf8_lossy(world.client.received()).into_owned();
    let lines = received.lines().filter_map(|line| line.strip_prefix("Set-Cookie: "));
    lines.collect::<Vec<_>>().join("|")
}

#[test]
fn flags_are_set_and_taken_away() {
    for (cookie, expected) in [
        ("a=1", "a=1; Secure; HttpOnly; SameSite=Lax"),
        ("a=1; Path=/", "a=1; Path=/; Secure; HttpOnly; SameSite=Lax"),
        ("a=1;Path=/;secure", "a=1; Path=/; secure; HttpOnly; SameSite=Lax"),
        ("A=1; SECURE; HttpOnly", "A=1; SECURE; HttpOnly; SameSite=Lax"),
        ("a=1; SameSite=None", "a=1; SameSite=Lax; Secure; HttpOnly"),
        ("a=1; samesite; Secure=x", "a=1; SameSite=Lax; Secure=x; HttpOnly"),
        ("a", "a"),
        ("a=", "a=; Secure; HttpOnly; SameSite=Lax"),
        ("=x", "=x; SameSite=None"),
        ("a=1; Secure; Secure", "a=1; Secure; Secure; HttpOnly; SameSite=Lax"),
        ("a=1;;", "a=1; ; ; Secure; HttpOnly; SameSite=Lax"),
        ("a =1", "a=1; Secure; HttpOnly; SameSite=Lax"),
        ("a=1; x = y ;  z", "a=1; x=y; z; Secure; HttpOnly; SameSite=Lax"),
        ("b=1; Secure; HttpOnly; SameSite=Lax; Path=/", "b=1; Path=/"),
        ("b=1;Path=/", "b=1; Path=/"),
        ("b=1; Secure=1; secure ; httponly", "b=1"),
        ("rex=1", "rex=1; SameSite=Strict"),
        ("REX=2", "REX=2; SameSite=Strict"),
        ("rexx=1", "rexx=1"),
        ("c=1;x", "c=1;x"),
        ("d=1", "d=1; Secure"),
        ("d=1;Secure", "d=1; Secure"),
        ("e=1", "e=1; SameSite=Strict"),
        ("ab=1", "ab=1"),
    ] {
        assert_eq!(given(RULES, "/", cookie), expected, "{cookie}");
    }
}

#[test]
fn names_and_flags_have_variables() {
    for (target, cookie, expected) in [
        ("/?name=n&flag=secure", "n=1", "n=1; Secure; SameSite=None"),
        ("/?name=n&flag=bad", "n=1", "n=1; SameSite=None"),
        ("/?name=n&flag=", "n=1", "n=1; SameSite=None"),
        ("/?name=&flag=secure", "n=1", "n=1"),
    ] {
        assert_eq!(given(RULES, target, cookie), expected, "{target}");
    }
}

/// RFC 6265bis: of several attributes of a name the last one counts, so each is changed (nginx: the first).
#[test]
fn every_same_site_is_the_one_that_was_configured() {
    let expected = "a=1; SameSite=Lax; SameSite=Lax; Secure; HttpOnly";
    assert_eq!(given(RULES, "/", "a=1; SameSite=None; samesite=x"), expected);
    assert_eq!(given(RULES, "/", "e=1; SameSite=q"), "e=1; SameSite=Strict");
}

#[test]
fn flags_go_with_other_changes_and_off_ends_them() {
    let rules = "proxy_cookie_flags a secure; proxy_cookie_path / /x; proxy_cookie_domain o.test h.test;";
    assert_eq!(given(rules, "/", "a=1;Path=/q;foo"), "a=1; Path=/xq; foo; Secure");
    assert_eq!(given(rules, "/", "a=1; domain=o.test"), "a=1; domain=h.test; Secure");
    assert_eq!(given("proxy_cookie_flags off;", "/", "a=1"), "a=1");
    assert_eq!(given("proxy_cookie_flags ~ httponly;", "/", "any=1"), "any=1; HttpOnly");
}
