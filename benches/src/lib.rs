//! What the programs of this package share: bytes that can be verified, and what a process costs.

pub mod cores;
pub mod frames;
pub mod handshake;
pub mod machine;
pub mod meter;
pub mod pattern;
pub mod ports;
pub mod section;
pub mod stream;
pub mod tls;
