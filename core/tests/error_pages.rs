//! `error_page`, `internal`, `proxy_intercept_errors`, `return 444`.

use std::sync::Arc;

use underpass_core::{
    Admission, Disposal, Outcome, Refusal, RequestHead,
    config::{Config, ErrorPage, ErrorStatus, ErrorTarget, Handler, Location, Return, Route, Router},
    template::Template,
};
use underpass_testkit::session_world::{Connect, World, config_of};

/// A server with these blocks in it.
fn world(blocks: &str) -> World {
    World::new(config_of(&format!(
        "http {{ log_format f '$status $request_method $uri [$upstream_addr] [$upstream_status]'; access_log log f;
         server {{ listen 127.0.0.1:8080; {blocks}
         location /page {{ return 200 'page $uri?$args $request_uri $request_method'; }}
         location @named {{ return 200 'named $uri $request_method'; }}
         location @fallback {{ proxy_pass http://127.0.0.1:9001; }}
         location /fetched {{ proxy_pass http://127.0.0.1:9002; }} }} }}"
    )))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Status code, `Location` and content of the last response.
fn answer(world: &World) -> String {
    let got = text(world.client.received());
    let (head, content) = got.split_once("\r\n\r\n").expect("a head");
    let location = head.lines().find_map(|line| line.strip_prefix("Location: "));
    format!("{} {}", &head[9..12], location.unwrap_or_else(|| content.trim_end()))
}

fn answer_to(blocks: &str, request: &str) -> String {
    let mut world = world(blocks);
    world.client_sends(request);
    assert!(world.origins.is_empty(), "{request}: nobody is asked");
    answer(&world)
}

const GET: &str = "GET /x?q HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST /x?q HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";

#[test]
fn an_error_of_our_own_is_answered_by_its_page() {
    for (pages, expected) in [
        ("error_page 404 /page;", "404 page /page? /x?q GET"),
        ("error_page 404 /page?a=b;", "404 page /page?a=b /x?q GET"),
        ("error_page 404 /page?$args;", "404 page /page?q /x?q GET"),
        ("error_page 404 =201 /page;", "201 page /page? /x?q GET"),
        ("error_page 404 = /page;", "200 page /page? /x?q GET"),
        ("error_page 403 404 405 /page;", "404 page /page? /x?q GET"),
        ("error_page 404 @named;", "404 named /x POST"),
        ("error_page 404 = @named;", "200 named /x POST"),
        ("error_page 404 http://h/e;", "302 http://h/e"),
        ("error_page 404 =301 http://h/e$uri;", "301 http://h/e/x"),
        ("error_page 404 =200 http://h/e;", "302 http://h/e"),
        ("error_page 403 /page;", "404 404 Not Found"),
        // The first that has the status counts.
        ("error_page 404 /page; error_page 404 @named;", "404 page /page? /x?q GET"),
    ] {
        assert_eq!(answer_to(&format!("location /x {{ {pages} return 404; }}"), POST), expected, "{pages}");
    }
}

#[test]
fn a_text_is_no_error_and_a_redirection_may_have_a_page() {
    for (answers, expected) in [
        ("error_page 404 /page; return 404 text;", "404 text"),
        ("error_page 302 = @named; return 302 /y;", "200 http://a:8080/y"),
        ("error_page 302 = @named; rewrite ^ /y redirect;", "200 http://a:8080/y?q"),
        ("error_page 300 = @named; return 300;", "300 "),
    ] {
        assert_eq!(answer_to(&format!("location /x {{ {answers} }}"), GET), expected, "{answers}");
    }
}

#[test]
fn a_page_s_own_error_has_no_page_unless_that_is_wanted() {
    let blocks = |recursive: &str| {
        format!(
            "recursive_error_pages {recursive}; location /x {{ error_page 404 /y; return 404; }}
             location /y {{ error_page 403 /page; return 403; }}"
        )
    };
    assert_eq!(answer_to(&blocks("off"), GET), "403 403 Forbidden");
    assert_eq!(answer_to(&blocks("on"), GET), "403 page /page? /x?q GET");
    assert_eq!(answer_to(&blocks("on"), POST), "403 page /page? /x?q GET");
    let endless = "recursive_error_pages on; error_page 404 /x; location /x { return 404; }";
    assert_eq!(answer_to(endless, GET), "500 500 Internal Server Error");
    // The server's own directives are taken once more on the way to a page: a trap, in nginx too.
    assert_eq!(answer_to("error_page 503 /page; return 503;", GET), "503 503 Service Unavailable");
}

#[test]
fn a_redirect_from_a_page_is_one() {
    assert_eq!(
        answer_to(
            "location /x { error_page 404 /y; return 404; } location /y { return 302 http://h/; }",
            GET
        ),
        "302 http://h/"
    );
}

/// The redirect's own field stands in whatever response its page has, as in nginx, and the last redirect's where there are
/// several.
#[test]
fn a_redirect_that_a_page_answers_keeps_its_location() {
    for (blocks, expected) in [
        ("location /x { error_page 302 /page; return 302 /y?z; }", "302 http://a:8080/y?z"),
        ("location /x { error_page 302 /page; return 302 http://h/; }", "302 http://h/"),
        ("location /x { error_page 302 /page; rewrite ^ /y redirect; }", "302 http://a:8080/y?q"),
        ("location /x { error_page 301 =200 /page; rewrite ^ /y permanent; }", "200 http://a:8080/y?q"),
        (
            "location /x/ { proxy_pass http://127.0.0.1:9000; } error_page 301 /page;",
            "301 http://a:8080/x/?q",
        ),
        ("location /x { error_page 307 @named; return 307 /y; }", "307 http://a:8080/y"),
        // As the page's location has it: it is the one that answers.
        (
            "location /x { error_page 302 /z; return 302 /y; } location /z { absolute_redirect off; return 204; }",
            "302 /y",
        ),
        (
            "location /x { error_page 302 /z; return 302 /y; } location /z { return 404; }",
            "404 http://a:8080/y",
        ),
        (
            "location /x { error_page 302 /z; return 302 /y; } location /z { return 303 /v; }",
            "303 http://a:8080/v",
        ),
        ("location /x { error_page 302 http://h/; return 302 /y; }", "302 http://h/"),
    ] {
        assert_eq!(answer_to(blocks, GET), expected, "{blocks}");
    }
}

#[test]
fn a_forwarded_page_has_one_location() {
    for (fields, in_location, expected) in [
        ("", "", "302 http://a:8080/y"),
        ("Location: /up\r\n", "", "302 /up"),
        ("Location: /up\r\n", "proxy_hide_header Location;", "302 http://a:8080/y"),
    ] {
        let mut world = world(&format!(
            "location /x {{ error_page 302 /z; return 302 /y; }}
             location /z {{ proxy_pass http://127.0.0.1:9000; {in_location} }}"
        ));
        world.client_sends(GET);
        world.origin_sends(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok"));
        assert_eq!(answer(&world), expected, "{fields} {in_location}");
        assert_eq!(text(world.client.received()).matches("Location").count(), 1, "{fields}");
    }
}

#[test]
fn a_redirect_that_can_t_be_sent_leads_nowhere() {
    let mut world = world("set $x 'a\nb'; location /x { add_header X $x always; return 302 /y; }");
    world.client_sends(GET);
    assert_eq!(answer(&world), "400 400 Bad Request");
}

#[test]
fn a_redirect_s_location_is_forgotten_with_its_request() {
    let mut world = world("location /x { error_page 302 /page; return 302 /y; }");
    world.client_sends(GET);
    let before = world.client.received().len();
    world.client_sends("GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(!text(&world.client.received()[before..]).contains("Location"));
}

#[test]
fn an_internal_location_is_closed_to_clients() {
    let blocks = "location /x { internal; return 200 inside; } location /y { rewrite ^ /x last; }
                  location /z { error_page 404 /x; return 404; } location /set { set $args a; rewrite ^/no /x; }";
    assert_eq!(answer_to(blocks, GET), "404 404 Not Found");
    assert_eq!(answer_to(blocks, "GET /y HTTP/1.1\r\nHost: a\r\n\r\n"), "200 inside");
    assert_eq!(answer_to(blocks, "GET /z HTTP/1.1\r\nHost: a\r\n\r\n"), "404 inside");
    assert_eq!(
        answer_to("error_page 404 = @named; location /x { internal; return 200 inside; }", GET),
        "200 named /x GET"
    );
}

#[test]
fn return_444_says_nothing() {
    let mut world = world("location /x { return 444; }");
    world.client_sends(GET);
    assert_eq!(text(world.client.received()), "");
    assert!(world.done && world.closed.is_some());
    assert_eq!(world.exchanges[0].outcome, Outcome::Unanswered);
    assert_eq!(world.log, ["444 GET /x [-] [-]"]);
}

#[test]
fn an_origin_server_that_fails_is_replaced_by_another() {
    let mut world =
        world("location /x { error_page 502 504 = @fallback; proxy_pass http://127.0.0.1:9000; }");
    world.connects.push_back(Connect::Refuse);
    world.client_sends(POST);
    let forwarded = text(world.origin().received());
    assert!(forwarded.starts_with("POST /x?q HTTP/1.1\r\n"), "{forwarded}");
    assert!(forwarded.ends_with("\r\n\r\nabc"), "{forwarded}");
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(answer(&world), "200 ok");
    assert_eq!(world.log, ["200 POST /x [127.0.0.1:9000 : 127.0.0.1:9001] [502 : 200]"]);
    // The connection goes on.
    world.client_sends("GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(world.exchanges.len(), 2);
    assert_eq!(world.log[1], "200 GET /page [-] [-]");
}

#[test]
fn content_that_has_gone_upstream_can_t_go_to_another_location() {
    let mut world = world("location /x { error_page 502 @fallback; proxy_pass http://127.0.0.1:9000; }");
    world.client_sends(POST);
    assert!(text(world.origin().received()).ends_with("abc"));
    world.origin_ends();
    assert_eq!(world.origins.len(), 1);
    assert_eq!(answer(&world), "502 502 Bad Gateway");
    assert_eq!(world.exchanges[0].status, 502);
}

#[test]
fn nor_can_content_that_was_dropped() {
    for (request, expected) in
        [(POST, "502 502 Bad Gateway"), ("GET /x HTTP/1.1\r\nHost: a\r\n\r\n", "200 ok")]
    {
        let mut world = world(
            "location /x { error_page 502 = @fallback; proxy_pass_request_body off; proxy_pass http://127.0.0.1:9000; }",
        );
        world.connects.push_back(Connect::Refuse);
        world.client_sends(request);
        if let Some(fallback) = world.origins.last_mut() {
            fallback.end.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            world.run();
        }
        assert_eq!(answer(&world), expected, "{request}");
    }
}

#[test]
fn but_a_page_can_be_fetched_without_it() {
    let mut world = world("location /x { error_page 502 /fetched; proxy_pass http://127.0.0.1:9000; }");
    world.client_sends(POST);
    world.origin_ends();
    let forwarded = text(world.origin().received());
    assert!(forwarded.starts_with("GET /fetched HTTP/1.1\r\n"), "{forwarded}");
    assert!(forwarded.contains("\r\nContent-Length: 0\r\n"), "{forwarded}");
    world.origin_sends("HTTP/1.1 200 Fine\r\nContent-Length: 4\r\n\r\npage");
    let got = text(world.client.received());
    assert!(got.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{got}");
    assert_eq!(answer(&world), "502 page");
    assert_eq!(world.log, ["502 GET /fetched [127.0.0.1:9000 : 127.0.0.1:9002] [502 : 200]"]);
    // All of the request was read: the connection goes on.
    world.client_sends("GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(world.exchanges.len(), 2);
}

#[test]
fn behind_content_that_was_given_up_no_request_is_read() {
    let mut world = world("location /x { error_page 502 /fetched; proxy_pass http://127.0.0.1:9000; }");
    world.client_sends("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nabc");
    world.origin_ends();
    assert!(text(world.origin().received()).starts_with("GET /fetched "));
    world.client_sends("GET /page HTTP/1.1\r\nHost: a\r\n\r\nGET /page HTTP/1.1\r\nHost: a\r\n\r\n");
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage");
    let got = text(world.client.received());
    assert!(got.contains("\r\nConnection: close\r\n"), "{got}");
    assert_eq!(answer(&world), "502 page");
    while !world.done {
        assert!(world.elapse_to_deadline(), "it never ends");
    }
    assert_eq!(world.exchanges.len(), 1);
}

#[test]
fn a_page_that_is_slow_is_timed() {
    let mut world = world("location /x { error_page 502 /fetched; proxy_pass http://127.0.0.1:9000; }");
    world.client_sends("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nabc");
    world.origin_ends();
    while !world.done {
        assert!(world.elapse_to_deadline(), "it never ends");
    }
    assert_eq!(world.exchanges[0].status, 504);
}

#[test]
fn content_that_is_too_large_has_a_page() {
    let blocks = |target: &str| {
        format!(
            "client_max_body_size 2; location /x {{ error_page 413 {target}; proxy_pass http://127.0.0.1:9000; }}"
        )
    };
    for (target, expected) in [
        ("/page", "413 page /page? /x?q GET"),
        ("@named", "413 named /x POST"),
        // Nobody gets content that was refused.
        ("@fallback", "413 413 Content Too Large"),
    ] {
        let mut world = world(&blocks(target));
        world.client_sends(POST);
        assert_eq!(answer(&world), expected, "{target}");
        assert!(world.origins.is_empty());
        world.client_sends(GET);
        assert_eq!(world.exchanges.len(), 1, "{target}: nothing is read behind it");
    }
}

#[test]
fn a_request_that_was_not_understood_goes_nowhere() {
    let blocks =
        "error_page 400 408 411 431 501 505 /fetched; location / { proxy_pass http://127.0.0.1:9000; }";
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n",
    ] {
        let mut world = world(blocks);
        world.client_sends(request);
        assert!(world.origins.is_empty(), "{request}");
        assert!(text(world.client.received()).contains("\r\nConnection: close\r\n"), "{request}");
    }
    let mut world = world(blocks);
    world.client_sends("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    world.client_sends("zz\r\n");
    assert_eq!(world.origins.len(), 1, "the first was asked; the page isn't fetched");
    assert_eq!(&answer(&world)[..3], "400");
}

#[test]
fn an_origin_servers_error_is_intercepted_where_that_is_wanted() {
    let blocks = |intercepts: &str, target: &str| {
        format!(
            "location /x {{ proxy_intercept_errors {intercepts}; error_page 500 {target};
             proxy_pass http://127.0.0.1:9000; }}"
        )
    };
    let world_of = |intercepts: &str, target: &str, response: &str| {
        let mut world = world(&blocks(intercepts, target));
        world.client_sends(GET);
        world.origin_sends(response);
        world
    };
    let error = "HTTP/1.1 500 Oh\r\nContent-Length: 3\r\n\r\nbad";
    assert_eq!(answer(&world_of("off", "/page", error)), "500 bad");
    let world = world_of("on", "/page", error);
    assert_eq!(answer(&world), "500 page /page? /x?q GET");
    assert!(matches!(world.releases[0].1, Disposal::Close(_)), "there was content on it");
    assert_eq!(world.log, ["500 GET /page [127.0.0.1:9000] [500]"]);
    let world = world_of("on", "/page", "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(answer(&world), "500 page /page? /x?q GET");
    assert_eq!(world.releases[0].1, Disposal::Pool);
    assert_eq!(answer(&world_of("on", "/page", "HTTP/1.1 503 Oh\r\nContent-Length: 1\r\n\r\nx")), "503 x");
    let mut world = world_of("on", "= @fallback", error);
    assert!(text(world.origin().received()).starts_with("GET /x?q HTTP/1.1\r\n"));
    world.origin_sends("HTTP/1.1 201 C\r\nContent-Length: 1\r\n\r\nx");
    assert_eq!(answer(&world), "201 x");
    assert_eq!(world.log, ["201 GET /x [127.0.0.1:9000 : 127.0.0.1:9001] [500 : 201]"]);
}

#[test]
fn a_request_whose_content_waits_goes_on_to_a_named_location() {
    let mut world = world(
        "location /x { proxy_intercept_errors on; error_page 401 = @fallback; proxy_pass http://127.0.0.1:9000; }",
    );
    world.client_sends("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
    world.origin_sends("HTTP/1.1 401 U\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(world.origins.len(), 2);
    world.client_sends("abc");
    assert!(text(world.origin().received()).ends_with("\r\n\r\nabc"));
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(answer(&world), "200 ");
    world.client_sends(GET);
    assert_eq!(world.exchanges.len(), 1, "the next is under way");
    assert_eq!(world.origins.len(), 3);
}

#[test]
fn the_status_of_a_page_decides_whether_it_has_content() {
    for (page, response, expected) in [
        ("=204 /fetched", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage", "HTTP/1.1 204 No Content\r\n"),
        ("/fetched", "HTTP/1.1 204 N\r\n\r\n", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n"),
        (
            "/fetched",
            "HTTP/1.1 304 N\r\nContent-Length: 9\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n",
        ),
    ] {
        let mut world = world(&format!("location /x {{ error_page 404 {page}; return 404; }}"));
        world.client_sends(GET);
        world.origin_sends(response);
        let got = text(world.client.received());
        let without_date = got.lines().filter(|line| !line.starts_with("Date: ")).collect::<Vec<_>>();
        let expected: Vec<_> = expected.lines().collect();
        assert_eq!(without_date[..expected.len()], expected, "{page}: {got}");
        assert!(got.ends_with("\r\n\r\n"), "{page}: {got}");
        assert_eq!(world.exchanges.len(), 1, "{page}");
        world.client_sends("GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(world.exchanges.len(), 2, "{page}: the connection goes on");
    }
}

/// RFC 9110 §15.3.6.
#[test]
fn no_content_is_in_a_205_of_our_own() {
    for blocks in
        ["location /x { return 205 text; }", "location /x { error_page 404 =205 /page; return 404; }"]
    {
        let mut world = world(blocks);
        world.client_sends(GET);
        let got = text(world.client.received());
        assert!(got.starts_with("HTTP/1.1 205 ") && got.contains("\r\nContent-Length: 0\r\n"), "{got}");
        assert!(got.ends_with("\r\n\r\n") && !got.contains("Content-Type"), "{got}");
        world.client_sends("GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(world.exchanges.len(), 2, "the connection goes on");
    }
}

#[test]
fn head_stays_head() {
    let mut world = world("location /x { error_page 404 /fetched; return 404; }");
    world.client_sends("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(text(world.origin().received()).starts_with("HEAD /fetched "));
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
    assert!(text(world.client.received()).ends_with("\r\n\r\n"));
    assert_eq!(world.exchanges.len(), 1);
}

/// A7: what follows a refused upgrade is no request, whoever refuses it in the end.
#[test]
fn behind_an_upgrade_that_a_page_refuses_nothing_is_a_request() {
    let blocks = "location /x { error_page 502 /fetched; proxy_pass http://127.0.0.1:9000;
                  proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }";
    for target in ["", "GET /page HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let mut world = world(blocks);
        world.client_sends("GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n");
        world.client_sends(target);
        world.origin_ends();
        assert!(text(world.origin().received()).starts_with("GET /fetched "));
        world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage");
        assert_eq!(answer(&world), "502 page");
        assert_eq!(world.exchanges.len(), 1);
        assert_eq!(world.closed.is_some() || world.client.saw().is_some(), !target.is_empty(), "{target}");
    }
}

#[test]
fn a_tunnel_may_open_in_a_named_location() {
    let mut world = world(
        "location /x { error_page 502 @second; proxy_pass http://127.0.0.1:9000;
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }
         location @second { proxy_pass http://127.0.0.1:9001;
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }",
    );
    world.client_sends("GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\nearly");
    world.origin_ends();
    world.origin_sends("HTTP/1.1 101 S\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n");
    assert!(text(world.client.received()).starts_with("HTTP/1.1 101 "));
    assert!(text(world.origin().received()).ends_with("\r\n\r\nearly"));
    world.client_ends();
    world.origin_ends();
    assert_eq!(world.log, ["101 GET /x [127.0.0.1:9000 : 127.0.0.1:9001] [502 : 101]"]);
}

#[test]
fn a_page_that_can_t_be_served_doesn_t_hide_its_error() {
    let mut world = world(
        "error_page 500 502 503 504 /50x.html; location = /50x.html { root html; }
         location /x { proxy_pass http://127.0.0.1:9000; }",
    );
    world.connects.push_back(Connect::Refuse);
    world.client_sends(GET);
    assert_eq!(answer(&world), "502 502 Bad Gateway");
    let last = &world.notes.last().expect("a note").1;
    assert!(last.contains("the location's directive is not in this version"), "{last}");
    assert!(last.contains("directive: \"root\""), "{last}");
}

#[test]
fn a_page_by_a_variable_may_be_of_any_kind() {
    for (target, expected) in [
        ("/page", "404 page /page? /x?q GET"),
        ("@named", "404 named /x GET"),
        ("http://h/", "302 http://h/"),
    ] {
        let blocks = format!("location /x {{ set $t {target}; error_page 404 $t; return 404; }}");
        assert_eq!(answer_to(&blocks, GET), expected, "{target}");
    }
}

#[test]
fn who_is_not_admitted_may_have_a_page_too() {
    let blocks =
        "location /x { auth_basic realm; auth_basic_user_file /dev/null; error_page 401 403 503 = @named;
                  proxy_pass http://127.0.0.1:9000; }";
    for refusal in [Refusal::Unauthorized, Refusal::Forbidden, Refusal::Limited(503)] {
        let mut world = world(blocks);
        world.admission = Some(Admission::Refused(refusal));
        world.client_sends(GET);
        assert_eq!(answer(&world), "200 named /x GET", "{refusal:?}");
    }
    let mut world = world(blocks);
    world.admission = Some(Admission::Refused(Refusal::Limited(444)));
    world.client_sends(GET);
    assert_eq!(text(world.client.received()), "");
    assert_eq!(world.exchanges[0].outcome, Outcome::Unanswered);
    assert!(world.done);
}

/// A configuration in code may say anything: what is no final response (RFC 9110 §15) is none of ours.
#[test]
fn a_status_code_that_ends_no_exchange_is_not_shown() {
    let location = |handler: Handler| Arc::new(Location::new(handler));
    for status in [0, 100, 101, 199, 600, 999] {
        let answering = |text: Option<&str>| {
            let text = text.map(Template::literal);
            location(Handler::Return(Return::new(status, text)))
        };
        let mut with_page = Location::new(Handler::Return(Return::new(404, None)));
        let target = ErrorTarget::Uri(Template::literal("/page"));
        with_page.error_pages = vec![ErrorPage::new(vec![404], ErrorStatus::Fixed(status), target)].into();
        for location in [answering(None), answering(Some("text")), Arc::new(with_page)] {
            let config = Config::new(Arc::new(Pages(location)), Arc::default());
            let mut world = World::new(Arc::new(config));
            world.client_sends(GET);
            let got = text(world.client.received());
            assert!(got.starts_with("HTTP/1.1 500 "), "{status}: {got}");
            assert_eq!(world.exchanges.len(), 1);
        }
    }
}

/// One location, and a page at `/page`.
#[derive(Debug)]
struct Pages(Arc<Location>);

impl Router for Pages {
    fn route(&self, head: &RequestHead<'_>) -> Route {
        Route::Location(match head.path() {
            b"/page" => {
                Arc::new(Location::new(Handler::Return(Return::new(200, Some(Template::literal("page"))))))
            }
            _ => Arc::clone(&self.0),
        })
    }
}

#[test]
fn what_nobody_would_wait_for_has_no_page() {
    // The client was too slow for its own request: it gets the plain answer.
    let mut slow = world("location /x { error_page 408 /page; proxy_pass http://127.0.0.1:9000; }");
    slow.client_sends(&POST[..POST.len() - 1]);
    assert!(slow.elapse_to_deadline());
    assert!(answer(&slow).starts_with("408 408 Request Timeout\n"), "{}", answer(&slow));
    // Another request would lead nowhere again.
    for blocks in [
        "error_page 500 /page; location /x { rewrite ^ /y last; } location /y { rewrite ^ /x last; }",
        "recursive_error_pages on; error_page 500 /page; location /x { error_page 404 @none; return 404; }",
    ] {
        assert_eq!(answer_to(blocks, GET), "500 500 Internal Server Error", "{blocks}");
    }
}
