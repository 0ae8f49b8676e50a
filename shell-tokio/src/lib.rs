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
//! | `listen` | listening sockets |
//! | `slots` | the sessions of a worker, by number |
//! | `wake` | how a socket that becomes ready finds its session |
//! | `timer` | the one timer that a worker has of its runtime |
//! | `control` | draining and stopping a worker from outside |
//! | `log` | access logs and the error log |

mod control;
mod dial;
mod listen;
mod log;
mod pump;
mod serve;
mod slots;
mod socket;
mod timer;
mod wake;

pub use control::Control;
pub use listen::Listener;
pub use log::Log;
pub use serve::{Setup, serve};
