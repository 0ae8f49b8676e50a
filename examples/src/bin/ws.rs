//! An axum server that proxies `/ws`, in ten lines: `proxy`.
//!
//! `cargo run -p underpass-examples --bin ws -- 127.0.0.1:8080 127.0.0.1:9000`

use std::{error::Error, fmt, net::SocketAddr};

use axum::{Router, extract::Request, http::StatusCode, response::IntoResponse, routing::get};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo as Io;
use tokio::net::{TcpListener, TcpStream};
use underpass_examples::addresses;
use underpass_futures::{RelaySettings, tokio::relay};

/// Asks the origin server what the client has asked; where both switch protocols, the tunnel begins.
async fn proxy(mut request: Request, origin: SocketAddr) -> Result<impl IntoResponse, (StatusCode, String)> {
    let client = hyper::upgrade::on(&mut request);
    let stream = TcpStream::connect(origin).await.map_err(bad_gateway)?;
    let (mut sender, connection) = handshake(Io::new(stream)).await.map_err(bad_gateway)?;
    tokio::spawn(connection.with_upgrades());
    let mut response = sender.send_request(request).await.map_err(bad_gateway)?;
    let server = hyper::upgrade::on(&mut response);
    tokio::spawn(async move {
        Some(relay(Io::new(client.await.ok()?), Io::new(server.await.ok()?), &RelaySettings::default()).await)
    });
    Ok(response)
}

fn bad_gateway(error: impl fmt::Display) -> (StatusCode, String) {
    (StatusCode::BAD_GATEWAY, format!("{error}\n"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let [listen, origin] = addresses()?;
    let server = Router::new()
        .route("/", get(|| async { "the chat is at /ws\n" }))
        .route("/ws", get(move |request| proxy(request, origin)));
    let listener = TcpListener::bind(listen).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, server).await?;
    Ok(())
}
