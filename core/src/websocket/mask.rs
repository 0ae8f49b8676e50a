//! Masking (RFC 6455 §5.3).

/// A masking key, and which byte of it comes next.
///
/// The byte with index `i` of a payload is combined with byte `i mod 4` of the key (RFC 6455 §5.3). A mask that has
/// [advanced](Self::advanced) by `i` begins there, so that a payload may be looked at in pieces of any size.
///
/// ```
/// use underpass_core::websocket::Mask;
///
/// let mut payload = *b"\x7f\x9f\x4d\x51\x58";
/// let mask = Mask::new([0x37, 0xfa, 0x21, 0x3d]);
/// let (front, behind) = payload.split_at_mut(3);
/// mask.apply(front);
/// mask.advanced(3).apply(behind);
/// assert_eq!(&payload, b"Hello");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mask {
    /// The byte for the next byte of the payload is the first.
    key: [u8; 4],
}

impl Mask {
    /// The mask for a payload from its beginning. Whoever sends a frame has to draw a fresh `key` that nobody can
    /// foresee (RFC 6455 §5.3).
    #[must_use]
    pub const fn new(key: [u8; 4]) -> Self {
        Self { key }
    }

    /// The key, the byte that comes next first.
    #[must_use]
    pub const fn key(self) -> [u8; 4] {
        self.key
    }

    /// The mask for what follows `count` bytes further on.
    #[must_use]
    pub const fn advanced(self, count: u64) -> Self {
        let bits = (count % 4) as u32 * 8;
        Self { key: u32::from_be_bytes(self.key).rotate_left(bits).to_be_bytes() }
    }

    /// Masks `payload`, or unmasks it: the two are the same.
    pub fn apply(self, payload: &mut [u8]) {
        for (byte, key) in payload.iter_mut().zip(self.bytes()) {
            *byte ^= key;
        }
    }

    /// The bytes of the key, again and again.
    pub(super) fn bytes(self) -> impl Iterator<Item = u8> + Clone {
        self.key.into_iter().cycle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_in_pieces_is_the_mask_of_the_whole() {
        let mask = Mask::new([1, 2, 4, 8]);
        let mut whole = [0; 11];
        mask.apply(&mut whole);
        assert_eq!(whole, [1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4]);
        for cut in 0..=whole.len() {
            let mut pieces = [0; 11];
            let (front, behind) = pieces.split_at_mut(cut);
            mask.apply(front);
            mask.advanced(cut as u64).apply(behind);
            assert_eq!(pieces, whole, "cut behind {cut}");
        }
        assert_eq!(mask.advanced(u64::MAX).key(), [8, 1, 2, 4]);
    }
}
