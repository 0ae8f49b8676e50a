//! Where `proxy_pass` leads.

use underpass_core::{
    config::{ProxyUri, Target},
    template::Escape,
};

use super::{Builder, location::Matcher, upstream::parse_host};
use crate::{error::Error, syntax::Word, values::HostPort};

/// What a `proxy_pass` says.
pub(super) struct Destination {
    pub(super) target: Target,
    pub(super) uri: Option<ProxyUri>,
    /// `$proxy_host`.
    pub(super) host: String,
    /// `$proxy_port`.
    pub(super) port: String,
    /// Whether there are variables in it.
    pub(super) variable: bool,
    /// `https`: the origin server speaks TLS; or a URL with variables may come to that.
    pub(super) tls: bool,
}

impl Builder<'_> {
    /// Reads the URL of a `proxy_pass` in the location of `matcher`; in an `if` there is none.
    pub(super) fn destination(
        &mut self,
        url: &Word,
        matcher: Option<&Matcher>,
    ) -> Result<Destination, Error> {
        if url.text.contains('$') {
            return self.variable_destination(url);
        }
        let SplitUrl { tls, authority, uri } = split_url(url)?;
        let uri = uri.map(|uri| replacing(url, uri, matcher)).transpose()?;
        if let Some(path) = authority.strip_prefix("unix:") {
            let group = self.unix_group(path, url)?;
            let (host, port) = ("localhost".to_owned(), String::new());
            return Ok(Destination { target: Target::Group(group), uri, host, port, variable: false, tls });
        }
        let usual_port = if tls { 443 } else { 80 };
        let host = parse_host(authority, url)?;
        let group = match self.groups.named(host.host) {
            Some(group) => {
                refuse_port_of_group(&host, url)?;
                group
            }
            None => {
                let port = host.port.or(Some(usual_port));
                self.plain_group(HostPort { port, ..host }, url)?
            }
        };
        let port = host.port.unwrap_or(usual_port);
        let shown = if port == usual_port { host.host } else { authority };
        Ok(Destination {
            target: Target::Group(group),
            uri,
            host: shown.to_owned(),
            port: port.to_string(),
            variable: false,
            tls,
        })
    }

    /// A URL that is evaluated for each request.
    fn variable_destination(&mut self, url: &Word) -> Result<Destination, Error> {
        let text = url.text.as_str();
        let (tls, port, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, "443", rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, "80", rest),
            Some((scheme, rest)) if scheme.contains('$') => (true, "80", rest),
            None if text.starts_with('$') => (true, "80", text),
            _ => return Err(invalid_prefix(url)),
        };
        let host = rest.split(['/', '?']).next().unwrap_or_default().to_owned();
        let target =
            Target::Template { url: self.template(url, Escape::None)?, group: self.groups.variable() };
        Ok(Destination { target, uri: None, host, port: port.to_owned(), variable: true, tls })
    }
}

/// What takes the place of the location's path.
fn replacing(url: &Word, uri: &str, matcher: Option<&Matcher>) -> Result<ProxyUri, Error> {
    let Some(matched) = matcher.and_then(Matcher::replaceable) else {
        let message = "\"proxy_pass\" cannot have URI part in location given by regular expression, or inside \
                       named location, or inside \"if\" statement, or inside \"limit_except\" block";
        return Err(Error::new(&url.position, message).hint("remove what follows the address"));
    };
    Ok(ProxyUri::new(matched, uri.as_bytes()))
}

/// The parts of a URL without variables.
struct SplitUrl<'t> {
    tls: bool,
    authority: &'t str,
    uri: Option<&'t str>,
}

/// The parts of `http://AUTHORITY[URI]` or `http://unix:PATH[:URI]`, or of the same with `https`.
fn split_url(url: &Word) -> Result<SplitUrl<'_>, Error> {
    let text = url.text.as_str();
    let tls = has_scheme(text, "https://");
    let scheme = if tls { "https://" } else { "http://" };
    let Some(rest) = text.get(scheme.len()..).filter(|_| has_scheme(text, scheme)) else {
        return Err(invalid_prefix(url));
    };
    let (authority, uri) = match rest.strip_prefix("unix:") {
        Some(socket) => match socket.split_once(':') {
            Some((path, uri)) => (rest.get(.."unix:".len() + path.len()).unwrap_or_default(), uri),
            None => (rest, ""),
        },
        None => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
    };
    if uri.is_empty() {
        return Ok(SplitUrl { tls, authority, uri: None });
    }
    if !uri.starts_with('/') || uri.bytes().any(|byte| !matches!(byte, 0x21..=0x7e | 0x80..) || byte == b'#')
    {
        return Err(Error::new(&url.position, "invalid URI in \"proxy_pass\"")
            .hint("it begins with \"/\", without spaces, control characters and \"#\""));
    }
    Ok(SplitUrl { tls, authority, uri: Some(uri) })
}

fn invalid_prefix(url: &Word) -> Error {
    Error::new(&url.position, "invalid URL prefix")
        .hint("\"proxy_pass\" takes a URL that begins with \"http://\" or \"https://\"")
}

fn has_scheme(text: &str, scheme: &str) -> bool {
    text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

fn refuse_port_of_group(host: &HostPort<'_>, url: &Word) -> Result<(), Error> {
    let Some(port) = host.port else { return Ok(()) };
    let message = format!("upstream \"{}\" may not have port {port}", host.host);
    Err(Error::new(&url.position, message).hint("the ports stand in the \"upstream\" block"))
}
