//! Chains of certificates: how long they may be, and what is said of them.

mod common;

use std::time::{Duration, SystemTime};

use common::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, SerialNumber, date_time_ymd,
};
use underpass_tls::{
    Certificate, ClientCertificate, ClientOptions, ClientTrust, Credential, Protocols, ServerOptions,
    TlsError, Trust,
};

/// An authority, so many more between, and a certificate of the last of them, with its key.
struct Chain {
    root: String,
    between: Vec<String>,
    leaf: String,
    key: String,
}

impl Chain {
    fn new(between: usize) -> Self {
        let authority = |name: String| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params
        };
        let key = || KeyPair::generate().expect("a key");
        let root = CertifiedIssuer::self_signed(authority("root".to_owned()), key()).expect("an authority");
        let mut pem = vec![root.pem()];
        let mut last = root;
        for number in 0..between {
            let params = authority(format!("authority {number}"));
            last = CertifiedIssuer::signed_by(params, key(), &last).expect("an authority");
            pem.push(last.pem());
        }
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, "leaf");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2120, 1, 1);
        let leaf_key = key();
        let leaf = params.signed_by(&leaf_key, &last).expect("a certificate").pem();
        let mut pem = pem.into_iter();
        let root = pem.next().expect("an authority");
        Self { root, between: pem.rev().collect(), leaf, key: leaf_key.serialize_pem() }
    }

    fn credential(&self) -> Credential {
        let chain = format!("{}{}", self.leaf, self.between.concat());
        Credential::from_pem(chain.as_bytes(), self.key.as_bytes()).expect("an credential")
    }

    fn trust(&self, depth: Option<usize>) -> Trust {
        let trust = Trust::from_pem(self.root.as_bytes()).expect("an authority");
        match depth {
            Some(depth) => trust.with_depth(depth),
            None => trust,
        }
    }
}

#[test]
fn a_chain_is_as_long_as_the_depth_lets_it() {
    for (between, depth, fits) in [
        (0, Some(0), true),
        (1, Some(0), false),
        (1, Some(1), true),
        (2, Some(1), false),
        (2, Some(2), true),
        (6, Some(100), true),
        (7, Some(100), false),
        (6, None, true),
    ] {
        let chain = Chain::new(between);
        let server_options = ServerOptions {
            credentials: vec![chain.credential()],
            verify: ClientTrust::On(chain.trust(depth)),
            ..ServerOptions::default()
        };
        let lazy = ClientOptions {
            trust: None,
            credential: Some(chain.credential()),
            ..client_options(Protocols::Both)
        };
        let (mut client, mut server) = (
            client(&lazy.settings().expect("settings")),
            server(&server_options.settings().expect("settings")),
        );
        shake(&mut client, &mut server);
        let judged = server.client_certificate();
        assert_eq!(judged == ClientCertificate::Verified, fits, "{between} {depth:?}: {judged}");
        if !fits && between < 7 {
            assert!(judged.to_string().contains("certificate chain too long"), "{judged}");
        }
        let strict = ClientOptions { trust: Some(chain.trust(depth)), ..lazy };
        let mut client = self::client(&strict.settings().expect("settings"));
        let mut server = self::server(&server_options.settings().expect("settings"));
        let shaken = try_shake(&mut client, &mut server);
        assert_eq!(shaken.is_ok(), fits, "{between} {depth:?}: {shaken:?}");
        if let Err((who, error)) = shaken {
            assert!(who == "client" && matches!(error, TlsError::Certificate(_)), "{error:?}");
        }
    }
}

/// A shorter way that the peer sends, too, is one: what else it sends is nobody's business.
#[test]
fn certificates_that_no_way_needs_don_t_count() {
    let (chain, other) = (Chain::new(1), Chain::new(2));
    let sent = format!("{}{}{}", chain.leaf, other.between.concat(), chain.between.concat());
    let credential = Credential::from_pem(sent.as_bytes(), chain.key.as_bytes()).expect("an credential");
    let verify = ClientTrust::On(chain.trust(Some(1)));
    let server_options = ServerOptions { verify, ..server_options(Protocols::Both) };
    let client_options = ClientOptions { credential: Some(credential), ..client_options(Protocols::Both) };
    let (mut client, mut server) = (
        client(&client_options.settings().expect("settings")),
        server(&server_options.settings().expect("settings")),
    );
    shake(&mut client, &mut server);
    assert_eq!(server.client_certificate(), ClientCertificate::Verified);
}

