//! Limits and timeouts towards the client, and who it is.

use std::{net::SocketAddr, sync::Arc};

use underpass_core::config::{
    LingeringClose, MAX_HEAD, RealIp, RealIpSource, ResolverId, ServerTokens, Settings,
};

use super::{
    Builder, all,
    level::{Level, has},
    upstream::look_up,
};
use crate::{
    error::Error,
    loaded::Resolver,
    syntax::{Directive, Word},
    values::{self, HostPort},
};

impl Builder<'_> {
    pub(super) fn settings(&mut self, level: &mut Level<'_>, block: &[Directive]) -> Result<(), Error> {
        self.real_ip(level, block)?;
        let mut settings = Settings::default();
        settings.client_header_timeout = level.time("client_header_timeout")?;
        settings.client_body_timeout = level.time("client_body_timeout")?;
        settings.client_max_body_size = level.value("client_max_body_size", values::size)?;
        settings.send_timeout = level.time("send_timeout")?;
        settings.auth_delay = level.time("auth_delay")?;
        settings.keepalive_timeout = level.time("keepalive_timeout")?;
        settings.keepalive_requests = level.value("keepalive_requests", values::number)?;
        settings.keepalive_time = level.time("keepalive_time")?;
        settings.lingering_time = level.time("lingering_time")?;
        settings.lingering_timeout = level.time("lingering_timeout")?;
        settings.lingering_close = level.value("lingering_close", |text| match text {
            "off" => Some(LingeringClose::Off),
            "on" => Some(LingeringClose::On),
            "always" => Some(LingeringClose::Always),
            _ => None,
        })?;
        settings.reset_timedout_connection = level.flag("reset_timedout_connection")?;
        settings.underscores_in_headers = level.flag("underscores_in_headers")?;
        settings.allow_bare_lf = level.flag("allow_bare_lf")?;
        settings.merge_slashes = level.flag("merge_slashes")?;
        settings.client_header_start = level.value("client_header_buffer_size", bytes)?;
        (settings.client_header_line, settings.client_header_size) = header_sizes(level)?;
        settings.server_tokens = level.value("server_tokens", |text| {
            Some(match text {
                "on" | "build" => ServerTokens::On,
                "off" => ServerTokens::Off,
                text => ServerTokens::Text(text.into()),
            })
        })?;
        settings.absolute_redirect = level.flag("absolute_redirect")?;
        settings.port_in_redirect = level.flag("port_in_redirect")?;
        settings.server_name_in_redirect = level.flag("server_name_in_redirect")?;
        settings.resolver_timeout = level.time("resolver_timeout")?;
        settings.max_headers = level.value("max_headers", |text| {
            values::number(text).and_then(|number| usize::try_from(number).ok()).filter(|number| *number != 0)
        })?;
        settings.real_ip.clone_from(&level.real_ip);
        if settings != *level.settings {
            level.settings = Arc::new(settings);
        }
        Ok(())
    }

    /// `set_real_ip_from`, `real_ip_header`, `real_ip_recursive`.
    fn real_ip(&mut self, level: &mut Level<'_>, block: &[Directive]) -> Result<(), Error> {
        if !has(block, &["set_real_ip_from", "real_ip_header", "real_ip_recursive"]) {
            return Ok(());
        }
        let mut real_ip = RealIp::new(Vec::new());
        if let Some(outer) = &level.real_ip {
            real_ip.clone_from(outer);
        }
        let own = has(block, &["set_real_ip_from"]);
        if own {
            real_ip.trusts_unix = false;
        }
        let mut trusted = Vec::new();
        for directive in all(block, "set_real_ip_from") {
            let word = directive.argument(0);
            if word.text == "unix:" {
                real_ip.trusts_unix = true;
            } else if word.text.contains('/') || values::network(&word.text).is_some() {
                trusted.push(self.network(word)?);
            } else {
                let addresses = look_up(&word.text, &*self.options.resolver).map_err(|hint| {
                    let message = format!("host not found in set_real_ip_from \"{}\"", word.text);
                    Error::new(&word.position, message).hint(hint)
                })?;
                trusted.extend(addresses.into_iter().map(underpass_core::Network::host));
            }
        }
        if own {
            real_ip.trusted = trusted.into_iter().collect();
        }
        real_ip.source = level.value("real_ip_header", |text| {
            Some(match text {
                "proxy_protocol" => RealIpSource::ProxyProtocol,
                field => RealIpSource::Field(field.into()),
            })
        })?;
        real_ip.recursive = level.flag("real_ip_recursive")?;
        level.real_ip = Some(Arc::new(real_ip));
        Ok(())
    }

    /// `resolver`: its number, where the block has one.
    pub(super) fn resolver(&mut self, block: &[Directive]) -> Result<Option<ResolverId>, Error> {
        let Some(directive) = all(block, "resolver").next() else { return Ok(None) };
        let mut resolver = Resolver { servers: Vec::new(), valid: None, ipv4: true, ipv6: true };
        for word in &directive.arguments {
            self.resolver_word(&mut resolver, word)?;
        }
        if !resolver.ipv4 && !resolver.ipv6 {
            let message = "\"ipv4\" and \"ipv6\" cannot both be \"off\"";
            return Err(Error::new(&directive.name.position, message));
        }
        if resolver.servers.is_empty() {
            return Err(Error::new(&directive.name.position, "no name servers defined"));
        }
        let index = self.resolvers.iter().position(|known| *known == resolver).unwrap_or_else(|| {
            self.resolvers.push(resolver);
            self.resolvers.len() - 1
        });
        Ok(u32::try_from(index).ok().map(ResolverId))
    }

    fn resolver_word(&self, resolver: &mut Resolver, word: &Word) -> Result<(), Error> {
        let invalid = || Error::new(&word.position, format!("invalid parameter: {}", word.text));
        match word.text.split_once('=') {
            Some(("valid", time)) => resolver.valid = Some(values::seconds(time).ok_or_else(invalid)?),
            Some(("ipv4", flag)) => resolver.ipv4 = values::flag(flag).ok_or_else(invalid)?,
            Some(("ipv6", flag)) => resolver.ipv6 = values::flag(flag).ok_or_else(invalid)?,
            Some(("status_zone", _)) => {}
            Some(_) => return Err(invalid()),
            None => {
                let error = |fault| {
                    let message = format!("{fault} in resolver \"{}\"", word.text);
                    Error::new(&word.position, message)
                };
                let HostPort { host, port } = HostPort::parse(&word.text).map_err(error)?;
                let addresses = look_up(host, &*self.options.resolver)
                    .map_err(|hint| error("host not found").hint(hint))?;
                let server = |ip| SocketAddr::new(ip, port.unwrap_or(53));
                resolver.servers.extend(addresses.into_iter().map(server));
            }
        }
        Ok(())
    }
}

