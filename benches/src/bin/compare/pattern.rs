//! Bytes that can be told from all others: what a number stands for on the wire.

/// Fills `bytes` with the pattern of `seed` (SplitMix64). Two seeds have no eight-byte word in common at the same place, so that
/// a byte of another connection, of another message, or at another place in the message is noticed.
pub(crate) fn fill(seed: u64, bytes: &mut [u8]) {
    let mut state = seed.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    for chunk in bytes.chunks_mut(8) {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^= word >> 31;
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
    }
}

/// The content of the origin server's answer to the GET request with this number.
pub(crate) fn content(number: u64) -> [u8; CONTENT_LENGTH] {
    let mut bytes = [0; CONTENT_LENGTH];
    fill(number, &mut bytes);
    bytes
}

/// How long that content is.
pub(crate) const CONTENT_LENGTH: usize = 1024;

#[cfg(test)]
mod tests {
    use super::{content, fill};

    #[test]
    fn neighbours_differ_in_every_word() {
        for number in 0..1000 {
            let (one, next) = (content(number), content(number + 1));
            for (a, b) in one.chunks(8).zip(next.chunks(8)) {
                assert_ne!(a, b, "number {number}");
            }
        }
    }

    #[test]
    fn a_short_pattern_is_the_beginning_of_a_long_one() {
        let (mut short, mut long) = ([0; 13], [0; 64]);
        fill(7, &mut short);
        fill(7, &mut long);
        assert_eq!(short, long[..13]);
    }
}
