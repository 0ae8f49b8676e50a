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

fn pinging() -> TunnelSettings {
    let ping = PingSettings { timeout: seconds(50), ..PingSettings::every(seconds(10)) };
    looking(|websocket| websocket.ping = Some(ping))
}

fn pinged() -> Bench {
    let mut bench = quiet(pinging());
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

fn pong(number: u32) -> Vec<u8> {
    let drawn = TunnelSecret::new([7; 16]).seed().draw(Side::Downstream.into(), number);
    masked(0x8a, 12, &own::ping_payload(drawn, number))
}

/// G3: only the answer to the last Ping tells how long answers take.
#[test]
fn an_answer_to_an_earlier_ping_tells_no_time() {
    let mut bench = pinged();
    bench.tell(Report::Frame(Side::Downstream, Sent::Message(1)));
    bench.takes(Side::Upstream);
    bench.tell(Report::Frame(Side::Upstream, Sent::Message(1)));
    bench.passes(10);
    bench.both_take();
    bench.comes(Side::Downstream, &pong(0));
    assert_eq!((bench.offered(Side::Upstream), bench.tunnel.report().client.ping), (vec![], None));
    bench.passes(1);
    bench.comes(Side::Downstream, &pong(1));
    assert_eq!(
        (bench.offered(Side::Upstream), bench.tunnel.report().client.ping),
        (vec![], Some(seconds(1)))
    );
}

/// G3: Pings are numbered, however many there were.
#[test]
fn no_two_pings_are_alike() {
    let mut bench = quiet(pinging());
    let mut payloads = BTreeSet::new();
    for number in 0..300 {
        bench.passes(10);
        let ping = bench.takes(Side::Downstream);
        assert_eq!(ping.first(), Some(&0x89));
        assert!(payloads.insert(ping), "Ping {number}");
        bench.takes(Side::Upstream);
        bench.passes(number % 2 + 1);
        bench.tell(Report::Frame(Side::Downstream, Sent::Answer));
        bench.tell(Report::Frame(Side::Upstream, Sent::Answer));
        assert_eq!(bench.tunnel.report().client.ping, Some(seconds(number % 2 + 1)));
    }
}

/// G3: nobody is pinged who couldn't answer, or whose answer nobody would see.
#[test]
fn where_a_stream_has_ended_nobody_is_pinged() {
    let due = |report: Report| {
        let mut bench = quiet(pinging());
        assert!(bench.timer(Timer::Ping).is_some());
        bench.tell(report);
        bench.timer(Timer::Ping)
    };
    for side in Side::BOTH {
        assert_eq!(due(Report::Ends(side)), None);
        assert_eq!(due(Report::Refuses(side)), None);
    }
}

/// G10: none of our frames stands inside another, the rest of which is in the shell's pipe.
#[test]
fn a_ping_waits_for_what_is_in_the_pipe() {
    let mut bench = quiet(pinging());
    bench.comes(Side::Upstream, b"\x82\x64begins");
    bench.takes(Side::Downstream);
    assert_eq!(bench.tunnel.wait().relays(Side::Upstream), 94);
    bench.tell(Report::Relays(Side::Upstream, 94, 0));
    bench.passes(10);
    assert_eq!(bench.offered(Side::Downstream), b"");
    bench.tell(Report::Relays(Side::Upstream, 0, 94));
    assert_eq!(bench.offered(Side::Downstream).first(), Some(&0x89));
}

/// G5: a Close is found behind a long frame that is dropped.
#[test]
fn a_close_is_seen_behind_what_is_dropped() {
    let lifetime = Some(Lifetime::new(seconds(20), 0));
    let mut bench = quiet(TunnelSettings { max_lifetime: lifetime, ..looking(|_| ()) });
    bench.passes(20);
    bench.both_take();
    bench.comes(Side::Upstream, b"\x82\x7e\x01\x2cbegins");
    bench.comes(Side::Upstream, &[&[b'x'; 294][..], b"\x88\x02\x03\xe8"].concat());
    assert_eq!(bench.tunnel.report().upstream.close, Some(1000));
    assert_eq!(bench.offered(Side::Downstream), b"");
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
    assert_eq!(bench.tunnel.report().ended, None, "it has waited, and that was all");
}

/// G2, G8: the beginning of a header waits for its rest where that may keep the frame back.
#[test]
fn a_header_that_may_be_judged_is_held_back() {
    let settings = [
        looking(|_| ()),
        looking(|websocket| websocket.strict = true),
        looking(|websocket| websocket.message_limit = NonZeroU64::new(100)),
        looking(|websocket| websocket.message_rate = Some(MessageRate::new(seconds(1), 9))),
    ];
    for (number, settings) in settings.into_iter().enumerate() {
        let mut bench = quiet(settings);
        bench.comes(Side::Downstream, b"\x82");
        assert_eq!(bench.offered(Side::Upstream).is_empty(), number > 0, "{number}");
    }
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
        // Whoever has nothing more to say isn't silent, nor is one whose words nobody understands.
        let mut broken = bench.twin();
        broken.tell(Report::Frame(Side::Downstream, Sent::Broken));
        assert_eq!(due(&broken), None);
        let mut ended = bench.twin();
        ended.tell(Report::Ends(Side::Downstream));
        assert_eq!(due(&ended), None);
        bench.says_close(Side::Downstream);
        assert_eq!(due(&bench), None);
    }
}

