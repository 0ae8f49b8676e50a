//! Sans-IO state machine of a reverse proxy for HTTP/1.1, `Upgrade` and WebSocket tunnels.
#![doc = ""]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod address;
mod buffer;
pub mod config;
mod fault;
mod http1;
mod pool;
mod record;
mod rewrite;
mod session;
pub mod shared;
mod state;
pub mod template;
mod time;
mod timer;
pub mod violation;
mod websocket;

pub use address::{Address, ClientInfo, Side};
pub use buffer::{Buffers, Turn};
pub use fault::Fault;
pub use http1::{RequestHead, Version};
pub use pool::{Pool, Pooled};
pub use record::{Ended, Outcome, Record, TunnelRecord};
pub use session::{
    Admission, Claim, Connected, Dial, DialError, Disposal, Ending, Event, Lookup, Note, Output, Refusal,
    Relayed, Session, Severity, Slices, Snapshot, TunnelConfig, Verdict, Wait,
};
pub use time::{Now, Tick};
pub use timer::Timer;
