//! The worlds, the alphabets and the properties of the exploration.

pub(crate) mod alphabets;
mod holds;
mod holds_alone;
mod reading;
mod worlds;

pub(crate) use holds::{holds, holds_without_half_close};
pub(crate) use holds_alone::holds_alone;
