//! The frames of a WebSocket (G1, G2): the scanner finds what an independent reader finds, in any cut, and names what
//! is wrong.

use proptest::{prelude::*, sample::select};
use underpass_core::{
    Side,
    websocket::{ControlFrame, FrameScanner, Mask, Next},
};
use underpass_testkit::frames::{Form, Found, Frame, check, messages, read};

/// A frame that its side may send: whether its message ends is said later.
#[derive(Clone, Debug)]
enum Part {
    /// A message in fragments of these lengths; a control frame may stand behind each.
    Message {
        opcode: u8,
        rsv: u8,
        fragments: Vec<(usize, Option<Control>)>,
    },
    Control(Control),
}

#[derive(Clone, Debug)]
struct Control {
    opcode: u8,
    length: usize,
}

fn control() -> impl Strategy<Value = Control> {
    (select(vec![0x9, 0xa]), prop_oneof![0..12_usize, 120..126_usize])
        .prop_map(|(opcode, length)| Control { opcode, length })
}

fn part() -> impl Strategy<Value = Part> {
    let length = prop_oneof![6 => 0..20_usize, 3 => 120..260_usize, 1 => 65_530..65_540_usize];
    let fragments = prop::collection::vec((length, prop::option::weighted(0.3, control())), 1..4);
    prop_oneof![
        4 => (1..=2_u8, 0..8_u8, fragments)
            .prop_map(|(opcode, rsv, fragments)| Part::Message { opcode, rsv, fragments }),
        1 => control().prop_map(Part::Control),
    ]
}

/// The frames that the parts are, each with a key of its own where it is masked.
fn frames(parts: &[Part], masked: bool) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    let mut push = |first: u8, length: usize| {
        let number = u8::try_from(frames.len() % 250).unwrap_or(0);
        let mask = masked.then_some([number, 0xa5, number.wrapping_mul(7), 0x5a]);
        frames.push(Frame {
            first,
            mask,
            content: (0..length).map(|at| (at % 251) as u8 ^ number).collect(),
        });
    };
    for part in parts {
        match part {
            Part::Control(Control { opcode, length }) => push(0x80 | opcode, *length),
            Part::Message { opcode, rsv, fragments } => {
                for (index, (length, control)) in fragments.iter().enumerate() {
                    let fin = u8::from(index + 1 == fragments.len()) << 7;
                    push(fin | if index == 0 { rsv << 4 | opcode } else { 0 }, *length);
                    if let Some(Control { opcode, length }) = control {
                        push(0x80 | opcode, *length);
                    }
                }
            }
        }
    }
    frames
}

fn lengths() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![3 => 1..9_usize, 1 => 500..9_000_usize], 1..6)
}

