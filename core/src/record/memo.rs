//! Values that an exchange has found or set: of maps, of `set`, of the last regular expression that matched.

use std::cell::RefCell;

use crate::template::{Captures, MapId, Regex, SetId};

/// Values of variables, and space to find them in. They are found while the record is being read, so that
/// they lie in a cell; nothing is borrowed while a template is evaluated.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memo(RefCell<Values>);

#[derive(Clone, Debug, Default)]
struct Values {
    /// Values of maps, found once per exchange.
    found: Vec<u8>,
    spans: Vec<Option<(u32, u32)>>,
    captures: Captures,
    /// Where the next match is tried.
    trial: Captures,
    /// Values of `set` variables and named groups.
    set: Vec<Vec<u8>>,
    server: Option<usize>,
    spare: Vec<Vec<u8>>,
    /// The template whose value can't be used.
    blamed: Vec<u8>,
    /// A match was given up (B7).
    given_up: bool,
}

impl Memo {
    pub(super) fn clear(&mut self) {
        let values = self.0.get_mut();
        values.found.clear();
        values.spans.clear();
        values.server = None;
        values.blamed.clear();
        values.given_up = false;
        values.captures.begin(b"");
        values.set.iter_mut().for_each(Vec::clear);
    }

    /// Matches a regular expression, and keeps what its groups matched. A match that fails leaves the captures
    /// of the last one behind, as in nginx.
    pub(super) fn matches(&self, regex: &Regex, subject: &[u8]) -> bool {
        let mut values = self.0.borrow_mut();
        let values = &mut *values;
        let matched = regex.pattern().find(subject, &mut values.trial);
        values.given_up |= values.trial.take_given_up();
        if matched {
            std::mem::swap(&mut values.trial, &mut values.captures);
            for (group, variable) in regex.names() {
                let value = values.captures.get(*group);
                slot(&mut values.set, *variable).extend_from_slice(value);
            }
        }
        matched
    }

    /// Whether a match was given up since this was asked last.
    pub(super) fn take_given_up(&mut self) -> bool {
        std::mem::take(&mut self.0.get_mut().given_up)
    }

    /// No group holds anything.
    pub(super) fn forget_captures(&self) {
        self.0.borrow_mut().captures.begin(b"");
    }

    /// Appends what a group of the last match holds.
    pub(super) fn write_capture(&self, group: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.borrow().captures.get(group));
    }

    /// Appends the value of a variable that `set` or a named group has defined.
    pub(super) fn write_set(&self, SetId(variable): SetId, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.borrow().set.get(variable).map_or(b"", |value| value));
    }

    pub(super) fn set(&self, variable: SetId, value: &[u8]) {
        slot(&mut self.0.borrow_mut().set, variable).extend_from_slice(value);
    }

    /// The number of the request's server: it is found once, however often the request is routed.
    pub(super) fn server(&self, find: impl FnOnce() -> usize) -> usize {
        let known = self.0.borrow().server;
        known.unwrap_or_else(|| {
            let found = find();
            self.0.borrow_mut().server = Some(found);
            found
        })
    }

    /// Appends the value of a map, when it is known.
    pub(super) fn write_found(&self, id: MapId, out: &mut Vec<u8>) -> bool {
        let values = self.0.borrow();
        let span = values.spans.get(id.0).copied().flatten();
        let value = span.and_then(|(from, to)| values.found.get(from as usize..to as usize));
        out.extend_from_slice(value.unwrap_or_default());
        value.is_some()
    }

    /// Whether the value of a map is kept.
    pub(super) fn has_found(&self, id: MapId) -> bool {
        self.0.borrow().spans.get(id.0).is_some_and(Option::is_some)
    }

    /// Keeps the value of a map.
    pub(super) fn keep(&self, id: MapId, value: &[u8]) {
        let mut values = self.0.borrow_mut();
        let from = values.found.len();
        values.found.extend_from_slice(value);
        let to = values.found.len();
        if values.spans.len() <= id.0 {
            values.spans.resize(id.0 + 1, None);
        }
        if let (Some(slot), Ok(from), Ok(to)) =
            (values.spans.get_mut(id.0), u32::try_from(from), u32::try_from(to))
        {
            *slot = Some((from, to));
        }
    }

    /// Notes the template whose value can't be used, as it was written; the first stays.
    pub(super) fn blame(&self, source: &str) {
        let blamed = &mut self.0.borrow_mut().blamed;
        if blamed.is_empty() {
            blamed.extend_from_slice(source.as_bytes());
        }
    }

    /// Appends that template.
    pub(super) fn write_blamed(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.borrow().blamed);
    }

    /// Space for a value.
    pub(super) fn spare(&self) -> Vec<u8> {
        self.0.borrow_mut().spare.pop().unwrap_or_default()
    }

    pub(super) fn return_spare(&self, mut value: Vec<u8>) {
        value.clear();
        self.0.borrow_mut().spare.push(value);
    }
}

/// The emptied place of a variable's value.
fn slot(set: &mut Vec<Vec<u8>>, SetId(variable): SetId) -> &mut Vec<u8> {
    if set.len() <= variable {
        set.resize(variable + 1, Vec::new());
    }
    let value = &mut set[variable];
    value.clear();
    value
}
