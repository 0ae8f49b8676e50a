//! The certificate of each generation of the configuration: made before the proxy can have it, and known by it when a client
//! is shown one.

use anyhow::{Context as _, Result};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, date_time_ymd};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use underpass_benches::tls::NAME;

/// All that were made, in DER, each with its generation.
#[derive(Debug, Default)]
pub(crate) struct Certificates(RefCell<HashMap<Vec<u8>, u64>>);

impl Certificates {
    /// Makes the one of a generation, and puts it with its key where the configuration names them.
    pub(crate) fn make(&self, folder: &Path, generation: u64) -> Result<()> {
        let mut params = CertificateParams::new([NAME.to_owned()])?;
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2120, 1, 1);
        params.distinguished_name.push(DnType::CommonName, format!("generation {generation}"));
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.self_signed(&key)?;
        self.0.borrow_mut().insert(certificate.der().to_vec(), generation);
        for (name, text) in [("soak.pem", certificate.pem()), ("soak.key", key.serialize_pem())] {
            fs::write(folder.join(name), text).with_context(|| format!("cannot write {name}"))?;
        }
        Ok(())
    }

    /// The generation of a certificate; `None` when it isn't one of these.
    pub(crate) fn generation(&self, der: &[u8]) -> Option<u64> {
        self.0.borrow().get(der).copied()
    }
}
