//! Random worlds: whatever is said, however it is cut, whoever stalls, leaves or is late, the session keeps its
//! contract, tunnels keep their bytes, and everything ends.

use std::time::Duration;

use proptest::prelude::*;
use underpass_core::{Side, TunnelSettings};
use underpass_testkit::session_world::{Connect, Order, World, config_of};

const UPGRADE: &str = "GET /u HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 S\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n";

/// Something happens.
#[derive(Clone, Debug)]
enum Happening {
    Says(Side, String),
    Ends(Side),
    Resets(Side),
    Window(Side, usize),
    Elapses(u64),
    Deadline,
    Dial(Connect),
    Drains(Option<u64>),
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Downstream), Just(Side::Upstream)]
}

/// What clients and origin servers say, sense and nonsense.
fn words() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        UPGRADE,
        SWITCH,
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
        "5\r\nhello\r\n",
        "0\r\n\r\n",
        "0\r\nX: y\r\n\r\n",
        "hello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 205 Reset\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 304 N\r\n\r\n",
        "HTTP/1.1 426 U\r\nUpgrade: foo\r\nContent-Length: 0\r\n\r\n",
        "\r\n",
        "\n",
        " ",
        "\u{0}",
    ])
    .prop_map(str::to_owned);
    // A word may come in part.
    (known, any::<prop::sample::Index>(), prop::bool::weighted(0.3)).prop_map(|(word, at, cut)| {
        let end = if cut { at.index(word.len() + 1) } else { word.len() };
        word[..end].to_owned()
    })
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        8 => (side(), words()).prop_map(|(side, words)| Happening::Says(side, words)),
        1 => side().prop_map(Happening::Ends),
        1 => side().prop_map(Happening::Resets),
        3 => (side(), prop_oneof![Just(0), 1..40_usize, Just(usize::MAX)])
            .prop_map(|(side, window)| Happening::Window(side, window)),
        1 => (0..3_000_u64).prop_map(Happening::Elapses),
        1 => Just(Happening::Deadline),
        1 => prop_oneof![Just(Connect::Accept), Just(Connect::Refuse), Just(Connect::Hang)]
            .prop_map(Happening::Dial),
        1 => prop::option::of(0..2_000_u64).prop_map(Happening::Drains),
    ]
}

