//! A session that is led to its tunnel: what the benches of the core have in common.

use std::{hint::black_box, net::SocketAddr, sync::Arc};

use underpass_core::{
    Address, ClientInfo, Connected, Now, Output, Session, Side, Tick, Turn, Wait, config::Config,
};

/// Time stands still in a bench, but for what it moves itself.
pub(crate) const NOW: Now = Now { tick: Tick(1), unix_ms: 784_111_777_000, utc_offset_min: 0 };

/// The one origin server, and also what clients come from.
fn origin() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9000))
}

/// Forwards everything to the origin server.
pub(crate) fn config() -> Arc<Config> {
    Arc::new(Config::proxy_to(Address::Ip(origin()), "origin"))
}

/// A session whose exchange has become a tunnel. The shell's part is done as cheaply as it can be.
pub(crate) fn upgraded(config: &Arc<Config>, request: &[u8], answer: &[u8], turn: &mut Turn<'_>) -> Session {
    let origin = origin();
    let client = ClientInfo::new(Address::Ip(origin), Address::Ip(origin), 1, [7; 16]);
    let mut session = Session::new(Arc::clone(config), client, turn.now);
    receive(&mut session, Side::Downstream, request, turn);
    let Output::Connect(dial) = session.poll_output() else { panic!("a dial is due") };
    let choice = session.choose(&dial, turn.now.tick).expect("a peer");
    // The lease goes with the connection, of which there is none.
    drop(session.handle_chosen(&dial, choice, turn));
    session.handle_connected(dial, Ok(Connected::Fresh), turn);
    send(&mut session, Side::Upstream, turn);
    receive(&mut session, Side::Upstream, answer, turn);
    send(&mut session, Side::Downstream, turn);
    session
}

fn receive(session: &mut Session, from: Side, bytes: &[u8], turn: &mut Turn<'_>) {
    session.receive_space(session.connection(from), turn).expect("bytes are wanted")[..bytes.len()]
        .copy_from_slice(bytes);
    session.handle_received(session.connection(from), Ok(bytes.len()), turn);
}

fn send(session: &mut Session, to: Side, turn: &mut Turn<'_>) {
    assert!(wait(session).writes(to));
    let count = black_box(session.transmit(session.connection(to))).total();
    session.handle_sent(session.connection(to), Ok(count), turn);
}

/// Polls until the session waits.
pub(crate) fn wait(session: &mut Session) -> Wait {
    loop {
        match session.poll_output() {
            Output::Wait(wait) => return wait,
            Output::Note(_) | Output::Judge(_) => {}
            other => panic!("{other:?}"),
        }
    }
}
