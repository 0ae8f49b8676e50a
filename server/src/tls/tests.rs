//! From files to handshakes.

mod certificates;

use std::{fs, os::unix::fs::PermissionsExt as _};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_ECDSA_P384_SHA384,
};
use tempfile::TempDir;
use underpass_nginx_config::{LoadOptions, Loaded, load_text};
use underpass_tls::{ClientOptions, Trust};

use super::{
    watching::{Look, Watched},
    *,
};

/// A folder with what a configuration names.
struct Files {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Files {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let files = Self { folder: tempfile::tempdir().expect("a folder"), authority };
        files.write("ca.pem", files.authority.pem());
        files
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("a folder of ours");
    }

    /// `NAME.pem` and `NAME.key`, for a host.
    fn pair(&self, name: &str, host: &str) {
        self.pair_with(name, host, |_| {});
    }

    fn pair_with(&self, name: &str, host: &str, change: impl FnOnce(&mut CertificateParams)) {
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.authority).expect("a certificate");
        self.write(&format!("{name}.pem"), certificate.pem());
        self.write(&format!("{name}.key"), key.serialize_pem());
        self.only_owner_reads(name);
    }

    fn only_owner_reads(&self, name: &str) {
        fs::set_permissions(self.path(&format!("{name}.key")), fs::Permissions::from_mode(0o600))
            .expect("a file of ours");
    }

    /// The configuration with this `http` block, in a file of the folder.
    fn load(&self, http: &str) -> Loaded {
        let name = self.folder.path().join("f");
        load_text(name, format!("http {{\n{http}\n}}"), &LoadOptions::default()).expect(http)
    }

    fn made(&self, http: &str) -> Result<Tls, String> {
        let loaded = self.load(http);
        let tls = Tls::of(&loaded.listeners, &loaded.upstream_tls, &Reader::default(), &Kept::default());
        tls.map_err(|trouble| self.short(trouble.message()))
    }

    fn tls(&self, http: &str) -> Tls {
        self.made(http).expect(http)
    }

    /// Without the name of the folder.
    fn short(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.folder.path().display()), "")
    }

    fn refused(&self, server: &str) -> String {
        self.made(&format!("server {{ listen 443 ssl; {server} }}")).expect_err(server)
    }

    fn warnings(&self, http: &str) -> Vec<String> {
        self.tls(http).warnings.iter().map(|warning| self.short(warning)).collect()
    }

    /// A client that verifies by our authority, and keeps sessions.
    fn client(&self) -> ClientSettings {
        let trust =
            Trust::from_pem(&fs::read(self.path("ca.pem")).expect("it is there")).expect("an authority");
        let options =
            ClientOptions { trust: Some(trust), send_name: true, sessions: 10, ..ClientOptions::default() };
        options.settings().expect("settings")
    }

    /// The common name of the certificate that a client gets who looks for `name`; absent: no handshake.
    fn served(&self, tls: &Tls, name: Option<&str>) -> Option<String> {
        let options = ClientOptions { send_name: name.is_some(), ..ClientOptions::default() };
        let (client, _) = shake(tls, &options.settings().expect("settings"), name.unwrap_or("nobody"))?;
        let facts = client.facts()?;
        let leaf = underpass_tls::Certificate::from_der(facts.peer_certificates().next()?)?;
        Some(leaf.subject().replace("CN=", ""))
    }
}

const PORT: &str = "0.0.0.0:443";

/// Both ends after a handshake.
fn shake(tls: &Tls, client: &ClientSettings, name: &str) -> Option<(underpass_tls::Tls, underpass_tls::Tls)> {
    let address = Address::Ip(PORT.parse().expect("an address"));
    let chooser = Arc::clone(tls.choosers.get(&address).expect("it has TLS"));
    let mut server = underpass_tls::Tls::server(chooser);
    let mut client = underpass_tls::Tls::client(client, name).expect("a name");
    let feed = |end: &mut underpass_tls::Tls, bytes: &mut Vec<u8>, answer: &mut Vec<u8>| {
        loop {
            let fed = end.feed(bytes, &mut [0; 100], answer).ok()?;
            bytes.drain(..fed.consumed);
            if bytes.is_empty() {
                return Some(());
            }
        }
    };
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    feed(&mut client, &mut Vec::new(), &mut to_server)?;
    while !to_server.is_empty() || !to_client.is_empty() {
        feed(&mut server, &mut to_server, &mut to_client)?;
        feed(&mut client, &mut to_client, &mut to_server)?;
    }
    (!client.is_handshaking() && !server.is_handshaking()).then_some((client, server))
}

