//! How a tunnel comes to its end: by its sides, by our own wish (G5), by time.

use super::{steps::*, *};
use crate::record::{EndedBy, EndedHow, Outcome};

#[test]
fn a_close_that_goes_in_pieces_is_awaited_all_the_same() {
    let mut bench = aged(|_| {});
    bench.passes(20);
    let close = bench.offered(Side::Downstream);
    bench.tell(Report::Went(Side::Downstream, 1));
    bench.tell(Report::Stuck(Side::Downstream));
    assert_eq!(bench.takes(Side::Downstream), close[1..]);
    bench.takes(Side::Upstream);
    bench.says_close(Side::Upstream);
    bench.tell(Report::Ends(Side::Upstream));
    assert!(!bench.tunnel.is_done(), "the client has still to answer");
    bench.says_close(Side::Downstream);
    assert_eq!(bench.how(), (true, Some(EndedHow::Close)));
}

#[test]
fn a_close_that_nobody_takes_is_not_waited_for() {
    let mut bench = aged(|_| {});
    bench.passes(20);
    bench.takes(Side::Upstream);
    bench.says_close(Side::Upstream);
    bench.tell(Report::Ends(Side::Upstream));
    assert!(!bench.tunnel.is_done() && !bench.offered(Side::Downstream).is_empty());
    bench.tell(Report::Refuses(Side::Downstream));
    assert_eq!(bench.how(), (true, Some(EndedHow::Timeout)), "the client hasn't answered");
    // Nor is it offered any more, where the other side's answer is still awaited.
    let mut bench = aged(|_| {});
    bench.passes(20);
    bench.takes(Side::Upstream);
    bench.tell(Report::Refuses(Side::Downstream));
    assert!(!bench.tunnel.is_done() && !bench.tunnel.wait().writes(Side::Downstream));
    assert_eq!(bench.offered(Side::Downstream), b"");
}

#[test]
fn a_close_waits_for_no_frame_that_was_cut_short() {
    let mut bench = aged(|_| {});
    bench.tell(Report::Frame(Side::Upstream, Sent::Part));
    bench.takes(Side::Downstream);
    bench.passes(20);
    assert_eq!(bench.offered(Side::Downstream), b"", "within a frame there is no place for it");
    bench.takes(Side::Upstream);
    assert!(!bench.tunnel.is_done());
    bench.tell(Report::Ends(Side::Upstream));
    assert_eq!(bench.how(), (true, Some(EndedHow::Timeout)), "nobody can be told, and nobody has answered");
}

#[test]
fn a_stop_awaits_nothing() {
    // Bytes wait for both sides: a Close would stand behind them.
    let mut bench = aged(|_| {});
    for from in Side::BOTH {
        bench.tell(Report::Frame(from, Sent::Message(10)));
    }
    bench.stops();
    assert_eq!(bench.how(), (true, Some(EndedHow::Timeout)));
    // Nothing does: each side is told where its socket takes the Close at once.
    let mut bench = aged(|_| {});
    bench.stops();
    assert!(!bench.tunnel.is_done() && !bench.offered(Side::Downstream).is_empty());
    bench.tell(Report::Stuck(Side::Downstream));
    assert!(!bench.tunnel.is_done(), "the other side's has still to be tried");
    bench.tell(Report::Went(Side::Upstream, 5));
    assert_eq!(bench.how(), (true, Some(EndedHow::Timeout)));
    // A Ping of ours is in front of it: it follows where the socket takes both at once.
    for is_taken in [true, false] {
        let ping = Some(PingSettings::every(seconds(10)));
        let mut bench = aged(|settings| {
            settings.websocket = Some(WebSocketSettings { ping, ..WebSocketSettings::default() });
        });
        bench.passes(10);
        let pings = Side::BOTH.map(|side| bench.offered(side).len());
        bench.stops();
        for (side, length) in Side::BOTH.into_iter().zip(pings) {
            assert_eq!(bench.offered(side).len(), length, "no frame stands inside another");
            if is_taken {
                bench.tell(Report::Went(side, length));
                assert_eq!(bench.takes(side).first(), Some(&0x88));
            } else {
                bench.tell(Report::Stuck(side));
            }
        }
        assert!(bench.tunnel.is_done(), "nothing is awaited; taken: {is_taken}");
    }
    // Nobody writes: as a shutdown, it is over after two seconds.
    let mut bench = aged(|_| {});
    bench.stops();
    assert_eq!(bench.timer(Timer::Closing), Some(2 * SECOND));
}

