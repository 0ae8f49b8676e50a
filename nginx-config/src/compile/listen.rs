//! `listen`: addresses and options of sockets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use underpass_core::Address;

use super::{
    Builder, all,
    upstream::{look_up, socket_path},
};
use crate::{
    check::missing_semicolon,
    error::{ConfigNote, Error, Position},
    loaded::{KeepAliveProbes, ListenOptions},
    syntax::{Directive, Word},
    values::{self, HostPort},
};

/// One address of a server.
pub(super) struct Listen {
    pub(super) address: Address,
    pub(super) default_server: bool,
    pub(super) proxy_protocol: bool,
    pub(super) ssl: bool,
    /// Absent when it says nothing of the socket.
    pub(super) options: Option<ListenOptions>,
    pub(super) written: String,
    pub(super) position: Position,
}

impl Builder<'_> {
    /// Where a server is reached: port 80 of every address when it doesn't say.
    pub(super) fn listens(&mut self, server: &Directive) -> Result<Vec<Listen>, Error> {
        let mut listens: Vec<Listen> = Vec::new();
        let mut quic = false;
        for directive in all(server.inside(), "listen") {
            let word = directive.argument(0);
            let addresses = self.listen_addresses(word)?;
            let parameters = self.listen_parameters(directive)?;
            if parameters.transport == Transport::Quic {
                // A socket of UDP, which may have the address of another `listen`.
                quic = true;
                continue;
            }
            for address in addresses {
                if listens.iter().any(|listen| listen.address == address) {
                    return Err(Error::new(&word.position, format!("a duplicate listen {address}")));
                }
                listens.push(Listen {
                    address,
                    default_server: parameters.default_server,
                    proxy_protocol: parameters.proxy_protocol,
                    ssl: parameters.transport == Transport::Tls,
                    options: parameters.options.clone(),
                    written: word.text.clone(),
                    position: word.position.clone(),
                });
            }
        }
        if listens.is_empty() && !quic {
            listens.push(Listen {
                address: SocketAddr::new(ANY, 80).into(),
                default_server: false,
                proxy_protocol: false,
                ssl: false,
                options: None,
                written: "*:80".to_owned(),
                position: server.name.position.clone(),
            });
        }
        Ok(listens)
    }

    fn listen_addresses(&self, word: &Word) -> Result<Vec<Address>, Error> {
        let text = word.text.as_str();
        let error = |fault: &str| {
            Error::new(&word.position, format!("{fault} in \"{text}\" of the \"listen\" directive"))
        };
        if let Some(path) = text.strip_prefix("unix:") {
            let place = "in \"unix:\" of the \"listen\" directive";
            return Ok(vec![Address::Unix(socket_path(path, word, place)?)]);
        }
        let (text, ports) = split_range(text).ok_or_else(|| error("invalid port"))?;
        let (hosts, first) = if values::number(text).is_some() {
            (vec![ANY], values::parse_port(text).ok_or_else(|| error("invalid port"))?)
        } else {
            let HostPort { host, port } = HostPort::parse(text).map_err(error)?;
            let hosts = if host == "*" {
                vec![ANY]
            } else {
                look_up(host, &*self.options.resolver).map_err(|hint| error("host not found").hint(hint))?
            };
            (hosts, port.unwrap_or(80))
        };
        let last = ports.unwrap_or(first);
        if last < first {
            return Err(error("invalid port range"));
        }
        let all_ports = |host| (first..=last).map(move |port| SocketAddr::new(host, port).into());
        Ok(hosts.into_iter().flat_map(all_ports).collect())
    }

    /// What stands behind the address.
    fn listen_parameters(&mut self, directive: &Directive) -> Result<Parameters, Error> {
        let mut parameters = Parameters::default();
        for word in directive.arguments.iter().skip(1) {
            let known = parameters.read(word)?;
            match known {
                Known::Yes => {}
                Known::WithoutEffect(why) => {
                    let name = word.text.split('=').next().unwrap_or_default();
                    let message = format!("\"{name}\" of \"listen\" has no effect: {why}");
                    self.note_once(format!("listen {name}"), ConfigNote::new(&word.position, message));
                }
                Known::No => {
                    let error = Error::new(&word.position, format!("invalid parameter \"{}\"", word.text));
                    return Err(match missing_semicolon(directive) {
                        Some(hint) => error.hint(hint),
                        None => error,
                    });
                }
            }
        }
        if let Some(word) = directive.arguments.iter().find(|word| word.text == "quic") {
            let message =
                "\"listen ... quic\" has no effect: clients speak HTTP/1.1 over TCP in this version";
            self.note_once("listen quic".to_owned(), ConfigNote::new(&word.position, message));
        }
        Ok(parameters)
    }
}

const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Splits the end of a range of ports off: `8000-8010`, `127.0.0.1:8000-8010`.
fn split_range(text: &str) -> Option<(&str, Option<u16>)> {
    let behind_host = text.rfind([':', ']']).map_or(0, |at| at + 1);
    let port = text.get(behind_host..)?;
    match port.split_once('-') {
        Some((first, last)) if values::number(first).is_some() => {
            Some((text.get(..behind_host + first.len())?, Some(values::parse_port(last)?)))
        }
        _ => Some((text, None)),
    }
}

