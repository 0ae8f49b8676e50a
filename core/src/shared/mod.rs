//! What several workers share: the only room of this crate with atomics or locks.
//!
//! | what | how a shell uses it |
//! |---|---|
//! | [`Upstreams`] | [`Session::choose`](crate::Session::choose) at [`Output::Connect`](crate::Output::Connect); the [`Lease`] goes with the connection. A resolver calls [`update`](Upstreams::update) for the [`names`](Upstreams::names) |
//! | [`Peers`] | the same, where peers are found by the embedder's own means |
//! | [`LimitConn`], [`LimitReq`] | asked at [`Output::Admit`](crate::Output::Admit), when the address and credentials of the client have passed |
//! | [`DrainGate`] | a [`Pass`] is taken before a session begins, and dropped with it |
//! | [`Swap`] | each worker has a [`Reader`], and looks when it accepts a client |
//!
//! Whatever counts is counted by a value that un-counts when it is dropped: a worker that dies leaves nothing
//! behind.
//!
//! ```
//! use std::sync::{Arc, mpsc};
//! use underpass_core::{Tick, shared::{Demand, DrainGate, LimitConn, LimitReq, Swap, admit_request}};
//!
//! // limit_conn_zone $binary_remote_addr zone=a:10m; limit_conn a 1;
//! let connections = Arc::new(LimitConn::new(10 << 20));
//! let permit = connections.admit(&[192, 0, 2, 1], 1).expect("the first");
//! assert!(connections.admit(&[192, 0, 2, 1], 1).is_none());
//! drop(permit); // at ExchangeDone
//!
//! // limit_req_zone $binary_remote_addr zone=r:10m rate=1r/s; limit_req zone=r burst=1;
//! let requests = LimitReq::new(10 << 20, 1000);
//! let demand = [Demand { zone: &requests, key: &[192, 0, 2, 1], burst: 1, delay: 0 }];
//! assert_eq!(admit_request(&demand, Tick(0)), Ok(None));
//! assert_eq!(admit_request(&demand, Tick(0)), Ok(Some(Tick(1_000_000_000)))); // Admission::Delayed
//! assert!(admit_request(&demand, Tick(0)).is_err()); // Refusal::Limited
//!
//! let configuration = Arc::new(Swap::new(Arc::new("old")));
//! let mut worker = configuration.reader();
//! let session = Arc::clone(worker.current());
//! configuration.replace(Arc::new("new"));
//! assert_eq!((*session, **worker.current()), ("old", "new"));
//!
//! let (done, wait) = mpsc::channel();
//! let gate = Arc::new(DrainGate::new(move || done.send(()).unwrap_or_default()));
//! let client = gate.enter().expect("it is open");
//! gate.close();
//! assert!(gate.enter().is_none() && wait.try_recv().is_err());
//! drop(client);
//! assert!(wait.try_recv().is_ok());
//! ```

mod balance;
mod choose;
mod dial_facts;
mod drain;
mod group;
mod lease;
mod limits;
#[cfg(all(test, loom))]
mod models;
mod peer;
mod peer_state;
mod peer_table;
mod peers;
mod standing;
mod swap;
mod sync;
mod upstreams;

pub(crate) use balance::{HashKey, seed};
pub use drain::{DrainGate, Pass};
pub use group::Group;
pub use lease::Lease;
pub use limits::{Demand, Excess, LimitConn, LimitReq, Permit, admit_request};
pub use peer::{Balance, Endpoint, GroupId, KeepAlive, Peer};
pub use peers::{ChoiceContext, ChosenPeer, Peers};
pub use swap::{Reader, Swap};
pub use upstreams::{Named, PeerStatus, Upstreams};
