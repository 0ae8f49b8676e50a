//! WebSocket (RFC 6455), as far as a gateway takes part in it.

pub(crate) mod handshake;