#[test]
fn authorities_of_two_files_are_believed() {
    let (one, other) = (Chain::new(0), Chain::new(0));
    let both = one.trust(None).and(&other.trust(None));
    for chain in [&one, &other] {
        let options = ClientOptions { trust: Some(both.clone()), ..client_options(Protocols::Both) };
        let server_options =
            ServerOptions { credentials: vec![chain.credential()], ..ServerOptions::default() };
        let (mut client, mut server) = (
            client(&options.settings().expect("settings")),
            server(&server_options.settings().expect("settings")),
        );
        shake(&mut client, &mut server);
    }
    // A store of the system has old ones, and some that are none.
    let der = Credential::from_pem(OWN.0, OWN.1)
        .expect("an credential")
        .certificates()
        .next()
        .expect("one")
        .to_vec();
    Trust::from_system([b"nothing".to_vec(), der]).expect("one of the two");
    Trust::from_system([b"nothing".to_vec()]).expect_err("none");
}

#[test]
fn a_certificate_says_whose_it_is_and_until_when() {
    let chain = Chain::new(1);
    let read = |pem: &str| Certificate::all_from_pem(pem.as_bytes()).pop().expect("a certificate");
    let (leaf, between, root) = (read(&chain.leaf), read(&chain.between[0]), read(&chain.root));
    assert_eq!((leaf.subject(), leaf.issuer()), ("CN=leaf".to_owned(), "CN=authority 0".to_owned()));
    assert!(leaf.names_as_issuer(&between) && between.names_as_issuer(&root) && root.names_as_issuer(&root));
    assert!(!leaf.names_as_issuer(&root));
    assert!(!leaf.tells_where_its_issuer_is());
    assert_eq!(leaf.host_names(), [NAME]);
    assert_eq!(root.host_names(), [""; 0]);
    // 2020-01-01 and 2120-01-01.
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    assert_eq!((leaf.valid_from(), leaf.valid_until()), (at(1_577_836_800), at(4_733_510_400)));
    assert!(Certificate::from_der(b"no certificate").is_none());
    assert_eq!(Certificate::all_from_pem(b"no PEM").len(), 0);
}

/// As OpenSSL has it: who keeps a list has to bring a new one in time.
#[test]
fn a_list_of_revoked_certificates_whose_time_is_over_is_not_believed() {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "root");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root =
        CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("an authority");
    let mut params = CertificateParams::new(vec![NAME.to_owned()]).expect("a name");
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().expect("a key");
    let leaf = params.signed_by(&key, &root).expect("a certificate").pem();
    let credential =
        || Credential::from_pem(leaf.as_bytes(), key.serialize_pem().as_bytes()).expect("a pair");
    for (until, is_believed) in [(2100, true), (2021, false)] {
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&root).expect("a list").pem().expect("text");
        let trust = Trust::from_pem(root.pem().as_bytes()).expect("an authority");
        let trust = trust.with_crls(list.as_bytes()).expect("a list");
        let server_options = ServerOptions {
            credentials: vec![credential()],
            verify: ClientTrust::On(trust.clone()),
            ..ServerOptions::default()
        };
        let settings = server_options.settings().expect("settings");
        let with = |trust| {
            let options =
                ClientOptions { trust, credential: Some(credential()), ..client_options(Protocols::Both) };
            client(&options.settings().expect("settings"))
        };
        // A server of its client.
        let (mut lazy, mut judge) = (with(None), server(&settings));
        shake(&mut lazy, &mut judge);
        let judged = judge.client_certificate();
        assert_eq!(judged == ClientCertificate::Verified, is_believed, "{until}: {judged}");
        // A client of its server.
        let shaken = try_shake(&mut with(Some(trust)), &mut server(&settings));
        assert_eq!(shaken.is_ok(), is_believed, "{until}: {shaken:?}");
    }
}
