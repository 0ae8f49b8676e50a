//! Variables of TLS (H3), with nginx's values.

use std::io::Write as _;

use crate::{
    TlsFacts,
    template::Variable,
    time::{Now, write_decimal},
    tls::{Certificate, write_escaped_pem, write_pem, write_tabbed_pem},
};

pub(super) fn write_of_tls(facts: &TlsFacts, variable: &Variable, now: Now, out: &mut Vec<u8>) {
    let text: &[u8] = match variable {
        Variable::SslProtocol => facts.protocol.as_bytes(),
        Variable::SslCipher => facts.cipher.as_bytes(),
        Variable::SslCiphers => facts.ciphers.as_bytes(),
        Variable::SslCurve => facts.curve.as_deref().unwrap_or_default().as_bytes(),
        Variable::SslServerName => facts.server_name.as_deref().unwrap_or_default().as_bytes(),
        Variable::SslSessionReused if facts.resumed => b"r",
        Variable::SslSessionReused => b".",
        Variable::SslAlpnProtocol => &facts.alpn,
        Variable::SslClientVerify => match &facts.certificate {
            None => b"NONE",
            Some(certificate) => match &certificate.verdict {
                Ok(()) => b"SUCCESS",
                Err(fault) => {
                    out.extend_from_slice(b"FAILED:");
                    fault.reason().as_bytes()
                }
            },
        },
        _ => {
            if let Some(certificate) = &facts.certificate {
                write_of_certificate(&certificate.der, variable, now, out);
            }
            return;
        }
    };
    out.extend_from_slice(text);
}

fn write_of_certificate(der: &[u8], variable: &Variable, now: Now, out: &mut Vec<u8>) {
    let certificate = || Certificate::read(der);
    match variable {
        Variable::SslClientSDn => certificate().write_subject(out),
        Variable::SslClientIDn => certificate().write_issuer(out),
        Variable::SslClientSerial => certificate().write_serial(out),
        Variable::SslClientFingerprint => {
            for byte in sha1_smol::Sha1::from(der).digest().bytes() {
                // Writing into memory doesn't fail.
                let _ = write!(out, "{byte:02x}");
            }
        }
        Variable::SslClientVStart => certificate().not_before().write(out),
        Variable::SslClientVEnd => certificate().not_after().write(out),
        Variable::SslClientVRemain => write_decimal(out, certificate().not_after().days_from(now.unix_ms)),
        Variable::SslClientCert => write_tabbed_pem(der, out),
        Variable::SslClientRawCert => write_pem(der, out),
        Variable::SslClientEscapedCert => write_escaped_pem(der, out),
        _ => {}
    }
}
