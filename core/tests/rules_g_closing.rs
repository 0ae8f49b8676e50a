//! The rule G5, of a tunnel alone: it says Close, and waits for the answers.

mod common;

use common::{
    demands::{INSTANT, SECOND},
    websockets::{CLOSE, TEXT, close, closes, end, frame, goodbye, got, report, sends, told, websocket},
};
use underpass_core::{EndedBy, EndedHow, Ending, Lifetime, Side, Timer, TunnelSettings, WebSocketSettings};
use underpass_testkit::session_world::World;

/// Ends a tunnel of its own wish: by its age.
fn aged(change: impl FnOnce(&mut TunnelSettings)) -> World {
    websocket(WebSocketSettings::default(), |settings| {
        settings.max_lifetime = Some(Lifetime::new(20 * SECOND, 0));
        change(settings);
    })
}

/// G10: a Close that has waited for the end of a frame is never said where that frame breaks a rule: nobody knows where it
/// ends. Nothing of what follows goes on, either.
#[test]
fn a_close_that_waits_behind_the_beginning_of_a_bad_header_is_never_said() {
    for from in Side::BOTH {
        let mut world = aged(|settings| settings.close_timeout = 5 * SECOND);
        // The length is not in its shortest form.
        let bad: &[u8] = match from {
            Side::Downstream => &[0x82, 0xfe, 0, 5, 1, 2, 3, 4],
            Side::Upstream => &[0x82, 0x7e, 0, 5],
        };
        sends(&mut world, from, &bad[..1]);
        world.elapse(21 * SECOND);
        for bytes in [&bad[1..], b"hello", &frame(from, TEXT, b"next")] {
            sends(&mut world, from, bytes);
        }
        assert_eq!(end(&mut world, from.opposite()).received(), &bad[..1], "{from:?}");
        assert_eq!(closes(&mut world, from), goodbye(), "the other direction has a place for it");
        world.elapse(4 * SECOND);
        assert!(world.done);
    }
}

#[test]
fn each_side_is_told_and_its_answer_awaited_then_its_connection_ends_in_order() {
    for first in Side::BOTH {
        let mut world = aged(|_| {});
        world.elapse(20 * SECOND - INSTANT);
        assert_eq!(
            [closes(&mut world, Side::Downstream), closes(&mut world, Side::Upstream)],
            [vec![], vec![]]
        );
        world.elapse(INSTANT);
        for side in Side::BOTH {
            assert_eq!(closes(&mut world, side), goodbye());
            // What a side still sends goes nowhere.
            sends(&mut world, side, frame(side, TEXT, b"too late"));
        }
        for side in [first, first.opposite()] {
            sends(&mut world, side, close(side, 1012));
        }
        assert_eq!(world.client.saw(), Some(Ending::Fin), "we end the client's connection first");
        assert_eq!(world.origin().saw(), None, "the origin server ends its connection first");
        assert!(!world.done);
        world.origin_ends();
        assert!(world.done && world.origin().saw() == Some(Ending::Fin));
        for side in Side::BOTH {
            assert_eq!(got(&mut world, side).len(), 1, "nothing stands behind a Close");
        }
        let report = report(&world);
        assert_eq!((report.ended, report.how), (Some(EndedBy::Lifetime), Some(EndedHow::Close)));
        assert_eq!((report.client.close, report.upstream.close, report.cut), (Some(1012), Some(1012), false));
    }
}

#[test]
fn what_is_left_of_a_frame_goes_first() {
    let mut world = aged(|_| {});
    let long = frame(Side::Upstream, 0x82, &[3; 300]);
    world.origin_sends(&long[..100]);
    world.elapse(20 * SECOND);
    assert_eq!(closes(&mut world, Side::Upstream), goodbye());
    assert_eq!(world.client.received().len(), 100);
    world.origin_sends(&long[100..]);
    world.origin_sends(frame(Side::Upstream, TEXT, b"too late"));
    let frames = told(&mut world, Side::Downstream);
    assert_eq!(frames.iter().map(|(first, _)| *first).collect::<Vec<_>>(), [0x82, CLOSE]);
}

