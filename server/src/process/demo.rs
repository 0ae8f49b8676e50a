//! `demo`: an origin server, the configuration that proxies to it, and where to look.

use std::{
    fs::{self, DirBuilder},
    io,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt as _,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use rcgen::{CertificateParams, DnType, KeyPair, SanType};
use rustix::process::{getpid, kill_process};
use underpass_demo::Origin;

use super::{Runtime, identity::Identity, say, serve::Startup, source::Source, trouble::Trouble};
use crate::{
    Program, Signal,
    command::{Front, demo_configuration},
    keeper,
};

/// How long the certificate is valid: long enough to look at a demo.
const VALID: Duration = Duration::from_secs(30 * 86_400);

/// Starts the origin server, and serves in front of it.
pub(super) fn serve<R: Runtime>(
    program: &'static Program,
    listen: SocketAddr,
    tls: bool,
) -> Result<(), Trouble> {
    let front = front(listen, tls);
    // Before the origin server has threads. Whom the process becomes doesn't depend on where that one listens.
    let identity = Identity::assume(&source(&front, listen, listen).load()?.main)?;
    let started = |error: io::Error| Trouble::new(format!("the demo can't start: {error}"));
    let certificate = if tls { Some(Made::new(&front).map_err(started)?) } else { None };
    let origin = Origin::start().map_err(started)?;
    let text = demo_configuration(&front, origin.address(), origin.log_address());
    origin.show_configuration(&text);
    origin.offer_drain(reload_this_process);
    let source = source(&front, origin.address(), origin.log_address());
    let loaded = source.load()?;
    let scheme = if tls { "https" } else { "http" };
    say(&format!("{text}\nOpen {scheme}://{listen}/ in a browser; Ctrl-C ends it.\n"));
    if let Some(made) = &certificate {
        say(&made.advice(listen));
    }
    Startup { program, identity, source, loaded, background: None }.run::<R>()
}

/// The configuration that proxies to the origin server at `origin`, which takes the log of tunnels at `log`.
pub(super) fn source(front: &Front, origin: SocketAddr, log: SocketAddr) -> Source {
    Source::text("demo", demo_configuration(front, origin, log))
}

/// Sends this process the signal with which an operator has it reload: a drain of the demo is no other than theirs (G6).
fn reload_this_process() -> io::Result<()> {
    kill_process(getpid(), Signal::HangUp.to_system()).map_err(io::Error::from)
}

/// Where clients connect to. The files are named after the process that serves, so that the one that keeps root's rights knows
/// the same names.
pub(super) fn front(listen: SocketAddr, tls: bool) -> Front {
    if !tls {
        return Front::plain(listen);
    }
    let number = keeper::started_for().unwrap_or_else(std::process::id);
    let folder = std::env::temp_dir().join(format!("underpass-demo-{number}"));
    Front::secured(listen, folder.join("certificate.pem"), folder.join("key.pem"))
}

/// A certificate that was made for this run, in a folder that nobody else can read; both go when this is dropped.
struct Made {
    folder: PathBuf,
    certificate: PathBuf,
}

impl Made {
    fn new(front: &Front) -> io::Result<Self> {
        let identity = front.identity.as_ref().ok_or(io::ErrorKind::InvalidInput)?;
        let folder = identity.certificate.parent().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        // One that is there already is somebody else's.
        DirBuilder::new().mode(0o700).create(&folder)?;
        let made = Self { folder, certificate: identity.certificate.clone() };
        let (certificate, key) = certificate_for(front.address).map_err(io::Error::other)?;
        fs::write(&identity.certificate, certificate)?;
        fs::write(&identity.key, key)?;
        Ok(made)
    }

    fn advice(&self, listen: SocketAddr) -> String {
        let path = self.certificate.display();
        format!(
            "The certificate was made for this run and has signed itself, so a browser warns: go on there, or import\n{path}\n\
             as an authority while you try. With curl: curl --cacert {path} https://{listen}/\n"
        )
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            crate::log::complain(&format!("cannot remove \"{}\": {error}", self.folder.display()));
        }
    }
}

/// A certificate for this machine, and its key, in PEM.
fn certificate_for(listen: SocketAddr) -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    let addresses = [listen.ip(), [127, 0, 0, 1].into(), std::net::Ipv6Addr::LOCALHOST.into()];
    for address in addresses.into_iter().filter(|address| !address.is_unspecified()) {
        let name = SanType::IpAddress(address);
        if !params.subject_alt_names.contains(&name) {
            params.subject_alt_names.push(name);
        }
    }
    params.distinguished_name.push(DnType::CommonName, "underpass demo");
    let now = SystemTime::now();
    // Clocks differ.
    params.not_before = (now - Duration::from_secs(3600)).into();
    params.not_after = (now + VALID).into();
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// H9: the demo's own certificate is for the names that somebody on this machine types, and nobody else reads its key.
    #[test]
    fn the_demo_makes_a_certificate_that_can_be_trusted() {
        let front = front(([127, 0, 0, 9], 8443).into(), true);
        let made = Made::new(&front).expect("a folder for temporary files");
        let identity = front.identity.as_ref().expect("files");
        let pem = fs::read(&identity.certificate).expect("it was made");
        let key = fs::read(&identity.key).expect("it was made");
        let mode = fs::metadata(&made.folder).expect("it was made").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let credentials = vec![underpass_tls::Credential::from_pem(&pem, &key).expect("a credential")];
        let server =
            underpass_tls::ServerOptions { credentials, ..Default::default() }.settings().expect("settings");
        let trust = Some(underpass_tls::Trust::from_pem(&pem).expect("a certificate"));
        let client =
            underpass_tls::ClientOptions { trust, ..Default::default() }.settings().expect("settings");
        for (name, fits) in [
            ("localhost", true),
            ("127.0.0.9", true),
            ("127.0.0.1", true),
            ("::1", true),
            ("a.example", false),
        ] {
            let mut server = underpass_tls::Tls::server(std::sync::Arc::new(server.clone()));
            let mut client = underpass_tls::Tls::client(&client, name).expect("a name");
            let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
            let mut plain = [0; 10];
            let _nothing = client.feed(&mut [], &mut plain, &mut to_server).expect("its first message");
            let _taken = server.feed(&mut to_server, &mut plain, &mut to_client).expect("a good message");
            let mut answer = Vec::new();
            let mut taken = 0;
            let verified = loop {
                match client.feed(&mut to_client[taken..], &mut plain, &mut answer) {
                    Ok(fed) => taken += fed.consumed,
                    Err(_) => break false,
                }
                if taken == to_client.len() && !client.has_more() {
                    break !client.is_handshaking();
                }
            };
            assert_eq!(verified, fits, "{name}");
        }
        assert!(made.advice(front.address).contains("--cacert"));
        let folder = made.folder.clone();
        drop(made);
        assert!(!folder.exists(), "nothing is left");
    }
}
