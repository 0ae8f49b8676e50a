//! Which connections to an origin server another exchange may have (E7).

mod common;

use common::demands::{asking, http};
use underpass_core::{Disposal, Ending};

/// RFC 4559 §4.1, and NTLM: they authenticate a connection, not a request, so whoever had it next would be that user.
#[test]
fn a_connection_that_belongs_to_a_user_is_never_another_s() {
    for (line, pooled) in [
        ("Authorization: NTLM TlRMTVNTUAAB", false),
        ("Authorization: negotiate YII", false),
        ("Authorization: Negotiate", false),
        ("Authorization: Basic YTpi", true),
        ("Authorization: NTLMv3 x", true),
        ("Accept: NTLM", true),
    ] {
        let mut world = http(
            "access_log off; upstream a { server 127.0.0.1:9000; keepalive 4; }
             server { listen 127.0.0.1:8080; location / { proxy_pass http://a; proxy_set_header Connection ''; } }",
        );
        let head = asking("/");
        world.client_sends(head.replace("\r\n\r\n", &format!("\r\n{line}\r\n\r\n")));
        world.origin_sends("HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(world.exchanges.len(), 1, "{line}");
        let expected = if pooled { Disposal::Pool } else { Disposal::Close(Ending::Fin) };
        assert_eq!(world.releases[0].1, expected, "{line}");
    }
}