#[test]
fn what_is_being_closed_is_closed_once() {
    let mut bench = aged(|_| {});
    bench.passes(20);
    let closes = Side::BOTH.map(|side| bench.offered(side));
    bench.stops();
    assert_eq!(Side::BOTH.map(|side| bench.takes(side)), closes);
    assert_eq!(bench.tunnel.report().ended, Some(EndedBy::Lifetime));
}

#[test]
fn whoever_ends_without_a_close_has_not_answered() {
    let mut bench = aged(|_| {});
    bench.passes(20);
    bench.both_take();
    bench.tell(Report::Ends(Side::Downstream));
    bench.says_close(Side::Upstream);
    bench.tell(Report::Ends(Side::Upstream));
    assert_eq!(bench.how(), (true, Some(EndedHow::Timeout)));
    // Where frames can't be told, the end of its stream is all that a side can answer.
    let mut blind = aged(|settings| settings.websocket = None);
    let outputs = blind.passes(20);
    assert!(Side::BOTH.into_iter().all(|side| shuts_down(&outputs, side)), "{outputs:?}");
    for side in Side::BOTH {
        blind.tell(Report::Ends(side));
    }
    assert_eq!(blind.how(), (true, Some(EndedHow::Close)));
}

#[test]
fn a_client_that_ends_behind_its_close_leaves_the_end_to_the_origin_server() {
    let mut bench = aged(|_| {});
    bench.passes(20);
    bench.both_take();
    assert!(!shuts_down(&bench.polled(), Side::Downstream), "its answer is awaited");
    let mut outputs = bench.says_close(Side::Downstream);
    outputs.extend(bench.tell(Report::Ends(Side::Downstream)));
    assert!(shuts_down(&outputs, Side::Downstream), "RFC 6455 §7.1.1: we end the client's connection");
    assert!(!shuts_down(&outputs, Side::Upstream), "and the origin server ours");
    bench.says_close(Side::Upstream);
    bench.tell(Report::Ends(Side::Upstream));
    assert_eq!(bench.how(), (true, Some(EndedHow::Close)));
}

#[test]
fn closes_say_how_a_tunnel_has_ended() {
    let ended = |closes: &[Side], last: fn(Side) -> Report| {
        let mut bench = aged(|_| {});
        for from in closes {
            bench.says_close(*from);
            bench.takes(from.opposite());
        }
        bench.tell(last(Side::Upstream));
        bench.tell(Report::Ends(Side::Downstream));
        let (is_done, how) = bench.how();
        assert!(is_done);
        how
    };
    assert_eq!(ended(&[], Report::Ends), Some(EndedHow::Fin));
    for closes in [&[Side::Downstream], &[Side::Upstream]] {
        assert_eq!(ended(closes, Report::Ends), Some(EndedHow::Close));
        assert_eq!(ended(closes, Report::Fails), Some(EndedHow::Reset), "no answer came");
    }
    assert_eq!(ended(&Side::BOTH, Report::Fails), Some(EndedHow::Close), "all was said before");
}

/// G5: where the origin server has ended its connection, nothing more comes for the client.
#[test]
fn the_end_of_an_origin_server_is_passed_on_behind_our_close() {
    let mut bench = aged(|_| {});
    bench.passes(20);
    bench.takes(Side::Upstream);
    let mut outputs = bench.says_close(Side::Upstream);
    outputs.extend(bench.tell(Report::Ends(Side::Upstream)));
    assert!(!shuts_down(&outputs, Side::Downstream), "our Close is in front of it");
    bench.takes(Side::Downstream);
    assert!(shuts_down(&bench.polled(), Side::Downstream));
    assert!(!bench.tunnel.is_done(), "the client has still to answer");
}

/// G6: what is being closed when the time of a shutdown is over has two seconds more.
#[test]
fn a_shutdown_cuts_short_what_is_being_closed() {
    for websocket in [None, Some(WebSocketSettings::default())] {
        let mut bench = aged(|settings| settings.websocket = websocket.clone());
        bench.passes(20);
        assert_eq!(bench.timer(Timer::Closing), Some(25 * SECOND));
        bench.tell(Report::Drains(1_000));
        bench.passes(1);
        assert_eq!(bench.timer(Timer::Closing), Some(23 * SECOND), "{websocket:?}");
        assert_eq!(bench.tunnel.report().ended, Some(EndedBy::Lifetime));
    }
}

/// C3: nothing is moved past the machine to a side that takes nothing, or from one that has ended.
#[test]
fn where_a_stream_has_ended_nothing_is_moved_unseen() {
    for report in [Report::Ends(Side::Downstream), Report::Refuses(Side::Upstream)] {
        let mut bench = quiet(TunnelSettings::default());
        bench.tell(report);
        assert_eq!(bench.tunnel.wait().relays(Side::Downstream), 0, "{report:?}");
    }
}

