//! TLS: what asks for it is an error, what only tunes it has no effect.

use super::{
    super::Context::{self, Http, Main, Server},
    ANY, Effect, LEVELS, Row, alike, words,
};

const SITES: &[Context] = &[Http, Server];

const WHY: &str = "there is no TLS in this version";

/// What asks for TLS, or for certificates of clients.
const ASKS: &str =
    "ssl_certificate ssl_certificate_key ssl_client_certificate ssl_password_file ssl_verify_client";

pub(super) const ROWS: &[Row] =
    &[Row { effect: Effect::TlsUnlessOff, ..words("ssl", SITES, "`off`", "TLS is not in this version.") }];

pub(super) fn rows() -> impl Iterator<Item = Row> {
    let asks = Row { repeatable: true, effect: Effect::Tls, ..words("", SITES, "…", "") };
    let tunes = |contexts, least, most, names| {
        let row = words("", contexts, "…", "").takes(least, most);
        alike(names, Row { repeatable: true, effect: Effect::None(WHY), ..row })
    };
    alike(ASKS, asks)
        .chain(tunes(
            SITES,
            1,
            ANY,
            "ssl_buffer_size ssl_certificate_cache ssl_certificate_compression ssl_ciphers \
             ssl_conf_command ssl_crl ssl_dhparam ssl_early_data ssl_ecdh_curve ssl_ocsp ssl_ocsp_cache \
             ssl_ocsp_responder ssl_prefer_server_ciphers ssl_protocols ssl_reject_handshake \
             ssl_session_cache ssl_session_ticket_key ssl_session_tickets ssl_session_timeout \
             ssl_stapling ssl_stapling_file ssl_stapling_responder ssl_stapling_verify \
             ssl_trusted_certificate ssl_verify_depth",
        ))
        .chain(tunes(
            LEVELS,
            1,
            ANY,
            "proxy_ssl_alpn proxy_ssl_certificate proxy_ssl_certificate_cache \
             proxy_ssl_certificate_key proxy_ssl_ciphers proxy_ssl_conf_command proxy_ssl_crl \
             proxy_ssl_key_log proxy_ssl_name proxy_ssl_password_file proxy_ssl_protocols \
             proxy_ssl_server_name proxy_ssl_session_reuse proxy_ssl_trusted_certificate \
             proxy_ssl_verify proxy_ssl_verify_depth",
        ))
        .chain(tunes(&[Main], 1, 1, "ssl_engine ssl_object_cache_inheritable"))
}
