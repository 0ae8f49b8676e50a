//! The typed configuration: what embedders build in code and `underpass-nginx-config` builds from a file.
//!
//! Every structure has the defaults of nginx; fields are public, so that code sets what it wants
//! different. Nothing here is text to be parsed: names are resolved, templates compiled.

mod answer;
mod builder;
mod cookie;
mod hop;
mod locations;
mod max_tunnels;
mod proxy;
mod proxy_tls;
mod rate;
mod route;
mod router;
mod script;
mod settings;
mod substitution;
mod tunnel_log;
mod tunnel_pass;
mod upgrade;

pub use crate::{
    ids::{AdmissionId, LogId, ResolverId, TlsJudgeId, TlsSettingsId, TraceRuleId},
    tls::{TlsRules, VerifyClient},
};
pub use answer::{
    AddedField, Additions, ContentTypes, ErrorLogs, ErrorPage, ErrorStatus, ErrorTarget, Expires,
};
pub use builder::ConfigBuilder;
pub use cookie::{CookieFlag, CookieFlags, SameSite};
pub(crate) use hop::Hop;
pub use locations::{Locations, Place};
pub use max_tunnels::MaxTunnels;
pub use proxy::{
    Bind, InvalidFieldName, NextUpstream, Proxy, ProxyUri, ResponseRewriting, SetHeader, SocketOptions,
    Target, Via,
};
pub(crate) use proxy_tls::without_port;
pub use proxy_tls::{PeerName, ProxyTls};
pub use rate::Rates;
pub use route::{Server, ServerName, ServerTable};
pub use router::{Route, Router};
pub use script::{Condition, If, Rewrite, Script, Step, Then};
pub use settings::{LingeringClose, MAX_HEAD, RealIp, RealIpSource, ServerTokens, Settings};
pub use substitution::{Substituted, Substitution};
pub use tunnel_log::{TunnelFormat, TunnelLog};
pub use tunnel_pass::{Destination, DestinationHost, DestinationPolicy, DestinationRule, TunnelPass};
pub(crate) use tunnel_pass::{Permission, is_localhost, reached};
pub use upgrade::{Upgrade, UpgradeProtocols};

use std::sync::Arc;

use crate::{
    shared::Upstreams,
    template::{Mapping, Template, Variable},
    tunnel::TunnelSettings,
};

/// What the sessions of one listening socket share. Immutable; a reload makes a new one, and sessions
/// keep the one they began with.
#[derive(Debug)]
#[non_exhaustive]
pub struct Config {
    /// Finds the location that answers a request.
    pub router: Arc<dyn Router>,
    /// What holds before a request is routed: nginx takes it from the socket's default server.
    pub edge: Arc<Settings>,
    /// Groups of origin servers.
    pub upstreams: Arc<Upstreams>,
    /// The `map`, `geo` and `split_clients` blocks; a [`crate::template::Variable::Map`] is an index into them.
    pub maps: Arc<[Mapping]>,
    /// Who we say we are.
    pub identity: Arc<Identity>,
    /// `listen … proxy_protocol`: connections begin with a PROXY protocol header.
    pub proxy_protocol: bool,
    /// `listen … ssl`: connections are under TLS. A client whose connection isn't ([`crate::ClientInfo::tls`]) has sent plain
    /// HTTP, and is told so (H2). A PROXY protocol header has been read before there is a session.
    pub tls: bool,
    /// Whether sessions may be traced ([`crate::trace`]), and by which rule.
    pub trace: Option<TraceRuleId>,
}

impl Config {
    /// A configuration with default settings at the edge and no maps.
    #[must_use]
    pub fn new(router: Arc<dyn Router>, upstreams: Arc<Upstreams>) -> Self {
        Self {
            router,
            edge: Arc::default(),
            upstreams,
            maps: Arc::default(),
            identity: Arc::default(),
            proxy_protocol: false,
            tls: false,
            trace: None,
        }
    }

