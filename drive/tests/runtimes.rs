//! A real WebSocket through `relay` and `proxy`, on each runtime, over TCP and over Unix sockets. Those on async-std are
//! in its own crate, which nobody else knows.

#[path = "common/websocket.rs"]
mod websocket;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use underpass_core::{
    Address, ClientInfo, Tick, Verdict,
    config::{Config, Proxy, SetHeader},
    shared::{ChoiceContext, ChosenPeer, Peers},
};
use underpass_futures::{Futures, RelaySettings};
use websocket::{check, ip, nobody, one_client, origin, peers, two_clients, upgrade};

#[test]
fn relay_on_smol() {
    let (ends, peers) = peers();
    let [client, upstream] =
        ends.map(|end| smol::net::unix::UnixStream::try_from(end).expect("a descriptor"));
    check(&smol::block_on(underpass_futures::relay(client, upstream, &RelaySettings::default())));
    peers.into_iter().for_each(|peer| peer.join().expect("it has ended in order"));
}

fn serve_on_smol(client: std::net::TcpStream, info: ClientInfo, config: Arc<Config>) {
    let client = smol::net::TcpStream::try_from(client).expect("a descriptor");
    let connect =
        |address: Address| async move { smol::net::TcpStream::connect(ip(&address)?).await.map(Futures) };
    smol::block_on(underpass_futures::proxy(client, info, &config, &connect));
}

#[test]
fn proxy_on_smol() {
    two_clients(serve_on_smol);
}

/// A discovery that knows two peers, of which the first refuses, and what it was told of them.
#[derive(Debug)]
struct Discovery([SocketAddr; 2], Arc<Mutex<Vec<(Address, Verdict)>>>);

#[derive(Debug)]
struct Instance(Address, Arc<Mutex<Vec<(Address, Verdict)>>>);

impl Discovery {
    fn untried(&self, context: &ChoiceContext<'_>) -> Option<Address> {
        self.0.into_iter().map(Address::Ip).find(|peer| !context.has_tried(peer))
    }
}

impl Peers for Discovery {
    fn choose(&self, context: &ChoiceContext<'_>) -> Option<Box<dyn ChosenPeer>> {
        Some(Box::new(Instance(self.untried(context)?, Arc::clone(&self.1))))
    }

    fn has_next(&self, context: &ChoiceContext<'_>) -> bool {
        self.untried(context).is_some()
    }
}

impl ChosenPeer for Instance {
    fn address(&self) -> &Address {
        &self.0
    }

    fn judge(&self, verdict: Verdict, _: Tick) {
        self.1.lock().expect("not poisoned").push((self.0.clone(), verdict));
    }
}

#[test]
fn proxy_to_peers_that_a_discovery_finds() {
    let (peers, told): (_, Arc<Mutex<Vec<_>>>) = ([nobody(), origin()], Arc::default());
    let discovery = Arc::new(Discovery(peers, Arc::clone(&told)));
    let websockets = |proxy: &mut Proxy| proxy.set_headers = SetHeader::websocket_recipe();
    let config = Config::builder().forward_to("/", "found", discovery, websockets).build();
    one_client(&config.into(), upgrade, serve_on_smol);
    let verdicts = [(peers[0].into(), Verdict::Failure), (peers[1].into(), Verdict::Success)];
    assert_eq!(*told.lock().expect("not poisoned"), verdicts, "one for each try");
}

#[cfg(feature = "tokio")]
mod on_tokio {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net,
    };
    use underpass_futures::tokio::{Io, proxy, relay};

    use underpass_core::{EndedBy, PingSettings, TunnelSettings, WebSocketSettings};

    use super::*;

    fn block_on<F: Future>(future: impl FnOnce() -> F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async { future().await })
    }

    #[test]
    fn relays() {
        let (ends, peers) = peers();
        ends.iter().for_each(|end| end.set_nonblocking(true).expect("a socket"));
        let report = block_on(|| {
            let [client, upstream] = ends.map(|end| net::UnixStream::from_std(end).expect("a descriptor"));
            async move { relay(client, upstream, &RelaySettings::default()).await }
        });
        check(&report);
        peers.into_iter().for_each(|peer| peer.join().expect("it has ended in order"));
    }

    #[test]
    fn proxies() {
        two_clients(|client, info, config| {
            client.set_nonblocking(true).expect("a socket");
            let connect =
                |address: Address| async move { net::TcpStream::connect(ip(&address)?).await.map(Io) };
            block_on(|| async move {
                let client = net::TcpStream::from_std(client).expect("a descriptor");
                proxy(client, info, &config, &connect).await;
            });
        });
    }

    /// Pings of ours go out in time, and a client that answers none is the end of the relay.
    #[tokio::test(start_paused = true)]
    async fn a_websocket_is_watched() {
        let ((client, ours), (theirs, mut upstream)) = (tokio::io::duplex(64), tokio::io::duplex(64));
        let mut websocket = WebSocketSettings::default();
        websocket.ping = Some(PingSettings::every(std::time::Duration::from_secs(10)));
        let mut settings = TunnelSettings::default();
        settings.websocket = Some(websocket);
        let relay = tokio::spawn(async move { relay(ours, theirs, &RelaySettings::new(settings)).await });
        let mut ping = [0; 18];
        upstream.read_exact(&mut ping).await.expect("a Ping");
        assert_eq!(ping[..2], [0x89, 0x80 | 12], "masked");
        let key: [u8; 4] = ping[2..6].try_into().expect("four bytes");
        upstream.write_all(&[0x8a, 12]).await.expect("it is read");
        let payload: Vec<u8> =
            ping[6..].iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        upstream.write_all(&payload).await.expect("it is read");
        let mut rest = Vec::new();
        upstream.read_to_end(&mut rest).await.expect("it ends in order");
        let close = &rest[rest.len() - 8..];
        assert_eq!(close[..2], [0x88, 0x82]);
        let code = [close[6] ^ close[2], close[7] ^ close[3]];
        assert_eq!(u16::from_be_bytes(code), 1001);
        let report = relay.await.expect("it has ended");
        assert_eq!(report.ended, Some(EndedBy::Ping(underpass_core::Side::Downstream)));
        assert!(report.upstream.ping.is_some() && report.client.ping.is_none());
        drop(client);
    }

    #[tokio::test(start_paused = true)]
    async fn its_paused_clock_counts() {
        let ((client, ours), (theirs, upstream)) = (tokio::io::duplex(64), tokio::io::duplex(64));
        let report = relay(ours, theirs, &RelaySettings::default()).await;
        assert_eq!(report.ended, Some(EndedBy::Timer(underpass_core::Timer::TunnelIdle)));
        assert_eq!(report.duration.as_secs(), 60);
        drop((client, upstream));
    }
}