/// H1: as nginx chooses servers by `Host`.
#[test]
fn the_name_that_a_client_looks_for_chooses_the_server() {
    let files = Files::new();
    for name in ["one", "two", "mask", "rx"] {
        files.pair(name, "*.example");
    }
    let tls = files.tls(
        "server { listen 443 ssl; server_name a.example; ssl_certificate one.pem; ssl_certificate_key one.key; }
         server { listen 443 ssl default_server; server_name b.example; ssl_certificate two.pem; ssl_certificate_key two.key; }
         server { listen 443 ssl; server_name *.c.example; ssl_certificate mask.pem; ssl_certificate_key mask.key; }
         server { listen 443 ssl; server_name ~^d+\\.example$; ssl_certificate rx.pem; ssl_certificate_key rx.key; }
         server { listen 443 ssl; server_name bare.example; }
         server { listen 443 ssl; server_name no.example; ssl_reject_handshake on; }",
    );
    for (name, certificate) in [
        (Some("a.example"), Some("one")),
        (Some("b.example"), Some("two")),
        (Some("x.y.c.example"), Some("mask")),
        (Some("dd.example"), Some("rx")),
        (Some("other.example"), Some("two")),
        (None, Some("two")),
        (Some("bare.example"), Some("two")),
        (Some("no.example"), None),
    ] {
        assert_eq!(files.served(&tls, name).as_deref(), certificate, "{name:?}");
    }
    let rejecting = files.tls(
        "server { listen 443 ssl default_server; ssl_reject_handshake on; }
         server { listen 443 ssl; server_name a.example; ssl_certificate one.pem; ssl_certificate_key one.key; }",
    );
    for (name, certificate) in [(Some("a.example"), Some("one")), (Some("b.example"), None), (None, None)] {
        assert_eq!(files.served(&rejecting, name).as_deref(), certificate, "{name:?}");
    }
}

#[test]
fn what_can_t_be_used_is_told_with_its_files_and_its_line() {
    let files = Files::new();
    files.pair("a", "a.example");
    files.pair("b", "b.example");
    let other = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).expect("a key");
    files.write("other.key", other.serialize_pem());
    files.write("short", [0; 47]);
    files.write("empty", "");
    fs::create_dir(files.path("folder")).expect("a folder of ours");
    let pair = |certificate: &str, key: &str| {
        files.refused(&format!("ssl_certificate {certificate}; ssl_certificate_key {key};"))
    };
    assert_eq!(
        pair("none.pem", "a.key"),
        "cannot load certificate \"none.pem\": open() failed (2: No such file or directory) in f:2:42"
    );
    assert_eq!(
        pair("a.pem", "none.key"),
        "cannot load certificate key \"none.key\": open() failed (2: No such file or directory) in f:2:69"
    );
    assert_eq!(pair("folder", "a.key"), "cannot load certificate \"folder\": it is no file in f:2:42");
    assert_eq!(
        pair("empty", "a.key"),
        "cannot load certificate \"empty\": no certificate in the file in f:2:42"
    );
    assert_eq!(
        pair("a.pem", "ca.pem"),
        "cannot load certificate key \"ca.pem\": no private key in the file in f:2:69"
    );
    assert_eq!(
        pair("a.pem", "b.key"),
        "certificate \"a.pem\" and key \"b.key\": key doesn't fit its certificate in f:2:42"
    );
    assert_eq!(
        pair("a.pem", "other.key"),
        "certificate \"a.pem\" and key \"other.key\": certificate is for a key of kind ECDSA P-256, the key is ECDSA P-384 \
         in f:2:42"
    );
    let with =
        |more: &str| files.refused(&format!("ssl_certificate a.pem; ssl_certificate_key a.key; {more}"));
    assert_eq!(
        with("ssl_session_ticket_key short;"),
        "cannot load session ticket key \"short\": it must be 48 or 80 bytes in f:2:99"
    );
    assert_eq!(
        with("ssl_verify_client on; ssl_client_certificate a.key;"),
        "cannot load trusted certificates \"a.key\": no certificate in the file in f:2:121"
    );
    assert_eq!(
        with("ssl_verify_client on; ssl_client_certificate ca.pem; ssl_crl ca.pem;"),
        "cannot load revocation lists \"ca.pem\": no revocation list in the file in f:2:137"
    );
    assert_eq!(
        with("ssl_ciphers 'RC4:!aNULL';"),
        "\"ssl_ciphers\" leaves no cipher suite of this version in f:2:88"
    );
    assert_eq!(with("ssl_ecdh_curve X448;"), "\"ssl_ecdh_curve\" leaves no curve of this version in f:2:91");
}

