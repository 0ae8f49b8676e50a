use std::borrow::Cow;

/// What a client's TLS handshake has found, in OpenSSL's words where it has any: nginx's variables show them as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3` (`$ssl_protocol`).
    pub protocol: Cow<'static, str>,
    /// The cipher suite (`$ssl_cipher`).
    pub cipher: Cow<'static, str>,
    /// The cipher suites that the client offered, with colons between (`$ssl_ciphers`); empty where nobody keeps them.
    pub ciphers: Box<str>,
    /// The group in which keys were exchanged (`$ssl_curve`); `None` if none were.
    pub curve: Option<Cow<'static, str>>,
    /// The name that the client looked for (`$ssl_server_name`), in lower case; `None` if it sent none (RFC 6066 §3).
    pub server_name: Option<Box<str>>,
    /// Whether a session was resumed (`$ssl_session_reused`).
    pub resumed: bool,
    /// What was agreed to be spoken inside (`$ssl_alpn_protocol`; RFC 7301); empty if nothing was.
    pub alpn: Box<[u8]>,
    /// The client's certificate, if it has sent one.
    pub certificate: Option<PeerCertificate>,
}

/// A client's certificate, and what its verification came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    /// The certificate itself, without its chain, in DER.
    pub der: Box<[u8]>,
    /// Whether it was found right by the rules of the server that the client looked for, or why not.
    pub verdict: Result<(), CertificateFault>,
}

/// What is wrong with a client's certificate, with the reason as `$ssl_client_verify` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateFault {
    /// Nobody known has issued it, and nothing else was found wrong with it: `optional_no_ca` takes it.
    UnknownIssuer(Box<str>),
    /// Anything else.
    Wrong(Box<str>),
}

impl CertificateFault {
    /// The reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::UnknownIssuer(reason) | Self::Wrong(reason) => reason,
        }
    }
}
