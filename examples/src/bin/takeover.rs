//! Inside of your own tokio server (axum): the handshake is done by the server, with its own routing and its
//! own client; the two upgraded connections are handed to the tunnel.
//!
//! `cargo run -p underpass-examples --bin takeover -- 127.0.0.1:8080 127.0.0.1:9000`

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{Router, body::Body, extract::Request, http::StatusCode, response::Response, routing::get};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use underpass_core::{Buffers, Fault, Output, Session, Side, TunnelConfig, Turn, Wait};
use underpass_examples::{addresses, now};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [listen, origin] = addresses()?;
    let chat = move |request: Request| async move {
        forward(request, origin).await.unwrap_or_else(|error| {
            let mut response = Response::new(Body::from(format!("{error}\n")));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        })
    };
    let server =
        Router::new().route("/", get(|| async { "the chat is at /chat\n" })).route("/chat", get(chat));
    let listener = TcpListener::bind(listen).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, server).await?;
    Ok(())
}

/// Asks the origin server; when it switches protocols, so do we, and the tunnel begins.
async fn forward(mut request: Request, origin: SocketAddr) -> Result<Response, Box<dyn std::error::Error>> {
    let asking = hyper::upgrade::on(&mut request);
    let stream = TokioIo::new(TcpStream::connect(origin).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    tokio::spawn(connection.with_upgrades());
    let mut response = sender.send_request(request).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let answering = hyper::upgrade::on(&mut response);
        tokio::spawn(async move {
            if let (Ok(client), Ok(upstream)) = tokio::join!(asking, answering) {
                relay([client, upstream].map(TokioIo::new)).await;
            }
        });
    }
    Ok(response.map(Body::new))
}

/// A session that begins as a tunnel: half-close, back-pressure and timers are its business. What was read
/// behind the heads, hyper has kept.
async fn relay(streams: [TokioIo<Upgraded>; 2]) {
    let (epoch, mut buffers) = (Instant::now(), Buffers::default());
    let turn = &mut Turn { now: now(epoch), buffers: &mut buffers };
    let mut session = Session::tunnel(Arc::new(TunnelConfig::default()), [b"", b""], turn);
    let mut streams = streams.map(Some);
    loop {
        match session.poll_output() {
            Output::Shutdown(side) => {
                if let Some(stream) = &mut streams[side as usize] {
                    // A peer that has gone already can't be told anything.
                    let _ = poll_fn(|cx| Pin::new(&mut *stream).poll_shutdown(cx)).await;
                }
            }
            Output::Release(..) => streams[Side::Upstream as usize] = None,
            Output::Close(_) => streams[Side::Downstream as usize] = None,
            Output::Done => return,
            Output::Wait(wait) => {
                let deadline = wait.deadline.map_or(Duration::MAX, |at| Duration::from_nanos(at.0));
                let left = deadline.saturating_sub(epoch.elapsed());
                let ready =
                    poll_fn(|cx| transfer(&mut session, &mut streams, wait, (epoch, &mut buffers), cx));
                // Whichever it was: a timeout that comes too early changes nothing.
                let _ = tokio::time::timeout(left, ready).await;
                session.handle_timeout(&mut Turn { now: now(epoch), buffers: &mut buffers });
            }
            // A tunnel asks for nothing and nobody; its events could go to a log.
            Output::Resolve(_) | Output::Admit(_) | Output::Connect(_) => return,
            Output::Judge(_) | Output::Note(_) | Output::ExchangeDone => {}
        }
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
            let mut space = ReadBuf::new(space);
            let received = Pin::new(&mut *stream).poll_read(cx, &mut space).map_ok(|()| space.filled().len());
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
