//! A value that a worker lends its memory for while there is something in it.

use std::{
    any::Any,
    ops::{Deref, DerefMut},
};

use super::Buffers;

/// A value that is the same for everybody who has nothing in it.
pub(crate) trait Lend: Default + Send + Sync + 'static {
    /// What is read where nothing was lent: the value with nothing in it.
    fn quiet() -> &'static Self;

    /// Whether nothing is in it, so that its memory can go back.
    fn is_quiet(&self) -> bool;

    /// Makes it what [`Self::quiet`] is; memory that it grew is kept.
    fn clear(&mut self);

    /// Where a worker keeps what nobody has.
    fn spare(buffers: &mut Buffers) -> &mut Spares;
}

/// Pieces of one kind that nobody has. What kind that is, who lends them knows.
#[derive(Debug, Default)]
pub(crate) struct Spares(Vec<Box<dyn Any + Send + Sync>>);

impl Spares {
    fn take<T: Lend>(&mut self) -> Option<Box<T>> {
        self.0.pop()?.downcast().ok()
    }

    fn put<T: Lend>(&mut self, mut piece: Box<T>) {
        if self.0.len() < Buffers::SPARE {
            piece.clear();
            self.0.push(piece);
        }
    }
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
            self.0 = Some(T::spare(buffers).take().unwrap_or_default());
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
        if let Some(value) = self.0.take() {
            T::spare(buffers).put(value);
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
