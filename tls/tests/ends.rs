//! How a stream ends: in order, or cut (RFC 8446 §6.1).

mod common;

use common::*;
use underpass_tls::{End, Protocols, Tls, TlsError};

const BOTH: [Protocols; 2] = [Protocols::Tls12, Protocols::Tls13];

fn closed(tls: &mut Tls) -> Vec<u8> {
    let mut send = Vec::new();
    tls.close(&mut send).expect("an open connection");
    send
}

/// Each end in turn as the one that ends.
fn both_ways(test: impl Fn(Tls, Tls)) {
    for protocols in BOTH {
        let (client, server) = pair(protocols);
        test(client, server);
        let (client, server) = pair(protocols);
        test(server, client);
    }
}

#[test]
fn close_notify_ends_one_direction_only() {
    both_ways(|mut ends, mut stays| {
        let mut last = sealed(&mut ends, b"last words");
        last.extend(closed(&mut ends));
        assert_eq!(stays.end(), End::Cut, "as long as it hasn't been read");
        assert_eq!(opened(&mut stays, &mut last), b"last words");
        assert_eq!((stays.end(), stays.wants()), (End::Notified, false));
        assert_eq!((ends.end(), ends.wants()), (End::Cut, true));
        // The other direction goes on, with as much as there is to say, in TLS 1.2 too.
        for length in [1, 100, 20_000] {
            let mut answer = sealed(&mut stays, &vec![3; length]);
            assert_eq!(opened(&mut ends, &mut answer), vec![3; length]);
        }
        assert_eq!(opened(&mut ends, &mut closed(&mut stays)), b"");
        assert_eq!(ends.end(), End::Notified);
    });
}

#[test]
fn after_our_end_nothing_is_sealed_and_it_is_said_once() {
    both_ways(|mut ends, mut stays| {
        assert!(!closed(&mut ends).is_empty());
        assert_eq!(closed(&mut ends), b"");
        let mut send = Vec::new();
        assert_eq!(ends.seal(b"more", &mut send), Err(TlsError::Closed));
        assert_eq!(send, b"");
        let mut still = sealed(&mut stays, b"heard");
        assert_eq!(opened(&mut ends, &mut still), b"heard");
    });
}

#[test]
fn bytes_behind_close_notify_are_ignored() {
    both_ways(|mut ends, mut stays| {
        let mut bytes = closed(&mut ends);
        bytes.extend(b"anything at all, no record");
        assert_eq!(opened(&mut stays, &mut bytes), b"");
        assert_eq!(opened(&mut stays, &mut b"and later, too".to_vec()), b"");
        assert_eq!((stays.end(), stays.waiting()), (End::Notified, 0));
    });
}

#[test]
fn an_end_without_a_word_is_a_cut_wherever_it_comes() {
    both_ways(|mut ends, mut stays| {
        let mut record = sealed(&mut ends, b"cut");
        assert_eq!(stays.end(), End::Cut);
        let half = record.len() / 2;
        opened(&mut stays, &mut record[..half]);
        assert_eq!(stays.end(), End::Cut);
        opened(&mut stays, &mut record[half..]);
        assert_eq!(stays.end(), End::Cut);
    });
}

#[test]
fn an_end_within_the_handshake_is_neither() {
    for protocols in BOTH {
        let (mut client, mut server) =
            (client(&client_settings(protocols)), server(&server_settings(protocols)));
        assert_eq!((client.end(), server.end()), (End::Handshake, End::Handshake));
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        assert_eq!(client.seal(b"too early", &mut to_server), Err(TlsError::Handshaking));
        assert_eq!(client.close(&mut to_server), Err(TlsError::Handshaking));
        assert_eq!(to_server, b"", "its first message is for feed to give");
        feed_all(&mut client, &mut [], 1, &mut to_server).expect("a first message");
        feed_all(&mut server, &mut to_server, 1, &mut to_client).expect("a first answer");
        assert_eq!((client.end(), server.end()), (End::Handshake, End::Handshake));
        let mut send = Vec::new();
        assert_eq!(server.seal(b"too early", &mut send), Err(TlsError::Handshaking));
        assert_eq!(server.close(&mut send), Err(TlsError::Handshaking));
        assert_eq!(send, b"");
        assert!(server.facts().is_none() && client.facts().is_none());
    }
}

/// A peer that ends and then fails is told of by its end: what follows it is nobody's.
#[test]
fn a_failure_after_our_own_end_is_an_error() {
    both_ways(|mut ends, mut stays| {
        closed(&mut ends);
        let mut record = sealed(&mut stays, b"changed on the way");
        *record.last_mut().expect("a tag") ^= 1;
        let mut send = Vec::new();
        let failed = feed_all(&mut ends, &mut record, 100, &mut send);
        assert!(matches!(failed, Err(TlsError::Protocol(_))), "{failed:?}");
        assert_eq!(feed_all(&mut ends, &mut record, 100, &mut send), Err(TlsError::Failed));
    });
}

/// What was sealed before the bytes went wrong is opened, in whatever pieces they come; then the failure is told, once.
#[test]
fn a_failure_comes_behind_what_was_opened_before_it() {
    for piece in [1, 10, 33, 10_000] {
        both_ways(|mut from, mut to| {
            let mut bytes = sealed(&mut from, b"whole");
            bytes.extend(sealed(&mut from, b"whole, too"));
            let mut broken = sealed(&mut from, b"broken");
            broken[10] ^= 1;
            bytes.extend(broken);
            let (mut plain, mut send, mut space) = (Vec::new(), Vec::new(), [0; 4]);
            let mut failures = Vec::new();
            for piece in bytes.chunks_mut(piece) {
                let mut rest = piece;
                while !rest.is_empty() || to.has_more() {
                    match to.feed(rest, &mut space, &mut send) {
                        Ok(fed) => {
                            plain.extend_from_slice(&space[..fed.opened]);
                            rest = &mut rest[fed.consumed..];
                        }
                        Err(error) => {
                            failures.push(error);
                            break;
                        }
                    }
                }
            }
            assert_eq!(plain, b"wholewhole, too");
            assert!(matches!(failures[0], TlsError::Protocol(_)), "{failures:?}");
            assert!(failures[1..].iter().all(|error| *error == TlsError::Failed), "{failures:?}");
            assert!(!send.is_empty(), "an alert");
            assert_eq!((to.wants(), to.has_more(), to.waiting()), (false, false, 0));
        });
    }
}
