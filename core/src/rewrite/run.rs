//! Field lines that go on as they came.

use super::write_line;
use crate::http1::{Field, Fields, Span};

/// Received lines on their way into a head. Those that stand one behind the other, and as we write them ourselves, are
/// copied in one piece.
pub(super) struct Run<'a> {
    bytes: &'a [u8],
    piece: Span,
}

impl<'a> Run<'a> {
    pub(super) fn of(fields: &'a Fields) -> Self {
        Self { bytes: fields.bytes(), piece: Span::default() }
    }

    /// This line of the section goes on.
    pub(super) fn push(&mut self, field: Field<'_>, out: &mut Vec<u8>) {
        let line = field.as_written();
        if let Some(longer) = line.and_then(|line| self.piece.followed_by(line)) {
            self.piece = longer;
            return;
        }
        self.flush(out);
        match line {
            Some(line) => self.piece = line,
            None => write_line(out, field.name(), field.value()),
        }
    }

    /// Writes what is held: before anything else is written, and at the end.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(std::mem::take(&mut self.piece).of(self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_as_each_for_itself() {
        let section =
            b"A: b\r\nC: d\r\nE:f\r\nG: h \r\nI:  j\r\nK:\r\nL: \r\nM:\tn\r\nO: p\nQ: r\r\nS: t\r\n\r\n";
        let mut fields = Fields::default();
        fields.copy(section);
        fields.parse_request(0, 100).expect("well-formed");
        assert_eq!(fields.iter().count(), 11);
        for left_out in 0_u32..1 << 11 {
            let passing = || {
                let numbered = (0..).zip(fields.iter());
                numbered.filter(|(number, _)| left_out & 1 << number == 0).map(|(_, field)| field)
            };
            let (mut out, mut expected) = (Vec::new(), Vec::new());
            let mut run = Run::of(&fields);
            passing().for_each(|field| run.push(field, &mut out));
            run.flush(&mut out);
            passing().for_each(|field| write_line(&mut expected, field.name(), field.value()));
            assert_eq!(out, expected, "without {left_out:#b}");
        }
    }

    #[test]
    fn lines_that_were_folded_are_written_as_one() {
        let mut fields = Fields::default();
        fields.copy(b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nD: e\r\n\t\r\nF: g\r\n\r\n");
        fields.parse_response(100).expect("well-formed");
        let mut out = Vec::new();
        let mut run = Run::of(&fields);
        fields.iter().for_each(|field| run.push(field, &mut out));
        run.flush(&mut out);
        assert_eq!(out.escape_ascii().to_string(), b"A: b c\r\nD: e\r\nF: g\r\n".escape_ascii().to_string());
    }
}
