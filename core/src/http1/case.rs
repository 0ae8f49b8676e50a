//! Names without their case: field names, connection options, protocols (RFC 9110 §5.1, §7.6.1, §7.8).

/// Whether two names are the same but for the case of their letters.
///
/// A head has a dozen names, each of which is compared with several: eight bytes are compared at a time.
#[inline]
pub(crate) fn is_same_name(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let ((ones, one_rest), (others, other_rest)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    if !ones.iter().zip(others).all(|(left, right)| is_same_word(word(left), word(right))) {
        return false;
    }
    // What is left is shorter than a word. The last eight bytes are one, some of which have been compared.
    match (one.last_chunk::<8>(), other.last_chunk::<8>()) {
        (Some(left), Some(right)) => is_same_word(word(left), word(right)),
        _ => is_same_word(short_word(one_rest), short_word(other_rest)),
    }
}

/// Whether a name begins with another, without regard to case.
#[inline]
pub(crate) fn begins_with_name(name: &[u8], beginning: &[u8]) -> bool {
    name.get(..beginning.len()).is_some_and(|start| is_same_name(start, beginning))
}

/// Whether a name has the byte in it.
pub(crate) fn has_byte(name: &[u8], byte: u8) -> bool {
    let (words, rest) = name.as_chunks::<8>();
    let sought = u64::from(byte) * EACH;
    // A byte that is another one has a bit: in its lower part, from which nothing is carried over, or its highest.
    let lacks = |bytes: &[u8; 8]| {
        let difference = word(bytes) ^ sought;
        (((difference & !HIGH) + !HIGH) | difference) & HIGH == HIGH
    };
    !words.iter().all(lacks)
        || match name.last_chunk::<8>() {
            Some(last) => !lacks(last),
            None => rest.contains(&byte),
        }
}

const EACH: u64 = 0x0101_0101_0101_0101;

/// The highest bit of each byte.
const HIGH: u64 = 0x80 * EACH;

const fn word(bytes: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*bytes)
}

/// At most seven bytes as a word: those behind the first four overlap with them.
fn short_word(bytes: &[u8]) -> u64 {
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        _ => bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Whether two words differ in the case of letters at most: in the bit 0x20 of bytes that are letters.
const fn is_same_word(left: u64, right: u64) -> bool {
    let difference = left ^ right;
    // 0x20 << 2 is 0x80: no other bit moves into another byte, for there is none.
    difference & !(0x20 * EACH) == 0 && difference << 2 & !letters(left) == 0
}

/// The highest bit of each byte that is a letter.
const fn letters(word: u64) -> u64 {
    let lower = word | (0x20 * EACH);
    // Whether a byte is at least `a`, or beyond `z`: without the highest bit nothing is carried over.
    let low_bits = lower & !HIGH;
    let from_a = low_bits + (0x80 - b'a' as u64) * EACH;
    let beyond_z = low_bits + (0x7f - b'z' as u64) * EACH;
    (from_a ^ beyond_z) & !lower & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_compared_as_the_standard_library_does() {
        for length in 1..=24 {
            for at in 0..length {
                for (left, right) in (0..=255_u8).flat_map(|left| {
                    [left, left ^ 0x20, left.to_ascii_uppercase(), left ^ 0x80, 0].map(|right| (left, right))
                }) {
                    let mut one = vec![b'x'; length];
                    let mut other = vec![b'X'; length];
                    (one[at], other[at]) = (left, right);
                    assert_eq!(
                        is_same_name(&one, &other),
                        one.eq_ignore_ascii_case(&other),
                        "{left:#x} and {right:#x} at {at} of {length}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_byte_is_found_wherever_it_is() {
        for length in 0..24 {
            for byte in 0..=255 {
                let name = vec![byte; length];
                assert_eq!(has_byte(&name, b'_'), length > 0 && byte == b'_', "{byte:#x}");
                for at in 0..length {
                    let mut name = name.clone();
                    name[at] = b'_';
                    assert!(has_byte(&name, b'_'), "{byte:#x} {at}");
                }
            }
        }
    }

    #[test]
    fn lengths_count() {
        assert!(is_same_name(b"", b""));
        for (one, other) in [(b"a".as_slice(), b"".as_slice()), (b"te", b"t"), (b"upgrades!", b"upgrades")] {
            assert!(!is_same_name(one, other) && !is_same_name(other, one));
        }
        assert!(begins_with_name(b"X-Accel-Redirect", b"x-accel-"));
        assert!(!begins_with_name(b"X-Accel", b"x-accel-"));
        assert!(!begins_with_name(b"X_Accel-Redirect", b"x-accel-"));
    }
}
