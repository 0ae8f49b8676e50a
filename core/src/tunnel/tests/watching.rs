//! What is seen of frames, and what follows from it (G1 to G4, G8, G9).

use std::collections::BTreeSet;

use super::{steps::*, *};
use crate::record::{EndedBy, Event};

fn looking(change: impl FnOnce(&mut WebSocketSettings)) -> TunnelSettings {
    let mut websocket = WebSocketSettings::default();
    change(&mut websocket);
    TunnelSettings { websocket: Some(websocket), ..TunnelSettings::default() }
}

/// The same with a rate of bytes that nothing comes near: every report takes the general step.
fn paced(change: impl FnOnce(&mut WebSocketSettings)) -> TunnelSettings {
    TunnelSettings { limit_rate: NonZeroU64::new(1 << 40), ..looking(change) }
}

/// A part of a frame of the client, whose mask changes nothing.
fn masked(first: u8, length: u8, content: &[u8]) -> Vec<u8> {
    [&[first, 0x80 | length, 0, 0, 0, 0], content].concat()
}

fn pinged() -> Bench {
    let mut bench = quiet(looking(|websocket| {
        websocket.ping = Some(PingSettings { timeout: seconds(50), ..PingSettings::every(seconds(10)) });
    }));
    bench.passes(10);
    assert!(Side::BOTH.map(|side| bench.takes(side)).iter().all(|taken| taken.first() == Some(&0x89)));
    bench
}

/// G3: a Pong of ours that came behind a message is decided on when that has gone.
#[test]
fn an_answer_behind_a_message_that_waits_is_swallowed_when_that_has_gone() {
    let mut bench = pinged();
    bench.passes(1);
    let both = [Sent::Message(3), Sent::Answer].map(|sent| frame(&bench.tunnel, Side::Downstream, sent));
    bench.comes(Side::Downstream, &both.concat());
    assert_eq!(bench.tunnel.report().client.ping, None);
    assert_eq!(bench.offered(Side::Upstream), both[0]);
    bench.tell(Report::Went(Side::Upstream, both[0].len()));
    assert_eq!(bench.tunnel.report().client.ping, Some(seconds(1)));
    assert_eq!(bench.offered(Side::Upstream), b"");
    assert_eq!(bench.tunnel.snapshot(bench.now.tick).buffered(Side::Downstream), 0);
}

#[test]
fn a_doubled_answer_tells_no_time() {
    let mut bench = pinged();
    bench.passes(1);
    bench.tell(Report::Frame(Side::Downstream, Sent::Answer));
    bench.passes(3);
    bench.tell(Report::Frame(Side::Downstream, Sent::Answer));
    assert_eq!(bench.tunnel.report().client.ping, Some(seconds(1)));
    assert_eq!(bench.offered(Side::Upstream), b"", "it is swallowed, too");
}

/// G3: what was never asked is no answer.
#[test]
fn an_answer_to_a_ping_that_was_not_sent_passes() {
    let mut bench = pinged();
    let number = bench.tunnel.watch.as_ref().expect("it is watched").sides[0].pings;
    let drawn = TunnelSecret::new([7; 16]).seed().draw(Side::Downstream.into(), number);
    let payload = own::ping_payload(drawn, number);
    let pong = masked(0x8a, u8::try_from(payload.len()).expect("it is short"), &payload);
    bench.comes(Side::Downstream, &pong);
    assert_eq!(bench.offered(Side::Upstream), pong);
}

/// G8: what comes too fast isn't read; the other side is.
#[test]
fn a_client_that_sends_too_many_messages_is_not_read() {
    let mut bench =
        quiet(looking(|websocket| websocket.message_rate = Some(MessageRate::new(seconds(10), 0))));
    let reads = |bench: &Bench| Side::BOTH.map(|side| bench.tunnel.wait().reads(side));
    bench.tell(Report::Frame(Side::Downstream, Sent::Message(1)));
    assert_eq!(reads(&bench), [true, true]);
    bench.tell(Report::Frame(Side::Downstream, Sent::Message(1)));
    assert_eq!(reads(&bench), [false, true]);
    bench.passes(10);
    assert_eq!(reads(&bench), [true, true]);
}

