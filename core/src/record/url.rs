//! A URL that a template came to, and where it leads.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
};

use crate::{
    Address,
    http1::{Span, authority},
    shared::GroupId,
};

/// A URL from a template, and what it comes to. Empty where the target has no variables in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Url {
    text: Vec<u8>,
    /// The host, with its port unless that is the scheme's own.
    host: Span,
    port: Span,
    uri: Span,
    leads: Leads,
    /// Whether it is an `https` URL.
    tls: bool,
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
    /// That, or `https://`.
    AnyScheme,
    /// Nothing: `tunnel_pass` takes an address.
    None,
}

impl Url {
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        (self.host, self.port, self.uri, self.leads, self.tls) = Default::default();
    }

    /// Whether it is an `https` URL.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls
    }

    pub(crate) fn leads(&self) -> &Leads {
        &self.leads
    }

    /// The host, with its port unless that is the scheme's own.
    pub(crate) fn host(&self) -> &[u8] {
        self.host.of(&self.text)
    }

    /// The port as it is written; empty where none is.
    pub(crate) fn port(&self) -> &[u8] {
        self.port.of(&self.text)
    }

    /// Takes what `text` writes for a URL; `named` finds the group that a host, and a port that stands there, lead to.
    /// `None`, and nothing is kept, when it is none that can be forwarded to.
    pub(crate) fn read(
        &mut self,
        prefix: Prefix,
        text: impl FnOnce(&mut Vec<u8>),
        named: impl FnOnce(&str, Option<u16>) -> Option<GroupId>,
    ) -> Option<()> {
        self.clear();
        text(&mut self.text);
        let parsed = self.parse(prefix, named);
        if parsed.is_none() {
            self.clear();
        }
        parsed
    }

    fn parse(
        &mut self,
        prefix: Prefix,
        named: impl FnOnce(&str, Option<u16>) -> Option<GroupId>,
    ) -> Option<()> {
        let text = self.text.as_slice();
        let behind = |scheme: &[u8]| {
            let (start, rest) = text.split_at_checked(scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then_some(rest)
        };
        let secured = if prefix == Prefix::AnyScheme { behind(b"https://") } else { None };
        let tls = secured.is_some();
        let usual_port = if tls { 443 } else { 80 };
        let rest = match prefix {
            Prefix::Scheme | Prefix::AnyScheme => secured.or_else(|| behind(b"http://"))?,
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
            self.tls = tls;
            return Some(());
        }
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        let (place, uri) = rest.split_at_checked(end)?;
        let parts = authority(place)?;
        let host = std::str::from_utf8(parts.host).ok()?;
        let port = match parts.port {
            Some(digits) => std::str::from_utf8(digits).ok()?.parse().ok()?,
            None => usual_port,
        };
        self.tls = tls;
        self.host = span(if port == usual_port { parts.host } else { place });
        self.port = parts.port.map_or_else(Span::default, span);
        self.uri = span(uri);
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let named = named(host, parts.port.is_some().then_some(port));
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
