//! TLS of the clients. What is compared has to be the same everywhere, so a client offers one cipher suite of each version
//! and one group, and says which kind of key it can check.

use crate::stream::Stream;
use anyhow::{Context as _, Result};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::ring::{cipher_suite, default_provider, kx_group};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

/// The name that all clients look for.
pub const NAME: &str = "server.example";

/// The kind of key that a server is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// ECDSA with P-256.
    Ecdsa,
    /// RSA.
    Rsa,
}

/// What a client wants.
#[derive(Debug, Clone, Copy)]
pub struct Wishes {
    /// The kind of key.
    pub key: Key,
    /// TLS 1.2 instead of 1.3.
    pub is_old: bool,
    /// It takes sessions up again, each ticket once.
    pub resumes: bool,
    /// It checks that the server has the key of its certificate. One that doesn't costs less than the server.
    pub checks: bool,
}

impl Default for Wishes {
    /// ECDSA, TLS 1.3, a full handshake each time.
    fn default() -> Self {
        Self { key: Key::Ecdsa, is_old: false, resumes: false, checks: true }
    }
}

/// A client with its tickets.
#[derive(Clone)]
pub struct Client(TlsConnector);

impl Client {
    /// One that wants this, with X25519 and AES-128-GCM.
    ///
    /// # Errors
    /// When the library has no such settings.
    pub fn new(wishes: Wishes) -> Result<Self> {
        let ciphers = match (wishes.is_old, wishes.key) {
            (false, _) => cipher_suite::TLS13_AES_128_GCM_SHA256,
            (true, Key::Ecdsa) => cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            (true, Key::Rsa) => cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        };
        let provider = CryptoProvider {
            cipher_suites: vec![ciphers],
            kx_groups: vec![kx_group::X25519],
            ..default_provider()
        };
        let provider = Arc::new(provider);
        let anybody = Anybody { provider: Arc::clone(&provider), key: wishes.key, checks: wishes.checks };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[if wishes.is_old { &TLS12 } else { &TLS13 }])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(anybody))
            .with_no_client_auth();
        if !wishes.resumes {
            config.resumption = Resumption::disabled();
        }
        Ok(Self(Arc::new(config).into()))
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn secure(&self, socket: TcpStream) -> Result<Stream> {
        let name = ServerName::try_from(NAME)?;
        let secured = self.0.connect(name, socket).await.context("shaking hands with the proxy")?;
        Ok(Stream::Secured(Box::new(secured)))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

/// Takes every certificate: whose it is, its user compares ([`Stream::certificate`]).
///
/// A proxy's own TLS has the like where nobody is verified, and this is no copy too many: a client that measures isn't made
/// of what it measures, and a crate that offers a verifier of everything would sooner or later have a user who verifies nobody.
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
    key: Key,
    checks: bool,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(verify_tls12_signature, message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(verify_tls13_signature, message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        match self.key {
            Key::Ecdsa => vec![SignatureScheme::ECDSA_NISTP256_SHA256],
            Key::Rsa => vec![SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256],
        }
    }
}

/// What checks a signature of one version.
type Verify = fn(
    &[u8],
    &CertificateDer<'_>,
    &DigitallySignedStruct,
    &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error>;

impl Anybody {
    fn verify(
        &self,
        by: Verify,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !self.checks {
            return Ok(HandshakeSignatureValid::assertion());
        }
        by(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }
}
