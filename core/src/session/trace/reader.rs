//! Which of the received bytes were content. The session is asked between its steps, so that there is no second
//! opinion of where a head ends.

use crate::{
    Side,
    http1::ChunkedDecoder,
    session::{Session, flow::Content, phase::Stage},
    state::{exchange, message, phase},
    tunnel::{ANSWER, Tunnel},
    websocket::{FrameHeader, FrameScanner, Next, Opcode},
};

/// What received bytes were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A head, or what was to be one.
    Head,
    /// A trailer section, or what was to be one.
    Trailers,
    /// What stands around content: it has to stay for a replay, and tells nothing.
    Framing,
    /// What a tunnel of WebSocket decides by: headers of frames, the code of a Close, a Pong that may answer a Ping of ours.
    Frame,
    /// Content, bytes of a tunnel, and what was read to be dropped.
    Content,
}

/// The bytes from one side that the session has not understood yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Reader {
    received: Vec<u8>,
    /// So many of them are understood.
    front: usize,
    /// How far the others were searched for the end of a head.
    search: Search,
    /// So many of them were looked at as a head or framing, and are what the session has decided by.
    looked: usize,
    /// The frames of a tunnel that looks at them.
    frames: Option<Box<Frames>>,
    before: Before,
}

/// Where the bytes of a side stand among its frames.
#[derive(Clone, Debug)]
struct Frames {
    scanner: FrameScanner,
    /// What has come of a header that isn't whole.
    header: Vec<u8>,
    /// What the payload under way is told as; absent where frames can't be told any more.
    payload: Option<Class>,
}

impl Frames {
    fn new(from: Side) -> Self {
        Self { scanner: FrameScanner::new(from), header: Vec::new(), payload: Some(Class::Content) }
    }

    /// How many bytes of the front are of one class, and of which. Nothing is decided by RSV bits, nor by the length of a
    /// frame that is masked as it must not be: bytes that are no frame are told by less of themselves.
    fn run(&mut self, bytes: &mut [u8], came: &mut impl FnMut(&FrameHeader)) -> (usize, Class) {
        let Some(payload) = self.payload else { return (bytes.len(), Class::Content) };
        let left = usize::try_from(self.scanner.left()).unwrap_or(usize::MAX);
        if left > 0 {
            let count = left.min(bytes.len());
            self.scanner.skip(count as u64);
            return (count, payload);
        }
        let count = bytes.len();
        for (at, byte) in bytes.iter_mut().enumerate() {
            if self.header.is_empty() {
                *byte &= 0x8f;
            }
            self.header.push(*byte);
            match self.scanner.next(&self.header) {
                Ok(Next::Wait | Next::Payload(_)) => {}
                Ok(Next::Frame(frame)) => {
                    let header = *frame.header();
                    came(&header);
                    let may_be_ours = header.opcode == Opcode::Pong && header.length == ANSWER;
                    self.payload = Some(if may_be_ours { Class::Frame } else { Class::Content });
                    let _taken = frame.take();
                    self.header.clear();
                    return (at + 1, Class::Frame);
                }
                Ok(Next::Closed) | Err(_) => {
                    self.payload = None;
                    if self.header.len() == 2 {
                        *byte &= 0x80;
                    }
                    return (at + 1, Class::Frame);
                }
            }
        }
        (count, Class::Frame)
    }
}

/// What held before a step.
#[derive(Clone, Copy, Debug)]
struct Before {
    stage: Stage,
    message: message::State,
    content: Content,
}

impl Default for Before {
    fn default() -> Self {
        let stage = Stage::Phase(phase::Machine::START.state());
        Self { stage, message: message::Machine::START.state(), content: Content::Empty }
    }
}