#[test]
fn a_side_is_not_read_while_its_bytes_are_in_the_pipe() {
    let mut bench = quiet(TunnelSettings::default());
    bench.tell(Report::Relays(Side::Downstream, 10, 0));
    let turn = &mut Turn { now: bench.now, buffers: &mut bench.buffers };
    assert!(bench.tunnel.receive_space(Side::Downstream, turn).is_none());
    assert!(bench.tunnel.receive_space(Side::Upstream, turn).is_some());
}

#[test]
fn a_write_to_a_side_that_takes_nothing_counts_for_nothing() {
    let mut bench = aged(|_| {});
    bench.passes(20);
    bench.tell(Report::Refuses(Side::Downstream));
    bench.sent(Side::Downstream, Ok(5));
    assert_eq!(bench.tunnel.report().to_client, 0);
}

/// C2: what is left is being delivered, which has its own time.
#[test]
fn a_tunnel_whose_last_bytes_are_delivered_is_not_half_closed() {
    let mut bench = quiet(TunnelSettings::default());
    bench.tell(Report::Ends(Side::Downstream));
    bench.tell(Report::Came(Side::Upstream, 10));
    assert!(bench.timer(Timer::HalfClose).is_some());
    bench.tell(Report::Ends(Side::Upstream));
    assert_eq!(bench.timer(Timer::HalfClose), None);
    assert_eq!(bench.timer(Timer::ClientSend), Some(60 * SECOND));
}

#[test]
fn only_a_timer_resets_where_timers_do() {
    let mut bench = quiet(TunnelSettings { reset_timedout_connection: true, ..TunnelSettings::default() });
    let mut late = bench.twin();
    for side in Side::BOTH {
        bench.tell(Report::Ends(side));
    }
    late.passes(60);
    let endings = [&bench, &late].map(|bench| bench.tunnel.report().client.ending);
    assert_eq!(endings, [crate::Ending::Fin, crate::Ending::Reset]);
}

/// G8: what has a rate is read, and not moved past the machine.
#[test]
fn what_is_paced_is_not_moved_unseen() {
    let bench = quiet(TunnelSettings { limit_rate: NonZeroU64::new(1000), ..TunnelSettings::default() });
    assert_eq!(Side::BOTH.map(|side| bench.tunnel.wait().relays(side)), [0, 0]);
}

/// H5: an end without TLS saying so is a cut.
#[test]
fn a_stream_that_is_cut_says_so() {
    let mut bench = quiet(TunnelSettings::default());
    bench.received(Side::Upstream, Err(ErrorKind::UnexpectedEof.into()));
    bench.tell(Report::Ends(Side::Downstream));
    assert_eq!(bench.how(), (true, Some(EndedHow::Cut)));
    let report = bench.tunnel.report();
    assert_eq!(report.outcome(), Outcome::Cut);
    assert_eq!(report.to_string(), "tunnel closed by upstream, from client: 0, from upstream: 0, cut");
}

#[test]
fn a_drain_is_an_end_in_order() {
    let mut bench = quiet(TunnelSettings::default());
    assert_eq!(bench.tunnel.report().outcome(), Outcome::Complete);
    assert_eq!(bench.tunnel.report().to_string(), "tunnel open, from client: 0, from upstream: 0");
    bench.tell(Report::Drains(0));
    bench.tell(Report::TimesOut);
    assert!(bench.tunnel.is_done(), "C8: its frames can't be told");
    assert_eq!(bench.tunnel.report().outcome(), Outcome::Drained);
}

/// C3: what a side sends is read on, so that it isn't stopped, where nobody takes it any more.
#[test]
fn a_full_buffer_of_what_nobody_takes_is_given_up() {
    let mut bench = quiet(TunnelSettings::default());
    bench.tell(Report::Came(Side::Upstream, 4096));
    assert!(!bench.tunnel.wait().reads(Side::Upstream), "the buffer is full");
    bench.tell(Report::Refuses(Side::Downstream));
    assert!(bench.tunnel.wait().reads(Side::Upstream));
    assert_eq!(bench.tunnel.snapshot(bench.now.tick).buffered(Side::Upstream), 0);
}

