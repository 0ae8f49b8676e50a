//! What holds under every schedule of several workers, checked by loom: `core/loom.sh`.
//!
//! Each model is run for every way in which its threads can interleave, up to a number of preemptions.

use core::sync::atomic::{
    AtomicU32,
    Ordering::{Relaxed, SeqCst},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

use loom::thread;

use super::{
    Balance, Demand, DrainGate, Group, GroupId, KeepAlive, Lease, LimitConn, LimitReq, Peer, Swap, Upstreams,
    admit_request,
};
use crate::{Address, session::Dial, time::Tick, verdict::Verdict};

const ID: GroupId = GroupId(0);
const WORKERS: usize = 3;

/// Runs the same on several threads, beside this one, to their end.
fn workers(count: usize, work: impl Fn(usize) + Clone + 'static) {
    let spawn = |worker| {
        let work = work.clone();
        thread::spawn(move || work(worker))
    };
    let threads: Vec<_> = (0..count).map(spawn).collect();
    threads.into_iter().for_each(|thread| thread.join().expect("it ends in order"));
}

fn peer(port: u16, change: impl FnOnce(&mut Peer)) -> Peer {
    let mut peer = Peer::new(Address::Ip(([127, 0, 0, 1], port).into()));
    change(&mut peer);
    peer
}

fn table(balance: Balance, peers: Vec<Peer>) -> Arc<Upstreams> {
    Arc::new(Upstreams::new(vec![Group::new("g", peers, KeepAlive::default()).balanced(balance)]))
}

fn lease(table: &Arc<Upstreams>, now: Tick) -> Option<Lease> {
    table.choose(&Dial::to(ID), now).ok().map(|choice| choice.0)
}

fn leases(table: &Upstreams) -> u32 {
    table.status(ID, Tick(0)).iter().map(|peer| peer.leases).sum()
}

/// Who is inside of something that admits only so many.
#[derive(Debug, Default)]
struct Room(AtomicU32);

impl Room {
    fn enter(&self, most: u32) {
        let inside = self.0.fetch_add(1, SeqCst) + 1;
        assert!(inside <= most, "{inside} where {most} may be");
    }

    fn leave(&self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[test]
fn max_conns_is_never_exceeded_and_counts_are_exact() {
    for balance in [Balance::RoundRobin, Balance::LeastConn] {
        loom::model(move || {
            let peers = vec![peer(1, |peer| peer.max_conns = 1), peer(2, |peer| peer.max_conns = 1)];
            let table = table(balance.clone(), peers);
            let rooms = Arc::new([Room::default(), Room::default()]);
            workers(WORKERS, {
                let table = Arc::clone(&table);
                move |worker| {
                    let Some(lease) = lease(&table, Tick(0)) else { return };
                    let room = &rooms[usize::from(lease.address().port() == Some(2))];
                    room.enter(1);
                    thread::yield_now();
                    room.leave();
                    if worker == 0 { lease.report(Verdict::Success, Tick(0)) } else { drop(lease) }
                }
            });
            assert_eq!(leases(&table), 0);
            let all: Vec<_> = (0..3).map_while(|_| lease(&table, Tick(0))).collect();
            assert_eq!(all.len(), 2, "there is room for all again");
        });
    }
}

#[test]
fn a_worker_that_dies_takes_its_leases_and_permits_with_it() {
    loom::model(|| {
        let table = table(Balance::LeastConn, vec![peer(1, |_| ()), peer(2, |_| ())]);
        let zone = Arc::new(LimitConn::new(1 << 10));
        workers(WORKERS, {
            let (table, zone) = (Arc::clone(&table), Arc::clone(&zone));
            move |worker| {
                let died = catch_unwind(AssertUnwindSafe(|| {
                    let _lease = lease(&table, Tick(0)).expect("a peer");
                    let _permit = zone.admit(b"k", 3).expect("there is room");
                    if worker > 0 {
                        resume_unwind(Box::new(()));
                    }
                }));
                assert_eq!(died.is_err(), worker > 0);
            }
        });
        assert_eq!((leases(&table), zone.count(b"k")), (0, 0));
    });
}

#[test]
fn turns_are_shared_out_by_weight_whoever_takes_them() {
    loom::model(|| {
        let table = table(Balance::RoundRobin, vec![peer(1, |peer| peer.weight = 2), peer(2, |_| ())]);
        let turns = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        workers(WORKERS, {
            let (table, turns) = (Arc::clone(&table), Arc::clone(&turns));
            move |_| {
                let lease = lease(&table, Tick(0)).expect("a peer");
                turns[usize::from(lease.address().port() == Some(2))].fetch_add(1, SeqCst);
                lease.report(Verdict::Success, Tick(0));
            }
        });
        assert_eq!(turns.each_ref().map(|turns| turns.load(SeqCst)), [2, 1]);
        assert_eq!(leases(&table), 0);
    });
}

#[test]
fn a_lease_that_is_judged_and_left_by_different_workers_counts_once() {
    loom::model(|| {
        let table = table(Balance::LeastConn, vec![peer(1, |peer| peer.max_fails = 2), peer(2, |_| ())]);
        let shared = Arc::new(lease(&table, Tick(0)).expect("a peer"));
        assert_eq!(shared.address().port(), Some(1));
        let last = Arc::clone(&shared);
        workers(WORKERS, {
            let table = Arc::clone(&table);
            move |worker| {
                if worker == 0 {
                    shared.judge(Verdict::Failure, Tick(0));
                } else {
                    // Somebody chooses and leaves beside it.
                    drop(lease(&table, Tick(0)).expect("a peer"));
                }
            }
        });
        let status = &table.status(ID, Tick(0))[0];
        assert_eq!((status.failures, status.unavailable, status.leases), (1, false, 1));
        drop(last);
        assert_eq!(leases(&table), 0);
    });
}

#[test]
fn no_failure_is_lost_and_none_is_counted_twice() {
    loom::model(|| {
        let table = table(Balance::RoundRobin, vec![peer(1, |peer| peer.max_fails = 3), peer(2, |_| ())]);
        workers(WORKERS, {
            let table = Arc::clone(&table);
            move |_| {
                let dial = Dial { tried: [1].into(), ..Dial::to(ID) };
                let lease = table.choose(&dial, Tick(0)).expect("a peer").0;
                lease.report(Verdict::Failure, Tick(1));
            }
        });
        let status = &table.status(ID, Tick(1))[0];
        assert_eq!((status.failures, status.unavailable, status.leases), (3, true, 0));
    });
}

#[test]
fn one_exchange_alone_tries_a_peer_that_was_left_alone() {
    loom::model(|| {
        let table = table(
            Balance::Hash { key: crate::template::Template::literal(""), consistent: false },
            vec![peer(1, |_| ()), peer(2, |peer| peer.max_conns = 1)],
        );
        let dial = Dial { tried: [1].into(), ..Dial::to(ID) };
        table.choose(&dial, Tick(0)).expect("a peer").0.report(Verdict::Failure, Tick(0));
        // The other peer is busy, so that whoever can takes this one.
        let _busy = lease(&table, Tick(1)).expect("the other peer");
        let tried = Arc::new(AtomicU32::new(0));
        workers(WORKERS, {
            let (table, tried) = (Arc::clone(&table), Arc::clone(&tried));
            move |_| {
                if let Some(lease) = lease(&table, Tick(10_000_000_000)) {
                    tried.fetch_add(1, SeqCst);
                    drop(lease);
                }
            }
        });
        assert_eq!(tried.load(SeqCst), 1);
    });
}

#[test]
fn leases_outlive_peers_that_are_replaced() {
    let ip = |n| std::net::IpAddr::from([10, 0, 0, n]);
    loom::model(move || {
        let mut named = Peer::resolved("name.test", 80);
        named.max_conns = 1;
        let table = table(Balance::RoundRobin, vec![named]);
        table.update(ID, 0, &[ip(1)]);
        let room = Arc::new(Room::default());
        workers(WORKERS, {
            let table = Arc::clone(&table);
            move |worker| match worker {
                0 => {
                    table.update(ID, 0, &[ip(2)]);
                    table.update(ID, 0, &[ip(1)]);
                }
                _ => {
                    let Some(lease) = lease(&table, Tick(0)) else { return };
                    let counts = *lease.address() == Address::Ip((ip(1), 80).into());
                    if counts {
                        room.enter(1);
                        thread::yield_now();
                        room.leave();
                    }
                    lease.report(Verdict::Failure, Tick(0));
                }
            }
        });
        let status = table.status(ID, Tick(0));
        assert_eq!(status.len(), 1);
        assert_eq!((status[0].leases, &status[0].address), (0, &Address::Ip((ip(1), 80).into())));
    });
}

#[test]
fn limit_conn_admits_as_many_as_it_may() {
    loom::model(|| {
        let zone = Arc::new(LimitConn::new(129));
        let room = Arc::new(Room::default());
        workers(WORKERS, {
            let zone = Arc::clone(&zone);
            move |_| {
                if let Some(permit) = zone.admit(b"k", 2) {
                    room.enter(2);
                    thread::yield_now();
                    room.leave();
                    drop(permit);
                }
            }
        });
        assert_eq!(zone.count(b"k"), 0);
        assert!(zone.admit(b"l", 1).is_some(), "the memory is free again");
    });
}

#[test]
fn limit_req_counts_each_request_once_and_in_all_zones_or_none() {
    loom::model(|| {
        let zones = Arc::new([LimitReq::new(1 << 10, 1000), LimitReq::new(1 << 10, 1000)]);
        let passed = Arc::new(AtomicU32::new(0));
        workers(WORKERS, {
            let (zones, passed) = (Arc::clone(&zones), Arc::clone(&passed));
            move |_| {
                let demand = |zone, burst| Demand { zone, key: b"k", burst, delay: u32::MAX };
                let demands = [demand(&zones[0], 9), demand(&zones[1], 1)];
                passed.fetch_add(u32::from(admit_request(&demands, Tick(0)).is_ok()), SeqCst);
            }
        });
        assert_eq!(passed.load(SeqCst), 2, "one, and one that the burst allows");
        // The wide zone has counted the same two: another makes two above the rate.
        let other = Demand { zone: &zones[0], key: b"k", burst: 9, delay: 0 };
        assert_eq!(admit_request(&[other], Tick(0)), Ok(Some(Tick(2_000_000_000))));
    });
}

#[test]
fn nobody_enters_a_closed_gate_and_it_completes_once() {
    loom::model(|| {
        let completed = Arc::new(AtomicU32::new(0));
        // Relaxed: that the last word on it is heard is the gate's doing.
        let inside = Arc::new(loom::sync::atomic::AtomicU32::new(0));
        let gate = Arc::new(DrainGate::new({
            let (completed, inside) = (Arc::clone(&completed), Arc::clone(&inside));
            move || {
                assert_eq!(inside.load(Relaxed), 0, "somebody is inside still");
                completed.fetch_add(1, SeqCst);
            }
        }));
        workers(WORKERS, {
            let (gate, completed) = (Arc::clone(&gate), Arc::clone(&completed));
            move |worker| {
                if worker == 0 {
                    gate.close();
                    assert!(gate.enter().is_none());
                    return;
                }
                if let Some(pass) = gate.enter() {
                    assert_eq!(completed.load(SeqCst), 0, "it is complete already");
                    inside.fetch_add(1, Relaxed);
                    thread::yield_now();
                    inside.fetch_sub(1, Relaxed);
                    drop(pass);
                }
                gate.close();
            }
        });
        assert_eq!((completed.load(SeqCst), gate.inside()), (1, 0));
    });
}

#[test]
fn a_worker_that_dies_inside_leaves_the_gate() {
    loom::model(|| {
        let completed = Arc::new(AtomicU32::new(0));
        let gate = Arc::new(DrainGate::new({
            let completed = Arc::clone(&completed);
            move || {
                completed.fetch_add(1, SeqCst);
            }
        }));
        let pass = gate.enter().expect("it is open");
        workers(WORKERS, {
            let gate = Arc::clone(&gate);
            move |worker| {
                if worker == 0 {
                    return gate.close();
                }
                let died = catch_unwind(AssertUnwindSafe(|| {
                    let _pass = gate.enter();
                    resume_unwind(Box::new(()));
                }));
                assert!(died.is_err());
            }
        });
        assert_eq!((completed.load(SeqCst), gate.inside()), (0, 1), "somebody is inside still");
        drop(pass);
        assert_eq!((completed.load(SeqCst), gate.inside()), (1, 0));
    });
}

#[test]
fn a_reader_sees_one_value_whole_and_never_an_older_one() {
    loom::model(|| {
        let swap = Arc::new(Swap::new(Arc::new([0; 2])));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let mut reader = swap.reader();
                thread::spawn(move || {
                    let mut last = 0;
                    for _ in 0..2 {
                        let value = Arc::clone(reader.current());
                        assert!(value[0] == value[1] && value[0] >= last);
                        last = value[0];
                    }
                    reader
                })
            })
            .collect();
        swap.replace(Arc::new([1; 2]));
        assert_eq!(*swap.replace(Arc::new([2; 2])), [1; 2]);
        for thread in readers {
            let mut reader = thread.join().expect("it ends in order");
            assert_eq!(**reader.current(), [2; 2], "nothing that is new is missed");
        }
    });
}
