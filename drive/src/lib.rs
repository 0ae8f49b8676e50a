//! Relays and proxies WebSockets between any two async streams.
//!
//! [`relay()`] is what `copy_bidirectional` would have to be for tunnels: it knows half-closed streams, silence,
//! peers that take nothing and peers that fail, it counts, and it says why it ended. [`proxy()`] serves a client
//! whole: it reads its requests, passes them on as an `underpass_core` configuration says, and opens the
//! tunnel where both sides agree on an upgrade. All that they decide, the machine of [`underpass_core`] decides;
//! this crate moves bytes.
//!
//! | on | streams | relay | proxy |
//! |---|---|---|---|
//! | smol, async-std, any executor | the traits of `futures` | [`relay()`] | [`proxy()`] |
//! | tokio (feature `tokio`) | tokio's traits | `tokio::relay` | `tokio::proxy` |
//! | something else | [`Stream`] | [`Relay::new`] | [`proxy_with`] |

mod clock;
mod proxy;
mod pump;
mod relay;
mod settings;
mod stream;
#[cfg(feature = "tokio")]
pub mod tokio;

#[cfg(feature = "async-io")]
pub use clock::AsyncIo;
pub use clock::{Clock, Sleep};
#[cfg(feature = "async-io")]
pub use proxy::proxy;
pub use proxy::{Connector, ProxySettings, proxy_with};
pub use relay::Relay;
#[cfg(feature = "async-io")]
pub use relay::relay;
pub use settings::{RelaySettings, Report};
pub use stream::{Acknowledging, Futures, HalfClosing, Stream};
