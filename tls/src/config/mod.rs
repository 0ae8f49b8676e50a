//! What only the library can do with an operator's words. Reading files and directives is the caller's.

mod certificate;
mod client;
mod credential;
mod depth;
mod openssl;
mod server;
mod sessions;
mod suites;
mod tickets;
mod trust;
mod verify;

pub use certificate::Certificate;
pub use client::{ClientOptions, ClientSettings};
pub use credential::{Credential, CredentialError};
pub use openssl::{Chosen, cipher_list, curve_list};
pub use server::{ServerOptions, ServerSettings};
pub use sessions::Sessions;
pub use suites::{Protocols, SettingsError, ciphers, groups};
pub use tickets::{GetRandom, TicketKey, Tickets};
pub use trust::{Trust, TrustError};
pub use verify::{ClientCertificate, ClientTrust};
