//! Limits on what one key (a client's address, say) may have at a time and per second: nginx's `limit_conn` and
//! `limit_req`.
//!
//! A shell that is sent out with [`Output::Admit`](crate::Output::Admit) evaluates the keys of the location's
//! rules and asks here. Zones are shared by all workers, and a reload keeps those whose settings haven't changed,
//! else everybody's count would begin anew. A [`Permit`] is kept until
//! [`Output::ExchangeDone`](crate::Output::ExchangeDone), so that a tunnel counts as long as it is open; dropped
//! with its session when a worker dies, it counts no more. An empty key is not limited: don't ask.

mod connections;
mod requests;

pub use connections::{LimitConn, Permit};
pub use requests::{Demand, Excess, LimitReq, admit_request};

use super::sync::Arc;

/// What is taken from a zone's size for one key, besides its bytes: about what it takes, and what nginx counts
/// for a state of `limit_req`.
const STATE: usize = 128;

fn cost(key: &[u8]) -> usize {
    STATE + key.len()
}

/// A key, shared by the places that name it.
type Key = Arc<[u8]>;
