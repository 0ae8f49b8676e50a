//! Chunked content (rule E2): what goes in comes out, framed canonically, however it was framed and cut; and what
//! is no chunk is refused exactly where a strict reader refuses it.

use proptest::{prelude::*, sample::select};
use underpass_testkit::{
    session_world::World,
    strict::{read_request, read_response},
};

const REQUEST: &str = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const RESPONSE: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A chunk as it may be sent.
#[derive(Clone, Debug)]
struct Chunk {
    data: Vec<u8>,
    zeros: usize,
    upper: bool,
    extension: &'static str,
}

fn chunk() -> impl Strategy<Value = Chunk> {
    let extensions = vec!["", "", "", ";a", ";a=b", ";a=\"b c\"", ";a=b;c", ";a=\"\\\"\""];
    let data = prop_oneof![4 => prop::collection::vec(any::<u8>(), 1..40), 1 => prop::collection::vec(any::<u8>(), 200..5_000)];
    (data, 0..4_usize, any::<bool>(), select(extensions)).prop_map(|(data, zeros, upper, extension)| Chunk {
        data,
        zeros,
        upper,
        extension,
    })
}

fn wire(chunks: &[Chunk], trailers: &[&str]) -> Vec<u8> {
    let mut wire = Vec::new();
    for Chunk { data, zeros, upper, extension } in chunks {
        let size = if *upper { format!("{:X}", data.len()) } else { format!("{:x}", data.len()) };
        wire.extend_from_slice(format!("{}{size}{extension}\r\n", "0".repeat(*zeros)).as_bytes());
        wire.extend_from_slice(data);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n");
    trailers.iter().for_each(|line| wire.extend_from_slice(format!("{line}\r\n").as_bytes()));
    wire.extend_from_slice(b"\r\n");
    wire
}

/// The bytes in pieces of these lengths, again and again.
fn pieces<'b>(mut bytes: &'b [u8], lengths: &[usize]) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle() {
        if bytes.is_empty() {
            return pieces;
        }
        let (piece, rest) = bytes.split_at((*length).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    vec![bytes]
}

/// Whether framing is canonical: each size in the fewest digits, and nothing behind it.
fn is_canonical(mut framed: &[u8]) -> bool {
    loop {
        let Some(end) = framed.windows(2).position(|window| window == b"\r\n") else { return false };
        let size =
            std::str::from_utf8(&framed[..end]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let Some(size) = size else { return false };
        if size == 0 {
            return &framed[..end] == b"0";
        }
        if framed[0] == b'0' || framed.len() < end + size + 4 {
            return false;
        }
        framed = &framed[end + size + 4..];
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 700, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_in_comes_out(
        chunks in prop::collection::vec(chunk(), 0..8),
        trailers in select(vec![vec![], vec!["T: u"], vec!["T: u", "t: v", "X-Y:"]]),
        lengths in prop::collection::vec(prop_oneof![1..9_usize, 500..9_000_usize], 1..6),
    ) {
        let wire = wire(&chunks, &trailers);
        let content: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.data.clone()).collect();
        let expected: Vec<String> = trailers.iter().map(|line| line.to_lowercase().replace(": ", ":")).collect();
        let shown = |lines: &[(String, Vec<u8>)]| -> Vec<String> {
            lines.iter().map(|(name, value)| format!("{name}:{}", String::from_utf8_lossy(value))).collect()
        };
        let mut world = World::proxy();
        world.client_sends(REQUEST);
        pieces(&wire, &lengths).into_iter().for_each(|piece| world.client_sends(piece));
        let received = world.origins[0].end.received().to_vec();
        let request = read_request(&received).expect("a request").expect("its head");
        prop_assert_eq!(request.whole, Some(received.len()));
        prop_assert_eq!((&request.content, shown(&request.trailers)), (&content, expected.clone()));
        let behind = |bytes: &[u8]| bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
        prop_assert!(is_canonical(&received[behind(&received)..]));

        world.origin_sends(RESPONSE);
        pieces(&wire, &lengths).into_iter().for_each(|piece| world.origin_sends(piece));
        let received = world.client.received().to_vec();
        let response = read_response(&received, "PUT").expect("a response").expect("its head");
        prop_assert_eq!(response.whole, Some(received.len()));
        prop_assert_eq!((&response.content, shown(&response.trailers)), (&content, expected));
        prop_assert!(is_canonical(&received[behind(&received)..]));
        prop_assert!(world.origins[0].idle, "the connection is clean");
    }

    #[test]
    fn what_is_no_chunk_is_refused(
        scraps in prop::collection::vec(
            select(vec!["1", "a", "A", "0", "2", "\r\n", "\r\n", "\r", "\n", ";a=b", ";a", ";", "x", "xy", "T: u", "-", "g", "0\r\n\r\n"]),
            0..12,
        ),
        lengths in prop::collection::vec(1..9_usize, 1..4),
    ) {
        let wire = scraps.concat();
        let said = format!("{REQUEST}{wire}");
        let strict = read_request(said.as_bytes());
        let mut world = World::proxy();
        world.client_sends(REQUEST);
        pieces(wire.as_bytes(), &lengths).into_iter().for_each(|piece| world.client_sends(piece));
        let received = world.origins[0].end.received();
        let sent = read_request(received).expect("a request");
        let came = |sent: &underpass_testkit::strict::Request| (sent.content.clone(), sent.trailers.clone());
        let is_refused = |world: &World| world.client.received().starts_with(b"HTTP/1.1 400 ");
        let refused = is_refused(&world);
        let whole = sent.as_ref().and_then(|sent| sent.whole).is_some();
        match strict.map(|request| request.expect("its head")) {
            Ok(request) if request.whole.is_some() => {
                prop_assert_eq!(sent.as_ref().map(came), Some(came(&request)));
                prop_assert!(whole, "{:?} is whole, and was not forwarded", wire);
            }
            Ok(_) => prop_assert!(!refused && !whole, "{:?} was not waited for", wire),
            Err(_) => {
                prop_assert!(!whole, "{:?} was forwarded", wire);
                // A trailer section is read when it is whole.
                if !refused {
                    world.client_sends("\r\n\r\n");
                }
                prop_assert!(is_refused(&world), "{:?} was not refused", wire);
            }
        }
    }
}
