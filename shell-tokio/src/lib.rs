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
//! | `serve` | a worker in the runtime, and what it has of it |
//!
//! What names no runtime is in `underpass-server`: the worker itself (whose turn it is, what is done
//! with a session's outputs), how it is set up and controlled, where log lines go, the life of the process.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod serve;

pub use serve::serve;
pub use underpass_server::{Control, Listener, Log, Reload, Setup};
