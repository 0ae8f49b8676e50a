//! What a trace tells of the values in heads: the lists of what is nobody's secret.

/// What of a field's value is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Everything: framing, routing, negotiation, dates, and who somebody says that he is.
    All,
    /// The name of a scheme; credentials or a challenge follow (RFC 9110 §11.4).
    Scheme,
    /// The names of `name=value` pairs (RFC 6265 §4.2.1).
    Names,
    /// The name of the first pair, and the attributes that follow (RFC 6265 §4.1.1).
    Attributes,
    /// A URL without user, values of the query, and fragment.
    Url,
    /// Registered names of subprotocols; others may be tokens of their bearer.
    Subprotocols,
    /// That there is a value, and its length.
    Length,
}

/// Fields of which more is told than their length, in lower case.
const FIELDS: &[(&str, Part)] = &[
    ("accept", Part::All),
    ("accept-charset", Part::All),
    ("accept-encoding", Part::All),
    ("accept-language", Part::All),
    ("accept-ranges", Part::All),
    ("access-control-allow-credentials", Part::All),
    ("access-control-allow-headers", Part::All),
    ("access-control-allow-methods", Part::All),
    ("access-control-allow-origin", Part::All),
    ("access-control-expose-headers", Part::All),
    ("access-control-max-age", Part::All),
    ("access-control-request-headers", Part::All),
    ("access-control-request-method", Part::All),
    ("age", Part::All),
    ("allow", Part::All),
    ("authorization", Part::Scheme),
    ("cache-control", Part::All),
    ("connection", Part::All),
    ("content-encoding", Part::All),
    ("content-language", Part::All),
    ("content-length", Part::All),
    ("content-location", Part::Url),
    ("content-range", Part::All),
    ("content-type", Part::All),
    ("cookie", Part::Names),
    ("date", Part::All),
    ("dnt", Part::All),
    ("early-data", Part::All),
    ("expect", Part::All),
    ("expires", Part::All),
    ("forwarded", Part::All),
    ("host", Part::All),
    ("if-modified-since", Part::All),
    ("if-unmodified-since", Part::All),
    ("keep-alive", Part::All),
    ("last-modified", Part::All),
    ("location", Part::Url),
    ("max-forwards", Part::All),
    ("origin", Part::All),
    ("pragma", Part::All),
    ("proxy-authenticate", Part::Scheme),
    ("proxy-authorization", Part::Scheme),
    ("proxy-connection", Part::All),
    ("range", Part::All),
    ("referer", Part::Url),
    ("refresh", Part::Url),
    ("retry-after", Part::All),
    ("sec-fetch-dest", Part::All),
    ("sec-fetch-mode", Part::All),
    ("sec-fetch-site", Part::All),
    ("sec-fetch-user", Part::All),
    ("sec-websocket-accept", Part::All),
    ("sec-websocket-extensions", Part::All),
    ("sec-websocket-key", Part::All),
    ("sec-websocket-protocol", Part::Subprotocols),
    ("sec-websocket-version", Part::All),
    ("server", Part::All),
    ("set-cookie", Part::Attributes),
    ("strict-transport-security", Part::All),
    ("te", Part::All),
    ("trailer", Part::All),
    ("transfer-encoding", Part::All),
    ("upgrade", Part::All),
    ("upgrade-insecure-requests", Part::All),
    ("user-agent", Part::All),
    ("vary", Part::All),
    ("via", Part::All),
    ("www-authenticate", Part::Scheme),
    ("x-accel-buffering", Part::All),
    ("x-accel-charset", Part::All),
    ("x-accel-expires", Part::All),
    ("x-accel-limit-rate", Part::All),
    ("x-accel-redirect", Part::Url),
    ("x-forwarded-for", Part::All),
    ("x-forwarded-host", Part::All),
    ("x-forwarded-port", Part::All),
    ("x-forwarded-proto", Part::All),
    ("x-real-ip", Part::All),
    ("x-request-id", Part::All),
];

/// Names of subprotocols that say nothing of who uses them: most of those that are registered, and others that
/// libraries use.
pub(super) const SUBPROTOCOLS: &[&str] = &[
    "actioncable-unsupported",
    "actioncable-v1-json",
    "amqp",
    "aws.iot.securetunneling",
    "base64",
    "base64.channel.k8s.io",
    "binary",
    "channel.k8s.io",
    "chat",
    "coap",
    "graphql-transport-ws",
    "graphql-ws",
    "janus-protocol",
    "jsonrpc",
    "mqtt",
    "mqttv3.1",
    "msrp",
    "ocpp1.2",
    "ocpp1.5",
    "ocpp1.6",
    "ocpp2.0",
    "ocpp2.0.1",
    "ocpp2.1",
    "rtsp.onvif.org",
    "sip",
    "soap",
    "stomp",
    "superchat",
    "v10.stomp",
    "v11.stomp",
    "v12.stomp",
    "v2.channel.k8s.io",
    "v3.channel.k8s.io",
    "v4.channel.k8s.io",
    "v5.channel.k8s.io",
    "vite-hmr",
    "wamp",
    "wamp.2.json",
    "wamp.2.msgpack",
    "xmpp",
];

/// Schemes of credentials, registered ones and others in use; another word may be a secret itself.
const SCHEMES: &[&str] = &[
    "apikey",
    "aws4-hmac-sha256",
    "basic",
    "bearer",
    "concealed",
    "digest",
    "dpop",
    "gnap",
    "hawk",
    "hoba",
    "mutual",
    "negotiate",
    "ntlm",
    "oauth",
    "privatetoken",
    "scram-sha-1",
    "scram-sha-256",
    "token",
    "vapid",
];

/// Whether this is the name of a scheme of credentials, which is told.
#[must_use]
pub fn is_scheme(word: &str) -> bool {
    SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// Whether the value of this field is told as it is.
#[must_use]
pub fn is_told(field: &str) -> bool {
    part_of(field.as_bytes()) == Part::All
}

pub(super) fn part_of(name: &[u8]) -> Part {
    let found = FIELDS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
    found.map_or(Part::Length, |(_, part)| *part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_list_knows_is_not_told() {
        assert!(is_told("HOST") && !is_told("Cookie") && !is_told("X-Unknown"));
        assert!(is_scheme("BEARER") && !is_scheme("s3cr3t"));
    }

    #[test]
    fn the_lists_are_sorted() {
        assert!(FIELDS.is_sorted_by(|(one, _), (other, _)| one < other));
        assert!(SCHEMES.is_sorted());
        assert!(SUBPROTOCOLS.is_sorted_by(|one, other| one < other));
    }
}
