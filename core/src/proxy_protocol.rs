//! The PROXY protocol, versions 1 and 2: a connection that another proxy made begins with a header that tells
//! of its client (HAProxy's proxy-protocol.txt; nginx `listen … proxy_protocol`, `proxy_protocol`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{Address, time::write_decimal};

/// What a header tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxied {
    /// The client.
    pub source: SocketAddr,
    /// Where it connected to.
    pub destination: SocketAddr,
}

/// What reading a header has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// More bytes are needed.
    Partial,
    /// It took so many bytes, and tells of a client or of none (a health check of the proxy itself, or a
    /// family without addresses that mean something here).
    Complete(usize, Option<Proxied>),
    /// It is no such header.
    Malformed,
}

/// The longest header of version 1, CRLF included.
const LONGEST_V1: usize = 107;

/// What version 2 begins with: no other protocol does.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Reads a header from the front of `bytes`.
#[must_use]
pub fn read(bytes: &[u8]) -> Greeting {
    if starts_alike(bytes, SIGNATURE) {
        return read_v2(bytes);
    }
    if !starts_alike(bytes, b"PROXY ") {
        return Greeting::Malformed;
    }
    let Some(feed) = memchr::memchr(b'\n', bytes) else {
        return if bytes.len() < LONGEST_V1 { Greeting::Partial } else { Greeting::Malformed };
    };
    match bytes.get(..feed).and_then(|line| line.strip_suffix(b"\r")).filter(|_| feed < LONGEST_V1) {
        Some(line) => {
            read_v1(line).map_or(Greeting::Malformed, |proxied| Greeting::Complete(feed + 1, proxied))
        }
        None => Greeting::Malformed,
    }
}

