//! A tunnel whose handshake was done elsewhere, and bytes that are moved past the session.

use std::sync::Arc;

use underpass_core::{
    Buffers, Disposal, EndedBy, Ending, Epoch, Event, Leg, Now, Outcome, Output, Relayed, Side, Tick, Timer,
    Tunnel, TunnelSecret, TunnelSettings, Turn, Wait,
};
use underpass_testkit::session_world::Machine;

const NOW: Now = Now { tick: Tick(0), unix_ms: 0, utc_offset_min: 0 };

/// A tunnel alone.
fn opened(settings: TunnelSettings, read_ahead: [&[u8]; 2], turn: &mut Turn<'_>) -> Machine {
    Tunnel::new(Arc::new(settings), TunnelSecret::new([7; 16]), read_ahead, turn).into()
}

/// Polls up to the next wait; what came before it is kept by its name.
fn poll(session: &mut Machine) -> (Vec<String>, Option<Wait>) {
    let mut said = Vec::new();
    loop {
        match session.poll_output() {
            Output::Wait(wait) => return (said, Some(wait)),
            Output::Done => return (said, None),
            Output::Note(note) => said.push(note.event.to_string()),
            other => said.push(format!("{other:?}")),
        }
    }
}

fn waiting(session: &mut Machine) -> Wait {
    poll(session).1.expect("the tunnel is open")
}

fn transmit(session: &mut Machine, to: Side) -> Vec<u8> {
    session.transmit(session.connection(to)).iter().flat_map(|slice| slice.to_vec()).collect()
}

#[test]
fn what_was_read_ahead_comes_first() {
    let mut buffers = Buffers::default();
    let turn = &mut Turn { now: NOW, buffers: &mut buffers };
    let mut session = opened(TunnelSettings::default(), [b"from client", b"from origin"], turn);
    let (said, wait) = poll(&mut session);
    assert_eq!(said, [Event::TunnelOpened.to_string()]);
    let wait = wait.expect("it waits");
    assert!(Side::BOTH.iter().all(|side| wait.writes(*side)));
    assert_eq!(transmit(&mut session, Side::Upstream), b"from client");
    assert_eq!(transmit(&mut session, Side::Downstream), b"from origin");
    session.handle_sent(session.connection(Side::Upstream), Ok(11), turn);
    let space = session.receive_space(session.connection(Side::Downstream), turn).expect("bytes are wanted");
    space[..4].copy_from_slice(b"more");
    session.handle_received(session.connection(Side::Downstream), Ok(4), turn);
    assert_eq!(transmit(&mut session, Side::Upstream), b"more");
    session.handle_sent(session.connection(Side::Upstream), Ok(4), turn);
    session.handle_sent(session.connection(Side::Downstream), Ok(11), turn);
    for side in Side::BOTH {
        session.handle_received(session.connection(side), Ok(0), turn);
    }
    let (said, wait) = poll(&mut session);
    assert!(wait.is_none(), "both streams have ended");
    assert_eq!(
        said,
        [
            Event::TunnelClosed(EndedBy::Client).to_string(),
            format!("{:?}", Output::Shutdown(Side::Downstream)),
            format!("{:?}", Output::Shutdown(Side::Upstream)),
            format!(
                "{:?}",
                Output::Release(
                    Leg::origin(Epoch::FIRST),
                    underpass_core::Verdict::Success,
                    Disposal::Close(Ending::Fin)
                )
            ),
            format!("{:?}", Output::ExchangeDone),
            format!("{:?}", Output::Close(Ending::Fin)),
        ]
    );
    let tunnel = session.tunnel_report().expect("it was one");
    assert_eq!((tunnel.from_client, tunnel.from_upstream, tunnel.cut), (15, 11, false));
    assert_eq!(tunnel.outcome(), Outcome::Complete);
    session.recycle(&mut buffers);
}

#[test]
fn bytes_in_the_pipe_are_neither_overtaken_nor_forgotten() {
    let mut buffers = Buffers::default();
    let turn = &mut Turn { now: NOW, buffers: &mut buffers };
    let mut session = opened(TunnelSettings::default(), [b"x", b""], turn);
    assert_eq!(waiting(&mut session).relays(Side::Downstream), 0, "a byte is still to go first");
    assert_eq!(waiting(&mut session).relays(Side::Upstream), u64::MAX);
    session.handle_sent(session.connection(Side::Upstream), Ok(1), turn);
    assert_eq!(waiting(&mut session).relays(Side::Downstream), u64::MAX);
    session.handle_relayed(session.connection(Side::Downstream), Relayed { taken: 100, delivered: 0 }, turn);
    let wait = waiting(&mut session);
    assert!(!wait.reads(Side::Downstream), "nothing may overtake what is in the pipe");
    let stalls = session.snapshot(Tick(0)).timers().iter().any(|(timer, _)| *timer == Timer::UpstreamSend);
    assert!(stalls, "what is in the pipe waits for the origin server");
    session.handle_received(session.connection(Side::Downstream), Ok(0), turn);
    let (said, _) = poll(&mut session);
    assert!(said.is_empty(), "the end comes behind the last byte: {said:?}");
    session.handle_relayed(session.connection(Side::Downstream), Relayed { taken: 0, delivered: 60 }, turn);
    assert!(poll(&mut session).0.is_empty());
    session.handle_relayed(session.connection(Side::Downstream), Relayed { taken: 0, delivered: 40 }, turn);
    assert_eq!(poll(&mut session).0, [format!("{:?}", Output::Shutdown(Side::Upstream))]);
    let tunnel = session.tunnel_report().expect("it is one");
    assert_eq!(tunnel.from_client, 101);
}

