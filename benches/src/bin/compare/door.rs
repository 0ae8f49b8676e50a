//! Where a proxy is reached, and how: in clear, or under TLS with the certificate that was made for this run.

use anyhow::{Context as _, Result, ensure};
use std::io::ErrorKind;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use underpass_benches::stream::Stream;
use underpass_benches::tls::{Client, Key, Wishes};

/// A way into a proxy.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    /// Where WebSockets are: the location whose settings they have.
    pub(crate) path: &'static str,
    secured: Option<(Client, CertificateDer<'static>)>,
}

/// A chain and its key, in PEM.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) chain: &'static str,
    pub(crate) key: &'static str,
}

/// What all proxies have: ECDSA with P-256, and RSA with 2048 bits.
pub(crate) const PAIRS: [Pair; 2] = [
    Pair {
        chain: include_str!("../../../../tls/testdata/ecdsa.pem"),
        key: include_str!("../../../../tls/testdata/ecdsa.key"),
    },
    Pair {
        chain: include_str!("../../../../tls/testdata/rsa.pem"),
        key: include_str!("../../../../tls/testdata/rsa.key"),
    },
];

impl Door {
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self::plain_at(address, "/chat/")
    }

    /// In clear, to the location with this path.
    pub(crate) fn plain_at(address: SocketAddr, path: &'static str) -> Self {
        Self { address, path, secured: None }
    }

    /// Under TLS, with tickets of its own.
    pub(crate) fn secured(address: SocketAddr, wishes: Wishes) -> Result<Self> {
        let [ecdsa, rsa] = PAIRS;
        let wanted = if wishes.key == Key::Ecdsa { ecdsa } else { rsa };
        let certificate = CertificateDer::from_pem_slice(wanted.chain.as_bytes())?;
        Ok(Self { address, path: "/chat/", secured: Some((Client::new(wishes)?, certificate)) })
    }

    pub(crate) fn scheme(&self) -> &'static str {
        if self.secured.is_some() { "https" } else { "http" }
    }

    /// Connects, and shakes hands where there is TLS.
    pub(crate) async fn connect(&self) -> Result<Stream> {
        let socket = TcpStream::connect(self.address).await.context("connecting to the proxy")?;
        socket.set_nodelay(true)?;
        let Some((client, certificate)) = &self.secured else { return Ok(Stream::Plain(socket)) };
        let stream = client.secure(socket).await?;
        ensure!(stream.certificate() == Some(certificate), "the certificate of somebody else");
        Ok(stream)
    }

    /// Connects, shakes hands in full or takes a session up again, and ends the connection.
    pub(crate) async fn shake_hands(&self, resumed: bool) -> Result<()> {
        let mut stream = self.connect().await?;
        ensure!(stream.is_resumed() == resumed, "a session that was resumed: {}", !resumed);
        stream.shutdown().await.context("ending a connection")?;
        // Tickets are here, and then the end: of a connection without a request, with a word or without.
        match stream.read(&mut [0; 64]).await {
            Ok(0) => Ok(()),
            Ok(count) => anyhow::bail!("{count} bytes that nobody asked for"),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
            Err(error) => Err(error).context("the end of a connection"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Door, PAIRS, Pair};
    use std::net::SocketAddr;
    use std::sync::Arc;
    use tokio::net::TcpListener;
    use tokio::task::{LocalSet, spawn_local};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::ring::default_provider;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use underpass_benches::tls::{Key, Wishes};

    #[test]
    fn the_right_certificate_passes_and_another_is_noticed() {
        let [ecdsa, rsa] = PAIRS;
        let ask = |server: &Pair, key| {
            let wishes = Wishes { key, ..Wishes::default() };
            asked(server.chain, server.key, 2, async move |at| {
                Door::secured(at, wishes)?.shake_hands(false).await
            })
        };
        ask(&ecdsa, Key::Ecdsa).expect("the pair that is asked for");
        ask(&rsa, Key::Rsa).expect("the other one");
        let other = rcgen::generate_simple_self_signed(["server.example".to_owned()]).expect("a certificate");
        let (chain, key) = (other.cert.pem(), other.signing_key.serialize_pem());
        let said =
            asked(&chain, &key, 2, async |at| Door::secured(at, Wishes::default())?.shake_hands(false).await);
        assert!(format!("{:#}", said.expect_err("another")).contains("certificate of somebody else"));
    }

    #[test]
    fn a_handshake_in_full_is_not_taken_for_a_resumed_one() {
        let [ecdsa, _] = PAIRS;
        let twice = async |at| {
            let door = Door::secured(at, Wishes { resumes: true, ..Wishes::default() })?;
            door.shake_hands(false).await?;
            door.shake_hands(true).await
        };
        asked(ecdsa.chain, ecdsa.key, 2, twice).expect("a ticket");
        let said = asked(ecdsa.chain, ecdsa.key, 0, twice).expect_err("no ticket");
        assert!(format!("{said:#}").contains("a session that was resumed: false"), "{said:#}");
    }

    /// What a client says of a server with this pair, that gives each client so many tickets.
    fn asked(
        chain: &str,
        key: &str,
        tickets: usize,
        ask: impl AsyncFnOnce(SocketAddr) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let mut config = config.with_no_client_auth().with_single_cert(chain, key).expect("a pair");
        config.send_tls13_tickets = tickets;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        LocalSet::new().block_on(&runtime, async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("it is bound");
            let acceptor = TlsAcceptor::from(Arc::new(config));
            spawn_local(async move {
                while let Ok((socket, _)) = listener.accept().await {
                    // Who refuses the certificate ends the connection in the middle of this.
                    let Ok(mut stream) = acceptor.accept(socket).await else { continue };
                    let _ended = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                }
            });
            ask(address).await
        })
    }
}
