//! What a forwarded request will ask for: an upgrade or not, persistence or not (A1 to A5).

use super::{
    check_value,
    method::{SentMethod, write_beginning},
};
use crate::{
    config::Proxy,
    http1::{ConnectionOptions, Known, Request, Version, elements, is_same_name, listed, protocols, trim},
    record::{NoUpgrade, Record},
    time::Now,
    violation::Violation,
};

/// What was offered to the origin server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Offer {
    /// No upgrade: the request is ordinary in every respect (A3).
    #[default]
    Nothing,
    /// Protocols other than WebSocket.
    Other,
    /// WebSocket, perhaps among others.
    WebSocket,
}

/// A spelling of the connection option `upgrade`, which is compared without case (RFC 9110 §7.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UpgradeOption([u8; 7]);

impl Default for UpgradeOption {
    /// As the examples of RFC 6455 have it: where nothing spells it.
    fn default() -> Self {
        Self(*b"Upgrade")
    }
}

impl UpgradeOption {
    /// The first that the list has.
    fn of(list: &[u8]) -> Option<Self> {
        let option = elements([list].into_iter()).find(|option| is_same_name(option, b"upgrade"))?;
        option.try_into().ok().map(Self)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What the forwarded head will say of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) offer: Offer,
    /// Why no upgrade is offered to a request that has `Upgrade`.
    pub(crate) no_upgrade: Option<NoUpgrade>,
    pub(crate) method: SentMethod,
    /// What `proxy_set_header Connection` came to (A3).
    pub(super) connection: ConnectionOptions,
    /// The option `upgrade` as it is spelled there: some origin servers compare it letter by letter.
    pub(super) option: UpgradeOption,
    /// It was set to nothing.
    pub(super) silent: bool,
    /// Towards an HTTP/1.0 server nothing persists unless configured (E15).
    pub(super) is_http11: bool,
    /// What the PROXY protocol header told of this client is not true of the next.
    is_personal: bool,
}

impl Plan {
    /// Decides whether an upgrade is offered (A1 to A4); the list of protocols is written to `offered`, and the beginning
    /// of the request, as far as its method, to `head`.
    pub(crate) fn make(
        record: &Record,
        now: Now,
        offered: &mut Vec<u8>,
        head: &mut Vec<u8>,
    ) -> Result<Self, Violation> {
        let (Some(proxy), Some(heads)) = (record.proxy(), &record.heads) else {
            return Err(Violation::NoPeer);
        };
        let method = write_beginning(record, proxy, &heads.request, now, head)?;
        let is_http11 = proxy.http_version == Version::Http11;
        let connection = configured_connection(record, proxy, now, offered)?;
        let option = UpgradeOption::of(offered).unwrap_or_default();
        // An empty value removes the line (B2), even the one that HTTP/1.0 would have by default.
        let silent = trim(offered).is_empty() && sets(proxy, Known::Connection);
        offered.clear();
        let found = if is_http11 && connection.upgrade && asks_for_upgrade(&heads.request) {
            offer_protocols(record, proxy, now, offered, head)?
        } else {
            None
        };
        let offer = found.unwrap_or_default();
        let is_ignored = offer == Offer::Nothing && heads.request.fields.has(Known::Upgrade);
        let no_upgrade =
            is_ignored.then(|| why_ordinary(&heads.request, is_http11, connection, found.is_some()));
        let is_personal = proxy.proxy_protocol;
        Ok(Self { offer, no_upgrade, method, connection, option, silent, is_http11, is_personal })
    }

    /// Whether the upstream connection ends after this exchange, by our own word or version.
    pub(crate) fn closes(self) -> bool {
        self.connection.close || self.is_personal || (!self.is_http11 && !self.connection.keep_alive)
    }
}

/// A1, A2: HTTP/1.1, an `Upgrade`, and the option that makes it count.
pub(crate) fn asks_for_upgrade(request: &Request) -> bool {
    request.version == Version::Http11
        && request.fields.has(Known::Upgrade)
        && request.fields.options().upgrade
}

/// Why a request with `Upgrade` is an ordinary one. What the client did comes first: nothing in the configuration could
/// have helped.
fn why_ordinary(
    request: &Request,
    is_http11: bool,
    configured: ConnectionOptions,
    sets_upgrade: bool,
) -> NoUpgrade {
    if request.version == Version::Http10 {
        NoUpgrade::Http10
    } else if !request.fields.options().upgrade {
        NoUpgrade::NoOption
    } else if protocols(&request.fields).next().is_none() {
        NoUpgrade::NoProtocol
    } else if !is_http11 {
        NoUpgrade::Http10Upstream
    } else if !configured.upgrade {
        NoUpgrade::NotPermitted
    } else if !sets_upgrade {
        NoUpgrade::NotSet
    } else {
        NoUpgrade::Refused
    }
}

/// What `proxy_set_header Connection` comes to (A3).
fn configured_connection(
    record: &Record,
    proxy: &Proxy,
    now: Now,
    scratch: &mut Vec<u8>,
) -> Result<ConnectionOptions, Violation> {
    scratch.clear();
    let mut written = false;
    for line in proxy.set_headers.iter().filter(|line| line.known() == Known::Connection) {
        if written {
            scratch.push(b',');
        }
        let start = scratch.len();
        record.write_template(&line.value, now, scratch);
        check_value(record, &line.value, scratch.get(start..).unwrap_or_default())?;
        written = true;
    }
    Ok(ConnectionOptions::read([scratch.as_slice()].into_iter()))
}

/// Puts the list of protocols that go upstream together (A3, A4); `None` where none is configured. The end of `scratch`
/// serves for the configured list.
fn offer_protocols(
    record: &Record,
    proxy: &Proxy,
    now: Now,
    offered: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
) -> Result<Option<Offer>, Violation> {
    offered.clear();
    let start = scratch.len();
    for line in proxy.set_headers.iter().filter(|line| line.known() == Known::Upgrade) {
        let from = scratch.len();
        record.write_template(&line.value, now, scratch);
        check_value(record, &line.value, scratch.get(from..).unwrap_or_default())?;
        scratch.push(b',');
    }
    let configured = scratch.get(start..).unwrap_or_default();
    let mut offer = None;
    for protocol in listed([configured].into_iter()) {
        let before = offer.unwrap_or_default();
        if !proxy.upgrade.protocols.permit(protocol.name) {
            offer = Some(before);
            continue;
        }
        if !offered.is_empty() {
            offered.extend_from_slice(b", ");
        }
        protocol.write(offered);
        let has_websocket = protocol.is_websocket() || before == Offer::WebSocket;
        offer = Some(if has_websocket { Offer::WebSocket } else { Offer::Other });
    }
    scratch.truncate(start);
    Ok(offer)
}

/// Whether `proxy_set_header` sets the field.
pub(super) fn sets(proxy: &Proxy, known: Known) -> bool {
    proxy.set_headers.iter().any(|line| line.known() == known)
}
