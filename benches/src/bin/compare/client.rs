//! The clients: they send what a browser sends and check every byte that comes back.

use crate::door::Door;
use crate::wire::Wire;
use anyhow::{Context as _, Result, ensure};
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt as _;
use underpass_benches::frames::{self, Kind};
use underpass_benches::handshake::{accept_of, key_of};
use underpass_benches::pattern;

/// The client's end of an open tunnel.
#[derive(Debug)]
pub(crate) struct Tunnel {
    wire: Wire,
    serial: u64,
    sent: u64,
    /// A message, and the frame that it is sent in.
    message: Vec<u8>,
    frame: Vec<u8>,
}

impl Tunnel {
    /// Connects and upgrades. `serial` tells this tunnel from all others of one measurement.
    pub(crate) async fn open(door: Door, serial: u64) -> Result<Self> {
        let mut nonce = [0; 16];
        pattern::fill(!serial, &mut nonce);
        let key = key_of(nonce);
        let (proxy, scheme, path) = (door.address, door.scheme(), door.path);
        let request = format!(
            "GET {path}{serial} HTTP/1.1\r\nHost: {proxy}\r\nConnection: Upgrade\r\nPragma: no-cache\r\n\
             Cache-Control: no-cache\r\n{BROWSER}Upgrade: websocket\r\nOrigin: {scheme}://{proxy}\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        );
        let mut wire = Wire::connect(&door).await?;
        wire.send(request.as_bytes()).await?;
        let head = wire.head().await?;
        ensure!(head.status == 101, "tunnel {serial}: status {} instead of 101", head.status);
        let accept = head.field("Sec-WebSocket-Accept")?;
        ensure!(
            accept == accept_of(key.as_bytes()).as_bytes(),
            "tunnel {serial}: a wrong Sec-WebSocket-Accept"
        );
        ensure!(
            head.field("Upgrade")?.eq_ignore_ascii_case(b"websocket")
                && head.field("Connection")?.eq_ignore_ascii_case(b"upgrade"),
            "tunnel {serial}: a 101 that does not upgrade to websocket"
        );
        ensure!(wire.filled == 0, "tunnel {serial}: {} bytes that nobody sent", wire.filled);
        Ok(Self { wire, serial, sent: 0, message: Vec::new(), frame: Vec::new() })
    }

    /// Sends a message of its own kind and waits until exactly that has come back.
    pub(crate) async fn echo(&mut self, length: usize) -> Result<()> {
        let Self { wire, serial, sent, message, frame } = self;
        message.resize(length, 0);
        frame.clear();
        pattern::fill((*serial << 32) | *sent, message);
        *sent += 1;
        // Each message has a masking key of its own (RFC 6455 §5.3).
        frames::append(frame, Kind::Message, fastrand::u32(..).to_ne_bytes(), message)?;
        wire.send(frame).await?;
        wire.message(message).await.with_context(|| format!("tunnel {serial}, message {sent}"))
    }

    /// Sends a message whose length is written longer than it must be (RFC 6455 §5.2), and waits for its echo: frames can't
    /// be followed from there (G2), while an origin server that isn't as strict takes it.
    pub(crate) async fn break_rules(&mut self) -> Result<()> {
        const FRAME: [u8; 10] = [0x82, 0xfe, 0, 2, 0, 0, 0, 0, b'h', b'i'];
        self.wire.send(&FRAME).await?;
        self.wire.message(b"hi").await
    }

    /// Waits for a Ping of the proxy's, and answers it.
    pub(crate) async fn ping(&mut self) -> Result<()> {
        self.wire.ping().await.with_context(|| format!("tunnel {}, a Ping", self.serial))
    }

    /// Ends the client's stream and waits until the other has ended as well, without a byte more.
    pub(crate) async fn close(mut self) -> Result<()> {
        self.wire.stream.shutdown().await.context("closing a tunnel")?;
        let more = self.wire.rest().await?;
        ensure!(more == 0, "tunnel {}: {more} bytes behind the last message", self.serial);
        Ok(())
    }
}

/// A connection that persists from GET to GET.
#[derive(Debug)]
pub(crate) struct KeptConnection {
    wire: Wire,
    proxy: SocketAddr,
}

impl KeptConnection {
    pub(crate) async fn open(door: &Door) -> Result<Self> {
        Ok(Self { wire: Wire::connect(door).await?, proxy: door.address })
    }

