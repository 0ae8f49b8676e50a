//! Bytes that can be told from all others: what a number stands for on the wire.

/// Fills `bytes` with the beginning of the pattern of `seed`. Two seeds have no eight-byte word in common at the same
/// place, so that a byte of another connection, of another message, or at another place in the message is noticed.
pub fn fill(seed: u64, bytes: &mut [u8]) {
    fill_from(seed, 0, bytes);
}

/// Fills `bytes` with the pattern of `seed`, from the byte `position` on.
pub fn fill_from(seed: u64, mut position: u64, mut bytes: &mut [u8]) {
    while !bytes.is_empty() {
        let skip = (position % 8) as usize;
        let count = bytes.len().min(8 - skip);
        let (now, later) = bytes.split_at_mut(count);
        now.copy_from_slice(&word(seed, position / 8).to_le_bytes()[skip..skip + count]);
        bytes = later;
        position += count as u64;
    }
}

/// One word of a pattern (SplitMix64).
fn word(seed: u64, index: u64) -> u64 {
    let begin = seed.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    let mut word = begin.wrapping_add((index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// The content of the origin server's answer to the GET request with this number.
pub fn content(number: u64) -> [u8; CONTENT_LENGTH] {
    let mut bytes = [0; CONTENT_LENGTH];
    fill(number, &mut bytes);
    bytes
}

/// How long that content is.
pub const CONTENT_LENGTH: usize = 1024;

#[cfg(test)]
mod tests {
    use super::{content, fill, fill_from};

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

    #[test]
    fn a_pattern_goes_on_anywhere() {
        let mut whole = [0; 64];
        fill(7, &mut whole);
        for from in 0..40 {
            for length in 0..24 {
                let mut part = [0; 24];
                fill_from(7, from as u64, &mut part[..length]);
                assert_eq!(part[..length], whole[from..from + length]);
            }
        }
    }
}
