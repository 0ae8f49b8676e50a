use std::{fmt, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use webpki::KeyUsage;

use super::{SettingsError, Trust, depth::Depth};
use crate::{Reason, provider::provider};

/// Whether clients are asked for a certificate (`ssl_verify_client`).
///
/// A handshake never fails because of a missing or refused certificate: [`ClientCertificate`] says what is wrong with it, and
/// a response can say so to the client (nginx's 495 and 496). That it has the key of its certificate is always checked.
#[derive(Clone, Debug, Default)]
pub enum VerifyClient {
    /// Nobody is asked.
    #[default]
    Off,
    /// Everybody is, and who has none is to be refused.
    On(Trust),
    /// Everybody is; a certificate that is sent has to be right.
    Optional(Trust),
    /// Everybody is; whoever issued it. Where trust is given it decides what [`ClientCertificate`] says, no more.
    OptionalNoCa(Option<Trust>),
}

/// What a server thinks of its client's certificate (nginx's `$ssl_client_verify`).
#[derive(Clone, Debug, PartialEq)]
pub enum ClientCertificate {
    /// None was asked for, or none was sent: `NONE`.
    None,
    /// One that is right: `SUCCESS`.
    Verified,
    /// One that isn't: `FAILED`, and the reason.
    Refused(Reason),
}

impl fmt::Display for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("NONE"),
            Self::Verified => f.write_str("SUCCESS"),
            Self::Refused(reason) => write!(f, "FAILED:{reason}"),
        }
    }
}

impl VerifyClient {
    fn trust(&self) -> Option<&Trust> {
        match self {
            Self::Off | Self::OptionalNoCa(None) => None,
            Self::On(trust) | Self::Optional(trust) | Self::OptionalNoCa(Some(trust)) => Some(trust),
        }
    }

    pub(crate) fn verifier(&self) -> Result<Option<Arc<AskClient>>, SettingsError> {
        if matches!(self, Self::Off) {
            return Ok(None);
        }
        let chain = match self.trust() {
            None => None,
            Some(trust) => {
                let builder = WebPkiClientVerifier::builder_with_provider(
                    Arc::clone(&trust.roots),
                    Arc::clone(provider()),
                )
                .with_crls(trust.lists.iter().cloned());
                let chain = builder.build().map_err(|error| Error::General(error.to_string()))?;
                Some((chain, Depth::of(trust)?))
            }
        };
        let hints = self.trust().map(|trust| trust.roots.subjects()).unwrap_or_default();
        Ok(Some(Arc::new(AskClient { chain, hints })))
    }
}

/// Asks clients for a certificate, and takes each whose key they have.
#[derive(Debug)]
pub(crate) struct AskClient {
    chain: Option<(Arc<dyn ClientCertVerifier>, Option<Depth>)>,
    hints: Vec<DistinguishedName>,
}

impl AskClient {
    pub(crate) fn judge(&self, certificates: &[CertificateDer<'static>]) -> ClientCertificate {
        let Some((first, rest)) = certificates.split_first() else { return ClientCertificate::None };
        let Some((chain, depth)) = &self.chain else { return ClientCertificate::Verified };
        let now = UnixTime::now();
        let verified = chain.verify_client_cert(first, rest, now).and_then(|_| match depth {
            Some(depth) => depth.check(first, rest, now, KeyUsage::client_auth()),
            None => Ok(()),
        });
        match verified {
            Ok(()) => ClientCertificate::Verified,
            Err(error) => ClientCertificate::Refused(Reason(error)),
        }
    }
}

impl ClientCertVerifier for AskClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

/// Takes every server's certificate (`proxy_ssl_verify off`), if the server has its key.
#[derive(Debug)]
pub(crate) struct AnyServer;

impl ServerCertVerifier for AnyServer {
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
        verify_tls12_signature(message, certificate, signature, algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

/// Takes a server's certificate that stands itself in the trusted file, besides those that the file's authorities issued.
///
/// The library takes only authorities, and no authority as a server. OpenSSL takes what is in the file, and `openssl req -x509`
/// makes certificates that are both.
#[derive(Debug)]
pub(crate) struct Listed {
    chain: Arc<WebPkiServerVerifier>,
    depth: Option<Depth>,
    certificates: Arc<[CertificateDer<'static>]>,
}

impl Listed {
    pub(crate) fn new(chain: Arc<WebPkiServerVerifier>, trust: &Trust) -> Result<Self, Error> {
        // With lists of revoked certificates, being in the file isn't enough: no list speaks for it.
        let certificates = if trust.lists.is_empty() { Arc::clone(&trust.certificates) } else { [].into() };
        Ok(Self { chain, depth: Depth::of(trust)?, certificates })
    }
}

impl ServerCertVerifier for Listed {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.chain.verify_server_cert(certificate, others, name, ocsp, now) {
            Err(error) if is_of_issuer(&error) && self.certificates.contains(certificate) => {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            Ok(verified) => {
                if let Some(depth) = &self.depth {
                    depth.check(certificate, others, now, KeyUsage::server_auth())?;
                }
                Ok(verified)
            }
            refused => refused,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// Whether all that is wrong with a certificate is who issued it. The library looks at its time before.
fn is_of_issuer(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => true,
        Error::InvalidCertificate(CertificateError::Other(other)) => {
            matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    }
}

fn algorithms() -> &'static WebPkiSupportedAlgorithms {
    &provider().signature_verification_algorithms
}