/// Lists as they stand in files that are moved over: nginx's default, and the shape of what generators write.
#[test]
fn lists_of_ciphers_are_taken_as_far_as_they_go() {
    let files = Files::new();
    files.pair("a", "a.example");
    let server = |more: &str| {
        files.warnings(&format!(
            "server {{ server_name a.example; listen 443 ssl; ssl_certificate a.pem; ssl_certificate_key a.key; {more} }}"
        ))
    };
    for fine in [
        "ssl_ciphers HIGH:!aNULL:!MD5;",
        "ssl_ciphers 'EECDH+AESGCM:!RSA';",
        "ssl_protocols TLSv1.3; ssl_ciphers !ALL;",
        "ssl_ecdh_curve auto;",
        "ssl_ecdh_curve X25519:prime256v1:secp384r1;",
        "ssl_buffer_size 4k;",
        "ssl_buffer_size 0;",
        "ssl_buffer_size 1m;",
        "ssl_session_timeout 1y;",
        "ssl_session_cache shared:SSL:10m; ssl_session_tickets off;",
    ] {
        assert_eq!(server(fine), [""; 0], "{fine}");
    }
    let said = server(
        "ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256; ssl_ecdh_curve X25519:X448;",
    );
    assert_eq!(
        said,
        [
            "\"ssl_ciphers\" names what this version lacks: DHE-RSA-AES128-GCM-SHA256 in f:2:111",
            "\"ssl_ecdh_curve\" names what this version lacks: X448 in f:2:183",
        ]
    );
}

/// Tickets and kept sessions are taken by the configuration after a reload, as long as it has the same zone.
#[test]
fn sessions_outlive_a_reload() {
    let files = Files::new();
    files.pair("a", "a.example");
    let server = |more: &str| {
        format!("server {{ listen 443 ssl; ssl_certificate a.pem; ssl_certificate_key a.key; {more} }}")
    };
    for (first, next, resumes) in [
        ("", "", true),
        ("ssl_session_cache shared:a:1m;", "ssl_session_cache shared:a:1m;", true),
        (
            "ssl_session_cache shared:a:1m; ssl_session_tickets off;",
            "ssl_session_cache shared:a:1m; ssl_session_tickets off;",
            true,
        ),
        ("ssl_session_cache shared:a:1m;", "ssl_session_cache shared:b:1m;", false),
        ("", "ssl_session_timeout 1m;", false),
        ("ssl_session_tickets off;", "ssl_session_tickets off;", false),
    ] {
        let earlier = files.tls(&server(first));
        let loaded = files.load(&server(next));
        let later = Tls::of(&loaded.listeners, &[], &Reader::default(), &earlier.kept).expect(next);
        let client = files.client();
        let mut resumed = Vec::new();
        for tls in [&earlier, &later] {
            let (_, server) = shake(tls, &client, "a.example").expect("a handshake");
            resumed.push(server.facts().map(|facts| facts.resumed));
        }
        assert_eq!(resumed, [Some(false), Some(resumes)], "{first} {next}");
    }
}

