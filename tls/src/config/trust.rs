use std::{fmt, sync::Arc};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, CertificateRevocationListDer, pem::PemObject},
};

/// Whose certificates are believed, and which of them have been revoked.
#[derive(Clone, Debug)]
pub struct Trust {
    pub(crate) roots: Arc<RootCertStore>,
    /// The roots as they came, for servers whose own certificate is among them.
    pub(crate) certificates: Arc<[CertificateDer<'static>]>,
    pub(crate) lists: Vec<CertificateRevocationListDer<'static>>,
    pub(crate) depth: Option<usize>,
}

impl Trust {
    /// Reads certificates of authorities from PEM (`ssl_client_certificate`, `ssl_trusted_certificate`). A server's own
    /// certificate may stand among them: it is believed as it is, self-signed or not.
    ///
    /// # Errors
    /// The file is broken PEM, has no certificate, or one that can't be an anchor of trust.
    pub fn from_pem(certificates: &[u8]) -> Result<Self, TrustError> {
        let certificates: Arc<[_]> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(|error| TrustError::Pem(error.to_string()))?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates.iter().cloned() {
            roots.add(certificate).map_err(|error| TrustError::Certificate(error.to_string()))?;
        }
        Self::of(roots, certificates)
    }

    /// The authorities that the system believes, as they were found in its store, in DER. Those that can't be anchors of trust are
    /// left out: such a store has some of all times.
    ///
    /// # Errors
    /// None of them can be one.
    pub fn from_system(certificates: impl IntoIterator<Item = Vec<u8>>) -> Result<Self, TrustError> {
        let certificates: Arc<[_]> = certificates.into_iter().map(CertificateDer::from).collect();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates.iter().cloned());
        Self::of(roots, certificates)
    }

    /// With the authorities of another, too; lists and depth stay.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        let mut roots = RootCertStore::clone(&self.roots);
        roots.roots.extend(other.roots.roots.iter().cloned());
        self.roots = Arc::new(roots);
        self.certificates = self.certificates.iter().chain(&*other.certificates).cloned().collect();
        self
    }

    fn of(roots: RootCertStore, certificates: Arc<[CertificateDer<'static>]>) -> Result<Self, TrustError> {
        if roots.is_empty() {
            return Err(TrustError::NoCertificate);
        }
        Ok(Self { roots: Arc::new(roots), certificates, lists: Vec::new(), depth: None })
    }

    /// With at most so many authorities between a certificate and a known one (`ssl_verify_depth`), as OpenSSL counts them: with 0
    /// a known authority has to have issued it itself. The library's own bound, 6, holds besides.
    #[must_use]
    pub fn with_depth(mut self, most: usize) -> Self {
        self.depth = Some(most);
        self
    }

    /// With lists of revoked certificates, from PEM (`ssl_crl`). As with OpenSSL each certificate of a chain needs a list then:
    /// one whose issuer has none is refused.
    ///
    /// # Errors
    /// The file is broken PEM, or has no list. A list that can't be read is found when settings are made.
    pub fn with_crls(mut self, lists: &[u8]) -> Result<Self, TrustError> {
        for list in CertificateRevocationListDer::pem_slice_iter(lists) {
            self.lists.push(list.map_err(|error| TrustError::Pem(error.to_string()))?);
        }
        if self.lists.is_empty() {
            return Err(TrustError::NoList);
        }
        Ok(self)
    }
}

/// Why a file says nothing of trust.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustError {
    /// It is broken PEM.
    Pem(String),
    /// There is no certificate in it.
    NoCertificate,
    /// One of its certificates can't be an anchor of trust.
    Certificate(String),
    /// There is no list of revoked certificates in it.
    NoList,
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem(why) => write!(f, "file is no PEM: {why}"),
            Self::NoCertificate => f.write_str("no certificate in the file"),
            Self::Certificate(why) => write!(f, "certificate can't be trusted: {why}"),
            Self::NoList => f.write_str("no revocation list in the file"),
        }
    }
}

impl std::error::Error for TrustError {}
