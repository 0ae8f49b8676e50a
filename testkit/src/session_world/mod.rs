//! A session in a world without sockets: scripted peers, a clock that stands still unless told, and a shell
//! that obeys the contract to the letter and checks on every step that the session keeps it, too.

mod completion;
mod end;
mod machine;
mod shell;

pub use completion::{Completion, Late};
pub use end::End;
pub use machine::{Alone, Machine, Snapshot};

use std::{collections::VecDeque, net::IpAddr, sync::Arc, time::Duration};

use underpass_core::{
    Address, Admission, Buffers, Claim, ClientInfo, Dial, Disposal, Ending, Event, Fault, Lookup, Now,
    Outcome, Session, Side, Tick, Tunnel, TunnelEvent, TunnelSecret, TunnelSettings, Turn, Verdict, Wait,
    config::Config,
    shared::{Lease, Permit},
    trace::{Setting, Traced},
};
use underpass_nginx_config::{LoadOptions, load_text};

/// Where the simulated proxy listens.
pub const LISTEN: &str = "127.0.0.1:8080";

/// Where the simulated origin server listens.
pub const ORIGIN: &str = "127.0.0.1:9000";

/// 1994-11-06 08:49:37 UTC, the moment of RFC 9110's examples: the wall clock when a world begins.
const BEGINNING_MS: u64 = 784_111_777_000;

/// What happens when the proxy connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Connect {
    /// It is accepted.
    Accept,
    /// It is refused.
    Refuse,
    /// It can't be made from here.
    Fail,
    /// It is accepted, and the TLS handshake fails.
    Unshaken,
    /// Nothing happens, until [`World::answer_dial`].
    Hang,
}

/// The order of reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Order {
    /// Reads are reported before writes.
    pub reads_first: bool,
    /// What concerns the origin server is reported before what concerns the client.
    pub upstream_first: bool,
}

impl Order {
    /// All of them, the usual one first.
    pub const ALL: [Self; 4] = [
        Self { reads_first: false, upstream_first: false },
        Self { reads_first: false, upstream_first: true },
        Self { reads_first: true, upstream_first: false },
        Self { reads_first: true, upstream_first: true },
    ];

    fn sides(self) -> [Side; 2] {
        if self.upstream_first { [Side::Upstream, Side::Downstream] } else { Side::BOTH }
    }
}

/// An upstream connection.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The origin server's end.
    pub end: End,
    /// Where it was reached.
    pub address: Address,
    /// Whether it lies in the pool.
    pub idle: bool,
}

/// An exchange that is over, as its record had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The status.
    pub status: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// What it sent to the client.
    pub bytes_sent: u64,
    /// Bytes each way and the end of its tunnel, if there was one.
    pub tunnel: Option<(u64, u64, Option<underpass_core::EndedBy>, bool)>,
}

/// A proxy with one client.
#[derive(Debug)]
pub struct World {
    /// What is driven.
    pub session: Machine,
    /// The client's end.
    pub client: End,
    /// Every upstream connection that was made, in order.
    pub origins: Vec<Origin>,
    /// What the next dials meet; afterwards [`Self::connects_else`].
    pub connects: VecDeque<Connect>,
    /// What every further dial meets.
    pub connects_else: Connect,
    /// So many bytes are taken at first on every further connection to an origin server.
    pub window: usize,
    /// The only address at which dials are not refused.
    pub listens: Option<std::net::SocketAddr>,
    /// What names are resolved to; `None`: nothing answers, until [`World::answer_lookup`].
    pub addresses: Option<Result<Vec<IpAddr>, Fault>>,
    /// The addresses of the machine that the proxy runs on, besides those of the loopback.
    pub local: Vec<IpAddr>,
    /// What requests are told that want to be admitted; `None`: nothing, until [`World::answer_claim`].
    pub admission: Option<Admission>,
    /// Relays past the session wherever it permits that.
    pub splices: bool,
    /// Reads and writes complete some time after they began, instead of being tried when a peer is ready.
    pub completion: Option<Completion>,
    /// In which order the reports of one round are made: they commute.
    pub order: Order,
    /// Checks at rest what the contract says of a session that waits; on unless allocations are counted.
    pub checks: bool,
    /// The lines of the access log.
    pub log: Vec<String>,
    /// The tunnel of its exchange counts, where there is a bound; copies of the world count as one.
    permit: Option<Arc<Permit>>,
    /// The lines about tunnels.
    pub tunnel_log: Vec<(TunnelEvent, String)>,
    /// The error log: each event, with its line.
    pub notes: Vec<(Event, String)>,
    /// Lines about the tunnel that were asked for.
    pub tunnel_lines: Vec<TunnelEvent>,
    /// Every exchange that is over.
    pub exchanges: Vec<Exchange>,
    /// Every release.
    pub releases: Vec<(Verdict, Disposal)>,
    /// Whom every dial under TLS was to be secured with: number of the settings, name.
    pub secured_with: Vec<(u32, String)>,
    /// What was to be sent before the handshake of each of these.
    pub preambles: Vec<String>,
    /// How the client's connection was closed.
    pub closed: Option<Ending>,
    /// Whether the session is over.
    pub done: bool,
    config: Arc<Config>,
    buffers: Buffers,
    now: Now,
    wait: Option<Wait>,
    upstream: Option<usize>,
    lease: Option<Arc<Lease>>,
    pipes: [Vec<u8>; 2],
    told_of_reset: [bool; 2],
    tokens: Tokens,
}

