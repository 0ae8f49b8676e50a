//! The chunked transfer coding (RFC 9112 §7.1), decoded in place.

use super::{is_token_byte, is_value_byte};

/// Decodes chunks. The first content stays where it is; what follows moves up behind it in the same
/// buffer, so that many small chunks become one piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct ChunkedDecoder {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum State {
    /// Before a chunk-size line.
    #[default]
    Size,
    /// Inside chunk data: so many bytes are left.
    Data(u64),
    /// Before the CRLF behind chunk data.
    DataEnd,
    /// In the trailer section: how far it has been read, so that none of it is read twice.
    Trailers(Trailers),
    /// Behind the empty line at its end.
    Done,
}

/// Positions in a trailer section, which is at most [`MAX_TRAILERS`] long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Trailers {
    /// Where the line begins that has not ended.
    line: u16,
    /// Up to here there is no end of it.
    scanned: u16,
}

/// What a call has come to: positions in the buffer, and whether there is more to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// Beginning of the decoded content.
    pub(crate) start: usize,
    /// Its end.
    pub(crate) ready: usize,
    /// Where undecoded bytes begin.
    pub(crate) raw: usize,
    pub(crate) progress: Progress,
}

/// Whether there is more to come. What was decoded before stands, whatever follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    More,
    /// The message is over; its trailer section (with its last empty line) stands in these bytes.
    Over(usize, usize),
    Broken(Broken),
}

/// The framing is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Chunk,
    Trailer,
}

/// A chunk-size line, extensions included, is at most this long.
const MAX_LINE: usize = 512;

/// A trailer section, its empty line included, is at most this long: no longer than the smallest buffer.
const MAX_TRAILERS: usize = crate::Buffers::MIN_SIZE;

impl ChunkedDecoder {
    /// Decodes `buffer[raw..]`; content is appended to that in `start..ready`, which ends before `raw`.
    pub(crate) fn decode(
        &mut self,
        buffer: &mut [u8],
        (start, ready): (usize, usize),
        raw: usize,
    ) -> Decoded {
        let mut at = Decoded { start, ready, raw, progress: Progress::More };
        if let Err(broken) = self.advance(buffer, &mut at) {
            at.progress = Progress::Broken(broken);
        }
        at
    }

    /// Bytes of the current chunk that are to come; absent outside of one.
    pub(crate) fn data_left(self) -> Option<u64> {
        match self.state {
            State::Data(left) => Some(left),
            _ => None,
        }
    }

    /// So many bytes of the current chunk were read elsewhere.
    pub(crate) fn skip_data(&mut self, count: u64) {
        if let State::Data(left) = self.state {
            self.state = if left > count { State::Data(left - count) } else { State::DataEnd };
        }
    }

    /// Whether the trailer section comes next.
    pub(crate) fn reads_trailers(self) -> bool {
        matches!(self.state, State::Trailers(_))
    }

    /// Whether nothing comes any more.
    pub(crate) fn is_done(self) -> bool {
        self.state == State::Done
    }

    fn advance(&mut self, buffer: &mut [u8], at: &mut Decoded) -> Result<(), Broken> {
        loop {
            let rest = buffer.get(at.raw..).unwrap_or_default();
            match self.state {
                State::Size => {
                    let Some(length) = line_length(rest)? else { return Ok(()) };
                    let size = chunk_size(rest.get(..length).unwrap_or_default())?;
                    at.raw += length + 2;
                    self.state =
                        if size == 0 { State::Trailers(Trailers::default()) } else { State::Data(size) };
                }
                State::Data(left) => {
                    let present = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    if present == 0 {
                        return Ok(());
                    }
                    if at.start == at.ready {
                        (at.start, at.ready) = (at.raw, at.raw);
                    } else if at.ready != at.raw {
                        buffer.copy_within(at.raw..at.raw + present, at.ready);
                    }
                    at.ready += present;
                    at.raw += present;
                    let left = left - present as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                }
                State::DataEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        at.raw += 2;
                        self.state = State::Size;
                    }
                    [] | [b'\r'] => return Ok(()),
                    _ => return Err(Broken::Chunk),
                },
                State::Trailers(mut trailers) => {
                    let length = trailers.length(rest)?;
                    self.state = State::Trailers(trailers);
                    let Some(length) = length else { return Ok(()) };
                    at.progress = Progress::Over(at.raw, at.raw + length);
                    at.raw += length;
                    self.state = State::Done;
                }
                State::Done => return Ok(()),
            }
        }
    }
}

