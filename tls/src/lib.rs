#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod config;
mod connection;
mod error;
mod facts;
mod hello;
mod offered;
mod provider;
mod record;
mod tls;
mod waiting;

pub use config::*;
pub use error::{Alert, Reason, TlsError};
pub use facts::Facts;
pub use hello::{CLIENT_HELLO_MAX, Choose, Hello};
pub use provider::PROVIDER;
pub use tls::{End, Fed, Tls};
pub use waiting::HANDSHAKE_MAX;
