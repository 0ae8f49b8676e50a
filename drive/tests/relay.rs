//! A relay of two streams in memory, on an executor and a clock of the test's own.

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{ByHand, End, Task, connection};
use underpass_core::{EndedBy, Timer, TunnelSettings};
use underpass_futures::{Acknowledging, Futures, Relay, RelaySettings, Report};

type Relaying = Task<Relay<Futures<End>, Futures<End>>>;

/// A relay with the peers' ends of both connections, and its clock.
fn relaying(settings: &RelaySettings, room: usize) -> (End, End, ByHand, Relaying) {
    let ((client, ours), (theirs, upstream), clock) = (connection(room), connection(room), ByHand::new());
    let relay = Relay::new(Futures(ours), Futures(theirs), settings, Arc::new(clock.clone()));
    (client, upstream, clock, Task::new(relay))
}

#[test]
fn bytes_cross_and_each_side_ends_its_own_direction() {
    let (mut client, mut upstream, _, mut relay) = relaying(&RelaySettings::default(), 1 << 20);
    client.send(b"to the origin server");
    client.end();
    assert_eq!(relay.run(), None);
    assert_eq!(upstream.take(), b"to the origin server");
    assert!(upstream.is_over(), "the end crosses, too");
    upstream.send(&[7; 300_000]);
    assert_eq!(relay.run(), None, "the other direction goes on");
    assert_eq!(client.take(), [7; 300_000]);
    upstream.end();
    let report = relay.run().expect("both directions are over");
    assert!(client.is_over());
    assert_eq!((report.from_client, report.from_upstream), (20, 300_000));
    assert_eq!((report.ended, report.cut), (Some(EndedBy::Client), false));
}

#[test]
fn polled_again_after_its_end_it_says_the_same() {
    let (mut client, mut upstream, _, _) = relaying(&RelaySettings::default(), 10);
    let _ = (client.take(), upstream.take());
    let ((mut client, ours), (theirs, mut upstream)) = (connection(10), connection(10));
    let clock = Arc::new(ByHand::new());
    let mut relay = Box::pin(Relay::new(Futures(ours), Futures(theirs), &RelaySettings::default(), clock));
    client.send(b"abc");
    client.end();
    upstream.end();
    let first = Task::new(relay.as_mut()).run().expect("both directions are over");
    assert_eq!(first.from_client, 3);
    assert_eq!(Task::new(relay.as_mut()).run(), Some(first));
}

#[test]
fn silence_ends_it_and_both_sides_learn_it() {
    let mut tunnel = TunnelSettings::default();
    tunnel.idle_timeout = Duration::from_secs(10);
    let (mut client, upstream, clock, mut relay) = relaying(&RelaySettings::new(tunnel), 100);
    client.send(b"x");
    assert_eq!(relay.run(), None);
    clock.pass(Duration::from_secs(9));
    assert_eq!(relay.run(), None);
    client.send(b"y");
    assert_eq!(relay.run(), None);
    clock.pass(Duration::from_secs(9));
    assert_eq!(relay.run(), None, "a byte has moved since");
    clock.pass(Duration::from_secs(2));
    let report = relay.run().expect("nothing has moved for ten seconds");
    assert_eq!(report.ended, Some(EndedBy::Timer(Timer::TunnelIdle)));
    assert_eq!(report.duration, Duration::from_secs(20));
    assert!(client.is_over());
    drop(upstream);
}

#[test]
fn who_takes_nothing_is_not_waited_for_without_end() {
    let (mut client, upstream, clock, mut relay) = relaying(&RelaySettings::default(), 100);
    let mut sent = 0;
    loop {
        let more = client.send(&[1; 100]);
        assert_eq!(relay.run(), None);
        sent += more;
        if more == 0 {
            break;
        }
    }
    assert!(sent < 100 + 100 + 2 * 16_384, "more than one buffer waits: {sent} bytes");
    clock.pass(Duration::from_secs(61));
    // What lingers is bounded, too.
    let report = (0..3).find_map(|_| {
        clock.pass(Duration::from_secs(6));
        relay.run()
    });
    let report = report.expect("it has an end");
    assert_eq!(report.ended, Some(EndedBy::Timer(Timer::UpstreamSend)));
    drop(upstream);
}

#[test]
fn what_was_sent_before_a_reset_is_delivered() {
    let (mut client, mut upstream, clock, mut relay) = relaying(&RelaySettings::default(), 1000);
    upstream.send(b"last words");
    assert_eq!(relay.run(), None);
    upstream.reset();
    let report = relay.run().or_else(|| {
        assert_eq!(client.take(), b"last words");
        client.end();
        clock.pass(Duration::from_secs(6));
        relay.run()
    });
    assert!(report.expect("a side has failed").cut);
}