/// G8: a message counts once, in however many fragments it comes.
#[test]
fn fragments_are_one_message() {
    let mut bench =
        quiet(looking(|websocket| websocket.message_rate = Some(MessageRate::new(seconds(10), 1))));
    for first in [0x02, 0x00, 0x80, 0x82] {
        bench.comes(Side::Downstream, &masked(first, 1, b"x"));
        assert!(bench.tunnel.wait().reads(Side::Downstream), "{first:#x}");
    }
    bench.comes(Side::Downstream, &masked(0x82, 1, b"x"));
    assert!(!bench.tunnel.wait().reads(Side::Downstream), "the third message");
    assert_eq!(bench.takes(Side::Upstream).len(), 4 * 7);
}

/// G8: the limit itself is no more than the limit, by either path.
#[test]
fn a_message_may_be_as_long_as_the_limit() {
    let limit = |websocket: &mut WebSocketSettings| websocket.message_limit = NonZeroU64::new(100);
    for settings in [looking(limit), paced(limit)] {
        let mut bench = quiet(settings);
        bench.tell(Report::Frame(Side::Upstream, Sent::Message(100)));
        assert_eq!(bench.takes(Side::Downstream).len(), 102);
        bench.tell(Report::Frame(Side::Upstream, Sent::Message(101)));
        assert_eq!(bench.tunnel.report().ended, Some(EndedBy::Limit));
    }
}

/// G4: only the client's own words count, and each piece of a long one does.
#[test]
fn a_client_is_not_silent_while_a_data_frame_of_it_comes() {
    let silence = |websocket: &mut WebSocketSettings| websocket.client_silence = Some(seconds(20));
    for settings in [looking(silence), paced(silence)] {
        let due = |bench: &Bench| bench.timer(Timer::ClientSilence).map(|at| at / SECOND);
        let mut bench = quiet(settings);
        assert_eq!(due(&bench), Some(20));
        bench.passes(4);
        bench.comes(Side::Downstream, &masked(0x82, 100, b"begins"));
        bench.comes(Side::Upstream, b"\x82\x64begins");
        assert_eq!(due(&bench), Some(24));
        bench.both_take();
        bench.passes(4);
        bench.comes(Side::Upstream, b"goes on");
        assert_eq!(due(&bench), Some(24), "the origin server's are none of its own");
        bench.comes(Side::Downstream, &[b'x'; 94]);
        assert_eq!(due(&bench), Some(28));
        bench.takes(Side::Upstream);
        bench.passes(4);
        bench.comes(Side::Downstream, &masked(0x89, 8, b"ping"));
        bench.comes(Side::Downstream, b"goes");
        assert_eq!(due(&bench), Some(28), "a Ping is no data");
        bench.says_close(Side::Downstream);
        assert_eq!(due(&bench), None, "it has nothing more to say");
    }
}

/// G1: a header whose beginning has passed is read with its rest, even where that looks like a frame.
#[test]
fn the_rest_of_a_header_is_no_frame() {
    let mut bench = quiet(looking(|_| ()));
    bench.comes(Side::Upstream, b"\x81");
    assert_eq!(bench.takes(Side::Downstream), b"\x81");
    bench.comes(Side::Upstream, b"\x01a");
    bench.comes(Side::Upstream, b"\x81\x01b");
    assert_eq!(bench.takes(Side::Downstream), b"\x01a\x81\x01b");
    let count = bench.tunnel.report().upstream.frames.expect("it is looked at");
    assert_eq!((count.frames, count.messages), (2, 2));
    assert!(bench.tunnel.rare.is_none(), "nothing of it is kept");
}

