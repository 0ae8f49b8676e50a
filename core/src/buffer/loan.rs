//! Values whose memory a worker lends only while there is something in them.

use std::{
    any::Any,
    ops::{Deref, DerefMut},
};

use super::Buffers;

/// A value that a session doesn't need at all times. With nothing in it, it is the same for every session.
pub(crate) trait Lend: Default + Send + Sync + 'static {
    /// The value with nothing in it: what a session reads that has no memory for it.
    fn quiet() -> &'static Self;

    /// Whether nothing is in it, so that its memory can go back.
    fn is_quiet(&self) -> bool;

    /// Makes it what [`Self::quiet`] is; memory that it grew is kept.
    fn clear(&mut self);

    /// Where a worker keeps the memory that no session has.
    fn spare(buffers: &mut Buffers) -> &mut Spares;
}

/// Memory of one kind of value that no session has. The store need not know the kind: that would tie it to everybody who
/// borrows.
#[derive(Debug, Default)]
pub(crate) struct Spares(Vec<Box<dyn Any + Send + Sync>>);

impl Spares {
    pub(crate) fn take<T: Send + Sync + 'static>(&mut self) -> Option<Box<T>> {
        self.0.pop()?.downcast().ok()
    }

    /// Puts a value into a spare piece, or into a new one.
    pub(crate) fn boxed<T: Send + Sync + 'static>(&mut self, value: T) -> Box<T> {
        match self.take() {
            Some(mut spare) => {
                *spare = value;
                spare
            }
            None => Box::new(value),
        }
    }

    fn put<T: Lend>(&mut self, mut piece: Box<T>) {
        piece.clear();
        self.keep_up_to(Buffers::SPARE, piece);
    }

    /// Keeps a piece as it is, of a kind that few need at a time.
    pub(crate) fn keep<T: Send + Sync + 'static>(&mut self, piece: Box<T>) {
        self.keep_up_to(Buffers::FEW, piece);
    }

    fn keep_up_to<T: Send + Sync + 'static>(&mut self, most: usize, piece: Box<T>) {
        if self.0.len() < most {
            self.0.push(piece);
        }
    }
}

/// A value, or no memory while there is nothing in it: one pointer.
///
/// It can be read at all times. Before it is written to, [`lend`](Self::lend) gets memory from the worker; a write without
/// that allocates.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Figures;

    #[test]
    fn what_is_quiet_goes_back_and_what_is_not_stays() {
        let mut buffers = Buffers::default();
        let mut figures = Loan::<Figures>::default();
        assert_eq!((figures.sent, figures.held().is_some()), (0, false), "it reads as empty, without memory");
        figures.lend(&mut buffers);
        figures.sent = 7;
        figures.settle(&mut buffers);
        assert_eq!((figures.sent, buffers.figures.0.len()), (7, 0));
        figures.sent = 0;
        figures.settle(&mut buffers);
        assert_eq!((figures.held().is_some(), buffers.figures.0.len()), (false, 1));
        // What comes back with something in it is lent again without.
        figures.lend(&mut buffers);
        figures.sent = 7;
        figures.give_back(&mut buffers);
        figures.lend(&mut buffers);
        assert_eq!((figures.sent, buffers.figures.0.len()), (0, 0));
    }

    #[test]
    fn what_a_burst_needed_beyond_the_spare_pieces_is_not_kept() {
        let mut buffers = Buffers::default();
        let mut lent: Vec<_> = (0..Buffers::SPARE + 2).map(|_| Loan::<Figures>::default()).collect();
        lent.iter_mut().for_each(|figures| figures.lend(&mut buffers));
        lent.iter_mut().for_each(|figures| figures.give_back(&mut buffers));
        assert_eq!(buffers.figures.0.len(), Buffers::SPARE);
    }
}
