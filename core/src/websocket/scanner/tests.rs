use super::*;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame whose header is written as it is told to be.
fn frame(first: u8, second: u8, length: &[u8], payload: &[u8]) -> Vec<u8> {
    let mask = Mask::new(KEY);
    let mut payload = payload.to_vec();
    let mut frame = [&[first, second], length].concat();
    if second & 0x80 != 0 {
        frame.extend_from_slice(&KEY);
        mask.apply(&mut payload);
    }
    [frame, payload].concat()
}

/// What is told of a stream, as text, and how many bytes of it were taken.
fn scan(from: Side, stream: &[u8], step: usize) -> (Vec<String>, usize) {
    let mut scanner = FrameScanner::new(from);
    let (mut told, mut at) = (Vec::new(), 0);
    for end in (step..stream.len()).step_by(step).chain([stream.len()]) {
        loop {
            match scanner.next(&stream[at..end]) {
                Ok(Next::Wait) => break,
                Ok(Next::Closed) => {
                    told.push("closed".to_owned());
                    return (told, at);
                }
                Ok(Next::Payload(count)) => at += count,
                Ok(Next::Frame(frame)) if frame.header().opcode == Opcode::Pong && !frame.is_whole() => break,
                Ok(Next::Frame(frame)) => {
                    let FrameHeader { fin, rsv, opcode, length, mask, size } = *frame.header();
                    let pong = frame.pong_payload().map(Vec::from_iter);
                    let (code, message) = (frame.close_code(), frame.message_length());
                    told.push(format!(
                        "{opcode:?} {fin} {rsv} {length} {mask:?} {size}: {message} {code:?} {pong:?}"
                    ));
                    at += frame.take();
                }
                Err(violation) => {
                    told.push(format!("{violation:?}"));
                    return (told, at);
                }
            }
        }
    }
    (told, at)
}

#[test]
fn a_quiet_scanner_is_small() {
    assert!(size_of::<FrameScanner>() <= 32, "{} bytes", size_of::<FrameScanner>());
}

#[test]
fn the_examples_of_the_rfc() {
    // RFC 6455 §5.7.
    let header = |stream: &[u8], from| {
        let mut scanner = FrameScanner::new(from);
        let Ok(Next::Frame(frame)) = scanner.next(stream) else { panic!("a frame") };
        let header = *frame.header();
        (header.fin, header.opcode, header.length, header.mask.map(Mask::key), header.size)
    };
    let hello = b"\x81\x05Hello";
    assert_eq!(header(hello, Side::Upstream), (true, Opcode::Text, 5, None, 2));
    let masked = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_eq!(header(masked, Side::Downstream), (true, Opcode::Text, 5, Some(KEY), 6));
    assert_eq!(header(b"\x01\x03Hel", Side::Upstream), (false, Opcode::Text, 3, None, 2));
    assert_eq!(header(b"\x89\x05Hello", Side::Upstream), (true, Opcode::Ping, 5, None, 2));
    assert_eq!(header(b"\x82\x7e\x01\x00", Side::Upstream), (true, Opcode::Binary, 256, None, 4));
    let long = b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00";
    assert_eq!(header(long, Side::Upstream), (true, Opcode::Binary, 65_536, None, 10));
}

#[test]
fn the_same_in_every_cut() {
    let stream = [
        frame(0x81, 0x85, b"", b"Hello"),
        frame(0x42, 0xfe, &200_u16.to_be_bytes(), &[7; 200]),
        frame(0x8a, 0x83, b"", b"abc"),
        frame(0x00, 0x80, b"", b""),
        frame(0x89, 0x81, b"", b"p"),
        frame(0x80, 0xff, &65_536_u64.to_be_bytes(), &vec![9; 65_536]),
        frame(0x88, 0x84, b"", b"\x03\xe9by"),
    ]
    .concat();
    let mask = Mask::new(KEY);
    let expected = [
        format!("Text true 0 5 Some({mask:?}) 6: 5 None None"),
        format!("Binary false 4 200 Some({mask:?}) 8: 200 None None"),
        format!("Pong true 0 3 Some({mask:?}) 6: 200 None Some([97, 98, 99])"),
        format!("Continuation false 0 0 Some({mask:?}) 6: 200 None None"),
        format!("Ping true 0 1 Some({mask:?}) 6: 200 None None"),
        format!("Continuation true 0 65536 Some({mask:?}) 14: 65736 None None"),
        format!("Close true 0 4 Some({mask:?}) 6: 0 Some(1001) None"),
        "closed".to_owned(),
    ];
    for step in (1..=50).chain([1000, stream.len()]) {
        let (told, taken) = scan(Side::Downstream, &[stream.as_slice(), b"\x81\x00"].concat(), step);
        assert_eq!(told, expected, "by {step}");
        assert_eq!(taken, stream.len());
    }
}

