//! `proxy_pass` and the directives that go with it.

use std::net::{IpAddr, SocketAddr};

use underpass_core::{
    Version,
    config::{Bind, NextUpstream, Proxy, ResponseRewriting, SetHeader, SocketOptions, Via},
    template::{Escape, Template},
};

use super::{
    Builder, level::Level, location::Matcher, redirect::substitutions, settings::bytes_of_head,
    upgrade::upgrade,
};
use crate::{
    error::Error,
    syntax::{Directive, Word},
    values,
};

impl Builder<'_> {
    /// Reads `proxy_pass URL` in the location of `matcher`; in an `if` there is none.
    pub(super) fn proxy(
        &mut self,
        url: &Word,
        level: &Level<'_>,
        matcher: Option<&Matcher>,
    ) -> Result<Proxy, Error> {
        let destination = self.destination(url, matcher)?;
        let mut proxy = Proxy::new(destination.target, &destination.host);
        proxy.port = destination.port.into();
        if destination.tls {
            proxy.tls = Some(self.proxy_tls(level)?);
        }
        let redirects = match destination.variable {
            true => substitutions(level, None, None),
            false => {
                let path = destination.uri.as_ref().and(matcher).map(Matcher::path);
                substitutions(level, Some(&url.text), path)
            }
        };
        proxy.uri = destination.uri;
        proxy.http_version = level.value("proxy_http_version", |text| match text {
            "1.0" => Some(Version::Http10),
            "1.1" => Some(Version::Http11),
            _ => None,
        })?;
        proxy.connect_timeout = level.time("proxy_connect_timeout")?;
        proxy.send_timeout = level.time("proxy_send_timeout")?;
        proxy.read_timeout = level.time("proxy_read_timeout")?;
        proxy.set_headers.clone_from(&level.set_headers);
        proxy.ignore_client_abort = level.flag("proxy_ignore_client_abort")?;
        proxy.via = level.value("proxy_via", |text| match text {
            "request" => Some(Via::Request),
            "both" => Some(Via::Both),
            "off" => Some(Via::Off),
            _ => None,
        })?;
        proxy.buffer_size = level.value("proxy_buffer_size", bytes_of_head)?;
        proxy.next_upstream = next_upstream(level, "proxy")?;
        proxy.upgrade = upgrade(level)?;
        proxy.method = self.template_of(level, "proxy_method")?;
        proxy.set_body = self.template_of(level, "proxy_set_body")?;
        proxy.pass_request_headers = level.flag("proxy_pass_request_headers")?;
        proxy.pass_request_body = level.flag("proxy_pass_request_body")?;
        proxy.pass_trailers = level.flag("proxy_pass_trailers")?;
        proxy.limit_rate = self.rate(level, "proxy_limit_rate")?;
        let ignored = level.innermost("proxy_ignore_headers").map(|directive| directive.arguments.as_slice());
        let ignored = ignored.unwrap_or_default();
        proxy.obeys_limit_rate = ignored.iter().all(|field| field.text != "x-accel-limit-rate");
        proxy.response = response(level)?;
        proxy.response.redirects = redirects;
        proxy.socket = self.socket(level)?;
        proxy.proxy_protocol = level.flag("proxy_protocol")?;
        Ok(proxy)
    }

    /// Reads one `proxy_set_header`.
    pub(super) fn set_header(&self, directive: &Directive) -> Result<SetHeader, Error> {
        let (name, value) = (directive.argument(0), directive.argument(1));
        let value = self.template(value, Escape::None)?;
        SetHeader::new(&name.text, value).map_err(|error| {
            Error::new(&name.position, format!("invalid field name \"{}\"", name.text))
                .hint(error.to_string())
        })
    }

    fn template_of(&self, level: &Level<'_>, name: &str) -> Result<Option<Template>, Error> {
        let word = level.innermost(name).map(|directive| directive.argument(0));
        word.map(|word| self.template(word, Escape::None)).transpose()
    }

    fn socket(&self, level: &Level<'_>) -> Result<SocketOptions, Error> {
        let mut socket = SocketOptions::default();
        socket.keepalive = level.flag("proxy_socket_keepalive")?;
        if let Some(directive) = level.innermost("proxy_bind") {
            socket.bind = self.bind(directive)?;
        }
        Ok(socket)
    }

    pub(super) fn bind(&self, directive: &Directive) -> Result<Bind, Error> {
        let word = directive.argument(0);
        if let Some(more) = directive.arguments.get(1) {
            let error = Error::new(&more.position, format!("invalid parameter \"{}\"", more.text));
            return Err(match more.text.as_str() {
                "transparent" => error.hint("\"transparent\" is not in this version"),
                _ => error,
            });
        }
        if word.text == "off" {
            return Ok(Bind::Any);
        }
        if word.text.contains('$') {
            return Ok(Bind::Template(self.template(word, Escape::None)?));
        }
        let plain = word.text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let address = plain.map(|ip| SocketAddr::new(ip, 0)).or_else(|_| word.text.parse());
        address
            .map(Bind::Address)
            .map_err(|_| Error::new(&word.position, format!("invalid address \"{}\"", word.text)))
    }
}

/// The `…_next_upstream` directives of a module.
pub(super) fn next_upstream(level: &Level<'_>, module: &str) -> Result<NextUpstream, Error> {
    let mut next = NextUpstream::default();
    next.tries = level.value(&format!("{module}_next_upstream_tries"), |text| {
        values::number(text).and_then(|number| u32::try_from(number).ok())
    })?;
    next.within = level.time(&format!("{module}_next_upstream_timeout"))?;
    let Some(directive) = level.innermost(&format!("{module}_next_upstream")) else { return Ok(next) };
    (next.error, next.timeout) = (false, false);
    for word in &directive.arguments {
        match word.text.as_str() {
            "error" => next.error = true,
            "timeout" => next.timeout = true,
            "invalid_header" => next.invalid_header = true,
            "non_idempotent" => next.non_idempotent = true,
            text => {
                let code = text.strip_prefix("http_").and_then(|code| code.parse::<u16>().ok());
                next.statuses.extend(code);
            }
        }
    }
    if directive.arguments.iter().any(|word| word.text == "off") {
        (next.error, next.timeout, next.invalid_header) = (false, false, false);
        next.statuses.clear();
    }
    Ok(next)
}

fn response(level: &Level<'_>) -> Result<ResponseRewriting, Error> {
    let mut response = ResponseRewriting::default();
    response.cookie_domains.clone_from(&level.rewriting.cookie_domains);
    response.cookie_paths.clone_from(&level.rewriting.cookie_paths);
    response.cookie_flags.clone_from(&level.rewriting.cookie_flags);
    response.hide.clone_from(&level.rewriting.hide);
    response.pass.clone_from(&level.rewriting.pass);
    response.intercept_errors = level.flag("proxy_intercept_errors")?;
    Ok(response)
}
