//! Host names with masks, as `server_name` and a `map` with `hostnames` have them.

use std::collections::HashMap;

/// What belongs to a name: an exact one, else the longest mask in front (`*.example.com`), else the longest
/// one behind (`www.example.*`).
#[derive(Debug)]
pub(crate) struct Masks<T> {
    exact: HashMap<Box<[u8]>, T>,
    /// `*.example.com`, as `.example.com`.
    leading: HashMap<Box<[u8]>, T>,
    /// `example.*`, as `example.`.
    trailing: HashMap<Box<[u8]>, T>,
}

impl<T> Default for Masks<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), leading: HashMap::new(), trailing: HashMap::new() }
    }
}

impl<T: Clone> Masks<T> {
    /// Adds a text without masks, `false` when it was there: the first stays.
    pub(crate) fn exact(&mut self, name: &[u8], value: T) -> bool {
        insert(&mut self.exact, &name.to_ascii_lowercase(), value)
    }

    /// Adds `example.com`, `*.example.com`, `.example.com` (both) or `example.*`.
    pub(crate) fn add(&mut self, name: &[u8], value: T) -> bool {
        let name = name.to_ascii_lowercase();
        if let Some(mask) = name.strip_prefix(b"*") {
            insert(&mut self.leading, mask, value)
        } else if let Some(whole) = name.strip_prefix(b".") {
            let added = insert(&mut self.exact, whole, value.clone());
            insert(&mut self.leading, &name, value) && added
        } else if let Some(mask) = name.strip_suffix(b"*") {
            insert(&mut self.trailing, mask, value)
        } else {
            insert(&mut self.exact, &name, value)
        }
    }

    /// What belongs to `name`, which is in lower case.
    pub(crate) fn find(&self, name: &[u8]) -> Option<&T> {
        let dots = || name.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at);
        let leading = || dots().find_map(|at| self.leading.get(name.get(at..)?));
        let trailing = || {
            dots().fold(None, |last, at| name.get(..=at).and_then(|mask| self.trailing.get(mask)).or(last))
        };
        self.exact.get(name).or_else(leading).or_else(trailing)
    }
}

fn insert<T>(table: &mut HashMap<Box<[u8]>, T>, key: &[u8], value: T) -> bool {
    if table.contains_key(key) {
        return false;
    }
    table.insert(key.into(), value);
    true
}
