//! What a process that serves waits for.

use super::{draft::Draft, trouble::Trouble};
use crate::Signal;

/// What the process waits for.
#[derive(Debug)]
pub(crate) enum Event {
    Signal(Signal),
    /// The worker with this number has ended.
    Ended(u64),
    /// A configuration was read, or not.
    Drafted(Box<Result<Draft, Trouble>>),
    /// The logs were opened again, or not.
    Reopened(Result<(), Trouble>),
}
