//! The client's first message: it is read before there are settings to answer it with.

use rustls::{
    AlertDescription, HandshakeType,
    server::{Acceptor, ClientHello},
};

use crate::{ServerSettings, TlsError, facts::Greeted, offered, record};

/// How long the records of a client's first message may be together, headers included: as long as one record can be.
///
/// Browsers send 0.5 to 2 KiB, with keys that no quantum computer breaks among them.
pub const CLIENT_HELLO_MAX: usize = record::HEADER + record::CLEAR_MAX;

/// Chooses a server's settings for a client.
///
/// Every function of a [`Hello`] that returns settings is one:
///
/// ```
/// # fn choose(default: underpass_tls::ServerSettings, other: underpass_tls::ServerSettings) -> impl underpass_tls::Choose {
/// move |hello: &underpass_tls::Hello<'_>| match hello.server_name() {
///     Some("other.example") => Some(other.clone()),
///     _ => Some(default.clone()),
/// }
/// # }
/// ```
pub trait Choose: Send + Sync {
    /// The settings for a client that says this of itself; `None` refuses it with `unrecognized_name`
    /// (nginx's `ssl_reject_handshake`).
    fn choose(&self, hello: &Hello<'_>) -> Option<ServerSettings>;
}

impl<F: Fn(&Hello<'_>) -> Option<ServerSettings> + Send + Sync> Choose for F {
    fn choose(&self, hello: &Hello<'_>) -> Option<ServerSettings> {
        self(hello)
    }
}

/// The same settings for every client.
impl Choose for ServerSettings {
    fn choose(&self, _: &Hello<'_>) -> Option<ServerSettings> {
        Some(self.clone())
    }
}

/// What a client says of itself in its first message.
pub struct Hello<'a>(ClientHello<'a>);

impl Hello<'_> {
    /// The name that the client looks for (RFC 6066 §3), in lower case; `None` if it sends none.
    pub fn server_name(&self) -> Option<&str> {
        self.0.server_name()
    }

    /// The protocols that it offers inside of TLS (RFC 7301), its favourite first.
    pub fn alpn(&self) -> impl Iterator<Item = &[u8]> {
        self.0.alpn().into_iter().flatten()
    }

    /// Numbers of the signatures that it can check (RFC 8446 §4.2.3), its favourite first.
    pub fn signature_schemes(&self) -> impl Iterator<Item = u16> {
        self.0.signature_schemes().iter().map(|&scheme| scheme.into())
    }

    /// Numbers of the cipher suites that it offers, its favourite first.
    pub fn cipher_suites(&self) -> impl Iterator<Item = u16> {
        self.0.cipher_suites().iter().map(|&suite| suite.into())
    }

    /// Numbers of the groups that it can exchange keys in, its favourite first (nginx's `$ssl_curves`).
    pub fn groups(&self) -> impl Iterator<Item = u16> {
        self.0.named_groups().unwrap_or_default().iter().map(|&group| group.into())
    }
}

impl std::fmt::Debug for Hello<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hello").field("server_name", &self.server_name()).finish_non_exhaustive()
    }
}

/// How far the search for the end of the first message has come: it begins where it stopped, so that each byte is looked at once.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Where the first record begins that isn't whole.
    at: usize,
    /// Type and length of the message, then its version.
    head: [u8; 6],
    /// So much of the message is in whole records.
    length: usize,
}

impl Scan {
    /// The version that the message says it has: 3.3 since TLS 1.2 (RFC 8446 §4.1.2). Known at the end.
    pub(crate) fn version(&self) -> Result<(), TlsError> {
        match self.head {
            [CLIENT_HELLO, _, _, _, 3, minor @ 0..=2] if self.length >= 6 => {
                Err(TlsError::OldVersion { minor })
            }
            _ => Ok(()),
        }
    }

    /// Where the last record of the first message ends, once it is there; the bytes of all calls begin at the same place.
    ///
    /// Records that can't be part of one end it, too: the library knows which alert they get.
    pub(crate) fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, TlsError> {
        loop {
            let rest = bytes.get(self.at..).unwrap_or_default();
            let whole = match record::look(rest, record::CLEAR_MAX) {
                record::Seen::Whole(whole) => whole,
                record::Seen::Missing(_) => return Ok(None),
                record::Seen::Bad(error) => return Err(error),
            };
            let content = &rest[record::HEADER..whole];
            self.at += whole;
            if rest[0] != record::HANDSHAKE || content.is_empty() {
                return Ok(Some(self.at));
            }
            for (to, from) in self.head.iter_mut().skip(self.length).zip(content) {
                *to = *from;
            }
            self.length += content.len();
            let [kind, high, middle, low, ..] = self.head;
            let needed = 4 + u32::from_be_bytes([0, high, middle, low]) as usize;
            if kind != CLIENT_HELLO || (self.length >= 4 && self.length >= needed) {
                return Ok(Some(self.at));
            }
            // Known by its header to be too long: nothing of it is waited for.
            if self.length >= 4 && needed > record::CLEAR_MAX {
                return Err(TlsError::ClientHelloTooLong);
            }
        }
    }
}

