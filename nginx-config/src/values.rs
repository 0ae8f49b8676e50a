//! Values as nginx writes them: times, sizes, numbers, addresses.

use core::time::Duration;

use underpass_core::Network;

/// The largest number nginx takes.
const MAX: u64 = i64::MAX as u64;

/// Units and their milliseconds.
type Units = [(&'static str, u64)];

const UP_TO_WEEKS: &Units =
    &[("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Years of 365 days, months of 30; no milliseconds.
const UP_TO_YEARS: &Units = &[
    ("y", 31_536_000_000),
    ("M", 2_592_000_000),
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
];

/// A time: numbers with units from large to small, `1m30s`; without a unit, seconds.
pub(crate) fn time(text: &str) -> Option<Duration> {
    time_in(UP_TO_WEEKS, text)
}

/// A time where nginx counts whole seconds: `1y`, `6M`, `1h30m`.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    time_in(UP_TO_YEARS, text)
}

fn time_in(units: &Units, text: &str) -> Option<Duration> {
    let mut total: u64 = 0;
    let mut smallest = u64::MAX;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let value = number(rest.get(..digits)?)?;
        rest = rest.get(digits..)?;
        // A space ends a number of seconds, as does the end of the text.
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (unit, behind) = rest.split_at(letters);
        let scale = match unit {
            "" if behind.is_empty() || behind.starts_with(' ') => 1000,
            _ => units.iter().find(|(name, _)| *name == unit)?.1,
        };
        if scale >= smallest {
            return None;
        }
        smallest = scale;
        total = value
            .checked_mul(scale)
            .and_then(|span| span.checked_add(total))
            .filter(|total| *total <= MAX)?;
        rest = behind.trim_start_matches(' ');
    }
    (smallest != u64::MAX).then(|| Duration::from_millis(total))
}

/// A number of bytes: `10`, `8k`, `1m`, `2g`.
pub(crate) fn size(text: &str) -> Option<u64> {
    let unit = text.bytes().next_back()?.to_ascii_lowercase();
    let (digits, scale) = match unit {
        b'k' => (text.get(..text.len() - 1)?, 1 << 10),
        b'm' => (text.get(..text.len() - 1)?, 1 << 20),
        b'g' => (text.get(..text.len() - 1)?, 1 << 30),
        _ => (text, 1),
    };
    number(digits)?.checked_mul(scale).filter(|size| *size <= MAX)
}

/// A number in decimal, without a sign.
pub(crate) fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|number| *number <= MAX)
}

/// `on` or `off`; case is ignored.
pub(crate) fn flag(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("on") {
        Some(true)
    } else if text.eq_ignore_ascii_case("off") {
        Some(false)
    } else {
        None
    }
}

/// A host and perhaps a port, `example.com:80`, `[::1]:80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostPort<'t> {
    /// The host; an IPv6 address in its brackets.
    pub(crate) host: &'t str,
    pub(crate) port: Option<u16>,
}

impl<'t> HostPort<'t> {
    /// Splits `text`; what is wrong with it, in nginx's words.
    pub(crate) fn parse(text: &'t str) -> Result<Self, &'static str> {
        let (host, port) = if text.starts_with('[') {
            let end = text.find(']').ok_or("invalid host")?;
            let (host, behind) = text.split_at(end + 1);
            let address = host.trim_matches(['[', ']']);
            address.parse::<std::net::Ipv6Addr>().map_err(|_| "invalid IPv6 address")?;
            match behind.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if behind.is_empty() => (host, None),
                None => return Err("invalid host"),
            }
        } else {
            text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
        };
        if host.is_empty() {
            return Err("no host");
        }
        if text.contains(['/', '?', '#', '@', '\\']) {
            return Err("invalid host");
        }
        Ok(Self { host, port: port.map(|port| parse_port(port).ok_or("invalid port")).transpose()? })
    }
}

/// A port, 1 to 65535.
pub(crate) fn parse_port(text: &str) -> Option<u16> {
    number(text).and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)
}

