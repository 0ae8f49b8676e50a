use std::fmt;

use rustls::AlertDescription;

/// Why a connection can't go on. The alert that fits, where one can be sent, has been written with it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TlsError {
    /// A client's first byte is one of a plain HTTP request. Nothing has been written, and the lent bytes are as they came:
    /// they can be read as a request, to be answered with a 400 (nginx's 497).
    PlainHttp,
    /// A client's first message is in the form of SSL 2.0, which RFC 6176 forbids.
    OldHello,
    /// A client's newest version is one that RFC 7568 or RFC 8996 forbids: SSL 3.0, TLS 1.0 or TLS 1.1.
    OldVersion {
        /// The second half of its number on the wire: 0, 1 or 2.
        minor: u8,
    },
    /// What came is no record of TLS.
    NotTls,
    /// A record is longer than any may be (RFC 8446 §5.2).
    RecordTooLong {
        /// What its header says, in bytes.
        length: usize,
    },
    /// The client's first message, with the headers of its records, is longer than [`CLIENT_HELLO_MAX`](crate::CLIENT_HELLO_MAX).
    ClientHelloTooLong,
    /// The records of a handshake message are longer than [`HANDSHAKE_MAX`](crate::HANDSHAKE_MAX).
    HandshakeTooLong,
    /// [`Choose::choose`](crate::Choose::choose) has no settings for this client: it gets `unrecognized_name`.
    Refused,
    /// The peer has sent a fatal alert.
    Alert(Alert),
    /// The peer's certificate isn't accepted.
    Certificate(Reason),
    /// The two have no version, cipher suite, group or signature in common.
    Incompatible(Reason),
    /// The peer breaks the protocol, or its bytes have been changed on the way.
    Protocol(Reason),
    /// The connection has failed before.
    Failed,
    /// Asked for while the handshake is under way.
    Handshaking,
    /// Asked for after our own `close_notify`.
    Closed,
    /// So much has been sent that these keys may seal no more (RFC 8446 §5.5).
    Exhausted,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlainHttp => f.write_str("client sent plain HTTP request to HTTPS port"),
            Self::OldHello => f.write_str("client speaks SSL 2.0"),
            Self::OldVersion { minor: 0 } => f.write_str("client speaks SSL 3.0"),
            Self::OldVersion { minor } => write!(f, "client speaks TLS 1.{}", minor.saturating_sub(1)),
            Self::NotTls => f.write_str("peer doesn't speak TLS"),
            Self::RecordTooLong { length } => write!(f, "record of {length} bytes is too long"),
            Self::ClientHelloTooLong => f.write_str("ClientHello is too long"),
            Self::HandshakeTooLong => f.write_str("handshake message is too long"),
            Self::Refused => f.write_str("no server for this name"),
            Self::Alert(alert) => write!(f, "peer sent alert {alert}"),
            Self::Certificate(reason) => write!(f, "certificate verify failed: {reason}"),
            Self::Incompatible(reason) => write!(f, "nothing in common: {reason}"),
            Self::Protocol(reason) => reason.fmt(f),
            Self::Failed => f.write_str("connection has failed before"),
            Self::Handshaking => f.write_str("handshake is under way"),
            Self::Closed => f.write_str("connection has been closed"),
            Self::Exhausted => f.write_str("keys are exhausted"),
        }
    }
}

impl std::error::Error for TlsError {}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::AlertReceived(alert) => Self::Alert(Alert(alert)),
            rustls::Error::InvalidCertificate(_)
            | rustls::Error::InvalidCertRevocationList(_)
            | rustls::Error::NoCertificatesPresented => Self::Certificate(Reason(error)),
            rustls::Error::PeerIncompatible(_) | rustls::Error::NoApplicationProtocol => {
                Self::Incompatible(Reason(error))
            }
            error => Self::Protocol(Reason(error)),
        }
    }
}

/// An alert (RFC 8446 §6), shown by its name there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert(AlertDescription);

impl Alert {
    /// Its number in IANA's registry.
    pub fn number(self) -> u8 {
        self.0.into()
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The library's names are those of the RFC without their underscores.
        let mut before_lower = false;
        for letter in format!("{:?}", self.0).chars() {
            if letter.is_ascii_uppercase() && before_lower {
                f.write_str("_")?;
            }
            before_lower = letter.is_ascii_lowercase();
            write!(f, "{}", letter.to_ascii_lowercase())?;
        }
        Ok(())
    }
}

/// What the library says in detail: a sentence for a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason(pub(crate) rustls::Error);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_have_their_names() {
        assert_eq!(Alert(AlertDescription::BadRecordMac).to_string(), "bad_record_mac");
        assert_eq!(Alert(AlertDescription::HandshakeFailure).to_string(), "handshake_failure");
        assert_eq!(Alert(AlertDescription::UnknownCA).to_string(), "unknown_ca");
        assert_eq!(Alert(AlertDescription::HandshakeFailure).number(), 40);
    }
}
