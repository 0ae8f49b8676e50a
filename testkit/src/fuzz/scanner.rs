//! Any bytes as the frames of a WebSocket: the scanner reads them as tungstenite does, however they are cut.

use underpass_core::{Side, websocket::FrameScanner};

use crate::frames::{Frame, check as check_frames};

/// The first byte says who sends, the second how it is cut; the stream follows.
pub(super) fn check(bytes: &[u8]) {
    let [from, cut, stream @ ..] = bytes else { return };
    let from = Side::BOTH[usize::from(from & 1)];
    let cut = usize::from(*cut);
    check_frames(from, stream, &[cut & 0x0f, cut >> 4]);
    never_more_than_there_is(from, stream);
}

/// What is taken is there, whatever was told before.
fn never_more_than_there_is(from: Side, stream: &[u8]) {
    let mut scanner = FrameScanner::new(from);
    for piece in stream.chunks(3) {
        scanner.skip(u64::from(piece[0]));
        assert!(scanner.take_data(piece, Some(100)).taken <= piece.len());
    }
}

pub(super) fn seeds() -> Vec<(String, Vec<u8>)> {
    let masked = Some([0x37, 0xfa, 0x21, 0x3d]);
    let frame = |first, mask, content: &[u8]| Frame { first, mask, content: content.to_vec() }.bytes();
    let seed = |name: &str, from: u8, frames: &[Vec<u8>]| {
        (name.to_owned(), [vec![from, 0x31], frames.concat()].concat())
    };
    vec![
        seed("a message of the client", 0, &[frame(0x81, masked, b"Hello")]),
        seed("a message of the server", 1, &[frame(0x81, None, b"Hello")]),
        seed(
            "fragments with a Ping between them",
            1,
            &[frame(0x01, None, b"Hel"), frame(0x89, None, b"p"), frame(0x80, None, b"lo")],
        ),
        seed("long messages", 0, &[frame(0x82, masked, &[7; 200]), frame(0xc2, masked, &[7; 126])]),
        seed("a Pong and a Close", 0, &[frame(0x8a, masked, b"ours"), frame(0x88, masked, b"\x03\xe9by")]),
        seed("65536 bytes are announced", 1, &[b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00x".to_vec()]),
        seed("a message inside of another", 0, &[frame(0x01, masked, b"a"), frame(0x81, masked, b"b")]),
        seed("a long form of a short length", 1, &[b"\x82\x7e\x00\x01x".to_vec()]),
    ]
}
