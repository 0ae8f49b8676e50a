//! Configuration: certificates, names, versions, sessions, who is verified.

mod common;

use std::{sync::Arc, thread, time::Duration};

use common::*;
use underpass_tls::{
    ClientCertificate, ClientOptions, ClientTrust, Credential, CredentialError, Hello, Protocols,
    ServerOptions, Sessions, SettingsError, TicketKey, Tickets, Tls, TlsError, Trust, TrustError, ciphers,
    groups,
};

const BOTH: [Protocols; 2] = [Protocols::Tls12, Protocols::Tls13];

/// A pair of these; both ends after the handshake.
fn connect(server_options: &ServerOptions, client_options: &ClientOptions) -> (Tls, Tls) {
    let (server_settings, client_settings) =
        (server_options.settings().expect("settings"), client_options.settings().expect("settings"));
    let (mut client, mut server) = (client(&client_settings), server(&server_settings));
    shake(&mut client, &mut server);
    (client, server)
}

fn refused(
    server_options: &ServerOptions,
    client_options: &ClientOptions,
    name: &str,
) -> (&'static str, TlsError) {
    let mut client = Tls::client(&client_options.settings().expect("settings"), name).expect("a client");
    let mut server = server(&server_options.settings().expect("settings"));
    try_shake(&mut client, &mut server).expect_err("a failed handshake")
}

#[test]
fn facts_are_spelled_as_openssl_does() {
    let alpn = vec![b"http/1.1".to_vec()];
    for (protocols, name, version, cipher) in [
        (Protocols::Tls12, ECDSA, "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"),
        (Protocols::Tls12, RSA, "TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256"),
        (Protocols::Tls13, ED25519, "TLSv1.3", "TLS_AES_128_GCM_SHA256"),
    ] {
        let groups = vec!["prime256v1".to_owned()];
        let server_options = ServerOptions {
            credentials: vec![credential(name)],
            alpn: alpn.clone(),
            groups,
            ciphers: vec![cipher.into()],
            ..server_options(protocols)
        };
        let (client, server) =
            connect(&server_options, &ClientOptions { alpn: alpn.clone(), ..client_options(protocols) });
        for facts in [client.facts().expect("facts"), server.facts().expect("facts")] {
            assert_eq!((facts.protocol, facts.cipher, facts.group), (version, cipher, Some("prime256v1")));
            assert_eq!((facts.resumed, facts.alpn), (false, Some(&b"http/1.1"[..])));
        }
        assert_eq!(server.facts().expect("facts").server_name, Some(NAME));
        assert_eq!(
            client.facts().expect("facts").peer_certificates().next(),
            credential(name).certificates().next()
        );
        assert_eq!(server.facts().expect("facts").peer_certificates().count(), 0);
    }
}

/// In full and resumed, and only where somebody wants to know.
#[test]
fn the_ciphers_that_a_client_offers_are_told_where_they_are_kept() {
    for protocols in BOTH {
        let client_options = ClientOptions {
            ciphers: vec!["ECDHE-ECDSA-AES256-GCM-SHA384".into(), "TLS_AES_256_GCM_SHA384".into()],
            sessions: 4,
            ..client_options(protocols)
        }
        .settings()
        .expect("settings");
        // What it doesn't speak itself it offers nevertheless; in TLS 1.2 with one that stands for an extension (RFC 5746 §3.3).
        let mut expected = "ECDHE-ECDSA-AES256-GCM-SHA384:TLS_AES_256_GCM_SHA384".to_owned();
        if protocols == Protocols::Tls12 {
            expected.push_str(":TLS_EMPTY_RENEGOTIATION_INFO_SCSV");
        }
        for keep_offered_ciphers in [false, true] {
            let options = ServerOptions {
                keep_offered_ciphers,
                tickets: Tickets::random(300).expect("random bytes"),
                ..server_options(protocols)
            };
            let settings = options.settings().expect("settings");
            for _resumed in [false, true] {
                let (mut client, mut server) = (client(&client_options), server(&settings));
                shake(&mut client, &mut server);
                let told = server.facts().expect("facts").offered_ciphers.map(str::to_owned);
                assert_eq!(told, keep_offered_ciphers.then(|| expected.clone()));
                assert_eq!(client.facts().expect("facts").offered_ciphers, None);
            }
        }
    }
}

