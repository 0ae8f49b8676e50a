//! What a message costs in the core: 128 bytes through a quiet tunnel, as a loop on readiness drives it. Two rounds: the
//! message is read and written, then nothing more is found.
//!
//! `cargo bench -p underpass-benches --bench message`. A count of instructions is the same in each run: callgrind on the
//! program that this builds, once with `--profile-time 1` and a filter.

use std::{hint::black_box, sync::Arc};

use criterion::Criterion;
use underpass_core::{
    Address, Buffers, ClientInfo, Connected, Fault, Now, Output, Session, Side, Tick, Tunnel, TunnelOutput,
    TunnelSecret, Turn, Wait, config::Config,
};

const MESSAGE: [u8; 128] = [7; 128];

/// The same of a session and of a tunnel alone.
macro_rules! round {
    ($machine:expr, $legs:expr, $turn:expr, $wait:expr) => {{
        let (machine, turn): (_, &mut Turn<'_>) = ($machine, $turn);
        let [from, to] = $legs;
        turn.now.tick = Tick(turn.now.tick.0 + 1000);
        assert!($wait(machine).reads(Side::Downstream));
        machine.receive_space(from, turn).expect("bytes are wanted")[..MESSAGE.len()]
            .copy_from_slice(&MESSAGE);
        machine.handle_received(from, Ok(MESSAGE.len()), turn);
        machine.receive_space(to, turn).expect("bytes are wanted");
        machine.handle_received(to, Err(Fault::WOULD_BLOCK), turn);
        let count = black_box(machine.transmit(to)).total();
        machine.handle_sent(to, Ok(count), turn);
        assert!($wait(machine).reads(Side::Downstream));
        machine.receive_space(from, turn).expect("bytes are wanted");
        machine.handle_received(from, Err(Fault::WOULD_BLOCK), turn);
    }};
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let now = Now { tick: Tick(1), unix_ms: 784_111_777_000, utc_offset_min: 0 };
    let mut buffers = Buffers::default();
    let mut turn = Turn { now, buffers: &mut buffers };
    let mut tunnel = Tunnel::new(Arc::default(), TunnelSecret::new([7; 16]), [b"", b""], &mut turn);
    let mut session = opened(&mut turn);
    let legs = Side::BOTH.map(|side| session.connection(side));
    let mut group = criterion.benchmark_group("message of 128 bytes");
    group.bench_function("tunnel", |bencher| {
        bencher.iter(|| round!(&mut tunnel, [Side::Downstream, Side::Upstream], &mut turn, wait_of_tunnel));
    });
    group.bench_function("session", |bencher| {
        bencher.iter(|| round!(&mut session, legs, &mut turn, wait_of_session));
    });
    group.finish();
    criterion.final_summary();
}

fn wait_of_tunnel(tunnel: &mut Tunnel) -> Wait {
    loop {
        match tunnel.poll_output() {
            TunnelOutput::Wait(wait) => return wait,
            TunnelOutput::Note(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn wait_of_session(session: &mut Session) -> Wait {
    loop {
        match session.poll_output() {
            Output::Wait(wait) => return wait,
            Output::Note(_) | Output::Judge(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// A session whose exchange has become a tunnel.
fn opened(turn: &mut Turn<'_>) -> Session {
    let origin: std::net::SocketAddr = "127.0.0.1:9000".parse().expect("an address");
    let config = Arc::new(Config::proxy_to(Address::Ip(origin), "origin"));
    let client = ClientInfo::new(Address::Ip(origin), Address::Ip(origin), 1, [7; 16]);
    let mut session = Session::new(Arc::clone(&config), client, turn.now);
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n";
    receive(&mut session, Side::Downstream, request, turn);
    let Output::Connect(dial) = session.poll_output() else { panic!("a dial is due") };
    let choice = session.choose(&dial, turn.now.tick).expect("a peer");
    // The lease goes with the connection, of which there is none.
    drop(session.handle_chosen(&dial, choice, turn));
    session.handle_connected(dial, Ok(Connected::Fresh), turn);
    send(&mut session, Side::Upstream, turn);
    let switch = b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n";
    receive(&mut session, Side::Upstream, switch, turn);
    send(&mut session, Side::Downstream, turn);
    session
}

fn receive(session: &mut Session, from: Side, bytes: &[u8], turn: &mut Turn<'_>) {
    session.receive_space(session.connection(from), turn).expect("bytes are wanted")[..bytes.len()]
        .copy_from_slice(bytes);
    session.handle_received(session.connection(from), Ok(bytes.len()), turn);
}

fn send(session: &mut Session, to: Side, turn: &mut Turn<'_>) {
    assert!(wait_of_session(session).writes(to));
    let count = session.transmit(session.connection(to)).total();
    session.handle_sent(session.connection(to), Ok(count), turn);
}
