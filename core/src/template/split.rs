//! nginx's `split_clients`: a share of all clients has a value.

use super::Template;

/// A `split_clients` block: the hash of a value decides.
#[derive(Debug)]
pub struct SplitClients {
    source: Template,
    /// Up to which hash each value holds; absent: the rest (`*`).
    parts: Vec<(Option<u32>, Template)>,
}

impl SplitClients {
    /// Splits by the hash of what `source` evaluates to. Each part is a share in hundredths of a percent (1 to
    /// 10000) or, absent, what is left (`*`), and the value that it has. Shares beyond 10000 in all are never
    /// reached.
    #[must_use]
    pub fn new(source: Template, shares: Vec<(Option<u32>, Template)>) -> Self {
        let mut sum: u64 = 0;
        let parts = shares.into_iter().map(|(share, value)| {
            let up_to = share.map(|share| {
                sum += u64::from(share);
                u32::try_from(sum * u64::from(u32::MAX) / 10_000).unwrap_or(u32::MAX)
            });
            (up_to, value)
        });
        let parts = parts.collect();
        Self { source, parts }
    }

    pub(crate) fn source(&self) -> &Template {
        &self.source
    }

    pub(crate) fn find(&self, value: &[u8]) -> Option<&Template> {
        let hash = murmur2(value);
        let part = self.parts.iter().find(|(up_to, _)| up_to.is_none_or(|up_to| hash < up_to));
        part.map(|(_, value)| value)
    }
}

/// MurmurHash2 of 32 bits with seed 0, which nginx takes too: a client stays in its part when it moves between
/// the two.
fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (index, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Variable;

    #[test]
    fn shares_are_shares() {
        let split = SplitClients::new(
            Template::variable(Variable::RemoteAddr),
            vec![
                (Some(2_500), Template::literal("quarter")),
                (Some(5_000), Template::literal("half")),
                (None, Template::literal("rest")),
            ],
        );
        let mut counts = [0; 3];
        for number in 0..10_000 {
            let found = split.find(format!("10.0.{}.{}", number / 256, number % 256).as_bytes());
            match found.map(Template::source) {
                Some("quarter") => counts[0] += 1,
                Some("half") => counts[1] += 1,
                _ => counts[2] += 1,
            }
        }
        for (count, expected) in counts.into_iter().zip([2_500, 5_000, 2_500]) {
            assert!((expected - 200..expected + 200).contains(&count), "{counts:?}");
        }
    }

    #[test]
    fn the_hash_is_murmur2() {
        assert_eq!(murmur2(b""), 0);
        assert_eq!(murmur2(b"a"), 0x9268_5f5e);
        assert_eq!(murmur2(b"abcd"), 0x2687_3021);
    }

    #[test]
    fn a_share_ends_before_its_last_hash() {
        // The hash of this text is where a share of 56.95 % ends: as in nginx, it is of the next.
        let text = b"client494464";
        assert_eq!(u64::from(murmur2(text)), 5_695 * u64::from(u32::MAX) / 10_000);
        for (share, expected) in [(5_694, "rest"), (5_695, "rest"), (5_696, "share")] {
            let shares = vec![(Some(share), Template::literal("share")), (None, Template::literal("rest"))];
            let split = SplitClients::new(Template::variable(Variable::RemoteAddr), shares);
            assert_eq!(split.find(text).map(Template::source), Some(expected), "{share}");
        }
    }
}
