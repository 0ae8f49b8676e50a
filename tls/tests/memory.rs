//! What a connection costs while nothing happens: 1,000 of them, counted by the allocator.
//!
//! `cargo test -p underpass-tls --test memory -- --nocapture` prints the figures that stand in README.md.

mod common;

use allocation_counter::{AllocationInfo, measure};
use common::*;
use underpass_tls::{ClientOptions, Protocols, ServerOptions, Tls};

const CONNECTIONS: usize = 1000;

/// A pair, after an echo of 128 bytes.
fn used(client: &mut Tls, server: &mut Tls) {
    shake(client, server);
    let ping = [7; 128];
    let there = opened(server, &mut sealed(client, &ping));
    let back = opened(client, &mut sealed(server, &there));
    assert_eq!(back, ping);
}

fn settings(protocols: Protocols) -> (underpass_tls::ServerSettings, underpass_tls::ClientSettings) {
    let groups = vec!["X25519".into()];
    let server = ServerOptions { groups: groups.clone(), ..server_options(protocols) };
    let client = ClientOptions { groups, ..client_options(protocols) };
    (server.settings().expect("settings"), client.settings().expect("settings"))
}

/// What stays allocated for one of the kept ends.
fn each(protocols: Protocols, keep_server: bool) -> AllocationInfo {
    let (server_settings, client_settings) = settings(protocols);
    // What is made once, by whoever comes first, isn't a connection's.
    used(&mut client(&client_settings), &mut server(&server_settings));
    let mut kept = Vec::with_capacity(CONNECTIONS);
    let total = measure(|| {
        for _ in 0..CONNECTIONS {
            let (mut client, mut server) = (client(&client_settings), server(&server_settings));
            used(&mut client, &mut server);
            assert_eq!((client.waiting(), server.waiting()), (0, 0));
            kept.push(if keep_server { server } else { client });
        }
    });
    assert_eq!(kept.len(), CONNECTIONS);
    total
}

fn report(what: &str, protocols: Protocols, keep_server: bool, at_most: usize) {
    let total = each(protocols, keep_server);
    let heap = usize::try_from(total.bytes_current).expect("more than nothing") / CONNECTIONS;
    let blocks = usize::try_from(total.count_current).expect("more than nothing") / CONNECTIONS;
    let bytes = heap + size_of::<Tls>();
    println!("{what}: {bytes} bytes, {} of them in Tls itself, {heap} in {blocks} blocks", size_of::<Tls>());
    assert!(bytes <= at_most, "{what}: {bytes} bytes of at most {at_most}");
}

#[test]
fn an_idle_connection_is_its_keys() {
    // The others' keys are larger than ring's.
    let most = if underpass_tls::PROVIDER == "ring" { 4096 } else { 5120 };
    report("server, TLS 1.3", Protocols::Tls13, true, most);
    report("server, TLS 1.2", Protocols::Tls12, true, most);
    report("client, TLS 1.3", Protocols::Tls13, false, most + 2048);
    report("client, TLS 1.2", Protocols::Tls12, false, most + 2048);
}

/// A server that waits for a client's first byte: it has no connection of the library's yet.
#[test]
fn one_that_has_heard_nothing_is_next_to_nothing() {
    let settings = server_settings(Protocols::Both);
    let mut kept = Vec::with_capacity(CONNECTIONS);
    let total = measure(|| (0..CONNECTIONS).for_each(|_| kept.push(server(&settings))));
    let bytes =
        usize::try_from(total.bytes_current).expect("more than nothing") / CONNECTIONS + size_of::<Tls>();
    println!("server, before the first byte: {bytes} bytes");
    assert!(bytes <= 512, "{bytes} bytes");
}

/// What waited gives its memory back: a half record, and plaintext that found no room.
#[test]
fn memory_of_what_waited_goes_with_it() {
    for protocols in [Protocols::Tls12, Protocols::Tls13] {
        let (mut client, mut server) = pair(protocols);
        // The library has a place for what it opens, made with the first record and kept.
        opened(&mut server, &mut sealed(&mut client, b"first"));
        let mut record = sealed(&mut client, &[1; 16_000]);
        let mut again = sealed(&mut client, &[2; 16_000]);
        let (first, second) = record.split_at_mut(9000);
        let mut send = Vec::new();
        let mut plain = vec![0; 16_000];
        let total = measure(|| {
            let half = server.feed(first, &mut plain, &mut send).expect("a half record");
            assert_eq!((half.consumed, half.opened, server.waiting()), (9000, 0, 9000));
            let whole = server.feed(second, &mut plain, &mut send).expect("the rest");
            assert_eq!((whole.opened, server.waiting()), (16_000, 0));
            let little = server.feed(&mut again, &mut plain[..10], &mut send).expect("a record");
            assert_eq!((little.opened, server.waiting()), (10, 15_990));
            let rest = server.feed(&mut [], &mut plain, &mut send).expect("what waited");
            assert_eq!((rest.opened, server.waiting()), (15_990, 0));
        });
        assert_eq!(total.bytes_current, 0, "{protocols:?}");
    }
}
