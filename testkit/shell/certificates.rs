//! Certificates of a process: read with root's rights, by a reload, and when they change.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use super::common::PATIENCE;
use super::server::Site;
use rustix::process::Signal;
use underpass_testkit::tls::{TlsStream, pair};

/// Puts a certificate and its key where the configuration looks for them; the key is for its owner alone.
fn put(folder: &Path, name: &str) {
    fs::create_dir_all(folder).expect("a folder of ours");
    let (files, _) = pair(name);
    for (from, to) in files.into_iter().zip(["chain.pem", "key.pem"]) {
        // In one step, so that nobody reads half of it.
        fs::copy(from, folder.join("next")).expect("a folder of ours");
        fs::set_permissions(folder.join("next"), fs::Permissions::from_mode(0o600)).expect("a file of ours");
        fs::rename(folder.join("next"), folder.join(to)).expect("a rename");
    }
}

fn serving(folder: &Path, more: &str) -> String {
    let folder = folder.display();
    format!(
        "error_log error.log notice; pid run.pid; events {{}}
         http {{ access_log off; server {{ listen LISTEN ssl; ssl_certificate {folder}/chain.pem;
         ssl_certificate_key {folder}/key.pem; {more} return 200 ok; }} }}"
    )
}

fn connect(address: SocketAddr) -> TlsStream {
    let socket = TcpStream::connect(address).expect("somebody listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("an option of all systems");
    TlsStream::connect(socket).expect("a handshake")
}

/// Begins a request, so that the connection isn't idle: a reload ends those that are, as nginx does.
fn begun(address: SocketAddr) -> TlsStream {
    let mut stream = connect(address);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: ").expect("it is open");
    stream
}

/// Ends the request, and reads the answer.
fn answers(stream: &mut TlsStream) {
    stream.write_all(b"server.example\r\n\r\n").expect("it is open");
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\nok") {
        stream.read_exact(&mut byte).expect("an answer");
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
}

/// Whether a client that comes now is shown this one of the tests' certificates.
fn shows(address: SocketAddr, name: &str) -> bool {
    let stream = connect(address);
    let facts = stream.tls().facts().expect("a handshake");
    facts.peer_certificates().next() == Some(&pair(name).1)
}

/// H7: also one whose key is for root alone, where root starts the process.
#[test]
fn a_reload_takes_new_certificates_and_touches_no_connection() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "ecdsa");
    let text = serving(folder.path(), "");
    let site = Site::start(&text);
    let address = site.server.address;
    let mut open = begun(address);
    assert!(shows(address, "ecdsa"));
    put(folder.path(), "rsa");
    assert!(shows(address, "ecdsa"), "nobody has said anything");
    site.reload(&text);
    assert!(shows(address, "rsa"));
    answers(&mut open);
    let mut open = begun(address);
    // A key that doesn't fit: all is as it was.
    fs::copy(&pair("ecdsa").0[1], folder.path().join("key.pem")).expect("a folder of ours");
    site.signalled(
        Signal::HUP,
        "[emerg]",
        "certificate is for a key of kind RSA, the key is ECDSA P-256 in ",
    );
    assert!(shows(address, "rsa"));
    answers(&mut open);
}

/// H7: through a link that leads elsewhere, and nobody reloads.
#[test]
fn a_watched_certificate_is_taken_when_it_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    put(&folder.path().join("v1"), "ecdsa");
    put(&folder.path().join("v2"), "ed25519");
    let live = folder.path().join("live");
    symlink("v1", &live).expect("a folder of ours");
    let site = Site::start(&serving(&live, "ssl_certificate_watch on;"));
    let address = site.server.address;
    assert!(shows(address, "ecdsa"));
    let mut open = begun(address);
    symlink("v2", folder.path().join("next")).expect("a folder of ours");
    fs::rename(folder.path().join("next"), &live).expect("a rename");
    site.server.wait_until("the new certificate", || shows(address, "ed25519"));
    let told = || site.error_log().contains("has changed: the new one is in use");
    site.server.wait_until("that it has changed is told", told);
    answers(&mut open);
}
