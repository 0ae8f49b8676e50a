//! CRC-32 (ISO 3309, as in gzip and zlib): what nginx and memcached's clients hash keys with.

/// The polynomial, lowest power in the highest bit.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// What four more zero bits make of each of the 16 values that they push out.
const NIBBLES: [u32; 16] = {
    let mut table = [0; 16];
    let mut index = 0;
    while index < 16 {
        let (mut value, mut bit) = (index as u32, 0);
        while bit < 4 {
            value = halved(value);
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
};

/// The polynomial `value` times x.
const fn halved(value: u32) -> u32 {
    if value & 1 == 1 { (value >> 1) ^ POLYNOMIAL } else { value >> 1 }
}

/// A CRC-32 under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crc32(u32);

impl Crc32 {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(u32::MAX).and(bytes)
    }

    /// With `bytes` behind what went in so far.
    pub(super) fn and(self, bytes: &[u8]) -> Self {
        let step = |register: u32, nibble: u8| {
            let index = (register ^ u32::from(nibble)) & 15;
            (register >> 4) ^ NIBBLES.get(index as usize).copied().unwrap_or_default()
        };
        Self(bytes.iter().fold(self.0, |register, byte| step(step(register, byte & 15), byte >> 4)))
    }

    pub(super) fn value(self) -> u32 {
        !self.0
    }
}

/// A key of which only this is left: its CRC-32, and its length, which is what it takes to know the CRC-32 of
/// the key behind something else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct HashKey {
    crc: u32,
    length: u32,
}

impl HashKey {
    pub(crate) fn of(key: &[u8]) -> Self {
        Self { crc: Crc32::of(key).value(), length: u32::try_from(key.len()).unwrap_or(u32::MAX) }
    }

    pub(super) fn is_empty(self) -> bool {
        self.length == 0
    }

    pub(super) fn crc(self) -> u32 {
        self.crc
    }

    /// The CRC-32 of `prefix` and the key behind it: that of the prefix, times x for each bit of the key,
    /// plus that of the key.
    pub(super) fn behind(self, prefix: &[u8]) -> u32 {
        let mut shifted = Crc32::of(prefix).value();
        let (mut left, mut power) = (self.length, X_TO_8);
        while left > 0 {
            if left & 1 == 1 {
                shifted = product(shifted, power);
            }
            power = product(power, power);
            left >>= 1;
        }
        shifted ^ self.crc
    }
}

/// x to the 8th: a byte's worth.
const X_TO_8: u32 = 1 << (31 - 8);

/// The product of two polynomials, modulo the polynomial of the CRC.
fn product(a: u32, mut b: u32) -> u32 {
    let mut sum = 0;
    for bit in (0..32).rev() {
        if a >> bit & 1 == 1 {
            sum ^= b;
        }
        b = halved(b);
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_values() {
        for (text, crc) in
            [("", 0), ("a", 0xe8b7_be43), ("123456789", 0xcbf4_3926), ("message digest", 0x2015_9d7f)]
        {
            assert_eq!(Crc32::of(text.as_bytes()).value(), crc, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_key_behind_a_prefix(prefix: Vec<u8>, key: Vec<u8>) {
            let whole = [prefix.as_slice(), &key].concat();
            prop_assert_eq!(HashKey::of(&key).behind(&prefix), Crc32::of(&whole).value());
            prop_assert_eq!(Crc32::of(&prefix).and(&key).value(), Crc32::of(&whole).value());
        }
    }
}
