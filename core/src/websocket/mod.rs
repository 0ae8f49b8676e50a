//! WebSocket (RFC 6455), as far as a gateway takes part in it: pure functions of bytes, without a session, a
//! configuration or memory of their own.
//!
//! [`handshake`] judges the heads that open one. [`FrameScanner`] finds the frames in what one side sends, without
//! touching their content; [`ControlFrame`] is one of our own, to be put between them.

mod control;
pub mod handshake;
mod header;
mod mask;
mod scanner;
mod violation;

pub use control::{CloseCode, ControlFrame, PayloadTooLong};
pub use header::{FrameHeader, Opcode};
pub use mask::Mask;
pub use scanner::{DataRun, Frame, FrameScanner, Next, Unmasked};
pub use violation::FrameViolation;
