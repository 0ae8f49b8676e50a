//! TLS on both sides: what is inherited, and what it comes to.

use core::time::Duration;

use underpass_core::config::VerifyClient;

use super::*;
use crate::{Listener, SessionCache, TlsVersions, UpstreamTls, load_text};

fn loaded(http: &str) -> Loaded {
    let mut options = LoadOptions::new("/prefix");
    options.resolver = Arc::new(Hosts);
    load_text("/etc/f", format!("http {{\n{http}\n}}"), &options).expect(http)
}

fn notes(loaded: &Loaded) -> Vec<String> {
    loaded.notes.iter().map(|note| note.to_string().replace("/etc/f", "f")).collect()
}

fn paths(listener: &Listener, server: usize) -> Vec<String> {
    let tls = listener.tls.as_ref().expect("it has TLS");
    let pair = |pair: &crate::CredentialFiles| {
        format!("{} {}", pair.certificate.path.display(), pair.key.path.display())
    };
    tls.servers[server].credentials.iter().map(pair).collect()
}

#[test]
fn what_clients_offer_is_kept_where_something_shows_it() {
    let shows = |lines: &str| {
        let loaded = loaded(&format!(
            "{lines} server {{ listen 443 ssl; ssl_certificate a.pem; ssl_certificate_key a.key; }}"
        ));
        loaded.listeners.iter().find_map(|listener| listener.tls.as_ref()).expect("TLS").servers[0]
            .shows_ciphers
    };
    for lines in [
        "log_format a $ssl_ciphers;",
        "log_format a \"x${SSL_ciphers}y\";",
        "map $ssl_ciphers $a { default 1; }",
        "server { location / { return 200 -$ssl_ciphers-; } }",
    ] {
        assert!(shows(lines), "{lines}");
    }
    for lines in ["", "ssl_ciphers HIGH;", "log_format a $ssl_cipher-ssl_ciphers;"] {
        assert!(!shows(lines), "{lines}");
    }
}