/// G3: a Ping of the other end's that is unanswered serves as ours, and so do two.
#[test]
fn no_ping_is_sent_where_others_are_unanswered() {
    for count in 0..3 {
        let mut bench = quiet(pinging());
        for _ in 0..count {
            bench.tell(Report::Frame(Side::Upstream, Sent::Ping));
        }
        bench.takes(Side::Downstream);
        bench.passes(10);
        let is_pinged = !bench.offered(Side::Downstream).is_empty();
        assert_eq!(is_pinged, count == 0, "{count} are unanswered");
    }
}

/// G3, G4: the clocks of a client that isn't read stand still; how far they have come decides what follows.
#[test]
fn a_client_that_is_not_read_is_not_silent() {
    let mut bench = quiet(looking(|websocket| websocket.client_silence = Some(seconds(20))));
    // A frame that fills the buffer.
    bench.comes(Side::Downstream, &[vec![0x82, 0xfe, 0x0f, 0xf8, 0, 0, 0, 0], vec![b'x'; 0x0ff8]].concat());
    assert!(!bench.tunnel.wait().reads(Side::Downstream), "the buffer is full");
    assert_eq!(bench.timer(Timer::ClientSilence), None);
    bench.passes(10);
    bench.takes(Side::Upstream);
    assert_eq!(bench.timer(Timer::ClientSilence), Some(30 * SECOND), "it had its whole time left");
    // The origin server's standing still is none of the client's.
    let mut bench = quiet(looking(|websocket| websocket.client_silence = Some(seconds(20))));
    bench.comes(Side::Upstream, &[&[0x82, 0x7e, 0x0f, 0xfc], &*vec![b'x'; 0x0ffc]].concat());
    assert!(!bench.tunnel.wait().reads(Side::Upstream));
    bench.passes(10);
    assert_eq!(bench.timer(Timer::ClientSilence), Some(20 * SECOND));
    bench.takes(Side::Downstream);
    assert_eq!(bench.timer(Timer::ClientSilence), Some(20 * SECOND));
}

/// A snapshot shows what no timer does: how far a clock is that stands still.
#[test]
fn clocks_that_stand_still_are_seen_in_a_snapshot() {
    let mut bench = quiet(pinging());
    bench.passes(3);
    let watch = bench.tunnel.watch.as_mut().expect("it is watched");
    let standing = |watch: &Watch| Side::BOTH.map(|side| watch.snapshot(side));
    assert_eq!(standing(watch), [(None, false, false); 2]);
    for side in Side::BOTH {
        watch.pace(side, false, bench.now.tick);
    }
    let came = 3 * SECOND;
    assert_eq!(standing(watch), [(Some([came, came]), false, false), (Some([came, 0]), false, false)]);
    watch.asked(Side::Upstream, bench.now.tick);
    watch.relays_ping(Side::Downstream, true);
    assert_eq!(standing(watch), [(Some([came, came]), false, true), (Some([0, 0]), true, false)]);
}

