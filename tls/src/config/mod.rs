//! What only the library can do with an operator's words. Reading files and directives is the caller's.

mod client;
mod identity;
mod server;
mod suites;
mod tickets;
mod trust;
mod verify;

pub use client::{ClientOptions, ClientSettings};
pub use identity::{Identity, IdentityError};
pub use server::{ServerOptions, ServerSettings};
pub use suites::{Protocols, SettingsError, ciphers, groups};
pub use tickets::{GetRandom, TicketKey, Tickets};
pub use trust::{Trust, TrustError};
pub use verify::{ClientCertificate, VerifyClient};
