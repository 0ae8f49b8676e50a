//! What no friendly peer sends: a clear error, the alert that fits, and a cost that is known beforehand.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use allocation_counter::measure;
use common::*;
use underpass_tls::{
    CLIENT_HELLO_MAX, ClientOptions, HANDSHAKE_MAX, Hello, Protocols, ServerOptions, Sessions, Tls, TlsError,
};

const BOTH: [Protocols; 2] = [Protocols::Tls12, Protocols::Tls13];

/// What a new server says to these bytes, fed in pieces, and what it sends.
fn judge(bytes: &[u8], piece: usize) -> (Option<TlsError>, Vec<u8>) {
    let mut server = server(&server_settings(Protocols::Both));
    let mut send = Vec::new();
    for piece in bytes.chunks(piece) {
        if let Err(error) = feed_all(&mut server, &mut piece.to_vec(), 100, &mut send) {
            assert!(!server.wants() && server.waiting() == 0);
            return (Some(error), send);
        }
    }
    (None, send)
}

fn alert(number: u8) -> Vec<u8> {
    vec![21, 3, 3, 0, 2, 2, number]
}

fn client_hello(protocols: Protocols) -> Vec<u8> {
    let mut send = Vec::new();
    feed_all(&mut client(&client_settings(protocols)), &mut [], 1, &mut send).expect("a first message");
    send
}

/// A handshake message in records of `piece` bytes each.
fn records(kind: u8, body: &[u8], piece: usize) -> Vec<u8> {
    let [_, high, middle, low] = (body.len() as u32).to_be_bytes();
    let message = [&[kind, high, middle, low], body].concat();
    let record = |piece: &[u8]| [&[22, 3, 1][..], &(piece.len() as u16).to_be_bytes(), piece].concat();
    message.chunks(piece).flat_map(record).collect()
}

#[test]
fn plain_http_is_told_apart_and_left_as_it_came() {
    for request in
        [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], b"\r\nGET /", b"PRI * HTTP/2.0", b"get / HTTP/1.0", b"x"]
    {
        let mut server = server(&server_settings(Protocols::Both));
        let (mut lent, mut send) = (request.to_vec(), Vec::new());
        assert_eq!(server.feed(&mut lent, &mut [], &mut send), Err(TlsError::PlainHttp));
        assert_eq!((&lent[..], &send[..]), (request, &b""[..]));
    }
}

#[test]
fn what_is_no_tls_gets_an_alert_at_its_first_bytes() {
    assert_eq!(judge(&[0x80, 0x2e, 1, 3, 1], 100), (Some(TlsError::OldHello), alert(70)));
    assert_eq!(judge(&[0, 1, 2, 3], 1), (Some(TlsError::NotTls), alert(70)));
    assert_eq!(judge(&[22, 2, 0, 0, 9], 1), (Some(TlsError::NotTls), alert(70)));
    assert_eq!(judge(&[22, 3, 1, 0x40, 1], 1), (Some(TlsError::RecordTooLong { length: 16_385 }), alert(22)));
    assert_eq!(judge(&alert(40), 1).1, b"", "an alert isn't answered");
    assert!(matches!(judge(&alert(40), 1).0, Some(TlsError::Alert(alert)) if alert.number() == 40));
    let (error, sent) = judge(&[23, 3, 3, 0, 2, 1, 1], 1);
    assert!(matches!(error, Some(TlsError::Protocol(_))), "{error:?}");
    assert_eq!(sent, alert(10), "unexpected_message");
}

#[test]
fn a_first_message_that_is_too_long_is_refused_before_it_is_there() {
    let bytes = records(1, &vec![0; 16_381], 4096);
    assert_eq!(judge(&bytes[..4101], 1), (Some(TlsError::ClientHelloTooLong), alert(50)));
    // Not by its length, but by the records that it comes in.
    let bytes = records(1, &vec![0; 16_000], 1);
    let cut = &bytes[..CLIENT_HELLO_MAX];
    assert_eq!(judge(cut, 1000).0, None);
    assert_eq!(judge(&bytes, 1000), (Some(TlsError::ClientHelloTooLong), alert(50)));
    assert_eq!(judge(&bytes, bytes.len()), (Some(TlsError::ClientHelloTooLong), alert(50)));
}

#[test]
fn versions_that_nobody_speaks_are_refused() {
    // SSL 3.0, TLS 1.0 and 1.1 (RFC 8996): version, random, no session, a suite, no compression, no extension.
    for minor in 0..=2 {
        let body = [&[3, minor][..], &[9; 32], &[0, 0, 2, 0xc0, 0x2b, 1, 0]].concat();
        for piece in [1, 3, 10_000] {
            assert_eq!(
                judge(&records(1, &body, piece), piece),
                (Some(TlsError::OldVersion { minor }), alert(70))
            );
        }
    }
    let mut server = server(&server_settings(Protocols::Tls13));
    let mut sent = Vec::new();
    let error = feed_all(&mut server, &mut client_hello(Protocols::Tls12), 1, &mut sent);
    assert!(matches!(error, Err(TlsError::Incompatible(_))), "{error:?}");
    assert_eq!(sent, alert(70));
}