/// RFC 7301 §3.2: who offers protocols, and none of ours, is refused. Who offers none gets on.
#[test]
fn a_client_that_speaks_nothing_of_ours_is_refused() {
    for protocols in BOTH {
        let ours = vec![b"http/1.1".to_vec(), b"http/1.0".to_vec()];
        let server_options = ServerOptions { alpn: ours, ..server_options(protocols) };
        let offering = |names: &[&str]| {
            let alpn = names.iter().map(|name| name.as_bytes().to_vec()).collect();
            ClientOptions { alpn, ..client_options(protocols) }
        };
        for (names, agreed) in [(&[][..], None), (&["h2", "http/1.1"][..], Some(&b"http/1.1"[..]))] {
            let (client, _) = connect(&server_options, &offering(names));
            assert_eq!(client.facts().expect("facts").alpn, agreed);
        }
        let (who, error) = refused(&server_options, &offering(&["h2"]), NAME);
        assert_eq!(who, "server");
        assert!(matches!(error, TlsError::Incompatible(_)), "{error}");
        let settings = offering(&["h2"]).settings().expect("settings");
        let (mut client, mut server) =
            (client(&settings), server(&server_options.settings().expect("settings")));
        let (mut hello, mut answer) = (Vec::new(), Vec::new());
        client.feed(&mut [], &mut [], &mut hello).map(drop).expect("first words");
        server.feed(&mut hello, &mut [], &mut answer).map(drop).expect_err("nothing in common");
        assert_eq!(answer, [21, 3, 3, 0, 2, 2, 120], "no_application_protocol");
    }
}

#[test]
fn a_client_gets_the_certificate_that_it_can_check() {
    let server_options = ServerOptions {
        credentials: vec![credential(RSA), credential(ECDSA)],
        ..server_options(Protocols::Both)
    };
    let (client, _) = connect(&server_options, &client_options(Protocols::Both));
    assert_eq!(
        client.facts().expect("facts").peer_certificates().next(),
        credential(ECDSA).certificates().next()
    );
}

#[test]
fn settings_are_chosen_by_name() {
    let (one, other) = (server_settings(Protocols::Tls12), server_settings(Protocols::Tls13));
    let choose = Arc::new(move |hello: &Hello<'_>| match hello.server_name() {
        Some(NAME) => Some(other.clone()),
        Some(_) => None,
        None => Some(one.clone()),
    });
    for (send_name, name, version) in
        [(true, NAME, Some("TLSv1.3")), (false, NAME, Some("TLSv1.2")), (true, "a.example", None)]
    {
        let options = ClientOptions { send_name, trust: None, ..ClientOptions::default() };
        let mut client = Tls::client(&options.settings().expect("settings"), name).expect("a client");
        let mut server = Tls::server(choose.clone());
        let shaken = try_shake(&mut client, &mut server);
        assert_eq!(server.facts().map(|facts| facts.protocol), version);
        assert_eq!(shaken.is_err(), version.is_none());
    }
}

#[test]
fn of_two_certificates_for_a_kind_of_key_the_last_counts() {
    for order in [[ECDSA, RSA, OWN], [OWN, RSA, ECDSA]] {
        let credentials = order.map(credential).to_vec();
        let options = ServerOptions { credentials, ..server_options(Protocols::Both) };
        let anybody = ClientOptions { trust: None, ..client_options(Protocols::Both) };
        let mut client = client(&anybody.settings().expect("settings"));
        shake(&mut client, &mut server(&options.settings().expect("settings")));
        let shown = credential(order[2]);
        let facts = client.facts().expect("facts");
        assert_eq!(facts.peer_certificates().next(), shown.certificates().next());
    }
}

/// RFC 6960 §4.2.1: a sequence that begins with the status, an enumeration.
#[test]
fn what_is_stapled_is_a_response() {
    let with = |response: &[u8]| credential(ECDSA).with_ocsp(response.to_vec());
    assert!(with(&[0x30, 5, 0x0a, 1, 0, 0xa0, 0]).is_ok());
    for bad in [
        &[][..],
        CA,
        &[0x30, 3, 0x0a, 1, 6],
        &[0x31, 3, 0x0a, 1, 0],
        &[0x30, 9, 0x0a, 1, 0],
        &[0x30, 2, 0x0a, 1, 0],
    ] {
        let error = with(bad).expect_err("no response");
        assert_eq!(error, CredentialError::OcspResponse, "{bad:?}");
        assert_eq!(error.to_string(), "file holds no successful OCSP response in DER");
    }
}

