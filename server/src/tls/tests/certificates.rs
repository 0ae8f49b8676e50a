//! What is told of certificates that can be used all the same.

use rcgen::{CustomExtension, date_time_ymd};

use super::*;

#[test]
fn odd_certificates_are_told_of() {
    let files = Files::new();
    files.pair_with("old", "a.example", |params| params.not_after = date_time_ymd(2021, 1, 1));
    files.pair_with("new", "a.example", |params| params.not_before = date_time_ymd(2100, 1, 1));
    files.pair("a", "a.example");
    files.pair("b", "b.example");
    let read = |name: &str| fs::read_to_string(files.path(name)).expect("it is there");
    files.write("mixed.pem", read("a.pem") + &read("b.pem") + &read("ca.pem"));
    files.write("mixed.key", read("a.key"));
    files.only_owner_reads("mixed");
    files.write("open.key", read("a.key"));
    files.write("open.pem", read("a.pem") + &read("ca.pem"));
    let server = |name: &str| {
        files.warnings(&format!(
            "server {{ listen 443 ssl; server_name a.example; ssl_certificate {name}.pem; ssl_certificate_key {name}.key; }}"
        ))
    };
    assert_eq!(server("a"), [""; 0]);
    assert_eq!(
        server("old"),
        ["certificate \"old.pem\" has expired: it was valid until 2021-01-01T00:00:00Z in f:2:65"]
    );
    assert_eq!(
        server("new"),
        ["certificate \"new.pem\" is not valid yet: it is from 2100-01-01T00:00:00Z on in f:2:65"]
    );
    assert_eq!(
        server("mixed"),
        [
            "certificate \"mixed.pem\" has a chain out of order: CN=b stands behind CN=a, and has not issued it in f:2:65"
        ]
    );
    assert_eq!(
        server("b"),
        ["certificate \"b.pem\" is for \"b.example\", which no \"server_name\" has in f:2:65"]
    );
    // Where everybody may go, and read.
    fs::set_permissions(files.folder.path(), fs::Permissions::from_mode(0o755)).expect("a folder of ours");
    fs::set_permissions(files.path("open.key"), fs::Permissions::from_mode(0o644)).expect("a file of ours");
    assert_eq!(
        server("open"),
        ["private key \"open.key\" can be read by everybody: \"chmod o-r\" mends that in f:2:95"]
    );
    fs::set_permissions(files.folder.path(), fs::Permissions::from_mode(0o700)).expect("a folder of ours");
    assert_eq!(server("open"), [""; 0], "nobody gets there");
}

/// A public authority says in each certificate where its own is (RFC 5280 §4.2.2.1); a private one doesn't.
#[test]
fn a_chain_of_a_public_authority_is_whole_or_told_of() {
    let files = Files::new();
    // id-ad-caIssuers, and a URI.
    let place = b"\x30\x16\x30\x14\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02\x86\x08http://a".to_vec();
    let access = CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], place);
    files.pair_with("public", "a.example", |params| params.custom_extensions.push(access));
    files.pair("private", "a.example");
    let read = |name: &str| {
        underpass_tls::Certificate::all_from_pem(&fs::read(files.path(name)).expect("it is there"))
    };
    let (public, private, authority) = (read("public.pem"), read("private.pem"), read("ca.pem"));
    let missing = |chain: &[_], known: &[_]| doubts::missing_issuer(chain, || known.to_vec());
    assert_eq!(missing(&public, &private).as_deref(), Some("CN=authority"));
    assert_eq!(missing(&public, &authority), None, "every client knows it");
    assert_eq!(missing(&public, &[]), None, "nobody can tell");
    assert_eq!(missing(&private, &public), None);
    assert_eq!(missing(&[public, authority].concat(), &private), None, "it is there");
    assert_eq!(missing(&[], &private), None);
}

#[test]
fn names_of_certificates_and_servers() {
    for (certified, served) in [
        ("a.example", "a.example"),
        ("A.example", "a.example"),
        ("*.example", "a.example"),
        ("a.b.example", "*.example"),
        ("*.example", "*.example"),
        ("example", ".example"),
        ("a.example", ".example"),
        ("www.a.example", "www.a.*"),
    ] {
        assert!(doubts::covers(certified, served), "{certified} {served}");
    }
    for (certified, served) in [
        ("a.example", "b.example"),
        ("*.example", "a.b.example"),
        ("example", "*.example"),
        ("ab.example", ".b.example"),
    ] {
        assert!(!doubts::covers(certified, served), "{certified} {served}");
    }
}