impl Reader {
    /// Bytes came.
    pub(super) fn received(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    fn unread(&self) -> &[u8] {
        self.received.get(self.front..).unwrap_or_default()
    }

    /// Bytes that the session has understood or dropped meanwhile, in pieces, and the frames whose headers are among them.
    /// Where content is told as it is, it need not be told apart.
    pub(super) fn watch(
        &mut self,
        session: &Session,
        (side, plain): (Side, bool),
        piece: &mut impl FnMut(Class, &mut [u8]),
        came: &mut impl FnMut(&FrameHeader),
    ) {
        let flow = session.common.flow(side);
        let now = Before { stage: session.stage(), message: flow.message.state(), content: flow.content };
        let before = std::mem::replace(&mut self.before, now);
        let count = self.unread().len().saturating_sub(flow.inbox.raw().len());
        if self.unread().is_empty() {
            return;
        }
        let tunnels = [before.stage, now.stage].contains(&Stage::Phase(phase::State::Tunnelling));
        match (before.message, before.content) {
            _ if tunnels && plain => {
                self.find_frames(count, (session, side), came);
                self.pass(count, Class::Content, piece);
            }
            _ if tunnels => self.pass_frames(count, (session, side), piece, came),
            (message::State::Content, Content::Chunked(decoder)) => self.pass_chunks(count, decoder, piece),
            (message::State::Content, _) => self.pass(count, Class::Content, piece),
            _ => {
                self.look(before.stage, side);
                let head = count.min(self.looked);
                self.pass(head, Class::Head, piece);
                self.pass(count - head, Class::Content, piece);
                self.looked -= head;
            }
        }
        if self.unread().is_empty() {
            // A quiet tunnel holds nothing.
            *self = Self { before: now, frames: self.frames.take(), ..Self::default() };
        } else if self.front > self.received.len() / 2 {
            // Less is moved than was understood.
            self.received.drain(..std::mem::take(&mut self.front));
        }
    }

    /// Where heads are read, what is there is looked at, up to the empty line that ends a head.
    fn look(&mut self, stage: Stage, side: Side) {
        self.looked = match (stage, side) {
            (Stage::Phase(phase::State::Greeting), Side::Downstream) => self.unread().len(),
            (Stage::Phase(phase::State::Idle | phase::State::Receiving), Side::Downstream)
            | (Stage::Exchange(exchange::State::Awaiting), Side::Upstream) => self.head_length(),
            _ => self.looked.min(self.unread().len()),
        };
    }

    /// Bytes up to and with the empty line behind a head.
    fn head_length(&mut self) -> usize {
        self.search.go_on(self.received.get(self.front..).unwrap_or_default())
    }

    fn pass(&mut self, count: usize, class: Class, piece: &mut impl FnMut(Class, &mut [u8])) {
        if count > 0 {
            let end = (self.front + count).min(self.received.len());
            piece(class, self.received.get_mut(self.front..end).unwrap_or_default());
            (self.front, self.search) = (end, Search::default());
        }
    }

    /// The frames of a tunnel that looks at them.
    fn frames(&mut self, session: &Session, from: Side) -> Option<&mut Frames> {
        if self.frames.is_none() && session.phase.tunnel().is_some_and(Tunnel::looks_at_frames) {
            self.frames = Some(Box::new(Frames::new(from)));
        }
        self.frames.as_deref_mut()
    }

    /// Looks for frames among bytes of a tunnel that are told as they are.
    fn find_frames(
        &mut self,
        count: usize,
        (session, from): (&Session, Side),
        came: &mut impl FnMut(&FrameHeader),
    ) {
        let mut bytes = self.unread().get(..count).unwrap_or_default().to_vec();
        let Some(frames) = self.frames(session, from) else { return };
        let mut rest = bytes.as_mut_slice();
        while !rest.is_empty() {
            let (count, _) = frames.run(rest, came);
            rest = rest.get_mut(count.max(1)..).unwrap_or_default();
        }
    }

    /// Bytes of a tunnel, frame by frame where it looks at these.
    fn pass_frames(
        &mut self,
        count: usize,
        (session, from): (&Session, Side),
        piece: &mut impl FnMut(Class, &mut [u8]),
        came: &mut impl FnMut(&FrameHeader),
    ) {
        let _frames = self.frames(session, from);
        let mut left = count;
        while left > 0 {
            let end = (self.front + left).min(self.received.len());
            let bytes = self.received.get_mut(self.front..end).unwrap_or_default();
            let (count, class) = match &mut self.frames {
                Some(frames) => frames.run(bytes, came),
                None => (left, Class::Content),
            };
            self.pass(count, class, piece);
            left = left.saturating_sub(count.max(1));
        }
    }

    /// Content is read chunk by chunk, as the session has read it.
    fn pass_chunks(
        &mut self,
        count: usize,
        mut decoder: ChunkedDecoder,
        piece: &mut impl FnMut(Class, &mut [u8]),
    ) {
        let mut left = count;
        while left > 0 {
            if let Some(data) = decoder.data_left() {
                let data = usize::try_from(data).unwrap_or(usize::MAX).min(left);
                decoder.skip_data(data as u64);
                self.pass(data, Class::Content, piece);
                left -= data;
                continue;
            }
            let class = if decoder.reads_trailers() { Class::Trailers } else { Class::Framing };
            let there = self.unread().get(..left).unwrap_or_default();
            let Some(framing) = framing_length(&mut decoder, there) else {
                // The session has stumbled over it, and dropped the rest.
                let looked = looked_length(decoder, there, &mut Search::default());
                self.pass(looked, class, piece);
                return self.pass(left - looked, Class::Content, piece);
            };
            self.pass(framing, class, piece);
            left -= framing;
        }
        // What comes next is looked at, and may be what the session stumbles over.
        let unread = self.received.get(self.front..).unwrap_or_default();
        self.looked = looked_length(decoder, unread, &mut self.search);
    }
}

/// How many bytes the decoder takes off the front; none when they are incomplete or broken.
fn framing_length(decoder: &mut ChunkedDecoder, bytes: &[u8]) -> Option<usize> {
    let length = if decoder.reads_trailers() { section_length(bytes) } else { line_length(bytes) };
    let mut framing = bytes.get(..length).unwrap_or_default().to_vec();
    let raw = decoder.decode(&mut framing, (0, 0), 0).raw;
    (raw > 0).then_some(raw)
}

/// How many bytes at the front may be what the decoder finds broken.
fn looked_length(decoder: ChunkedDecoder, bytes: &[u8], search: &mut Search) -> usize {
    if decoder.reads_trailers() {
        search.go_on(bytes)
    } else if decoder.is_done() || decoder.data_left().is_some() {
        0
    } else {
        line_length(bytes)
    }
}

fn line_length(bytes: &[u8]) -> usize {
    memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1)
}

