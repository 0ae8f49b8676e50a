//! What is read off a certificate, and how it is told.

use super::*;

/// It has signed itself; its key is of P-256.
const CERTIFICATE: &[u8] = include_bytes!("../client.der");

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).expect("short");
    let length: &[u8] = if length < 0x80 { &[length] } else { &[0x81, length] };
    [&[tag], length, content].concat()
}

fn pair(oid: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[element(OID, oid), element(tag, value)].concat())
}

fn name(pairs: &[Vec<u8>]) -> String {
    let sets: Vec<u8> = pairs.iter().flat_map(|pair| element(SET, pair)).collect();
    let mut out = Vec::new();
    write_name(&sets, &mut out);
    String::from_utf8(out).expect("ASCII")
}

const CN: &[u8] = &[0x55, 4, 3];

#[test]
fn names_as_openssl_writes_them() {
    assert_eq!(name(&[pair(&[0x55, 4, 6], 0x13, b"DE"), pair(CN, UTF8_STRING, b"a")]), "CN=a,C=DE");
    let two = [pair(CN, UTF8_STRING, b"a"), pair(&[0x55, 4, 11], UTF8_STRING, b"b")].concat();
    assert_eq!(name(&[two]), "OU=b+CN=a");
    for (value, shown) in [
        ("a,b+c\"d\\e<f>g;h", "a\\,b\\+c\\\"d\\\\e\\<f\\>g\\;h"),
        (" a b ", "\\ a b\\ "),
        ("#a#", "\\#a#"),
        ("ü\n", "\\C3\\BC\\0A"),
        ("", ""),
    ] {
        assert_eq!(name(&[pair(CN, UTF8_STRING, value.as_bytes())]), format!("CN={shown}"));
    }
    assert_eq!(name(&[pair(CN, BMP_STRING, &[0, b'a', 0, 0xfc])]), "CN=a\\C3\\BC");
    assert_eq!(name(&[pair(&[0x2a, 3, 0x81, 0], 0x13, b"x")]), "1.2.3.128=#130178");
}

#[test]
fn times_as_openssl_writes_them() {
    let shown = |tag, text: &[u8]| {
        let time = CertificateTime::parse(tag, text)?;
        let mut out = Vec::new();
        time.write(&mut out);
        Some(String::from_utf8(out).expect("ASCII"))
    };
    for (tag, text, expected) in [
        (UTC_TIME, "261103161411Z", Some("Nov  3 16:14:11 2026 GMT")),
        (UTC_TIME, "700101000000Z", Some("Jan  1 00:00:00 1970 GMT")),
        (UTC_TIME, "000229235959Z", Some("Feb 29 23:59:59 2000 GMT")),
        (GENERALIZED_TIME, "20501231235959Z", Some("Dec 31 23:59:59 2050 GMT")),
        (UTC_TIME, "261303161411Z", None),
        (UTC_TIME, "2611031614Z", None),
        (UTC_TIME, "2611031614+1Z", None),
        (INTEGER, "261103161411Z", None),
    ] {
        assert_eq!(shown(tag, text.as_bytes()).as_deref(), expected, "{text}");
    }
}

#[test]
fn what_remains_is_whole_days() {
    let day_ms = 86_400_000;
    for (now, days) in
        [(0, 10), (999, 10), (1000, 9), (9 * day_ms, 1), (9 * day_ms + 1000, 0), (11 * day_ms, 0)]
    {
        assert_eq!(CertificateTime(10 * 86_400).days_from(now), days, "{now}");
    }
}

/// As `openssl x509 -inform DER -nameopt RFC2253` shows it.
#[test]
fn a_certificate_as_openssl_shows_it() {
    let certificate = Certificate::read(CERTIFICATE);
    let shown = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("ASCII")
    };
    let name = "emailAddress=me@client.example,CN=client.example,OU=a,O=Stra\\C3\\9Fe \\+ Sons,ST=Some\\, where,C=DE";
    assert_eq!(shown(&|out| certificate.write_subject(out)), name);
    assert_eq!(shown(&|out| certificate.write_issuer(out)), name);
    assert_eq!(shown(&|out| certificate.write_serial(out)), "A1B2C3");
    assert_eq!(shown(&|out| certificate.not_before().write(out)), "Nov 30 16:22:04 2026 GMT");
    assert_eq!(shown(&|out| certificate.not_after().write(out)), "Apr 17 16:22:04 2054 GMT");
}

/// Nothing of it is trusted: whatever stands there, something or nothing is shown.
#[test]
fn what_is_no_certificate_shows_nothing() {
    let der = CERTIFICATE;
    for length in 0..der.len() {
        let mut out = Vec::new();
        let cut = Certificate::read(&der[..length]);
        cut.write_subject(&mut out);
        cut.write_serial(&mut out);
        assert!(out.is_empty(), "{length}");
    }
    for at in 0..der.len() {
        for bit in 0..8 {
            let mut changed = der.to_vec();
            changed[at] ^= 1 << bit;
            let certificate = Certificate::read(&changed);
            certificate.write_subject(&mut Vec::new());
            certificate.write_issuer(&mut Vec::new());
            certificate.not_after().write(&mut Vec::new());
        }
    }
}
