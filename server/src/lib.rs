//! What the underpass binaries share and no runtime owns.
//!
//! | module | what it is for |
//! |---|---|
//! | [`process`] | the life of a process: starting, reloading, ending, on whatever runtime |
//! | [`admission`] | whether a request may go on: limits, addresses, credentials |
//! | [`command`] | the command line: nginx's options, and two ways to run without a file |
//! | [`setup`], [`service`], [`reload`], [`listen`] | what a worker is made of: listening sockets and what their sessions share |
//! | [`worker`] | one worker, generic over what a runtime provides |
//! | [`control`], [`wake`] | what is wanted of a worker from outside; how a socket finds its session |
//! | [`log`] | log files, the error log in nginx's shape, which line goes where |
//! | [`clock`] | the only place where a worker reads a clock |
//! | [`timers`] | deadlines that are checked lazily, one queue per worker |
//! | `tls` | certificates and keys: read, checked, watched, and chosen by the name that a client looks for |
//! | [`trace`] | sessions that are recorded |
//! | [`panics`] | a panic ends the session that it happened in, and is told |
//! | `threads` | a few threads for what blocks, and a bounded queue in front of them |
//! | `keeper` | the process that keeps root's rights when this one gives them up |
//! | [`pid`] | the file that tells other programs which process to signal |
//! | [`resolver`] | names to addresses, by asking name servers |
//! | [`system_names`] | names to addresses, as the system does it |
//! | [`signals`] | signals as values, delivered by a thread |
//!
//! Nothing here names a runtime, and nothing decides what a byte of a proxied connection means: that is the
//! core's part.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod admission;
pub mod clock;
pub mod command;
pub mod control;
mod keeper;
pub mod listen;
pub mod log;
pub mod panics;
pub mod pid;
pub mod process;
pub mod reload;
pub mod resolver;
pub mod service;
pub mod setup;
pub mod signals;
pub mod system_names;
mod threads;
pub mod timers;
pub(crate) mod tls;
pub mod trace;
pub mod wake;
pub mod worker;

pub use clock::{Clock, Moment};
pub use command::{Command, Destination, Files, Program, Stop};
pub use control::{Control, End};
pub use listen::{Listener, Listening};
pub use log::{ErrorLog, Log, LogFile, Logs, Target};
pub use pid::PidFile;
pub use process::Runtime;
pub use reload::Reload;
pub use resolver::Resolver;
pub use service::{Provisions, Service};
pub use setup::Setup;
pub use signals::{Signal, SignalWatch};
pub use system_names::SystemNames;
pub use timers::Timers;
pub use trace::Trace;
