//! A whole proxy on `std::net`: a thread for each client, non-blocking sockets, a nap when nothing moves.
//!
//! `cargo run -p underpass-core --example blocking -- 127.0.0.1:8080 127.0.0.1:9000` forwards everything
//! that comes to the first address to the second, WebSockets included.

#![expect(clippy::disallowed_methods, reason = "a shell is where clocks, sleeps and threads belong")]

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use underpass_core::{
    Address, Admission, Buffers, ClientInfo, Connected, DialError, Disposal, Ending, Fault, Leg, Now, Output,
    Session, Side, Tick, Turn, Verdict, Wait, config::Config, shared::Lease,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(origin)) = (arguments.next(), arguments.next()) else {
        return Err("usage: blocking LISTEN-ADDRESS ORIGIN-ADDRESS".into());
    };
    let peer: SocketAddr = origin.parse()?;
    let config = Arc::new(Config::proxy_to(Address::Ip(peer), &origin));
    let listener = TcpListener::bind(listen)?;
    println!("listening on {}", listener.local_addr()?);
    for (serial, client) in (1..).zip(listener.incoming()) {
        let (client, config) = (client?, Arc::clone(&config));
        thread::spawn(move || {
            if let Err(error) = serve(client, serial, config) {
                eprintln!("*{serial} {error}");
            }
        });
    }
    Ok(())
}

/// The loop of a shell, in the order of the contract.
fn serve(client: TcpStream, serial: u64, config: Arc<Config>) -> std::io::Result<()> {
    client.set_nonblocking(true)?;
    client.set_nodelay(true)?;
    let (remote, local) = (client.peer_addr()?.into(), client.local_addr()?.into());
    let info = ClientInfo::new(remote, local, serial, *b"an example only!");
    let (epoch, mut buffers) = (Instant::now(), Buffers::default());
    let mut session = Session::new(Arc::clone(&config), info, now(epoch));
    let mut sockets = [Some((Leg::CLIENT, client)), None];
    let mut lease: Option<Lease> = None;
    loop {
        let turn = &mut Turn { now: now(epoch), buffers: &mut buffers };
        match session.poll_output() {
            Output::Resolve(lookup) => {
                let found = (lookup.name(), 0).to_socket_addrs();
                let addresses = found.map(|all| all.map(|address| address.ip()).collect::<Vec<_>>());
                session.handle_resolved(lookup, addresses.as_deref().map_err(|e| e.kind().into()), turn);
            }
            Output::Admit(claim) => session.handle_admitted(claim, Admission::Granted, turn),
            Output::Connect(dial) => match session.choose(&dial, turn.now.tick) {
                Err(error) => session.handle_connected(dial, Err(error), turn),
                Ok(choice) => {
                    let chosen = lease.insert(session.handle_chosen(&dial, choice, turn));
                    let connected =
                        connect(chosen.address()).map(|socket| sockets[1] = Some((dial.leg(), socket)));
                    if connected.is_err() {
                        lease.take().into_iter().for_each(|l| l.report(Verdict::Failure, turn.now.tick));
                    }
                    let result = connected.map(|()| Connected::Fresh);
                    session.handle_connected(dial, result.map_err(|error| DialError::Io(error.into())), turn);
                }
            },
            Output::Judge(verdict) => lease.iter().for_each(|lease| lease.judge(verdict, turn.now.tick)),
            // There is no pool here: what could be kept is closed.
            Output::Release(_, verdict, Disposal::Pool | Disposal::Close(Ending::Fin | Ending::Reset)) => {
                sockets[1] = None;
                lease.take().into_iter().for_each(|lease| lease.report(verdict, turn.now.tick));
            }
            Output::Shutdown(side) => {
                if let Some((_, socket)) = &sockets[side as usize] {
                    // A peer that has gone already can't be told anything.
                    let _ = socket.shutdown(Shutdown::Write);
                }
            }
            Output::Close(Ending::Fin | Ending::Reset) => sockets[0] = None,
            Output::Note(note) => {
                let mut line = Vec::new();
                session.record().write_note(&note, &mut line);
                eprintln!("*{serial} {}", String::from_utf8_lossy(&line));
            }
            Output::LogTunnel(_) => {}
            Output::ExchangeDone => session.forget_exchange(turn.buffers),
            Output::Done => {
                session.recycle(&mut buffers);
                return Ok(());
            }
            Output::Wait(wait) => {
                if !transfer(&mut session, &mut sockets, wait, turn) {
                    thread::sleep(Duration::from_millis(1));
                }
                session.handle_timeout(&mut Turn { now: now(epoch), buffers: &mut buffers });
            }
        }
    }
}

/// Writes and reads what can be written and read; says whether anything moved.
fn transfer(
    session: &mut Session,
    sockets: &mut [Option<(Leg, TcpStream)>; 2],
    wait: Wait,
    turn: &mut Turn<'_>,
) -> bool {
    let mut moved = false;
    for (side, socket) in Side::BOTH.into_iter().zip(sockets) {
        let Some((leg, socket)) = socket else { continue };
        if wait.writes(side) {
            let result = socket.write_vectored(&session.transmit(*leg));
            moved |= result.is_ok();
            session.handle_sent(*leg, result.map_err(Fault::from), turn);
        }
        if wait.reads(side)
            && let Some(space) = session.receive_space(*leg, turn)
        {
            let result = socket.read(space);
            moved |= !matches!(&result, Err(error) if error.kind() == ErrorKind::WouldBlock);
            session.handle_received(*leg, result.map_err(Fault::from), turn);
        }
    }
    moved
}

fn connect(address: &Address) -> std::io::Result<TcpStream> {
    let Address::Ip(address) = address else { return Err(ErrorKind::Unsupported.into()) };
    let socket = TcpStream::connect_timeout(address, Duration::from_secs(5))?;
    socket.set_nonblocking(true)?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

fn now(epoch: Instant) -> Now {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let nanos = u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let unix_ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
    Now { tick: Tick(nanos), unix_ms, utc_offset_min: 0 }
}