    /// Gets the content of `number`.
    pub(crate) async fn get(&mut self, number: u64) -> Result<()> {
        let request = format!(
            "GET /get/{number} HTTP/1.1\r\nHost: {}\r\nConnection: keep-alive\r\n{BROWSER}\
             Accept: */*\r\nReferer: http://{}/\r\n\r\n",
            self.proxy, self.proxy
        );
        self.wire.send(request.as_bytes()).await?;
        let head = self.wire.head().await?;
        ensure!(head.status == 200, "GET {number}: status {} instead of 200", head.status);
        let length = head.field("Content-Length")?;
        ensure!(
            length == pattern::CONTENT_LENGTH.to_string().as_bytes(),
            "GET {number}: Content-Length {}",
            length.escape_ascii()
        );
        self.wire.expect(&pattern::content(number)).await.with_context(|| format!("GET {number}"))
    }
}

/// The fields that a browser adds to each request: a proxy is to parse and forward what it meets in life.
const BROWSER: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
     Chrome/138.0.0.0 Safari/537.36\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
     Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\nCookie: session=5f0c2b7e9d1a4c3f8e6b; theme=dark\r\n";

#[cfg(test)]
mod tests {
    use super::{KeptConnection, Tunnel};
    use crate::door::Door;
    use crate::origin::Origin;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::{LocalSet, spawn_local};

    #[test]
    fn what_comes_back_whole_passes() {
        with_origin(async |origin| {
            let mut tunnel = Tunnel::open(Door::plain(origin), 1).await.expect("opens");
            tunnel.echo(128).await.expect("one message");
            tunnel.echo(3000).await.expect("a longer one");
            tunnel.close().await.expect("closes");
            let mut kept = KeptConnection::open(&Door::plain(origin)).await.expect("connects");
            kept.get(7).await.expect("one GET");
            kept.get(8).await.expect("another on the same connection");
        });
    }

    #[test]
    fn one_wrong_byte_in_an_echo_is_noticed() {
        let said = said_about(unchanged, flip_last, async |proxy| {
            Tunnel::open(Door::plain(proxy), 1).await?.echo(128).await
        });
        assert!(said.contains("byte 127 of 128"), "{said}");
    }

    #[test]
    fn one_byte_too_many_is_noticed() {
        let said = said_about(
            unchanged,
            |bytes| behind_the_101(bytes, |bytes| bytes.push(0)),
            async |proxy| Tunnel::open(Door::plain(proxy), 1).await?.echo(128).await,
        );
        assert!(said.contains("1 bytes too many"), "{said}");
    }

    #[test]
    fn bytes_that_nobody_sent_are_noticed() {
        let said = said_about(
            unchanged,
            |bytes| bytes.push(0),
            async |proxy| Tunnel::open(Door::plain(proxy), 1).await?.close().await,
        );
        assert!(said.contains("1 bytes that nobody sent"), "{said}");
    }

    #[test]
    fn a_frame_of_another_kind_is_noticed() {
        for (first, said) in [(0x81, "a frame of a kind"), (0x02, "a fragment"), (0x8a, "a Pong that nobody")]
        {
            let change = move |bytes: &mut Vec<u8>| behind_the_101(bytes, |bytes| bytes[0] = first);
            let told = said_about(unchanged, change, async |proxy| {
                Tunnel::open(Door::plain(proxy), 1).await?.echo(100).await
            });
            assert!(told.contains(said), "{first:#x}: {told}");
        }
    }

    #[test]
    fn a_message_of_another_length_is_noticed() {
        let shorter = |bytes: &mut Vec<u8>| behind_the_101(bytes, |bytes| bytes[1] -= 1);
        let said = said_about(unchanged, shorter, async |proxy| {
            Tunnel::open(Door::plain(proxy), 1).await?.echo(100).await
        });
        assert!(said.contains("99 bytes instead of 100"), "{said}");
    }

