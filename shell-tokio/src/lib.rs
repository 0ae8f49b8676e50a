//! The tokio shell of underpass: moves bytes between sockets and [`underpass_core::Session`], and decides
//! nothing about them.
//!
//! [`serve()`] is one worker: a future that owns its listening sockets, its sessions, their memory and their
//! timers. It is `Send` and runs in any tokio runtime with IO and time enabled. Several workers are several
//! such futures, each with a listening socket of its own ([`Listener::bind`] shares the port).
//!
//! ```
//! use std::{net::SocketAddr, sync::Arc};
//!
//! use underpass::{Control, Listener, Setup, serve};
//! use underpass_core::config::Config;
//!
//! let origin: SocketAddr = "127.0.0.1:9000".parse().unwrap();
//! let config = Arc::new(Config::proxy_to(origin.into(), "127.0.0.1:9000"));
//! let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), config)?;
//! let control = Control::new();
//! let worker = serve(Setup::new(vec![listener]).controlled_by(&control));
//!
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! control.stop(); // or `drain`, from any thread
//! runtime.block_on(worker)?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `serve` | the worker: which session's turn it is, timers, accepting, the end |
//! | `pump` | one session's turn: obeys its outputs, moves its bytes |
//! | `socket` | what is done with one connection |
//! | `dial` | what a session waits for besides bytes: a name, a connection |
//! | `listen` | listening sockets in the runtime |
//! | `slots` | the sessions of a worker, by number |
//! | `timer` | the one timer that a worker has of its runtime |
//!
//! What names no runtime is in `underpass-shell-common`: how a worker is set up and controlled, where log
//! lines go, the life of the process.

mod dial;
mod listen;
mod pump;
mod serve;
mod slots;
mod socket;
mod timer;

pub use serve::serve;
pub use underpass_shell_common::{Control, Listener, Log, Reload, Setup};
