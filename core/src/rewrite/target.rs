//! Where a `proxy_pass` or `tunnel_pass` with variables leads, evaluated for one request.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
};

use crate::{
    Address,
    config::Target,
    http1::{Span, authority},
    record::Record,
    shared::GroupId,
    template::Template,
    time::Now,
    violation::Violation,
};

/// A URL from a template, and what it comes to. Empty where the target has no variables in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Url {
    text: Vec<u8>,
    /// The host, with its port unless that is 80.
    host: Span,
    port: Span,
    uri: Span,
    leads: Leads,
}

/// Where a URL leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Leads {
    /// Where the configuration says: there are no variables in it.
    #[default]
    AsConfigured,
    /// To the peers of a group.
    To(GroupId),
    /// To an address.
    At(Address),
    /// To a name that has to be looked up, and the port there.
    Named(Arc<str>, u16),
}

/// What stands in front of the authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// `http://`.
    Scheme,
    /// Nothing: `tunnel_pass` takes an address.
    None,
}

impl Url {
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        (self.host, self.port, self.uri, self.leads) = Default::default();
    }

    pub(crate) fn leads(&self) -> &Leads {
        &self.leads
    }

    /// Evaluates `template`, as nginx does: an `upstream` by its name, whatever its case, before all else.
    ///
    /// # Errors
    /// When the value is no URL that can be forwarded to; the template is blamed.
    pub(crate) fn evaluate(
        &mut self,
        record: &Record,
        template: &Template,
        prefix: Prefix,
        now: Now,
    ) -> Result<(), Violation> {
        self.clear();
        record.write_template(template, now, &mut self.text);
        let parsed = self.parse(record, prefix);
        parsed.ok_or(Violation::TemplateTarget).inspect_err(|_| {
            self.clear();
            record.blame(template);
        })
    }

    fn parse(&mut self, record: &Record, prefix: Prefix) -> Option<()> {
        let text = self.text.as_slice();
        let rest = match prefix {
            Prefix::Scheme => {
                let (scheme, rest) = text.split_at_checked("http://".len())?;
                scheme.eq_ignore_ascii_case(b"http://").then_some(rest)?
            }
            Prefix::None => text,
        };
        let span = |part: &[u8]| Span::within(text, part);
        if let Some(path) = strip_unix(rest) {
            // The path of the socket ends at a colon, the URI follows.
            let end = memchr::memchr(b':', path).unwrap_or(path.len());
            let (path, uri) = path.split_at_checked(end)?;
            let path =
                std::str::from_utf8(path).ok().filter(|path| !path.is_empty() && !path.contains('\0'))?;
            self.uri = span(uri.strip_prefix(b":").unwrap_or_default());
            self.leads = Leads::At(Address::Unix(Path::new(path).into()));
            return Some(());
        }
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        let (place, uri) = rest.split_at_checked(end)?;
        let parts = authority(place)?;
        let host = std::str::from_utf8(parts.host).ok()?;
        let port = match parts.port {
            Some(digits) => std::str::from_utf8(digits).ok()?.parse().ok()?,
            None => 80,
        };
        self.host = span(if port == 80 { parts.host } else { place });
        self.port = parts.port.map_or_else(Span::default, span);
        self.uri = span(uri);
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let named = record.config.upstreams.named(host, parts.port.is_some().then_some(port));
        self.leads = match (named, literal.parse::<IpAddr>()) {
            (Some(group), _) => Leads::To(group),
            (None, Ok(ip)) => Leads::At(Address::Ip(SocketAddr::new(ip, port))),
            (None, Err(_)) => Leads::Named(host.into(), port),
        };
        Some(())
    }

    /// The URI that stands in it, if one does.
    pub(crate) fn uri(&self) -> Option<&[u8]> {
        Some(self.uri.of(&self.text)).filter(|uri| !uri.is_empty())
    }
}

fn strip_unix(text: &[u8]) -> Option<&[u8]> {
    let (scheme, path) = text.split_at_checked("unix:".len())?;
    scheme.eq_ignore_ascii_case(b"unix:").then_some(path)
}

/// What is known of the place that requests are forwarded to.
impl Record {
    pub(crate) fn url(&self) -> Option<&Url> {
        self.heads.as_ref().map(|heads| &heads.url).filter(|url| url.leads != Leads::AsConfigured)
    }

    /// `$proxy_host`.
    pub(crate) fn proxy_host(&self) -> &[u8] {
        match self.url() {
            Some(Url { leads: Leads::At(Address::Unix(_)), .. }) => b"localhost",
            Some(url) => url.host.of(&url.text),
            None => self.proxy().map_or(b"", |proxy| proxy.host.as_bytes()),
        }
    }

    /// The name that has to be looked up, and the port there.
    pub(crate) fn sought_name(&self) -> Option<(&Arc<str>, u16)> {
        match (self.hop()?.target?, self.url().map(Url::leads)) {
            (Target::Name { name, port, .. }, _) | (_, Some(Leads::Named(name, port))) => Some((name, *port)),
            _ => None,
        }
    }

    /// The address that stands in the URL.
    pub(crate) fn given_address(&self) -> Option<&Address> {
        match self.url()?.leads() {
            Leads::At(address) => Some(address),
            Leads::AsConfigured | Leads::To(_) | Leads::Named(..) => None,
        }
    }

    /// `$proxy_port`.
    pub(crate) fn proxy_port(&self) -> &[u8] {
        match self.url() {
            Some(Url { leads: Leads::At(Address::Unix(_)), .. }) => b"",
            Some(url) => match url.port.of(&url.text) {
                b"" => b"80",
                port => port,
            },
            None => self.proxy().map_or(b"", |proxy| proxy.port.as_bytes()),
        }
    }
}