/// Length of the line at the front without its CRLF; `None` when it isn't complete. In chunked framing
/// only CRLF ends a line (E2).
fn line_length(bytes: &[u8]) -> Result<Option<usize>, Broken> {
    let window = bytes.get(..MAX_LINE).unwrap_or(bytes);
    match memchr::memchr2(b'\r', b'\n', window) {
        Some(at) => match bytes.get(at..) {
            Some([b'\r', b'\n', ..]) => Ok(Some(at)),
            Some([b'\r']) => Ok(None),
            _ => Err(Broken::Chunk),
        },
        None if bytes.len() >= MAX_LINE => Err(Broken::Chunk),
        None => Ok(None),
    }
}

/// Reads `chunk-size [ chunk-ext ]`.
fn chunk_size(line: &[u8]) -> Result<u64, Broken> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digits == 0 || digits > 16 {
        return Err(Broken::Chunk);
    }
    let (size, extensions) = line.split_at(digits);
    if !are_extensions(extensions) {
        return Err(Broken::Chunk);
    }
    let value = |digit: &u8| u64::from(char::from(*digit).to_digit(16).unwrap_or(0));
    Ok(size.iter().fold(0, |sum, digit| sum << 4 | value(digit)))
}

/// `*( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )` (RFC 9112 §7.1.1).
fn are_extensions(mut rest: &[u8]) -> bool {
    loop {
        if rest.is_empty() {
            return true;
        }
        // White space stands between two things, not behind the last.
        let Some(behind) = skip_blanks(rest).strip_prefix(b";") else { return false };
        let behind = skip_blanks(behind);
        let name = behind.iter().take_while(|byte| is_token_byte(**byte)).count();
        if name == 0 {
            return false;
        }
        rest = behind.get(name..).unwrap_or_default();
        if let Some(value) = skip_blanks(rest).strip_prefix(b"=") {
            let Some(behind) = skip_value(skip_blanks(value)) else { return false };
            rest = behind;
        }
    }
}

/// BWS (RFC 9110 §5.6.3).
fn skip_blanks(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

/// Skips a token or a quoted string; `None` when there is neither.
fn skip_value(text: &[u8]) -> Option<&[u8]> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let length = text.iter().take_while(|byte| is_token_byte(**byte)).count();
        return text.get(length..).filter(|_| length > 0);
    };
    let mut escaped = false;
    let end = quoted.iter().position(|byte| {
        let closes = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        closes
    })?;
    let inner = quoted.get(..end)?;
    inner.iter().copied().all(is_value_byte).then(|| quoted.get(end + 1..)).flatten()
}

impl Trailers {
    /// Length of the trailer section with its empty line; `None` when it isn't complete. It is bounded, so that it
    /// always fits a buffer.
    fn length(&mut self, bytes: &[u8]) -> Result<Option<usize>, Broken> {
        match self.complete(bytes)? {
            Some(length) if length <= MAX_TRAILERS => Ok(Some(length)),
            None if bytes.len() < MAX_TRAILERS => Ok(None),
            _ => Err(Broken::Trailer),
        }
    }

