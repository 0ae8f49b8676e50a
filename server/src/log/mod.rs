//! Logs: lines go through a bounded queue to one thread that writes them, so that no log holds up who logs.
//!
//! | file | what it holds |
//! |---|---|
//! | `lines` | where the lines of one configuration go |
//! | `error` | the error log in nginx's shape |
//! | `file` | one log: its lines that wait, and how they are written |
//! | `pending` | lines that wait, with their buffer and their share of the queue |
//! | `opening` | how a file is opened that lines go to |
//! | `outlet` | the descriptor that a log is written to, without ever waiting for it |
//! | `syslog` | a server that gets lines as datagrams |
//! | `writer` | the thread, and what it is told |
//! | `all` | all logs of a process |

mod all;
mod error;
mod file;
mod lines;
mod opening;
mod outlet;
mod pending;
mod syslog;
mod writer;

#[cfg(test)]
mod tests;

pub use all::Logs;
pub use error::ErrorLog;
pub use file::LogFile;
pub use lines::Log;
pub use outlet::Target;

pub(crate) use opening::{Open, Opened, Readers, Standard, open_for_appending};
pub(crate) use outlet::{complain, complain_of_panics, say_last};