#[test]
fn violations() {
    use FrameViolation::*;
    let long = 126_u16.to_be_bytes();
    let begun = frame(0x01, 0x81, b"", b"a");
    let mut cases = vec![
        (FragmentedControl, frame(0x08, 0x80, b"", b"")),
        (FragmentedControl, frame(0x09, 0x80, b"", b"")),
        (FragmentedControl, frame(0x0a, 0x80, b"", b"")),
        (LongControl, frame(0x88, 0xfe, &long, &[0; 126])),
        (LongControl, frame(0x89, 0xfe, &long, &[0; 126])),
        (LongControl, frame(0x8a, 0xff, &70_000_u64.to_be_bytes(), &[])),
        (StrayContinuation, frame(0x80, 0x81, b"", b"a")),
        (StrayContinuation, frame(0x00, 0x81, b"", b"a")),
        (StrayContinuation, [frame(0x81, 0x81, b"", b"a"), frame(0x80, 0x81, b"", b"b")].concat()),
        (InterleavedMessage, [begun.clone(), frame(0x81, 0x81, b"", b"b")].concat()),
        (
            InterleavedMessage,
            [begun.clone(), frame(0x89, 0x80, b"", b""), frame(0x02, 0x81, b"", b"b")].concat(),
        ),
        (Unmasked, frame(0x81, 0x01, b"", b"a")),
        (Unmasked, frame(0x89, 0x00, b"", b"")),
        (LengthTooLarge, frame(0x82, 0xff, &(1_u64 << 63).to_be_bytes(), b"")),
        (LengthTooLarge, frame(0x82, 0xff, &u64::MAX.to_be_bytes(), b"")),
        (LengthNotShortest, frame(0x82, 0xfe, &125_u16.to_be_bytes(), &[0; 125])),
        (LengthNotShortest, frame(0x82, 0xff, &65_535_u64.to_be_bytes(), b"")),
        (LengthNotShortest, frame(0x89, 0xfe, &5_u16.to_be_bytes(), b"Hello")),
        (LengthNotShortest, frame(0x82, 0xff, &0_u64.to_be_bytes(), b"")),
    ];
    for opcode in (0x3..=0x7).chain(0xb..=0xf) {
        cases.push((ReservedOpcode, frame(0x80 | opcode, 0x81, b"", b"a")));
        cases.push((ReservedOpcode, frame(opcode, 0x01, b"", b"a")));
    }
    for (violation, stream) in &cases {
        for step in 1..=stream.len() {
            let (told, taken) = scan(Side::Downstream, stream, step);
            assert_eq!(told.last(), Some(&format!("{violation:?}")), "{stream:x?} by {step}");
            assert!(taken < stream.len(), "nothing of the frame was taken");
        }
    }
    assert_eq!(scan(Side::Upstream, &frame(0x82, 0x81, b"", b"a"), 9), (vec!["Masked".to_owned()], 0));
    let shown = FrameViolation::ALL
        .iter()
        .filter(|violation| **violation == Masked || cases.iter().any(|(broken, _)| broken == *violation));
    assert_eq!(shown.count(), FrameViolation::ALL.len(), "each has a case");
}

