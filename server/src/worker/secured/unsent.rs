//! Bytes that wait for a socket.

/// What is to be sent, in order. What the socket has taken of it stays in front until all is, or until it is as much as the rest: so
/// each byte is moved once at most, however little the socket takes at a time.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    bytes: Vec<u8>,
    /// So many of them have been taken. Fewer than there are, unless there are none.
    taken: usize,
}

impl Unsent {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// Those that wait.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    /// The socket has taken the first `count` of them. With the last one the memory goes.
    pub(super) fn advance(&mut self, count: usize) {
        self.taken = self.bytes.len().min(self.taken + count);
        if self.taken == self.bytes.len() {
            *self = Self::default();
        }
    }

    /// To append to.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        if self.taken > self.len() {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        &mut self.bytes
    }

    /// How much memory it has.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::Unsent;

    #[test]
    fn what_is_left_stays_where_it_is() {
        let mut unsent = Unsent::default();
        unsent.end().extend_from_slice(b"waiting");
        let at = unsent.rest().as_ptr();
        for count in 1..7 {
            unsent.advance(1);
            assert_eq!(unsent.rest(), &b"waiting"[count..]);
            assert_eq!(unsent.rest().as_ptr(), at.wrapping_add(count), "it was moved");
        }
        unsent.advance(1);
        assert!(unsent.is_empty() && unsent.capacity() == 0);
    }

    /// Somebody who takes a little and wants more said, again and again, costs no more memory for it.
    #[test]
    fn memory_is_bounded_by_what_waits() {
        let (mut unsent, mut sent, mut expected) = (Unsent::default(), Vec::new(), Vec::new());
        for number in 0..10_000_u32 {
            let bytes = number.to_be_bytes();
            unsent.end().extend_from_slice(&bytes);
            expected.extend_from_slice(&bytes);
            while unsent.len() > 50 {
                sent.extend_from_slice(&unsent.rest()[..3]);
                unsent.advance(3);
            }
            assert!(unsent.capacity() <= 512, "{}", unsent.capacity());
        }
        sent.extend_from_slice(unsent.rest());
        assert_eq!(sent, expected);
    }
}