/// C5: the idle timer stands still while bytes wait for a side, and goes on when they do no more.
#[test]
fn the_idle_timer_begins_anew_when_bytes_that_waited_are_given_up() {
    let mut bench = quiet(TunnelSettings { lingering_time: seconds(1000), ..TunnelSettings::default() });
    bench.tell(Report::Came(Side::Downstream, 10));
    assert_eq!(bench.timer(Timer::TunnelIdle), None);
    bench.passes(30);
    bench.tell(Report::Refuses(Side::Upstream));
    assert_eq!(bench.timer(Timer::TunnelIdle), Some(90 * SECOND));
    // Where none waited, nothing begins anew.
    bench.passes(10);
    bench.tell(Report::Blocked(Side::Downstream));
    assert_eq!(bench.timer(Timer::TunnelIdle), Some(90 * SECOND));
}

#[test]
fn of_two_timers_that_are_due_the_earlier_counts() {
    let mut bench = aged(|_| {});
    bench.passes(100);
    assert_eq!(bench.tunnel.report().ended, Some(EndedBy::Lifetime));
    let mut bench = aged(|settings| settings.idle_timeout = seconds(10));
    bench.passes(100);
    assert_eq!(bench.tunnel.report().ended, Some(EndedBy::Timer(Timer::TunnelIdle)));
}

#[test]
fn reports_that_come_too_late_change_nothing() {
    let mut bench = quiet(TunnelSettings::default());
    bench.tell(Report::Came(Side::Downstream, 10));
    let turn = &mut Turn { now: bench.now, buffers: &mut bench.buffers };
    assert!(Side::BOTH.into_iter().all(|side| bench.tunnel.receive_space(side, turn).is_some()));
    bench.tell(Report::Drains(0));
    bench.tell(Report::TimesOut);
    let last = bench.tunnel.report();
    assert!(bench.tunnel.is_done() && last.how.is_some());
    bench.tell(Report::Passes(5_000));
    bench.received(Side::Downstream, Ok(5));
    bench.received(Side::Upstream, Ok(0));
    assert_eq!(bench.offered(Side::Upstream), b"");
    bench.sent(Side::Upstream, Ok(3));
    bench.received(Side::Downstream, Err(ErrorKind::ConnectionReset.into()));
    let turn = &mut Turn { now: bench.now, buffers: &mut bench.buffers };
    bench.tunnel.handle_relayed(Side::Upstream, Relayed { taken: 2, delivered: 1 }, turn);
    bench.tell(Report::TimesOut);
    assert_eq!(bench.tunnel.report(), last);
}

#[test]
fn an_end_that_is_reported_twice_is_one() {
    let mut bench = quiet(TunnelSettings::default());
    bench.tell(Report::Ends(Side::Downstream));
    let once = bench.tunnel.snapshot(bench.now.tick);
    bench.received(Side::Downstream, Ok(0));
    assert_eq!(bench.tunnel.snapshot(bench.now.tick), once);
}

/// C3, `upgrade_relay_reset on`: a stream that was cut is reset on the other side, once its tail has arrived there. Whether
/// it has is asked again and again, each time after as long as it has taken so far.
#[test]
fn a_reset_is_passed_on_behind_the_tail() {
    let millisecond = SECOND / 1000;
    let mut bench = quiet(TunnelSettings { relay_reset: true, ..TunnelSettings::default() });
    bench.tell(Report::Came(Side::Upstream, 10));
    let mut outputs = bench.tell(Report::Fails(Side::Upstream));
    outputs.extend(bench.tell(Report::Went(Side::Downstream, 10)));
    assert!(!shuts_down(&outputs, Side::Downstream), "{outputs:?}");
    assert!(bench.tunnel.wait().acknowledges(Side::Downstream));
    for (asked_at, again_at) in [(0, 1), (1, 2), (2, 4), (4, 8)] {
        bench.now.tick = Tick(BEGIN.tick.0 + asked_at * millisecond);
        bench.tell(Report::TimesOut);
        assert_eq!(bench.timer(Timer::Acknowledgement), Some(again_at * millisecond));
    }
    bench.tell(Report::Acknowledges(Side::Downstream));
    assert_eq!(bench.tunnel.report().client.ending, crate::Ending::Reset);
    assert!(bench.tunnel.is_done());
}

#[test]
fn without_that_a_cut_stream_ends_in_order_behind_its_tail() {
    let mut bench = quiet(TunnelSettings::default());
    bench.tell(Report::Came(Side::Upstream, 10));
    let outputs = bench.tell(Report::Fails(Side::Upstream));
    assert!(!shuts_down(&outputs, Side::Downstream), "{outputs:?}");
    let outputs = bench.tell(Report::Went(Side::Downstream, 10));
    assert!(shuts_down(&outputs, Side::Downstream), "{outputs:?}");
    assert!(bench.tunnel.wait().acknowledges(Side::Downstream), "closing it might destroy the tail");
}