/// G7, G6: tunnels that open at once don't end at once; their moments are spread evenly.
#[test]
fn moments_are_spread_evenly() {
    let settings = Arc::new(TunnelSettings {
        max_lifetime: Some(Lifetime::new(seconds(1000), 50)),
        drain: DrainSettings { window: Some(seconds(1000)), ..DrainSettings::default() },
        ..TunnelSettings::default()
    });
    let watches = (0..4000_u64).map(|number| {
        let secret = TunnelSecret::derived([7; 16], number, 1);
        Watch::of(&settings, secret.seed(), Tick(0)).expect("it is watched")
    });
    let (ages, drains): (Vec<_>, Vec<_>) = watches
        .map(|watch| {
            let age = watch.age(settings.max_lifetime.as_ref().expect("one")) - seconds(500);
            (age.as_nanos(), u128::from(watch.drain_moment(seconds(1000), Tick(0)).0))
        })
        .unzip();
    for moments in [ages, drains] {
        let distinct: BTreeSet<_> = moments.iter().collect();
        assert!(distinct.len() > 3800, "{} of 4,000 differ", distinct.len());
        for tenth in 0..10 {
            let tenths = moments.iter().map(|moment| moment * 10 / u128::from(1000 * SECOND));
            let count = tenths.filter(|found| *found == tenth).count();
            assert!((320..480).contains(&count), "{count} of 4,000 in tenth {tenth}");
        }
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

/// G5: where frames were dropped unseen, what follows may be any part of one.
#[test]
fn frames_are_not_looked_for_where_some_were_dropped_unseen() {
    let mut bench =
        quiet(TunnelSettings { max_lifetime: Some(Lifetime::new(seconds(20), 0)), ..looking(|_| ()) });
    bench.tell(Report::Refuses(Side::Upstream));
    bench.comes(Side::Downstream, &masked(0x82, 12, b"half a"));
    bench.passes(20);
    assert!(!bench.offered(Side::Downstream).is_empty(), "the client is told");
    bench.comes(Side::Downstream, &masked(0x88, 0, b""));
    assert_eq!(bench.tunnel.report().client.close, None, "it is what was left of a message");
}

/// G5: a Close counts wherever the shell has been reading when its sink failed.
#[test]
fn a_close_is_seen_that_comes_where_somebody_was_reading() {
    let mut bench =
        quiet(TunnelSettings { max_lifetime: Some(Lifetime::new(seconds(20), 0)), ..looking(|_| ()) });
    bench.passes(20);
    let close = masked(0x88, 2, &1000_u16.to_be_bytes());
    let turn = &mut Turn { now: bench.now, buffers: &mut bench.buffers };
    bench.tunnel.receive_space(Side::Downstream, turn).expect("bytes are wanted")[..close.len()]
        .copy_from_slice(&close);
    bench.tell(Report::Refuses(Side::Upstream));
    bench.received(Side::Downstream, Ok(close.len()));
    assert_eq!(bench.tunnel.report().client.close, Some(1000));
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
    let buffered = |bench: &Bench| {
        let snapshot = bench.tunnel.snapshot(bench.now.tick);
        Side::BOTH.map(|side| snapshot.buffered(side))
    };
    assert_eq!(buffered(&bench), [5, 0]);
    let mut held_back = quiet(looking(|websocket| websocket.strict = true));
    held_back.comes(Side::Upstream, b"\x81\x01x\x81");
    assert_eq!(held_back.offered(Side::Downstream), b"\x81\x01x");
    assert_eq!(buffered(&held_back), [0, 4], "what has still to be looked at is buffered, too");
    assert!(!bench.tunnel.snapshot(bench.now.tick).is_done());
    bench.tell(Report::Drains(0));
    bench.tell(Report::TimesOut);
    let snapshot = bench.tunnel.snapshot(bench.now.tick);
    assert_eq!((snapshot.is_done(), snapshot.timers()), (true, [].as_slice()));
}
