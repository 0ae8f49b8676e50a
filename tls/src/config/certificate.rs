use std::time::SystemTime;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_cert::{
    certificate::{CertificateInner, Raw},
    der::Decode as _,
    ext::pkix::{AuthorityInfoAccessSyntax, SubjectAltName, name::GeneralName},
};

/// What a certificate says of itself, for an operator to be told of. It is believed, not verified.
#[derive(Clone, Debug)]
pub struct Certificate(CertificateInner<Raw>);

impl Certificate {
    /// Reads a certificate in DER; `None` if it can't be read. Some that browsers take can't be, such as those that break RFC 5280
    /// in fields that nobody looks at.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        CertificateInner::from_der(der).ok().map(Self)
    }

    /// Reads all certificates in PEM, those that can't be read aside.
    pub fn all_from_pem(pem: &[u8]) -> Vec<Self> {
        let found = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
        found.filter_map(|der| Self::from_der(&der)).collect()
    }

    /// From when on it holds.
    pub fn valid_from(&self) -> SystemTime {
        self.0.tbs_certificate().validity().not_before.to_system_time()
    }

    /// Until when it holds.
    pub fn valid_until(&self) -> SystemTime {
        self.0.tbs_certificate().validity().not_after.to_system_time()
    }

    /// Whose it is, as RFC 4514 writes names: `CN=www.example.com`.
    pub fn subject(&self) -> String {
        self.0.tbs_certificate().subject().to_string()
    }

    /// Who issued it.
    pub fn issuer(&self) -> String {
        self.0.tbs_certificate().issuer().to_string()
    }

    /// Whether it says that `authority` issued it.
    pub fn names_as_issuer(&self, authority: &Self) -> bool {
        self.0.tbs_certificate().issuer() == authority.0.tbs_certificate().subject()
    }

    /// Whether it says where the certificate of its issuer can be had (RFC 5280 §4.2.2.1), as public authorities do.
    pub fn tells_where_its_issuer_is(&self) -> bool {
        /// `id-ad-caIssuers`.
        const ISSUERS: &str = "1.3.6.1.5.5.7.48.2";
        let access = self.0.tbs_certificate().get_extension::<AuthorityInfoAccessSyntax>();
        let Ok(Some((_, access))) = access else { return false };
        access.0.iter().any(|description| description.access_method.to_string() == ISSUERS)
    }

    /// The names of hosts that it is for (RFC 5280 §4.2.1.6), as they stand in it.
    pub fn host_names(&self) -> Vec<String> {
        let names = self.0.tbs_certificate().get_extension::<SubjectAltName>();
        let Ok(Some((_, names))) = names else { return Vec::new() };
        let name = |name: &GeneralName| match name {
            GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
            _ => None,
        };
        names.0.iter().filter_map(name).collect()
    }
}
