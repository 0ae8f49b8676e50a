//! What is known of TLS (rules H1 to H3): facts, from whoever has done the handshake, and what follows from them for a request.
//!
//! No cryptography is done here, and nothing is encrypted: a session has plaintext on both sides.

mod certificate;
mod check;
mod facts;
mod peer;
mod pem;

pub(crate) use certificate::Certificate;
pub(crate) use check::check;
pub use check::{TlsRules, VerifyClient};
pub use facts::{CertificateFault, PeerCertificate, TlsFacts};
pub(crate) use peer::SharedPeer;
pub use peer::TlsPeer;
pub(crate) use pem::{write_escaped_pem, write_pem, write_tabbed_pem};
