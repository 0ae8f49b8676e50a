use std::{fmt, sync::Arc};

use rustls::{
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::ParsedCertificate,
    sign::CertifiedKey,
};

use crate::provider::provider;

/// A chain of certificates, and the private key of the first.
#[derive(Clone, Debug)]
pub struct Credential(pub(crate) Arc<CertifiedKey>);

impl Credential {
    /// Reads both from PEM, as `ssl_certificate` and `ssl_certificate_key` have them; they may be one file. In the chain the
    /// certificate of the key comes first; of several keys the first counts.
    ///
    /// # Errors
    /// Which of the two is wrong, and how.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, CredentialError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(|error| CredentialError::CertificatePem(error.to_string()))?;
        let first = chain.first().ok_or(CredentialError::NoCertificate)?;
        let certificate = ParsedCertificate::try_from(first)
            .map_err(|error| CredentialError::Certificate(error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound if has_encrypted_key(key) => CredentialError::EncryptedKey,
            pem::Error::NoItemsFound => CredentialError::NoKey,
            error => CredentialError::KeyPem(error.to_string()),
        })?;
        let signing = provider()
            .key_provider
            .load_private_key(key)
            .map_err(|error| CredentialError::Key(error.to_string()))?;
        if let Some(public) = signing.public_key() {
            let certified = certificate.subject_public_key_info();
            let (ours, theirs) = (kind(&public), kind(&certified));
            if ours != theirs {
                return Err(CredentialError::OtherKind { certificate: name(theirs), key: name(ours) });
            }
            if public != certified {
                return Err(CredentialError::Mismatch);
            }
        }
        Ok(Self(Arc::new(CertifiedKey::new(chain, signing))))
    }

    /// With an OCSP response, in DER, to staple to the certificate (`ssl_stapling_file`). What it says isn't checked: clients do
    /// that.
    ///
    /// # Errors
    /// The bytes are no response, or one that tells of an error (RFC 6960 §4.2.1).
    pub fn with_ocsp(mut self, response: Vec<u8>) -> Result<Self, CredentialError> {
        const SEQUENCE: u8 = 0x30;
        /// `responseStatus`: an ENUMERATED of one byte, 0.
        const SUCCESSFUL: [u8; 3] = [0x0a, 1, 0];
        let content = inside(&response).filter(|_| response.first() == Some(&SEQUENCE));
        if !content.is_some_and(|content| content.starts_with(&SUCCESSFUL)) {
            return Err(CredentialError::OcspResponse);
        }
        Arc::make_mut(&mut self.0).ocsp = Some(response);
        Ok(self)
    }

    /// The chain in DER, the certificate of the key first.
    pub fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.0.cert.iter().map(AsRef::as_ref)
    }
}

/// Why PEM files are no credential.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialError {
    /// There is no certificate in the file for certificates.
    NoCertificate,
    /// The file for certificates is broken PEM.
    CertificatePem(String),
    /// The first certificate can't be read.
    Certificate(String),
    /// There is no private key in the file for the key.
    NoKey,
    /// The private key is encrypted with a password, which nobody can be asked for.
    EncryptedKey,
    /// The file for the key is broken PEM.
    KeyPem(String),
    /// The private key can't be read, or is of a kind that this build doesn't know.
    Key(String),
    /// The key is of another kind than the certificate's.
    OtherKind {
        /// What the certificate is for: `RSA`, `ECDSA P-256` and so on.
        certificate: &'static str,
        /// What the key is.
        key: &'static str,
    },
    /// The key is of the certificate's kind, and another one.
    Mismatch,
    /// What is to be stapled is no successful OCSP response in DER.
    OcspResponse,
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("no certificate in the file"),
            Self::CertificatePem(why) => write!(f, "certificate file is no PEM: {why}"),
            Self::Certificate(why) => write!(f, "certificate can't be read: {why}"),
            Self::NoKey => f.write_str("no private key in the file"),
            Self::EncryptedKey => f.write_str("private key is encrypted: store it without a password"),
            Self::KeyPem(why) => write!(f, "key file is no PEM: {why}"),
            Self::Key(why) => write!(f, "private key can't be used: {why}"),
            Self::OtherKind { certificate, key } => {
                write!(f, "certificate is for a key of kind {certificate}, the key is {key}")
            }
            Self::Mismatch => f.write_str("key doesn't fit its certificate"),
            Self::OcspResponse => f.write_str("file holds no successful OCSP response in DER"),
        }
    }
}

impl std::error::Error for CredentialError {}

fn has_encrypted_key(pem: &[u8]) -> bool {
    const LABEL: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
    pem.windows(LABEL.len()).any(|window| window == LABEL)
}

/// The algorithm of a public key: the first element of its sequence (RFC 5280 §4.1.2.7), as it is encoded.
fn kind(public_key: &[u8]) -> &[u8] {
    inside(public_key).and_then(inside).unwrap_or_default()
}

/// The content of the first element (X.690 §8.1): its length is one byte, or so many bytes as that byte says.
fn inside(der: &[u8]) -> Option<&[u8]> {
    let (&length, rest) = der.get(1..)?.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), rest.get(2..)?),
        _ => return None,
    };
    rest.get(..length)
}

fn name(kind: &[u8]) -> &'static str {
    use rustls::pki_types::alg_id;
    let names = [
        (alg_id::RSA_ENCRYPTION, "RSA"),
        (alg_id::ECDSA_P256, "ECDSA P-256"),
        (alg_id::ECDSA_P384, "ECDSA P-384"),
        (alg_id::ECDSA_P521, "ECDSA P-521"),
        (alg_id::ED25519, "Ed25519"),
    ];
    names.iter().find(|(id, _)| id.as_ref() == kind).map_or("unknown", |(_, name)| name)
}