#[test]
fn a_credential_says_what_is_wrong_with_it() {
    let wrong = |chain: &[u8], key: &[u8]| Credential::from_pem(chain, key).expect_err("no credential");
    assert_eq!(wrong(b"", ECDSA.1), CredentialError::NoCertificate);
    assert_eq!(wrong(ECDSA.1, ECDSA.1), CredentialError::NoCertificate);
    assert_eq!(wrong(ECDSA.0, b""), CredentialError::NoKey);
    assert_eq!(wrong(ECDSA.0, ECDSA.0), CredentialError::NoKey);
    assert_eq!(wrong(ECDSA.0, CLIENT.1), CredentialError::Mismatch);
    assert_eq!(wrong(ECDSA.0, RSA.1), CredentialError::OtherKind { certificate: "ECDSA P-256", key: "RSA" });
    assert_eq!(wrong(RSA.0, ED25519.1), CredentialError::OtherKind { certificate: "RSA", key: "Ed25519" });
    let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    assert_eq!(wrong(ECDSA.0, encrypted), CredentialError::EncryptedKey);
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(wrong(broken, ECDSA.1), CredentialError::Certificate(_)));
    assert!(matches!(
        wrong(&ECDSA.0[..100], ECDSA.1),
        CredentialError::CertificatePem(_) | CredentialError::NoCertificate
    ));
    let broken = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert!(matches!(wrong(ECDSA.0, broken), CredentialError::Key(_)));
    assert_eq!(wrong(ECDSA.0, CLIENT.1).to_string(), "key doesn't fit its certificate");
    // Both in one file, in any order.
    let both = [ECDSA.1, ECDSA.0].concat();
    assert_eq!(Credential::from_pem(&both, &both).expect("a credential").certificates().count(), 1);
}

#[test]
fn options_say_what_is_unknown() {
    let options = server_options(Protocols::Both);
    let wrong = |options: ServerOptions| options.settings().expect_err("no settings");
    assert_eq!(wrong(ServerOptions::default()), SettingsError::NoCredential);
    let unknown = ServerOptions { ciphers: vec!["RC4-MD5".into()], ..options.clone() };
    assert_eq!(wrong(unknown), SettingsError::UnknownCipher("RC4-MD5".into()));
    let unknown = ServerOptions { groups: vec!["sect163k1".into()], ..options.clone() };
    assert_eq!(wrong(unknown), SettingsError::UnknownGroup("sect163k1".into()));
    let none = ServerOptions {
        ciphers: vec!["TLS_AES_128_GCM_SHA256".into()],
        protocols: Protocols::Tls12,
        ..options.clone()
    };
    assert!(matches!(wrong(none), SettingsError::Other(_)));
    let small = ServerOptions { record_size: Some(31), ..options };
    assert!(matches!(wrong(small), SettingsError::Other(_)));
    assert!(ciphers().any(|name| name == "ECDHE-RSA-CHACHA20-POLY1305"));
    assert!(groups().any(|name| name == "X25519"));
    assert_eq!(Trust::from_pem(b"").expect_err("none"), TrustError::NoCertificate);
    assert_eq!(trust().with_crls(CA).expect_err("none"), TrustError::NoList);
}

#[test]
fn a_server_is_verified_or_not() {
    let server_options = server_options(Protocols::Both);
    let verifying = client_options(Protocols::Both);
    let (who, error) = refused(&server_options, &verifying, "another.example");
    assert!(who == "client" && matches!(error, TlsError::Certificate(_)), "{error:?}");
    assert!(error.to_string().contains("certificate verify failed"));
    let stranger =
        ClientOptions { trust: Some(Trust::from_pem(RSA.0).expect("a certificate")), ..verifying.clone() };
    assert!(matches!(refused(&server_options, &stranger, NAME), ("client", TlsError::Certificate(_))));
    assert!(Tls::client(&verifying.settings().expect("settings"), "no name of DNS!").is_err());
    let lazy = ClientOptions { trust: None, send_name: false, ..verifying }.settings().expect("settings");
    for name in ["another.example", "no_name of DNS!", "", "192.0.2.1", "[2001:db8::1]", "2001:db8::1"] {
        let mut client = Tls::client(&lazy, name).expect("a client");
        let mut server = server(&server_options.settings().expect("settings"));
        shake(&mut client, &mut server);
        assert_eq!(server.facts().expect("facts").server_name, None);
    }
}