#[test]
fn a_peer_that_has_said_close_is_answered_once() {
    let mut world = aged(|_| {});
    world.client_sends(close(Side::Downstream, 1000));
    world.elapse(20 * SECOND);
    assert_eq!(closes(&mut world, Side::Upstream), [(1000, String::new())], "its own has passed there");
    assert_eq!(closes(&mut world, Side::Downstream), goodbye());
    assert_eq!(world.client.saw(), Some(Ending::Fin), "it has said Close");
    world.origin_sends(close(Side::Upstream, 1000));
    assert_eq!(closes(&mut world, Side::Downstream).len(), 1);
    world.origin_ends();
    assert!(world.done);
}

#[test]
fn closing_has_a_bound_whoever_answers() {
    for (answering, boundary) in
        [(None, true), (Some(Side::Downstream), true), (Some(Side::Upstream), true), (None, false)]
    {
        let mut world = aged(|settings| settings.close_timeout = 3 * SECOND);
        if !boundary {
            world.origin_sends(&frame(Side::Upstream, 0x82, &[3; 300])[..100]);
        }
        world.elapse(20 * SECOND);
        if let Some(side) = answering {
            sends(&mut world, side, close(side, 1000));
        }
        world.elapse(3 * SECOND - INSTANT);
        assert!(!world.done);
        world.elapse(INSTANT);
        assert!(world.done, "{answering:?} {boundary}");
        let report = report(&world);
        assert_eq!((report.ended, report.how), (Some(EndedBy::Lifetime), Some(EndedHow::Timeout)));
        assert_eq!([report.client.ending, report.upstream.ending], [Ending::Fin; 2]);
    }
}

#[test]
fn a_side_that_leaves_while_it_is_told_is_not_awaited() {
    let mut world = aged(|_| {});
    world.elapse(20 * SECOND);
    world.client.reset();
    world.run();
    world.origin_sends(close(Side::Upstream, 1012));
    world.origin_ends();
    assert!(world.done);
    assert_eq!(report(&world).ended, Some(EndedBy::Lifetime));
}

#[test]
fn an_idle_timer_says_close_and_waits_for_nothing() {
    for (name, timer) in [("idle", Timer::TunnelIdle), ("half-close", Timer::HalfClose)] {
        let mut world = websocket(WebSocketSettings::default(), |settings| {
            settings.half_close_timeout = 7 * SECOND;
        });
        if timer == Timer::HalfClose {
            world.client_ends();
        }
        world.elapse(60 * SECOND);
        assert!(world.done, "{name}");
        assert_eq!(closes(&mut world, Side::Downstream), [(1001, String::new())]);
        let upstream = if timer == Timer::HalfClose { vec![] } else { vec![(1001, String::new())] };
        assert_eq!(closes(&mut world, Side::Upstream), upstream, "its stream has been ended");
        let report = report(&world);
        assert_eq!((report.ended, report.how), (Some(EndedBy::Timer(timer)), Some(EndedHow::Timeout)));
        assert_eq!(report.ended.expect("it has").word(), name);
    }
}

#[test]
fn a_send_timer_tells_the_side_that_takes_something() {
    let mut world = websocket(WebSocketSettings::default(), |_| {});
    world.client.set_window(10);
    world.origin_sends(frame(Side::Upstream, 0x82, &[1; 100]));
    world.elapse(60 * SECOND);
    assert!(world.done);
    assert_eq!(report(&world).ended, Some(EndedBy::Timer(Timer::ClientSend)));
    assert_eq!(world.client.received().len(), 10, "no place between two frames");
    assert_eq!(closes(&mut world, Side::Upstream), [(1001, String::new())]);
    assert!(report(&world).client.blocked >= 60 * SECOND);
}

#[test]
fn where_a_reset_is_wanted_nothing_is_said_before() {
    let mut world =
        websocket(WebSocketSettings::default(), |settings| settings.reset_timedout_connection = true);
    world.elapse(60 * SECOND);
    assert!(world.done && world.client.received().is_empty());
    assert_eq!([world.client.saw(), world.origin().saw()], [Some(Ending::Reset); 2]);
}
