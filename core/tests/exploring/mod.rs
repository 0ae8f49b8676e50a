//! The worlds, the alphabets and the properties of the exploration.

pub(crate) mod alphabets;
mod holds;
mod holds_alone;
mod holds_frames;
mod reading;
pub(crate) mod web_sockets;
mod worlds;

pub(crate) use holds::{holds, holds_without_half_close};
pub(crate) use holds_alone::holds_alone;
pub(crate) use holds_frames::{holds_frames, lives_as_long_as_its_peers_answer};
