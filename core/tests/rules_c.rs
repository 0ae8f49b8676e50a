//! Demands of the rules C of `docs/design/behaviour.md` that no case of `testdata/` shows.

mod common;

use common::demands::{INSTANT, RECIPE, SECOND, SWITCH, UPGRADE, got, http, upgrading};
use underpass_core::{Ending, Event, Outcome, Side, Timer};
use underpass_testkit::session_world::{End, World, tunnel_settings};

fn tunnel(in_location: &str) -> World {
    let mut world = upgrading(in_location);
    world.client_sends(UPGRADE);
    world.origin_sends(SWITCH);
    world
}

/// The same cases hold for a session whose exchange has become a tunnel, and for a tunnel alone.
const OPENED: [fn(&str) -> World; 2] = [tunnel, alone];

fn alone(in_location: &str) -> World {
    let mut world = World::tunnel(tunnel_settings(in_location), [b"", b""]);
    world.run();
    world
}

fn end(world: &mut World, side: Side) -> &mut End {
    match side {
        Side::Downstream => &mut world.client,
        Side::Upstream => world.origin(),
    }
}

fn ends(world: &mut World, side: Side) {
    match side {
        Side::Downstream => world.client_ends(),
        Side::Upstream => world.origin_ends(),
    }
}

#[test]
fn either_end_ends_both_directions_where_that_is_wanted() {
    for tunnel in OPENED {
        for side in Side::BOTH {
            for (switch, over) in [("on", false), ("off", true)] {
                let mut world = tunnel(&format!("upgrade_half_close {switch};"));
                world.client_sends("up");
                world.origin_sends("down");
                ends(&mut world, side);
                assert!(world.origin().received().ends_with(b"up") && got(&world).ends_with("down"));
                let saw = [world.client.saw(), world.origin().saw()];
                let expected = match (over, side) {
                    (true, _) => [Some(Ending::Fin); 2],
                    (false, Side::Downstream) => [None, Some(Ending::Fin)],
                    (false, Side::Upstream) => [Some(Ending::Fin), None],
                };
                assert_eq!(saw, expected, "{switch}, {side:?}");
            }
        }
    }
}

#[test]
fn half_a_tunnel_has_the_time_that_is_configured() {
    for tunnel in OPENED {
        for side in Side::BOTH {
            let mut world = tunnel("upgrade_half_close_timeout 3s; proxy_read_timeout 9s;");
            ends(&mut world, side);
            world.elapse(3 * SECOND - INSTANT);
            assert!(world.exchanges.is_empty());
            match side {
                Side::Downstream => world.origin_sends("restarts it"),
                Side::Upstream => world.client_sends("restarts it"),
            }
            world.elapse(3 * SECOND - INSTANT);
            assert!(world.exchanges.is_empty());
            world.elapse(INSTANT);
            assert_eq!(world.exchanges[0].outcome, Outcome::TimedOut(Timer::HalfClose));
            assert!(world.done && world.origin().saw().is_some() && world.client.saw().is_some());
        }
    }
}

#[test]
fn a_reset_is_handed_on_behind_the_tail_where_that_is_wanted() {
    for tunnel in OPENED {
        for (switch, ending) in [("on", Ending::Reset), ("off", Ending::Fin)] {
            let mut world = tunnel(&format!("upgrade_relay_reset {switch};"));
            world.client.set_window(0);
            world.origin_sends("tail");
            world.origin().reset();
            world.run();
            assert_eq!(world.client.saw(), None, "{switch}: the tail comes first");
            world.client.set_window(usize::MAX);
            world.run();
            assert!(got(&world).ends_with("tail"), "{switch}");
            assert_eq!(world.client.saw(), Some(ending), "{switch}");
            while !world.done && world.elapse_to_deadline() {}
            assert!(world.exchanges[0].tunnel.expect("a tunnel").3, "the record says that it was cut");
        }
    }
}

