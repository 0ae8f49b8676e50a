//! Where a head ends.

/// How far the bytes of a head have been searched for its end, and what was seen of its lines on the way. A head that
/// comes byte by byte is looked at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Scan {
    upto: u32,
    /// How many lines have ended: no head has more field lines.
    lines: u32,
    /// A line has ended without CR (RFC 9112 §2.2).
    bare_lf: bool,
}

impl Scan {
    pub(crate) const NONE: Self = Self { upto: 0, lines: 0, bare_lf: false };

    /// Whether nothing of the head has been searched.
    pub(super) fn is_new(self) -> bool {
        self == Self::NONE
    }

    /// The head begins behind so many bytes.
    pub(super) fn skip(&mut self, count: usize) {
        self.upto = self.upto.max(small(count));
    }

    /// How far was searched: where a whole head ends.
    pub(super) fn upto(self) -> usize {
        self.upto as usize
    }

    /// How many lines have ended.
    pub(super) fn lines(self) -> usize {
        self.lines as usize
    }

    pub(super) fn has_bare_lf(self) -> bool {
        self.bare_lf
    }

    /// The line whose end stands at `feed`.
    fn end_line(&mut self, bytes: &[u8], feed: usize) {
        self.bare_lf |= feed.checked_sub(1).is_none_or(|before| bytes.get(before) != Some(&b'\r'));
        self.lines += 1;
        self.upto = small(feed + 1);
    }
}

/// A position in a head, which is never longer than `MAX_HEAD`.
fn small(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// Looks for the end of a head, which is behind its empty line, and says what was seen as far as there. `scan` says how
/// far an earlier call has looked, and is moved on.
pub(crate) fn head_end(bytes: &[u8], scan: &mut Scan) -> Option<Scan> {
    let mut seen = *scan;
    let mut rest = bytes.get(seen.upto()..).unwrap_or_default();
    let end = loop {
        let feed = memchr::memchr(b'\n', rest);
        let Some((line, [_, behind @ ..])) = feed.and_then(|feed| rest.split_at_checked(feed)) else {
            seen.upto = small(bytes.len());
            break None;
        };
        let feed = bytes.len() - behind.len() - 1;
        let last = match behind {
            // The line end may yet become an empty line's beginning: look at it again with more bytes.
            [] | [b'\r'] => {
                seen.upto = small(feed);
                break None;
            }
            [b'\n', ..] => feed + 1,
            [b'\r', b'\n', ..] => feed + 2,
            // Most lines: the byte before the line end has just been read with them.
            _ => {
                if line.last() == Some(&b'\r') {
                    seen.lines += 1;
                } else {
                    seen.end_line(bytes, feed);
                }
                rest = behind;
                continue;
            }
        };
        let mut whole = seen;
        whole.end_line(bytes, feed);
        whole.end_line(bytes, last);
        seen.upto = small(feed);
        break Some(whole);
    };
    *scan = seen;
    end
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
            let whole = head_end(head, &mut Scan::default()).expect("there is an end");
            assert_eq!((whole.upto(), whole.lines(), whole.has_bare_lf()), (end, 3, end < 24));
            let mut scan = Scan::default();
            let first = (0..=head.len()).find_map(|len| head_end(&head[..len], &mut scan));
            assert_eq!(first, Some(whole), "the same in every cut");
            assert_eq!(head_end(head, &mut scan), Some(whole), "and again");
        }
    }
}
