//! Timers under a clock that steps as it likes: nothing fires before its time, nothing is left once its time has
//! come, and being called too early, too late or with an hour that has passed changes nothing else.

use std::time::Duration;

use proptest::prelude::*;
use underpass_core::{Buffers, Side, Tick, Turn};
use underpass_testkit::session_world::{Connect, World, config_of};

/// Something happens, and time passes behind it.
#[derive(Clone, Debug)]
struct Step {
    happening: Happening,
    /// Milliseconds.
    passes: u64,
}

#[derive(Clone, Debug)]
enum Happening {
    Nothing,
    Client(&'static str),
    Origin(&'static str),
    Ends(Side),
    Window(Side, usize),
    Dial(Connect),
    Drains(u64),
}

const CLIENT: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHo",
    "st: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n",
    "x",
];

const ORIGIN: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
    "HTTP/1.1 101 S\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n",
    "HTTP/1.1 103 E\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\n",
    "x",
];

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Downstream), Just(Side::Upstream)]
}

fn step() -> impl Strategy<Value = Step> {
    let happening = prop_oneof![
        2 => Just(Happening::Nothing),
        6 => prop::sample::select(CLIENT).prop_map(Happening::Client),
        6 => prop::sample::select(ORIGIN).prop_map(Happening::Origin),
        1 => side().prop_map(Happening::Ends),
        2 => (side(), prop_oneof![Just(0), Just(1), Just(usize::MAX)])
            .prop_map(|(side, window)| Happening::Window(side, window)),
        2 => prop_oneof![Just(Connect::Accept), Just(Connect::Hang), Just(Connect::Refuse)]
            .prop_map(Happening::Dial),
        1 => (0..9_000_u64).prop_map(Happening::Drains),
    ];
    (happening, prop_oneof![3 => 0..900_u64, 1 => 0..20_000_u64])
        .prop_map(|(happening, passes)| Step { happening, passes })
}

/// Every timer has a length of its own.
fn world() -> World {
    World::with_buffers(
        config_of(
            "http { access_log off; client_header_timeout 2s; client_body_timeout 1100ms; send_timeout 1200ms;
             keepalive_timeout 1300ms; lingering_timeout 400ms; lingering_time 1s; proxy_connect_timeout 1500ms;
             proxy_send_timeout 1600ms; proxy_read_timeout 1700ms; upgrade_half_close_timeout 1400ms;
             upgrade_handshake_timeout 1800ms; server { listen 127.0.0.1:8080; location / {
             proxy_pass http://127.0.0.1:9000; proxy_set_header Upgrade $http_upgrade;
             proxy_set_header Connection upgrade; } } }",
        ),
        1024,
    )
}

fn happens(world: &mut World, happening: &Happening) {
    let upstream = world.upstream();
    match (happening, upstream) {
        (Happening::Client(text), _) => world.client.send(text.as_bytes()),
        (Happening::Origin(text), Some(index)) => world.origins[index].end.send(text.as_bytes()),
        (Happening::Ends(Side::Downstream), _) => world.client.end(),
        (Happening::Ends(Side::Upstream), Some(index)) => world.origins[index].end.end(),
        (Happening::Window(Side::Downstream, window), _) => world.client.set_window(*window),
        (Happening::Window(Side::Upstream, window), Some(index)) => {
            world.origins[index].end.set_window(*window);
        }
        (Happening::Dial(connect), _) if world.is_out() => world.answer_dial(*connect),
        (Happening::Dial(connect), _) => world.connects_else = *connect,
        (Happening::Drains(within), _) => world.drain(Some(Duration::from_millis(*within))),
        (Happening::Nothing | Happening::Origin(_) | Happening::Ends(_) | Happening::Window(..), _) => {}
    }
    world.run();
}

/// The time that the timer has which fires next.
fn next(world: &World) -> Option<u64> {
    world.session.snapshot(world.now().tick).timers().iter().map(|(_, left)| *left).min()
}

/// A call at this moment on a copy of the session changes nothing in it.
fn is_early(world: &World, at: Tick) {
    let now = world.now();
    let before = world.session.snapshot(now.tick);
    let mut session = world.session.clone();
    let mut buffers = Buffers::new(world.buffers().size());
    let mut called = now;
    called.tick = at;
    session.handle_timeout(&mut Turn { now: called, buffers: &mut buffers });
    assert_eq!(session.snapshot(now.tick), before);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    /// Being called at more moments than those asked for makes no difference.
    #[test]
    fn early_calls_change_nothing(
        steps in prop::collection::vec(step(), 0..25),
        cuts in prop::collection::vec(1..700_u64, 25),
    ) {
        let [mut punctual, mut nervous] = [world(), world()];
        for (step, cut) in steps.iter().zip(&cuts) {
            happens(&mut punctual, &step.happening);
            happens(&mut nervous, &step.happening);
            punctual.elapse(Duration::from_millis(step.passes));
            let mut left = step.passes;
            while left > 0 {
                let passes = left.min(*cut);
                nervous.elapse(Duration::from_millis(passes));
                left -= passes;
            }
            prop_assert_eq!(punctual.result(), nervous.result());
            let at = punctual.now().tick;
            prop_assert_eq!(punctual.session.snapshot(at), nervous.session.snapshot(at));
        }
    }

    /// Leaps over any number of deadlines: what is due fires then and nothing else does, time that has passed
    /// is no time to go back to, and in the end everything ends.
    #[test]
    fn late_calls_leave_nothing_behind(steps in prop::collection::vec(step(), 0..25)) {
        let mut world = world();
        for step in &steps {
            happens(&mut world, &step.happening);
            let span = Duration::from_millis(step.passes);
            let due = next(&world);
            let before = (world.result(), world.notes.len());
            world.leap(span);
            if due.is_none_or(|due| u128::from(due) > span.as_nanos()) {
                prop_assert_eq!((world.result(), world.notes.len()), before, "something fired before its time");
            }
            if !world.done {
                prop_assert!(next(&world).is_none_or(|left| left > 0), "something is left that was due");
                is_early(&world, Tick(world.now().tick.0 / 2));
                is_early(&world, Tick(0));
            }
        }
        for _ in 0..64 {
            if world.done {
                return Ok(());
            }
            world.leap(Duration::from_secs(1));
        }
        prop_assert!(false, "time doesn't end {:?}", world.session.snapshot(world.now().tick));
    }
}
