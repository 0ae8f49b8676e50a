//! nginx's rewrite directives, rule by rule. What is expected here nginx was seen to do, unless a comment says
//! otherwise.

use underpass_testkit::session_world::{World, config_of};

/// Servers with these blocks in them: the first is the default one.
fn world(blocks: &str) -> World {
    World::new(config_of(&format!(
        "http {{ log_format f '$status $uri?$args'; access_log log f; map $uri $mapped {{ ~^/m/(?<tail>.*) t-$1; }}
         server {{ listen 127.0.0.1:8080; {blocks} }} }}"
    )))
}

fn asks(world: &mut World, target: &str) {
    world.client_sends(format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
}

/// What the client gets for `target`: the status line's code, `Location` or the content.
fn answer(blocks: &str, target: &str) -> String {
    let mut world = world(blocks);
    asks(&mut world, target);
    let got = String::from_utf8_lossy(world.client.received()).into_owned();
    assert!(world.origins.is_empty(), "{target}: nobody is asked");
    let (head, content) = got.split_once("\r\n\r\n").expect("a head");
    let location = head.lines().find_map(|line| line.strip_prefix("Location: "));
    format!("{} {}", &head[9..12], location.unwrap_or_else(|| content.trim_end()))
}

/// The request-target that the origin server gets for `target`.
fn forwarded(blocks: &str, target: &str) -> String {
    let mut world = world(blocks);
    asks(&mut world, target);
    let got = String::from_utf8_lossy(world.origin().received()).into_owned();
    got.split(' ').nth(1).expect("a request line").to_owned()
}

#[test]
fn what_is_forwarded_when_the_uri_was_rewritten() {
    const PASS: &str = "proxy_pass http://127.0.0.1:9000;";
    const PASS_URI: &str = "proxy_pass http://127.0.0.1:9000/ignored/;";
    for (location, script, pass, target, expected) in [
        // Unchanged, it goes on as it came.
        ("/p/", "", PASS, "/p/%61?q=%62", "/p/%61?q=%62"),
        ("/p/", "rewrite ^/other /x;", PASS, "/p/%61?q", "/p/%61?q"),
        // Groups are escaped in the query, where the path came with escapes; the path is encoded as a whole.
        ("/p/", "rewrite ^/p/(.*)$ /to/$1?b=$1 break;", PASS, "/p/a%20b%26?o=1", "/to/a%20b&?b=a%20b%26&o=1"),
        ("/p/", "rewrite ^/p/(.*)$ /to/$1?b=$1 break;", PASS, "/p/ab?o=1", "/to/ab?b=ab&o=1"),
        ("/p/", "rewrite ^/p/(.*)$ /to/$1?b=$1 break;", PASS, "/p/ab", "/to/ab?b=ab"),
        ("/p/", "rewrite ^/p/(.*)$ /to/$1 break;", PASS, "/p/ab?o=1", "/to/ab?o=1"),
        ("/p/", "rewrite ^/p/(.*)$ /to/$1? break;", PASS, "/p/ab?o=1", "/to/ab"),
        ("/p/", "rewrite ^/p/(.*)$ /to/$1?x=y? break;", PASS, "/p/ab?o=1", "/to/ab?x=y"),
        // Only the last question mark says so, not that of a piece before.
        ("/p/", "rewrite ^/p/(.*)$ /to?$1? break;", PASS, "/p/a?o", "/to?a"),
        // The URI part of `proxy_pass` is for what the location has matched.
        ("/p/", "rewrite ^/p/(.*)$ /to/$1 break;", PASS_URI, "/p/a%20b?o=1", "/to/a%20b?o=1"),
        ("/p/", "rewrite ^/p/(.*)$ /to/$1; break;", PASS_URI, "/p/a?o", "/to/a?o"),
        ("/p/", "", PASS_URI, "/p/a%20b?o", "/ignored/a%20b?o"),
        // A question mark in a value is none that divides.
        ("/p/", "set $q a?b=c; rewrite ^ /to/$q break;", PASS, "/p/?o=1", "/to/a%3Fb=c?o=1"),
        // `set $args` alone leaves the path, in its normalised form.
        ("/p/", "set $args z=1;", PASS, "/p/%61?o", "/p/a?z=1"),
        ("/p/", "set $args '';", PASS, "/p/a?o", "/p/a"),
        ("/p/", "set $args z=1;", PASS_URI, "/p/q?o", "/ignored/q?z=1"),
        // nginx sends what is no request-target: a space, a hash, a path without a slash (B6).
        ("/p/", "set $args 'z=1 2#3';", PASS, "/p/a", "/p/a?z=1%202%233"),
        ("/p/", "rewrite ^ to break;", PASS, "/p/a", "/to"),
        // Case is ignored where the expression says so.
        ("/p/", "rewrite (?i)^/P/(B)$ /to/$1 break;", PASS, "/p/b", "/to/b"),
    ] {
        let blocks = format!("location {location} {{ {script} {pass} }}");
        assert_eq!(forwarded(&blocks, target), expected, "{script} {pass} {target}");
    }
}

#[test]
fn last_searches_a_location_anew_and_break_does_not() {
    let blocks = "set $x ''; location /last/ { rewrite ^/last/(.*)$ /to/$1 last; return 200 never; }
                  location /plain/ { rewrite ^/plain/(.*)$ /to/$1; set $x after; }
                  location /both/ { rewrite ^/both/(.*)$ /to/$1; rewrite ^/to/(.*)$ /to/again/$1; }
                  location /break/ { rewrite ^/break/(.*)$ /to/$1 break; return 200 never; }
                  location /broken/ { rewrite ^/broken/(.*)$ /to/$1; break; return 200 never; }
                  location /to/ { return 200 '$uri $x'; }";
    for (target, expected) in [
        ("/last/a", "200 /to/a "),
        ("/plain/a", "200 /to/a after"),
        ("/both/a", "200 /to/again/a "),
        // Neither has a handler, so that it is 404; but the location stays.
        ("/break/a", "404 404 Not Found"),
        ("/broken/a", "404 404 Not Found"),
    ] {
        assert_eq!(answer(blocks, target).trim_end(), expected.trim_end(), "{target}");
    }
}

#[test]
fn the_servers_own_directives_come_first_and_once() {
    let blocks = "set $n $n|; rewrite ^/old/(.*)$ /new/$1; if ($arg_stop) { return 403 stop; }
                  location /new/ { rewrite ^/new/(.*)$ /end/$1 last; }
                  location /end/ { return 200 $uri$n; }
                  location /old/ { return 200 old; }";
    assert_eq!(answer(blocks, "/old/a"), "200 /end/a|");
    assert_eq!(answer(blocks, "/new/a"), "200 /end/a|");
    assert_eq!(answer(blocks, "/old/a?stop=1"), "403 stop");
    assert_eq!(answer(blocks, "/old/a?stop=0"), "200 /end/a|");
    // Where no location is found the server's level is not gone through once more.
    assert_eq!(answer("set $n $n|; if ($n = ||) { return 500; }", "/"), "404 404 Not Found");
}

#[test]
fn what_a_map_defines_can_be_set() {
    for volatile in ["", "volatile;"] {
        let map = |script: &str| {
            let mut world = World::new(config_of(&format!(
                "http {{ map $arg_a $m {{ {volatile} default by-map; 1 one; }}
                 server {{ listen 127.0.0.1:8080; location / {{ {script} return 200 $m; }} }} }}"
            )));
            asks(&mut world, "/?a=1");
            asks(&mut world, "/?a=2");
            let got = String::from_utf8_lossy(world.client.received()).into_owned();
            let contents = got.split("\r\n\r\n").skip(1);
            contents
                .map(|part| part.split("HTTP/1.1").next().unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(map("set $x $m;"), ["one", "by-map"]);
        assert_eq!(map("set $m set-$m;"), ["set-one", "set-by-map"]);
        assert_eq!(map("set $x $m; if ($arg_a = 1) { set $m a; }"), ["a", "by-map"]);
    }
}

#[test]
fn ten_rewrites_are_enough() {
    let blocks = "location /c/ { rewrite ^/c/(.*)$ /c/x$1 last; }
                  location /d/ { if ($uri ~ xxxxxxxxxx$) { return 200 $uri; } rewrite ^(.*)$ $1x last; }";
    assert_eq!(answer(blocks, "/c/1"), "500 500 Internal Server Error");
    assert_eq!(answer(blocks, "/d/"), "200 /d/xxxxxxxxxx");
    let mut world = world(blocks);
    asks(&mut world, "/c/1");
    assert_eq!(world.log, ["500 /c/xxxxxxxxxxx1?-"]);
    let (_, line) = &world.notes[0];
    assert!(line.starts_with("500 rewrite or internal redirection cycle"), "{line}");
}

#[test]
fn redirects() {
    for (script, target, expected) in [
        ("rewrite ^/p/(.*)$ /to/$1 redirect;", "/p/a?o=1", "302 http://a.example:8080/to/a?o=1"),
        ("rewrite ^/p/(.*)$ /to/$1 permanent;", "/p/a?o=1", "301 http://a.example:8080/to/a?o=1"),
        ("rewrite ^/p/(.*)$ /to/$1? permanent;", "/p/a?o=1", "301 http://a.example:8080/to/a"),
        ("rewrite ^/p/(.*)$ /to?$1? redirect;", "/p/a?o=1", "302 http://a.example:8080/to?a"),
        ("rewrite ^/p/(.*)$ /to/$1?x=y redirect;", "/p/a?o=1", "302 http://a.example:8080/to/a?x=y&o=1"),
        ("rewrite ^/p/(.*)$ http://h/$1;", "/p/a?o=1", "302 http://h/a?o=1"),
        ("rewrite ^/p/(.*)$ https://h/$1 last;", "/p/a", "302 https://h/a"),
        ("rewrite ^/p/(.*)$ $scheme://h/$1 permanent;", "/p/a", "301 http://h/a"),
        ("rewrite ^/p/(.*)$ /to/$1 redirect;", "/p/a%26b/%C3%BC", "302 http://a.example:8080/to/a&b/%C3%BC"),
        ("rewrite (?s)^/p/(.*)$ /to/$1 redirect;", "/p/a%0d%0ab", "302 http://a.example:8080/to/a%0D%0Ab"),
        // nginx undoes this escape as well, and so makes a query of it.
        ("rewrite ^/p/(.*)$ /to/$1 redirect;", "/p/a%20b%3Fc?o", "302 http://a.example:8080/to/a%20b%3Fc?o"),
        ("return 301 /x$uri;", "/p/a", "301 http://a.example:8080/x/p/a"),
        ("return 302 https://$host$request_uri;", "/p/a%20?b", "302 https://a.example/p/a%20?b"),
        ("return 307 '/x y';", "/p/a", "307 http://a.example:8080/x%20y"),
    ] {
        assert_eq!(answer(&format!("location /p/ {{ {script} }}"), target), expected, "{script} {target}");
    }
}

#[test]
fn conditions() {
    for (condition, target, holds) in [
        ("($arg_a)", "/?a=1", true),
        ("($arg_a)", "/?a=0", false),
        ("($arg_a)", "/?a=00", true),
        ("($arg_a)", "/", false),
        ("($arg_a = x)", "/?a=x", true),
        ("($arg_a = x)", "/?a=X", false),
        ("($arg_a != x)", "/?a=x", false),
        ("($arg_a != x)", "/", true),
        ("($arg_a = $arg_b)", "/?a=1&b=1", true),
        ("($arg_a ~ ^x.z$)", "/?a=xyz", true),
        ("($arg_a ~ ^x.z$)", "/?a=XYZ", false),
        ("($arg_a ~* ^x.z$)", "/?a=XYZ", true),
        ("($arg_a !~ ^x.z$)", "/?a=xyz", false),
        ("($arg_a !~* ^x.z$)", "/?a=XYZ", false),
        ("($request_method = GET)", "/", true),
        ("($mapped)", "/m/x", true),
        ("($mapped)", "/n/x", false),
    ] {
        let blocks = format!("location / {{ if {condition} {{ return 200 yes; }} return 200 no; }}");
        let expected = if holds { "200 yes" } else { "200 no" };
        assert_eq!(answer(&blocks, target), expected, "{condition} {target}");
    }
}

#[test]
fn groups_belong_to_the_last_match() {
    let ask = |script: &str, target: &str| {
        answer(
            &format!("set $x ''; location ~ ^/l/(?<name>a+) {{ {script} return 200 [$1][$name][$x]; }}"),
            target,
        )
    };
    assert_eq!(ask("", "/l/aab"), "200 [aa][aa][]");
    // A match that fails in a rewrite directive takes the groups away, not the variables.
    assert_eq!(ask("if ($uri ~ ^/(z)) { }", "/l/aab"), "200 [][aa][]");
    assert_eq!(ask("if ($uri ~ (b)$) { }", "/l/aab"), "200 [b][aa][]");
    assert_eq!(ask("if ($uri ~ b$) { }", "/l/aab"), "200 [][aa][]");
    assert_eq!(ask("rewrite ^/z(.*) /y;", "/l/aab"), "200 [][aa][]");
    assert_eq!(ask("set $x $1;", "/l/aab"), "200 [aa][aa][aa]");
    // A map that doesn't match leaves them.
    assert_eq!(ask("set $x $mapped;", "/l/aab"), "200 [aa][aa][]");
    let mapped = "location /m/ { set $x $mapped; return 200 [$x][$1][$tail]; }";
    assert_eq!(answer(mapped, "/m/end"), "200 [t-end][end][end]");
}

#[test]
fn groups_are_escaped_in_a_set_as_in_nginx() {
    let blocks = "location ~ ^/e/(.*)$ { set $x $1; return 200 [$x][$1]; }
                  location ~ ^/f/(.*)$ { rewrite ^/f/(.*)$ /g/$1; set $x $1; break; return 200 [$x][$1]; }";
    assert_eq!(answer(blocks, "/e/a%20b+c"), "200 [a%20b%2Bc][a b+c]");
    assert_eq!(answer(blocks, "/e/ab&c"), "200 [ab&c][ab&c]");
    assert_eq!(answer(blocks, "/e/%61&c"), "200 [a%26c][a&c]");
}

#[test]
fn groups_of_the_server_name_don_t_come_back() {
    let mut world = World::new(config_of(
        "http { access_log off; server { listen 127.0.0.1:8080; server_name ~^(?<sub>\\w+)\\.example$;
         location /one { return 200 $1-$sub; } location /two { rewrite ^/two/(.*)$ /three/$1 last; }
         location /three/ { return 200 $1-$sub; } } }",
    ));
    asks(&mut world, "/one");
    asks(&mut world, "/two/x");
    let got = String::from_utf8_lossy(world.client.received()).into_owned();
    assert!(got.contains("\r\n\r\na-a"), "{got}");
    assert!(got.ends_with("\r\n\r\nx-a"), "{got}");
}

