//! A certificate as text (RFC 7468 §5.1), in the three shapes of nginx.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Base64 digits of a line, as OpenSSL writes them.
const LINE: usize = 64;

/// Appends the certificate with a line feed behind each line (`$ssl_client_raw_cert`).
pub(crate) fn write_pem(der: &[u8], out: &mut Vec<u8>) {
    write(der, b"\n", out);
    out.push(b'\n');
}

/// Appends it with a tab in front of each line but the first, and nothing behind the last (`$ssl_client_cert`): so it was to go
/// on in a folded field line.
pub(crate) fn write_tabbed_pem(der: &[u8], out: &mut Vec<u8>) {
    write(der, b"\n\t", out);
}

/// Appends it as one value of a field or of a query (`$ssl_client_escaped_cert`): what isn't unreserved is percent-encoded.
pub(crate) fn write_escaped_pem(der: &[u8], out: &mut Vec<u8>) {
    let mut text = Vec::with_capacity(der.len() * 3 / 2 + 64);
    write_pem(der, &mut text);
    for byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            super::certificate::push_hex(b'%', byte, out);
        }
    }
}

fn write(der: &[u8], between: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"-----BEGIN CERTIFICATE-----");
    for line in der.chunks(LINE / 4 * 3) {
        out.extend_from_slice(between);
        out.extend_from_slice(STANDARD.encode(line).as_bytes());
    }
    out.extend_from_slice(between);
    out.extend_from_slice(b"-----END CERTIFICATE-----");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl Fn(&[u8], &mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&[b'?'; 50], &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn lines_have_64_digits() {
        let line = "Pz8/".repeat(16);
        assert_eq!(
            text(write_pem),
            format!("-----BEGIN CERTIFICATE-----\n{line}\nPz8=\n-----END CERTIFICATE-----\n")
        );
        assert_eq!(
            text(write_tabbed_pem),
            format!("-----BEGIN CERTIFICATE-----\n\t{line}\n\tPz8=\n\t-----END CERTIFICATE-----")
        );
        let escaped = "Pz8%2F".repeat(16);
        assert_eq!(
            text(write_escaped_pem),
            format!("-----BEGIN%20CERTIFICATE-----%0A{escaped}%0APz8%3D%0A-----END%20CERTIFICATE-----%0A")
        );
    }
}