#[test]
fn a_server_has_what_it_says_and_what_holds_around_it() {
    let loaded = loaded(
        "ssl_certificate a.pem; ssl_certificate_key /a.key; ssl_protocols tlsv1.3; ssl_session_tickets off;
         ssl_session_ticket_key one; ssl_session_ticket_key two; ssl_verify_depth 3;
         server { listen 443 ssl; }
         server {
             listen 443 ssl default_server; server_name b;
             ssl_certificate b.pem; ssl_certificate rsa.pem;
             ssl_certificate_key b.key; ssl_certificate_key rsa.key;
             ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers HIGH; ssl_ecdh_curve X25519:P-256;
             ssl_prefer_server_ciphers on; ssl_session_cache builtin shared:s:1m; ssl_session_timeout 1d;
             ssl_session_tickets on; ssl_verify_client optional; ssl_client_certificate ca.pem; ssl_crl crl.pem;
             ssl_trusted_certificate more.pem; ssl_stapling on; ssl_stapling_file ocsp.der; ssl_buffer_size 4k;
             ssl_certificate_watch on;
         }",
    );
    let [listener] = loaded.listeners.as_slice() else { panic!("one socket") };
    let tls = listener.tls.as_ref().expect("it has TLS");
    assert_eq!(tls.default, 1);
    assert_eq!(paths(listener, 0), ["/etc/a.pem /a.key"]);
    assert_eq!(paths(listener, 1), ["/etc/b.pem /etc/b.key", "/etc/rsa.pem /etc/rsa.key"]);
    let [first, second] = tls.servers.as_slice() else { panic!("two servers") };
    assert_eq!((first.versions, second.versions), (TlsVersions::Tls13, TlsVersions::Both));
    assert!(!first.session_tickets && second.session_tickets);
    assert_eq!((first.ciphers.as_ref(), first.curves.as_ref()), (None, None));
    assert_eq!(second.ciphers.as_ref().map(|list| &*list.text), Some("HIGH"));
    assert_eq!(second.curves.as_ref().map(|list| &*list.text), Some("X25519:P-256"));
    assert!(second.prefer_server_ciphers && second.watch && !first.watch);
    let keys = |server: &crate::ServerTls| {
        server.ticket_keys.iter().map(|key| key.path.display().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(keys(second), ["/etc/one", "/etc/two"]);
    assert_eq!(first.session_cache, SessionCache::Off);
    assert_eq!(second.session_cache, SessionCache::Shared { zone: "s".to_owned(), size: 1 << 20 });
    assert_eq!(first.session_timeout, Duration::from_secs(300));
    assert_eq!(second.session_timeout, Duration::from_secs(86_400));
    assert_eq!((first.buffer_size, second.buffer_size), (16 << 10, 4 << 10));
    assert_eq!((first.verify.mode, second.verify.mode), (VerifyClient::Off, VerifyClient::Optional));
    assert_eq!(second.verify.depth, 3);
    let path = |file: &Option<crate::NamedFile>| file.as_ref().map(|file| file.path.display().to_string());
    assert_eq!(path(&second.verify.authorities).as_deref(), Some("/etc/ca.pem"));
    assert_eq!(path(&second.verify.trusted).as_deref(), Some("/etc/more.pem"));
    assert_eq!(path(&second.verify.crl).as_deref(), Some("/etc/crl.pem"));
    assert_eq!(path(&second.stapling_file).as_deref(), Some("/etc/ocsp.der"));
    assert_eq!(notes(&loaded), [""; 0]);
}

#[test]
fn what_takes_the_same_clients_is_equal_wherever_it_stands() {
    let loaded = loaded(
        "ssl_certificate a; ssl_certificate_key b; ssl_verify_client on;
         server { listen 443 ssl; server_name a; ssl_client_certificate ca; }
         server { listen 443 ssl; server_name b;\n ssl_client_certificate /etc/ca; }
         server { listen 443 ssl; server_name c; ssl_client_certificate ca; ssl_verify_depth 2; }",
    );
    let servers = &loaded.listeners[0].tls.as_ref().expect("it has TLS").servers;
    assert_eq!(servers[0].verify, servers[1].verify);
    assert_ne!(servers[0].verify, servers[2].verify);
}

#[test]
fn ssl_on_one_listen_counts_for_the_address() {
    let loaded = loaded(
        "server { listen 443 ssl; listen 80; ssl_certificate a; ssl_certificate_key b; }
         server { listen 443; server_name b; return 204; }",
    );
    let has: Vec<_> = loaded.listeners.iter().map(|listener| listener.tls.is_some()).collect();
    assert_eq!(has, [true, false]);
    let hint = "\"ssl\" on one \"listen\" counts for all of the address";
    assert_eq!(notes(&loaded), [format!("protocol options redefined for 0.0.0.0:443 in f:3:26; {hint}")]);
    // A default server that refuses everybody needs no certificate, nor does another without one that is never chosen.
    let rejecting = self::loaded(
        "server { listen 443 ssl default_server; ssl_reject_handshake on; }
         server { listen 443 ssl; server_name a; ssl_certificate a; ssl_certificate_key b; }",
    );
    let tls = rejecting.listeners[0].tls.as_ref().expect("it has TLS");
    assert!(tls.servers[0].reject && !tls.servers[1].reject);
}

#[test]
fn protocols_that_are_not_spoken_are_noted() {
    let loaded = loaded(
        "server { listen 443 ssl http2; listen 443 quic reuseport; listen [::]:443 quic; ssl_certificate a;
         ssl_certificate_key b; http2 on; ssl_protocols TLSv1 TLSv1.1 TLSv1.2; ssl_early_data off;
         ssl_dhparam dh.pem; ssl_stapling on; ssl_stapling_verify on; ssl_conf_command Options KTLS; return 204; }",
    );
    assert_eq!(loaded.listeners.len(), 1, "no socket of UDP");
    assert_eq!(loaded.listeners[0].tls.as_ref().map(|tls| tls.servers[0].versions), Some(TlsVersions::Tls12));
    let said: Vec<_> = loaded.notes.iter().map(|note| &*note.message).collect();
    assert_eq!(
        said,
        [
            "\"http2\" of \"listen\" has no effect: clients speak HTTP/1.1 in this version",
            "\"listen ... quic\" has no effect: clients speak HTTP/1.1 over TCP in this version",
            "\"http2\" has no effect: clients speak HTTP/1.1 in this version",
            "\"ssl_protocols\" has versions that are never spoken: TLS 1.2 is the oldest here",
            "\"ssl_early_data\" has no effect: it is never on in this version",
            "\"ssl_dhparam\" has no effect: keys are exchanged on elliptic curves only",
            "\"ssl_stapling\" has no effect without \"ssl_stapling_file\": no response is fetched",
            "\"ssl_stapling_verify\" has no effect: no OCSP response is fetched: \"ssl_stapling_file\" names one",
            "\"ssl_conf_command\" has no effect: commands are for OpenSSL, and TLS is rustls' here",
        ]
    );
}

#[test]
fn origin_servers_by_tls() {
    let site = site(
        "upstream group { server 127.0.0.1; }
         server {
             location /a { proxy_pass https://one.test; }
             location /b { proxy_pass HTTPS://one.test:444/x; }
             location /c { proxy_pass https://group; }
             location /d { proxy_pass https://unix:/s:/x; }
             location /e { proxy_pass https://one.test:443; }
             location /f { proxy_pass https://$host; }
             location /g { proxy_pass http://one.test:443; }
         }",
    );
    let shown = |path: &str| {
        let proxy = site.proxy(path);
        (proxy.host.to_string(), proxy.port.to_string())
    };
    let pair = |host: &str, port: &str| (host.to_owned(), port.to_owned());
    assert_eq!(shown("/a"), pair("one.test", "443"));
    assert_eq!(shown("/b"), pair("one.test:444", "444"));
    assert_eq!(shown("/c"), pair("group", "443"));
    assert_eq!(shown("/d"), pair("localhost", ""));
    assert_eq!(shown("/e"), pair("one.test", "443"));
    assert_eq!(shown("/f"), pair("$host", "443"));
    assert_eq!(shown("/g"), pair("one.test:443", "443"));
    assert_eq!((site.peers("/a"), site.peers("/b")), ("192.0.2.1:443".into(), "192.0.2.1:444".into()));
    assert_eq!(site.peers("/c"), "127.0.0.1:80", "as in nginx: the group says the port, or it is 80");
}

#[test]
fn a_location_says_by_which_name_its_origin_server_is_known() {
    let site = site(
        "server {
             location /a { proxy_pass https://one.test; }
             location /b { proxy_pass https://one.test; proxy_ssl_name b.example:1; }
             location /c { proxy_pass https://one.test; proxy_ssl_name $host; }
             location /d { proxy_pass $scheme://one.test; }
             location /e { proxy_pass $uri; }
             location /f { proxy_pass http://$host; }
             location /g { proxy_pass http://one.test; }
         }",
    );
    let name = |path: &str| site.proxy(path).tls.as_ref().map(|tls| format!("{:?}", tls.name));
    assert_eq!(name("/a").as_deref(), Some("OfUrl"));
    assert!(name("/b").is_some_and(|name| name.contains("\"b.example\"")), "{:?}", name("/b"));
    assert!(name("/c").is_some_and(|name| name.starts_with("Template")), "{:?}", name("/c"));
    for may in ["/d", "/e"] {
        assert_eq!(name(may).as_deref(), Some("OfUrl"), "a URL that may come to https");
    }
    for plain in ["/f", "/g"] {
        assert_eq!(name(plain), None);
    }
}

#[test]
fn equal_settings_are_there_once() {
    let loaded = loaded(
        "server {
             location /a { proxy_pass https://127.0.0.1; }
             location /b { proxy_pass https://127.0.0.2; proxy_ssl_verify off; }
             location /c {
                 proxy_pass https://127.0.0.1; proxy_ssl_verify on; proxy_ssl_trusted_certificate ca.pem;
                 proxy_ssl_verify_depth 2; proxy_ssl_crl crl.pem; proxy_ssl_protocols TLSv1.2;
                 proxy_ssl_certificate a.pem; proxy_ssl_certificate_key a.key; proxy_ssl_ciphers HIGH;
                 proxy_ssl_session_reuse off; proxy_ssl_server_name on;
             }
             location /d { proxy_pass http://127.0.0.1; proxy_ssl_verify on; }
         }",
    );
    let [plain, strict] = loaded.upstream_tls.as_slice() else { panic!("two: {:?}", loaded.upstream_tls) };
    let UpstreamTls { versions, ciphers, verify, trusted, depth, crl, credential, session_reuse, send_name } =
        plain;
    assert_eq!((*versions, *verify, *depth), (TlsVersions::Both, false, 1));
    assert!(ciphers.is_none() && trusted.is_none() && crl.is_none() && credential.is_none());
    assert!(*session_reuse && !send_name);
    assert_eq!((strict.versions, strict.verify, strict.depth), (TlsVersions::Tls12, true, 2));
    assert!(!strict.session_reuse && strict.send_name && strict.crl.is_some());
    let credential = strict.credential.as_ref().expect("a certificate");
    assert_eq!(credential.key.path, Path::new("/etc/a.key"));
    assert_eq!(
        strict.trusted.as_ref().map(|file| file.path.display().to_string()).as_deref(),
        Some("/etc/ca.pem")
    );
}