#[test]
fn an_if_that_forwards_takes_the_request_over() {
    let blocks = "location /p { proxy_pass http://127.0.0.1:9000; set $x 1;
                  if ($arg_a) { proxy_pass http://127.0.0.1:9001; } if ($arg_b) { set $x 2; } }";
    let port = |target: &str| {
        let mut world = world(blocks);
        asks(&mut world, target);
        world.origins[0].address.to_string()
    };
    assert_eq!(port("/p"), "127.0.0.1:9000");
    assert_eq!(port("/p?a=1"), "127.0.0.1:9001");
    assert_eq!(port("/p?b=1"), "127.0.0.1:9000");
}

#[test]
fn an_empty_uri_is_an_error() {
    assert_eq!(answer("location / { set $e ''; rewrite ^ $e last; }", "/"), "500 500 Internal Server Error");
}

#[test]
fn return_alone_says_what_the_status_means() {
    assert_eq!(answer("location / { return 404; }", "/"), "404 404 Not Found");
    assert_eq!(answer("location / { return 200; }", "/"), "200 ");
    assert_eq!(answer("location / { return 300; }", "/"), "300 ");
    assert_eq!(answer("location / { return 404 text; }", "/"), "404 text");
}

#[test]
fn a_rewritten_request_is_logged_as_such_and_the_next_is_not() {
    let mut world = world(
        "location /a { rewrite ^ /b?c last; } location /b { proxy_pass http://127.0.0.1:9000; }
         location / { proxy_pass http://127.0.0.1:9000; }",
    );
    for target in ["/a?x", "/z?y"] {
        asks(&mut world, target);
        world.origin_sends("HTTP/1.1 204 N\r\n\r\n");
    }
    assert_eq!(world.log, ["204 /b?c&x", "204 /z?y"]);
    let forwarded = String::from_utf8_lossy(world.origin().received()).into_owned();
    assert!(forwarded.starts_with("GET /b?c&x HTTP/1.1\r\n"), "{forwarded}");
    assert!(forwarded.contains("GET /z?y HTTP/1.1\r\n"), "{forwarded}");
}

#[test]
fn limits_are_those_of_the_location_that_was_found() {
    let blocks = "client_max_body_size 1; rewrite ^/in/(.*)$ /large/$1;
                  location /large/ { client_max_body_size 10; proxy_pass http://127.0.0.1:9000; }
                  location /small/ { proxy_pass http://127.0.0.1:9000; }
                  location /via/ { client_max_body_size 10; rewrite ^/via/(.*)$ /small/$1 last; }";
    for (target, status) in
        [("/in/x", None), ("/large/x", None), ("/small/x", Some(413)), ("/via/x", Some(413))]
    {
        let mut world = world(blocks);
        world.client_sends(format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"));
        assert_eq!(world.exchanges.first().map(|exchange| exchange.status), status, "{target}");
        assert_eq!(world.origins.len(), usize::from(status.is_none()), "{target}");
    }
}

#[test]
fn a_location_that_lets_no_connection_persist_is_not_undone_by_another() {
    let blocks = "location /x { keepalive_timeout 0; rewrite ^ /y last; } location /y { return 200 y; }";
    for (target, persists) in [("/x", false), ("/y", true)] {
        let mut world = world(blocks);
        asks(&mut world, target);
        let got = String::from_utf8_lossy(world.client.received()).into_owned();
        assert_eq!(got.contains("\r\nConnection: close\r\n"), !persists, "{got}");
    }
}

#[test]
fn where_a_variable_leads_is_found_for_each_location() {
    let mut world = world(
        "set $port 9000; set $path ''; error_page 502 = @next;
         location /x { rewrite ^/x/(.*)$ /y/$1 break; proxy_pass http://127.0.0.1:$port; }
         location @next { set $port 9001; set $path /fixed?; proxy_pass http://127.0.0.1:$port$path; }",
    );
    asks(&mut world, "/x/a%20b?c");
    assert_eq!(world.origins[0].address.to_string(), "127.0.0.1:9000");
    assert!(world.origin().received().starts_with(b"GET /y/a%20b?c HTTP/1.1\r\n"));
    world.origin_ends();
    assert_eq!(world.origins[1].address.to_string(), "127.0.0.1:9001");
    assert!(world.origin().received().starts_with(b"GET /fixed? HTTP/1.1\r\n"));
}