/// H7: through replaced folders and links, too; both files have to fit; a broken one leaves the old in use.
#[test]
fn a_changed_pair_is_taken_once_it_fits() {
    let files = Files::new();
    for name in ["one", "two", "three"] {
        files.pair(name, "a.example");
    }
    let put = |folder: &str, name: &str| {
        fs::create_dir_all(files.path(folder)).expect("a folder of ours");
        for ending in ["pem", "key"] {
            let from = files.path(&format!("{name}.{ending}"));
            fs::copy(from, files.path(&format!("{folder}/a.{ending}"))).expect("a folder of ours");
        }
    };
    put("v1", "one");
    std::os::unix::fs::symlink("v1", files.path("live")).expect("a folder of ours");
    let tls = files.tls(
        "server { listen 443 ssl; ssl_certificate live/a.pem; ssl_certificate_key live/a.key; ssl_certificate_watch on; }",
    );
    let mut watched = tls.watched.lock().expect("no panic");
    let [watched] = watched.as_mut_slice() else { panic!("one server") };
    let served = || files.served(&tls, Some("a.example")).expect("a handshake");
    let look = |watched: &mut Watched| match watched.look(&Reader::default()) {
        Look::Refused(message) => Look::Refused(files.short(&message)),
        Look::Taken(message) => Look::Taken(files.short(&message)),
        Look::Nothing => Look::Nothing,
    };
    let taken = || Look::Taken("certificate \"live/a.pem\" has changed: the new one is in use".to_owned());
    assert_eq!((look(watched), served()), (Look::Nothing, "one".to_owned()));
    // A link that leads elsewhere now.
    put("v2", "two");
    fs::remove_file(files.path("live")).expect("a folder of ours");
    std::os::unix::fs::symlink("v2", files.path("live")).expect("a folder of ours");
    assert_eq!((look(watched), served()), (taken(), "two".to_owned()));
    // The certificate comes before its key: nothing is told, unless it stays so.
    fs::copy(files.path("three.pem"), files.path("v2/a.pem")).expect("a folder of ours");
    assert_eq!((look(watched), served()), (Look::Nothing, "two".to_owned()));
    let mismatch = "certificate \"live/a.pem\" has changed, and the old one stays: certificate \"live/a.pem\" and key \
                    \"live/a.key\": key doesn't fit its certificate in f:2:42";
    assert_eq!(look(watched), Look::Refused(mismatch.to_owned()));
    assert_eq!((look(watched), served()), (Look::Nothing, "two".to_owned()), "told once");
    fs::copy(files.path("three.key"), files.path("v2/a.key")).expect("a folder of ours");
    assert_eq!((look(watched), served()), (taken(), "three".to_owned()));
    // A folder that is gone, and one that takes its place.
    fs::remove_dir_all(files.path("v2")).expect("a folder of ours");
    assert_eq!((look(watched), served()), (Look::Nothing, "three".to_owned()));
    put("v2", "one");
    assert_eq!((look(watched), served()), (taken(), "one".to_owned()));
    assert_eq!((look(watched), served()), (Look::Nothing, "one".to_owned()));
}

#[test]
fn origin_servers_are_verified_by_the_file_or_by_nobody() {
    let files = Files::new();
    files.pair("a", "a.example");
    let tls = files.tls(
        "server { listen 443 ssl; ssl_certificate a.pem; ssl_certificate_key a.key;
         location /a { proxy_pass https://127.0.0.1; }
         location /b { proxy_pass https://127.0.0.1; proxy_ssl_verify on; proxy_ssl_trusted_certificate ca.pem; } }",
    );
    let [lazy, strict] = &*tls.upstream else { panic!("two settings") };
    for (settings, name, fits) in
        [(lazy, "b.example", true), (strict, "a.example", true), (strict, "b.example", false)]
    {
        assert_eq!(shake(&tls, settings, name).is_some(), fits, "{name}");
    }
}
