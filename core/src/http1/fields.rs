//! A header or trailer section: the bytes as received, and where its lines are.

use super::Known;
use crate::violation::Violation;

/// A range of the bytes of a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    from: u32,
    to: u32,
}

impl Span {
    pub(crate) fn new(from: usize, to: usize) -> Self {
        // A head is at most one IO buffer, so both fit; a longer one would read as empty.
        let small = |at| u32::try_from(at).unwrap_or(0);
        Self { from: small(from), to: small(to) }
    }

    /// Where `part`, a piece of `whole`, stands in it.
    pub(crate) fn within(whole: &[u8], part: &[u8]) -> Self {
        let from = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
        Self::new(from, from.wrapping_add(part.len()))
    }

    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.from as usize..self.to as usize).unwrap_or_default()
    }
}

/// One field line.
#[derive(Clone, Copy, Debug)]
struct Line {
    name: Span,
    value: Span,
    known: Known,
}

/// A field line, as a reader sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
    pub(crate) known: Known,
}

/// A section of field lines, with the bytes that they stand in (a start-line may stand before them).
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    bytes: Vec<u8>,
    lines: Vec<Line>,
}

/// How many field lines one section may have; each costs 32 bytes of stack while parsing.
pub(crate) const MAX_LINES: usize = 256;

impl Fields {
    /// Forgets everything but its memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.lines.clear();
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Keeps a copy of `head`, and forgets the lines of an earlier one.
    pub(crate) fn copy(&mut self, head: &[u8]) {
        self.clear();
        self.bytes.extend_from_slice(head);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Notes the lines that a parser found; their slices point into the copied bytes.
    fn note(&mut self, found: &[(Span, Span)]) {
        for &(name, value) in found {
            self.lines.push(Line { name, value, known: Known::of(name.of(&self.bytes)) });
        }
    }

    /// Reads the field lines of a request's header section, which begins at `from` (RFC 9112 §5).
    pub(crate) fn parse_request(&mut self, from: usize, max_lines: usize) -> Result<(), Violation> {
        let mut slots = [httparse::EMPTY_HEADER; MAX_LINES];
        let section = self.bytes.get(from..).unwrap_or_default();
        let found = match httparse::parse_headers(section, &mut slots) {
            Ok(httparse::Status::Complete((_, found))) => found,
            Err(httparse::Error::TooManyHeaders) => return Err(Violation::TooManyFields),
            // The parser says that something is wrong; the log has to say what.
            _ => return Err(diagnose(section)),
        };
        if found.len() > max_lines {
            return Err(Violation::TooManyFields);
        }
        let spans: [(Span, Span); MAX_LINES] = spans(&self.bytes, found);
        let count = found.len();
        self.note(spans.get(..count).unwrap_or_default());
        Ok(())
    }

    /// Reads a whole response head. Says the status code and where the reason phrase is.
    pub(crate) fn parse_response(&mut self) -> Result<(u16, Span), Violation> {
        let mut slots = [httparse::EMPTY_HEADER; MAX_LINES];
        let mut response = httparse::Response::new(&mut slots);
        let mut config = httparse::ParserConfig::default();
        // RFC 9112 §5.1 and §5.2: a gateway mends these two in a response, it doesn't refuse them.
        config.allow_spaces_after_header_name_in_responses(true);
        config.allow_obsolete_multiline_headers_in_responses(true);
        match config.parse_response(&mut response, &self.bytes) {
            Ok(httparse::Status::Complete(_)) => {}
            Err(httparse::Error::TooManyHeaders) => return Err(Violation::OriginHeadTooLarge),
            Err(httparse::Error::HeaderName) => return Err(Violation::OriginFieldName),
            _ => return Err(Violation::OriginHead),
        }
        // A framing field whose name is followed by white space may be read otherwise by others (E3).
        if response.headers.iter().any(|header| spaced_framing_field(&self.bytes, header)) {
            return Err(Violation::OriginHead);
        }
        let reason = response.reason.unwrap_or_default().as_bytes();
        let reason = if reason.is_empty() { Span::default() } else { Span::within(&self.bytes, reason) };
        let status = response.code.unwrap_or(0);
        let spans: [(Span, Span); MAX_LINES] = spans(&self.bytes, response.headers);
        let count = response.headers.len();
        self.note(spans.get(..count).unwrap_or_default());
        self.unfold();
        Ok((status, reason))
    }

    /// RFC 9112 §5.2: an obs-fold is replaced before the value is interpreted.
    fn unfold(&mut self) {
        for line in &mut self.lines {
            if memchr::memchr(b'\n', line.value.of(&self.bytes)).is_some() {
                let unfolded = unfolded(line.value.of(&self.bytes));
                line.value.to = line.value.from + u32::try_from(unfolded.len()).unwrap_or(0);
                if let Some(value) = self.bytes.get_mut(line.value.from as usize..line.value.to as usize) {
                    value.copy_from_slice(&unfolded);
                }
            }
        }
    }

    /// All lines in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Field<'_>> + Clone {
        self.lines.iter().map(|line| Field {
            name: line.name.of(&self.bytes),
            value: line.value.of(&self.bytes),
            known: line.known,
        })
    }