/// G2: of both sides only the first to break a rule is told of.
#[test]
fn one_violation_is_told() {
    let mut bench = quiet(looking(|_| ()));
    let outputs: Vec<String> =
        Side::BOTH.iter().flat_map(|side| bench.tell(Report::Frame(*side, Sent::Broken))).collect();
    let told: Vec<_> = outputs.iter().filter(|output| output.contains("FrameViolation")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    let event = Event::FrameViolation(Side::Downstream, crate::websocket::FrameViolation::ReservedOpcode);
    assert!(told[0].contains(&format!("{event:?}")), "{told:?}");
    assert_eq!(Side::BOTH.map(|side| bench.takes(side)), [[0x83, 0]; 2], "and bytes pass as they are");
}

#[test]
fn frames_are_looked_for_among_what_is_dropped_only_where_one_begins_there() {
    let seed = TunnelSecret::new([7; 16]).seed();
    let sight = |change: fn(&mut frames::Lane), looks_on| {
        let mut frames = Frames::new(seed);
        let lane = frames.lane_mut(Side::Upstream);
        change(lane);
        lane.stops(looks_on);
        lane.sight
    };
    assert_eq!(sight(|_| (), true), frames::Sight::Drops);
    assert_eq!(sight(|_| (), false), frames::Sight::DropsBlindly, "nobody waits for a Close");
    assert_eq!(
        sight(|lane| lane.ahead = 1, true),
        frames::Sight::DropsBlindly,
        "a header has passed in part"
    );
    assert_eq!(sight(frames::Lane::goes_blind, true), frames::Sight::DropsBlindly);
}

/// G9: bytes in the shell's pipe have waited from when they were taken until the last of them was delivered.
#[test]
fn what_was_moved_past_the_machine_has_waited_in_the_pipe() {
    let mut bench = quiet(TunnelSettings::default());
    for (at, taken, delivered) in [(5, 10, 0), (7, 0, 0), (8, 0, 10)] {
        bench.now.tick = Tick(BEGIN.tick.0 + at * SECOND);
        bench.tell(Report::Relays(Side::Downstream, taken, delivered));
    }
    let report = bench.tunnel.report();
    assert_eq!((report.upstream.blocked, report.client.blocked), (seconds(3), seconds(0)));
    assert_eq!((report.from_client, report.to_upstream), (10, 10));
    assert_eq!(bench.timer(Timer::TunnelIdle), Some(68 * SECOND), "since something was delivered");
}

/// Secrets that differ in one bit, anywhere, are those of tunnels that have nothing in common.
#[test]
fn every_bit_of_a_secret_counts() {
    let drawn = |secret: TunnelSecret| secret.seed().draw(Purpose::Moments, 0);
    for base in [0, u128::MAX, u128::from_le_bytes([0xa5; 16])] {
        for half in [0..64, 64..128] {
            let changed = half.map(|bit| TunnelSecret::new((base ^ 1 << bit).to_le_bytes()));
            let seen: BTreeSet<_> = changed.map(drawn).collect();
            assert_eq!(seen.len(), 64, "{base:#x}");
        }
        let bytes = base.to_le_bytes();
        assert_eq!(TunnelSecret::derived(bytes, 0, 0), TunnelSecret::new(bytes));
        let numbers = [(0, 0), (1, 0), (2, 0), (0, 1), (0, 2), (u64::MAX, 0), (0, u64::MAX)];
        let derived = numbers.map(|(client, request)| drawn(TunnelSecret::derived(bytes, client, request)));
        assert_eq!(BTreeSet::from(derived).len(), numbers.len(), "{base:#x}");
    }
    let secret = TunnelSecret::new([7; 16]);
    assert_eq!(format!("{secret:?} {:?}", secret.seed()), "TunnelSecret Seed", "no byte of it is told");
}

/// Each frame counts, however many come, by either path.
#[test]
fn many_frames_are_counted_one_by_one() {
    for settings in [looking(|_| ()), paced(|_| ())] {
        let mut bench = quiet(settings);
        bench.comes(Side::Upstream, &b"\x82\x01x".repeat(300));
        assert_eq!(bench.takes(Side::Downstream).len(), 900);
        let report = bench.tunnel.report();
        let count = report.upstream.frames.expect("it is looked at");
        assert_eq!((count.frames, count.messages), (300, 300));
        assert_eq!((report.from_upstream, report.to_client), (900, 900));
    }
}

#[test]
fn a_snapshot_tells_people_what_waits() {
    let mut bench = quiet(TunnelSettings::default());
    let tells = |bench: &Bench| bench.tunnel.snapshot(bench.now.tick).to_string();
    assert_eq!(tells(&bench), "client Open Flowing, upstream Open Flowing, TunnelIdle in 60s");
    bench.comes(Side::Downstream, b"bytes");
    bench.tell(Report::Passes(1_000));
    assert_eq!(tells(&bench), "client Open Flowing 5 to forward, upstream Open Flowing, UpstreamSend in 59s");
    assert!(!bench.tunnel.snapshot(bench.now.tick).is_done());
    bench.tell(Report::Drains(0));
    bench.tell(Report::TimesOut);
    let snapshot = bench.tunnel.snapshot(bench.now.tick);
    assert_eq!((snapshot.is_done(), snapshot.timers()), (true, [].as_slice()));
}
