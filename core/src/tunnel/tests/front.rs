//! The head that is in front of what the client gets (A8, A13).

use super::{steps::*, *};

/// A tunnel whose client has still to be sent the head that opened it.
fn behind_a_head(settings: TunnelSettings) -> Bench {
    let mut bench = Bench::new(TunnelSettings::default(), false);
    let mut front = Outbox::default();
    front.write(&mut bench.buffers, |out| out.extend_from_slice(b"HEAD "));
    let mut leg = connection::Machine::default();
    assert!(leg.on(connection::Event::Established));
    let held = [Held::default(), Held::default()];
    let opening = Opening { secret: TunnelSecret::new([7; 16]), held, front, legs: [leg; 2], draining: None };
    let turn = &mut Turn { now: BEGIN, buffers: &mut bench.buffers };
    bench.tunnel = Tunnel::open(Arc::new(settings), opening, turn);
    bench.polled();
    bench
}

#[test]
fn nothing_is_moved_past_a_head_that_waits() {
    let mut bench = behind_a_head(TunnelSettings::default());
    let relays = |bench: &Bench| Side::BOTH.map(|side| bench.tunnel.wait().relays(side));
    assert_eq!(relays(&bench), [u64::MAX, 0]);
    let snapshot = bench.tunnel.snapshot(bench.now.tick);
    assert_eq!(Side::BOTH.map(|side| snapshot.buffered(side)), [0, 5], "the head is the origin server's");
    bench.tell(Report::Went(Side::Downstream, 5));
    assert_eq!(relays(&bench), [u64::MAX, u64::MAX]);
}

/// C5: it is the client that doesn't take it.
#[test]
fn a_head_that_waits_is_a_stall_of_the_client() {
    let mut bench = behind_a_head(TunnelSettings::default());
    let stalls = |bench: &Bench| [Timer::ClientSend, Timer::UpstreamSend].map(|timer| bench.timer(timer));
    assert_eq!(stalls(&bench), [Some(60 * SECOND), None]);
    bench.passes(10);
    bench.comes(Side::Downstream, b"from the client");
    assert_eq!(stalls(&bench), [Some(60 * SECOND), Some(70 * SECOND)]);
    bench.passes(10);
    bench.comes(Side::Upstream, b"from the origin server");
    assert_eq!(
        stalls(&bench),
        [Some(60 * SECOND), Some(70 * SECOND)],
        "bytes behind others start no stall anew"
    );
    bench.tell(Report::Went(Side::Downstream, 1));
    assert_eq!(stalls(&bench), [Some(80 * SECOND), Some(70 * SECOND)]);
}

#[test]
fn the_end_of_the_origin_servers_stream_waits_for_the_head_and_that_of_the_clients_does_not() {
    let mut bench = behind_a_head(TunnelSettings::default());
    let outputs = bench.tell(Report::Ends(Side::Downstream));
    assert!(shuts_down(&outputs, Side::Upstream), "{outputs:?}");
    let outputs = bench.tell(Report::Ends(Side::Upstream));
    assert!(!shuts_down(&outputs, Side::Downstream), "{outputs:?}");
    assert!(!bench.tunnel.is_done());
    assert_eq!(bench.takes(Side::Downstream), b"HEAD ");
    assert!(shuts_down(&bench.polled(), Side::Downstream));
    assert!(bench.tunnel.is_done());
}

#[test]
fn a_stop_puts_no_close_behind_a_head_that_waits() {
    let websocket = Some(WebSocketSettings::default());
    let mut bench = behind_a_head(TunnelSettings { websocket, ..TunnelSettings::default() });
    bench.stops();
    assert!(!bench.offered(Side::Upstream).is_empty(), "nothing waits for the origin server");
    assert_eq!(bench.offered(Side::Downstream), b"HEAD ");
    bench.takes(Side::Upstream);
    assert!(bench.tunnel.is_done());
}

#[test]
fn a_ping_waits_for_the_head_where_it_is_in_front_of_it() {
    let ping = Some(PingSettings::every(seconds(10)));
    let websocket = Some(WebSocketSettings { ping, ..WebSocketSettings::default() });
    let mut bench = behind_a_head(TunnelSettings { websocket, ..TunnelSettings::default() });
    bench.passes(10);
    assert_eq!(bench.offered(Side::Upstream).first(), Some(&0x89), "nothing is in front of it");
    assert_eq!(bench.offered(Side::Downstream), b"HEAD ");
    bench.tell(Report::Went(Side::Downstream, 5));
    assert_eq!(bench.offered(Side::Downstream).first(), Some(&0x89));
}

/// What the shell may be writing isn't lent to anybody else before it says so.
#[test]
fn a_head_that_is_given_up_stays_where_it_is_until_its_write_is_reported() {
    let is_kept = |bench: &Bench| bench.tunnel.rare.as_ref().is_some_and(|rare| !rare.front.is_vacant());
    // Be there a report of the other side or none.
    for of_the_other in [false, true] {
        let mut bench = behind_a_head(TunnelSettings::default());
        bench.tell(Report::Went(Side::Downstream, 3));
        if of_the_other {
            bench.comes(Side::Downstream, b"bytes");
            bench.tell(Report::Went(Side::Upstream, 5));
        }
        bench.received(Side::Downstream, Err(ErrorKind::ConnectionReset.into()));
        assert!(is_kept(&bench));
        bench.tell(Report::Blocked(Side::Upstream));
        assert!(is_kept(&bench));
        bench.tell(Report::Refuses(Side::Downstream));
        assert!(!is_kept(&bench));
    }
}

/// A13: whoever has failed before the tunnel opened has failed in the tunnel.
#[test]
fn a_side_that_has_failed_before_is_cut() {
    let mut bench = Bench::new(TunnelSettings::default(), false);
    let mut open = connection::Machine::default();
    assert!(open.on(connection::Event::Established));
    let (mut failed, mut ended) = (open, open);
    assert!(failed.on(connection::Event::Fail) && ended.on(connection::Event::PeerEnd));
    for (upstream, is_cut) in [(open, false), (ended, false), (failed, true)] {
        let opening = Opening {
            secret: TunnelSecret::new([7; 16]),
            held: [Held::default(), Held::default()],
            front: Outbox::default(),
            legs: [open, upstream],
            draining: None,
        };
        let turn = &mut Turn { now: BEGIN, buffers: &mut bench.buffers };
        let tunnel = Tunnel::open(Arc::default(), opening, turn);
        assert_eq!(tunnel.report().cut, is_cut);
        assert_eq!(tunnel.report().ended.is_some(), upstream != open);
    }
}
