//! The lines of a section by their names, so that a name is found without a look at every line.

use super::is_same_name;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// An index of lines by name; case is ignored. Empty until it is made; its memory is kept.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// Drawn once for each index: nobody who doesn't know it can write names that collide.
    key: u64,
    /// For each name the number of its first line, open addressing. At least half of the slots are free.
    slots: Vec<u32>,
    links: Vec<Link>,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    /// The next line with the same name.
    next: u32,
    /// In the first line of a name: the last one.
    last: u32,
    is_marked: bool,
}

/// No line: there are never so many.
const NONE: u32 = u32::MAX;

/// What hashes are counted modulo: the largest prime number that leaves room for a sum (2⁶¹ - 1).
const PRIME: u64 = (1 << 61) - 1;

impl Default for Names {
    fn default() -> Self {
        let key = RandomState::new().build_hasher().finish() % (PRIME - 1) + 1;
        Self { key, slots: Vec::new(), links: Vec::new() }
    }
}

impl Names {
    /// Forgets everything but its memory.
    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.links.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Makes the index anew: `name` says what the line with a number is called.
    pub(super) fn make<'a>(&mut self, lines: usize, name: impl Fn(usize) -> &'a [u8]) {
        self.clear();
        self.slots.resize((2 * lines).next_power_of_two(), NONE);
        for line in 0..lines {
            let number = u32::try_from(line).unwrap_or(NONE);
            self.links.push(Link { next: NONE, last: number, is_marked: false });
            let slot = self.slot(name(line), &name);
            match self.slots.get_mut(slot) {
                Some(first @ &mut NONE) => *first = number,
                Some(&mut first) => self.append(first, number),
                None => {}
            }
        }
    }

    fn append(&mut self, first: u32, line: u32) {
        let Some(head) = self.links.get_mut(first as usize) else { return };
        let last = std::mem::replace(&mut head.last, line);
        if let Some(link) = self.links.get_mut(last as usize) {
            link.next = line;
        }
    }

    /// The numbers of the lines that are called `sought`, in their order.
    pub(super) fn lines<'a>(
        &self,
        sought: &[u8],
        name: impl Fn(usize) -> &'a [u8],
    ) -> impl Iterator<Item = usize> + Clone {
        // Without lines there is nothing to make a hash for.
        let first = if self.is_empty() { None } else { self.slots.get(self.slot(sought, name)).copied() };
        let exists = |line: &u32| *line != NONE;
        let next = move |line: &u32| self.links.get(*line as usize).map(|link| link.next).filter(exists);
        std::iter::successors(first.filter(exists), next).map(|line| line as usize)
    }

    /// Marks the lines that are called `sought`. Asked again for the same name it takes no time.
    pub(super) fn mark<'a>(&mut self, sought: &[u8], name: impl Fn(usize) -> &'a [u8]) {
        let mut line = self.slots.get(self.slot(sought, name)).copied().unwrap_or(NONE);
        while let Some(link) = self.links.get_mut(line as usize).filter(|link| !link.is_marked) {
            link.is_marked = true;
            line = link.next;
        }
    }

    /// Whether the line was marked.
    pub(super) fn is_marked(&self, line: usize) -> bool {
        self.links.get(line).is_some_and(|link| link.is_marked)
    }

    /// Where the first line called `sought` stands, or would.
    fn slot<'a>(&self, sought: &[u8], name: impl Fn(usize) -> &'a [u8]) -> usize {
        // Without slots there is no place at all.
        let mask = self.slots.len().wrapping_sub(1);
        // The upper half of the product depends on all of the hash.
        let mixed = self.hash(sought).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let mut slot = usize::try_from(mixed).unwrap_or(0) & mask;
        while let Some(&line) = self.slots.get(slot) {
            if line == NONE || is_same_name(name(line as usize), sought) {
                break;
            }
            slot = (slot + 1) & mask;
        }
        slot
    }

    /// The value at the key of the polynomial whose coefficients are the bytes in lower case, seven of them together: no
    /// field name or option holds a NUL that could stand for none.
    fn hash(&self, name: &[u8]) -> u64 {
        name.chunks(7).fold(1, |hash: u64, bytes| {
            let word =
                bytes.iter().fold(0, |word: u64, byte| word << 8 | u64::from(byte.to_ascii_lowercase()));
            let sum = u128::from(hash) * u128::from(self.key) + u128::from(word);
            // The product of two numbers below 2⁶¹: its upper bits count 2⁶¹ each, which is 1.
            let [low, high] =
                [sum & u128::from(PRIME), sum >> 61].map(|part| u64::try_from(part).unwrap_or(0));
            let folded = low + high;
            if folded >= PRIME { folded - PRIME } else { folded }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_their_names_in_order() {
        let mut names = Names::default();
        for count in [0, 1, 2, 3, 100, 1000] {
            let line = |number: usize| -> &[u8] {
                [b"a".as_slice(), b"B", b"Abc", b"x-long-name", b"b"].into_iter().cycle().nth(number).unwrap()
            };
            names.make(count, line);
            let found = |name: &[u8]| names.lines(name, line).collect::<Vec<_>>();
            let expected = |name: &[u8]| {
                (0..count).filter(|at| line(*at).eq_ignore_ascii_case(name)).collect::<Vec<_>>()
            };
            for name in [b"A".as_slice(), b"b", b"ABC", b"X-Long-Name", b"absent", b""] {
                assert_eq!(found(name), expected(name), "{} of {count}", name.escape_ascii());
            }
        }
    }

    #[test]
    fn marks_are_of_all_lines_with_a_name() {
        let mut names = Names::default();
        let line = |number: usize| if number.is_multiple_of(3) { b"a".as_slice() } else { b"b" };
        names.make(9, line);
        for sought in [b"absent".as_slice(), b"A", b"a"] {
            names.mark(sought, line);
        }
        let marked: Vec<_> = (0..10).filter(|number| names.is_marked(*number)).collect();
        assert_eq!(marked, [0, 3, 6]);
        names.make(9, line);
        assert!(!names.is_marked(0), "a new index has no marks");
    }

    #[test]
    fn different_names_have_different_hashes() {
        let names = Names::default();
        let texts: Vec<String> = (0..1000).map(|number| format!("x{number}")).collect();
        let hashes: std::collections::HashSet<u64> =
            texts.iter().map(|text| names.hash(text.as_bytes())).collect();
        assert_eq!(hashes.len(), texts.len());
        assert_eq!(names.hash(b"HOST"), names.hash(b"host"));
        assert!(hashes.iter().all(|hash| *hash < PRIME));
    }
}
