//! However bytes are cut and however much memory is lent, the same comes out.

mod common;

use std::time::Duration;

use common::*;
use proptest::prelude::*;
use underpass_tls::{ClientOptions, ClientTrust, Credential, Protocols, ServerOptions, Sessions, Tls};

const BOTH: [Protocols; 2] = [Protocols::Tls12, Protocols::Tls13];

/// Feeds bytes in pieces, each in memory of its own, and says what comes out.
fn feed_in_pieces(tls: &mut Tls, bytes: &[u8], cuts: &[usize], room: usize, send: &mut Vec<u8>) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = bytes;
    let mut cuts = cuts.iter().copied().cycle();
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(cuts.next().unwrap_or(1).clamp(1, rest.len()));
        plain.extend(feed_all(tls, &mut piece.to_vec(), room, send).expect("good bytes"));
        rest = behind;
    }
    plain
}

fn shake_in_pieces(client: &mut Tls, server: &mut Tls, cuts: &[usize], room: usize) {
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    assert_eq!(client.feed(&mut [], &mut [], &mut to_server).expect("a first message").consumed, 0);
    while !to_server.is_empty() || !to_client.is_empty() {
        feed_in_pieces(server, &std::mem::take(&mut to_server), cuts, room, &mut to_client);
        feed_in_pieces(client, &std::mem::take(&mut to_client), cuts, room, &mut to_server);
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    assert_eq!((client.waiting(), server.waiting()), (0, 0));
}

/// The first flights are cut in two at each of their bytes; so is data, then close_notify.
#[test]
fn a_cut_at_every_byte() {
    for protocols in BOTH {
        let (server_settings, client_settings) = (server_settings(protocols), client_settings(protocols));
        for cut in 1..1400 {
            let (mut client, mut server) = (client(&client_settings), server(&server_settings));
            shake_in_pieces(&mut client, &mut server, &[cut, usize::MAX], 100);
        }
        let data: Vec<u8> = (0..=255).collect();
        let length = sealed(&mut pair(protocols).0, &data).len();
        let (mut client, mut server) = pair(protocols);
        for cut in 1..length {
            let record = sealed(&mut client, &data);
            assert_eq!(
                feed_in_pieces(&mut server, &record, &[cut, length], 7, &mut Vec::new()),
                data,
                "{cut}"
            );
        }
        let mut end = Vec::new();
        client.close(&mut end).expect("an open connection");
        let last = end.len() - 1;
        feed_in_pieces(&mut server, &end[..last], &[1], 7, &mut Vec::new());
        assert_eq!(server.end(), underpass_tls::End::Cut);
        feed_in_pieces(&mut server, &end[last..], &[1], 7, &mut Vec::new());
        assert_eq!(server.end(), underpass_tls::End::Notified);
    }
}

/// A message of ours may come in records of any size: 27 bytes of it in each here.
#[test]
fn handshake_messages_split_over_records() {
    for protocols in BOTH {
        let options = ServerOptions { record_size: Some(32), ..server_options(protocols) };
        let server_settings = options.settings().expect("settings");
        for cut in [1, 5, 6, 31, 32, 33, 100, 10_000] {
            let (mut client, mut server) = (client(&client_settings(protocols)), server(&server_settings));
            shake_in_pieces(&mut client, &mut server, &[cut], 50);
            let sealed = sealed(&mut server, &[9; 1000]);
            assert_eq!(feed_in_pieces(&mut client, &sealed, &[cut], 50, &mut Vec::new()), [9; 1000]);
        }
    }
}

/// A server that wants another group than the client guessed asks for a second first message (RFC 8446 §4.1.4).
#[test]
fn a_second_first_message_in_any_cut() {
    let options = ServerOptions { groups: vec!["secp384r1".into()], ..server_options(Protocols::Tls13) };
    let server_settings = options.settings().expect("settings");
    for cut in [1, 4, 5, 6, 7, 100, 10_000] {
        let (mut client, mut server) = (client(&client_settings(Protocols::Tls13)), server(&server_settings));
        shake_in_pieces(&mut client, &mut server, &[cut], 50);
        assert_eq!(server.facts().expect("facts").group, Some("secp384r1"));
    }
}

/// A session ticket comes after the handshake, here in records of a few bytes: what is sealed meanwhile doesn't
/// disturb it.
#[test]
fn sealing_while_half_a_handshake_message_is_here() {
    let options = ServerOptions {
        record_size: Some(32),
        sessions: Sessions::kept(10, Duration::from_secs(300)),
        ..server_options(Protocols::Tls13)
    };
    let (settings, client_settings) =
        (options.settings().expect("settings"), client_settings(Protocols::Tls13));
    let (mut client, mut server) = (client(&client_settings), server(&settings));
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    while server.is_handshaking() {
        to_server.extend(answer(&mut client, &std::mem::take(&mut to_client)));
        to_client.extend(answer(&mut server, &std::mem::take(&mut to_server)));
    }
    assert!(to_client.len() > 200, "tickets in several records");
    let mut most = 0;
    for byte in to_client {
        assert!(opened(&mut client, &mut [byte]).is_empty());
        most = most.max(client.waiting());
        assert_eq!(opened(&mut server, &mut sealed(&mut client, b"meanwhile")), b"meanwhile");
    }
    assert!(most > 100, "a part of a ticket waited: {most}");
    assert_eq!(client.waiting(), 0);
    assert_eq!(opened(&mut client, &mut sealed(&mut server, b"after it")), b"after it");
}

fn answer(tls: &mut Tls, bytes: &[u8]) -> Vec<u8> {
    let mut send = Vec::new();
    feed_all(tls, &mut bytes.to_vec(), 50, &mut send).expect("good bytes");
    send
}

/// A chain longer than a record waits inside until it is whole, and gives its memory back.
#[test]
fn a_message_longer_than_a_record() {
    for protocols in BOTH {
        let chain = [CLIENT.0, &CA.repeat(60)].concat();
        let credential = Some(Credential::from_pem(&chain, CLIENT.1).expect("a credential"));
        let client_settings =
            ClientOptions { credential, ..client_options(protocols) }.settings().expect("settings");
        let verify = ClientTrust::OptionalNoCa(None);
        let server_settings =
            ServerOptions { verify, ..server_options(protocols) }.settings().expect("settings");
        for cut in [1, 1000, 20_000, 100_000] {
            let (mut client, mut server) = (client(&client_settings), server(&server_settings));
            shake_in_pieces(&mut client, &mut server, &[cut], 50);
            let facts = server.facts().expect("facts");
            assert!(facts.peer_certificates().map(<[u8]>::len).sum::<usize>() > 16_384);
            assert_eq!(facts.peer_certificates().count(), 61);
        }
    }
}

/// More than one record is lent at once, and plaintext finds room for a part only: what wasn't taken is lent again.
#[test]
fn nothing_is_taken_for_which_there_is_no_room() {
    let (mut client, mut server) = pair(Protocols::Tls13);
    let mut bytes = sealed(&mut client, b"first");
    let one = bytes.len();
    client.seal(b"second", &mut bytes).expect("an open connection");
    let mut send = Vec::new();
    let mut plain = [0; 3];
    let fed = server.feed(&mut bytes, &mut plain, &mut send).expect("a record");
    assert_eq!((fed.consumed, fed.opened, &plain), (one, 3, b"fir"));
    assert_eq!(server.waiting(), 2);
    let fed = server.feed(&mut bytes[one..], &mut plain, &mut send).expect("what waited");
    assert_eq!((fed.opened, &plain[..2]), (3, &b"st"[..]), "the rest, and the next record's beginning");
    assert!(server.has_more());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// What one end sealed the other opens, in any cut, with any loan of memory, in both directions at once.
    #[test]
    fn what_one_sealed_the_other_opens(
        tls13 in any::<bool>(),
        record_size in prop_oneof![Just(None), (32usize..600).prop_map(Some)],
        messages in prop::collection::vec((any::<bool>(), 0usize..40_000), 1..12),
        cuts in prop::collection::vec(1usize..20_000, 1..20),
        room in 1usize..20_000,
    ) {
        let protocols = if tls13 { Protocols::Tls13 } else { Protocols::Tls12 };
        let server_settings = ServerOptions { record_size, ..server_options(protocols) }.settings().expect("settings");
        let (mut client, mut server) = (client(&client_settings(protocols)), server(&server_settings));
        shake_in_pieces(&mut client, &mut server, &cuts, room);
        let (mut sent, mut got, mut wire) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        for (number, &(from_client, length)) in messages.iter().enumerate() {
            let way = usize::from(from_client);
            let plain: Vec<u8> = (0..length).map(|at| (at * 31 + number) as u8).collect();
            let from = if from_client { &mut client } else { &mut server };
            from.seal(&plain, &mut wire[way]).expect("an open connection");
            sent[way].extend(plain);
            // Some of what is under way arrives, and not all.
            let bytes = std::mem::take(&mut wire[way]);
            let arrives = bytes.len() * (number % 3) / 2;
            let to = if from_client { &mut server } else { &mut client };
            got[way].extend(feed_in_pieces(to, &bytes[..arrives.min(bytes.len())], &cuts, room, &mut Vec::new()));
            wire[way] = bytes[arrives.min(bytes.len())..].to_vec();
        }
        got[1].extend(feed_in_pieces(&mut server, &wire[1], &cuts, room, &mut Vec::new()));
        got[0].extend(feed_in_pieces(&mut client, &wire[0], &cuts, room, &mut Vec::new()));
        prop_assert!(sent == got);
        prop_assert_eq!((client.waiting(), server.waiting()), (0, 0));
    }
}
