//! Inside of your own tokio server (axum): the handshake is done by the server, with its own routing and its
//! own client; the two upgraded connections are handed to the tunnel.
//!
//! `cargo run -p underpass-examples --bin takeover -- 127.0.0.1:8080 127.0.0.1:9000`

use std::{error::Error, net::SocketAddr};

use axum::{Router, body::Body, extract::Request, http::StatusCode, response::Response, routing::get};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use underpass_examples::addresses;
use underpass_futures::{Settings, tokio::relay};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
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
async fn forward(mut request: Request, origin: SocketAddr) -> Result<Response, Box<dyn Error>> {
    let asking = hyper::upgrade::on(&mut request);
    let stream = TokioIo::new(TcpStream::connect(origin).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    tokio::spawn(connection.with_upgrades());
    let mut response = sender.send_request(request).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let answering = hyper::upgrade::on(&mut response);
        tokio::spawn(async move {
            if let (Ok(client), Ok(upstream)) = tokio::join!(asking, answering) {
                // What was read behind the heads, hyper has kept.
                relay(TokioIo::new(client), TokioIo::new(upstream), &Settings::default()).await;
            }
        });
    }
    Ok(response.map(Body::new))
}