/// Bytes up to and with the first empty line.
fn section_length(bytes: &[u8]) -> usize {
    let mut length = 0;
    loop {
        let rest = bytes.get(length..).unwrap_or_default();
        let line = line_length(rest);
        length += line;
        if line == 0 || is_empty_line(rest.get(..line).unwrap_or_default()) {
            return length;
        }
    }
}

fn is_empty_line(line: &[u8]) -> bool {
    matches!(line, b"\r\n" | b"\n")
}

/// The search for the empty line behind a head; empty lines in front of it are its own (RFC 9112 §2.2). It goes on where
/// it was when more bytes come, so that a head in many pieces is searched once.
#[derive(Clone, Copy, Debug, Default)]
struct Search {
    /// Where the current line begins.
    line: usize,
    /// No line ends between that and here.
    searched: usize,
    /// Whether a line came that isn't empty.
    has_begun: bool,
    is_found: bool,
}

impl Search {
    /// How many of `bytes`, which may be more than the last time, the head has so far.
    fn go_on(&mut self, bytes: &[u8]) -> usize {
        while !self.is_found {
            let rest = bytes.get(self.searched..).unwrap_or_default();
            let Some(at) = memchr::memchr(b'\n', rest) else {
                self.searched = bytes.len();
                break;
            };
            let end = self.searched + at + 1;
            let line = bytes.get(self.line..end).unwrap_or_default();
            self.is_found = self.has_begun && is_empty_line(line);
            self.has_begun |= line.iter().any(|byte| !matches!(byte, b'\r' | b'\n'));
            (self.line, self.searched) = (end, end);
        }
        self.searched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_its_empty_line() {
        for (bytes, length) in [
            ("", 0),
            ("GET", 3),
            ("GET / HTTP/1.1\r\nA: b\r\n\r\nrest", 24),
            ("\r\n\nGET /\n\nrest", 10),
            ("\r\n\r\n", 4),
            ("\r\r\n\r\nGET /\n\nrest", 12),
            ("GET /\nA: b\n", 11),
        ] {
            let (bytes, mut search) = (bytes.as_bytes(), Search::default());
            assert_eq!(search.go_on(bytes), length, "{bytes:?}");
            // In pieces it comes to the same, and nothing is searched twice.
            let mut search = Search::default();
            for end in 0..=bytes.len() {
                let before = search.searched;
                assert_eq!(search.go_on(&bytes[..end]), end.min(length), "{bytes:?} {end}");
                assert!(search.searched - before <= 1, "{bytes:?} {end}");
            }
        }
    }

    #[test]
    fn chunks_are_told_apart_from_their_framing() {
        let mut reader = Reader::default();
        let bytes = b"4\r\nab\r\n\r\n2;x=y\r\ncd\r\n0\r\nA: b\r\nC: d\r\n\r\nGET";
        reader.received(bytes);
        let mut pieces = Vec::new();
        let count = bytes.len() - 3;
        reader.pass_chunks(count, ChunkedDecoder::default(), &mut |class, piece: &mut [u8]| {
            pieces.push((class, String::from_utf8_lossy(piece).into_owned()));
        });
        let expected = [
            (Class::Framing, "4\r\n"),
            (Class::Content, "ab\r\n"),
            (Class::Framing, "\r\n"),
            (Class::Framing, "2;x=y\r\n"),
            (Class::Content, "cd"),
            (Class::Framing, "\r\n"),
            (Class::Framing, "0\r\n"),
            (Class::Trailers, "A: b\r\nC: d\r\n\r\n"),
        ];
        assert_eq!(pieces, expected.map(|(class, text)| (class, text.to_owned())));
        assert_eq!(reader.unread(), b"GET");
    }
}
