//! The worlds, the alphabets and the properties of the exploration.

pub(crate) mod alphabets;
mod holds;
mod reading;
mod worlds;

pub(crate) use holds::{holds, holds_without_half_close};
