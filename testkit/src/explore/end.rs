//! What holds in every state besides the caller's properties: the session comes to its end, and takes no notice
//! of reports about connections that are gone.

use std::{io::ErrorKind, time::Duration};

use underpass_core::{Admission, Buffers, Output, Relayed, Side, Turn};

use crate::session_world::{Connect, World};

/// Deadlines that may come before the session is over.
const DEADLINES: usize = 64;

/// What time a drain is given: less than any timer of an alphabet's configuration.
const DRAIN: Duration = Duration::from_millis(100);

/// Its peers say nothing and take nothing that they haven't taken; time alone ends it.
pub(super) fn in_silence(mut world: World) -> World {
    world.checks = false;
    // A shell always answers a claim.
    if world.claims() {
        world.answer_claim(Admission::Granted);
    }
    world.admission = Some(Admission::Granted);
    passes(world)
}

/// Both peers end their streams.
pub(super) fn with_its_peers(mut world: World) -> World {
    world.checks = false;
    world.connects_else = Connect::Refuse;
    world.admission = Some(Admission::Granted);
    world.client_ends();
    if let Some(index) = world.upstream() {
        world.origins[index].end.end();
        world.run();
    }
    if world.dials() {
        world.answer_dial(Connect::Refuse);
    }
    if world.looks_up() {
        world.answer_lookup(Err(ErrorKind::NotFound.into()));
    }
    if world.claims() {
        world.answer_claim(Admission::Granted);
    }
    passes(world)
}

/// With `worker_shutdown_timeout`, a drain ends when that is over, whatever the peers do (C8); a tunnel that says Close
/// waits for answers no longer than `grace` (G5).
pub(super) fn with_the_drain(mut world: World, grace: Duration) -> World {
    world.checks = false;
    world.drain(Some(DRAIN));
    world.elapse(DRAIN + grace);
    assert!(world.done, "outlives the drain: {:?}", world.session.snapshot(world.now().tick));
    world
}

/// Reports about a connection that is gone change nothing.
pub(super) fn gone_is_gone(world: &World) {
    let now = world.now();
    let mut buffers = Buffers::new(world.buffers().size());
    let turn = &mut Turn { now, buffers: &mut buffers };
    let mut session = world.session.clone();
    if world.done {
        // Bytes that were given up may still be on their way: a report of them is of consequence once, for their memory.
        for side in Side::BOTH {
            session.handle_sent(session.connection(side), Ok(0), turn);
        }
    }
    let before = session.snapshot(now.tick);
    let gone = Side::BOTH
        .into_iter()
        .filter(|side| world.done || (*side == Side::Upstream && world.upstream().is_none()))
        // A report of what is under way there brings memory back.
        .filter(|_| world.late().is_empty());
    for side in gone {
        let fault = ErrorKind::ConnectionReset.into();
        session.handle_received(session.connection(side), Ok(0), turn);
        session.handle_received(session.connection(side), Err(fault), turn);
        session.handle_sent(session.connection(side), Ok(0), turn);
        session.handle_sent(session.connection(side), Err(fault), turn);
        if world.done {
            session.handle_relayed(session.connection(side), Relayed { taken: 1, delivered: 1 }, turn);
            session.handle_acknowledged(session.connection(side), turn);
        }
        assert_eq!(session.snapshot(now.tick), before, "a report about a connection that is gone");
    }
    if world.done {
        session.handle_timeout(turn);
        session.handle_drain(underpass_core::Draining::Quit(Some(now.tick)), turn);
        assert!(matches!(session.poll_output(), Output::Done), "a session that was done");
    }
}

fn passes(mut world: World) -> World {
    for _ in 0..DEADLINES {
        if world.done {
            return world;
        }
        let waits = world.elapse_to_deadline();
        assert!(waits || world.done, "nothing will ever end {:?}", world.session.snapshot(world.now().tick));
    }
    panic!("time doesn't end {:?}", world.session.snapshot(world.now().tick));
}
