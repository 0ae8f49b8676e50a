//! A reverse proxy on hyper: it forwards every request to one origin server. A WebSocket goes through when both halves
//! of its handshake pass `underpass_core::websocket::handshake`; other protocols are not upgraded to.
//!
//! `cargo run -p underpass-examples --bin reverse_proxy -- 127.0.0.1:8080 127.0.0.1:9000`

use std::{error::Error, net::SocketAddr};

use http_body_util::{Either, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1::handshake,
    header::{CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_VERSION, TE, TRANSFER_ENCODING, UPGRADE},
    server::conn::http1::Builder,
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use underpass_core::{
    Version,
    websocket::handshake::{AnswerViolation, OfferViolation, RequestViolation, check_answer, check_request},
};
use underpass_examples::addresses;
use underpass_futures::{RelaySettings, tokio::relay};

type Body = Either<Incoming, Full<Bytes>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let [listen, origin] = addresses()?;
    let listener = TcpListener::bind(listen).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (client, _) = listener.accept().await?;
        let service = service_fn(move |request| serve(request, origin));
        let serving = Builder::new().serve_connection(TokioIo::new(client), service).with_upgrades();
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                eprintln!("a client: {error}");
            }
        });
    }
}

async fn serve(request: Request<Incoming>, origin: SocketAddr) -> hyper::Result<Response<Body>> {
    let checked = check_request(
        request.method().as_str().as_bytes(),
        version(request.version()),
        lines(request.headers()),
    );
    let response = match checked {
        Ok(_key) => upgrade(request, origin).await,
        Err(RequestViolation::Offer(fault)) => return Ok(refusal(fault)),
        // It asks for no WebSocket, but for an ordinary response.
        Err(_) => forward(request, origin).await,
    };
    Ok(response.unwrap_or_else(|error| answer(StatusCode::BAD_GATEWAY, &error.to_string())))
}

/// Forwards a request that asks for a WebSocket. Where the answer opens it, both connections go to the tunnel.
async fn upgrade(
    mut request: Request<Incoming>,
    origin: SocketAddr,
) -> Result<Response<Body>, Box<dyn Error>> {
    let (client, asked) = (hyper::upgrade::on(&mut request), request.headers().clone());
    let mut response = send(request, origin).await?;
    let (status, version) = (response.status().as_u16(), version(response.version()));
    match check_answer(lines(&asked), status, version, lines(response.headers())) {
        Ok(_agreed) => {
            let upstream = hyper::upgrade::on(&mut response);
            tokio::spawn(tunnel(client, upstream));
        }
        // It declines: the client gets its ordinary response.
        Err(AnswerViolation::Status) => strip(response.headers_mut()),
        Err(fault) => return Err(fault.into()),
    }
    Ok(response.map(Either::Left))
}

async fn tunnel(client: OnUpgrade, upstream: OnUpgrade) {
    match tokio::try_join!(client, upstream) {
        Ok((client, upstream)) => {
            // What was read behind the heads, hyper has kept.
            let report = relay(TokioIo::new(client), TokioIo::new(upstream), &RelaySettings::default()).await;
            eprintln!("{} bytes from the client, {} to it", report.from_client, report.from_upstream);
        }
        Err(error) => eprintln!("an upgrade: {error}"),
    }
}

/// Forwards a request that gets an ordinary response.
async fn forward(
    mut request: Request<Incoming>,
    origin: SocketAddr,
) -> Result<Response<Body>, Box<dyn Error>> {
    strip(request.headers_mut());
    let mut response = send(request, origin).await?;
    strip(response.headers_mut());
    Ok(response.map(Either::Left))
}

async fn send(request: Request<Incoming>, origin: SocketAddr) -> Result<Response<Incoming>, Box<dyn Error>> {
    let (mut sender, connection) = handshake(TokioIo::new(TcpStream::connect(origin).await?)).await?;
    // What becomes of the connection, the response and its content say, too.
    tokio::spawn(async move { drop(connection.with_upgrades().await) });
    Ok(sender.send_request(request).await?)
}

/// Removes what is for one connection only (RFC 9110 §7.6.1). hyper frames the content anew.
fn strip(fields: &mut HeaderMap) {
    let named: Vec<_> = fields.get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok()).collect();
    let options: Vec<_> = named.iter().flat_map(|line| line.split(',')).map(str::trim).collect();
    let named: Vec<HeaderName> = options.iter().filter_map(|option| option.parse().ok()).collect();
    let always = [CONNECTION, UPGRADE, TE, TRANSFER_ENCODING];
    let old = ["keep-alive", "proxy-connection"].map(HeaderName::from_static);
    for name in named.into_iter().chain(always).chain(old) {
        fields.remove(name);
    }
}

fn refusal(fault: OfferViolation) -> Response<Body> {
    match fault {
        OfferViolation::OtherVersion => {
            let mut response = answer(StatusCode::UPGRADE_REQUIRED, &fault.to_string());
            response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            response
        }
        _ => answer(StatusCode::BAD_REQUEST, &fault.to_string()),
    }
}

fn answer(status: StatusCode, sentence: &str) -> Response<Body> {
    let mut response = Response::new(Either::Right(Full::from(format!("{sentence}\n"))));
    *response.status_mut() = status;
    response
}

fn version(version: hyper::Version) -> Version {
    if version == hyper::Version::HTTP_11 { Version::Http11 } else { Version::Http10 }
}

fn lines(fields: &HeaderMap) -> Vec<(&[u8], &[u8])> {
    fields.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())).collect()
}
