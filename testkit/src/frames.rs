//! Frames of a WebSocket as a peer may send them, good and bad; how tungstenite reads them, which shares no line with
//! the scanner; and the property that the scanner reads them likewise, however they are cut.

use std::io::{self, Cursor, Read, Write};

use arbitrary::Arbitrary;
use tungstenite::{
    WebSocket,
    error::{Error, ProtocolError},
    protocol::{
        Role, WebSocketConfig,
        frame::{
            FrameHeader,
            coding::{Control, OpCode},
        },
    },
};
use underpass_core::{
    Side,
    websocket::{DataRun, FrameScanner, FrameViolation, Mask, Next, Opcode},
};

/// A frame's header and content (RFC 6455 §5.2). What is in the first byte is whatever it is.
#[derive(Clone, Debug, Arbitrary)]
pub struct Frame {
    /// FIN, RSV1 to RSV3 and the opcode.
    pub first: u8,
    /// The masking key, of a frame that is masked.
    pub mask: Option<[u8; 4]>,
    /// The payload before it is masked.
    pub content: Vec<u8>,
}

/// How many bytes tell the length of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As few as there may be.
    Shortest,
    /// The second byte and two more.
    Two,
    /// The second byte and eight more.
    Eight,
}

impl Frame {
    /// The frame as it stands on the wire.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes_with(Form::Shortest)
    }

    /// The frame with its length in this form, if this has room for it.
    #[must_use]
    pub fn bytes_with(&self, form: Form) -> Vec<u8> {
        let masked = u8::from(self.mask.is_some()) << 7;
        let mut bytes = vec![self.first];
        match (u16::try_from(self.content.len()), form) {
            (Ok(length @ 0..=125), Form::Shortest) => {
                bytes.push(masked | u8::try_from(length).unwrap_or(125));
            }
            (Ok(length), Form::Shortest | Form::Two) => {
                bytes.push(masked | 126);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
            _ => {
                bytes.push(masked | 127);
                bytes.extend_from_slice(&(self.content.len() as u64).to_be_bytes());
            }
        }
        let mask = self.mask.unwrap_or_default();
        bytes.extend(self.mask.into_iter().flatten());
        bytes.extend(self.content.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }
}

/// Binary messages, one frame each, as `from` sends them: something for a scanner to run through.
#[must_use]
pub fn messages(from: Side, count: usize, length: usize) -> Vec<u8> {
    let mask = (from == Side::Downstream).then_some([1, 2, 3, 4]);
    Frame { first: 0x82, mask, content: vec![b'x'; length] }.bytes().repeat(count)
}

/// What is found in a stream of frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The frames in their order, up to a Close.
    pub frames: Vec<Found>,
    /// What the frame behind them breaks.
    pub violation: Option<FrameViolation>,
    /// How many bytes are those of the frames.
    pub taken: usize,
}

/// A frame that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it begins.
    pub at: usize,
    /// Where its payload begins.
    pub payload: usize,
    /// How long this is, what has not come included.
    pub length: u64,
    /// FIN, RSV1 to RSV3 and the opcode.
    pub first: u8,
    /// The masking key.
    pub mask: Option<[u8; 4]>,
    /// What is there of the payload, unmasked.
    pub content: Vec<u8>,
    /// The code of a Close.
    pub code: Option<u16>,
}

impl Found {
    fn is(&self, opcode: Opcode) -> bool {
        self.first & 0x0f == opcode.bits()
    }

    /// Whether there is as much of it as a scanner waits for: the code of a Close, and a Pong that is held back.
    fn is_shown(&self, holds_pongs: bool) -> bool {
        let wanted = if self.is(Opcode::Close) {
            // One byte is half a code, which is none (RFC 6455 §5.5.1): nothing is waited for.
            if self.length < 2 { 0 } else { 2 }
        } else if self.is(Opcode::Pong) && holds_pongs {
            self.length
        } else {
            0
        };
        self.content.len() as u64 >= wanted
    }
}

