//! What log lines show of an exchange (B5, B6).

use underpass_core::Event;
use underpass_testkit::session_world::{Connect, World, config_of};

/// One location that forwards, and a log of this format.
fn world(format: &str, more: &str) -> World {
    World::new(config_of(&format!(
        "http {{ log_format f '{format}'; map $sent_http_x $mapped {{ default no; yes 1; }}
         server {{ listen 127.0.0.1:8080; access_log log f; location / {{ proxy_pass http://127.0.0.1:9000; {more} }}
         location @second {{ proxy_pass http://127.0.0.1:9001; }} }} }}"
    )))
}

fn logged(format: &str, more: &str, request: &str, response: &str) -> Vec<String> {
    let mut world = world(format, more);
    world.client_sends(request);
    if !response.is_empty() {
        world.origin_sends(response);
    }
    world.log
}

const GET: &str = "GET /p?q HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nX: yes\r\nContent-Length: 1\r\n\r\nx";

#[test]
fn what_an_earlier_origin_server_said_is_forgotten() {
    let mut world = world("$upstream_http_x", "");
    world.client_sends(GET);
    world.origin_sends(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    world.connects_else = Connect::Refuse;
    world.client_sends(GET);
    assert_eq!(world.log, ["yes", "-"]);
}

#[test]
fn a_log_may_have_a_condition() {
    let with_condition = |condition: &str| {
        let more = format!("access_log log f if={condition}; error_page 404 = @second;");
        logged("$uri", &more, GET, OK)
    };
    assert_eq!(with_condition("$arg_a"), [""; 0]);
    assert_eq!(with_condition("$status"), ["/p"]);
    assert_eq!(with_condition("$mapped"), ["/p"]);
    assert_eq!(with_condition("0"), [""; 0]);
    // A tunnel has dropped its heads by then.
    for (condition, lines) in [("$http_upgrade", 1), ("$arg_a", 0)] {
        let more = format!(
            "access_log log f if={condition}; proxy_set_header Upgrade $http_upgrade;
             proxy_set_header Connection upgrade;"
        );
        let mut world = world("$uri $http_upgrade", &more);
        world.client_sends("GET /t HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n");
        world.origin_sends("HTTP/1.1 101 S\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n");
        world.client_ends();
        world.origin_ends();
        assert!(world.done);
        assert_eq!(world.log.len(), lines, "{condition}");
        assert!(world.log.iter().all(|line| line == "/t foo"), "{:?}", world.log);
    }
}

#[test]
fn only_what_is_not_there_is_a_dash() {
    let format =
        "$uri|$is_args|$args|$https|$x|$arg_a|$http_x|$upstream_status|$request_completion|$server_name|$1";
    assert_eq!(
        logged(format, "set $x \"\"; return 404;", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", ""),
        ["/||-|||-|-|-|OK||-"]
    );
}

#[test]
fn pipelined_requests_are_marked() {
    let mut world = world("$pipe $connection_requests", "");
    world.client_sends(GET.repeat(3));
    for _ in 0..3 {
        world.origin_sends(OK);
    }
    world.client_sends(GET);
    world.origin_sends(OK);
    assert_eq!(world.log, [". 1", "p 2", "p 3", ". 4"]);
}

#[test]
fn fields_of_the_response_that_was_sent() {
    let format =
        "$sent_http_connection|$sent_http_content_length|$sent_http_transfer_encoding|$sent_http_x|$mapped";
    assert_eq!(logged(format, "", GET, OK), ["keep-alive|1|-|yes|1"]);
    let closing = "GET /p HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(logged(format, "", closing, chunked), ["close|-|chunked|-|no"]);
    assert_eq!(logged(format, "return 404;", GET, ""), ["keep-alive|14|-|-|no"]);
}

#[test]
fn a_request_that_can_t_be_read_is_logged_where_the_server_says() {
    let broken = "GET /p HTTP/1.1\r\nHost : a\r\n\r\n";
    assert_eq!(logged("$status \"$request\"", "", broken, ""), ["400 \"GET /p HTTP/1.1\""]);
}

#[test]
fn attempts_of_several_locations_are_kept_apart() {
    let mut world = World::new(config_of(
        "http { log_format f '$upstream_addr|$upstream_status|$upstream_bytes_received'; access_log log f;
         upstream g { server 127.0.0.1:9000; server 127.0.0.1:9002; }
         server { listen 127.0.0.1:8080; location / { error_page 502 = @second; proxy_pass http://g; }
         location @second { proxy_pass http://127.0.0.1:9001; } } }",
    ));
    world.connects.extend([Connect::Refuse, Connect::Refuse]);
    world.client_sends(GET);
    world.origin_sends(OK);
    let length = OK.len();
    assert_eq!(
        world.log,
        [format!("127.0.0.1:9000, 127.0.0.1:9002 : 127.0.0.1:9001|502, 502 : 200|0, 0 : {length}")]
    );
    // Both are left alone for a while.
    world.client_sends(GET);
    world.origin_sends(OK);
    assert_eq!(world.log[1], format!("g : 127.0.0.1:9001|502 : 200|0 : {length}"));
}

#[test]
fn the_log_names_the_template_that_made_a_bad_value() {
    let mut world = world("$status", "proxy_set_header X \"a$uri\";");
    world.client_sends("GET /%0d%0aY:%20z HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(world.log, ["400"]);
    assert!(world.origins.is_empty());
    let line = &world.notes[0].1;
    assert!(line.contains("template: \"a$uri\""), "{line}");
}

#[test]
fn a_challenge_that_was_intercepted_is_passed_on() {
    let more = "proxy_intercept_errors on; error_page 401 = @second;";
    let mut world = world("$status", more);
    world.client_sends(GET);
    world.origin_sends("HTTP/1.1 401 U\r\nWWW-Authenticate: Bearer x\r\nContent-Length: 0\r\n\r\n");
    world.origin_sends(OK);
    assert_eq!(world.log, ["200"]);
    let mut world = self::world(
        "$status",
        "proxy_intercept_errors on; error_page 401 /p2; if ($uri = /p2) { return 401; }",
    );
    world.client_sends(GET);
    world.origin_sends("HTTP/1.1 401 U\r\nWWW-Authenticate: Bearer x\r\nContent-Length: 0\r\n\r\n");
    let got = String::from_utf8_lossy(world.client.received()).into_owned();
    assert!(got.starts_with("HTTP/1.1 401 ") && got.contains("\r\nWWW-Authenticate: Bearer x\r\n"), "{got}");
    assert_eq!(got.matches("WWW-Authenticate").count(), 1, "nothing is asked for beside it: {got}");
}

#[test]
fn a_match_that_takes_too_many_steps_is_none_and_told() {
    // B7: the reference back makes it a pattern for the engine that may take long.
    let config = "http { access_log off; server { listen 127.0.0.1:8080;
         location ~ ^/(a|aa)+\\1b$ { return 204; } location / { return 200 rest; } } }";
    for (path, told) in [("/aab".to_owned(), 0), (format!("/{}", "a".repeat(60)), 1)] {
        let mut world = World::new(config_of(config));
        world.client_sends(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let status = if told == 0 { 204 } else { 200 };
        assert_eq!(world.exchanges[0].status, status, "{path}");
        let notes: Vec<_> = world.notes.iter().filter(|(event, _)| *event == Event::MatchGivenUp).collect();
        assert_eq!(notes.len(), told, "{path}");
        assert!(
            notes.iter().all(|(_, line)| line.contains("too many steps") && line.contains(&path)),
            "{notes:?}"
        );
    }
}

/// A map that only a log line asks for takes too many steps for these.
fn lines_of_a_map_that_gives_up(more: &str, play: impl FnOnce(&mut World)) -> World {
    let mut world = World::new(config_of(&format!(
        "http {{ map $uri $slow {{ ~^/(a|aa)+\\1b$ yes; default no; }} log_format f $slow;
         server {{ listen 127.0.0.1:8080; access_log log f; location / {{ {more} }} }} }}"
    )));
    play(&mut world);
    world
}

#[test]
fn what_takes_too_many_steps_for_a_log_line_is_told() {
    let path = format!("/{}", "a".repeat(60));
    let plain = lines_of_a_map_that_gives_up("return 204;", |world| {
        world.client_sends(format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        world.client_ends();
    });
    let next = lines_of_a_map_that_gives_up("return 204;", |world| {
        world
            .client_sends(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    });
    let tunnel = lines_of_a_map_that_gives_up(
        "proxy_pass http://127.0.0.1:9000; proxy_set_header Upgrade $http_upgrade;
         proxy_set_header Connection upgrade;",
        |world| {
            world.client_sends(format!(
                "GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n"
            ));
            world.origin_sends("HTTP/1.1 101 S\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n");
            world.client_ends();
            world.origin_ends();
        },
    );
    for (name, world) in [("plain", plain), ("pipelined", next), ("tunnel", tunnel)] {
        let told: Vec<_> = world.notes.iter().filter(|(event, _)| *event == Event::MatchGivenUp).collect();
        assert!(world.log.iter().all(|line| line == "no"), "{name}: {:?}", world.log);
        assert!(!world.log.is_empty(), "{name}");
        assert!(told.len() == 1 && told[0].1.contains(&path), "{name}: {told:?} of {:?}", world.notes);
    }
}

#[test]
fn what_waits_in_front_of_a_response_is_not_of_its_head() {
    // A10: the 100 is ours, and stands in the same memory as the response until the client takes it.
    let mut world = world("$status $bytes_sent $body_bytes_sent $sent_http_content_length", "");
    world.client.set_window(0);
    world.client_sends("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    world.origin_ends();
    world.client.set_window(usize::MAX);
    world.run();
    let length = world.client.received().len();
    let content = "502 Bad Gateway\n".len();
    assert_eq!(world.log, [format!("502 {length} {content} {content}")]);
}

#[test]
fn interim_responses_are_no_content() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let mut world = world("$bytes_sent $body_bytes_sent", "");
    world.client_sends(GET);
    world.origin_sends(hints);
    world.origin_sends([hints, OK].concat());
    assert_eq!(world.log, [format!("{} 1", world.client.received().len())]);
}

#[test]
fn bytes_that_are_moved_past_a_tunnel_are_counted() {
    // C7: `splice` takes them from socket to socket.
    let mut world = world(
        "$upstream_bytes_sent $upstream_bytes_received $bytes_sent",
        "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;",
    );
    world.splices = true;
    world.client_sends("GET /t HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n");
    let switch = "HTTP/1.1 101 S\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n";
    world.origin_sends(switch);
    world.client_sends("abc");
    world.origin_sends("defgh");
    world.client_ends();
    world.origin_ends();
    let (to_origin, to_client) = (world.origins[0].end.received().len(), world.client.received().len());
    assert_eq!(world.log, [format!("{to_origin} {} {to_client}", switch.len() + 5)]);
}

/// Bytes are counted one by one, however many there are, in an exchange and in the tunnel that it becomes.
#[test]
fn bytes_of_either_side_are_counted() {
    let mut world = World::new(config_of(
        "http { log_format f '$status $bytes_sent $upstream_bytes_sent $upstream_bytes_received'; access_log log f;
         server { listen 127.0.0.1:8080; location / { proxy_pass http://127.0.0.1:9000;
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection; } } }",
    ));
    let content = "x".repeat(1000);
    world.client_sends(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{content}"));
    world.origin_sends(format!("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{content}"));
    let of_head = |bytes: &[u8]| bytes.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
    let numbers =
        |line: &str| line.split(' ').map(|word| word.parse().expect("a number")).collect::<Vec<usize>>();
    let [sent, asked] = [world.client.received(), world.origins[0].end.received()].map(of_head);
    let came = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".len();
    assert_eq!(numbers(&world.log[0]), [200, sent + 1000, asked + 1000, came + 1000]);
    let (before, written) = (world.client.received().len(), world.origins[0].end.received().len());
    world.client_sends("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n");
    let switch = "HTTP/1.1 101 S\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n";
    world.origin_sends(switch);
    world.client_sends(&content);
    world.origin_sends(&content);
    world.origin_ends();
    world.client_ends();
    let sent = world.client.received().len() - before;
    let asked = world.origins.iter().map(|origin| origin.end.received().len()).sum::<usize>() - written;
    assert_eq!(numbers(&world.log[1]), [101, sent, asked, switch.len() + 1000]);
    assert!(sent > 1000 && asked > 1000);
}