/// What connections begin with.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Transport {
    #[default]
    Clear,
    /// `ssl`.
    Tls,
    /// `quic`.
    Quic,
}

#[derive(Default)]
struct Parameters {
    default_server: bool,
    proxy_protocol: bool,
    transport: Transport,
    options: Option<ListenOptions>,
}

/// What is known of a parameter.
enum Known {
    Yes,
    WithoutEffect(&'static str),
    No,
}

impl Parameters {
    fn read(&mut self, word: &Word) -> Result<Known, Error> {
        let (name, value) = match word.text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word.text.as_str(), None),
        };
        let error = |message: String| Err(Error::new(&word.position, message));
        match (name, value) {
            ("default_server" | "default", None) => self.default_server = true,
            ("proxy_protocol", None) => self.proxy_protocol = true,
            ("ssl" | "quic", None) => {
                let transport = if name == "ssl" { Transport::Tls } else { Transport::Quic };
                if !matches!(self.transport, Transport::Clear) && self.transport != transport {
                    return error("\"ssl\" parameter is incompatible with \"quic\"".to_owned());
                }
                self.transport = transport;
            }
            ("bind", None) => {
                self.options();
            }
            ("reuseport", None) => self.options().reuseport = true,
            ("deferred", None) => self.options().deferred = true,
            ("backlog", Some(value)) => match count(value) {
                Some(backlog) => self.options().backlog = Some(backlog),
                None => return error(format!("invalid backlog \"{}\"", word.text)),
            },
            ("rcvbuf" | "sndbuf", Some(value)) => {
                let Some(bytes) = values::size(value).and_then(|bytes| u32::try_from(bytes).ok()) else {
                    return error(format!("invalid {name} \"{}\"", word.text));
                };
                match name {
                    "rcvbuf" => self.options().receive_buffer = Some(bytes),
                    _ => self.options().send_buffer = Some(bytes),
                }
            }
            ("ipv6only", Some(value)) => {
                let Some(only) = values::flag(value) else { return Ok(Known::No) };
                // An IPv4 socket has nothing of it, as in nginx: a name may have addresses of both kinds.
                self.options().dual_stack = !only;
            }
            ("so_keepalive", Some(value)) => match probes(value) {
                Some(probes) => self.options().keepalive = Some(probes),
                None => {
                    return error(format!("invalid so_keepalive value: \"{value}\"")).map_err(|error| {
                        error.hint("it is on, off, or idle:interval:count, of which some may be left out")
                    });
                }
            },
            ("http2", None) => return Ok(Known::WithoutEffect("clients speak HTTP/1.1 in this version")),
            ("setfib" | "fastopen" | "accept_filter", Some(_)) | ("multipath", None) => {
                return Ok(Known::WithoutEffect("it is not in this version"));
            }
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    fn options(&mut self) -> &mut ListenOptions {
        self.options.get_or_insert_default()
    }
}

fn count(text: &str) -> Option<u32> {
    values::number(text).and_then(|number| u32::try_from(number).ok()).filter(|number| *number != 0)
}

/// `on`, `off`, `IDLE:INTERVAL:COUNT`.
fn probes(text: &str) -> Option<KeepAliveProbes> {
    if let Some(flag) = values::flag(text) {
        let on = KeepAliveProbes::On { idle: None, interval: None, count: None };
        return Some(if flag { on } else { KeepAliveProbes::Off });
    }
    let mut parts = text.split(':');
    let mut time = || match parts.next()? {
        "" => Some(None),
        text => values::time(text).map(Some),
    };
    let (idle, interval) = (time()?, time()?);
    let count = match parts.next()? {
        "" => None,
        text => Some(count(text)?),
    };
    if parts.next().is_some() || (idle, interval, count) == (None, None, None) {
        return None;
    }
    Some(KeepAliveProbes::On { idle, interval, count })
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn ranges_of_ports() {
        for (text, expected) in [
            ("8000-8010", Some(("8000", Some(8010)))),
            ("a-b:80-81", Some(("a-b:80", Some(81)))),
            ("a-b", Some(("a-b", None))),
            ("[::1]:80-81", Some(("[::1]:80", Some(81)))),
            ("80", Some(("80", None))),
            ("80-", None),
            ("80-0", None),
        ] {
            assert_eq!(split_range(text), expected, "{text}");
        }
    }

    #[test]
    fn probes_of_idle_connections() {
        let on = |idle: Option<u64>, interval: Option<u64>, count| {
            let seconds = |time: Option<u64>| time.map(Duration::from_secs);
            Some(KeepAliveProbes::On { idle: seconds(idle), interval: seconds(interval), count })
        };
        for (text, expected) in [
            ("on", on(None, None, None)),
            ("off", Some(KeepAliveProbes::Off)),
            ("30m::10", on(Some(1800), None, Some(10))),
            ("1:2:3", on(Some(1), Some(2), Some(3))),
            (":2:", on(None, Some(2), None)),
            ("::", None),
            ("1:2", None),
            ("1:2:3:4", None),
            ("a:2:3", None),
        ] {
            assert_eq!(probes(text), expected, "{text}");
        }
    }
}
