//! `syslog:` as the place of a log.

use std::net::SocketAddr;

use underpass_core::{Address, Severity};

use super::{
    Builder,
    upstream::{look_up, socket_path},
};
use crate::{
    error::Error,
    loaded::Syslog,
    syntax::Word,
    values::{HostPort, number},
};

/// What stands in front of the parameters.
pub(super) const PREFIX: &str = "syslog:";

/// nginx's names; the place of each is its number (RFC 3164 §4.1.1).
const FACILITIES: &[&str] = &[
    "kern", "user", "mail", "daemon", "auth", "intern", "lpr", "news", "uucp", "clock", "authpriv", "ftp",
    "ntp", "audit", "alert", "cron", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

/// RFC 3164 §4.1.3.
const LONGEST_TAG: usize = 32;

/// The port of syslog servers (RFC 3164 §2).
const PORT: u16 = 514;

impl Builder<'_> {
    /// Reads the parameters behind [`PREFIX`], as nginx does and in its words.
    pub(super) fn syslog(&self, word: &Word) -> Result<Syslog, Error> {
        let error = |message: String| Error::new(&word.position, message);
        let duplicate = |name: &str| error(format!("duplicate syslog \"{name}\""));
        let (mut server, mut facility, mut severity, mut tag, mut hostname) = (None, None, None, None, true);
        for parameter in word.text.strip_prefix(PREFIX).unwrap_or_default().split(',') {
            match parameter.split_once('=') {
                Some(("server", _)) if server.is_some() => return Err(duplicate("server")),
                Some(("server", text)) => server = Some((text, self.syslog_server(text, word)?)),
                Some(("facility", _)) if facility.is_some() => return Err(duplicate("facility")),
                Some(("facility", name)) => {
                    let known = FACILITIES.iter().position(|known| *known == name);
                    let known = known.and_then(|known| u8::try_from(known).ok());
                    facility =
                        Some(known.ok_or_else(|| error(format!("unknown syslog facility \"{name}\"")))?);
                }
                Some(("severity", _)) if severity.is_some() => return Err(duplicate("severity")),
                Some(("severity", name)) => {
                    let known = name.parse::<Severity>();
                    severity = Some(known.map_err(|_| error(format!("unknown syslog severity \"{name}\"")))?);
                }
                Some(("tag", _)) if tag.is_some() => return Err(duplicate("tag")),
                Some(("tag", text)) => {
                    if text.len() > LONGEST_TAG {
                        return Err(error(format!("syslog tag length exceeds {LONGEST_TAG}")));
                    }
                    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                        let message = "syslog \"tag\" only allows alphanumeric characters and underscore";
                        return Err(error(message.to_owned()));
                    }
                    tag = Some(text.to_owned());
                }
                None if parameter == "nohostname" => hostname = false,
                _ => return Err(error(format!("unknown syslog parameter \"{parameter}\""))),
            }
        }
        let (written, server) = server.ok_or_else(|| error("no syslog server specified".to_owned()))?;
        Ok(Syslog {
            server,
            written: written.to_owned(),
            facility: facility.unwrap_or(23),
            severity: severity.unwrap_or(Severity::Info),
            tag: tag.unwrap_or_else(|| "nginx".to_owned()),
            hostname: hostname.then(|| self.options.identity.hostname.to_string()),
        })
    }

    /// A name is looked up when the configuration is loaded; the first address counts.
    fn syslog_server(&self, text: &str, word: &Word) -> Result<Address, Error> {
        let error = |fault: &str| Error::new(&word.position, format!("{fault} in syslog server \"{text}\""));
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Address::Unix(socket_path(path, word, &format!("in syslog server \"{text}\""))?));
        }
        let HostPort { host, port } = HostPort::parse(text).map_err(error)?;
        if number(host).is_some() {
            // To the system a number is an address of its own kind.
            return Err(error("invalid host"));
        }
        let found = look_up(host, &*self.options.resolver);
        let found = found.map_err(|hint| error("host not found").hint(hint))?;
        let ip = found.first().ok_or_else(|| error("host not found"))?;
        Ok(Address::Ip(SocketAddr::new(*ip, port.unwrap_or(PORT))))
    }
}
