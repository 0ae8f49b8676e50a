//! The descriptors that a worker watches its sockets by.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

/// What a worker watches its sockets by: a descriptor of the system's for it, and one for the runtime.
#[derive(Debug)]
pub struct Watch {
    pub(super) poll: mio::Poll,
    pub(super) descriptor: OwnedFd,
}

impl Watch {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// When the system has no descriptor.
    pub fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let descriptor = poll.registry().as_fd().try_clone_to_owned()?;
        Ok(Self { poll, descriptor })
    }
}
