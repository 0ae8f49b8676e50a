//! A value that a worker lends its memory for while there is something in it.

use std::ops::{Deref, DerefMut};

use super::Buffers;

/// A value that is the same for everybody who has nothing in it.
pub(crate) trait Lend: Default + 'static {
    /// What is read where nothing was lent: the value with nothing in it.
    fn quiet() -> &'static Self;

    /// Whether nothing is in it, so that its memory can go back.
    fn is_quiet(&self) -> bool;

    /// Makes it what [`Self::quiet`] is; memory that it grew is kept.
    fn clear(&mut self);

    /// Where a worker keeps what nobody has.
    fn spare(buffers: &mut Buffers) -> &mut Vec<Box<Self>>;
}

/// A value, or nothing where nothing is in it: one pointer.
///
/// It reads as the value all the time. Where something is to be written, [`lend`](Self::lend) gets memory from the
/// worker first; without that, writing allocates.
#[derive(Clone, Debug)]
pub(crate) struct Loan<T>(Option<Box<T>>);

impl<T> Default for Loan<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Lend> Loan<T> {
    /// Gets memory, if it has none.
    pub(crate) fn lend(&mut self, buffers: &mut Buffers) {
        if self.0.is_none() {
            self.0 = Some(T::spare(buffers).pop().unwrap_or_default());
        }
    }

    /// The value to be written, where there is something in it.
    pub(crate) fn held(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    /// Gives the memory back when nothing is in it.
    pub(crate) fn settle(&mut self, buffers: &mut Buffers) {
        if self.0.as_deref().is_some_and(T::is_quiet) {
            self.give_back(buffers);
        }
    }

    /// Gives the memory back, and forgets what is in it.
    pub(crate) fn give_back(&mut self, buffers: &mut Buffers) {
        let Some(mut value) = self.0.take() else { return };
        let spare = T::spare(buffers);
        if spare.len() < Buffers::SPARE {
            value.clear();
            spare.push(value);
        }
    }
}

impl<T: Lend> Deref for Loan<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or_else(|| T::quiet())
    }
}

impl<T: Lend> DerefMut for Loan<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}