/// What the session has sent the shell out for.
#[derive(Debug, Default)]
struct Tokens {
    dial: Option<(Dial, Lease)>,
    lookup: Option<Lookup>,
    claim: Option<Claim>,
}

/// What came of a script: equal for every cut of the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Bytes at the client, and how its connection ended.
    pub client: (String, Option<Ending>),
    /// Bytes at each origin connection, how it ended, and whether it lies in the pool.
    pub origins: Vec<(String, Option<Ending>, bool)>,
    /// The exchanges.
    pub exchanges: Vec<Exchange>,
    /// Access log lines.
    pub log: Vec<String>,
    /// What became of the upstream connections.
    pub releases: Vec<(Verdict, Disposal)>,
}

/// Loads a configuration for a simulated world: `{origin}`, `{listen}` and `{log}` have been replaced.
///
/// # Panics
/// When the configuration is broken.
#[must_use]
pub fn config_of(text: &str) -> Arc<Config> {
    let loaded = load_text("case.conf", text, &LoadOptions::new("/var/empty"))
        .unwrap_or_else(|error| panic!("{error}\nin\n{text}"));
    Arc::clone(&loaded.listeners[0].config)
}

/// How a tunnel lives under these directives: those that a location has for tunnels, in seconds or hours.
///
/// # Panics
/// When one isn't known.
#[must_use]
pub fn tunnel_settings(directives: &str) -> TunnelSettings {
    let mut settings = TunnelSettings::default();
    for directive in directives.split(';').map(str::trim).filter(|directive| !directive.is_empty()) {
        let (name, value) = directive.split_once(' ').expect("a name and a value");
        let span = || {
            let (number, unit) = value.split_at(value.len() - 1);
            let number: u64 = number.parse().expect("a number");
            Duration::from_secs(number * if unit == "h" { 3600 } else { 1 })
        };
        match name {
            "proxy_read_timeout" => settings.idle_timeout = span(),
            "proxy_send_timeout" => settings.upstream_send_timeout = span(),
            "send_timeout" => settings.client_send_timeout = span(),
            "upgrade_half_close" => settings.half_close = value == "on",
            "upgrade_half_close_timeout" => settings.half_close_timeout = span(),
            "upgrade_relay_reset" => settings.relay_reset = value == "on",
            "lingering_time" => settings.lingering_time = span(),
            "lingering_timeout" => settings.lingering_timeout = span(),
            _ => panic!("no directive about tunnels: {name}"),
        }
    }
    settings
}

/// The beginning and the script.
impl World {
    /// A client has connected to a proxy with this configuration.
    #[must_use]
    pub fn new(config: Arc<Config>) -> Self {
        let now = Now { tick: Tick(0), unix_ms: BEGINNING_MS, utc_offset_min: 0 };
        let session = Session::new(Arc::clone(&config), client_info(), now);
        Self::around(Traced::from(session).into(), config, now)
    }

    /// The same, for a client of which more is known: `tell` says what.
    #[must_use]
    pub fn of_client(config: Arc<Config>, tell: impl FnOnce(&mut ClientInfo)) -> Self {
        let now = Now { tick: Tick(0), unix_ms: BEGINNING_MS, utc_offset_min: 0 };
        let mut client = client_info();
        tell(&mut client);
        let session = Session::new(Arc::clone(&config), client, now);
        Self::around(Traced::from(session).into(), config, now)
    }

    /// The same, and the session is traced.
    #[must_use]
    pub fn traced(config: Arc<Config>, setting: &Setting) -> Self {
        let now = Now { tick: Tick(0), unix_ms: BEGINNING_MS, utc_offset_min: 0 };
        let session = Traced::new(Arc::clone(&config), client_info(), now, Some(setting));
        Self { buffers: Buffers::new(setting.buffer_size), ..Self::around(session.into(), config, now) }
    }

