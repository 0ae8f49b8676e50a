//! Host names with masks, as `server_name` and a `map` with `hostnames` have them.

use std::collections::HashMap;

/// What belongs to a name: an exact one, else the longest mask in front (`*.example.com`), else the longest
/// one behind (`www.example.*`).
#[derive(Debug)]
pub(crate) struct Masks<T> {
    exact: HashMap<Box<[u8]>, T>,
    /// `*.example.com`: `com`, then `example`.
    leading: Labels<T>,
    /// `www.example.*`: `www`, then `example`.
    trailing: Labels<T>,
}

/// Masks by their labels, one after the other: a name is read once, and only as far as a mask is like it.
#[derive(Debug)]
struct Labels<T> {
    value: Option<T>,
    next: HashMap<Box<[u8]>, Self>,
}

impl<T> Default for Masks<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), leading: Labels::default(), trailing: Labels::default() }
    }
}

impl<T> Default for Labels<T> {
    fn default() -> Self {
        Self { value: None, next: HashMap::new() }
    }
}

impl<T: Clone> Masks<T> {
    /// Adds a text without masks, `false` when it was there: the first stays.
    pub(crate) fn exact(&mut self, name: &[u8], value: T) -> bool {
        insert(&mut self.exact, &name.to_ascii_lowercase(), value)
    }

    /// Adds `example.com`, `*.example.com`, `.example.com` (both) or `example.*`. A mask that doesn't stand for whole
    /// labels belongs to no name.
    pub(crate) fn add(&mut self, name: &[u8], value: T) -> bool {
        let name = name.to_ascii_lowercase();
        if let Some(mask) = name.strip_prefix(b"*") {
            mask.strip_prefix(b".").is_none_or(|mask| self.leading.insert(mask.rsplit(is_dot), value))
        } else if let Some(whole) = name.strip_prefix(b".") {
            let added = insert(&mut self.exact, whole, value.clone());
            self.leading.insert(whole.rsplit(is_dot), value) && added
        } else if let Some(mask) = name.strip_suffix(b"*") {
            mask.strip_suffix(b".").is_none_or(|mask| self.trailing.insert(mask.split(is_dot), value))
        } else {
            insert(&mut self.exact, &name, value)
        }
    }

    /// What belongs to `name`, which is in lower case.
    pub(crate) fn find(&self, name: &[u8]) -> Option<&T> {
        let leading =
            || self.leading.find(name, memchr::memrchr, |name, dot| (name.get(dot + 1..), name.get(..dot)));
        let trailing =
            || self.trailing.find(name, memchr::memchr, |name, dot| (name.get(..dot), name.get(dot + 1..)));
        self.exact.get(name).or_else(leading).or_else(trailing)
    }
}

impl<T> Labels<T> {
    fn insert<'a>(&mut self, labels: impl Iterator<Item = &'a [u8]>, value: T) -> bool {
        let node = labels.fold(self, |node, label| node.next.entry(label.into()).or_default());
        let is_new = node.value.is_none();
        node.value.get_or_insert(value);
        is_new
    }

    /// The value of the longest mask. `dot` finds where the next label ends, `split` the label and what is left: behind
    /// that of a mask there is always a further one.
    fn find<'a>(
        &self,
        mut name: &'a [u8],
        dot: impl Fn(u8, &[u8]) -> Option<usize>,
        split: impl Fn(&'a [u8], usize) -> (Option<&'a [u8]>, Option<&'a [u8]>),
    ) -> Option<&T> {
        let (mut node, mut found) = (self, None);
        while !node.next.is_empty()
            && let Some(end) = dot(b'.', name)
            && let (Some(label), Some(rest)) = split(name, end)
            && let Some(next) = node.next.get(label)
        {
            (node, name) = (next, rest);
            found = node.value.as_ref().or(found);
        }
        found
    }
}

fn is_dot(byte: &u8) -> bool {
    *byte == b'.'
}

fn insert<T>(table: &mut HashMap<Box<[u8]>, T>, key: &[u8], value: T) -> bool {
    if table.contains_key(key) {
        return false;
    }
    table.insert(key.into(), value);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the masks mean, each on its own.
    fn matching<'m>(masks: &'m [String], name: &str) -> Option<&'m String> {
        let longest = |fits: &dyn Fn(&str) -> bool| {
            let fitting = masks.iter().filter(|mask| fits(mask));
            // Of equal masks the first stays.
            fitting.rev().max_by_key(|mask| mask.len())
        };
        let exact = |mask: &str| mask == name || mask.strip_prefix('.') == Some(name);
        let leading = |mask: &str| match mask.strip_prefix('*').unwrap_or(mask) {
            end if end.starts_with('.') => name.ends_with(end),
            _ => false,
        };
        let trailing = |mask: &str| {
            mask.strip_suffix('*').is_some_and(|start| start.ends_with('.') && name.starts_with(start))
        };
        let first_exact = masks.iter().find(|mask| exact(mask));
        first_exact.or_else(|| longest(&leading)).or_else(|| longest(&trailing))
    }

    proptest! {
        #[test]
        fn the_longest_mask_has_a_name(
            masks in proptest::collection::vec("([*][.]|[.])?[ab]([.][ab]){0,3}|[ab]([.][ab]){0,2}[.][*]", 0..12),
            name in "[ab.]{0,9}",
        ) {
            let mut table = Masks::default();
            let mut known: Vec<String> = Vec::new();
            for mask in masks {
                // Of a pair like `.a` and `*.a`, the second adds half of what it says: that is another test's.
                let is_new = known.iter().all(|known| known.trim_start_matches(['*', '.']) != mask.trim_start_matches(['*', '.']));
                if is_new {
                    prop_assert!(table.add(mask.as_bytes(), mask.clone()));
                    prop_assert!(!table.add(mask.as_bytes(), "again".to_owned()));
                    known.push(mask);
                }
            }
            prop_assert_eq!(table.find(name.as_bytes()), matching(&known, &name), "{:?}", known);
        }
    }
}
