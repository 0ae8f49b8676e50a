//! Content, as it comes.

use super::{Field, Framing, head::field};

/// Content that is being read.
#[derive(Clone, Debug)]
pub struct Content {
    /// What has come of it.
    pub bytes: Vec<u8>,
    /// The trailer section.
    pub trailers: Vec<Field>,
    step: Step,
}

#[derive(Clone, Debug)]
enum Step {
    Length(u64),
    UntilClose,
    /// The line of a chunk's size, so far.
    Size(Vec<u8>),
    /// Bytes of a chunk that are left.
    Chunk(u64),
    /// The line end behind a chunk, so far.
    Behind(Vec<u8>),
    /// A line of the trailer section, so far.
    Trailer(Vec<u8>),
    Over,
}

impl Content {
    /// Content with this framing.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        let step = match framing {
            Framing::Length(0) => Step::Over,
            Framing::Length(length) => Step::Length(length),
            Framing::Chunked => Step::Size(Vec::new()),
            Framing::UntilClose => Step::UntilClose,
        };
        Self { bytes: Vec::new(), trailers: Vec::new(), step }
    }

    /// Whether it has come whole.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self.step, Step::Over)
    }

    /// The stream has ended; says whether the content is whole.
    pub fn end(&mut self) -> bool {
        if matches!(self.step, Step::UntilClose) {
            self.step = Step::Over;
        }
        self.is_complete()
    }

    /// Takes its part of `bytes`, and says how many they were: all, unless the content is over.
    ///
    /// # Errors
    /// When the chunks are not what we would send (RFC 9112 §7.1): a size in lower-case hexadecimal without
    /// leading zeros or extension, CRLF, the content, CRLF.
    pub fn take(&mut self, bytes: &[u8]) -> Result<usize, String> {
        let mut at = 0;
        while at < bytes.len() && !self.is_complete() {
            at += self.step(&bytes[at..])?;
        }
        Ok(at)
    }

    fn step(&mut self, bytes: &[u8]) -> Result<usize, String> {
        match &mut self.step {
            Step::Over => Ok(0),
            Step::UntilClose => {
                self.bytes.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            Step::Length(left) | Step::Chunk(left) => {
                let count = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= count as u64;
                self.bytes.extend_from_slice(&bytes[..count]);
                self.step = match self.step {
                    Step::Length(0) => Step::Over,
                    Step::Chunk(0) => Step::Behind(Vec::new()),
                    Step::Length(left) => Step::Length(left),
                    Step::Chunk(left) => Step::Chunk(left),
                    _ => unreachable!("matched above"),
                };
                Ok(count)
            }
            Step::Size(line) | Step::Behind(line) | Step::Trailer(line) => {
                line.push(bytes[0]);
                if line.len() > 8192 {
                    return Err("an endless line in chunked framing".to_owned());
                }
                if line.ends_with(b"\r\n") {
                    let line = line[..line.len() - 2].to_vec();
                    self.line(&line)?;
                }
                Ok(1)
            }
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        self.step = match (&self.step, line) {
            (Step::Size(_), b"0") => Step::Trailer(Vec::new()),
            (Step::Size(_), size) => Step::Chunk(number(size)?),
            (Step::Behind(_), b"") => Step::Size(Vec::new()),
            (Step::Trailer(_), b"") => Step::Over,
            (Step::Trailer(_), line) => {
                self.trailers.push(field(line)?);
                Step::Trailer(Vec::new())
            }
            _ => return Err(format!("behind a chunk: {}", line.escape_ascii())),
        };
        Ok(())
    }
}

fn number(size: &[u8]) -> Result<u64, String> {
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if size.is_empty() || size.len() > 15 || size[0] == b'0' || !size.iter().all(is_hex) {
        return Err(format!("the size of a chunk: {}", size.escape_ascii()));
    }
    let text = str::from_utf8(size).map_err(|error| error.to_string())?;
    u64::from_str_radix(text, 16).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(framing: Framing, bytes: &[u8]) -> Result<(Vec<u8>, bool, usize), String> {
        let mut content = Content::new(framing);
        let taken = content.take(bytes)?;
        let mut alone = Content::new(framing);
        let mut at = 0;
        for byte in bytes {
            at += alone.take(&[*byte])?;
        }
        assert_eq!(
            (alone.bytes.clone(), alone.is_complete(), at),
            (content.bytes.clone(), content.is_complete(), taken)
        );
        Ok((content.bytes.clone(), content.is_complete(), taken))
    }

    #[test]
    fn each_framing() {
        assert_eq!(read(Framing::Length(3), b"abcd"), Ok((b"abc".to_vec(), true, 3)));
        assert_eq!(read(Framing::Length(0), b"abcd"), Ok((vec![], true, 0)));
        assert_eq!(read(Framing::UntilClose, b"abcd"), Ok((b"abcd".to_vec(), false, 4)));
        assert_eq!(
            read(Framing::Chunked, b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\nX"),
            Ok((b"abc".to_vec(), true, 18))
        );
        assert_eq!(read(Framing::Chunked, b"0\r\nX: y\r\n\r\n"), Ok((vec![], true, 11)));
        assert_eq!(read(Framing::Chunked, b"a\r\nab"), Ok((b"ab".to_vec(), false, 5)));
    }

    #[test]
    fn chunks_as_we_write_them() {
        for broken in ["02\r\nab", "2;x\r\nab", "A\r\n", "2 \r\n", "2\r\nabc\r\n", "\r\n", "2\nab\r\n3\r\n"] {
            assert!(read(Framing::Chunked, broken.as_bytes()).is_err(), "{broken:?}");
        }
    }
}
