//! The opening handshake of WebSocket, as far as a gateway checks it (RFC 6455 §4; A6).

use base64::{
    Engine as _, alphabet,
    engine::general_purpose::{GeneralPurpose, PAD, STANDARD},
};

use crate::{
    http1::{Fields, Known, Request, trim},
    violation::Violation,
};

/// What a key is decoded with. Bits behind its last byte say nothing (RFC 4648 §3.5), and the example of RFC 6455 §4.1
/// item 7 has some.
const KEY: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, PAD.with_decode_allow_trailing_bits(true));

/// Checks a request that asks for WebSocket (RFC 6455 §4.2.1 items 1, 5 and 6).
pub(crate) fn check_request(request: &Request) -> Result<(), Violation> {
    if request.method() != b"GET" {
        return Err(Violation::WebSocketMethod);
    }
    // The version before the key: a client of another version may have no key (§4.4).
    match request.fields.only(Known::SecWebSocketVersion) {
        Some(b"13") => {}
        Some(_) => return Err(Violation::WebSocketVersion),
        None => return Err(Violation::WebSocketVersions),
    }
    let mut key = [0; 18];
    match request.fields.only(Known::SecWebSocketKey).map(|text| KEY.decode_slice(text, &mut key)) {
        Some(Ok(16)) => Ok(()),
        _ => Err(Violation::WebSocketKey),
    }
}

/// Whether the response has the one `Sec-WebSocket-Accept` that belongs to the request's key (§4.1 item 4).
pub(crate) fn accepts(request: &Fields, response: &Fields) -> bool {
    let (Some(key), Some(accept)) =
        (request.only(Known::SecWebSocketKey), response.only(Known::SecWebSocketAccept))
    else {
        return false;
    };
    trim(accept) == accept_for(key)
}

/// The value of `Sec-WebSocket-Accept` for a key (RFC 6455 §4.2.2 item 5.4).
pub(crate) fn accept_for(key: &[u8]) -> [u8; 28] {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let mut digest = sha1_smol::Sha1::new();
    digest.update(key);
    digest.update(GUID);
    let mut text = [0; 28];
    // 20 bytes are 28 characters of base64; were it otherwise, the answer would match nothing.
    if STANDARD.encode_slice(digest.digest().bytes(), &mut text).is_err() {
        text = [0; 28];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(&accept_for(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn requests() {
        let check = |lines: &str, method: &str| {
            let mut request = Request::default();
            let head = format!("{method} / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
            request.parse(head.as_bytes(), &mut 0, &crate::config::Settings::default()).expect("well-formed");
            check_request(&request)
        };
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let version = "Sec-WebSocket-Version: 13\r\n";
        assert_eq!(check(&format!("{key}{version}"), "GET"), Ok(()));
        assert_eq!(check(&format!("{key}{version}"), "POST"), Err(Violation::WebSocketMethod));
        assert_eq!(check(version, "GET"), Err(Violation::WebSocketKey));
        assert_eq!(check(&format!("{key}{key}{version}"), "GET"), Err(Violation::WebSocketKey));
        let short = "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n";
        assert_eq!(check(&format!("{short}{version}"), "GET"), Err(Violation::WebSocketKey));
        // The example of §4.1 item 7 has bits left over, as has a key that a client draws letter by letter.
        for left_over in ["AQIDBAUGBwgJCgsMDQ4PEC==", "dGhlIHNhbXBsZSBub25jZf=="] {
            let key = format!("Sec-WebSocket-Key: {left_over}\r\n");
            assert_eq!(check(&format!("{key}{version}"), "GET"), Ok(()), "{left_over}");
        }
        assert_eq!(check(key, "GET"), Err(Violation::WebSocketVersions));
        assert_eq!(check(&format!("{key}{version}{version}"), "GET"), Err(Violation::WebSocketVersions));
        assert_eq!(
            check(&format!("{key}Sec-WebSocket-Version: 8\r\n"), "GET"),
            Err(Violation::WebSocketVersion)
        );
    }
}