/// A trusted file may be the server's own certificate: signed by itself, even as an authority, or by another. Its name and its
/// time count all the same.
#[test]
fn a_trusted_file_may_be_the_leaf_itself() {
    for protocols in BOTH {
        for leaf in [OWN, ECDSA, RSA] {
            let server_options =
                ServerOptions { credentials: vec![credential(leaf)], ..server_options(protocols) };
            let trust = |file: &[u8]| Some(Trust::from_pem(file).expect("a certificate"));
            let client_options = ClientOptions { trust: trust(leaf.0), ..client_options(protocols) };
            connect(&server_options, &client_options);
            let (_, error) = refused(&server_options, &client_options, "another.example");
            assert!(matches!(error, TlsError::Certificate(_)), "{error:?}");
            // Another one with the same name is a stranger; so is this one where lists have to speak for it.
            let other = if leaf == ECDSA { RSA } else { ECDSA };
            let stranger = ClientOptions { trust: trust(other.0), ..client_options.clone() };
            assert!(matches!(
                refused(&server_options, &stranger, NAME),
                ("client", TlsError::Certificate(_))
            ));
            let listed = client_options.trust.clone().map(|trust| trust.with_crls(REVOKED).expect("a list"));
            let listed = ClientOptions { trust: listed, ..client_options };
            assert!(matches!(refused(&server_options, &listed, NAME), ("client", TlsError::Certificate(_))));
        }
        let server_options =
            ServerOptions { credentials: vec![credential(EXPIRED)], ..server_options(protocols) };
        let trust = Some(Trust::from_pem(EXPIRED.0).expect("a certificate"));
        let (_, error) =
            refused(&server_options, &ClientOptions { trust, ..client_options(protocols) }, NAME);
        assert!(error.to_string().contains("expired"), "{error}");
    }
}

#[test]
fn a_client_is_asked_as_the_mode_says() {
    let revoked = trust().with_crls(REVOKED).expect("a list");
    let stranger = Trust::from_pem(RSA.0).expect("a certificate");
    for protocols in BOTH {
        let judged = |verify: ClientTrust, sends: Option<(&[u8], &[u8])>| {
            let server_options = ServerOptions { verify, ..server_options(protocols) };
            let (mut client, mut server) = connect(
                &server_options,
                &ClientOptions { credential: sends.map(credential), ..client_options(protocols) },
            );
            assert_eq!(opened(&mut server, &mut sealed(&mut client, b"a request")), b"a request");
            server.client_certificate()
        };
        assert_eq!(judged(ClientTrust::Off, Some(CLIENT)), ClientCertificate::None);
        for ask in [ClientTrust::On, ClientTrust::Optional, |trust| ClientTrust::OptionalNoCa(Some(trust))] {
            assert_eq!(judged(ask(trust()), None), ClientCertificate::None);
            assert_eq!(judged(ask(trust()), Some(CLIENT)), ClientCertificate::Verified);
            let refused = judged(ask(revoked.clone()), Some(CLIENT));
            assert!(matches!(refused, ClientCertificate::Refused(_)), "{refused:?}");
            assert!(refused.to_string().starts_with("FAILED:"));
            let unknown = judged(ask(stranger.clone()), Some(CLIENT));
            assert!(matches!(unknown, ClientCertificate::UnknownIssuer(_)), "{unknown:?}");
            assert!(unknown.to_string().starts_with("FAILED:"));
            // It has expired as well.
            assert!(matches!(judged(ask(trust()), Some(EXPIRED)), ClientCertificate::Refused(_)));
            // A server's certificate is none for a client.
            assert!(matches!(judged(ask(trust()), Some(ECDSA)), ClientCertificate::Refused(_)));
        }
        // Nobody is known: the rest is looked at all the same.
        let anybody = |sends| judged(ClientTrust::OptionalNoCa(None), sends);
        assert_eq!(anybody(None), ClientCertificate::None);
        for unknown in [CLIENT, OWN] {
            assert!(matches!(anybody(Some(unknown)), ClientCertificate::UnknownIssuer(_)));
        }
        for wrong in [EXPIRED, ECDSA] {
            assert!(matches!(anybody(Some(wrong)), ClientCertificate::Refused(_)));
        }
    }
}

