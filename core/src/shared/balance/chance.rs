//! Draws that follow from a seed: there is no source of randomness here.

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Copy, Debug)]
pub(super) struct Draws(u64);

impl Draws {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }
}

fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A seed that follows from a secret and numbers which occur together only once.
pub(crate) fn seed(secret: &[u8; 16], numbers: [u64; 3]) -> u64 {
    let (words, _) = secret.as_chunks::<8>();
    let parts = words.iter().copied().map(u64::from_le_bytes).chain(numbers);
    parts.fold(0, |sum, part| mixed(sum ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_those_of_the_paper() {
        // The first numbers of the reference implementation for the seed 1234567.
        let mut draws = Draws::new(1_234_567);
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([draws.next(), draws.next(), draws.next()], expected);
    }

    #[test]
    fn every_part_counts() {
        let base = seed(&[7; 16], [1, 2, 3]);
        for other in [seed(&[8; 16], [1, 2, 3]), seed(&[7; 16], [2, 1, 3]), seed(&[7; 16], [1, 2, 4])] {
            assert_ne!(base, other);
        }
    }
}
