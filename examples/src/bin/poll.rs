//! A thousand tunnels in one thread: `poll(2)` and a loop written by hand, no runtime.
//!
//! `cargo run -p underpass-examples --bin poll -- 127.0.0.1:8080 127.0.0.1:9000`

use std::{
    net::{Shutdown, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::Socket;
use underpass_core::{
    Admission, Buffers, Connected, Dial, DialError, Disposal, Ending, Fault, Leg, Output, Session, Side,
    Turn, Verdict, Wait, config::Config, shared::Lease,
};
use underpass_examples::{addresses, begin_connecting, client_info, now, transfer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [listen, origin] = addresses()?;
    let config = Arc::new(Config::proxy_to(origin.into(), &origin.to_string()));
    let listener = TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    println!("listening on {}", listener.local_addr()?);
    let (epoch, mut buffers, mut serial) = (Instant::now(), Buffers::default(), 0);
    let mut connections: Vec<Connection> = Vec::new();
    // One round: everybody has a turn, then all sleep until something happens.
    loop {
        while let Ok((client, remote)) = listener.accept() {
            client.set_nonblocking(true)?;
            serial += 1;
            let info = client_info(remote, client.local_addr()?, serial);
            let session = Session::new(Arc::clone(&config), info, now(epoch));
            let sockets = [Some((Leg::CLIENT, client.into())), None];
            connections.push(Connection { session, sockets, lease: None, dial: None, wait: None });
        }
        connections.retain_mut(|connection| connection.turn(epoch, &mut buffers));
        let deadline = connections.iter().filter_map(|connection| connection.wait?.deadline).min();
        let left = deadline.map(|at| Duration::from_nanos(at.0.saturating_sub(now(epoch).tick.0)));
        let timeout = left.map(Timespec::try_from).transpose()?;
        let mut descriptors = vec![PollFd::new(&listener, PollFlags::IN)];
        descriptors.extend(connections.iter().flat_map(Connection::interest));
        poll(&mut descriptors, timeout.as_ref())?;
    }
}

struct Connection {
    session: Session,
    /// The client's, and the origin server's: it may still be connecting.
    sockets: [Option<(Leg, Socket)>; 2],
    lease: Option<Lease>,
    /// A connection is being made.
    dial: Option<Dial>,
    wait: Option<Wait>,
}

impl Connection {
    /// What the connection sleeps for.
    fn interest(&self) -> impl Iterator<Item = PollFd<'_>> {
        Side::BOTH.into_iter().zip(&self.sockets).filter_map(|(side, socket)| {
            let ((_, socket), wait) = (socket.as_ref()?, self.wait?);
            let connecting = side == Side::Upstream && self.dial.is_some();
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, wait.reads(side));
            flags.set(PollFlags::OUT, wait.writes(side) || connecting);
            Some(PollFd::new(socket, flags))
        })
    }

    /// Does all that can be done without sleeping; says whether the session goes on.
    fn turn(&mut self, epoch: Instant, buffers: &mut Buffers) -> bool {
        loop {
            let turn = &mut Turn { now: now(epoch), buffers };
            match self.session.poll_output() {
                // Peers have addresses here, and nobody is refused.
                Output::Resolve(name) => self.session.handle_resolved(name, Err(unsupported()), turn),
                Output::Admit(claim) => self.session.handle_admitted(claim, Admission::Granted, turn),
                Output::Connect(dial) => match self.session.choose(&dial, turn.now.tick) {
                    Err(error) => self.session.handle_connected(dial, Err(error), turn),
                    Ok(choice) => {
                        let lease = self.lease.insert(self.session.handle_chosen(&dial, choice, turn));
                        match begin_connecting(lease.address()) {
                            Err(error) => self.fail(dial, error.into(), turn),
                            Ok(socket) => {
                                (self.sockets[1], self.dial) = (Some((dial.leg(), socket)), Some(dial));
                            }
                        }
                    }
                },
                Output::Judge(verdict) => {
                    self.lease.iter().for_each(|lease| lease.judge(verdict, turn.now.tick));
                }
                Output::Release(_, verdict, Disposal::Pool | Disposal::Close(_)) => {
                    (self.sockets[1], self.dial) = (None, None);
                    self.lease.take().into_iter().for_each(|lease| lease.report(verdict, turn.now.tick));
                }
                Output::Shutdown(side) => {
                    if let Some((_, socket)) = &self.sockets[side as usize] {
                        // A peer that has gone already can't be told anything.
                        let _ = socket.shutdown(Shutdown::Write);
                    }
                }
                Output::Close(Ending::Fin | Ending::Reset) => self.sockets[0] = None,
                Output::Note(_) | Output::LogTunnel(_) | Output::ExchangeDone => {}
                Output::Done => return false,
                Output::Wait(wait) => {
                    self.wait = Some(wait);
                    let moved = transfer(&mut self.session, &mut self.sockets, wait, turn)
                        || self.finish_connecting(turn);
                    // Whether or not bytes move: they may never stop.
                    if wait.deadline.is_some_and(|deadline| deadline <= turn.now.tick) {
                        self.session.handle_timeout(turn);
                    } else if !moved {
                        return true;
                    }
                }
            }
        }
    }

    /// Reports the connection that is there, or that failed; says whether one of them is so.
    fn finish_connecting(&mut self, turn: &mut Turn<'_>) -> bool {
        let (Some((_, socket)), Some(_)) = (&self.sockets[1], &self.dial) else { return false };
        let outcome = match socket.take_error() {
            Ok(None) if socket.peer_addr().is_ok() => Ok(Connected::Fresh),
            Ok(None) => return false,
            Ok(Some(error)) | Err(error) => Err(Fault::from(error)),
        };
        match (self.dial.take(), outcome) {
            (Some(dial), Err(fault)) => self.fail(dial, fault, turn),
            (Some(dial), Ok(fresh)) => self.session.handle_connected(dial, Ok(fresh), turn),
            (None, _) => {}
        }
        true
    }

    fn fail(&mut self, dial: Dial, fault: Fault, turn: &mut Turn<'_>) {
        self.sockets[1] = None;
        self.lease.take().into_iter().for_each(|lease| lease.report(Verdict::Failure, turn.now.tick));
        self.session.handle_connected(dial, Err(DialError::Io(fault)), turn);
    }
}

fn unsupported() -> Fault {
    std::io::ErrorKind::Unsupported.into()
}