/// What a side had sent is in the system's buffers towards the other when it is cut: a reset would destroy it there.
#[test]
fn a_reset_waits_until_the_tail_was_acknowledged() {
    for tunnel in OPENED {
        for side in Side::BOTH {
            for is_reset in [true, false] {
                let mut world = tunnel("upgrade_relay_reset on;");
                end(&mut world, side).send(b"tail");
                world.run();
                end(&mut world, side.opposite()).set_window(0);
                if is_reset {
                    end(&mut world, side).reset();
                } else {
                    // As one that was reset shows itself where it is written to first.
                    end(&mut world, side).refuse();
                    end(&mut world, side.opposite()).send(b"unwanted");
                    world.run();
                    end(&mut world, side).end();
                }
                world.run();
                world.elapse(2 * SECOND);
                let other = end(&mut world, side.opposite());
                assert!(other.received().ends_with(b"tail"));
                assert_eq!(other.saw(), None, "{side:?}, reset {is_reset}");
                other.set_window(usize::MAX);
                world.elapse_to_deadline();
                assert_eq!(
                    end(&mut world, side.opposite()).saw(),
                    Some(Ending::Reset),
                    "{side:?}, {is_reset}"
                );
                assert!(world.done && world.exchanges[0].outcome == Outcome::Cut);
            }
        }
    }
}

#[test]
fn a_tail_that_nobody_acknowledges_is_waited_for_as_long_as_unread_input_is_dropped() {
    for tunnel in OPENED {
        for side in Side::BOTH {
            for (timers, seconds) in [("", 5), ("lingering_timeout 7s;", 7), ("lingering_time 3s;", 3)] {
                let mut world = tunnel(&format!("upgrade_relay_reset on; {timers}"));
                end(&mut world, side).send(b"tail");
                world.run();
                end(&mut world, side.opposite()).set_window(0);
                end(&mut world, side).reset();
                world.run();
                world.elapse(seconds * SECOND - INSTANT);
                assert_eq!(end(&mut world, side.opposite()).saw(), None, "{side:?}, {timers}");
                world.elapse(INSTANT);
                assert_eq!(end(&mut world, side.opposite()).saw(), Some(Ending::Reset), "{side:?}, {timers}");
                assert!(world.done && world.exchanges[0].outcome == Outcome::Cut);
            }
        }
    }
}

/// Nobody is there for whom the other side could send: it is not read on, however much it pushes.
#[test]
fn the_other_side_of_one_that_is_gone_is_closed_at_once() {
    for tunnel in OPENED {
        for side in Side::BOTH {
            for (is_reset, tail) in [(true, "tail"), (true, ""), (false, "tail")] {
                let mut world = tunnel("lingering_time 1h; lingering_timeout 1h;");
                end(&mut world, side).send(tail.as_bytes());
                world.run();
                if is_reset {
                    end(&mut world, side).reset();
                } else {
                    // As one that was reset shows itself where it is written to first.
                    end(&mut world, side).refuse();
                    end(&mut world, side.opposite()).send(b"unwanted");
                    world.run();
                    assert!(!world.done, "what it still sends is delivered");
                    end(&mut world, side).end();
                }
                end(&mut world, side.opposite()).send(b"pushed");
                world.run();
                assert!(end(&mut world, side.opposite()).received().ends_with(tail.as_bytes()));
                assert!(end(&mut world, side.opposite()).saw().is_some(), "{side:?}, {is_reset}, {tail:?}");
                assert!(world.done && world.exchanges[0].outcome == Outcome::Cut);
            }
        }
    }
}

#[test]
fn the_tail_of_one_that_is_gone_is_acknowledged_before_the_other_side_is_closed() {
    for tunnel in OPENED {
        for side in Side::BOTH {
            for in_time in [true, false] {
                let mut world = tunnel("lingering_time 30s; lingering_timeout 5s;");
                end(&mut world, side).send(b"tail");
                world.run();
                end(&mut world, side.opposite()).set_window(0);
                end(&mut world, side).reset();
                world.run();
                for _ in 0..29 {
                    end(&mut world, side.opposite()).send(b"pushed");
                    world.elapse(SECOND);
                    assert!(!world.done && end(&mut world, side.opposite()).unread().is_empty(), "{side:?}");
                }
                end(&mut world, side.opposite()).send(b"pushed");
                if in_time {
                    end(&mut world, side.opposite()).set_window(usize::MAX);
                    world.elapse_to_deadline();
                }
                world.elapse(SECOND);
                assert!(world.done, "{side:?}, {in_time}");
            }
        }
    }
}

