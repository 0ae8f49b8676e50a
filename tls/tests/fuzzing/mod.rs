//! Properties of any bytes: coverage-guided search is let loose on them (`fuzz/fuzz_targets/tls.rs`), and plain `cargo test`
//! replays what it kept.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use underpass_tls::{
    CLIENT_HELLO_MAX, ClientOptions, ClientSettings, Credential, End, HANDSHAKE_MAX, Protocols,
    ServerOptions, ServerSettings, Sessions, Tls, TlsError,
};

/// The first byte says which property, version and role; the rest is what a peer sends, or what becomes of what it sends.
pub(crate) fn check(bytes: &[u8]) {
    let Some((&first, rest)) = bytes.split_first() else { return };
    let protocols = if first & 1 == 0 { Protocols::Tls13 } else { Protocols::Tls12 };
    match first & 0b110 {
        0b000 => in_any_cut(rest, || server(protocols)),
        0b010 => in_any_cut(rest, || client(protocols)),
        _ => on_the_way(rest, protocols, first & 0b010 == 0),
    }
}

/// What comes of a peer's bytes is the same in one piece, in pieces and byte by byte, and it is bounded.
fn in_any_cut(bytes: &[u8], new: impl Fn() -> Tls) {
    let whole = outcome(bytes, bytes.len().max(1), &new);
    for piece in [1, 3, usize::from(bytes.first().copied().unwrap_or(0)) + 5] {
        assert_eq!(whole, outcome(bytes, piece, &new), "in pieces of {piece} bytes");
    }
}

/// What was opened, the first failure, and whether the handshake is over.
fn outcome(bytes: &[u8], piece: usize, new: &impl Fn() -> Tls) -> (Vec<u8>, Option<TlsError>, bool) {
    let mut tls = new();
    let mut opened = Vec::new();
    let mut error = None;
    for piece in bytes.chunks(piece) {
        match feed(&mut tls, piece, 50, &mut opened) {
            Ok(sent) => assert!(sent.len() < 1 << 16),
            Err(failure) => {
                error = Some(failure);
                break;
            }
        }
    }
    (opened, error, tls.is_handshaking())
}

/// Two ends that know each other; the bytes say who seals what, how it is cut, and what somebody between them changes. What is
/// opened is what was sealed, up to the first change; and an end in order is said only by who ended.
fn on_the_way(script: &[u8], protocols: Protocols, from_client: bool) {
    let (mut one, mut other) = (client(protocols), server(protocols));
    shake(&mut one, &mut other);
    let (from, to) = if from_client { (&mut one, &mut other) } else { (&mut other, &mut one) };
    let (mut sealed, mut opened, mut wire) = (Vec::new(), Vec::new(), Vec::new());
    let (mut changed, mut closed, mut failed) = (false, false, false);
    for step in script.chunks(3) {
        let &[what, high, low] = step else { break };
        let number = usize::from(u16::from_be_bytes([high, low]));
        match what % 8 {
            0..=2 if !closed => {
                let plain = vec![what; number % 20_000];
                from.seal(&plain, &mut wire).expect("an open connection");
                sealed.extend(plain);
            }
            3 => {
                from.close(&mut wire).expect("an open connection");
                closed = true;
            }
            4 if !wire.is_empty() => {
                let at = number % wire.len();
                wire[at] ^= what | 1;
                changed = true;
            }
            5 if !wire.is_empty() => {
                wire.truncate(number % wire.len());
                changed = true;
            }
            6 => {
                to.seal(&[what; 3], &mut Vec::new()).map_or_else(|error| assert!(failed, "{error:?}"), drop);
            }
            _ => {
                let bytes: Vec<u8> = wire.drain(..number.min(wire.len())).collect();
                failed |= feed(to, &bytes, usize::from(what) + 1, &mut opened).is_err();
            }
        }
    }
    failed |= feed(to, &wire, 1000, &mut opened).is_err();
    assert!(sealed.starts_with(&opened));
    if !changed {
        assert!(!failed && sealed == opened);
        assert_eq!(to.end(), if closed { End::Notified } else { End::Cut });
    }
    assert!(closed || to.end() == End::Cut);
}

fn feed(tls: &mut Tls, bytes: &[u8], room: usize, opened: &mut Vec<u8>) -> Result<Vec<u8>, TlsError> {
    let mut lent = bytes.to_vec();
    let mut rest = &mut lent[..];
    let (mut space, mut send) = (vec![0; room], Vec::new());
    while !rest.is_empty() || tls.has_more() {
        match tls.feed(rest, &mut space, &mut send) {
            Ok(fed) => {
                opened.extend_from_slice(&space[..fed.opened]);
                assert!(fed.consumed + fed.opened > 0, "progress");
                rest = &mut rest[fed.consumed..];
            }
            Err(error) => {
                assert!(!tls.wants() && !tls.has_more() && tls.waiting() == 0 && tls.facts().is_none());
                assert_eq!(tls.feed(&mut [], &mut [], &mut send), Err(TlsError::Failed));
                return Err(error);
            }
        }
        assert!(tls.waiting() <= HANDSHAKE_MAX.max(CLIENT_HELLO_MAX));
    }
    Ok(send)
}

fn shake(client: &mut Tls, server: &mut Tls) {
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    let _ = client.feed(&mut [], &mut [], &mut to_server).expect("a first message");
    while client.is_handshaking() || server.is_handshaking() {
        to_client.extend(
            feed(server, &std::mem::take(&mut to_server), 1, &mut Vec::new()).expect("a good client"),
        );
        to_server.extend(
            feed(client, &std::mem::take(&mut to_client), 1, &mut Vec::new()).expect("a good server"),
        );
    }
}

fn server(protocols: Protocols) -> Tls {
    static SETTINGS: [OnceLock<ServerSettings>; 2] = [const { OnceLock::new() }; 2];
    let settings = SETTINGS[usize::from(protocols == Protocols::Tls13)].get_or_init(|| {
        let chain = include_bytes!("../../testdata/ecdsa.pem");
        let credential =
            Credential::from_pem(chain, include_bytes!("../../testdata/ecdsa.key")).expect("a credential");
        // Sessions make most handshakes cheap.
        let options = ServerOptions {
            credentials: vec![credential],
            protocols,
            sessions: Sessions::kept(8, Duration::from_secs(300)),
            ..ServerOptions::default()
        };
        options.settings().expect("settings")
    });
    Tls::server(Arc::new(settings.clone()))
}

fn client(protocols: Protocols) -> Tls {
    static SETTINGS: [OnceLock<ClientSettings>; 2] = [const { OnceLock::new() }; 2];
    let settings = SETTINGS[usize::from(protocols == Protocols::Tls13)].get_or_init(|| {
        ClientOptions { protocols, sessions: 8, ..ClientOptions::default() }.settings().expect("settings")
    });
    Tls::client(settings, "server.example").expect("a client")
}
