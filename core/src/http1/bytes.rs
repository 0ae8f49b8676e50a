//! Sets of bytes.

/// A set of bytes: one look for each byte of a text, instead of several comparisons.
pub(crate) struct ByteSet(pub(crate) [bool; 256]);

impl ByteSet {
    /// Whether all bytes of `text` are in it.
    pub(crate) fn holds(&self, text: &[u8]) -> bool {
        text.iter().all(|byte| self.0[usize::from(*byte)])
    }
}

/// The set of the bytes for which a function is true.
macro_rules! byte_set {
    ($is_in:path) => {{
        let mut set = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            #[expect(clippy::cast_possible_truncation, reason = "it is less than 256")]
            let is_in = $is_in(byte as u8);
            set[byte] = is_in;
            byte += 1;
        }
        $crate::http1::ByteSet(set)
    }};
}
pub(crate) use byte_set;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_its_function_says() {
        const SET: ByteSet = byte_set!(is_odd);
        const fn is_odd(byte: u8) -> bool {
            byte % 2 == 1
        }
        for byte in 0..=255 {
            assert_eq!(SET.holds(&[1, byte, 255]), is_odd(byte));
        }
        assert!(SET.holds(b""));
    }
}
