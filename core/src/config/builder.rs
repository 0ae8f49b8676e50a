//! A configuration made in code, location by location.

use std::sync::Arc;

use super::{Config, Handler, Location, Place, Proxy, Return, Server, ServerTable, Settings, Target};
use crate::{
    shared::{Group, GroupId, KeepAlive, Peers, Upstreams},
    template::Template,
};

/// Builds a [`Config`] with one virtual server. Where more is wanted, build the parts themselves: every one of
/// them has a constructor and public fields.
///
/// ```
/// use underpass_core::{config::{Config, SetHeader}, shared::Group};
///
/// let chat: std::net::SocketAddr = "127.0.0.1:9000".parse()?;
/// let config = Config::builder()
///     .forward("/chat/", Group::single("chat", chat.into()), |proxy| {
///         proxy.set_headers = SetHeader::websocket_recipe();
///         proxy.read_timeout = std::time::Duration::from_secs(3600);
///     })
///     .answer("/health", 200, "ok\n")
///     .settings(|settings| settings.client_max_body_size = 0)
///     .build();
/// assert_eq!(config.upstreams.group(underpass_core::shared::GroupId(0)).map(|group| group.name()), Some("chat"));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Default)]
#[must_use]
pub struct ConfigBuilder {
    groups: Vec<Group>,
    handlers: Vec<(Box<[u8]>, Handler)>,
    settings: Settings,
}

impl Config {
    /// Begins a configuration in code.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }
}

impl ConfigBuilder {
    /// Forwards requests whose path begins with `prefix` to `group`; of several prefixes the longest wins, of
    /// two equal ones the first. `adjust` may change what is not nginx's default.
    pub fn forward(self, prefix: &str, group: Group, adjust: impl FnOnce(&mut Proxy)) -> Self {
        self.add(prefix, group, Target::Group, adjust)
    }

    /// The same, where `peers` say which peers there are. `name` is what `$proxy_host` shows, and a log where nobody
    /// could be chosen.
    pub fn forward_to(
        self,
        prefix: &str,
        name: &str,
        peers: Arc<dyn Peers>,
        adjust: impl FnOnce(&mut Proxy),
    ) -> Self {
        let group = Group::new(name, Vec::new(), KeepAlive::default());
        self.add(prefix, group, |group| Target::Peers { peers, group }, adjust)
    }

    fn add(
        mut self,
        prefix: &str,
        group: Group,
        target: impl FnOnce(GroupId) -> Target,
        adjust: impl FnOnce(&mut Proxy),
    ) -> Self {
        let mut proxy = Proxy::new(target(GroupId(self.groups.len())), group.name());
        adjust(&mut proxy);
        self.groups.push(group);
        self.handlers.push((prefix.as_bytes().into(), Handler::Proxy(Box::new(proxy))));
        self
    }

    /// Answers requests whose path begins with `prefix` with a status code (200..=599) and a text.
    pub fn answer(mut self, prefix: &str, status: u16, text: &str) -> Self {
        let answer = Return::new(status, Some(Template::literal(text)));
        self.handlers.push((prefix.as_bytes().into(), Handler::Return(answer)));
        self
    }

    /// Changes limits and timeouts towards clients.
    pub fn settings(mut self, adjust: impl FnOnce(&mut Settings)) -> Self {
        adjust(&mut self.settings);
        self
    }

    /// The configuration: what no location answers is a 404.
    #[must_use]
    pub fn build(self) -> Config {
        let settings = Arc::new(self.settings);
        let location = |handler| {
            let mut location = Location::new(handler);
            location.settings = Arc::clone(&settings);
            location.shared()
        };
        let mut server = Server::new(Vec::new(), location(Handler::Return(Return::new(404, None))));
        for (prefix, handler) in self.handlers {
            server.locations.prefix(&prefix, Place::new(location(handler)));
        }
        let router = Arc::new(ServerTable::new(vec![server], 0));
        let mut config = Config::new(router, Arc::new(Upstreams::new(self.groups)));
        config.edge = settings;
        config
    }
}
