//! A shell whose reads and writes complete late comes to the same as one that tries what is ready, whatever is still
//! under way on a connection when it is given up for another.

use std::time::Duration;

use underpass_testkit::session_world::{Completion, End, Late, World, config_of};

const CONFIG: &str = "events {} http { access_log access.log;
    upstream g { hash x; server 127.0.0.1:9000 max_fails=0; server 127.0.0.1:9001 max_fails=0; keepalive 4; }
    server { listen 127.0.0.1:8080; location / { proxy_pass http://g; proxy_http_version 1.1;
    proxy_set_header Connection \"\"; proxy_next_upstream error timeout http_500 non_idempotent; } } }";

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// How a first peer fails.
#[derive(Clone, Copy, Debug)]
enum Fails {
    /// It takes nothing, and says nothing.
    Stalls,
    /// It takes some bytes.
    TakesSome,
    /// It says nothing.
    IsSilent,
    Ends,
    Resets,
    /// It answers in a way that makes another peer be asked.
    Answers,
    /// It says half a head, then nothing.
    SaysHalf,
}

const WAYS: [Fails; 7] = [
    Fails::Stalls,
    Fails::TakesSome,
    Fails::IsSilent,
    Fails::Ends,
    Fails::Resets,
    Fails::Answers,
    Fails::SaysHalf,
];

const REQUESTS: [&str; 4] = [
    "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "PUT /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\ncontent",
    "PUT /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
    "GET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
];

/// Each request is failed by one peer, and answered by the next.
fn play(way: Fails, completion: Option<Completion>) -> World {
    let mut world = World::new(config_of(CONFIG));
    world.completion = completion;
    for request in REQUESTS {
        let (head, content) = request.split_at(request.find("\r\n\r\n").expect("a head") + 4);
        world.window = match way {
            Fails::Stalls => 0,
            Fails::TakesSome => 20,
            _ => usize::MAX,
        };
        world.client_sends(head);
        world.window = usize::MAX;
        world.client_sends(content);
        let minute = Duration::from_secs(61);
        match way {
            Fails::Stalls | Fails::TakesSome | Fails::IsSilent => {}
            Fails::Ends => in_use(&mut world).end(),
            Fails::Resets => in_use(&mut world).reset(),
            Fails::Answers => in_use(&mut world).send(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"),
            Fails::SaysHalf => in_use(&mut world).send(&OK.as_bytes()[..20]),
        }
        world.run();
        if matches!(way, Fails::Stalls | Fails::TakesSome | Fails::IsSilent | Fails::SaysHalf) {
            world.elapse(minute);
        }
        in_use(&mut world).send(OK.as_bytes());
        world.run();
    }
    world
}

fn in_use(world: &mut World) -> &mut End {
    let index = world.upstream().expect("a connection to an origin server");
    &mut world.origins[index].end
}

/// What the second peer received, on all of its connections.
fn at_the_second(world: &World) -> Vec<String> {
    let second = world.origins.iter().filter(|origin| origin.address.port() == Some(9001));
    second.map(|origin| origin.end.received().escape_ascii().to_string()).collect()
}

#[test]
fn what_comes_late_of_a_connection_before_changes_nothing() {
    let mut late = [0; 2];
    for way in WAYS {
        let expected = play(way, None);
        assert_eq!(expected.exchanges.len(), REQUESTS.len(), "{way:?}: {:?}", expected.notes);
        assert!(expected.exchanges.iter().all(|exchange| exchange.status == 200), "{way:?}");
        for seed in 0..24 {
            let world = play(way, Some(Completion::with_seed(seed)));
            assert_eq!(world.result().client, expected.result().client, "{way:?}, seed {seed}");
            assert_eq!(world.exchanges, expected.exchanges, "{way:?}, seed {seed}");
            assert_eq!(at_the_second(&world), at_the_second(&expected), "{way:?}, seed {seed}");
            late.iter_mut().zip(world.late_reports()).for_each(|(all, more)| *all += more);
        }
    }
    println!("late reports: {} reads, {} writes", late[0], late[1]);
    assert!(late.iter().all(|count| *count > 50), "too little came late: {late:?}");
}

/// The response comes before the request has been taken; the connection is released, and the client asks again.
#[test]
fn the_next_exchange_leaves_alone_what_a_write_uses() {
    let mut world = World::new(config_of(CONFIG));
    world.completion = Some(Completion::on_command());
    world.window = 0;
    world.client_sends("PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345");
    in_use(&mut world).send(OK.as_bytes());
    world.run();
    assert_eq!((world.exchanges.len(), world.late()), (1, vec![(false, false), (true, false)]));
    world.window = usize::MAX;
    // Its bytes are read: the world sees whether they come into memory that is still being written from.
    world.client_sends("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(world.origins.len(), 2);
    assert_eq!(world.origin().received(), b"", "a write of the connection before is under way");
    world.comes_back(1, Late::Moved);
    assert_eq!(world.origin().received(), b"", "it is the write that uses it");
    world.comes_back(0, Late::Moved);
    assert!(world.origin().received().starts_with(b"GET /2 HTTP/1.1\r\n"));
    in_use(&mut world).send(OK.as_bytes());
    world.run();
    assert_eq!(world.exchanges.len(), 2);
    assert_eq!(world.late_reports(), [1, 1]);
}

#[test]
fn a_connect_is_dialled_when_nothing_is_under_way_elsewhere() {
    let config = "events {} http { access_log access.log; server { listen 127.0.0.1:8080;
        location /get { proxy_pass http://127.0.0.1:9000; }
        location / { tunnel_pass; tunnel_allow 127.0.0.0/8 9000; } } }";
    let mut world = World::new(config_of(config));
    world.completion = Some(Completion::on_command());
    world.client_sends("GET /get HTTP/1.1\r\nHost: a\r\n\r\n");
    world.elapse(Duration::from_secs(61));
    assert_eq!(world.exchanges[0].status, 504);
    assert_eq!(world.late(), [(true, false)], "a read of the connection that was released");
    world.client_sends("CONNECT 127.0.0.1:9000 HTTP/1.1\r\nHost: 127.0.0.1:9000\r\n\r\n");
    assert_eq!((world.late(), world.origins.len()), (vec![(true, false)], 1));
    world.comes_back(0, Late::Moved);
    assert!(world.session.snapshot(world.now().tick).is_tunnel());
    in_use(&mut world).send(b"hello");
    world.client_sends("hi");
    assert_eq!(in_use(&mut world).received(), b"hi");
    assert!(world.client.received().ends_with(b"\r\n\r\nhello"), "{:?}", world.result().client);
}

/// A reset may be reported whenever it is noticed: it is no report of a read of the connection before.
#[test]
fn a_reset_that_is_noticed_brings_back_no_memory_of_another_connection() {
    let mut world = World::new(config_of(CONFIG));
    world.completion = Some(Completion::on_command());
    world.client_sends("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    world.elapse(Duration::from_secs(61));
    assert_eq!((world.late(), world.origins.len()), (vec![(true, true)], 2), "the second peer is asked");
    in_use(&mut world).reset();
    world.run();
    assert_eq!(world.exchanges[0].status, 502);
    world.client_sends("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(world.origins.len(), 3);
    in_use(&mut world).send(OK.as_bytes());
    world.run();
    assert_eq!(world.exchanges.len(), 1, "there is no memory to read into");
    world.comes_back(0, Late::Moved);
    assert_eq!(world.exchanges[1].status, 200);
}