/// The bytes of a line, and of a whole head.
fn header_sizes(level: &Level<'_>) -> Result<(usize, usize), Error> {
    let Some(directive) = level.innermost("large_client_header_buffers") else {
        let settings = Settings::default();
        return Ok((settings.client_header_line, settings.client_header_size));
    };
    let (number, size) = (directive.argument(0), directive.argument(1));
    let invalid =
        |word: &Word| Error::new(&word.position, "\"large_client_header_buffers\" directive invalid value");
    let count = values::number(&number.text)
        .and_then(|count| usize::try_from(count).ok())
        .filter(|count| *count != 0)
        .ok_or_else(|| invalid(number))?;
    let line = bytes_of_head(&size.text).ok_or_else(|| invalid(size))?;
    let whole = line
        .checked_mul(count)
        .filter(|whole| *whole <= MAX_HEAD)
        .ok_or_else(|| invalid(number).hint("the head of a request would be larger than 1g"))?;
    Ok((line, whole))
}

/// A size that a head can have.
fn bytes(text: &str) -> Option<usize> {
    let size = values::size(text).and_then(|size| usize::try_from(size).ok());
    size.filter(|size| *size <= MAX_HEAD)
}

/// The same, where 0 would leave no room for any head.
pub(super) fn bytes_of_head(text: &str) -> Option<usize> {
    bytes(text).filter(|size| *size != 0)
}
