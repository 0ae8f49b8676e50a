//! A header or trailer section: the bytes as received, and where its lines are.

use super::{
    ConnectionOptions, Known, KnownSet, diagnosis::diagnose, elements, has_byte, is_same_name, known,
    names::Names,
};
use crate::violation::Violation;

/// A range of the bytes of a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    from: u32,
    to: u32,
}

impl Span {
    pub(crate) fn new(from: usize, to: usize) -> Self {
        // A head is at most `MAX_HEAD` bytes long, so both fit; a longer one would read as empty.
        let small = |at| u32::try_from(at).unwrap_or(0);
        Self { from: small(from), to: small(to) }
    }

    /// Where `part`, a piece of `whole`, stands in it.
    pub(crate) fn within(whole: &[u8], part: &[u8]) -> Self {
        let from = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
        Self::new(from, from.wrapping_add(part.len()))
    }

    /// Both in one, where `next` begins at its end.
    pub(crate) fn followed_by(self, next: Self) -> Option<Self> {
        (self.to == next.from).then_some(Self { from: self.from, to: next.to })
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
    /// It was received as we write one: a space behind the colon, and CRLF behind the value.
    plain: bool,
}

/// A field line, as a reader sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    /// The bytes that it stands in.
    bytes: &'a [u8],
    line: &'a Line,
    /// `Connection` names it (B1).
    pub(crate) nominated: bool,
}

impl<'a> Field<'a> {
    pub(crate) fn name(self) -> &'a [u8] {
        self.line.name.of(self.bytes)
    }

    pub(crate) fn value(self) -> &'a [u8] {
        self.line.value.of(self.bytes)
    }

    pub(crate) fn known(self) -> Known {
        self.line.known
    }

    /// Where it stands with its line end, when it was received as we write one.
    pub(crate) fn as_written(self) -> Option<Span> {
        let Line { name, value, plain, .. } = self.line;
        plain.then_some(Span { from: name.from, to: value.to + 2 })
    }

    /// Whether there is an underscore in its name (B3). No name that stands for one field alone has any.
    pub(crate) fn has_underscore(self) -> bool {
        self.known().is_several() && has_byte(self.name(), b'_')
    }
}

/// A section of field lines, with the bytes that they stand in (a start-line may stand before them).
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    bytes: Vec<u8>,
    lines: Vec<Line>,
    /// Which known fields there are.
    present: KnownSet,
    /// Which of them have more than one line.
    repeated: KnownSet,
    /// The number of the first line of each that there is; of others it says nothing.
    first: [u32; known::COUNT],
    options: ConnectionOptions,
    /// Made where there are so many lines that looking at each for a name would be dear, and where lines are
    /// nominated.
    names: Names,
}

/// Up to so many lines, one is found by looking at each.
const SOUGHT_LINES: usize = 32;

/// Lines that a short head has at most: a browser that asks for WebSocket sends fewer.
pub(super) const FEW_LINES: usize = 24;

