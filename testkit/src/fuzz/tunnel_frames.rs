//! Frames of ours among those of two peers (G10).

use arbitrary::{Arbitrary, Unstructured};

use crate::tunnel_frames::{Play, check as plays};

pub(super) fn check(bytes: &[u8]) {
    if let Ok(play) = Play::arbitrary_take_rest(Unstructured::new(bytes)) {
        plays(&play);
    }
}
