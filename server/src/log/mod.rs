//! Logs: lines go through a bounded queue to one thread that writes them, so that no log holds up who logs.
//!
//! | file | what it holds |
//! |---|---|
//! | `lines` | where the lines of one configuration go |
//! | `error` | the error log in nginx's shape |
//! | `file` | a log, as those who append lines know it |
//! | `shared` | what it shares with the writer: the lines that wait, and how they are written |
//! | `queue` | what all logs share: room, the list of those with something to be written, the writer's bell |
//! | `pending` | lines that wait, with their buffer and their share of the queue |
//! | `opening` | how a file is opened that lines go to |
//! | `outlet` | the descriptor that a log is written to, without ever waiting for it |
//! | `complain` | what is told on the standard error stream, where no log is there to take it |
//! | `syslog` | a server that gets lines as datagrams |
//! | `writer` | the thread that writes, and where it tells what was lost |
//! | `all` | all logs of a process |

mod all;
mod complain;
mod error;
mod file;
mod lines;
mod opening;
mod outlet;
mod pending;
mod queue;
mod shared;
mod syslog;
mod writer;

#[cfg(test)]
mod tests;

pub use all::Logs;
pub use error::ErrorLog;
pub use file::LogFile;
pub use lines::Log;
pub use outlet::Target;

pub(crate) use complain::{complain, complain_of_panics, say_last};
pub(crate) use opening::{Open, Opened, Readers, Standard, open_for_appending};