/// C3: whether the client is still read makes no difference to what a reset would destroy.
#[test]
fn a_reset_waits_for_the_tail_of_a_client_that_has_ended_its_stream() {
    let settings = || TunnelSettings { relay_reset: true, ..TunnelSettings::default() };
    let mut bench = quiet(settings());
    bench.tell(Report::Ends(Side::Downstream));
    bench.tell(Report::Came(Side::Upstream, 10));
    bench.tell(Report::Fails(Side::Upstream));
    bench.tell(Report::Went(Side::Downstream, 10));
    assert!(!bench.tunnel.is_done() && bench.tunnel.wait().acknowledges(Side::Downstream));
    bench.tell(Report::Acknowledges(Side::Downstream));
    assert_eq!(bench.tunnel.report().client.ending, crate::Ending::Reset);
    // Streams that end in order end so.
    let mut bench = quiet(settings());
    for side in Side::BOTH {
        bench.tell(Report::Ends(side));
    }
    assert!(bench.tunnel.is_done());
    assert_eq!(bench.tunnel.report().client.ending, crate::Ending::Fin);
}

/// C2: only the direction that is left moves anything.
#[test]
fn what_is_delivered_out_of_the_pipe_keeps_a_half_closed_tunnel() {
    let mut bench = quiet(TunnelSettings { client_send_timeout: seconds(1000), ..TunnelSettings::default() });
    bench.tell(Report::Relays(Side::Upstream, 10, 0));
    bench.tell(Report::Ends(Side::Downstream));
    assert_eq!(bench.timer(Timer::HalfClose), Some(60 * SECOND));
    bench.tell(Report::Passes(30_000));
    bench.tell(Report::Relays(Side::Upstream, 0, 5));
    assert_eq!(bench.timer(Timer::HalfClose), Some(90 * SECOND));
}

#[test]
fn what_can_not_be_delivered_is_cut() {
    let mut course = Course::Flowing(Carried { piped: 0, since: Tick(0) });
    assert!(course.on(crate::state::tunnel::Event::SourceEnded, &mut Taken::default()));
    let mut delivered = course;
    assert!(delivered.on(crate::state::tunnel::Event::Delivered, &mut Taken::default()));
    assert!(course.on(crate::state::tunnel::Event::SinkFailed, &mut Taken::default()));
    assert!(course.is_over() && course.is_cut());
    assert!(delivered.is_over() && !delivered.is_cut());
}

#[test]
fn a_tunnel_gives_its_memory_back() {
    let mut bench = quiet(TunnelSettings::default());
    bench.tell(Report::Came(Side::Downstream, 10));
    let bytes = bench.offered(Side::Upstream);
    bench.tunnel.recycle(&mut bench.buffers);
    assert_eq!(bench.buffers.block()[..10], bytes, "no new piece, which would be empty");
}

/// G9: at the end of a tunnel each side that could speak was silent until then.
#[test]
fn a_side_is_silent_until_it_ends() {
    let mut bench = quiet(TunnelSettings::default());
    bench.tell(Report::Passes(3_000));
    bench.tell(Report::Ends(Side::Downstream));
    assert_eq!(bench.tunnel.report().client.silence, seconds(3));
    assert_eq!(bench.tunnel.report().upstream.silence, seconds(0), "it isn't told yet");
    bench.tell(Report::Passes(4_000));
    bench.tell(Report::Ends(Side::Upstream));
    assert_eq!(bench.tunnel.report().client.silence, seconds(3), "no longer than it could speak");
    assert_eq!(bench.tunnel.report().upstream.silence, seconds(7));
}

#[test]
fn both_sides_are_silent_until_something_else_ends_the_tunnel_or_asks() {
    let both = |bench: &Bench| {
        let report = bench.tunnel.report();
        [report.client.silence, report.upstream.silence]
    };
    let (idle_timeout, log_every) = (seconds(10_000), Some(seconds(4)));
    let mut bench = quiet(TunnelSettings { idle_timeout, log_every, ..TunnelSettings::default() });
    bench.passes(4);
    assert_eq!(both(&bench), [seconds(4); 2], "a line about its progress says so far");
    bench.tell(Report::Passes(3_000));
    let mut many = bench.twin();
    bench.stops();
    assert!(bench.tunnel.is_done());
    assert_eq!(both(&bench), [seconds(7); 2]);
    many.tell(Report::Passes(1_193_000));
    many.tell(Report::TimesOut);
    assert_eq!(
        many.timer(Timer::Progress),
        Some(1204 * SECOND),
        "after 300 lines, or as many that were missed"
    );
}
