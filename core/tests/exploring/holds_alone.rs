//! What holds in every state of a tunnel alone.

use std::hash::{DefaultHasher, Hash, Hasher};

use underpass_core::{Outcome, Side, Timer};
use underpass_testkit::{explore::History, session_world::World};

/// Checks everything, and says what it rests on.
pub(crate) fn holds_alone(world: &World, history: &History) -> u64 {
    let snapshot = world.session.snapshot(world.now().tick);
    assert_eq!(snapshot.is_closed(), world.done);
    assert!(world.done || world.deadline().is_some(), "a tunnel waits without a deadline");
    for (timer, _) in snapshot.timers() {
        let is_a_tunnels = matches!(
            timer,
            Timer::TunnelIdle
                | Timer::HalfClose
                | Timer::ClientSend
                | Timer::UpstreamSend
                | Timer::LingerIdle
                | Timer::LingerTotal
                | Timer::Acknowledgement
                | Timer::Drain
        );
        assert!(is_a_tunnels, "{timer:?} runs in a tunnel");
    }
    for side in Side::BOTH {
        assert!(snapshot.buffered(side) <= world.buffers().size(), "{side:?}: too much is held");
    }
    let origin = &world.origins[0];
    let (up, down) = (origin.end.received(), world.client.received());
    let said = history.from_origins.first().map_or(b"".as_slice(), Vec::as_slice);
    assert!(history.from_client.starts_with(up), "{up:?} is not what the client sent");
    assert!(said.starts_with(down), "{down:?} is not what the origin server sent");
    let report = world.session.tunnel_report().expect("a tunnel has a report");
    assert!(report.to_upstream == up.len() as u64 && report.to_client == down.len() as u64);
    if let Some(exchange) = world.exchanges.first() {
        let (counted_up, counted_down, ended, cut) = exchange.tunnel.expect("its report");
        assert!(ended.is_some() && world.exchanges.len() == 1, "one tunnel, ended by somebody");
        if exchange.outcome == Outcome::Complete {
            assert!(!cut, "a cut tunnel is not complete");
            assert_eq!((up, counted_up), (&*history.from_client, up.len() as u64), "not all went upstream");
            assert_eq!((down, counted_down), (said, down.len() as u64), "not all came down");
        }
    }
    let mut seen = DefaultHasher::new();
    (up.len(), down.len()).hash(&mut seen);
    seen.finish()
}