    /// The same with IO buffers of `size` bytes.
    #[must_use]
    pub fn with_buffers(config: Arc<Config>, size: usize) -> Self {
        Self { buffers: Buffers::new(size), ..Self::new(config) }
    }

    /// A proxy that forwards everything to [`ORIGIN`], tunnels included.
    #[must_use]
    pub fn proxy() -> Self {
        Self::new(Arc::new(Config::proxy_to(address(ORIGIN), ORIGIN)))
    }

    /// A tunnel alone, whose handshake was done elsewhere, with bytes that were read ahead of it.
    #[must_use]
    pub fn tunnel(settings: TunnelSettings, read_ahead: [&[u8]; 2]) -> Self {
        Self::tunnel_with(settings, TunnelSecret::new([7; 16]), read_ahead)
    }

    /// The same with this secret.
    #[must_use]
    pub fn tunnel_with(settings: TunnelSettings, secret: TunnelSecret, read_ahead: [&[u8]; 2]) -> Self {
        let now = Now { tick: Tick(0), unix_ms: BEGINNING_MS, utc_offset_min: 0 };
        let mut buffers = Buffers::default();
        let turn = &mut Turn { now, buffers: &mut buffers };
        let tunnel = Tunnel::new(Arc::new(settings), secret, read_ahead, turn);
        let config = Arc::new(Config::proxy_to(address(ORIGIN), ORIGIN));
        let mut world = Self { buffers, ..Self::around(tunnel.into(), config, now) };
        world.origins.push(Origin { end: End::default(), address: address(ORIGIN), idle: false });
        world.upstream = Some(0);
        world
    }

    fn around(session: Machine, config: Arc<Config>, now: Now) -> Self {
        Self {
            session,
            client: End::default(),
            origins: Vec::new(),
            connects: VecDeque::new(),
            connects_else: Connect::Accept,
            window: usize::MAX,
            listens: None,
            addresses: Some(Ok(vec![IpAddr::from([127, 0, 0, 1])])),
            local: Vec::new(),
            admission: Some(Admission::Granted),
            splices: false,
            completion: None,
            order: Order::default(),
            checks: true,
            log: Vec::new(),
            permit: None,
            tunnel_log: Vec::new(),
            notes: Vec::new(),
            tunnel_lines: Vec::new(),
            exchanges: Vec::new(),
            releases: Vec::new(),
            secured_with: Vec::new(),
            preambles: Vec::new(),
            closed: None,
            done: false,
            config,
            buffers: Buffers::default(),
            now,
            wait: None,
            upstream: None,
            lease: None,
            pipes: [Vec::new(), Vec::new()],
            told_of_reset: [false; 2],
            tokens: Tokens::default(),
        }
    }

    /// The end of the newest upstream connection.
    ///
    /// # Panics
    /// When there has been none.
    pub fn origin(&mut self) -> &mut End {
        &mut self.origins.last_mut().expect("an upstream connection was made").end
    }

    /// The client sends, and everybody does what there is to do.
    pub fn client_sends(&mut self, bytes: impl AsRef<[u8]>) {
        self.client.send(bytes.as_ref());
        self.run();
    }

    /// The origin server sends on its newest connection, and everybody does what there is to do.
    ///
    /// # Panics
    /// When there has been no connection.
    pub fn origin_sends(&mut self, bytes: impl AsRef<[u8]>) {
        self.origin().send(bytes.as_ref());
        self.run();
    }

    /// The client shuts its direction down.
    pub fn client_ends(&mut self) {
        self.client.end();
        self.run();
    }

    /// The origin server shuts its direction of the newest connection down.
    ///
    /// # Panics
    /// When there has been no connection.
    pub fn origin_ends(&mut self) {
        self.origin().end();
        self.run();
    }
}

/// Time.
impl World {
    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Now {
        self.now
    }