/// A peer that doesn't take the tail of one that is gone, and pushes, is not read for ever.
#[test]
fn what_is_read_in_vain_is_bounded_while_the_tail_is_under_way() {
    for tunnel in OPENED {
        for side in Side::BOTH {
            let mut world =
                tunnel("lingering_time 30s; proxy_send_timeout 1h; send_timeout 1h; proxy_read_timeout 2h;");
            end(&mut world, side.opposite()).set_window(0);
            end(&mut world, side).send(b"tail");
            world.run();
            end(&mut world, side).reset();
            world.run();
            world.elapse(30 * SECOND - INSTANT);
            end(&mut world, side.opposite()).send(b"dropped");
            world.run();
            assert_eq!(end(&mut world, side.opposite()).unread(), b"", "{side:?}");
            world.elapse(INSTANT);
            end(&mut world, side.opposite()).send(b"left alone");
            world.elapse(60 * SECOND);
            assert_eq!(end(&mut world, side.opposite()).unread(), b"left alone", "{side:?}");
            end(&mut world, side.opposite()).set_window(usize::MAX);
            world.run();
            assert!(end(&mut world, side.opposite()).received().ends_with(b"tail"), "{side:?}");
            assert!(world.done && world.exchanges[0].outcome == Outcome::Cut, "{side:?}");
        }
    }
}

#[test]
fn a_tunnel_is_idle_for_a_minute_unless_configured() {
    for tunnel in OPENED {
        let mut world = tunnel("");
        world.elapse(60 * SECOND - INSTANT);
        assert!(!world.done);
        world.elapse(INSTANT);
        assert!(world.done);
        assert_eq!((world.closed, world.origin().saw()), (Some(Ending::Fin), Some(Ending::Fin)));
    }
}

/// A tunnel of five bytes up and three down, that is left one second after it opened: what the error log and the access
/// log tell of it.
fn told(leave: impl FnOnce(&mut World)) -> [String; 2] {
    let mut world = http(&format!(
        "log_format f '$status $request_time'; access_log /log f; server {{ listen 127.0.0.1:8080;
         location / {{ proxy_pass http://127.0.0.1:9000; {RECIPE} }} }}"
    ));
    world.client_sends(UPGRADE);
    world.elapse(SECOND);
    world.origin_sends(SWITCH);
    assert_eq!(world.session.tunnel_report().expect("a tunnel").opened, world.now().tick);
    world.client_sends("12345");
    world.origin_sends("123");
    world.elapse(SECOND);
    leave(&mut world);
    while !world.done && world.elapse_to_deadline() {}
    let line = world.notes.iter().find(|(event, _)| matches!(event, Event::TunnelClosed(_)));
    [line.expect("a note").1.clone(), world.log.join("\n")]
}

#[test]
fn who_ended_a_tunnel_and_how_is_told_and_its_bytes_and_time() {
    let in_order = |first: Side| {
        told(move |world| {
            ends(world, first);
            ends(world, first.opposite());
        })
    };
    let reset = |world: &mut World| {
        world.origin().reset();
        world.run();
    };
    for ([line, log], ended, cut, time) in [
        (in_order(Side::Downstream), "client", false, "2.000"),
        (in_order(Side::Upstream), "upstream", false, "2.000"),
        (told(reset), "upstream", true, ""),
        (told(|world| world.elapse(59 * SECOND)), "idle", false, "61.000"),
        (told(|world| world.drain(Some(4 * SECOND))), "shutdown", false, "6.000"),
    ] {
        assert!(line.starts_with(&format!("tunnel closed by {ended}, client: ")), "{line}");
        assert!(line.contains(", from client: 5, from upstream: 3"), "{line}");
        assert_eq!(line.contains("from upstream: 3, cut"), cut, "{line}");
        assert!(log.starts_with(&format!("101 {time}")), "{ended}: {log}");
    }
}

#[test]
fn a_drain_without_a_limit_waits_for_tunnels() {
    for tunnel in OPENED {
        let mut world = tunnel("proxy_read_timeout 1h;");
        world.drain(None);
        world.elapse(1800 * SECOND);
        world.client_sends("still here");
        assert!(world.origin().received().ends_with(b"still here") && !world.done);
        ends(&mut world, Side::Downstream);
        ends(&mut world, Side::Upstream);
        assert!(world.done);
    }
}