/// A tunnel with nothing in it, after `play`; what it said in the end.
fn played(config: TunnelSettings, play: impl FnOnce(&mut Machine, &mut Turn<'_>)) -> (Machine, Vec<String>) {
    let mut buffers = Buffers::default();
    let turn = &mut Turn { now: NOW, buffers: &mut buffers };
    let mut session = opened(config, [b"", b""], turn);
    waiting(&mut session);
    play(&mut session, turn);
    let (said, _) = poll(&mut session);
    (session, said)
}

#[test]
fn what_is_delivered_starts_the_stall_timer_anew_and_what_is_taken_does_not() {
    // C5: only what the other side takes shows that it takes anything.
    for (from, timer) in [(Side::Downstream, Timer::UpstreamSend), (Side::Upstream, Timer::ClientSend)] {
        played(TunnelSettings::default(), |session, turn| {
            for (second, taken, delivered, left) in [(0, 100, 0, 60), (1, 0, 60, 60), (2, 5, 0, 59)] {
                turn.now.tick = Tick(second * 1_000_000_000);
                session.handle_relayed(session.connection(from), Relayed { taken, delivered }, turn);
                let snapshot = session.snapshot(turn.now.tick);
                let runs = snapshot.timers().iter().find(|(running, _)| *running == timer);
                assert_eq!(runs, Some(&(timer, left * 1_000_000_000)), "after {second} s");
            }
        });
    }
}

#[test]
fn what_is_taken_starts_the_timer_of_a_half_closed_tunnel_anew() {
    // C2: it is restarted by the bytes of the direction that is left.
    played(TunnelSettings::default(), |session, turn| {
        session.handle_received(session.connection(Side::Upstream), Ok(0), turn);
        turn.now.tick = Tick(1_000_000_000);
        session.handle_relayed(
            session.connection(Side::Downstream),
            Relayed { taken: 5, delivered: 0 },
            turn,
        );
        let snapshot = session.snapshot(turn.now.tick);
        assert!(snapshot.timers().contains(&(Timer::HalfClose, 60_000_000_000)), "{:?}", snapshot.timers());
    });
}

#[test]
fn a_tunnel_that_was_cut_stays_so() {
    // C3: an orderly end of the other stream makes it none.
    let (session, _) = played(TunnelSettings::default(), |session, turn| {
        session.handle_received(
            session.connection(Side::Upstream),
            Err(std::io::ErrorKind::ConnectionReset.into()),
            turn,
        );
        session.handle_received(session.connection(Side::Downstream), Ok(0), turn);
    });
    let report = session.tunnel_report().expect("it was one");
    assert_eq!((report.outcome(), report.cut), (Outcome::Cut, true));
}

#[test]
fn whoever_takes_no_more_has_ended_it() {
    // C7.
    for (side, ended) in [(Side::Downstream, EndedBy::Client), (Side::Upstream, EndedBy::Upstream)] {
        let (session, _) = played(TunnelSettings::default(), |session, turn| {
            session.handle_sent(session.connection(side), Err(std::io::ErrorKind::BrokenPipe.into()), turn);
        });
        assert_eq!(session.tunnel_report().expect("it is one").ended, Some(ended));
    }
}

#[test]
fn without_half_close_either_end_is_both_at_once() {
    // C2: `upgrade_half_close off`.
    for side in Side::BOTH {
        let mut config = TunnelSettings::default();
        config.half_close = false;
        let (_, said) =
            played(config, |session, turn| session.handle_received(session.connection(side), Ok(0), turn));
        for ended in Side::BOTH {
            assert!(said.contains(&format!("{:?}", Output::Shutdown(ended))), "{side:?}: {said:?}");
        }
    }
}

#[test]
fn a_reset_that_is_passed_on_has_no_end_before_it() {
    // C3: `upgrade_relay_reset on`.
    for side in Side::BOTH {
        let mut config = TunnelSettings::default();
        config.relay_reset = true;
        let (_, said) = played(config, |session, turn| {
            session.handle_received(
                session.connection(side),
                Err(std::io::ErrorKind::ConnectionReset.into()),
                turn,
            );
            session.handle_acknowledged(session.connection(side.opposite()), turn);
        });
        assert!(!said.iter().any(|output| output.starts_with("Shutdown")), "{side:?}: {said:?}");
        assert_eq!(said.last(), Some(&format!("{:?}", Output::Close(Ending::Reset))), "{side:?}");
    }
}