    /// When the session wants to be called, at rest.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        self.wait.and_then(|wait| wait.deadline)
    }

    /// Interest and deadline, at rest; absent when the session is over.
    #[must_use]
    pub fn wait(&self) -> Option<Wait> {
        self.wait
    }

    /// Lets time pass; every deadline in it is kept to the nanosecond.
    pub fn elapse(&mut self, span: Duration) {
        let end = self.now.tick.after(span);
        self.run();
        while let Some(deadline) = self.deadline().filter(|deadline| *deadline <= end && !self.done) {
            self.set_clock(deadline);
            self.run();
        }
        self.set_clock(end);
        self.run();
    }

    /// Lets time pass in one leap, whatever deadlines lie in it: the worker was busy, or the machine slept.
    pub fn leap(&mut self, span: Duration) {
        self.set_clock(self.now.tick.after(span));
        self.run();
    }

    /// Lets time pass to the next deadline; `false` when there is none.
    pub fn elapse_to_deadline(&mut self) -> bool {
        self.run();
        let Some(deadline) = self.deadline().filter(|_| !self.done) else { return false };
        self.set_clock(deadline);
        self.run();
        true
    }

    /// The worker shuts down.
    pub fn drain(&mut self, within: Option<Duration>) {
        let until = within.map(|within| self.now.tick.after(within));
        let (session, mut turn) = self.parts();
        session.handle_drain(underpass_core::Draining::Quit(until), &mut turn);
        self.run();
    }

    fn set_clock(&mut self, to: Tick) {
        let passed = u64::try_from(to.since(self.now.tick).as_millis()).unwrap_or(u64::MAX);
        self.now.unix_ms += passed;
        self.now.tick = self.now.tick.max(to);
    }
}

/// Looks.
impl World {
    /// What has come of it so far.
    #[must_use]
    pub fn result(&self) -> Effect {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let origin = |origin: &Origin| (text(origin.end.received()), origin.end.saw(), origin.idle);
        Effect {
            client: (text(self.client.received()), self.client.saw()),
            origins: self.origins.iter().map(origin).collect(),
            exchanges: self.exchanges.clone(),
            log: self.log.clone(),
            releases: self.releases.clone(),
        }
    }

    /// The worker's memory.
    #[must_use]
    pub fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// Whether a dial, a lookup or a claim is out and nothing has come of it.
    #[must_use]
    pub fn is_out(&self) -> bool {
        self.tokens.dial.is_some() || self.tokens.lookup.is_some() || self.tokens.claim.is_some()
    }

    /// Whether a dial is out.
    #[must_use]
    pub fn dials(&self) -> bool {
        self.tokens.dial.is_some()
    }

    /// Whether a lookup is out, be it that nobody waits for it any more.
    #[must_use]
    pub fn looks_up(&self) -> bool {
        self.tokens.lookup.is_some()
    }

    /// Whether a claim is out, be it that nobody waits for it any more.
    #[must_use]
    pub fn claims(&self) -> bool {
        self.tokens.claim.is_some()
    }

    /// Number of the upstream connection that is in use.
    #[must_use]
    pub fn upstream(&self) -> Option<usize> {
        self.upstream
    }

    /// A copy of everything; impossible while an errand is out, whose token exists once.
    #[must_use]
    pub fn fork(&self) -> Option<Self> {
        if self.is_out() {
            return None;
        }
        Some(Self {
            session: self.session.clone(),
            client: self.client.clone(),
            origins: self.origins.clone(),
            connects: self.connects.clone(),
            connects_else: self.connects_else,
            window: self.window,
            listens: self.listens,
            addresses: self.addresses.clone(),
            local: self.local.clone(),
            admission: self.admission,
            splices: self.splices,
            completion: self.completion.as_ref().map(Completion::copied),
            order: self.order,
            checks: self.checks,
            log: self.log.clone(),
            permit: self.permit.clone(),
            tunnel_log: self.tunnel_log.clone(),
            notes: self.notes.clone(),
            tunnel_lines: self.tunnel_lines.clone(),
            exchanges: self.exchanges.clone(),
            releases: self.releases.clone(),
            secured_with: self.secured_with.clone(),
            preambles: self.preambles.clone(),
            closed: self.closed,
            done: self.done,
            config: Arc::clone(&self.config),
            buffers: Buffers::new(self.buffers.size()),
            now: self.now,
            wait: self.wait,
            upstream: self.upstream,
            lease: self.lease.clone(),
            pipes: self.pipes.clone(),
            told_of_reset: self.told_of_reset,
            tokens: Tokens::default(),
        })
    }

    /// The session, and what a worker lends it.
    pub fn parts(&mut self) -> (&mut Machine, Turn<'_>) {
        (&mut self.session, Turn { now: self.now, buffers: &mut self.buffers })
    }
}

fn address(text: &str) -> Address {
    Address::Ip(text.parse().expect("an address and a port"))
}

fn client_info() -> ClientInfo {
    ClientInfo::new(address("127.0.0.1:50000"), address(LISTEN), 1, [7; 16])
}

/// The other side, for messages.
pub(crate) fn name(side: Side) -> &'static str {
    match side {
        Side::Downstream => "client",
        Side::Upstream => "origin",
    }
}