impl Fields {
    /// Forgets everything but its memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.lines.clear();
        (self.present, self.repeated) = Default::default();
        self.options = ConnectionOptions::default();
        self.names.clear();
    }

    /// The bytes that the section takes, or its lines if they take more: short lines are longer here than they came.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity().max(self.lines.capacity().saturating_mul(size_of::<Line>()))
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

    /// Reads the field lines of a request's header section, which begins at `from` (RFC 9112 §5). It has at most so many
    /// lines. Says where the section ends.
    pub(crate) fn parse_request(&mut self, from: usize, max_lines: usize) -> Result<usize, Violation> {
        let Self { bytes, lines, .. } = self;
        let section = bytes.get(from..).unwrap_or_default();
        let length = with_slots(max_lines, |slots| {
            match httparse::parse_headers(section, slots) {
                Ok(httparse::Status::Complete((length, found))) => {
                    lines.extend(found.iter().map(|header| Line::of(header, bytes)));
                    Ok(length)
                }
                Err(httparse::Error::TooManyHeaders) => Err(Violation::TooManyFields),
                // The parser says that something is wrong; the log has to say what.
                _ => Err(diagnose(section)),
            }
        })?;
        self.know();
        Ok(from + length)
    }

    /// Reads the field lines of a trailer section, which is all that was copied (RFC 9112 §7.1.2).
    pub(crate) fn parse_trailers(&mut self) -> Result<(), Violation> {
        let lines = memchr::memchr_iter(b'\n', &self.bytes).count();
        self.parse_request(0, lines).map(drop)
    }

    /// Whether each line was received as we write one.
    pub(super) fn are_plain(&self) -> bool {
        self.lines.iter().all(|line| line.plain)
    }

    /// Reads a response head of at most so many lines. Says the status code, where the reason phrase is, and where the head
    /// ends.
    pub(crate) fn parse_response(&mut self, max_lines: usize) -> Result<(u16, Span, usize), Violation> {
        let Self { bytes, lines, .. } = self;
        let mut config = httparse::ParserConfig::default();
        // RFC 9112 §5.1 and §5.2: a gateway repairs these two in a response, and does not refuse them.
        config.allow_spaces_after_header_name_in_responses(true);
        config.allow_obsolete_multiline_headers_in_responses(true);
        let read = with_slots(max_lines, |slots| {
            let mut response = httparse::Response::new(slots);
            let end = match config.parse_response(&mut response, bytes) {
                Ok(httparse::Status::Complete(end)) => end,
                Err(httparse::Error::TooManyHeaders) => return Err(Violation::OriginHeadTooLarge),
                Err(httparse::Error::HeaderName) => return Err(Violation::OriginFieldName),
                _ => return Err(Violation::OriginHead),
            };
            lines.extend(response.headers.iter().map(|header| Line::of(header, bytes)));
            let reason = response.reason.unwrap_or_default().as_bytes();
            let reason = if reason.is_empty() { Span::default() } else { Span::within(bytes, reason) };
            Ok((response.code.unwrap_or(0), reason, end))
        })?;
        // A framing field whose name is followed by white space may be read otherwise by others (E3).
        if lines.iter().any(|line| line.is_spaced_framing_field(bytes)) {
            return Err(Violation::OriginHead);
        }
        self.unfold();
        self.know();
        Ok(read)
    }

    /// The lines are complete: reads off them once what is asked often.
    fn know(&mut self) {
        for (number, line) in (0_u32..).zip(&self.lines) {
            if self.present.has(line.known) {
                self.repeated.insert(line.known);
            } else if let Some(first) = self.first.get_mut(line.known as usize) {
                self.present.insert(line.known);
                *first = number;
            }
        }
        self.options = ConnectionOptions::read(self.values(Known::Connection));
        if self.lines.len() > SOUGHT_LINES || self.options.others {
            self.index();
        }
        if self.options.others {
            let Self { bytes, lines, names, .. } = self;
            let connection = lines.iter().filter(|line| line.known == Known::Connection);
            for option in elements(connection.map(|line| line.value.of(bytes))) {
                names.mark(option, |line| name_of(lines, line, bytes));
            }
        }
    }

    fn index(&mut self) {
        let Self { bytes, lines, names, .. } = self;
        names.make(lines.len(), |line| name_of(lines, line, bytes));
    }

    /// Marks the lines of this trailer section that the `Connection` lines of its `head` name.
    pub(crate) fn nominate_by(&mut self, head: &Self) {
        if head.has(Known::Connection) {
            self.index();
            let Self { bytes, lines, names, .. } = self;
            for option in elements(head.values(Known::Connection)) {
                names.mark(option, |line| name_of(lines, line, bytes));
            }
        }
    }

    /// What the `Connection` lines say.
    pub(crate) fn options(&self) -> ConnectionOptions {
        self.options
    }

    /// RFC 9112 §5.2: an obs-fold is replaced before the value is interpreted.
    fn unfold(&mut self) {
        for line in &mut self.lines {
            if has_byte(line.value.of(&self.bytes), b'\n') {
                let unfolded = unfolded(line.value.of(&self.bytes));
                line.value.to = line.value.from + u32::try_from(unfolded.len()).unwrap_or(0);
                line.plain = false;
                if let Some(value) = self.bytes.get_mut(line.value.from as usize..line.value.to as usize) {
                    value.copy_from_slice(&unfolded);
                }
            }
        }
    }

    /// All lines in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Field<'_>> + Clone {
        self.lines.iter().enumerate().map(|(number, line)| Field {
            bytes: &self.bytes,
            line,
            nominated: self.names.is_marked(number),
        })
    }

    /// The name and the value of each line, in order.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.iter().map(|field| (field.name(), field.value()))
    }

    /// The values of a known field, in order.
    pub(crate) fn values(&self, known: Known) -> impl Iterator<Item = &[u8]> + Clone {
        let lines = self.lines_of(known).iter().filter(move |line| line.known == known);
        lines.map(|line| line.value.of(&self.bytes))
    }

    /// The lines from the first to the last of a known field, or further.
    fn lines_of(&self, known: Known) -> &[Line] {
        let first = self.first.get(known as usize).map_or(0, |first| *first as usize);
        let lines = match (self.present.has(known), self.repeated.has(known)) {
            (false, _) => None,
            (true, false) => self.lines.get(first..=first),
            (true, true) => self.lines.get(first..),
        };
        lines.unwrap_or_default()
    }

    /// The values of a field by its name; case is ignored.
    pub(crate) fn named<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + Clone {
        let known = Known::of(name);
        let few = if self.names.is_empty() { self.lines_of(known) } else { &[] };
        let is_named = move |line: &&Line| {
            line.known == known && (!known.is_several() || is_same_name(line.name.of(&self.bytes), name))
        };
        let found = self.names.lines(name, |line| name_of(&self.lines, line, &self.bytes));
        let indexed = found.filter_map(|line| self.lines.get(line));
        few.iter().filter(is_named).chain(indexed).map(|line| line.value.of(&self.bytes))
    }

    /// Whether any known field has more than one line.
    pub(crate) fn repeats_any(&self) -> bool {
        !self.repeated.without(Known::Other).is_empty()
    }

    pub(crate) fn has(&self, known: Known) -> bool {
        self.present.has(known)
    }

    /// The value, when there is exactly one such line.
    pub(crate) fn only(&self, known: Known) -> Option<&[u8]> {
        if self.repeated.has(known) { None } else { self.values(known).next() }
    }
}