/// The handshake message that a client begins with (RFC 8446 §4).
const CLIENT_HELLO: u8 = 1;

/// Reads a whole first message, and has the settings chosen. Also gives what is to be kept of it.
pub(crate) fn accept(
    bytes: &[u8],
    choose: &dyn Choose,
    send: &mut Vec<u8>,
) -> Result<(ServerSettings, Greeted), TlsError> {
    if let [record::ALERT, _, _, 0, 2, _, alert] = *bytes {
        return Err(rustls::Error::AlertReceived(alert.into()).into());
    }
    if let [record::HANDSHAKE, _, _, _, _, kind, ..] = *bytes
        && kind != CLIENT_HELLO
    {
        // The library says of some of them that they can't be decoded.
        record::clear_alert(AlertDescription::UnexpectedMessage.into(), send);
        let expect_types = vec![HandshakeType::ClientHello];
        return Err(
            rustls::Error::InappropriateHandshakeMessage { expect_types, got_type: kind.into() }.into()
        );
    }
    let mut acceptor = Acceptor::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let read = acceptor.read_tls(&mut rest);
        if !matches!(read, Ok(1..)) {
            return Err(TlsError::ClientHelloTooLong);
        }
    }
    match acceptor.accept() {
        Ok(Some(accepted)) => {
            let hello = Hello(accepted.client_hello());
            let settings = choose.choose(&hello).ok_or(TlsError::Refused)?;
            if !settings.speaks_one_of(hello.alpn()) {
                // RFC 7301 §3.2 has it so, and the library asks for it in QUIC alone.
                record::clear_alert(AlertDescription::NoApplicationProtocol.into(), send);
                return Err(rustls::Error::NoApplicationProtocol.into());
            }
            let kept = settings.keep_offered_ciphers;
            let greeted = Greeted {
                server_name: hello.server_name().map(Into::into),
                offered_ciphers: kept.then(|| offered::write(hello.cipher_suites())),
            };
            Ok((settings, greeted))
        }
        Ok(None) => Err(rustls::Error::HandshakeNotComplete.into()),
        Err((error, mut alert)) => {
            let before = send.len();
            // Writing to memory doesn't fail.
            let _ = alert.write_all(send);
            if send.len() == before {
                // What an acceptor doesn't say, a connection would.
                let alert = match &error {
                    rustls::Error::InappropriateMessage { .. }
                    | rustls::Error::InappropriateHandshakeMessage { .. } => {
                        AlertDescription::UnexpectedMessage
                    }
                    _ => AlertDescription::HandshakeFailure,
                };
                record::clear_alert(alert.into(), send);
            }
            Err(error.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of `length` bytes behind its header, in records with `piece` bytes each.
    fn records(kind: u8, length: usize, piece: usize) -> Vec<u8> {
        let [_, high, middle, low] = (length as u32).to_be_bytes();
        let mut message = vec![kind, high, middle, low];
        message.resize(4 + length, 0);
        let record = |piece: &[u8]| [&[22, 3, 1][..], &(piece.len() as u16).to_be_bytes(), piece].concat();
        message.chunks(piece).flat_map(record).collect()
    }

    #[test]
    fn the_end_is_found_in_every_cut() {
        for piece in [1, 2, 3, 4, 5, 7, 100] {
            let bytes = records(1, 40, piece);
            let mut scan = Scan::default();
            for end in 0..bytes.len() {
                assert_eq!(scan.end(&bytes[..end]), Ok(None), "{piece} {end}");
            }
            assert_eq!(scan.end(&bytes), Ok(Some(bytes.len())), "{piece}");
            let behind = [&bytes[..], b"\x14\x03\x03\x00\x01\x01"].concat();
            assert_eq!(Scan::default().end(&behind), Ok(Some(bytes.len())), "{piece}");
        }
    }

    #[test]
    fn one_that_is_too_long_is_refused_by_its_length() {
        assert_eq!(Scan::default().end(&records(1, 16_381, 100)[..105]), Err(TlsError::ClientHelloTooLong));
        assert_eq!(Scan::default().end(&records(1, 16_380, 16_384)), Ok(Some(16_389)));
    }

    #[test]
    fn what_is_no_client_hello_is_not_waited_for() {
        assert_eq!(Scan::default().end(&records(2, 16_000, 10)), Ok(Some(15)));
        assert_eq!(Scan::default().end(&[21, 3, 3, 0, 2, 2, 40]), Ok(Some(7)));
        assert_eq!(Scan::default().end(&[22, 3, 3, 0, 0]), Ok(Some(5)));
    }
}
