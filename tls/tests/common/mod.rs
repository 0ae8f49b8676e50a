//! Two ends in memory.

#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::Arc;

use underpass_tls::{
    ClientOptions, ClientSettings, Credential, Protocols, ServerOptions, ServerSettings, Tls, TlsError, Trust,
};

pub(crate) const CA: &[u8] = include_bytes!("../../testdata/ca.pem");
pub(crate) const REVOKED: &[u8] = include_bytes!("../../testdata/revoked.crl");
pub(crate) const ECDSA: (&[u8], &[u8]) =
    (include_bytes!("../../testdata/ecdsa.pem"), include_bytes!("../../testdata/ecdsa.key"));
pub(crate) const RSA: (&[u8], &[u8]) =
    (include_bytes!("../../testdata/rsa.pem"), include_bytes!("../../testdata/rsa.key"));
pub(crate) const ED25519: (&[u8], &[u8]) =
    (include_bytes!("../../testdata/ed25519.pem"), include_bytes!("../../testdata/ed25519.key"));
pub(crate) const OWN: (&[u8], &[u8]) =
    (include_bytes!("../../testdata/own.pem"), include_bytes!("../../testdata/own.key"));
pub(crate) const EXPIRED: (&[u8], &[u8]) =
    (include_bytes!("../../testdata/expired.pem"), include_bytes!("../../testdata/own.key"));
pub(crate) const CLIENT: (&[u8], &[u8]) =
    (include_bytes!("../../testdata/client.pem"), include_bytes!("../../testdata/client.key"));

/// Whom the certificates are for.
pub(crate) const NAME: &str = "server.example";

pub(crate) fn credential((chain, key): (&[u8], &[u8])) -> Credential {
    Credential::from_pem(chain, key).expect("a credential")
}

pub(crate) fn trust() -> Trust {
    Trust::from_pem(CA).expect("an authority")
}

pub(crate) fn server_options(protocols: Protocols) -> ServerOptions {
    ServerOptions { credentials: vec![credential(ECDSA)], protocols, ..ServerOptions::default() }
}

pub(crate) fn client_options(protocols: Protocols) -> ClientOptions {
    ClientOptions { trust: Some(trust()), send_name: true, protocols, ..ClientOptions::default() }
}

pub(crate) fn server_settings(protocols: Protocols) -> ServerSettings {
    server_options(protocols).settings().expect("a server's settings")
}

pub(crate) fn client_settings(protocols: Protocols) -> ClientSettings {
    client_options(protocols).settings().expect("a client's settings")
}

pub(crate) fn server(settings: &ServerSettings) -> Tls {
    Tls::server(Arc::new(settings.clone()))
}

pub(crate) fn client(settings: &ClientSettings) -> Tls {
    Tls::client(settings, NAME).expect("a client")
}

/// Everything that comes out of some encrypted bytes, with so much room for plaintext at a time.
pub(crate) fn feed_all(
    tls: &mut Tls,
    mut bytes: &mut [u8],
    room: usize,
    send: &mut Vec<u8>,
) -> Result<Vec<u8>, TlsError> {
    let mut plain = Vec::new();
    let mut space = vec![0; room];
    loop {
        let fed = tls.feed(bytes, &mut space, send)?;
        plain.extend_from_slice(&space[..fed.opened]);
        bytes = &mut bytes[fed.consumed..];
        if bytes.is_empty() && !tls.has_more() {
            return Ok(plain);
        }
        assert!(fed.consumed + fed.opened > 0 || !bytes.is_empty(), "no progress");
    }
}

/// Does a handshake, each flight in one piece, until nobody has anything to say.
pub(crate) fn shake(client: &mut Tls, server: &mut Tls) {
    try_shake(client, server).expect("a handshake");
    assert!(!client.is_handshaking() && !server.is_handshaking(), "the handshake is over");
}

/// The first error, and whose it is.
pub(crate) fn try_shake(client: &mut Tls, server: &mut Tls) -> Result<(), (&'static str, TlsError)> {
    let mut to_server = Vec::new();
    let mut to_client = Vec::new();
    client.feed(&mut [], &mut [], &mut to_server).map_err(|error| ("client", error)).map(drop)?;
    while !to_server.is_empty() || !to_client.is_empty() {
        feed_all(server, &mut std::mem::take(&mut to_server), 1000, &mut to_client)
            .map_err(|error| ("server", error))?;
        feed_all(client, &mut std::mem::take(&mut to_client), 1000, &mut to_server)
            .map_err(|error| ("client", error))?;
    }
    Ok(())
}

/// Two ends after their handshake.
pub(crate) fn pair(protocols: Protocols) -> (Tls, Tls) {
    let (mut client, mut server) = (client(&client_settings(protocols)), server(&server_settings(protocols)));
    shake(&mut client, &mut server);
    (client, server)
}

/// What one end seals of this.
pub(crate) fn sealed(tls: &mut Tls, plain: &[u8]) -> Vec<u8> {
    let mut send = Vec::new();
    tls.seal(plain, &mut send).expect("an open connection");
    send
}

/// What comes out, and that nothing is to be sent.
pub(crate) fn opened(tls: &mut Tls, bytes: &mut [u8]) -> Vec<u8> {
    let mut send = Vec::new();
    let plain = feed_all(tls, bytes, 16_384, &mut send).expect("a good record");
    assert_eq!(send, b"");
    plain
}
