use rustls::{
    CipherSuite, CommonState, HandshakeKind, NamedGroup, ProtocolVersion, pki_types::CertificateDer,
};

/// What a client's first message has told, and the library doesn't keep for us.
#[derive(Debug, Default)]
pub(crate) struct Greeted {
    /// The name that it looks for.
    pub(crate) server_name: Option<Box<str>>,
    /// The cipher suites that it offers, where somebody wants to know.
    pub(crate) offered_ciphers: Option<Box<str>>,
}

/// What a handshake has found, in the words of OpenSSL where it has any, since nginx's variables are spelled like that.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Facts<'a> {
    /// `TLSv1.2` or `TLSv1.3` (nginx's `$ssl_protocol`).
    pub protocol: &'static str,
    /// The cipher suite (`$ssl_cipher`).
    pub cipher: &'static str,
    /// The group in which keys were exchanged (`$ssl_curve`); `None` if a TLS 1.2 session was resumed.
    pub group: Option<&'static str>,
    /// Whether a session was resumed (`$ssl_session_reused`).
    pub resumed: bool,
    /// The name that a client looked for (`$ssl_server_name`); `None` at a client's end, which knows it.
    pub server_name: Option<&'a str>,
    /// The cipher suites that a client offered, by OpenSSL's names or as `0x` and four digits, with colons between
    /// (`$ssl_ciphers`); `None` unless the server's settings
    /// [keep them](crate::ServerOptions::keep_offered_ciphers).
    pub offered_ciphers: Option<&'a str>,
    /// What was agreed to be spoken inside (`$ssl_alpn_protocol`).
    pub alpn: Option<&'a [u8]>,
    /// Of a resumed session, too.
    peer: &'a [CertificateDer<'static>],
}

impl<'a> Facts<'a> {
    pub(crate) fn of(state: &'a CommonState, greeted: &'a Greeted) -> Option<Self> {
        if state.is_handshaking() {
            return None;
        }
        Some(Self {
            protocol: match state.protocol_version()? {
                ProtocolVersion::TLSv1_2 => "TLSv1.2",
                _ => "TLSv1.3",
            },
            cipher: cipher(state.negotiated_cipher_suite()?.suite()),
            group: state.negotiated_key_exchange_group().map(|group| group_name(group.name())),
            resumed: state.handshake_kind() == Some(HandshakeKind::Resumed),
            server_name: greeted.server_name.as_deref(),
            offered_ciphers: greeted.offered_ciphers.as_deref(),
            alpn: state.alpn_protocol(),
            peer: state.peer_certificates().unwrap_or_default(),
        })
    }

    /// The chain of certificates that the peer sent, in DER, its own first; none if it wasn't asked or has none.
    pub fn peer_certificates(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.peer.iter().map(AsRef::as_ref)
    }
}

/// OpenSSL's name of a cipher suite, as in `ssl_ciphers`.
pub(crate) fn cipher(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-ECDSA-CHACHA20-POLY1305",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str().unwrap_or("unknown"),
    }
}

/// OpenSSL's name of a group, as in `ssl_ecdh_curve`.
pub(crate) fn group_name(group: NamedGroup) -> &'static str {
    match group {
        NamedGroup::X25519 => "X25519",
        NamedGroup::secp256r1 => "prime256v1",
        NamedGroup::secp384r1 => "secp384r1",
        NamedGroup::secp521r1 => "secp521r1",
        NamedGroup::X25519MLKEM768 => "X25519MLKEM768",
        NamedGroup::secp256r1MLKEM768 => "SecP256r1MLKEM768",
        NamedGroup::MLKEM512 => "MLKEM512",
        NamedGroup::MLKEM768 => "MLKEM768",
        NamedGroup::MLKEM1024 => "MLKEM1024",
        other => other.as_str().unwrap_or("unknown"),
    }
}
