//! Who computes: one provider of cryptography, chosen when the crate is built.

use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs", feature = "graviola")))]
compile_error!(
    "underpass-tls has no provider of cryptography: enable one of its features `ring` (the default), `aws-lc-rs` or `graviola`"
);

/// The name of the provider that this build computes with: `ring`, `aws-lc-rs` or `graviola`.
pub const PROVIDER: &str = if cfg!(feature = "graviola") {
    "graviola"
} else if cfg!(feature = "aws-lc-rs") {
    "aws-lc-rs"
} else {
    "ring"
};

/// The provider, made once for the process. rustls' own process-wide default is neither read nor set.
pub(crate) fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(default_provider()))
}

#[cfg(feature = "graviola")]
use rustls_graviola::default_provider;

#[cfg(all(feature = "aws-lc-rs", not(feature = "graviola")))]
use rustls::crypto::aws_lc_rs::default_provider;

#[cfg(all(feature = "ring", not(any(feature = "aws-lc-rs", feature = "graviola"))))]
use rustls::crypto::ring::default_provider;

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs", feature = "graviola")))]
fn default_provider() -> CryptoProvider {
    unreachable!("the build has failed above")
}