/// What tungstenite finds.
#[must_use]
pub fn read(from: Side, stream: &[u8]) -> Reading {
    let mut reader = Reader::new(from);
    let mut reading = Reading::default();
    loop {
        let at = reading.taken;
        let mut cursor = Cursor::new(&stream[at..]);
        let (header, length) = match FrameHeader::parse(&mut cursor) {
            Ok(Some(found)) => found,
            Ok(None) => return reading,
            Err(_) => {
                reading.violation = Some(FrameViolation::ReservedOpcode);
                return reading;
            }
        };
        let payload = at + usize::try_from(cursor.position()).expect("it is in memory");
        reading.violation = reader.judge(&header, length, payload - at);
        if reading.violation.is_some() {
            return reading;
        }
        let there = usize::try_from(length).unwrap_or(usize::MAX).min(stream.len() - payload);
        let key = header.mask.unwrap_or_default();
        let content: Vec<u8> = stream[payload..payload + there]
            .iter()
            .enumerate()
            .map(|(index, byte)| byte ^ key[index % 4])
            .collect();
        let is_close = header.opcode == OpCode::Control(Control::Close);
        let code = content.first_chunk().filter(|_| is_close).map(|code| u16::from_be_bytes(*code));
        let first = stream[at];
        reading.frames.push(Found { at, payload, length, first, mask: header.mask, content, code });
        reading.taken = payload + there;
        if is_close || (there as u64) < length {
            return reading;
        }
    }
}

/// tungstenite's own WebSocket, which is fed frame by frame and says which is wrong.
struct Reader {
    from: Side,
    socket: WebSocket<Feed>,
}

impl Reader {
    fn new(from: Side) -> Self {
        // Who reads a client is a server.
        let role = if from == Side::Downstream { Role::Server } else { Role::Client };
        let config = WebSocketConfig::default().read_buffer_size(1024);
        Self { from, socket: WebSocket::from_raw_socket(Feed::default(), role, Some(config)) }
    }

    /// What is wrong with the frame, the first byte that is wrong first.
    fn judge(&mut self, header: &FrameHeader, length: u64, size: usize) -> Option<FrameViolation> {
        let has_to_be_masked = self.from == Side::Downstream;
        let found = self.feed(header, length, has_to_be_masked);
        if found.is_some_and(|found| found != FrameViolation::LongControl) {
            return found;
        }
        match header.mask {
            Some(_) if !has_to_be_masked => return Some(FrameViolation::Masked),
            None if has_to_be_masked => return Some(FrameViolation::Unmasked),
            _ => {}
        }
        if length > i64::MAX as u64 {
            return Some(FrameViolation::LengthTooLarge);
        }
        if header.len(length) != size {
            return Some(FrameViolation::LengthNotShortest);
        }
        found
    }

    /// Has the socket read a frame that begins as this one does. Its payload is short and nothing but zeros, as the
    /// socket reads text and codes, too; it has no RSV bits, as the socket knows no extension.
    fn feed(&mut self, header: &FrameHeader, length: u64, masked: bool) -> Option<FrameViolation> {
        let key = masked.then_some([9, 8, 7, 6]);
        let header = FrameHeader { rsv1: false, rsv2: false, rsv3: false, mask: key, ..header.clone() };
        let length = match header.opcode {
            OpCode::Control(Control::Close) if length <= 125 => 0,
            OpCode::Control(_) => length.min(126),
            OpCode::Data(_) => length.min(8),
        };
        let feed = self.socket.get_mut();
        header.format(length, &mut feed.bytes).expect("memory takes it");
        let payload = key.unwrap_or_default().into_iter().cycle().take(usize::try_from(length).unwrap_or(0));
        feed.bytes.extend(payload);
        loop {
            return Some(match self.socket.read() {
                Ok(_) => continue,
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(Error::ConnectionClosed) => return None,
                Err(Error::Protocol(ProtocolError::FragmentedControlFrame)) => {
                    FrameViolation::FragmentedControl
                }
                Err(Error::Protocol(ProtocolError::ControlFrameTooBig)) => FrameViolation::LongControl,
                Err(Error::Protocol(ProtocolError::UnexpectedContinueFrame)) => {
                    FrameViolation::StrayContinuation
                }
                Err(Error::Protocol(ProtocolError::ExpectedFragment(_))) => {
                    FrameViolation::InterleavedMessage
                }
                Err(error) => panic!("{header:?}: {error}"),
            });
        }
    }
}

/// What is to be read; what is written is dropped.
#[derive(Debug, Default)]
struct Feed {
    bytes: Vec<u8>,
    read: usize,
}

impl Read for Feed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match (&self.bytes[self.read..]).read(into)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => {
                self.read += count;
                Ok(count)
            }
        }
    }
}

