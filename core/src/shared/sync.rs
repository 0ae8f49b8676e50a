//! The one door to `std::sync`, so that a model checker can stand in its place.

pub(crate) use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering},
};
