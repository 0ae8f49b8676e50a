use std::{fmt, sync::Arc};

use rustls::{
    CertificateError, Error, OtherError, RootCertStore,
    pki_types::{CertificateDer, UnixTime},
};
use webpki::{
    CertRevocationList, EndEntityCert, KeyUsage, OwnedCertRevocationList, RevocationOptionsBuilder,
    VerifiedPath,
};

use super::Trust;
use crate::provider::provider;

/// Bounds how many authorities stand between a certificate and a known one, which rustls doesn't.
#[derive(Debug)]
pub(crate) struct Depth {
    most: usize,
    roots: Arc<RootCertStore>,
    lists: Vec<CertRevocationList<'static>>,
}

impl Depth {
    /// `None`: only the library's own bound holds.
    pub(crate) fn of(trust: &Trust) -> Result<Option<Self>, Error> {
        let Some(most) = trust.depth else { return Ok(None) };
        let list = |list: &rustls::pki_types::CertificateRevocationListDer<'static>| {
            OwnedCertRevocationList::from_der(list).map(Into::into)
        };
        let lists = trust.lists.iter().map(list).collect::<Result<_, webpki::Error>>();
        let lists = lists.map_err(|error| Error::General(error.to_string()))?;
        Ok(Some(Self { most, roots: Arc::clone(&trust.roots), lists }))
    }

    /// Checks that there is a way to a known authority that is short enough. To be asked of a chain that has been verified:
    /// so whatever goes wrong here is its length.
    pub(crate) fn check(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
    ) -> Result<(), Error> {
        // No way is longer than what was sent. That is the usual case, and needs no second look.
        if others.len() <= self.most {
            return Ok(());
        }
        let too_long = || Error::from(CertificateError::Other(OtherError(Arc::new(TooLong))));
        let certificate = EndEntityCert::try_from(certificate).map_err(|_| too_long())?;
        let lists: Vec<&CertRevocationList<'_>> = self.lists.iter().collect();
        // The same policy as rustls': the whole chain is looked up, and each has to be known.
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(RevocationOptionsBuilder::build);
        let is_short = |path: &VerifiedPath<'_>| match path.intermediate_certificates().count() <= self.most {
            true => Ok(()),
            false => Err(webpki::Error::PathLenConstraintViolated),
        };
        let algorithms = provider().signature_verification_algorithms.all;
        certificate
            .verify_for_usage(algorithms, &self.roots.roots, others, now, usage, revocation, Some(&is_short))
            .map(drop)
            .map_err(|_| too_long())
    }
}

/// In the words of OpenSSL. rustls shows others' errors as they are shown for debugging.
struct TooLong;

impl fmt::Debug for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("certificate chain too long")
    }
}

impl std::error::Error for TooLong {}