    /// A configuration that forwards every request to one origin server, tunnels included, with the
    /// settings of nginx's page "WebSocket proxying". `host` is what `$proxy_host` shows.
    #[must_use]
    pub fn proxy_to(peer: crate::Address, host: &str) -> Self {
        let group = crate::shared::Group::single(host, peer);
        let mut proxy = Proxy::new(Target::Group(crate::shared::GroupId(0)), host);
        proxy.set_headers = SetHeader::websocket_recipe();
        let location = Location::new(Handler::Proxy(Box::new(proxy))).shared();
        Self::new(Arc::new(Always(location)), Arc::new(Upstreams::new(vec![group])))
    }
}

impl Config {
    /// Whether a template shows the response that the client gets, be it through what a map looks up.
    pub(crate) fn shows_what_is_sent(&self, template: &Template) -> bool {
        template.variables().any(|variable| match variable {
            Variable::SentHttp(_) => true,
            Variable::Map(id) => {
                self.maps.get(id.0).is_some_and(|mapping| self.shows_what_is_sent(mapping.source()))
            }
            _ => false,
        })
    }
}

/// The router of a configuration with one location.
#[derive(Debug)]
struct Always(Arc<Location>);

impl Router for Always {
    fn route(&self, _: &crate::RequestHead<'_>) -> Route {
        Route::Location(Arc::clone(&self.0))
    }
}

/// Who the gateway says it is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Identity {
    /// Value of `Server` in our own responses.
    pub server: Box<str>,
    /// Our name in `Via` (RFC 9110 §7.6.3): a pseudonym, never a host name.
    pub pseudonym: Box<str>,
    /// `$hostname`.
    pub hostname: Box<str>,
    /// `$pid`.
    pub pid: u32,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            server: concat!("underpass/", env!("CARGO_PKG_VERSION")).into(),
            pseudonym: "underpass".into(),
            hostname: "localhost".into(),
            pid: 0,
        }
    }
}

/// A place where requests land: nginx's `location`, with everything inherited already merged in.
#[derive(Debug)]
#[non_exhaustive]
pub struct Location {
    /// What is done with the request.
    pub handler: Handler,
    /// Limits and timeouts towards the client.
    pub settings: Arc<Settings>,
    /// `$server_name`: the first name of the virtual server.
    pub server_name: Arc<str>,
    /// Where a line goes when an exchange is over.
    pub access_logs: Vec<AccessLog>,
    /// Where lines about a tunnel go while it lives: `upgrade_log` (G9). Absent: nowhere.
    pub tunnel_log: Option<TunnelLog>,
    /// Whether requests have to be admitted first (limits, credentials), and by which rules: the session then asks with
    /// [`crate::Output::Admit`].
    pub admission: Option<AdmissionId>,
    /// `upgrade_max_tunnels` (G8): the session then asks with [`crate::Output::Admit`], too, for a request that a tunnel may
    /// come of. Absent: there may be any number.
    pub max_tunnels: Option<MaxTunnels>,
    /// The realm of `auth_basic`, shown where credentials are asked for.
    pub realm: Option<Template>,
    /// `limit_rate`, `limit_rate_after`; absent: responses go as fast as they can.
    pub rates: Option<Arc<Rates>>,
    /// Its rewrite directives.
    pub script: Arc<Script>,
    /// `internal`: only an `error_page` or a `rewrite` leads here; the client itself gets a 404.
    pub internal: bool,
    /// `error_page`: the first that has the status code holds.
    pub error_pages: Arc<[ErrorPage]>,
    /// `recursive_error_pages`: an error page's own errors have error pages. Off.
    pub recursive_error_pages: bool,
    /// `add_header`, `add_trailer`, `expires`.
    pub additions: Arc<Additions>,
    /// `types`, `default_type`.
    pub types: Arc<ContentTypes>,
    /// `resolver`: which one looks names up; absent: the system's.
    pub resolver: Option<ResolverId>,
    /// `error_log` of its level; absent: that of the process.
    pub error_logs: Option<ErrorLogs>,
    /// How its tunnels live, where that was found out once for all of them: blind ones, and those of WebSocket.
    tunnel: Option<[Arc<TunnelSettings>; 2]>,
}

