//! A proxy on smol, by the traits of `futures`: the pump runs on any runtime whose sockets have them.
//!
//! `cargo run -p underpass-examples --bin smol -- 127.0.0.1:8080 127.0.0.1:9000`

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_lite::{AsyncRead, AsyncWrite, FutureExt as _};
use smol::{
    Timer,
    net::{TcpListener, TcpStream},
};
use underpass_core::{
    Address, Admission, Buffers, ClientInfo, Connected, DialError, Disposal, Ending, Fault, Output, Session,
    Side, Turn, Verdict, Wait, config::Config, shared::Lease,
};
use underpass_examples::{addresses, client_info, now};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [listen, origin] = addresses()?;
    let config = Arc::new(Config::proxy_to(origin.into(), &origin.to_string()));
    smol::block_on(async {
        let listener = TcpListener::bind(listen).await?;
        println!("listening on {}", listener.local_addr()?);
        for serial in 1.. {
            let (client, remote) = listener.accept().await?;
            let info = client_info(remote, client.local_addr()?, serial);
            smol::spawn(serve(client, info, Arc::clone(&config))).detach();
        }
        Ok(())
    })
}

/// The loop of a shell.
async fn serve(client: TcpStream, info: ClientInfo, config: Arc<Config>) {
    let (epoch, mut buffers) = (Instant::now(), Buffers::default());
    let mut session = Session::new(Arc::clone(&config), info, now(epoch));
    let mut streams = [Some(client), None];
    let mut lease: Option<Lease> = None;
    loop {
        let turn = &mut Turn { now: now(epoch), buffers: &mut buffers };
        match session.poll_output() {
            // Peers have addresses here, and nobody is refused.
            Output::Resolve(lookup) => {
                session.handle_resolved(lookup, Err(io::ErrorKind::Unsupported.into()), turn);
            }
            Output::Admit(claim) => session.handle_admitted(claim, Admission::Granted, turn),
            Output::Connect(dial) => match config.upstreams.choose(&dial, turn.now.tick) {
                Err(error) => session.handle_connected(dial, Err(error), turn),
                Ok(choice) => {
                    let chosen = session.handle_chosen(&dial, choice, turn);
                    // A client that leaves meanwhile is noticed afterwards: an example may be that simple.
                    let connected = connect(chosen.address()).await;
                    let turn = &mut Turn { now: now(epoch), buffers: &mut buffers };
                    match connected {
                        Ok(stream) => {
                            (streams[1], lease) = (Some(stream), Some(chosen));
                            session.handle_connected(dial, Ok(Connected::Fresh), turn);
                        }
                        Err(error) => {
                            chosen.report(Verdict::Failure, turn.now.tick);
                            session.handle_connected(dial, Err(DialError::Io(error.into())), turn);
                        }
                    }
                }
            },
            Output::Judge(verdict) => {
                lease.iter().for_each(|lease| lease.judge(verdict, turn.now.tick));
            }
            Output::Release(verdict, Disposal::Pool | Disposal::Close(_)) => {
                streams[1] = None;
                if let Some(lease) = lease.take() {
                    lease.report(verdict, turn.now.tick);
                }
            }
            Output::Shutdown(side) => {
                if let Some(stream) = &streams[side as usize] {
                    // A peer that has gone already can't be told anything.
                    let _ = stream.shutdown(std::net::Shutdown::Write);
                }
            }
            Output::Close(Ending::Fin | Ending::Reset) => streams[0] = None,
            Output::Note(_) | Output::ExchangeDone => {}
            Output::Done => return,
            Output::Wait(wait) => {
                let left = wait.deadline.map(|at| Duration::from_nanos(at.0.saturating_sub(turn.now.tick.0)));
                let sleep = async {
                    match left {
                        Some(left) => Timer::after(left).await,
                        None => std::future::pending().await,
                    };
                };
                let ready =
                    poll_fn(|cx| transfer(&mut session, &mut streams, wait, (epoch, &mut buffers), cx));
                ready.or(sleep).await;
                session.handle_timeout(&mut Turn { now: now(epoch), buffers: &mut buffers });
            }
        }
    }
}

async fn connect(address: &Address) -> io::Result<TcpStream> {
    match address {
        Address::Ip(address) => TcpStream::connect(address).await,
        Address::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Writes and reads what can be written and read; pending when nothing could.
fn transfer<S: AsyncRead + AsyncWrite + Unpin>(
    session: &mut Session,
    streams: &mut [Option<S>; 2],
    wait: Wait,
    (epoch, buffers): (Instant, &mut Buffers),
    cx: &mut Context<'_>,
) -> Poll<()> {
    let turn = &mut Turn { now: now(epoch), buffers };
    let mut moved = false;
    for (side, stream) in Side::BOTH.into_iter().zip(streams) {
        let Some(stream) = stream else { continue };
        if wait.writes(side) {
            let sent = Pin::new(&mut *stream).poll_write_vectored(cx, &session.transmit(side));
            moved |= sent.is_ready();
            session.handle_sent(side, outcome(sent), turn);
        }
        if wait.reads(side)
            && let Some(space) = session.receive_space(side, turn)
        {
            let received = Pin::new(&mut *stream).poll_read(cx, space);
            moved |= received.is_ready();
            session.handle_received(side, outcome(received), turn);
        }
    }
    if moved { Poll::Ready(()) } else { Poll::Pending }
}

/// What a session is told: "would block" is a report, too.
fn outcome(polled: Poll<io::Result<usize>>) -> Result<usize, Fault> {
    match polled {
        Poll::Ready(result) => result.map_err(Fault::from),
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
