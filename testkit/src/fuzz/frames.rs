//! A WebSocket through the gateway: every frame comes out as it went in, however both ends stall and end.
//!
//! The gateway looks at frames on their way: what is shown is that none comes out otherwise for that, good or bad.

use arbitrary::{Arbitrary, Unstructured};
use underpass_core::Side;

use crate::{
    frames::Frame,
    session_world::{World, config_of},
};

const CONFIG: &str = "http { access_log off; server { listen 127.0.0.1:8080; location / {
    proxy_pass http://127.0.0.1:9000; proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection upgrade; } } }";

const ASK: &[u8] = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const AGREE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// What an end does.
#[derive(Debug, Arbitrary)]
enum Act {
    Frame(Frame),
    Raw(Vec<u8>),
    /// The end takes so many bytes more.
    Takes(u16),
    TakesAll,
}

#[derive(Debug, Arbitrary)]
struct Play {
    behind_the_ask: Vec<u8>,
    behind_the_agreement: Vec<u8>,
    splices: bool,
    acts: Vec<(bool, Act)>,
    client_ends_first: bool,
}

pub(super) fn check(bytes: &[u8]) {
    let Ok(play) = Play::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    let mut world = World::with_buffers(config_of(CONFIG), 1024);
    world.splices = play.splices;
    world.client_sends([ASK, &play.behind_the_ask].concat());
    world.origin_sends([AGREE, &play.behind_the_agreement].concat());
    assert!(world.session.snapshot(world.now().tick).is_tunnel(), "a tunnel opened");
    let mut sent = [play.behind_the_ask, play.behind_the_agreement];
    // By the side that the bytes come from, behind the head that they come out with.
    let head = |bytes: &[u8]| bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    let heads = Side::BOTH.map(|from| head(out(&world, from)));
    let relayed = |world: &World, from: Side| out(world, from)[heads[from as usize]..].to_vec();
    for (by_client, act) in &play.acts {
        let side = if *by_client { Side::Downstream } else { Side::Upstream };
        let end = if *by_client { &mut world.client } else { &mut world.origins[0].end };
        let bytes = match act {
            Act::Frame(frame) => frame.bytes(),
            Act::Raw(bytes) => bytes.clone(),
            Act::Takes(count) => {
                end.set_window(usize::from(*count));
                Vec::new()
            }
            Act::TakesAll => {
                end.set_window(usize::MAX);
                Vec::new()
            }
        };
        end.send(&bytes);
        sent[side as usize].extend_from_slice(&bytes);
        world.run();
        for from in Side::BOTH {
            let got = relayed(&world, from);
            assert!(sent[from as usize].starts_with(&got), "{from:?}: {}", got.escape_ascii());
        }
    }
    world.client.set_window(usize::MAX);
    world.origins[0].end.set_window(usize::MAX);
    if play.client_ends_first {
        world.client_ends();
        world.origin_ends();
    } else {
        world.origin_ends();
        world.client_ends();
    }
    assert!(world.done, "both directions are over");
    for from in Side::BOTH {
        assert!(relayed(&world, from) == sent[from as usize], "{from:?}: all of it came");
    }
}

/// What came out of what `from` sent.
fn out(world: &World, from: Side) -> &[u8] {
    match from {
        Side::Downstream => world.origins[0].end.received(),
        Side::Upstream => world.client.received(),
    }
}

pub(super) fn seeds() -> Vec<(String, Vec<u8>)> {
    vec![("nothing".to_owned(), Vec::new()), ("counting".to_owned(), (0..=255).collect())]
}
