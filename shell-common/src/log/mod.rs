//! Logs: the files, the shape of the error log, and which line goes where.
//!
//! | file | what it holds |
//! |---|---|
//! | `file` | a log that lines are appended to, and all logs of a process |
//! | `buffer` | lines that wait to be written together |
//! | `error` | the error log in nginx's shape |
//! | `lines` | where the lines of one configuration go |

mod buffer;
mod error;
mod file;
mod lines;

pub use error::ErrorLog;
pub use file::{LogFile, Logs, Target};
pub use lines::Log;

pub(crate) use file::complain;
