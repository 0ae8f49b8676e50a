//! What a certificate is told of to its operator, although it can be used.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path, time::SystemTime};

use jiff::Timestamp;
use underpass_core::config::ServerName;
use underpass_nginx_config::{CredentialFiles, Listener as Wanted, ServerTls};
use underpass_tls::Certificate;

/// Of a certificate and its chain: times, order, whether something is missing. Of its key: who can read it.
pub(super) fn of_credential(files: &CredentialFiles, chain: &[u8]) -> Vec<String> {
    let CredentialFiles { certificate, key, .. } = files;
    let chain = Certificate::all_from_pem(chain);
    let of_certificate =
        |doubt| format!("certificate \"{}\" {doubt} in {}", certificate.path.display(), certificate.position);
    let times = chain.first().and_then(|first| of_times(first, SystemTime::now()));
    let chain = of_order(&chain).or_else(|| {
        let issuer = missing_issuer(&chain, known_authorities)?;
        Some(format!(
            "lacks the certificate of its issuer, {issuer}: clients that don't know it refuse it, so put it behind"
        ))
    });
    let key = everybody_reads(&key.path).then(|| {
        let (path, place) = (key.path.display(), &key.position);
        format!("private key \"{path}\" can be read by everybody: \"chmod o-r\" mends that in {place}")
    });
    times.into_iter().chain(chain).map(of_certificate).chain(key).collect()
}

pub(super) fn of_times(certificate: &Certificate, now: SystemTime) -> Option<String> {
    let shown =
        |time: SystemTime| Timestamp::try_from(time).map_or_else(|_| String::new(), |time| time.to_string());
    if now > certificate.valid_until() {
        return Some(format!("has expired: it was valid until {}", shown(certificate.valid_until())));
    }
    (now < certificate.valid_from())
        .then(|| format!("is not valid yet: it is from {} on", shown(certificate.valid_from())))
}

/// RFC 5246 §7.4.2: each certifies the one before.
pub(super) fn of_order(chain: &[Certificate]) -> Option<String> {
    let wrong = chain.windows(2).find(|pair| !pair[0].names_as_issuer(&pair[1]))?;
    let (one, next) = (wrong[0].subject(), wrong[1].subject());
    Some(format!("has a chain out of order: {next} stands behind {one}, and has not issued it"))
}

/// The issuer of the last certificate, when a public authority has issued it, nobody knows that authority by itself, and it
/// isn't there. Of private authorities clients know themselves.
pub(super) fn missing_issuer(
    chain: &[Certificate],
    known: impl FnOnce() -> Vec<Certificate>,
) -> Option<String> {
    let last = chain.last()?;
    if last.names_as_issuer(last) || !last.tells_where_its_issuer_is() {
        return None;
    }
    let known = known();
    // A system without a store knows nobody.
    let is_missing = !known.is_empty() && !known.iter().any(|root| last.names_as_issuer(root));
    is_missing.then(|| last.issuer())
}

fn known_authorities() -> Vec<Certificate> {
    let found = rustls_native_certs::load_native_certs().certs;
    found.iter().filter_map(|root| Certificate::from_der(root)).collect()
}

/// Whether everybody on this machine can read a file: it, and every folder on the way there.
fn everybody_reads(path: &Path) -> bool {
    const OTHERS_READ: u32 = 0o004;
    const OTHERS_ENTER: u32 = 0o001;
    let allows = |path: &Path, bit: u32| fs::metadata(path).is_ok_and(|found| found.mode() & bit != 0);
    let Ok(path) = fs::canonicalize(path) else { return false };
    allows(&path, OTHERS_READ) && path.ancestors().skip(1).all(|folder| allows(folder, OTHERS_ENTER))
}

/// Names in certificates that no server has: a server with certificates for others, or a `server_name` with a slip in it. `leaf`
/// reads a certificate.
pub(super) fn of_names(
    listeners: &[Wanted],
    leaf: impl Fn(&CredentialFiles) -> Option<Certificate>,
) -> Vec<String> {
    let servers =
        || listeners.iter().filter_map(|listener| listener.tls.as_ref()).flat_map(|tls| &tls.servers);
    // What an expression matches, nobody knows.
    if servers().any(|server| server.names.iter().any(|name| matches!(name, ServerName::Regex(_)))) {
        return Vec::new();
    }
    let names: Vec<&str> = servers().flat_map(|server| plain_names(server)).collect();
    // A server for whoever comes has no names that could be wrong.
    let named = servers().filter(|server| plain_names(server).any(|name| name.contains('.')));
    let mut doubts = Vec::new();
    for files in named.flat_map(|server| &server.credentials) {
        let certified = leaf(files).map(|leaf| leaf.host_names()).unwrap_or_default();
        let (path, place) = (files.certificate.path.display(), &files.certificate.position);
        for name in certified.iter().filter(|name| !names.iter().any(|known| covers(name, known))) {
            let doubt =
                format!("certificate \"{path}\" is for \"{name}\", which no \"server_name\" has in {place}");
            doubts.push(doubt);
        }
    }
    doubts
}

fn plain_names(server: &ServerTls) -> impl Iterator<Item = &str> {
    server.names.iter().filter_map(|name| match name {
        ServerName::Name(name) => Some(&**name),
        _ => None,
    })
}

/// Whether a server's name, which may be a mask, and a certificate's, which may be one, have a host in common.
pub(super) fn covers(certified: &str, served: &str) -> bool {
    let certified = certified.to_ascii_lowercase();
    if certified == served {
        return true;
    }
    if let Some(start) = served.strip_suffix('*') {
        return certified.starts_with(start);
    }
    // `.example.com` is the name itself, too.
    let ending = served.strip_prefix('*').or_else(|| served.strip_prefix('.').map(|_| served));
    if let Some(ending) = ending {
        return certified.ends_with(ending) || served.strip_prefix('.') == Some(&certified);
    }
    match certified.strip_prefix('*') {
        Some(ending) => {
            served.split_once('.').is_some_and(|(_, rest)| ending.strip_prefix('.') == Some(rest))
        }
        None => false,
    }
}