fn side() -> impl Strategy<Value = Side> {
    select(Side::BOTH.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn good_frames_are_found_in_any_cut(
        parts in prop::collection::vec(part(), 0..6),
        close in prop::option::of(0..126_usize),
        side in side(),
        lengths in lengths(),
    ) {
        let masked = side == Side::Downstream;
        let mut frames = frames(&parts, masked);
        if let Some(length) = close {
            let mask = masked.then_some([3; 4]);
            frames.push(Frame { first: 0x88, mask, content: vec![0x0b; length] });
        }
        let stream: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
        let reading = read(side, &stream);
        prop_assert_eq!((reading.frames.len(), reading.violation), (frames.len(), None));
        for (found, frame) in reading.frames.iter().zip(&frames) {
            prop_assert_eq!((found.first, &found.content), (frame.first, &frame.content));
        }
        check(side, &stream, &lengths);
    }

    #[test]
    fn bad_frames_are_named_in_any_cut(
        parts in prop::collection::vec(part(), 0..3),
        bad in (any::<u8>(), any::<bool>(), prop_oneof![0..4_usize, 124..128_usize], 0..3_usize),
        behind in prop::collection::vec(part(), 0..2),
        side in side(),
        lengths in lengths(),
    ) {
        let masked = side == Side::Downstream;
        let (first, is_masked, length, form) = bad;
        let bad = Frame { first, mask: is_masked.then_some([5, 6, 7, 8]), content: vec![1; length] };
        let mut stream: Vec<u8> = frames(&parts, masked).iter().flat_map(Frame::bytes).collect();
        stream.extend(bad.bytes_with([Form::Shortest, Form::Two, Form::Eight][form]));
        stream.extend(frames(&behind, masked).iter().flat_map(Frame::bytes));
        check(side, &stream, &lengths);
    }

    #[test]
    fn any_bytes_are_read_as_the_independent_reader_does(
        stream in prop::collection::vec(any::<u8>(), 0..200),
        side in side(),
        lengths in lengths(),
    ) {
        check(side, &stream, &lengths);
    }

    #[test]
    fn a_frame_of_ours_is_put_between_two(
        parts in prop::collection::vec(part(), 1..4),
        side in side(),
        lengths in lengths(),
        payload in prop::collection::vec(any::<u8>(), 0..=100),
    ) {
        let payload = [b"nobody else's", payload.as_slice()].concat();
        // At every place that the scanner names one of our Pings is put in: the others stay what they were.
        let masked = side == Side::Downstream;
        let frames = frames(&parts, masked);
        let stream: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
        let ping = ControlFrame::ping(&payload, masked.then_some(Mask::new([4, 3, 2, 1]))).expect("it fits");
        let mut scanner = FrameScanner::new(side);
        let (mut out, mut at, mut pings) = (Vec::new(), 0, 0);
        let mut lengths = lengths.iter().cycle();
        let mut end = 0;
        while at < stream.len() {
            end = stream.len().min(end.max(at) + lengths.next().expect("there are some"));
            let from = at;
            let run = scanner.take_data(&stream[at..end], None);
            at += run.taken;
            if let Some(boundary) = run.boundary {
                out.extend_from_slice(&stream[from..from + boundary]);
                out.extend_from_slice(ping.as_bytes());
                out.extend_from_slice(&stream[from + boundary..at]);
                pings += 1;
            } else {
                out.extend_from_slice(&stream[from..at]);
            }
            if let Ok(Next::Frame(frame)) = scanner.next(&stream[at..end]) {
                let taken = frame.take();
                out.extend_from_slice(&stream[at..at + taken]);
                at += taken;
            }
        }
        let reading = read(side, &out);
        prop_assert_eq!((reading.violation, reading.taken), (None, out.len()));
        let is_ours = |found: &Found| out[found.at..].starts_with(ping.as_bytes());
        let (ours, theirs): (Vec<_>, Vec<_>) = reading.frames.iter().partition(|found| is_ours(found));
        prop_assert_eq!((ours.len(), theirs.len()), (pings, frames.len()));
        for (found, frame) in theirs.iter().zip(&frames) {
            prop_assert_eq!((found.first, &found.content), (frame.first, &frame.content));
        }
    }
}

#[test]
fn nothing_is_allocated() {
    let stream = [messages(Side::Downstream, 500, 16), messages(Side::Downstream, 1, 70_000)].concat();
    let mut scanner = FrameScanner::new(Side::Downstream);
    let mut counts = (0, 0, 0);
    let info = allocation_counter::measure(|| {
        for piece in stream.chunks(22) {
            let run = scanner.take_data(piece, None);
            counts = (counts.0 + run.taken, counts.1 + run.frames, counts.2 + run.messages);
        }
    });
    assert_eq!(info.count_total, 0);
    assert_eq!(counts, (stream.len(), 501, 501), "each piece begins with a frame, up to the long one");
    let mut whole = FrameScanner::new(Side::Downstream);
    let run = whole.take_data(&stream, None);
    assert_eq!((run.taken, run.frames, run.messages), (stream.len(), 501, 501));
    assert!(whole.is_at_boundary());
}

#[test]
fn a_limit_is_kept_before_a_byte_of_the_frame_has_gone() {
    let fragment = |first, length| Frame { first, mask: None, content: vec![0; length] }.bytes();
    let fragments = [fragment(0x02, 60), fragment(0x00, 60), fragment(0x80, 60)].concat();
    for cut in 1..fragments.len() {
        let mut scanner = FrameScanner::new(Side::Upstream);
        let mut at = scanner.take_data(&fragments[..cut], Some(150)).taken;
        at += scanner.take_data(&fragments[at..], Some(150)).taken;
        assert_eq!(at, 2 * 62, "cut behind {cut}");
        let Ok(Next::Frame(frame)) = scanner.next(&fragments[at..]) else { panic!("a frame") };
        assert_eq!(frame.message_length(), 180);
    }
}