/// One that can tell is not waited for longer than until it says so; of one that can't, nobody knows whether the tail has
/// come, and it is kept for as long as input is dropped (C3).
#[test]
fn the_tail_of_one_that_failed_is_waited_for_until_it_is_acknowledged() {
    let ((mut client, ours), (theirs, mut upstream)) = (connection(1000), connection(1000));
    let clock = Arc::new(ByHand::new());
    let client_side = Acknowledging::new(Futures(ours), |Futures(end)| end.is_taken());
    let mut relay =
        Task::new(Relay::new(client_side, Futures(theirs), &RelaySettings::default(), clock.clone()));
    upstream.send(b"last words");
    assert_eq!(relay.run(), None);
    upstream.reset();
    assert_eq!(relay.run(), None);
    clock.pass(Duration::from_secs(2));
    assert_eq!(relay.run(), None, "it is on its way");
    assert_eq!(client.take(), b"last words");
    clock.pass(Duration::from_secs(2));
    let report = relay.run().expect("all of it was taken");
    assert_eq!((report.cut, report.duration.as_secs()), (true, 4));

    let (mut client, mut upstream, clock, mut relay) = relaying(&RelaySettings::default(), 1000);
    upstream.send(b"last words");
    assert_eq!(relay.run(), None);
    upstream.reset();
    assert_eq!(relay.run(), None);
    assert_eq!(client.take(), b"last words");
    clock.pass(Duration::from_secs(4));
    assert_eq!(relay.run(), None, "nobody can tell");
    clock.pass(Duration::from_secs(1));
    assert_eq!(relay.run().expect("it doesn't last longer").duration.as_secs(), 5);
}

#[test]
fn what_a_stream_holds_back_is_flushed() {
    let ((mut client, ours), (theirs, mut upstream)) = (connection(50), connection(50));
    let clock = Arc::new(ByHand::new());
    let streams = (Futures(ours.buffered()), Futures(theirs.buffered()));
    let mut relay = Task::new(Relay::new(streams.0, streams.1, &RelaySettings::default(), clock));
    client.send(&[1; 50]);
    assert_eq!(relay.run(), None);
    client.send(&[2; 50]);
    assert_eq!(relay.run(), None);
    assert_eq!(upstream.take(), [1; 50]);
    assert_eq!(relay.run(), None);
    assert_eq!(upstream.take(), [2; 50]);
}

#[test]
fn what_was_read_ahead_goes_first() {
    let ((mut client, ours), (theirs, mut upstream)) = (connection(50), connection(50));
    let clock = Arc::new(ByHand::new());
    let relay = Relay::new(Futures(ours), Futures(theirs), &RelaySettings::default(), clock);
    let mut relay = Task::new(relay.read_ahead(b"first ", b"hello"));
    client.send(b"second");
    assert_eq!(relay.run(), None);
    assert_eq!((upstream.take(), client.take()), (b"first second".to_vec(), b"hello".to_vec()));
}

#[test]
fn a_dropped_relay_is_told_of_too() {
    let told: Arc<Mutex<Vec<Report>>> = Arc::default();
    let list = Arc::clone(&told);
    let settings =
        RelaySettings::default().on_end(move |report| list.lock().expect("not poisoned").push(*report));
    let (mut client, mut upstream, clock, mut relay) = relaying(&settings, 100);
    client.send(b"abc");
    assert_eq!(relay.run(), None);
    clock.pass(Duration::from_secs(3));
    drop(relay);
    assert_eq!(upstream.take(), b"abc");
    assert!(upstream.is_over() && client.is_over(), "both streams are dropped");
    // One that ends by itself is told of once.
    let (mut client, mut upstream, _, mut relay) = relaying(&settings, 100);
    client.end();
    upstream.end();
    assert!(relay.run().is_some());
    drop(relay);
    let told = told.lock().expect("not poisoned");
    let facts: Vec<_> =
        told.iter().map(|told| (told.from_client, told.duration.as_secs(), told.ended)).collect();
    assert_eq!(facts, [(3, 3, None), (0, 0, Some(EndedBy::Client))]);
}

/// A round looks at the clock once. What has come is written in the round that has read it, and a second one finds that
/// nothing more has: then the task sleeps.
#[test]
fn a_message_takes_two_rounds() {
    let (mut client, mut upstream, clock, mut relay) = relaying(&RelaySettings::default(), 1 << 20);
    assert_eq!(relay.run(), None);
    for turn in 0..10 {
        let before = clock.looks();
        client.send(&[turn; 128]);
        assert_eq!(relay.run(), None);
        assert_eq!(upstream.take(), [turn; 128]);
        assert_eq!(clock.looks() - before, 2);
        let before = clock.looks();
        upstream.send(&[turn; 128]);
        assert_eq!(relay.run(), None);
        assert_eq!(client.take(), [turn; 128]);
        assert_eq!(clock.looks() - before, 2);
    }
}