/// Settings are asked for once, and only when the whole message is there, however it comes.
#[test]
fn a_chooser_is_asked_once() {
    let asked = Arc::new(AtomicUsize::new(0));
    let (settings, count) = (server_settings(Protocols::Both), Arc::clone(&asked));
    let choose = move |hello: &Hello<'_>| {
        count.fetch_add(1, Ordering::Relaxed);
        assert_eq!(hello.server_name(), Some(NAME));
        assert!(hello.signature_schemes().any(|scheme| scheme == 0x0403));
        assert!(hello.cipher_suites().count() > 2 && hello.groups().count() > 1 && hello.alpn().count() == 0);
        Some(settings.clone())
    };
    let hello = client_hello(Protocols::Both);
    let split = records(hello[5], &hello[9..], 20);
    for (bytes, piece) in [(&hello, 1), (&hello, 10_000), (&split, 1), (&split, 30), (&split, 10_000)] {
        let mut server = Tls::server(Arc::new(choose.clone()));
        let before = asked.load(Ordering::Relaxed);
        for piece in bytes[..bytes.len() - 1].chunks(piece) {
            feed_all(&mut server, &mut piece.to_vec(), 1, &mut Vec::new()).expect("good bytes");
        }
        assert_eq!(asked.load(Ordering::Relaxed), before);
        let mut send = Vec::new();
        feed_all(&mut server, &mut bytes[bytes.len() - 1..].to_vec(), 1, &mut send).expect("good bytes");
        assert_eq!(asked.load(Ordering::Relaxed), before + 1);
        assert!(!send.is_empty() && server.waiting() == 0);
    }
}