/// Sessions are resumed by tickets, or by what the server keeps, and not where there is neither.
#[test]
fn sessions_are_resumed() {
    for protocols in BOTH {
        let options = server_options(protocols);
        let key = || vec![TicketKey::from_bytes(&[7; 80]).expect("80 bytes")];
        for (tickets, sessions, resumes) in [
            (Tickets::off(), 0, false),
            (Tickets::off(), 10, true),
            (Tickets::random(300).expect("random bytes"), 0, true),
            (Tickets::with_keys(key(), 300), 0, true),
        ] {
            let settings = ServerOptions {
                tickets,
                sessions: Sessions::kept(sessions, Duration::from_secs(300)),
                ..options.clone()
            }
            .settings()
            .expect("settings");
            let client_settings =
                ClientOptions { sessions: 10, ..client_options(protocols) }.settings().expect("settings");
            for round in 0..3 {
                let (mut client, mut server) = (client(&client_settings), server(&settings));
                shake(&mut client, &mut server);
                for tls in [&client, &server] {
                    let facts = tls.facts().expect("facts");
                    assert_eq!(facts.resumed, resumes && round > 0, "{protocols:?} {sessions} {round}");
                }
            }
        }
        // One machine's ticket is another's, if they have the key; not if they don't.
        let with = |byte: u8| {
            let tickets =
                Tickets::with_keys(vec![TicketKey::from_bytes(&[byte; 48]).expect("48 bytes")], 300);
            ServerOptions { tickets, ..options.clone() }.settings().expect("settings")
        };
        let client_settings =
            ClientOptions { sessions: 10, ..client_options(protocols) }.settings().expect("settings");
        for (settings, resumed) in [(with(1), false), (with(1), true), (with(2), false)] {
            let (mut client, mut server) = (client(&client_settings), server(&settings));
            shake(&mut client, &mut server);
            assert_eq!(server.facts().expect("facts").resumed, resumed);
        }
    }
}

/// A resumed session has the client's certificate, and it is judged anew.
#[test]
fn a_resumed_client_is_judged_again() {
    for protocols in BOTH {
        let key = TicketKey::from_bytes(&[3; 48]).expect("48 bytes");
        let with = |trust: Trust| {
            let tickets = Tickets::with_keys(vec![key.clone()], 300);
            let verify = ClientTrust::On(trust);
            ServerOptions { tickets, verify, ..server_options(protocols) }.settings().expect("settings")
        };
        let credential = Some(credential(CLIENT));
        let client_settings = ClientOptions { sessions: 10, credential, ..client_options(protocols) }
            .settings()
            .expect("settings");
        let revoking = with(trust().with_crls(REVOKED).expect("a list"));
        for (number, settings) in [with(trust()), with(trust()), revoking].iter().enumerate() {
            let (mut client, mut server) = (client(&client_settings), server(settings));
            shake(&mut client, &mut server);
            assert_eq!(server.facts().expect("facts").resumed, number > 0);
            let judged = server.client_certificate();
            assert_eq!(judged == ClientCertificate::Verified, number < 2, "{judged:?}");
        }
    }
}

/// Settings and connections go from thread to thread.
#[test]
fn everything_is_send() {
    let settings = (server_settings(Protocols::Both), client_settings(Protocols::Both));
    let (mut client, mut server) = pair(Protocols::Both);
    let moved = thread::spawn(move || {
        let (_one, _other) = (self::server(&settings.0), self::client(&settings.1));
        opened(&mut server, &mut sealed(&mut client, b"elsewhere"))
    });
    assert_eq!(moved.join().expect("no panic"), b"elsewhere");
}
