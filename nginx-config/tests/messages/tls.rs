//! TLS on both sides.

use super::{in_http, in_location, in_server};

#[test]
fn certificates() {
    // nginx 1.31's own words, with the server's place.
    in_http(
        "^server { listen 443 ssl; }",
        "no \"ssl_certificate\" is defined for the \"listen ... ssl\" directive",
    );
    in_http(
        "ssl_reject_handshake on; server { listen 443 ssl; } ^server { listen 443 ssl; ssl_reject_handshake off; }",
        "no \"ssl_certificate\" is defined for the \"listen ... ssl\" directive",
    );
    in_server("ssl_certificate ^a.pem;", "no \"ssl_certificate_key\" is defined for certificate \"a.pem\"");
    in_server(
        "ssl_certificate a.pem; ssl_certificate_key a.key; ssl_certificate ^b.pem;",
        "no \"ssl_certificate_key\" is defined for certificate \"b.pem\"",
    );
    const VARIABLES: &str = "certificates and keys in variables are not in this version; name a file: it is read when \
                             the configuration is, and \"ssl_certificate_watch on\" takes a changed one";
    in_server("ssl_certificate ^/etc/$ssl_server_name.pem; ssl_certificate_key a;", VARIABLES);
    in_server("ssl_certificate a; ssl_certificate_key ^data:$key;", VARIABLES);
    in_location(
        "proxy_pass https://127.0.0.1; proxy_ssl_certificate ^$x; proxy_ssl_certificate_key a;",
        VARIABLES,
    );
    in_server(
        "ssl_certificate a; ssl_certificate_key ^engine:pkcs11:x;",
        "keys of engines and stores are not in this version; name a file in PEM",
    );
    in_location(
        "proxy_pass https://127.0.0.1; proxy_ssl_certificate ^a.pem;",
        "no \"proxy_ssl_certificate_key\" is defined for certificate \"a.pem\"",
    );
    in_server(
        "^ssl_verify_client on;",
        "no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client",
    );
    in_server(
        "ssl_verify_client ^yes;",
        "invalid value \"yes\"; \"ssl_verify_client\" is off or on or optional or optional_no_ca in this version",
    );
}

#[test]
fn what_would_not_come_is_an_error_with_advice() {
    const PASSWORD: &str =
        "is not in this version; store the key without a password: \"openssl pkey -in KEY -out NEW\"";
    in_server("^ssl_password_file x;", &format!("\"ssl_password_file\" {PASSWORD}"));
    in_location("^proxy_ssl_password_file x;", &format!("\"proxy_ssl_password_file\" {PASSWORD}"));
    in_server(
        "^ssl_early_data on;",
        "\"ssl_early_data on\" is not in this version; remove the line: early data can be replayed by anybody (RFC 8446 §8)",
    );
    in_server(
        "^ssl on;",
        "\"ssl on\" is not in this version; write \"ssl\" behind the address of each \"listen\" that is meant",
    );
    for value in ["on", "leaf"] {
        in_server(
            &format!("^ssl_ocsp {value};"),
            &format!(
                "\"ssl_ocsp {value}\" is not in this version; no authority is asked about a client's certificate: \
                 use \"ssl_crl\""
            ),
        );
    }
}

#[test]
fn versions() {
    const OLD: &str = "names no version that is spoken here; write";
    const RFC: &str = "TLSv1.2 TLSv1.3;\": RFC 8996 has done away with older ones";
    in_server("ssl_protocols ^TLSv1;", &format!("\"ssl_protocols\" {OLD} \"ssl_protocols {RFC}"));
    in_server("ssl_protocols ^SSLv3 TLSv1.1;", &format!("\"ssl_protocols\" {OLD} \"ssl_protocols {RFC}"));
    in_location(
        "proxy_pass https://127.0.0.1; proxy_ssl_protocols ^TLSv1;",
        &format!("\"proxy_ssl_protocols\" {OLD} \"proxy_ssl_protocols {RFC}"),
    );
    in_server(
        "ssl_protocols ^TLSv2;",
        "invalid value \"TLSv2\"; \"ssl_protocols\" is SSLv2 or SSLv3 or TLSv1 or TLSv1.1 or TLSv1.2 or TLSv1.3 in this \
         version",
    );
}

#[test]
fn sessions() {
    const FORM: &str = "it is off, none, builtin, builtin:SESSIONS or shared:NAME:SIZE";
    for text in ["yes", "builtin:", "builtin:x", "shared:", "shared:a", "shared::1m", "shared:a:x", "off:1"] {
        in_server(
            &format!("ssl_session_cache ^{text};"),
            &format!("invalid session cache \"{text}\"; {FORM}"),
        );
    }
    in_server(
        "ssl_session_cache ^shared:a:16k;",
        "session cache \"shared:a:16k\" is too small; 32k are the least",
    );
    in_http(
        "ssl_session_cache shared:a:1m; server { ssl_session_cache ^shared:a:2m; }",
        "the size 2097152 of shared memory zone \"a\" conflicts with already declared size 1048576",
    );
    in_http("ssl_session_timeout ^1h1w;", "\"ssl_session_timeout\" directive invalid value");
    in_http("ssl_verify_depth ^x;", "\"ssl_verify_depth\" directive invalid number");
}

#[test]
fn listening() {
    const BOTH: &str = "\"ssl\" parameter is incompatible with \"quic\"";
    in_server("listen 443 quic ^ssl;", BOTH);
    in_server("listen 443 ssl ^quic;", BOTH);
}
