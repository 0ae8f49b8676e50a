//! What was found before there was a session, in a trace: facts of a handshake, a PROXY protocol header. No key is among it, and a
//! certificate is nobody's secret (RFC 8446 has it sent in clear in TLS 1.2).

use std::fmt::Arguments;

use super::text::{Escaped, hex, unescape};
use crate::{CertificateFault, ClientInfo, PeerCertificate, TlsFacts, proxy_protocol::Proxied};

/// Writes the lines, if there is something to tell.
pub(super) fn tell(client: &ClientInfo, mut add: impl FnMut(Arguments<'_>)) {
    if let Some(header) = &client.proxied {
        add(format_args!("proxied {} {}", header.source, header.destination));
    }
    let Some(facts) = &client.tls else { return };
    let TlsFacts { protocol, cipher, ciphers, curve, server_name, resumed, alpn, certificate } = &**facts;
    let curve = curve.as_deref().unwrap_or("-");
    add(format_args!("tls {protocol} {cipher} {curve} {}", u8::from(*resumed)));
    if !ciphers.is_empty() {
        add(format_args!("tls-ciphers {}", Escaped(ciphers.as_bytes())));
    }
    if let Some(name) = server_name {
        add(format_args!("tls-name {}", Escaped(name.as_bytes())));
    }
    if !alpn.is_empty() {
        add(format_args!("tls-alpn {}", Escaped(alpn)));
    }
    if let Some(PeerCertificate { der, verdict }) = certificate {
        let digits: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
        add(format_args!("tls-certificate {digits}"));
        match verdict {
            Ok(()) => {}
            Err(CertificateFault::UnknownIssuer(reason)) => {
                add(format_args!("tls-unknown-issuer {}", Escaped(reason.as_bytes())));
            }
            Err(CertificateFault::Wrong(reason)) => {
                add(format_args!("tls-refused {}", Escaped(reason.as_bytes())));
            }
        }
    }
}

/// Reads one of the lines; `None` when it is none of them.
pub(super) fn hear(client: &mut ClientInfo, word: &str, rest: &str) -> Option<()> {
    let text = || String::from_utf8(unescape(rest.as_bytes())?).ok();
    match word {
        "proxied" => {
            let (source, destination) = rest.split_once(' ')?;
            client.proxied = Some(Box::new(Proxied {
                source: source.parse().ok()?,
                destination: destination.parse().ok()?,
            }));
            return Some(());
        }
        "tls" => {
            let mut words = rest.split(' ').map(str::to_owned);
            let (protocol, cipher, curve) = (words.next()?, words.next()?, words.next()?);
            let facts = TlsFacts {
                protocol: protocol.into(),
                cipher: cipher.into(),
                curve: Some(curve).filter(|curve| curve != "-").map(Into::into),
                resumed: words.next()? == "1",
                ..TlsFacts::default()
            };
            client.tls = Some(facts.into());
            return Some(());
        }
        _ => {}
    }
    let facts = std::sync::Arc::make_mut(client.tls.as_mut()?);
    match word {
        "tls-ciphers" => facts.ciphers = text()?.into(),
        "tls-name" => facts.server_name = Some(text()?.into()),
        "tls-alpn" => facts.alpn = unescape(rest.as_bytes())?.into(),
        "tls-certificate" => {
            let (pairs, []) = rest.as_bytes().as_chunks::<2>() else { return None };
            let der = pairs.iter().map(hex).collect::<Option<Vec<u8>>>()?;
            facts.certificate = Some(PeerCertificate { der: der.into(), verdict: Ok(()) });
        }
        "tls-unknown-issuer" => {
            facts.certificate.as_mut()?.verdict = Err(CertificateFault::UnknownIssuer(text()?.into()));
        }
        "tls-refused" => {
            facts.certificate.as_mut()?.verdict = Err(CertificateFault::Wrong(text()?.into()));
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Address;

    #[test]
    fn what_was_told_is_heard() {
        let nobody = ClientInfo::new(
            Address::Unix(std::path::Path::new("").into()),
            Address::Unix(std::path::Path::new("").into()),
            1,
            [0; 16],
        );
        let plain = TlsFacts { protocol: "TLSv1.2".into(), cipher: "C".into(), ..TlsFacts::default() };
        let full = TlsFacts {
            ciphers: "A:B".into(),
            curve: Some("X25519".into()),
            server_name: Some("a\n".into()),
            resumed: true,
            alpn: b"h\0".as_slice().into(),
            certificate: Some(PeerCertificate {
                der: [0x30, 0].into(),
                verdict: Err(CertificateFault::Wrong("expired, of all".into())),
            }),
            ..plain.clone()
        };
        let with = |verdict| {
            let certificate = PeerCertificate { der: [1].into(), verdict };
            TlsFacts { certificate: Some(certificate), ..plain.clone() }
        };
        let right = with(Ok(()));
        let unknown = with(Err(CertificateFault::UnknownIssuer("by whom?".into())));
        let address = |text: &str| text.parse().expect("an address");
        let header = Proxied { source: address("192.0.2.1:1"), destination: address("[::1]:2") };
        for (tls, proxied) in [
            (None, None),
            (Some(plain), None),
            (Some(right), None),
            (Some(unknown), None),
            (Some(full), Some(Box::new(header))),
        ] {
            let told = ClientInfo { tls: tls.map(Into::into), proxied, ..nobody.clone() };
            let mut lines = Vec::new();
            tell(&told, |line| lines.push(line.to_string()));
            let mut heard = nobody.clone();
            for line in &lines {
                let (word, rest) = line.split_once(' ').expect("two words");
                hear(&mut heard, word, rest).expect("a line of it");
            }
            assert_eq!(heard, told);
        }
        assert_eq!(hear(&mut nobody.clone(), "tls-name", "a"), None, "of no handshake");
    }
}