    /// The name and the value of each line, in order.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.iter().map(|field| (field.name, field.value))
    }

    /// The values of a known field, in order.
    pub(crate) fn values(&self, known: Known) -> impl Iterator<Item = &[u8]> + Clone {
        self.lines.iter().filter(move |line| line.known == known).map(|line| line.value.of(&self.bytes))
    }

    /// The values of a field by its name; case is ignored.
    pub(crate) fn named<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    pub(crate) fn has(&self, known: Known) -> bool {
        self.values(known).next().is_some()
    }

    /// The value, when there is exactly one such line.
    pub(crate) fn only(&self, known: Known) -> Option<&[u8]> {
        let mut values = self.values(known);
        values.next().filter(|_| values.next().is_none())
    }
}

/// Where the names and values that a parser found are in `bytes`.
fn spans(bytes: &[u8], found: &[httparse::Header<'_>]) -> [(Span, Span); MAX_LINES] {
    let mut spans = [(Span::default(), Span::default()); MAX_LINES];
    for (slot, header) in spans.iter_mut().zip(found) {
        let value = super::trim(header.value);
        *slot = (Span::within(bytes, header.name.as_bytes()), Span::within(bytes, value));
    }
    spans
}

/// A value with one SP for each obs-fold; never longer than before.
fn unfolded(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in value.split(|byte| *byte == b'\n') {
        let line = super::trim(line.strip_suffix(b"\r").unwrap_or(line));
        if !out.is_empty() && !line.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(line);
    }
    out
}

fn spaced_framing_field(head: &[u8], header: &httparse::Header<'_>) -> bool {
    let name = header.name.as_bytes();
    let behind = Span::within(head, name).to as usize;
    let frames = matches!(Known::of(name), Known::ContentLength | Known::TransferEncoding);
    frames && head.get(behind) != Some(&b':')
}

/// Names what is wrong with a request's header section that the parser refused.
fn diagnose(section: &[u8]) -> Violation {
    for line in section.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line.first() {
            None => break,
            Some(b' ' | b'\t') => return Violation::ObsFold,
            Some(_) => {}
        }
        if line.contains(&b'\r') {
            return Violation::BareCr;
        }
        let Some(colon) = memchr::memchr(b':', line) else { return Violation::MissingColon };
        let (name, value) = line.split_at(colon);
        if name.last().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
            return Violation::SpaceBeforeColon;
        }
        if !super::is_token(name) {
            return Violation::BadFieldName;
        }
        if !value.iter().copied().all(super::is_value_byte) {
            return Violation::ControlByte;
        }
    }
    Violation::BadFieldName
}

/// Finds where a head ends: behind its empty line. `scanned` says how far an earlier call has looked, and
/// is moved on, so that a head that comes byte by byte is looked at once.
pub(crate) fn head_end(bytes: &[u8], scanned: &mut usize) -> Option<usize> {
    while let Some(found) = bytes.get(*scanned..).and_then(|rest| memchr::memchr(b'\n', rest)) {
        let feed = *scanned + found;
        match bytes.get(feed + 1..)? {
            [b'\n', ..] => return Some(feed + 2),
            [b'\r', b'\n', ..] => return Some(feed + 3),
            // The line end may yet become an empty line's beginning: look at it again with more bytes.
            [] | [b'\r'] => {
                *scanned = feed;
                return None;
            }
            _ => *scanned = feed + 1,
        }
    }
    *scanned = bytes.len();
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_its_empty_line_however_it_comes() {
        for (head, end) in [
            (b"GET / HTTP/1.1\r\nA: b\r\n\r\nrest".as_slice(), 24),
            (b"GET / HTTP/1.1\nA: b\n\nrest", 21),
            (b"GET / HTTP/1.1\nA: b\n\r\nrest", 22),
        ] {
            let mut scanned = 0;
            assert_eq!(head_end(head, &mut scanned), Some(end));
            let mut scanned = 0;
            let first = (0..=head.len()).find_map(|len| head_end(&head[..len], &mut scanned));
            assert_eq!(first, Some(end));
        }
    }

    #[test]
    fn refusals_are_named() {
        for (section, violation) in [
            (b" A: b\r\n\r\n".as_slice(), Violation::ObsFold),
            (b"A: b\r\n c\r\n\r\n", Violation::ObsFold),
            (b"A : b\r\n\r\n", Violation::SpaceBeforeColon),
            (b": b\r\n\r\n", Violation::BadFieldName),
            (b"A b: c\r\n\r\n", Violation::BadFieldName),
            (b"Ab\r\n\r\n", Violation::MissingColon),
            (b"A: b\rc\r\n\r\n", Violation::BareCr),
            (b"A: b\0c\r\n\r\n", Violation::ControlByte),
            (b"A: b\x7fc\r\n\r\n", Violation::ControlByte),
        ] {
            let mut fields = Fields::default();
            fields.copy(section);
            assert_eq!(fields.parse_request(0, MAX_LINES), Err(violation), "{section:?}");
        }
    }

    #[test]
    fn values_are_trimmed_and_kept() {
        let mut fields = Fields::default();
        fields.copy(b"A:  b \t\r\nHOST:x\r\na: \xff\r\n\r\n");
        fields.parse_request(0, MAX_LINES).expect("well-formed");
        assert_eq!(fields.named(b"a").collect::<Vec<_>>(), [b"b".as_slice(), b"\xff"]);
        assert_eq!(fields.only(Known::Host), Some(b"x".as_slice()));
    }
}
