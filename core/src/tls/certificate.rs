//! What nginx's variables show of a client's certificate (RFC 5280 §4.1), read where it stands. Only its shape is looked at: who has
//! done the handshake has verified it.

use crate::time::{Civil, write_decimal};

/// The parts of a certificate that are shown. They are empty where the certificate is none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Certificate<'a> {
    serial: &'a [u8],
    issuer: &'a [u8],
    not_before: CertificateTime,
    not_after: CertificateTime,
    subject: &'a [u8],
}

/// A point in time of a certificate, in seconds since 1970, before which there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CertificateTime(u64);

const BOOLEAN_END: u8 = 0xa0;
const INTEGER: u8 = 0x02;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const BMP_STRING: u8 = 0x1e;
const UNIVERSAL_STRING: u8 = 0x1c;
const UTF8_STRING: u8 = 0x0c;

impl<'a> Certificate<'a> {
    /// Reads a certificate in DER; one that can't be read has nothing to show.
    pub(crate) fn read(der: &'a [u8]) -> Self {
        Self::parse(der).unwrap_or_default()
    }

    fn parse(der: &'a [u8]) -> Option<Self> {
        let (_, certificate, _) = Element::first(der).filter(|(tag, ..)| *tag == SEQUENCE)?;
        let (_, mut rest, _) = Element::first(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
        if rest.first() == Some(&BOOLEAN_END) {
            // The version, in a tag of its own: [0].
            rest = Element::first(rest)?.2;
        }
        let mut next = |wanted: u8| {
            let (tag, content, behind) = Element::first(rest)?;
            rest = behind;
            (tag == wanted).then_some(content)
        };
        let serial = next(INTEGER)?;
        let _algorithm = next(SEQUENCE)?;
        let issuer = next(SEQUENCE)?;
        let validity = next(SEQUENCE)?;
        let subject = next(SEQUENCE)?;
        let (kind, not_before, behind) = Element::first(validity)?;
        let not_before = CertificateTime::parse(kind, not_before)?;
        let (kind, not_after, _) = Element::first(behind)?;
        let not_after = CertificateTime::parse(kind, not_after)?;
        Some(Self { serial, issuer, not_before, not_after, subject })
    }

    /// The serial number, in hexadecimal digits.
    pub(crate) fn write_serial(&self, out: &mut Vec<u8>) {
        // A zero in front says that the number isn't negative.
        let digits = match self.serial {
            [0, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        };
        digits.iter().for_each(|byte| push_hex_digits(*byte, out));
    }

    pub(crate) fn write_subject(&self, out: &mut Vec<u8>) {
        write_name(self.subject, out);
    }

    pub(crate) fn write_issuer(&self, out: &mut Vec<u8>) {
        write_name(self.issuer, out);
    }

    pub(crate) fn not_before(&self) -> CertificateTime {
        self.not_before
    }

    pub(crate) fn not_after(&self) -> CertificateTime {
        self.not_after
    }
}

impl CertificateTime {
    /// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` (RFC 5280 §4.1.2.5).
    fn parse(tag: u8, text: &[u8]) -> Option<Self> {
        let number = |digits: &[u8]| {
            let is_number = digits.iter().all(u8::is_ascii_digit);
            std::str::from_utf8(digits).ok()?.parse::<i64>().ok().filter(|_| is_number)
        };
        let (year, rest) = match tag {
            UTC_TIME => {
                let (year, rest) = text.split_at_checked(2)?;
                let year = number(year)?;
                (if year < 50 { 2000 + year } else { 1900 + year }, rest)
            }
            GENERALIZED_TIME => {
                let (year, rest) = text.split_at_checked(4)?;
                (number(year)?, rest)
            }
            _ => return None,
        };
        let digits = rest.strip_suffix(b"Z").filter(|digits| digits.len() == 10)?;
        let mut pairs = digits.chunks(2).map(number);
        let mut next =
            |range: std::ops::RangeInclusive<i64>| pairs.next()?.filter(|value| range.contains(value));
        let (month, day) = (next(1..=12)?, next(1..=31)?);
        let (hour, minute, second) = (next(0..=23)?, next(0..=59)?, next(0..=60)?);
        let seconds = ((days_before(year, month) + day - 1) * 24 + hour) * 3600 + minute * 60 + second;
        Some(Self(u64::try_from(seconds).unwrap_or(0)))
    }

    /// Appends `Nov  3 16:14:11 2026 GMT`, as OpenSSL prints it.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        let civil = Civil::of(self.0.saturating_mul(1000), 0);
        out.extend_from_slice(civil.month_name().as_bytes());
        out.extend_from_slice(if civil.day < 10 { b"  " } else { b" " });
        write_decimal(out, u64::from(civil.day));
        out.push(b' ');
        civil.write_time(out);
        out.push(b' ');
        write_decimal(out, civil.year.unsigned_abs());
        out.extend_from_slice(b" GMT");
    }

    /// Whole days from `now`, in milliseconds since 1970, until then; 0 when that is over.
    pub(crate) fn days_from(self, now_ms: u64) -> u64 {
        self.0.saturating_sub(now_ms / 1000) / 86_400
    }
}

/// Days from 1970-01-01 to the first of a month.
fn days_before(year: i64, month: i64) -> i64 {
    // A year that begins in March has its leap day at the end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 - 719_468
}

/// One element of DER (X.690 §8.1).
struct Element;

impl Element {
    /// The tag and content of the first element, and what stands behind it.
    fn first(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
        let (&[tag, length], rest) = bytes.split_first_chunk::<2>()?;
        let (length, rest) = match length {
            short @ 0..=0x7f => (usize::from(short), rest),
            long @ 0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
                (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        Some((tag, content, rest))
    }

    fn all(mut bytes: &[u8]) -> impl DoubleEndedIterator<Item = (u8, &[u8])> {
        let mut found = Vec::new();
        while let Some((tag, content, rest)) = Self::first(bytes) {
            found.push((tag, content));
            bytes = rest;
        }
        found.into_iter()
    }
}

/// Appends a name as RFC 2253 has it, the last part first, in the spelling of OpenSSL.
fn write_name(name: &[u8], out: &mut Vec<u8>) {
    for (index, (_, set)) in Element::all(name).rev().filter(|(tag, _)| *tag == SET).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        for (index, (_, pair)) in Element::all(set).rev().enumerate() {
            if index > 0 {
                out.push(b'+');
            }
            write_pair(pair, out);
        }
    }
}

fn write_pair(pair: &[u8], out: &mut Vec<u8>) {
    let Some((OID, kind, rest)) = Element::first(pair) else { return };
    let Some((tag, value, _)) = Element::first(rest) else { return };
    match short_name(kind) {
        Some(name) => out.extend_from_slice(name.as_bytes()),
        None => write_oid(kind, out),
    }
    out.push(b'=');
    match text(tag, value).filter(|_| short_name(kind).is_some()) {
        Some(text) => write_value(&text, out),
        None => {
            // RFC 2253 §2.4: what has no text is shown as it is encoded.
            out.push(b'#');
            let length = rest.len() - Element::first(rest).map_or(0, |(.., behind)| behind.len());
            rest.iter().take(length).for_each(|byte| push_hex_digits(*byte, out));
        }
    }
}

/// OpenSSL's short names of what names are made of.
fn short_name(oid: &[u8]) -> Option<&'static str> {
    Some(match oid {
        [0x55, 4, 3] => "CN",
        [0x55, 4, 4] => "SN",
        [0x55, 4, 5] => "serialNumber",
        [0x55, 4, 6] => "C",
        [0x55, 4, 7] => "L",
        [0x55, 4, 8] => "ST",
        [0x55, 4, 9] => "street",
        [0x55, 4, 10] => "O",
        [0x55, 4, 11] => "OU",
        [0x55, 4, 12] => "title",
        [0x55, 4, 13] => "description",
        [0x55, 4, 17] => "postalCode",
        [0x55, 4, 41] => "name",
        [0x55, 4, 42] => "GN",
        [0x55, 4, 43] => "initials",
        [0x55, 4, 44] => "generationQualifier",
        [0x55, 4, 46] => "dnQualifier",
        [0x55, 4, 65] => "pseudonym",
        [0x55, 4, 97] => "organizationIdentifier",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1] => "emailAddress",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 2] => "unstructuredName",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1] => "UID",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25] => "DC",
        _ => return None,
    })
}

