//! What the examples share: the time, who a client is, non-blocking sockets. The programs themselves stand in `src/bin`, each
//! a whole embedding of `underpass-core` in less than 150 lines.

#![forbid(unsafe_code)]

use std::{
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    time::{Instant, SystemTime},
};

use socket2::{Domain, Socket, Type};
use underpass_core::{Address, ClientInfo, Fault, Leg, Now, Session, Side, Tick, Turn, Wait};

/// The moment that a session is told: ticks since `epoch`, and the wall clock.
#[must_use]
pub fn now(epoch: Instant) -> Now {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let nanos = u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let unix_ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
    Now { tick: Tick(nanos), unix_ms, utc_offset_min: 0 }
}

/// What a session has to know of a client that was accepted.
#[must_use]
pub fn client_info(remote: SocketAddr, local: SocketAddr, serial: u64) -> ClientInfo {
    ClientInfo::new(remote.into(), local.into(), serial, *b"an example only!")
}

/// Two addresses from the command line: where to listen, and the origin server.
///
/// # Errors
/// When there are none, or they are no addresses.
pub fn addresses() -> Result<[SocketAddr; 2], Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(origin)) = (arguments.next(), arguments.next()) else {
        return Err("usage: LISTEN-ADDRESS ORIGIN-ADDRESS".into());
    };
    Ok([listen.parse()?, origin.parse()?])
}

/// Begins to connect, without waiting for it.
///
/// # Errors
/// When that is impossible at once.
pub fn begin_connecting(address: &Address) -> io::Result<Socket> {
    let Address::Ip(address) = address else { return Err(io::ErrorKind::Unsupported.into()) };
    let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&(*address).into()) {
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
            Err(error)
        }
        _ => Ok(socket),
    }
}

/// Writes and reads what can be written and read; says whether anything moved. "Would block" is reported, too.
pub fn transfer(
    session: &mut Session,
    sockets: &mut [Option<(Leg, Socket)>; 2],
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
            moved |= !matches!(&result, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
            session.handle_received(*leg, result.map_err(Fault::from), turn);
        }
    }
    moved
}

/// The Rust of the page for embedders compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guide/embed.md")]
struct Page;
