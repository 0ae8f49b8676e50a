//! Beside an independent driver of the same library: its own buffered connections.

mod common;

use std::{
    io::{Read, Write},
    sync::Arc,
};

use common::*;
use rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::{TLS12, TLS13},
};
use underpass_tls::{End, Protocols, Tls, TlsError};

static TLS12_ONLY: [&SupportedProtocolVersion; 1] = [&TLS12];
static TLS13_ONLY: [&SupportedProtocolVersion; 1] = [&TLS13];

const BOTH: [(Protocols, &[&SupportedProtocolVersion]); 2] =
    [(Protocols::Tls12, &TLS12_ONLY), (Protocols::Tls13, &TLS13_ONLY)];

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    #[cfg(feature = "ring")]
    return Arc::new(rustls::crypto::ring::default_provider());
    #[cfg(all(feature = "aws-lc-rs", not(feature = "ring")))]
    return Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    #[cfg(all(feature = "graviola", not(any(feature = "ring", feature = "aws-lc-rs"))))]
    return Arc::new(rustls_graviola::default_provider());
}

fn their_client(versions: &[&'static SupportedProtocolVersion]) -> Connection {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(CA).expect("a certificate")).expect("an authority");
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), NAME.try_into().expect("a name")).expect("a client").into()
}

fn their_server(versions: &[&'static SupportedProtocolVersion]) -> Connection {
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(ECDSA.0).expect("a certificate")],
            PrivateKeyDer::from_pem_slice(ECDSA.1).expect("a key"),
        )
        .expect("a fitting key");
    ServerConnection::new(Arc::new(config)).expect("a server").into()
}

/// What they want to send.
fn take(theirs: &mut Connection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while theirs.wants_write() {
        theirs.write_tls(&mut bytes).expect("memory");
    }
    bytes
}

/// Gives them bytes, and says what they open.
fn give(theirs: &mut Connection, mut bytes: &[u8]) -> Result<Vec<u8>, rustls::Error> {
    let mut plain = Vec::new();
    while !bytes.is_empty() {
        theirs.read_tls(&mut bytes).expect("memory");
        theirs.process_new_packets()?;
        let mut space = [0; 20_000];
        while let Ok(1..) =
            theirs.reader().read(&mut space).inspect(|&read| plain.extend_from_slice(&space[..read]))
        {
        }
    }
    Ok(plain)
}

fn exchange(ours: &mut Tls, theirs: &mut Connection) {
    let mut send = Vec::new();
    feed_all(ours, &mut [], 1, &mut send).expect("a beginning");
    for _ in 0..4 {
        give(theirs, &std::mem::take(&mut send)).expect("good bytes");
        feed_all(ours, &mut take(theirs), 1000, &mut send).expect("good bytes");
    }
    assert!(!ours.is_handshaking() && !theirs.is_handshaking());
}

/// Each role of ours with theirs, in each version.
fn pairs(test: impl Fn(Tls, Connection, Protocols)) {
    for (protocols, versions) in BOTH {
        let (mut ours, mut theirs) = (client(&client_settings(protocols)), their_server(versions));
        exchange(&mut ours, &mut theirs);
        test(ours, theirs, protocols);
        let (mut ours, mut theirs) = (server(&server_settings(protocols)), their_client(versions));
        exchange(&mut ours, &mut theirs);
        test(ours, theirs, protocols);
    }
}

#[test]
fn each_opens_what_the_other_sealed() {
    pairs(|mut ours, mut theirs, _| {
        for length in [1, 16_384, 16_385, 30_000] {
            let data = vec![5; length];
            assert_eq!(give(&mut theirs, &sealed(&mut ours, &data)), Ok(data.clone()));
            theirs.writer().write_all(&data).expect("room");
            assert_eq!(opened(&mut ours, &mut take(&mut theirs)), data);
        }
        theirs.send_close_notify();
        assert_eq!(opened(&mut ours, &mut take(&mut theirs)), b"");
        assert_eq!(ours.end(), End::Notified);
        let mut end = Vec::new();
        ours.close(&mut end).expect("an open connection");
        give(&mut theirs, &end).expect("an end");
        assert_eq!(theirs.reader().read(&mut [0]).expect("an end in order"), 0);
    });
}

/// Each asks for new keys, in between of data. TLS 1.3 alone has it.
#[test]
fn keys_change_while_data_flows() {
    pairs(|mut ours, mut theirs, protocols| {
        if protocols == Protocols::Tls12 {
            return;
        }
        for _ in 0..100 {
            theirs.refresh_traffic_keys().expect("an open connection");
            theirs.writer().write_all(b"under new keys").expect("room");
            let mut send = Vec::new();
            assert_eq!(
                feed_all(&mut ours, &mut take(&mut theirs), 100, &mut send),
                Ok(b"under new keys".to_vec())
            );
            // The answer goes before what is sealed next.
            ours.seal(b"under new keys, too", &mut send).expect("an open connection");
            assert_eq!(give(&mut theirs, &send), Ok(b"under new keys, too".to_vec()));
        }
    });
}

/// Whoever does nothing but change keys is stopped: after 32 without data (the library's bound).
#[test]
fn key_updates_without_end_fail_the_connection() {
    pairs(|mut ours, mut theirs, protocols| {
        if protocols == Protocols::Tls12 {
            return;
        }
        let mut send = Vec::new();
        for update in 0.. {
            theirs.refresh_traffic_keys().expect("an open connection");
            let fed = feed_all(&mut ours, &mut take(&mut theirs), 100, &mut send);
            assert_eq!(ours.waiting(), 0);
            if update < 32 {
                assert_eq!(fed, Ok(Vec::new()), "{update}");
                continue;
            }
            assert!(matches!(fed, Err(TlsError::Protocol(_))), "{fed:?}");
            assert!(send.len() < 200, "one answer waits, and not one for each: {}", send.len());
            break;
        }
    });
}