#[test]
fn a_name_that_nobody_serves_gets_unrecognized_name() {
    let mut server = Tls::server(Arc::new(|_: &Hello<'_>| None));
    let mut send = Vec::new();
    assert_eq!(
        feed_all(&mut server, &mut client_hello(Protocols::Both), 1, &mut send),
        Err(TlsError::Refused)
    );
    assert_eq!(send, alert(112));
}

/// The cost is counted: what is allocated while a long record comes byte by byte is a few times its length, so nothing of it is
/// gone through again with each byte.
#[test]
fn a_record_in_pieces_of_one_byte_costs_what_its_length_is() {
    for protocols in BOTH {
        let (mut client, mut server) = pair(protocols);
        let record = sealed(&mut client, &[1; 16_384]);
        let mut bytes = record.clone();
        let mut plain = vec![0; 16_384];
        let counted = measure(|| {
            let mut send = Vec::new();
            let mut opened = 0;
            for byte in bytes.chunks_mut(1) {
                opened += server.feed(byte, &mut plain, &mut send).expect("a part of a record").opened;
            }
            assert_eq!(opened, plain.len());
        });
        assert!(counted.bytes_total < 6 * record.len() as u64, "{counted:?}");
        assert!(counted.count_total < 40, "{counted:?}");
    }
}

/// The same of a first message, and of one whose records are as small as can be.
#[test]
fn a_first_message_in_pieces_of_one_byte_costs_what_its_length_is() {
    let settings = server_settings(Protocols::Both);
    for piece in [1, 16_384] {
        let mut bytes = records(1, &vec![0; 16_000], piece);
        bytes.truncate(16_000);
        let mut server = server(&settings);
        let counted = measure(|| {
            for byte in bytes.chunks_mut(1) {
                let fed = server.feed(byte, &mut [], &mut Vec::new()).expect("a part of a message");
                assert_eq!(fed.consumed, 1);
            }
        });
        assert!(counted.bytes_total < 6 * 16_000 && counted.count_total < 20, "{counted:?}");
    }
}

/// Likewise for many small records, each of which is one call into the library: so many blocks each, whatever is lent.
#[test]
fn small_records_cost_the_same_each_however_many_are_lent() {
    for protocols in BOTH {
        let mut blocks = Vec::new();
        for count in [500, 1000, 2000] {
            let (mut client, mut server) = pair(protocols);
            let mut bytes = Vec::new();
            (0..count).for_each(|_| client.seal(b"1", &mut bytes).expect("an open connection"));
            let mut plain = vec![0; count];
            let counted = measure(|| {
                let fed = server.feed(&mut bytes, &mut plain, &mut Vec::new()).expect("good records");
                assert_eq!(fed.opened, count);
            });
            blocks.push(counted.count_total / count as u64);
        }
        assert!(blocks.iter().all(|&each| each == blocks[0] && each <= 8), "{blocks:?}");
    }
}

/// A message that never ends, in records of all sizes: bounded by what is held, with an alert under the keys that there are.
#[test]
fn a_handshake_message_without_end_is_bounded() {
    for piece in [1, 100, 16_000] {
        let mut client = client(&client_settings(Protocols::Both));
        let mut send = Vec::new();
        feed_all(&mut client, &mut [], 1, &mut send).expect("a first message");
        send.clear();
        let mut most = 0;
        let error = records(2, &vec![0; 65_535], piece).chunks(1000).find_map(|piece| {
            let error = feed_all(&mut client, &mut piece.to_vec(), 1, &mut send).err();
            most = most.max(client.waiting());
            error
        });
        match piece {
            1 => assert_eq!(error, Some(TlsError::HandshakeTooLong)),
            _ => assert!(matches!(error, Some(TlsError::Protocol(_))), "{error:?}"),
        }
        assert!(most <= HANDSHAKE_MAX, "{most}");
        assert_eq!(send, alert(50), "decode_error, {piece}");
    }
}

/// Each byte of each record of a handshake is changed in turn: a failure of one end or a handshake as if nothing had been, never
/// a panic; nobody answers without end.
#[test]
fn a_changed_byte_anywhere_in_a_handshake_is_an_error() {
    for protocols in BOTH {
        let (server_settings, client_settings) = (server_settings(protocols), client_settings(protocols));
        for flight in 0..3 {
            for at in 0..400 {
                let (mut client, mut server) = (client(&client_settings), server(&server_settings));
                let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
                feed_all(&mut client, &mut [], 1, &mut to_server).expect("a first message");
                let mut failed = None;
                for number in 0..4 {
                    let (tls, bytes, send) = if number % 2 == 0 {
                        (&mut server, std::mem::take(&mut to_server), &mut to_client)
                    } else {
                        (&mut client, std::mem::take(&mut to_client), &mut to_server)
                    };
                    let mut bytes = bytes;
                    if number == flight && at < bytes.len() {
                        bytes[at] ^= 0x55;
                    }
                    if let Err(error) = feed_all(tls, &mut bytes, 100, send) {
                        failed.get_or_insert(error);
                    }
                }
                assert!(to_server.len() + to_client.len() < 5000);
                // The versions in the headers of records mean nothing (RFC 8446 §5.1); a changed length makes an end wait.
                let done = !client.is_handshaking() && !server.is_handshaking();
                let waits = client.waiting() + server.waiting() > 0;
                assert!(failed.is_some() || done || waits, "{protocols:?}, flight {flight}, byte {at}");
            }
        }
    }
}

/// A fatal alert at each moment of a handshake, and behind it: the other end says which, and is done.
#[test]
fn an_alert_at_any_moment_is_told() {
    for protocols in BOTH {
        for flights in 0..2 {
            let (mut client, mut server) =
                (client(&client_settings(protocols)), server(&server_settings(protocols)));
            let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
            feed_all(&mut client, &mut [], 1, &mut to_server).expect("a first message");
            if flights > 0 {
                feed_all(&mut server, &mut to_server, 1, &mut to_client).expect("a good message");
            }
            let mut send = Vec::new();
            let error = feed_all(&mut server, &mut alert(40), 1, &mut send);
            assert!(
                matches!(error, Err(TlsError::Alert(alert)) if alert.to_string() == "handshake_failure"),
                "{error:?}"
            );
            assert_eq!(send, b"");
            let error = feed_all(&mut client, &mut alert(80), 1, &mut send);
            assert!(
                matches!(error, Err(TlsError::Alert(alert)) if alert.to_string() == "internal_error"),
                "{error:?}"
            );
        }
    }
}

/// Records of every type, length and content on an open connection, with keys or without: an error, and the alert sealed.
#[test]
fn garbage_on_an_open_connection_is_an_error() {
    for protocols in BOTH {
        for kind in 0..=255u8 {
            for length in [0usize, 1, 2, 17, 40, 18_433, 65_535] {
                let (_, mut server) = open(protocols);
                let mut bytes = vec![kind, 3, 3];
                bytes.extend((length as u16).to_be_bytes());
                bytes.resize(5 + length.min(40), kind);
                let mut send = Vec::new();
                let fed = feed_all(&mut server, &mut bytes, 100, &mut send);
                if protocols == Protocols::Tls13 && kind == 20 {
                    continue;
                }
                assert!(fed.is_err(), "{protocols:?} {kind} {length}: {fed:?}");
                assert!(send.len() <= 40, "{protocols:?} {kind} {length}: {send:?}");
            }
        }
    }
}

/// A pair whose handshakes are cheap, since there are thousands: a resumed one costs no signature.
fn open(protocols: Protocols) -> (Tls, Tls) {
    thread_local! {
        static SETTINGS: [(underpass_tls::ServerSettings, underpass_tls::ClientSettings); 2] = BOTH.map(|protocols| {
            let sessions = Sessions::kept(10, Duration::from_secs(300));
            let server = ServerOptions { sessions, ..server_options(protocols) };
            let client = ClientOptions { sessions: 10, ..client_options(protocols) };
            (server.settings().expect("settings"), client.settings().expect("settings"))
        });
    }
    SETTINGS.with(|settings| {
        let (server_settings, client_settings) = &settings[usize::from(protocols == Protocols::Tls13)];
        let (mut client, mut server) = (client(client_settings), server(server_settings));
        shake(&mut client, &mut server);
        (client, server)
    })
}
