//! `underpass_futures` on this runtime. Its sockets have the traits of `futures`, but closing one only flushes.

#[path = "../../drive/tests/common/websocket.rs"]
mod websocket;

use std::{net::Shutdown, sync::Arc};

use async_std::{net::TcpStream, os::unix::net::UnixStream, task::block_on};
use underpass_core::Address;
use underpass_futures::{AsyncIo, HalfClosing, ProxySettings, Relay, RelaySettings, proxy_with};
use websocket::{check, ip, peers, two_clients};

fn tcp(stream: TcpStream) -> HalfClosing<TcpStream> {
    HalfClosing::new(stream, |stream| stream.shutdown(Shutdown::Write))
}

#[test]
fn relays() {
    let (ends, peers) = peers();
    let [client, upstream] =
        ends.map(|end| HalfClosing::new(UnixStream::from(end), |stream| stream.shutdown(Shutdown::Write)));
    check(&block_on(Relay::new(client, upstream, &RelaySettings::default(), Arc::new(AsyncIo))));
    peers.into_iter().for_each(|peer| peer.join().expect("it has ended in order"));
}

#[test]
fn proxies() {
    two_clients(|client, info, config| {
        let connect = |address: Address| async move { TcpStream::connect(ip(&address)?).await.map(tcp) };
        let (client, settings) = (tcp(client.into()), ProxySettings::new(Arc::new(AsyncIo)));
        block_on(proxy_with(client, info, &config, &connect, &settings));
    });
}