impl Location {
    /// A location with nginx's defaults and no access log.
    #[must_use]
    pub fn new(handler: Handler) -> Self {
        Self {
            handler,
            settings: Arc::default(),
            server_name: Arc::from(""),
            access_logs: Vec::new(),
            tunnel_log: None,
            admission: None,
            max_tunnels: None,
            realm: None,
            rates: None,
            script: Arc::default(),
            internal: false,
            error_pages: Arc::default(),
            recursive_error_pages: false,
            additions: Arc::default(),
            types: Arc::default(),
            resolver: None,
            error_logs: None,
            tunnel: None,
        }
    }

    /// Shares it, complete as it is: how its tunnels live is found out now, and is one value for all of them. A
    /// location that is shared without this has one for each of its tunnels.
    #[must_use]
    pub fn shared(mut self) -> Arc<Self> {
        self.tunnel = Some([false, true].map(|websocket| Arc::new(self.find_tunnel_settings(websocket))));
        Arc::new(self)
    }

    /// How its tunnels live: those whose 101 chose WebSocket, or others.
    pub(crate) fn tunnel_settings(&self, websocket: bool) -> Arc<TunnelSettings> {
        match &self.tunnel {
            Some(found) => Arc::clone(&found[usize::from(websocket)]),
            None => Arc::new(self.find_tunnel_settings(websocket)),
        }
    }

    fn find_tunnel_settings(&self, websocket: bool) -> TunnelSettings {
        let settings = &*self.settings;
        let mut found = TunnelSettings::default();
        if let Some(hop) = self.handler.hop() {
            found.idle_timeout = hop.read_timeout;
            found.upstream_send_timeout = hop.send_timeout;
            found.half_close = hop.tunnel.half_close;
            found.half_close_timeout = hop.tunnel.half_close_timeout;
            found.relay_reset = hop.tunnel.relay_reset;
            found.websocket =
                (websocket && hop.tunnel.websocket_frames).then(|| hop.tunnel.websocket.clone());
            found.drain.clone_from(&hop.tunnel.drain);
            found.close_timeout = hop.tunnel.close_timeout;
            found.max_lifetime = hop.tunnel.max_lifetime;
            found.limit_rate = hop.tunnel.limit_rate;
        }
        found.log_every = self.tunnel_log.as_ref().and_then(|log| log.every);
        found.client_send_timeout = settings.send_timeout;
        found.lingering_time = settings.lingering_time;
        found.lingering_timeout = settings.lingering_timeout;
        found.reset_timedout_connection = settings.reset_timedout_connection;
        found
    }
}

/// What a location does with a request.
#[derive(Debug)]
#[non_exhaustive]
pub enum Handler {
    /// Forwards it to an origin server: `proxy_pass`.
    Proxy(Box<Proxy>),
    /// Answers it.
    Return(Return),
    /// Opens a tunnel for CONNECT: `tunnel_pass`.
    Tunnel(Box<TunnelPass>),
    /// Answers with 501 and a note that names the directive: one that serves content in another way
    /// (`root`, `fastcgi_pass`).
    Unsupported(Box<str>),
    /// Answers 404 to those who are admitted: the location says of nothing how it is answered.
    Nothing,
}

/// nginx's `return`: a response of our own.
#[derive(Debug)]
#[non_exhaustive]
pub struct Return {
    /// The status code, 200..=599; any other is shown as 500, and 444 closes the connection without an answer.
    pub status: u16,
    /// For 301, 302, 303, 307, 308 the value of `Location`; else the content. Absent: the standard page.
    pub text: Option<Template>,
    /// `Content-Type` of a text; absent: what the location's `types` say of the path.
    pub content_type: Option<Box<str>>,
}

impl Return {
    /// `return STATUS [text];`.
    #[must_use]
    pub fn new(status: u16, text: Option<Template>) -> Self {
        Self { status, text, content_type: None }
    }
}

/// One `access_log`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AccessLog {
    /// Where the line goes.
    pub sink: LogId,
    /// The `log_format`.
    pub format: Arc<Template>,
    /// `if=`: no line when it evaluates to nothing or `0`.
    pub condition: Option<Arc<Template>>,
}

impl AccessLog {
    /// A log line of `format` to the log `sink`.
    #[must_use]
    pub fn new(sink: LogId, format: Arc<Template>) -> Self {
        Self { sink, format, condition: None }
    }
}