fn world(splices: bool, order: usize) -> World {
    let config = config_of(
        "http { log_format f '$status $request $bytes_sent $request_time $upstream_status'; access_log log f;
         client_max_body_size 8; client_header_timeout 2s;
         server { listen 127.0.0.1:8080; keepalive_timeout 2s; keepalive_requests 3; location / { proxy_pass http://127.0.0.1:9000;
         proxy_read_timeout 1s; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"; } } }",
    );
    let mut world = World::with_buffers(config, 1024);
    world.splices = splices;
    world.order = Order::ALL[order];
    world
}

fn happens(world: &mut World, happening: &Happening) {
    let upstream = world.upstream();
    let end = |world: &mut World, side: Side, act: &dyn Fn(&mut underpass_testkit::session_world::End)| match (
        side, upstream,
    ) {
        (Side::Downstream, _) => act(&mut world.client),
        (Side::Upstream, Some(index)) => act(&mut world.origins[index].end),
        (Side::Upstream, None) => {}
    };
    match happening {
        Happening::Says(side, words) => end(world, *side, &|end| end.send(words.as_bytes())),
        Happening::Ends(side) => end(world, *side, &|end| end.end()),
        Happening::Resets(side) => end(world, *side, &|end| end.reset()),
        Happening::Window(side, window) => end(world, *side, &|end| end.set_window(*window)),
        Happening::Elapses(ms) => world.elapse(Duration::from_millis(*ms)),
        Happening::Deadline => {
            world.elapse_to_deadline();
        }
        Happening::Dial(connect) if world.is_out() => world.answer_dial(*connect),
        Happening::Dial(connect) => world.connects_else = *connect,
        Happening::Drains(within) => world.drain(within.map(Duration::from_millis)),
    }
    world.run();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// No world makes a session break its contract, and every world ends.
    #[test]
    fn any_world_ends(happenings in prop::collection::vec(happening(), 0..40), splices: bool, order in 0..4_usize) {
        let mut world = world(splices, order);
        for happening in &happenings {
            happens(&mut world, happening);
        }
        world.wind_up();
    }

    /// A drain with a limit is over by then, whatever is under way and whatever else happens (C8).
    #[test]
    fn a_drain_with_a_limit_ends_in_time(
        before in prop::collection::vec(happening(), 0..25),
        within in 0..5_000_u64,
        behind in prop::collection::vec(happening(), 0..25),
        splices: bool,
        order in 0..4_usize,
    ) {
        let mut world = world(splices, order);
        for happening in &before {
            happens(&mut world, happening);
        }
        let end = world.now().tick.after(Duration::from_millis(within));
        happens(&mut world, &Happening::Drains(Some(within)));
        for happening in behind.iter().filter(|happening| !matches!(happening, Happening::Drains(_))) {
            happens(&mut world, happening);
        }
        world.elapse(end.since(world.now().tick));
        prop_assert!(world.done, "{:?}", world.session.snapshot(world.now().tick));
    }

    /// What comes out of a tunnel is at any time what went in, and all of it when the tunnel ended in order; of one
    /// that was opened elsewhere, too.
    #[test]
    fn tunnels_keep_their_bytes(
        pieces in prop::collection::vec((side(), prop::collection::vec(any::<u8>(), 1..9_000)), 0..20),
        windows in prop::collection::vec((side(), prop_oneof![Just(0), 1..5_000_usize, Just(usize::MAX)]), 20),
        behind in (prop::collection::vec(any::<u8>(), 0..50), prop::collection::vec(any::<u8>(), 0..50)),
        first_to_end in side(),
        both_at_once: bool,
        splices: bool,
        order in 0..4_usize,
        opened_elsewhere: bool,
    ) {
        let mut world = if opened_elsewhere {
            let mut world = World::tunnel(TunnelSettings::default(), [&behind.0, &behind.1]);
            (world.splices, world.order) = (splices, Order::ALL[order]);
            world.run();
            world
        } else {
            let mut world = world(splices, order);
            world.client_sends([UPGRADE.as_bytes(), &behind.0].concat());
            world.origin_sends([SWITCH.as_bytes(), &behind.1].concat());
            world
        };
        let mut sent = [behind.0, behind.1];
        let heads = [world.client.received().len() - sent[1].len(), world.origins[0].end.received().len() - sent[0].len()];
        for ((from, bytes), (to, window)) in pieces.iter().zip(&windows) {
            happens(&mut world, &Happening::Window(*to, *window));
            sent[*from as usize].extend_from_slice(bytes);
            match from {
                Side::Downstream => world.client.send(bytes),
                Side::Upstream => world.origins[0].end.send(bytes),
            }
            world.run();
            let at_client = &world.client.received()[heads[0]..];
            let at_origin = &world.origins[0].end.received()[heads[1]..];
            prop_assert!(sent[1].starts_with(at_client));
            prop_assert!(sent[0].starts_with(at_origin));
            // Back-pressure: a buffer each way at most.
            let held = world.session.snapshot(world.now().tick);
            for side in Side::BOTH {
                // The 101 may wait in front.
                let most = world.buffers().size() + 128;
                prop_assert!(held.buffered(side) <= most, "{} bytes are held of the {side:?}", held.buffered(side));
            }
        }
        // The ends of both streams overtake nothing, however long what was sent before them waits.
        if both_at_once {
            happens(&mut world, &Happening::Ends(first_to_end));
            happens(&mut world, &Happening::Ends(first_to_end.opposite()));
        }
        happens(&mut world, &Happening::Window(Side::Downstream, usize::MAX));
        happens(&mut world, &Happening::Window(Side::Upstream, usize::MAX));
        if !both_at_once {
            happens(&mut world, &Happening::Ends(first_to_end));
            happens(&mut world, &Happening::Ends(first_to_end.opposite()));
        }
        prop_assert!(world.done);
        prop_assert_eq!(&world.client.received()[heads[0]..], &sent[1]);
        prop_assert_eq!(&world.origins[0].end.received()[heads[1]..], &sent[0]);
        let exchange = world.exchanges.last().expect("the tunnel's record").clone();
        let tunnel = exchange.tunnel.expect("a tunnel");
        let count = |bytes: &Vec<u8>| bytes.len() as u64;
        prop_assert_eq!((tunnel.0, tunnel.1, tunnel.3), (count(&sent[0]), count(&sent[1]), false));
    }
}