/// Whether `bytes` begin with `start`, as far as they go.
fn starts_alike(bytes: &[u8], start: &[u8]) -> bool {
    let length = bytes.len().min(start.len());
    bytes.get(..length) == start.get(..length)
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 40000 80`; `None` when it is malformed.
fn read_v1(line: &[u8]) -> Option<Option<Proxied>> {
    let text = std::str::from_utf8(line).ok()?.strip_prefix("PROXY ")?;
    let mut words = text.split(' ');
    let is_v4 = match words.next()? {
        "UNKNOWN" => return Some(None),
        "TCP4" => true,
        "TCP6" => false,
        _ => return None,
    };
    let (source, destination) = (words.next()?, words.next()?);
    let (source_port, destination_port) = (words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    let address = |ip: &str, port: &str| {
        let ip = ip.parse::<IpAddr>().ok().filter(|ip| ip.is_ipv4() == is_v4)?;
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        port.parse().ok().filter(|_| is_number).map(|port| SocketAddr::new(ip, port))
    };
    let source = address(source, source_port)?;
    Some(Some(Proxied { source, destination: address(destination, destination_port)? }))
}

fn read_v2(bytes: &[u8]) -> Greeting {
    let Some((fixed, rest)) = bytes.split_first_chunk::<16>() else { return Greeting::Partial };
    let [.., version_and_command, family, high, low] = *fixed;
    let (version, command) = (version_and_command >> 4, version_and_command & 15);
    if version != 2 || command > 1 {
        return Greeting::Malformed;
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    let Some(addresses) = rest.get(..length) else { return Greeting::Partial };
    let proxied = match (command, family) {
        // LOCAL: the proxy speaks for itself.
        (0, _) => None,
        (_, 0x11) => match v4(addresses) {
            Some(proxied) => Some(proxied),
            None => return Greeting::Malformed,
        },
        (_, 0x21) => match v6(addresses) {
            Some(proxied) => Some(proxied),
            None => return Greeting::Malformed,
        },
        _ => None,
    };
    Greeting::Complete(16 + length, proxied)
}

fn v4(addresses: &[u8]) -> Option<Proxied> {
    let ([source, destination], ports) = addresses.split_first_chunk::<8>().map(|(ips, rest)| {
        let [a, b, c, d, e, f, g, h] = *ips;
        ([Ipv4Addr::new(a, b, c, d), Ipv4Addr::new(e, f, g, h)], rest)
    })?;
    with_ports(source.into(), destination.into(), ports)
}

fn v6(addresses: &[u8]) -> Option<Proxied> {
    let (source, rest) = addresses.split_first_chunk::<16>()?;
    let (destination, ports) = rest.split_first_chunk::<16>()?;
    with_ports(Ipv6Addr::from(*source).into(), Ipv6Addr::from(*destination).into(), ports)
}

fn with_ports(source: IpAddr, destination: IpAddr, ports: &[u8]) -> Option<Proxied> {
    let ([a, b, c, d], _) = ports.split_first_chunk::<4>().map(|(ports, rest)| (*ports, rest))?;
    let (from, to) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    Some(Proxied { source: SocketAddr::new(source, from), destination: SocketAddr::new(destination, to) })
}

/// Writes a header of version 1, as nginx does.
pub(crate) fn write(source: &Address, destination: &Address, out: &mut Vec<u8>) {
    let (Address::Ip(source), Address::Ip(destination)) = (source, destination) else {
        return out.extend_from_slice(b"PROXY UNKNOWN\r\n");
    };
    out.extend_from_slice(match (source.ip(), destination.ip()) {
        (IpAddr::V4(_), IpAddr::V4(_)) => b"PROXY TCP4 ",
        (IpAddr::V6(_), IpAddr::V6(_)) => b"PROXY TCP6 ",
        _ => return out.extend_from_slice(b"PROXY UNKNOWN\r\n"),
    });
    for ip in [source.ip(), destination.ip()] {
        out.extend_from_slice(ip.to_string().as_bytes());
        out.push(b' ');
    }
    write_decimal(out, u64::from(source.port()));
    out.push(b' ');
    write_decimal(out, u64::from(destination.port()));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxied(source: &str, destination: &str) -> Option<Proxied> {
        let address = |text: &str| text.parse().expect("an address");
        Some(Proxied { source: address(source), destination: address(destination) })
    }

    #[test]
    fn version_1() {
        for (header, expected) in [
            ("PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n", proxied("192.0.2.1:40000", "192.0.2.2:80")),
            ("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", proxied("[2001:db8::1]:1", "[::1]:2")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
        ] {
            let bytes = [header.as_bytes(), b"GET /"].concat();
            assert_eq!(read(&bytes), Greeting::Complete(header.len(), expected), "{header}");
            for length in 0..header.len() {
                assert_eq!(read(&bytes[..length]), Greeting::Partial, "{header} {length}");
            }
        }
        for malformed in [
            "GET / HTTP/1.1\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 40000\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 40000 80 \r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 40000 99999\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 +1 80\r\n",
            "PROXY UDP4 192.0.2.1 192.0.2.2 40000 80\r\n",
            "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY UNKNOWN\n",
        ] {
            assert_eq!(read(malformed.as_bytes()), Greeting::Malformed, "{malformed}");
        }
        assert_eq!(read(&[b"PROXY UNKNOWN ".as_slice(), &[b'x'; 100]].concat()), Greeting::Malformed);
    }

    #[test]
    fn version_1_has_a_longest_header() {
        let header = |length: usize| [b"PROXY UNKNOWN ".as_slice(), &vec![b'x'; length - 14]].concat();
        assert_eq!(read(&header(LONGEST_V1 - 1)), Greeting::Partial);
        assert_eq!(read(&header(LONGEST_V1)), Greeting::Malformed, "its end would be too late");
        let whole = |length: usize| [header(length - 2).as_slice(), b"\r\n"].concat();
        assert_eq!(read(&whole(LONGEST_V1)), Greeting::Complete(LONGEST_V1, None));
        assert_eq!(read(&whole(LONGEST_V1 + 1)), Greeting::Malformed);
    }

    #[test]
    fn version_2() {
        let header = |command: u8, family: u8, addresses: &[u8]| {
            let length = u16::try_from(addresses.len()).expect("short").to_be_bytes();
            [SIGNATURE.as_slice(), &[0x20 | command, family], &length, addresses].concat()
        };
        let v4 = [192, 0, 2, 1, 192, 0, 2, 2, 0x9c, 0x40, 0, 80];
        let expected = proxied("192.0.2.1:40000", "192.0.2.2:80");
        let plain = header(1, 0x11, &v4);
        assert_eq!(read(&plain), Greeting::Complete(28, expected));
        for length in 0..plain.len() {
            assert_eq!(read(&plain[..length]), Greeting::Partial);
        }
        let with_extension = header(1, 0x11, &[v4.as_slice(), &[4, 0, 1, 0]].concat());
        assert_eq!(read(&with_extension), Greeting::Complete(32, expected));
        assert_eq!(read(&header(0, 0, &[])), Greeting::Complete(16, None));
        assert_eq!(read(&header(0, 0x11, &v4)), Greeting::Complete(28, None), "LOCAL tells of nobody");
        assert_eq!(read(&header(1, 0x31, &[0; 216])), Greeting::Complete(232, None));
        let v6 = [[0; 15].as_slice(), &[1], &[0; 15], &[2], &[0, 1, 0, 2]].concat();
        assert_eq!(read(&header(1, 0x21, &v6)), Greeting::Complete(52, proxied("[::1]:1", "[::2]:2")));
        for malformed in [header(2, 0x11, &v4), header(1, 0x11, &v4[..11]), header(1, 0x21, &v4)] {
            assert_eq!(read(&malformed), Greeting::Malformed);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let address = |text: &str| Address::Ip(text.parse().expect("an address"));
        let mut out = Vec::new();
        write(&address("192.0.2.1:40000"), &address("192.0.2.2:80"), &mut out);
        assert_eq!(out, b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n");
        assert_eq!(read(&out), Greeting::Complete(out.len(), proxied("192.0.2.1:40000", "192.0.2.2:80")));
        out.clear();
        write(&address("[2001:db8::1]:1"), &address("[::1]:80"), &mut out);
        assert_eq!(out, b"PROXY TCP6 2001:db8::1 ::1 1 80\r\n");
        out.clear();
        write(&address("[::1]:1"), &address("192.0.2.2:80"), &mut out);
        assert_eq!(out, b"PROXY UNKNOWN\r\n");
    }
}
