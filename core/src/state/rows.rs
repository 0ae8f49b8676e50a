//! Which rows of the tables a session has taken: how tests find out which no test takes.

use super::{connection, exchange, message, phase, tunnel};

/// A set of rows of the tables.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rows([u64; 2]);

impl Rows {
    /// All that there are.
    #[must_use]
    pub fn all() -> Self {
        let mut all = Self::default();
        (0..names().len()).for_each(|row| all.insert(row));
        all
    }

    /// Those of either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self([self.0[0] | other.0[0], self.0[1] | other.0[1]])
    }

    /// Those that `other` doesn't have.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self([self.0[0] & !other.0[0], self.0[1] & !other.0[1]])
    }

    /// Each row as its table has it: `exchange: Idle + HeadBegun => Receiving`.
    #[must_use]
    pub fn names(self) -> Vec<String> {
        names().into_iter().enumerate().filter(|(row, _)| self.contains(*row)).map(|(_, name)| name).collect()
    }

    fn insert(&mut self, row: usize) {
        if let Some(word) = self.0.get_mut(row / 64) {
            *word |= 1 << (row % 64);
        }
    }

    fn contains(self, row: usize) -> bool {
        self.0.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }
}

fn names() -> Vec<String> {
    let phase = phase::ROWS.iter().map(|(from, on, to)| format!("phase: {from:?} + {on:?} => {to:?}"));
    let exchange =
        exchange::ROWS.iter().map(|(from, on, to)| format!("exchange: {from:?} + {on:?} => {to:?}"));
    let connection =
        connection::ROWS.iter().map(|(from, on, to)| format!("connection: {from:?} + {on:?} => {to:?}"));
    let message = message::ROWS.iter().map(|(from, on, to)| format!("message: {from:?} + {on:?} => {to:?}"));
    let tunnel = tunnel::ROWS.iter().map(|(from, on, to)| format!("tunnel: {from:?} + {on:?} => {to:?}"));
    phase.chain(exchange).chain(connection).chain(message).chain(tunnel).collect()
}

/// What a session remembers of the rows that it has taken: all of them in builds with debug assertions, nothing
/// in others.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken(#[cfg(debug_assertions)] Rows);

impl Taken {
    pub(crate) fn phase(&mut self, machine: phase::Machine, event: phase::Event) {
        self.insert(|| machine.row(event));
    }

    pub(crate) fn exchange(&mut self, machine: exchange::Machine, event: exchange::Event) {
        self.insert(|| Some(EXCHANGE + machine.row(event)?));
    }

    pub(crate) fn connection(&mut self, machine: connection::Machine, event: connection::Event) {
        self.insert(|| Some(CONNECTION + machine.row(event)?));
    }

    pub(crate) fn message(&mut self, machine: message::Machine, event: message::Event) {
        self.insert(|| Some(MESSAGE + machine.row(event)?));
    }

    pub(crate) fn tunnel(&mut self, machine: tunnel::Machine, event: tunnel::Event) {
        self.insert(|| Some(TUNNEL + machine.row(event)?));
    }

    #[cfg(debug_assertions)]
    fn insert(&mut self, row: impl FnOnce() -> Option<usize>) {
        if let Some(row) = row() {
            self.0.insert(row);
        }
    }

    #[cfg(not(debug_assertions))]
    fn insert(&mut self, _: impl FnOnce() -> Option<usize>) {}

    /// Those of either.
    pub(crate) fn with(self, other: Self) -> Self {
        #[cfg(debug_assertions)]
        return Self(self.0.union(other.0));
        #[cfg(not(debug_assertions))]
        other
    }

    /// The rows; none without debug assertions.
    pub(crate) fn rows(self) -> Rows {
        #[cfg(debug_assertions)]
        return self.0;
        #[cfg(not(debug_assertions))]
        Rows::default()
    }
}

/// Where the rows of a table begin: those of the phases come first.
const EXCHANGE: usize = phase::ROWS.len();
const CONNECTION: usize = EXCHANGE + exchange::ROWS.len();
const MESSAGE: usize = CONNECTION + connection::ROWS.len();
const TUNNEL: usize = MESSAGE + message::ROWS.len();

const _: () = assert!(TUNNEL + tunnel::ROWS.len() <= 128, "a set has a bit for each row");

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[usize]) -> Rows {
        let mut set = Rows::default();
        rows.iter().for_each(|row| set.insert(*row));
        set
    }

    #[test]
    fn sets_of_rows_are_sets() {
        let names = names();
        let last = names.len() - 1;
        assert!(last > 64, "both words are used");
        let (one, other) = (of(&[0, 3, 64, 65]), of(&[3, 5, 65, last]));
        assert_eq!(one.union(other), of(&[0, 3, 5, 64, 65, last]));
        assert_eq!((one.without(other), other.without(one)), (of(&[0, 64]), of(&[5, last])));
        assert_eq!(one.names(), [0, 3, 64, 65].map(|row| names[row].clone()));
        assert_eq!(Rows::all().names(), names);
        assert_eq!(Rows::all().without(Rows::all()), Rows::default());
        assert_eq!(Rows::default().names(), [""; 0]);
    }
}
