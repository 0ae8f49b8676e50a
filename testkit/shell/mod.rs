//! What every shell does, on real sockets and as a process. `tests/shell.rs` in the crate of a shell includes this
//! file, and says in its module `shell` which one it is:
//!
//! | item | what it is |
//! |---|---|
//! | `PROGRAM` | where the binary is |
//! | `NAME` | what it calls itself |
//! | `RUNTIME` | what `-V` says of it |
//! | `serve` | one worker as a future |
//! | `block_on` | runs a worker on this thread |
//! | `tasks` | runs workers as tasks of one runtime with threads of its own; what it returns waits for their ends |

mod command;
mod common;
mod forward;
mod process;
mod reload;
mod rights;
mod server;
mod sockets;
mod tunnel;
mod worker;
