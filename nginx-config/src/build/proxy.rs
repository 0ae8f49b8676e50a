//! `proxy_pass` and the directives that go with it.

use underpass_core::{
    config::{HttpVersion, Proxy, ProxyUri, SetHeader, Target},
    template::Escape,
};

use super::{Builder, level::Level, upstream::parse_host};
use crate::{
    error::Error,
    syntax::{Directive, Word},
    values::HostPort,
};

impl Builder<'_> {
    /// Reads `proxy_pass URL`, in a location that `matched` so many bytes of the path; where that is not a
    /// fixed number, there can't be a URI.
    pub(super) fn proxy(
        &mut self,
        url: &Word,
        level: &Level<'_>,
        matched: Option<usize>,
    ) -> Result<Proxy, Error> {
        let (authority, uri) = split_url(url)?;
        if uri.is_some() && matched.is_none() {
            let message = "\"proxy_pass\" cannot have URI part in location given by regular expression, or inside \
                           named location, or inside \"if\" statement, or inside \"limit_except\" block";
            return Err(Error::new(&url.position, message).hint("remove what follows the address"));
        }
        let host = parse_host(authority, url)?;
        let group = match self.groups.named(host.host) {
            Some(group) => {
                refuse_port_of_group(&host, url)?;
                group
            }
            None => self.plain_group(host, url)?,
        };
        let port = host.port.unwrap_or(80);
        let shown = if port == 80 { host.host } else { authority };
        let mut proxy = Proxy::new(Target::Group(group), shown);
        proxy.port = port.to_string().into();
        proxy.uri = uri.zip(matched).map(|(uri, matched)| ProxyUri::new(matched, uri.as_bytes()));
        proxy.http_version = level.value("proxy_http_version", |text| match text {
            "1.0" => Some(HttpVersion::Http10),
            "1.1" => Some(HttpVersion::Http11),
            _ => None,
        })?;
        proxy.connect_timeout = level.time("proxy_connect_timeout")?;
        proxy.send_timeout = level.time("proxy_send_timeout")?;
        proxy.read_timeout = level.time("proxy_read_timeout")?;
        proxy.set_headers.clone_from(&level.set_headers);
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
}

/// Authority and URI of `http://AUTHORITY[URI]`.
fn split_url(url: &Word) -> Result<(&str, Option<&str>), Error> {
    let text = url.text.as_str();
    let error = |message: &str| Error::new(&url.position, message);
    if text.contains('$') {
        return Err(error("variables in \"proxy_pass\" are not in this version")
            .hint("write the address, or the name of an \"upstream\""));
    }
    if has_scheme(text, "https://") {
        return Err(error("TLS is not in this version")
            .hint("\"proxy_pass\" takes a URL that begins with \"http://\""));
    }
    let Some(rest) = text.get("http://".len()..).filter(|_| has_scheme(text, "http://")) else {
        return Err(
            error("invalid URL prefix").hint("\"proxy_pass\" takes a URL that begins with \"http://\"")
        );
    };
    // The colon of a Unix domain socket's path is no business of this split: the host is refused as such.
    let end = rest.find(['/', '?', '#']).filter(|_| !rest.starts_with("unix:")).unwrap_or(rest.len());
    let (authority, uri) = rest.split_at(end);
    if uri.is_empty() {
        return Ok((authority, None));
    }
    if !uri.starts_with('/') || uri.bytes().any(|byte| !matches!(byte, 0x21..=0x7e | 0x80..) || byte == b'#')
    {
        return Err(error("invalid URI in \"proxy_pass\"")
            .hint("it begins with \"/\", without spaces, control characters and \"#\""));
    }
    Ok((authority, Some(uri)))
}

fn has_scheme(text: &str, scheme: &str) -> bool {
    text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

fn refuse_port_of_group(host: &HostPort<'_>, url: &Word) -> Result<(), Error> {
    let Some(port) = host.port else { return Ok(()) };
    let message = format!("upstream \"{}\" may not have port {port}", host.host);
    Err(Error::new(&url.position, message).hint("the ports stand in the \"upstream\" block"))
}
