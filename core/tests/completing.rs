//! A shell whose reads and writes complete late comes to the same as one that tries what is ready, whatever is still
//! under way on a connection when it is given up for another.

use std::time::Duration;

use underpass_testkit::session_world::{Completion, End, World, config_of};

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
