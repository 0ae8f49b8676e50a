//! Where a `proxy_pass` or `tunnel_pass` with variables leads, evaluated for one request.

use std::sync::Arc;

use crate::{
    Address,
    config::{ProxyTls, Target},
    record::{Leads, Prefix, Record, Url},
    template::Template,
    time::Now,
    violation::Violation,
};

impl Url {
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
        let text = |out: &mut Vec<u8>| record.write_template(template, now, out);
        let read = self.read(prefix, text, |host, port| record.config.upstreams.named(host, port));
        read.ok_or(Violation::TemplateTarget).inspect_err(|_| record.blame(template))
    }
}

/// What is known of the place that requests are forwarded to.
impl Record {
    pub(crate) fn url(&self) -> Option<&Url> {
        self.heads.as_ref().map(|heads| &heads.url).filter(|url| *url.leads() != Leads::AsConfigured)
    }

    /// `$proxy_host`.
    pub(crate) fn proxy_host(&self) -> &[u8] {
        match self.url() {
            Some(url) if matches!(url.leads(), Leads::At(Address::Unix(_))) => b"localhost",
            Some(url) => url.host(),
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

    /// How connections to the origin server are secured, if they are.
    pub(crate) fn proxy_tls(&self) -> Option<&ProxyTls> {
        let tls = self.proxy()?.tls.as_ref()?;
        self.url().is_none_or(Url::is_tls).then_some(tls)
    }

    /// `$proxy_port`.
    pub(crate) fn proxy_port(&self) -> &[u8] {
        match self.url() {
            Some(url) if matches!(url.leads(), Leads::At(Address::Unix(_))) => b"",
            Some(url) => match url.port() {
                b"" if url.is_tls() => b"443",
                b"" => b"80",
                port => port,
            },
            None => self.proxy().map_or(b"", |proxy| proxy.port.as_bytes()),
        }
    }
}