/// Addresses as `10.0.0.0/8`, or one of them.
pub(crate) fn network(text: &str) -> Option<Network> {
    let Some((address, bits)) = text.split_once('/') else {
        return text.parse().ok().map(Network::host);
    };
    let address: std::net::IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = number(bits).and_then(|bits| u8::try_from(bits).ok()).filter(|bits| *bits <= most)?;
    Some(Network::new(address, bits))
}

/// Whether `text` is a host name or a mask of some: `*.example.com`, `.example.com`, `example.*`.
pub(crate) fn is_host_mask(text: &str) -> bool {
    let masked = [text.strip_prefix("*."), text.strip_prefix('.'), text.strip_suffix(".*")];
    let name = masked.into_iter().flatten().next();
    !text.contains("..")
        && !text.contains('\0')
        && name.map_or_else(|| !text.contains('*'), |name| !name.is_empty() && !name.contains('*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        for (text, expected) in [
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("10.1.2.3", Some("10.1.2.3/32")),
            ("10.1.2.3/8", Some("10.0.0.0/8")),
            ("::/0", Some("::/0")),
            ("fe80::1", Some("fe80::1/128")),
            ("10.0.0.0/33", None),
            ("10.0.0.0/", None),
            ("10.0.0", None),
            ("all", None),
        ] {
            assert_eq!(network(text).map(|network| network.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn masks_of_hosts() {
        for text in ["", "a", "*.a", ".a", "a.*", "*.a.b", "a.b.*"] {
            assert!(is_host_mask(text), "{text:?}");
        }
        for text in ["*", "*.", ".", "a*", "*a", "a.*.b", "*.a.*", "a..b", "*a.b"] {
            assert!(!is_host_mask(text), "{text:?}");
        }
    }

    #[test]
    fn times() {
        for (text, expected) in [
            ("0", Some(0)),
            ("75", Some(75_000)),
            ("5ms", Some(5)),
            ("1m30s", Some(90_000)),
            ("1m 30s", Some(90_000)),
            ("1m30", Some(90_000)),
            ("1w2d3h4m5s6ms", Some(788_645_006)),
            ("30s1m", None),
            ("1s1s", None),
            ("1M", None),
            ("1y", None),
            ("", None),
            (" ", None),
            ("s", None),
            ("1x", None),
            ("-1", None),
            ("1.5s", None),
            ("9223372036854775807", None),
            ("99999999999999999999999ms", None),
            ("1é", None),
        ] {
            assert_eq!(time(text), expected.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn whole_seconds() {
        for (text, expected) in [
            ("1y", Some(31_536_000)),
            ("1y2M3w", Some(31_536_000 + 2 * 2_592_000 + 3 * 604_800)),
            ("6M", Some(15_552_000)),
            ("1h30m", Some(5400)),
            ("30", Some(30)),
            ("1M1y", None),
            ("5ms", None),
        ] {
            assert_eq!(seconds(text), expected.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1k", Some(1024)),
            ("8K", Some(8192)),
            ("1m", Some(1 << 20)),
            ("2G", Some(2 << 30)),
            ("", None),
            ("m", None),
            ("1kk", None),
            ("1t", None),
            ("99999999999g", None),
            ("1é", None),
        ] {
            assert_eq!(size(text), expected, "{text:?}");
        }
    }

    #[test]
    fn hosts() {
        let parsed = |text| HostPort::parse(text).map(|parsed| (parsed.host, parsed.port));
        for (text, expected) in [
            ("a", Ok(("a", None))),
            ("a:80", Ok(("a", Some(80)))),
            ("[::1]", Ok(("[::1]", None))),
            ("[::1]:81", Ok(("[::1]", Some(81)))),
            ("", Err("no host")),
            (":80", Err("no host")),
            ("a:", Err("invalid port")),
            ("a:0", Err("invalid port")),
            ("a:99999", Err("invalid port")),
            ("a:80:90", Err("invalid port")),
            ("[::1", Err("invalid host")),
            ("[::1]x", Err("invalid host")),
            ("[x]:80", Err("invalid IPv6 address")),
            ("http://a", Err("invalid host")),
            ("a/b", Err("invalid host")),
        ] {
            assert_eq!(parsed(text), expected, "{text:?}");
        }
    }
}