#[test]
fn the_shortest_of_each_form_and_the_longest_pass() {
    for (second, length, expected) in [
        (0xfd_u8, Vec::new(), 125_u64),
        (0xfe, 126_u16.to_be_bytes().to_vec(), 126),
        (0xfe, u16::MAX.to_be_bytes().to_vec(), 65_535),
        (0xff, 65_536_u64.to_be_bytes().to_vec(), 65_536),
        (0xff, (u64::MAX >> 1).to_be_bytes().to_vec(), u64::MAX >> 1),
    ] {
        let mut scanner = FrameScanner::new(Side::Downstream);
        let stream = frame(0x82, second, &length, b"");
        let Ok(Next::Frame(frame)) = scanner.next(&stream) else { panic!("a frame of {expected} bytes") };
        assert_eq!(frame.header().length, expected);
        assert_eq!(frame.take(), stream.len());
        assert_eq!((scanner.left(), scanner.is_at_boundary()), (expected, false));
    }
    let ping = frame(0x89, 0x80 | 125, b"", &[1; 125]);
    assert_eq!(scan(Side::Downstream, &ping, 7).1, ping.len(), "a control frame may have 125 bytes");
}

#[test]
fn a_frame_that_is_not_taken_is_shown_again() {
    let mut scanner = FrameScanner::new(Side::Upstream);
    let before = scanner.clone();
    for _ in 0..3 {
        let Ok(Next::Frame(frame)) = scanner.next(b"\x02\x02ab") else { panic!("a frame") };
        assert_eq!(frame.message_length(), 2);
        assert_eq!(format!("{frame:?}").matches("ab").count(), 0, "no content is shown");
    }
    assert_eq!(scanner, before);
}

#[test]
fn payload_may_be_moved_unseen() {
    let mut scanner = FrameScanner::new(Side::Downstream);
    let stream = frame(0x82, 0x8b, b"", b"hello world");
    let Ok(Next::Frame(begun)) = scanner.next(&stream[..8]) else { panic!("a frame") };
    assert_eq!(begun.take(), 8);
    assert_eq!(scanner.left(), 9);
    scanner.skip(4);
    assert_eq!(scanner.left(), 5);
    scanner.skip(3);
    assert!(matches!(scanner.next(&stream[15..]), Ok(Next::Payload(2))));
    assert!(scanner.is_at_boundary());
    assert_eq!(scanner, FrameScanner::new(Side::Downstream), "nothing is left of a frame that has gone");
    scanner.skip(7);
    assert!(scanner.is_at_boundary(), "between frames there is nothing to move");
    assert!(matches!(scanner.next(&stream), Ok(Next::Frame(_))));
}

#[test]
fn a_payload_is_unmasked_in_every_cut_by_the_mask_of_its_header() {
    let payload: Vec<u8> = (0..=255).collect();
    let stream = frame(0x82, 0xfe, &256_u16.to_be_bytes(), &payload);
    for step in 1..=stream.len() {
        let mut scanner = FrameScanner::new(Side::Downstream);
        let (mut at, mut unmasked, mut mask) = (0, Vec::new(), None);
        for end in (step..stream.len()).step_by(step).chain([stream.len()]) {
            loop {
                let from = match scanner.next(&stream[at..end]).expect("a frame") {
                    Next::Wait | Next::Closed => break,
                    Next::Payload(count) => {
                        at += count;
                        at - count
                    }
                    Next::Frame(frame) => {
                        let header = *frame.header();
                        mask = header.mask;
                        let from = at + header.size;
                        at += frame.take();
                        from
                    }
                };
                let mut piece = stream[from..at].to_vec();
                mask.expect("it is masked").advanced(unmasked.len() as u64).apply(&mut piece);
                unmasked.extend(piece);
            }
        }
        assert_eq!(unmasked, payload, "by {step}");
    }
}