    fn complete(&mut self, bytes: &[u8]) -> Result<Option<usize>, Broken> {
        let bytes = bytes.get(..MAX_TRAILERS + 1).unwrap_or(bytes);
        // Positions in what was just cut are small.
        let small = |position: usize| u16::try_from(position).unwrap_or(u16::MAX);
        loop {
            let from = usize::from(self.scanned);
            let Some(found) = memchr::memchr2(b'\r', b'\n', bytes.get(from..).unwrap_or_default()) else {
                self.scanned = small(bytes.len());
                return Ok(None);
            };
            let end = from + found;
            self.scanned = small(end);
            match bytes.get(end..) {
                Some([b'\r', b'\n', ..]) if end == usize::from(self.line) => return Ok(Some(end + 2)),
                Some([b'\r', b'\n', ..]) => (self.line, self.scanned) = (small(end + 2), small(end + 2)),
                Some([b'\r']) => return Ok(None),
                _ => return Err(Broken::Trailer),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Content, trailer section, bytes consumed.
    type Outcome = Result<(Vec<u8>, Option<Vec<u8>>, usize), Broken>;

    /// Decodes `coded` in pieces of `step` bytes, each appended behind what is left of the last.
    fn decode(coded: &[u8], step: usize) -> Outcome {
        let mut decoder = ChunkedDecoder::default();
        let mut buffer = Vec::new();
        let (mut start, mut ready, mut raw) = (0, 0, 0);
        for (index, piece) in coded.chunks(step).enumerate() {
            buffer.extend_from_slice(piece);
            let decoded = decoder.decode(&mut buffer, (start, ready), raw);
            (start, ready, raw) = (decoded.start, decoded.ready, decoded.raw);
            if let Progress::Broken(broken) = decoded.progress {
                return Err(broken);
            }
            if let Progress::Over(from, to) = decoded.progress {
                let consumed = (index * step + piece.len()) - (buffer.len() - raw);
                return Ok((buffer[start..ready].to_vec(), Some(buffer[from..to].to_vec()), consumed));
            }
        }
        Ok((buffer[start..ready].to_vec(), None, coded.len()))
    }

    #[test]
    fn the_same_in_every_cut() {
        let coded = b"5\r\nhello\r\n1;a=b ; c=\"d;\\\"\"\r\n,\r\n0a\r\n0123456789\r\n0\r\nX: y\r\n\r\nGET";
        for step in 1..=coded.len() {
            let (content, trailers, consumed) = decode(coded, step).expect("well-formed");
            assert_eq!(content, b"hello,0123456789");
            assert_eq!(trailers.as_deref(), Some(b"X: y\r\n\r\n".as_slice()));
            assert_eq!(consumed, coded.len() - 3);
        }
    }

    #[test]
    fn refusals() {
        for coded in [
            b"\r\n".as_slice(),
            b"g\r\n",
            b" 5\r\n",
            b"5 \r\n",
            b"0x5\r\n",
            b"+5\r\n",
            b"5\n",
            b"5\r\r\n",
            b"11111111111111111\r\n",
            b"5;\r\n",
            b"5;a=\r\n",
            b"5;a=\"b\r\n",
            b"5;=b\r\n",
            b"5;a=\"\x01\"\r\n",
            b"1\r\nab\r\n",
            b"1\r\na\n",
            b"1\r\na\rb",
            b"5;a b\r\n",
            b"5;a \r\n",
            b"5;a=b\t\r\n",
            b"5;a=\"b\" \r\n",
        ] {
            for step in 1..=coded.len() {
                assert_eq!(decode(coded, step), Err(Broken::Chunk), "{coded:?} by {step}");
            }
        }
        assert_eq!(decode(b"0\r\nA: b\n\r\n", 1), Err(Broken::Trailer));
        let long = [b"5;".as_slice(), &b"a".repeat(MAX_LINE)].concat();
        assert_eq!(decode(&long, 1), Err(Broken::Chunk));
        assert_eq!(decode(&long, long.len()), Err(Broken::Chunk));
    }

    #[test]
    fn trailers_are_bounded_in_every_cut() {
        for (length, fits) in [(MAX_TRAILERS, true), (MAX_TRAILERS + 1, false)] {
            let coded = [b"0\r\nX: ".as_slice(), &b"a".repeat(length - 7), b"\r\n\r\n"].concat();
            for step in [1, 100, coded.len()] {
                assert_eq!(decode(&coded, step).is_ok(), fits, "{length} by {step}");
            }
        }
    }

    #[test]
    fn trailers_without_an_end_are_bounded() {
        for (length, fits) in [(MAX_TRAILERS - 1, true), (MAX_TRAILERS, false)] {
            let coded = [b"0\r\nX: ".as_slice(), &b"a".repeat(length - 3)].concat();
            for step in [1, coded.len()] {
                let expected = if fits { Ok((vec![], None, coded.len())) } else { Err(Broken::Trailer) };
                assert_eq!(decode(&coded, step), expected, "{length} by {step}");
            }
        }
    }

    #[test]
    fn the_largest_size_is_no_overflow() {
        let (content, trailers, _) =
            decode(b"ffffffffffffffff\r\nabc", 4).expect("a lot of content is announced");
        assert_eq!((content.as_slice(), trailers), (b"abc".as_slice(), None));
    }

    #[test]
    fn data_may_be_read_elsewhere() {
        let mut decoder = ChunkedDecoder::default();
        let decode = |decoder: &mut ChunkedDecoder, coded: &[u8]| {
            decoder.decode(&mut coded.to_vec(), (0, 0), 0);
            (decoder.data_left(), decoder.reads_trailers(), decoder.is_done())
        };
        assert_eq!(decode(&mut decoder, b""), (None, false, false));
        assert_eq!(decode(&mut decoder, b"7\r\na"), (Some(6), false, false));
        decoder.skip_data(2);
        assert_eq!(decoder.data_left(), Some(4));
        decoder.skip_data(4);
        assert_eq!(decode(&mut decoder, b""), (None, false, false));
        decoder.skip_data(9);
        assert_eq!(
            decode(&mut decoder, b"\r\n0\r\n"),
            (None, true, false),
            "outside of data there is none to skip"
        );
        assert_eq!(decode(&mut decoder, b"\r\n"), (None, false, true));
    }
}
