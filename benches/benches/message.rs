//! What a message costs in the core: 128 bytes through a quiet tunnel, as a loop on readiness drives it. Two rounds: the
//! message is read and written, then nothing more is found.
//!
//! `cargo bench -p underpass-benches --bench message`. A count of instructions is the same in each run: callgrind on the
//! program that this builds, once with `--profile-time 1` and a filter.

mod upgraded;

use std::{hint::black_box, sync::Arc};

use criterion::Criterion;
use underpass_core::{Buffers, Fault, Side, Tick, Tunnel, TunnelOutput, TunnelSecret, Turn, Wait};
use upgraded::{NOW, config, upgraded};

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
    let mut buffers = Buffers::default();
    let mut turn = Turn { now: NOW, buffers: &mut buffers };
    let mut tunnel = Tunnel::new(Arc::default(), TunnelSecret::new([7; 16]), [b"", b""], &mut turn);
    let mut session = upgraded(
        &config(),
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n",
        b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n",
        &mut turn,
    );
    let legs = Side::BOTH.map(|side| session.connection(side));
    let mut group = criterion.benchmark_group("message of 128 bytes");
    group.bench_function("tunnel", |bencher| {
        bencher.iter(|| round!(&mut tunnel, [Side::Downstream, Side::Upstream], &mut turn, wait_of_tunnel));
    });
    group.bench_function("session", |bencher| {
        bencher.iter(|| round!(&mut session, legs, &mut turn, upgraded::wait));
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