/// Appends the numbers of an object identifier (X.690 §8.19).
fn write_oid(oid: &[u8], out: &mut Vec<u8>) {
    let (mut number, mut is_first) = (0_u64, true);
    for byte in oid {
        number = number.saturating_mul(128).saturating_add(u64::from(byte & 0x7f));
        if byte & 0x80 != 0 {
            continue;
        }
        if std::mem::take(&mut is_first) {
            let root = (number / 40).min(2);
            write_decimal(out, root);
            number -= 40 * root;
        }
        out.push(b'.');
        write_decimal(out, number);
        number = 0;
    }
}

/// The characters of a string of any type; `None` for what is no string.
fn text(tag: u8, value: &[u8]) -> Option<String> {
    let latin = || value.iter().map(|byte| char::from(*byte)).collect();
    Some(match tag {
        UTF8_STRING => String::from_utf8(value.to_vec()).unwrap_or_else(|_| latin()),
        BMP_STRING => {
            let units = value
                .chunks_exact(2)
                .map(|pair| pair.iter().fold(0, |unit, byte| unit << 8 | u16::from(*byte)));
            char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        UNIVERSAL_STRING => {
            let numbers = value
                .chunks_exact(4)
                .map(|four| four.iter().fold(0, |all, byte| all << 8 | u32::from(*byte)));
            numbers.map(|number| char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        // Numeric, Printable, Teletex, IA5, Visible.
        0x12..=0x14 | 0x16 | 0x1a => latin(),
        _ => return None,
    })
}

/// RFC 2253 §2.4: what has a meaning there is escaped, and so is all that is not plain ASCII.
fn write_value(value: &str, out: &mut Vec<u8>) {
    let bytes = value.as_bytes();
    for (index, &byte) in bytes.iter().enumerate() {
        let is_end = index == 0 || index + 1 == bytes.len();
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => out.extend_from_slice(&[b'\\', byte]),
            b'#' if index == 0 => out.extend_from_slice(b"\\#"),
            b' ' if is_end => out.extend_from_slice(b"\\ "),
            0..=0x1f | 0x7f.. => push_hex(b'\\', byte, out),
            plain => out.push(plain),
        }
    }
}

pub(super) fn push_hex(mark: u8, byte: u8, out: &mut Vec<u8>) {
    out.push(mark);
    push_hex_digits(byte, out);
}

fn push_hex_digits(byte: u8, out: &mut Vec<u8>) {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 };
    out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
}

#[cfg(test)]
mod tests;