impl Line {
    /// A line that a parser found in `bytes`.
    fn of(header: &httparse::Header<'_>, bytes: &[u8]) -> Self {
        let known = Known::of(header.name.as_bytes());
        // The parser leaves white space at the ends of a value out.
        let (name, value) = (Span::within(bytes, header.name.as_bytes()), Span::within(bytes, header.value));
        let plain = bytes.get(name.to as usize..value.from as usize) == Some(b": ")
            && bytes.get(value.to as usize..).is_some_and(|behind| behind.starts_with(b"\r\n"));
        Self { name, value, known, plain }
    }

    fn is_spaced_framing_field(self, head: &[u8]) -> bool {
        let frames = matches!(self.known, Known::ContentLength | Known::TransferEncoding);
        frames && head.get(self.name.to as usize) != Some(&b':')
    }
}

fn name_of<'a>(lines: &[Line], number: usize, bytes: &'a [u8]) -> &'a [u8] {
    lines.get(number).map_or(b"", |line| line.name.of(bytes))
}

/// Calls `parse` with room for `count` field lines, each of which takes 32 bytes: a short head doesn't pay for the
/// longest.
fn with_slots<'b, T>(count: usize, parse: impl FnOnce(&mut [httparse::Header<'b>]) -> T) -> T {
    if count <= FEW_LINES {
        on_stack::<FEW_LINES, T>(count, parse)
    } else if count <= MANY_SLOTS {
        on_stack::<MANY_SLOTS, T>(count, parse)
    } else {
        // Longer than nginx's default permits: somebody has configured it so.
        parse(&mut vec![httparse::EMPTY_HEADER; count])
    }
}

const MANY_SLOTS: usize = 1024;

/// Not inlined: the stack of a caller would always have room for all of them.
#[inline(never)]
fn on_stack<'b, const SIZE: usize, T>(
    count: usize,
    parse: impl FnOnce(&mut [httparse::Header<'b>]) -> T,
) -> T {
    let mut slots = [httparse::EMPTY_HEADER; SIZE];
    parse(slots.get_mut(..count).unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(fields.parse_request(0, 1000), Err(violation), "{section:?}");
        }
    }

    #[test]
    fn values_are_trimmed_and_kept() {
        let mut fields = Fields::default();
        fields.copy(b"A:  b \t\r\nHOST:x\r\na: \xff\r\n\r\n");
        fields.parse_request(0, 1000).expect("well-formed");
        assert_eq!(fields.named(b"a").collect::<Vec<_>>(), [b"b".as_slice(), b"\xff"]);
        assert_eq!(fields.only(Known::Host), Some(b"x".as_slice()));
    }
}
