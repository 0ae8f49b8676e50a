use std::{fmt, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
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

use webpki::{EndEntityCert, KeyUsage};

use super::{SettingsError, Trust, depth::Depth};
use crate::{Reason, provider::provider};

/// Whether clients are asked for a certificate (`ssl_verify_client`).
///
/// A handshake never fails because of a missing or refused certificate: [`ClientCertificate`] says what is wrong with it, and
/// a response can say so to the client (nginx's 495 and 496). That it has the key of its certificate is always checked.
#[derive(Clone, Debug, Default)]
pub enum ClientTrust {
    /// Nobody is asked.
    #[default]
    Off,
    /// Everybody is, and who has none is to be refused.
    On(Trust),
    /// Everybody is; a certificate that is sent has to be right.
    Optional(Trust),
    /// Everybody is; a certificate that is sent may be of an unknown issuer, and has to be right otherwise.
    OptionalNoCa(Option<Trust>),
}

/// What a server thinks of its client's certificate (nginx's `$ssl_client_verify`).
#[derive(Clone, Debug, PartialEq)]
pub enum ClientCertificate {
    /// None was asked for, or none was sent: `NONE`.
    None,
    /// One that is right: `SUCCESS`.
    Verified,
    /// One that nobody known has issued, and with which nothing else was found wrong: `FAILED`, and the reason.
    UnknownIssuer(Reason),
    /// One that is wrong: `FAILED`, and the reason.
    Refused(Reason),
}

impl fmt::Display for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("NONE"),
            Self::Verified => f.write_str("SUCCESS"),
            Self::UnknownIssuer(reason) | Self::Refused(reason) => write!(f, "FAILED:{reason}"),
        }
    }
}

impl ClientTrust {
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
        let known = match self.trust() {
            None => None,
            Some(trust) => {
                let builder = WebPkiClientVerifier::builder_with_provider(
                    Arc::clone(&trust.roots),
                    Arc::clone(provider()),
                )
                .with_crls(trust.lists.iter().cloned())
                .enforce_revocation_expiration();
                let chain = builder.build().map_err(|error| Error::General(error.to_string()))?;
                Some((chain, Depth::of(trust)?))
            }
        };
        let hints = self.trust().map(|trust| trust.roots.subjects()).unwrap_or_default();
        Ok(Some(Arc::new(AskClient { known, hints, signatures: Signatures })))
    }
}

/// Who has a certificate has its key: what each of the verifiers checks, whomever it believes.
#[derive(Debug)]
struct Signatures;

impl Signatures {
    fn verify(
        &self,
        verify: Verify,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify(message, certificate, signature, algorithms())
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

/// The library has a function for each version.
type Verify = fn(
    &[u8],
    &CertificateDer<'_>,
    &DigitallySignedStruct,
    &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error>;

/// Asks clients for a certificate, and takes each whose key they have.
#[derive(Debug)]
pub(crate) struct AskClient {
    known: Option<(Arc<dyn ClientCertVerifier>, Option<Depth>)>,
    hints: Vec<DistinguishedName>,
    signatures: Signatures,
}

impl AskClient {
    pub(crate) fn judge(&self, certificates: &[CertificateDer<'static>]) -> ClientCertificate {
        let Some((first, rest)) = certificates.split_first() else { return ClientCertificate::None };
        let now = UnixTime::now();
        let verified = match &self.known {
            None => of_nobody(first, rest, now),
            Some((chain, depth)) => chain.verify_client_cert(first, rest, now).and_then(|_| match depth {
                Some(depth) => depth.check(first, rest, now, KeyUsage::client_auth()),
                None => Ok(()),
            }),
        };
        match verified {
            Ok(()) => ClientCertificate::Verified,
            Err(error) if is_of_issuer(&error) => ClientCertificate::UnknownIssuer(Reason(error)),
            Err(error) => ClientCertificate::Refused(Reason(error)),
        }
    }
}

/// Verifies a client's certificate where no authority is known: what is found besides that comes first.
fn of_nobody(
    certificate: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), Error> {
    let verified = EndEntityCert::try_from(certificate).and_then(|certificate| {
        let usage = KeyUsage::client_auth();
        certificate.verify_for_usage(algorithms().all, &[], others, now, usage, None, None).map(drop)
    });
    let error = match verified {
        Ok(()) => return Ok(()),
        Err(webpki::Error::UnknownIssuer) => CertificateError::UnknownIssuer,
        Err(webpki::Error::CertExpired { time, not_after }) => {
            CertificateError::ExpiredContext { time, not_after }
        }
        Err(webpki::Error::CertNotValidYet { time, not_before }) => {
            CertificateError::NotValidYetContext { time, not_before }
        }
        Err(other) => CertificateError::Other(OtherError(Arc::new(other))),
    };
    Err(error.into())
}

impl ClientCertVerifier for AskClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    /// [`AskClient::judge`] does it, once the handshake is over.
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
        self.signatures.verify(verify_tls12_signature, message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify(verify_tls13_signature, message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.schemes()
    }
}

/// Verifies servers, or only that they have the key of their certificates (`proxy_ssl_verify off`).
#[derive(Debug)]
pub(crate) struct CheckServer {
    known: Option<Known>,
    signatures: Signatures,
}

/// Whom a server's certificate may be of: of the file's authorities, or one that stands itself in the file.
///
/// The library takes only authorities, and no authority as a server. OpenSSL takes what is in the file, and `openssl req -x509`
/// makes certificates that are both.
#[derive(Debug)]
struct Known {
    chain: Arc<WebPkiServerVerifier>,
    depth: Option<Depth>,
    certificates: Arc<[CertificateDer<'static>]>,
}

impl CheckServer {
    /// Takes every certificate.
    pub(crate) fn nobody() -> Self {
        Self { known: None, signatures: Signatures }
    }

    /// Takes those that are known by this.
    pub(crate) fn by(trust: &Trust) -> Result<Self, Error> {
        let chain =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&trust.roots), Arc::clone(provider()))
                .with_crls(trust.lists.iter().cloned())
                .enforce_revocation_expiration()
                .build()
                .map_err(|error| Error::General(error.to_string()))?;
        // With lists of revoked certificates, being in the file isn't enough: no list speaks for it.
        let certificates = if trust.lists.is_empty() { Arc::clone(&trust.certificates) } else { [].into() };
        let known = Known { chain, depth: Depth::of(trust)?, certificates };
        Ok(Self { known: Some(known), signatures: Signatures })
    }
}

impl ServerCertVerifier for CheckServer {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(known) = &self.known else { return Ok(ServerCertVerified::assertion()) };
        match known.chain.verify_server_cert(certificate, others, name, ocsp, now) {
            Err(error) if is_of_issuer(&error) && known.certificates.contains(certificate) => {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            Ok(verified) => {
                if let Some(depth) = &known.depth {
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
        self.signatures.verify(verify_tls12_signature, message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify(verify_tls13_signature, message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.schemes()
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