#[test]
fn a_message_is_as_long_as_its_fragments_together() {
    let mut scanner = FrameScanner::new(Side::Upstream);
    let mut lengths = Vec::new();
    let huge = [0x02, 0x7f, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    for (stream, unseen) in [
        (b"\x02\x03abc".as_slice(), 0),
        (b"\x89\x02pp", 0),
        (b"\x00\x00", 0),
        (b"\x80\x04defg", 0),
        (b"\x82\x01h", 0),
        (&huge, i64::MAX as u64),
        (&[&[0x00], &huge[1..]].concat(), i64::MAX as u64),
        (&[&[0x00], &huge[1..]].concat(), i64::MAX as u64),
    ] {
        let Ok(Next::Frame(frame)) = scanner.next(stream) else { panic!("a frame") };
        lengths.push((frame.message_length(), frame.header().ends_message()));
        assert_eq!(frame.take(), stream.len());
        scanner.skip(unseen);
    }
    let whole = [(3, false), (3, false), (3, false), (7, true), (1, true)];
    assert_eq!(lengths[..5], whole);
    let half = i64::MAX as u64;
    assert_eq!(lengths[5..], [(half, false), (half * 2, false), (u64::MAX, false)], "no sum overflows");
}

#[test]
fn data_frames_are_taken_up_to_what_is_to_be_decided() {
    let run = |stream: &[u8], limit| {
        let mut scanner = FrameScanner::new(Side::Upstream);
        let run = scanner.take_data(stream, limit);
        (run.taken, run.boundary, run.frames, run.messages)
    };
    assert_eq!(run(b"", None), (0, Some(0), 0, 0));
    assert_eq!(run(b"\x81", None), (0, Some(0), 0, 0), "a header that isn't whole");
    assert_eq!(run(b"\x81\x02ab\x82\x00\x82", None), (6, Some(6), 2, 2));
    assert_eq!(run(b"\x81\x02ab\x82\x05a", None), (7, Some(4), 2, 2), "inside of the second");
    assert_eq!(run(b"\x81\x05a", None), (3, Some(0), 1, 1), "inside of the first");
    assert_eq!(run(b"\x01\x01a\x00\x01b\x80\x01c", None), (9, Some(9), 3, 1));
    for stop in [b"\x88\x00".as_slice(), b"\x89\x00", b"\x8a\x00", b"\x83\x00", b"\x80\x00"] {
        assert_eq!(run(&[b"\x81\x01a", stop].concat(), None), (3, Some(3), 1, 1), "{stop:x?}");
    }
    // The third fragment makes 3 bytes.
    let fragments = b"\x01\x01a\x00\x01b\x80\x01c\x81\x03abc";
    assert_eq!(run(fragments, Some(2)), (6, Some(6), 2, 0));
    assert_eq!(run(fragments, Some(3)), (14, Some(14), 4, 2), "each message counts by itself");
}

#[test]
fn a_run_goes_on_inside_of_a_frame() {
    let mut scanner = FrameScanner::new(Side::Upstream);
    let taken = |run: DataRun| (run.taken, run.boundary, run.frames, run.messages);
    assert_eq!(taken(scanner.take_data(b"\x81\x06ab", None)), (4, Some(0), 1, 1));
    assert_eq!(taken(scanner.take_data(b"cd", None)), (2, None, 0, 0));
    assert_eq!(taken(scanner.take_data(b"ef\x81\x01", None)), (4, Some(2), 1, 1));
    assert_eq!(taken(scanner.take_data(b"", None)), (0, None, 0, 0));
    assert_eq!(taken(scanner.take_data(b"g", None)), (1, Some(1), 0, 0));
}

#[test]
fn nothing_follows_a_close() {
    for close in [b"\x88\x00".as_slice(), b"\x88\x01\x03", b"\x88\x02\x03\xe8", b"\x88\x05\x03\xe8abc"] {
        let mut scanner = FrameScanner::new(Side::Upstream);
        let Ok(Next::Frame(frame)) = scanner.next(close) else { panic!("a frame") };
        assert_eq!(frame.close_code(), (close.len() > 3).then_some(1000));
        assert_eq!(frame.take(), close.len());
        assert!(scanner.is_closed());
        assert!(matches!(scanner.next(b"\x81\x00"), Ok(Next::Closed)));
        assert_eq!(scanner.take_data(b"\x81\x00", None).taken, 0);
    }
    let mut scanner = FrameScanner::new(Side::Upstream);
    assert!(matches!(scanner.next(b"\x88\x05\x03"), Ok(Next::Wait)), "a code comes in one piece");
    let Ok(Next::Frame(frame)) = scanner.next(b"\x88\x05\x03\xe8") else { panic!("a frame") };
    assert_eq!(frame.take(), 4);
    assert!(!scanner.is_closed() && scanner.left() == 3, "its reason is to come");
    assert_eq!(scanner.take_data(b"abc\x81\x00", None).taken, 3);
    assert!(scanner.is_closed());
}