impl Write for Feed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the scanner finds in pieces of these lengths, again and again.
#[must_use]
pub fn scan(from: Side, stream: &[u8], lengths: &[usize], holds_pongs: bool) -> Reading {
    let mut scanner = FrameScanner::new(from);
    let mut reading = Reading::default();
    for end in cuts(stream, lengths) {
        loop {
            let at = reading.taken;
            match scanner.next(&stream[at..end]) {
                Ok(Next::Wait | Next::Closed) => break,
                Ok(Next::Payload(count)) => {
                    reading.taken += count;
                    let found = reading.frames.last_mut().expect("payload belongs to a frame");
                    let mask = found.mask.map(|key| Mask::new(key).advanced(found.content.len() as u64));
                    found.content.extend(unmasked(&stream[at..reading.taken], mask));
                }
                Ok(Next::Frame(frame)) => {
                    let header = *frame.header();
                    if holds_pongs && header.opcode == Opcode::Pong && !frame.is_whole() {
                        break;
                    }
                    let (pong, code, payload) = (frame.pong_payload(), frame.close_code(), at + header.size);
                    reading.taken += frame.take();
                    let content = unmasked(&stream[payload..reading.taken], header.mask);
                    assert!(
                        pong.is_none_or(|pong| pong.eq(content.iter().copied())),
                        "a Pong is what it says"
                    );
                    reading.frames.push(Found {
                        at,
                        payload,
                        length: header.length,
                        first: u8::from(header.fin) << 7 | header.rsv << 4 | header.opcode.bits(),
                        mask: header.mask.map(Mask::key),
                        content,
                        code,
                    });
                }
                Err(violation) => {
                    assert_eq!(scanner.next(&stream[at..]).err(), Some(violation), "it is said again");
                    reading.violation = Some(violation);
                    return reading;
                }
            }
        }
    }
    reading
}

/// Where pieces of these lengths end, again and again, up to the end of the stream.
fn cuts(stream: &[u8], lengths: &[usize]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut lengths = lengths.iter().copied().filter(|length| *length > 0).cycle();
    let mut end = 0;
    while end < stream.len() {
        end = stream.len().min(end.saturating_add(lengths.next().unwrap_or(usize::MAX)));
        ends.push(end);
    }
    ends
}

fn unmasked(bytes: &[u8], mask: Option<Mask>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(mask) = mask {
        mask.apply(&mut bytes);
    }
    bytes
}

/// The scanner finds what tungstenite finds, in pieces of these lengths as in one, and in runs as one by one.
///
/// # Panics
/// When it doesn't.
pub fn check(from: Side, stream: &[u8], lengths: &[usize]) {
    let expected = read(from, stream);
    for holds_pongs in [false, true] {
        let mut expected = expected.clone();
        // What is not shown yet is the last: nothing stands behind it.
        if let Some(last) = expected.frames.pop_if(|last| !last.is_shown(holds_pongs)) {
            expected.taken = last.at;
        }
        for lengths in [&[usize::MAX], lengths] {
            let mut found = scan(from, stream, lengths, holds_pongs);
            // tungstenite looks at a header when it is whole.
            if expected.violation.is_none() && stream.len() - found.taken < 14 {
                found.violation = None;
            }
            assert_eq!(found, expected, "{from:?}, in pieces of {lengths:?}: {}", stream.escape_ascii());
        }
    }
    check_runs(from, stream, lengths, &expected);
}

/// Runs of data frames, and what stands between them.
fn check_runs(from: Side, stream: &[u8], lengths: &[usize], expected: &Reading) {
    let mut scanner = FrameScanner::new(from);
    let (mut at, mut frames, mut messages) = (0, 0, 0);
    let is_cut = expected.frames.last().is_some_and(|last| (last.content.len() as u64) < last.length);
    for end in cuts(stream, lengths) {
        loop {
            let run = scanner.take_data(&stream[at..end], None);
            if let Some(boundary) = run.boundary.map(|boundary| at + boundary) {
                let begins = expected.frames.iter().any(|found| found.at == boundary);
                assert!(
                    begins || boundary == expected.taken && !is_cut,
                    "no frame is under way at {boundary}"
                );
            }
            let DataRun { taken, frames: more, messages: whole, .. } = run;
            (at, frames, messages) = (at + taken, frames + more, messages + whole);
            let Ok(Next::Frame(frame)) = scanner.next(&stream[at..end]) else { break };
            assert!(frame.header().opcode.is_control(), "data needs no decision");
            (at, frames) = (at + frame.take(), frames + 1);
        }
    }
    let shown = expected.frames.iter().filter(|found| found.is_shown(false));
    let ends_message = |found: &&Found| found.first & 0x88 == 0x80;
    assert_eq!((frames, messages), (shown.clone().count(), shown.filter(ends_message).count()));
}
