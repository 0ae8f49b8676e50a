//! The rules G6 and G7, of a tunnel alone: drains and ages.

mod common;

use common::{
    demands::{INSTANT, SECOND},
    websockets::{HOUR, close, closes, frame, goodbye, open, report, sends, websocket},
};
use underpass_core::{
    DrainSettings, Draining, EndedBy, EndedHow, Ending, Farewell, Lifetime, Side, TunnelSettings,
    WebSocketSettings, websocket::CloseCode,
};
use underpass_testkit::session_world::World;

fn drains(world: &mut World, draining: Draining) {
    let (session, mut turn) = world.parts();
    session.handle_drain(draining, &mut turn);
    world.run();
}

fn draining(change: impl FnOnce(&mut DrainSettings)) -> World {
    websocket(WebSocketSettings::default(), |settings| {
        settings.idle_timeout = HOUR;
        settings.drain.window = Some(100 * SECOND);
        change(&mut settings.drain);
    })
}

#[test]
fn a_drain_comes_at_a_moment_within_the_window() {
    let farewell = Farewell::new(CloseCode::new(4000).expect("it may be said"), "bye").expect("it fits");
    let mut world = draining(|drain| drain.close = farewell);
    drains(&mut world, Draining::Quit(None));
    let begin = world.now().tick;
    assert!(world.elapse_to_deadline());
    assert!(world.now().tick.since(begin) <= 100 * SECOND);
    for side in Side::BOTH {
        assert_eq!(closes(&mut world, side), [(4000, "bye".into())]);
        sends(&mut world, side, close(side, 4000));
    }
    world.origin_ends();
    assert_eq!((report(&world).ended, report(&world).how), (Some(EndedBy::Drain), Some(EndedHow::Close)));
}

#[test]
fn drains_are_spread() {
    let moment = |number: u8| {
        let mut settings = TunnelSettings::default();
        settings.websocket = Some(WebSocketSettings::default());
        (settings.idle_timeout, settings.drain.window) = (HOUR, Some(100 * SECOND));
        let secret = underpass_core::TunnelSecret::new([number; 16]);
        let mut world = World::tunnel_with(settings, secret, [b"", b""]);
        drains(&mut world, Draining::Quit(None));
        let begin = world.now().tick;
        assert!(world.elapse_to_deadline());
        world.now().tick.since(begin).as_secs() / 10
    };
    let mut tenths = [0; 10];
    for number in 0..200 {
        tenths[usize::try_from(moment(number)).expect("within the window")] += 1;
    }
    assert!(tenths.iter().all(|count| (8..=35).contains(count)), "{tenths:?}");
}

#[test]
fn a_reload_drains_where_that_is_wanted() {
    for on_reload in [false, true] {
        let mut world = draining(|drain| drain.on_reload = on_reload);
        drains(&mut world, Draining::Reload(None));
        world.elapse(100 * SECOND);
        assert_eq!(closes(&mut world, Side::Downstream).len(), usize::from(on_reload));
    }
    let mut world = draining(|drain| drain.window = None);
    drains(&mut world, Draining::Quit(None));
    world.elapse(HOUR - SECOND);
    assert!(closes(&mut world, Side::Downstream).is_empty(), "without a window tunnels live until they end");
}

#[test]
fn a_shutdown_waits_for_answers_no_longer_than_two_seconds() {
    for (timeout, waits) in [(5 * SECOND, 2 * SECOND), (SECOND, SECOND)] {
        let mut world = websocket(WebSocketSettings::default(), |settings| settings.close_timeout = timeout);
        let until = world.now().tick.after(4 * SECOND);
        drains(&mut world, Draining::Quit(Some(until)));
        world.elapse(4 * SECOND);
        assert_eq!(closes(&mut world, Side::Upstream), goodbye());
        world.elapse(waits - INSTANT);
        assert!(!world.done);
        world.elapse(INSTANT);
        assert!(world.done);
        assert_eq!(
            (report(&world).ended, report(&world).how),
            (Some(EndedBy::Shutdown), Some(EndedHow::Timeout))
        );
    }
}

#[test]
fn a_stop_says_close_where_a_socket_takes_it_now() {
    let mut world = websocket(WebSocketSettings::default(), |_| {});
    drains(&mut world, Draining::Stop);
    assert!(world.done);
    for side in Side::BOTH {
        assert_eq!(closes(&mut world, side), goodbye());
    }
    let mut world = websocket(WebSocketSettings::default(), |_| {});
    world.client.set_window(3);
    world.origin_sends(&frame(Side::Upstream, 0x82, &[1; 100])[..50]);
    drains(&mut world, Draining::Stop);
    assert!(world.done, "nothing is awaited");
    assert_eq!(world.client.received().len(), 3);
}

/// TERM in the middle of a drain: what has begun to end is over, and told.
#[test]
fn a_stop_awaits_no_answer_to_a_close_that_was_said_before() {
    for (knows_frames, window) in [(true, usize::MAX), (true, 3), (false, usize::MAX)] {
        let mut settings = TunnelSettings::default();
        settings.websocket = knows_frames.then(WebSocketSettings::default);
        (settings.idle_timeout, settings.drain.window) = (HOUR, Some(100 * SECOND));
        let mut world = open(settings);
        world.client.set_window(window);
        drains(&mut world, Draining::Quit(None));
        assert!(world.elapse_to_deadline());
        assert!(!world.done, "answers are awaited");
        drains(&mut world, Draining::Stop);
        assert!(world.done);
        if knows_frames {
            assert_eq!(closes(&mut world, Side::Upstream), goodbye(), "once");
        }
        let report = report(&world);
        assert_eq!((report.ended, report.how), (Some(EndedBy::Drain), Some(EndedHow::Timeout)));
    }
}

#[test]
fn other_protocols_are_half_closed_at_their_moment() {
    let mut settings = TunnelSettings::default();
    (settings.idle_timeout, settings.drain.window) = (HOUR, Some(100 * SECOND));
    let mut world = open(settings);
    world.client_sends("opaque");
    drains(&mut world, Draining::Quit(None));
    assert!(world.elapse_to_deadline());
    assert_eq!([world.client.saw(), world.origin().saw()], [Some(Ending::Fin); 2]);
    assert!(!world.done);
    world.elapse(5 * SECOND);
    assert!(world.done);
    assert_eq!((report(&world).ended, report(&world).how), (Some(EndedBy::Drain), Some(EndedHow::Timeout)));
}

#[test]
fn ages_are_spread_evenly_by_chance() {
    let mut ages = Vec::new();
    for number in 0..200_u8 {
        let mut settings = TunnelSettings::default();
        settings.websocket = Some(WebSocketSettings::default());
        (settings.idle_timeout, settings.max_lifetime) = (HOUR, Some(Lifetime::new(100 * SECOND, 20)));
        let mut world =
            World::tunnel_with(settings, underpass_core::TunnelSecret::new([number; 16]), [b"", b""]);
        let begin = world.now().tick;
        assert!(world.elapse_to_deadline());
        ages.push(world.now().tick.since(begin));
    }
    assert!(ages.iter().all(|age| (80 * SECOND..=120 * SECOND).contains(age)), "{ages:?}");
    let below = ages.iter().filter(|age| **age < 100 * SECOND).count();
    let outer = ages.iter().filter(|age| **age < 90 * SECOND || **age > 110 * SECOND).count();
    assert!((70..=130).contains(&below) && (70..=130).contains(&outer), "{below} {outer}");
}
