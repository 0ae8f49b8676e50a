//! TLS on both sides.

use super::{
    super::Context::{self, Http, Main, Server},
    ANY, Effect, Kind, LEVELS, Row, alike, flag, row, size, words,
};

const SITES: &[Context] = &[Http, Server];

/// nginx's names; those of old versions are known, and noted.
const VERSIONS: Kind = Kind::EachOf(&["SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]);

const VERSIONS_SYNTAX: &str = "`TLSv1.2` | `TLSv1.3` …";

pub(super) const ROWS: &[Row] = &[
    Row {
        effect: Effect::RefusedUnlessOff("write \"ssl\" behind the address of each \"listen\" that is meant"),
        ..row("ssl", SITES, Kind::Flag, "`off`", "")
    },
    size("ssl_buffer_size", SITES, "16k", "The most bytes that go out in one record; at most 16k."),
    words(
        "ssl_certificate",
        SITES,
        "*file*",
        "A certificate for `listen … ssl`, and the chain behind it, in PEM. Several: one for each kind of key.",
    )
    .repeatable(),
    words("ssl_certificate_key", SITES, "*file*", "The private key of the certificate at the same place, in PEM.")
        .repeatable(),
    flag(
        "ssl_certificate_watch",
        SITES,
        "off",
        "Whether changed certificates and keys are taken without a reload, within 10 seconds, once they fit. Not in nginx.",
    ),
    words(
        "ssl_ciphers",
        SITES,
        "*list*",
        "Cipher suites in OpenSSL's notation. It chooses among those of TLS 1.2 that the library has; those of TLS 1.3 \
         are always there. A note names what is asked for and not there.",
    )
    .or("HIGH:!aNULL:!MD5"),
    words(
        "ssl_client_certificate",
        SITES,
        "*file*",
        "Authorities that clients' certificates may come from, in PEM; their names are sent to clients.",
    ),
    words("ssl_crl", SITES, "*file*", "Lists of revoked certificates, in PEM. One whose time is over is not believed: then no certificate is."),
    words("ssl_ecdh_curve", SITES, "*curve*[`:`*curve*…] | `auto`", "Groups for the exchange of keys, in order.")
        .or("auto"),
    Row {
        effect: Effect::RefusedUnlessOff("remove the line: early data can be replayed by anybody (RFC 8446 §8)"),
        ..row("ssl_early_data", SITES, Kind::Flag, "`off`", "")
    },
    Row { effect: Effect::Refused(NO_PASSWORD), repeatable: true, ..words("ssl_password_file", SITES, "…", "") },
    flag(
        "ssl_prefer_server_ciphers",
        SITES,
        "off",
        "Whether the order of `ssl_ciphers` counts, and not the client's.",
    ),
    row(
        "ssl_protocols",
        SITES,
        VERSIONS,
        VERSIONS_SYNTAX,
        "Versions of TLS. Older ones are noted beside these, and an error alone.",
    )
    .takes(1, ANY)
    .or("TLSv1.2 TLSv1.3"),
    flag(
        "ssl_reject_handshake",
        SITES,
        "off",
        "Whether clients that look for this server are refused with the alert `unrecognized_name`.",
    ),
    words(
        "ssl_session_cache",
        SITES,
        "`off` | `none` | [`builtin`[`:`*number*]] [`shared:`*name*`:`*size*]",
        "Where sessions are kept that clients may resume. A megabyte of `shared` is for 4000 of them.",
    )
    .takes(1, 2)
    .or("none"),
    words(
        "ssl_session_ticket_key",
        SITES,
        "*file*",
        "A key for session tickets, 48 or 80 random bytes. The first seals, each opens.",
    )
    .repeatable(),
    flag("ssl_session_tickets", SITES, "on", "Whether clients keep the state of their sessions, sealed."),
    words("ssl_session_timeout", SITES, "*time*", "How long a session may be resumed, in whole seconds.").or("5m"),
    flag(
        "ssl_stapling",
        SITES,
        "off",
        "Whether the response of `ssl_stapling_file` goes to clients; without a file, a note.",
    ),
    words("ssl_stapling_file", SITES, "*file*", "An OCSP response for the certificate, in DER."),
    words(
        "ssl_trusted_certificate",
        SITES,
        "*file*",
        "Further authorities that clients' certificates may come from, in PEM. Their names aren't sent.",
    ),
    row(
        "ssl_verify_client",
        SITES,
        Kind::OneOf(&["off", "on", "optional", "optional_no_ca"]),
        "`off` | `on` | `optional` | `optional_no_ca`",
        "Whether clients are asked for a certificate. `on`: who has none, or one that isn't right, gets a 400. `optional`: \
         who has one that isn't right does. `optional_no_ca`: unless all that is wrong with it is that nobody known has issued it.",
    )
    .or("off"),
    row(
        "ssl_verify_depth",
        SITES,
        Kind::Number,
        "*number*",
        "How many authorities may stand between a client's certificate and a known one. The library's most is 6.",
    )
    .or("1"),
    // Towards origin servers.
    words(
        "proxy_ssl_certificate",
        LEVELS,
        "*file*",
        "Our certificate for origin servers that ask for one, and the chain behind it, in PEM.",
    ),
    words("proxy_ssl_certificate_key", LEVELS, "*file*", "The private key of `proxy_ssl_certificate`, in PEM."),
    words("proxy_ssl_ciphers", LEVELS, "*list*", "As `ssl_ciphers`, towards origin servers.").or("DEFAULT"),
    words("proxy_ssl_crl", LEVELS, "*file*", "Lists of revoked certificates of origin servers, in PEM. One whose time is over is not believed: then no certificate is."),
    words(
        "proxy_ssl_name",
        LEVELS,
        "*text*",
        "The name that is verified, and sent with `proxy_ssl_server_name on`.",
    )
    .or("$proxy_host"),
    Row { effect: Effect::Refused(NO_PASSWORD), ..words("proxy_ssl_password_file", LEVELS, "…", "") },
    row("proxy_ssl_protocols", LEVELS, VERSIONS, VERSIONS_SYNTAX, "As `ssl_protocols`, towards origin servers.")
        .takes(1, ANY)
        .or("TLSv1.2 TLSv1.3"),
    flag("proxy_ssl_server_name", LEVELS, "off", "Whether the name is sent to origin servers (SNI)."),
    flag("proxy_ssl_session_reuse", LEVELS, "on", "Whether sessions with origin servers are resumed."),
    words(
        "proxy_ssl_trusted_certificate",
        LEVELS,
        "*file*",
        "Authorities that origin servers' certificates may come from, in PEM; absent: the system's. A server's own \
         certificate may stand there, too. nginx: required.",
    ),
    flag(
        "proxy_ssl_verify",
        LEVELS,
        "off",
        "Whether an origin server has to have a certificate for the name, from a known authority.",
    ),
    row(
        "proxy_ssl_verify_depth",
        LEVELS,
        Kind::Number,
        "*number*",
        "How many authorities may stand between a server's certificate and a known one. The library's most is 6.",
    )
    .or("1"),
];

const NO_PASSWORD: &str = "store the key without a password: \"openssl pkey -in KEY -out NEW\"";

const COMMANDS: &str = "commands are for OpenSSL, and TLS is rustls' here";
const DH: &str = "keys are exchanged on elliptic curves only";
const OCSP: &str = "no OCSP response is fetched: \"ssl_stapling_file\" names one";
const CACHE: &str = "a certificate is read once, when the configuration is";
const KEY_LOG: &str = "keys are never written anywhere";
const LIBRARY: &str = "the library has no such thing";

pub(super) fn rows() -> impl Iterator<Item = Row> {
    let noted = |contexts, least, most, why, names| {
        let row = words("", contexts, "…", "").takes(least, most);
        alike(names, Row { repeatable: true, effect: Effect::None(why), ..row })
    };
    let protects = "ssl_ocsp";
    let ocsp = Row {
        effect: Effect::RefusedUnlessOff(
            "no authority is asked about a client's certificate: use \"ssl_crl\"",
        ),
        ..row("", SITES, Kind::OneOf(&["off", "on", "leaf"]), "`off`", "")
    };
    alike(protects, ocsp)
        .chain(noted(SITES, 1, ANY, COMMANDS, "ssl_conf_command"))
        .chain(noted(LEVELS, 2, 2, COMMANDS, "proxy_ssl_conf_command"))
        .chain(noted(SITES, 1, 1, DH, "ssl_dhparam"))
        .chain(noted(SITES, 1, 1, OCSP, "ssl_stapling_responder ssl_stapling_verify ssl_ocsp_responder"))
        .chain(noted(SITES, 1, 1, OCSP, "ssl_ocsp_cache"))
        .chain(noted(SITES, 1, ANY, CACHE, "ssl_certificate_cache"))
        .chain(noted(LEVELS, 1, ANY, CACHE, "proxy_ssl_certificate_cache"))
        .chain(noted(SITES, 1, 1, KEY_LOG, "ssl_key_log"))
        .chain(noted(LEVELS, 1, 1, KEY_LOG, "proxy_ssl_key_log"))
        .chain(noted(SITES, 1, 1, LIBRARY, "ssl_certificate_compression"))
        .chain(noted(LEVELS, 1, ANY, LIBRARY, "proxy_ssl_alpn"))
        .chain(noted(&[Main], 1, 1, LIBRARY, "ssl_engine ssl_object_cache_inheritable"))
}
