//! The end of a worker, from inside.

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::Arc,
    task::Waker,
};

use socket2::SockRef;
use underpass_core::Ending;
use underpass_tls::{Credential, ServerOptions};

use super::{
    super::{
        Stream as _,
        farewell::Farewell,
        secured,
        tests::{
            ByHand, Connection as Wire, connected,
            tls::{client, context, testdata},
        },
    },
    *,
};

/// A connection behind its session, whose client takes nothing of what waits; and that client.
fn stuck(now: Tick) -> (Farewell<ByHand>, Secured<Wire>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let connected = connected(listener.local_addr().expect("it is bound"));
    let (accepted, _) = listener.accept().expect("it has connected");
    // Else the system makes room as it likes, when it likes.
    SockRef::from(&connected).set_recv_buffer_size(4096).expect("a socket");
    SockRef::from(&accepted).set_send_buffer_size(4096).expect("a socket");
    let mut client = client(connected);
    accepted.set_nonblocking(true).expect("a plain socket");
    let credential = Credential::from_pem(&testdata("ecdsa.pem"), &testdata("ecdsa.key")).expect("a pair");
    let options = ServerOptions { credentials: vec![credential], ..ServerOptions::default() };
    let settings = Arc::new(options.settings().expect("settings"));
    let mut server = Secured::server(Wire(accepted), settings, Vec::new());
    let mut shaken = [false; 2];
    while shaken != [true; 2] {
        shaken[0] |= client.poll_handshake(&mut context()).is_ready();
        shaken[1] |= server.poll_handshake(&mut context()).is_ready();
    }
    let mut refusals = 0;
    while refusals < 1_000 {
        std::thread::yield_now();
        refusals = if server.poll_write(&mut context(), &[0; 16_384]).is_ready() { 0 } else { refusals + 1 };
    }
    let stream = server.close(Ending::Fin, secured::End::Whole, &mut context()).expect("a record waits");
    (Farewell::new(stream, now.after(Duration::from_secs(3600)), 0), client)
}

/// C8: what is left of a session ends with the worker, be it there before the end begins or later.
#[test]
fn a_worker_s_end_bounds_farewells() {
    for comes_first in [true, false] {
        let mut worker = Worker::<ByHand>::new(Setup::new(Vec::new())).expect("random bytes");
        let (farewell, _client) = stuck(worker.shared.now().tick);
        if comes_first {
            worker.shared.farewells.push(farewell);
            worker.goes_on(0, None);
            worker.end(End::Drain { within: Some(Duration::ZERO) });
        } else {
            worker.end(End::Drain { within: Some(Duration::ZERO) });
            while !worker.drains.is_empty() {
                worker.drain_some();
            }
            worker.shared.farewells.push(farewell);
            worker.goes_on(0, None);
        }
        // Few: in the end the system makes room by itself.
        let mut polls = (0..3).map(|_| worker.poll(&mut Context::from_waker(Waker::noop())));
        assert!(polls.any(|polled| polled.is_ready()), "it ends ({comes_first})");
    }
}