    #[test]
    fn a_ping_in_between_is_answered() {
        let ping = |bytes: &mut Vec<u8>| {
            behind_the_101(bytes, |bytes| {
                if bytes.starts_with(&[0x82]) {
                    bytes.splice(0..0, [0x89, 2, b'h', b'i']);
                }
            });
        };
        with_origin(async |origin| {
            let proxy = lying_proxy(origin, unchanged, ping).await;
            Tunnel::open(Door::plain(proxy), 1).await.expect("opens").echo(128).await.expect("an echo");
        });
    }

    #[test]
    fn one_wrong_byte_in_a_content_is_noticed() {
        let said = said_about(unchanged, flip_last, async |proxy| {
            KeptConnection::open(&Door::plain(proxy)).await?.get(7).await
        });
        assert!(said.contains("byte 1023 of 1024"), "{said}");
    }

    #[test]
    fn the_content_of_another_request_is_noticed() {
        let other = |bytes: &mut Vec<u8>| replace(bytes, b"/get/7", b"/get/8");
        let said = said_about(other, unchanged, async |proxy| {
            KeptConnection::open(&Door::plain(proxy)).await?.get(7).await
        });
        assert!(said.contains("byte 0 of 1024"), "{said}");
    }

    #[test]
    fn a_wrong_accept_is_noticed() {
        let lie = |bytes: &mut Vec<u8>| replace(bytes, b"Sec-WebSocket-Accept: ", b"Sec-WebSocket-Accept: x");
        let said = said_about(unchanged, lie, async |proxy| {
            Tunnel::open(Door::plain(proxy), 1).await?.close().await
        });
        assert!(said.contains("a wrong Sec-WebSocket-Accept"), "{said}");
    }

    fn unchanged(_: &mut Vec<u8>) {}

    fn flip_last(bytes: &mut Vec<u8>) {
        behind_the_101(bytes, |bytes| *bytes.last_mut().expect("a read of some bytes") ^= 1);
    }

    fn behind_the_101(bytes: &mut Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) {
        if !bytes.starts_with(b"HTTP/1.1 101 ") {
            change(bytes);
        }
    }

    fn replace(bytes: &mut Vec<u8>, old: &[u8], new: &[u8]) {
        let place = bytes.windows(old.len()).position(|window| window == old).expect("it stands there");
        bytes.splice(place..place + old.len(), new.iter().copied());
    }

    /// How the client fails with a proxy that changes what it should leave alone.
    fn said_about(
        request: impl Fn(&mut Vec<u8>) + 'static,
        response: impl Fn(&mut Vec<u8>) + 'static,
        ask: impl AsyncFnOnce(SocketAddr) -> anyhow::Result<()>,
    ) -> String {
        with_origin(async |origin| {
            let proxy = lying_proxy(origin, request, response).await;
            format!("{:#}", ask(proxy).await.expect_err("the proxy lied"))
        })
    }

    fn with_origin<T>(test: impl AsyncFnOnce(SocketAddr) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        LocalSet::new().block_on(&runtime, async {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            let origin = Origin::start(listener).expect("starts");
            test(origin.address).await
        })
    }

    /// A proxy for one connection; what it receives in one read goes on changed.
    async fn lying_proxy(
        origin: SocketAddr,
        request: impl Fn(&mut Vec<u8>) + 'static,
        response: impl Fn(&mut Vec<u8>) + 'static,
    ) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        spawn_local(async move {
            let (mut client, _) = listener.accept().await.expect("a client");
            let mut origin = TcpStream::connect(origin).await.expect("the origin server");
            while pass(&mut client, &mut origin, &request).await
                && pass(&mut origin, &mut client, &response).await
            {}
        });
        address
    }

    /// Whether there was something to pass on.
    async fn pass(from: &mut TcpStream, to: &mut TcpStream, change: &impl Fn(&mut Vec<u8>)) -> bool {
        let mut bytes = vec![0; 64 * 1024];
        let length = from.read(&mut bytes).await.expect("no reset");
        bytes.truncate(length);
        if length > 0 {
            change(&mut bytes);
            to.write_all(&bytes).await.expect("no reset");
        }
        length > 0
    }
}
