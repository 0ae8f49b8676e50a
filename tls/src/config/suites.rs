use std::{fmt, sync::Arc};

use rustls::{SupportedProtocolVersion, crypto::CryptoProvider, version};

use crate::{facts, provider::provider};

/// Which versions are spoken. There is no older one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocols {
    /// TLS 1.2 alone.
    Tls12,
    /// TLS 1.3 alone.
    Tls13,
    /// The newest that the peer speaks, too.
    #[default]
    Both,
}

impl Protocols {
    pub(crate) fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::Tls12 => &NEWEST_FIRST[1..],
            Self::Tls13 => &NEWEST_FIRST[..1],
            Self::Both => &NEWEST_FIRST,
        }
    }
}

static NEWEST_FIRST: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

/// The cipher suites that this build has, by OpenSSL's names, in its order of preference.
pub fn ciphers() -> impl Iterator<Item = &'static str> {
    provider().cipher_suites.iter().map(|suite| facts::cipher(suite.suite()))
}

/// The groups for exchanging keys that this build has, by OpenSSL's names, in its order of preference.
pub fn groups() -> impl Iterator<Item = &'static str> {
    provider().kx_groups.iter().map(|group| facts::group_name(group.name()))
}

/// Why options make no settings.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SettingsError {
    /// This build has no cipher suite of this name: [`ciphers`] has the names.
    UnknownCipher(String),
    /// This build has no group of this name: [`groups`] has the names.
    UnknownGroup(String),
    /// A server without a certificate.
    NoCredential,
    /// The library's reason: no cipher suite for the versions, or a record size out of its range (32 to 16,389).
    Other(crate::Reason),
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCipher(name) => write!(f, "no cipher suite \"{name}\""),
            Self::UnknownGroup(name) => write!(f, "no curve \"{name}\""),
            Self::NoCredential => f.write_str("no certificate"),
            Self::Other(reason) => reason.fmt(f),
        }
    }
}

impl std::error::Error for SettingsError {}

impl From<rustls::Error> for SettingsError {
    fn from(error: rustls::Error) -> Self {
        Self::Other(crate::Reason(error))
    }
}

/// The provider with these suites and groups, in this order; an empty list stands for all, in the provider's own.
pub(crate) fn restricted(
    ciphers: &[String],
    groups: &[String],
) -> Result<Arc<CryptoProvider>, SettingsError> {
    let all = provider();
    if ciphers.is_empty() && groups.is_empty() {
        return Ok(Arc::clone(all));
    }
    let mut own = CryptoProvider::clone(all);
    if !ciphers.is_empty() {
        let find = |name: &String| {
            let found = all.cipher_suites.iter().find(|suite| facts::cipher(suite.suite()) == name).copied();
            found.ok_or_else(|| SettingsError::UnknownCipher(name.clone()))
        };
        own.cipher_suites = ciphers.iter().map(find).collect::<Result<_, _>>()?;
    }
    if !groups.is_empty() {
        let find = |name: &String| {
            let found = all.kx_groups.iter().find(|group| facts::group_name(group.name()) == name).copied();
            found.ok_or_else(|| SettingsError::UnknownGroup(name.clone()))
        };
        own.kx_groups = groups.iter().map(find).collect::<Result<_, _>>()?;
    }
    Ok(Arc::new(own))
}
