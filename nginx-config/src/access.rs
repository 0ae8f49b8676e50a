//! Who may use a location: `allow`, `deny`, `auth_basic`, `limit_conn`, `limit_req`. Typed here, decided where the
//! session asks for admission.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use underpass_core::{
    Network, Severity,
    shared::{LimitConn, LimitReq},
    template::Template,
};

/// The rules of a location; [`underpass_core::config::Location::admission`] is an index into those of
/// [`crate::Loaded`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Access {
    /// `allow` and `deny`, in the order of the file: the first that matches decides; what none matches is
    /// allowed.
    pub clients: Vec<ClientRule>,
    /// `auth_basic`.
    pub users: Option<Users>,
    /// `satisfy any`: clients or users are enough. `satisfy all`: both are needed.
    pub any: bool,
    /// `limit_conn`.
    pub connections: Vec<ConnectionLimit>,
    /// `limit_req`.
    pub requests: Vec<RequestLimit>,
}

/// One `allow` or `deny`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientRule {
    /// Whether it allows.
    pub allows: bool,
    /// Whom.
    pub who: Who,
}

impl ClientRule {
    /// Allows or denies these clients.
    #[must_use]
    pub fn new(allows: bool, who: Who) -> Self {
        Self { allows, who }
    }
}

/// The clients that a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// `all`.
    All,
    /// `unix:`: who connects through a Unix domain socket.
    Unix,
    /// Addresses.
    Network(Network),
}

/// `auth_basic` and `auth_basic_user_file`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Users {
    /// The file, in the manner of `htpasswd`; read at each request, so that a change holds at once. Where the
    /// location's realm evaluates to `off`, nobody is asked.
    pub file: PathBuf,
}

impl Users {
    /// The users of this file.
    #[must_use]
    pub fn new(file: PathBuf) -> Self {
        Self { file }
    }
}

/// One `limit_conn`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionLimit {
    /// The zone.
    pub zone: Arc<ConnectionZone>,
    /// How many exchanges with the same key may be open.
    pub most: u32,
    /// `limit_conn_status`, 503.
    pub status: u16,
    /// `limit_conn_log_level`, error.
    pub severity: Severity,
    /// `limit_conn_dry_run`: nobody is refused, only noted.
    pub dry_run: bool,
}

impl ConnectionLimit {
    /// At most so many, with nginx's defaults.
    #[must_use]
    pub fn new(zone: Arc<ConnectionZone>, most: u32) -> Self {
        Self { zone, most, status: 503, severity: Severity::Error, dry_run: false }
    }
}

/// One `limit_conn_zone`.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectionZone {
    /// Its name.
    pub name: Box<str>,
    /// What is counted by; nothing is counted when it evaluates to nothing.
    pub key: Template,
    /// The counts.
    pub counts: Arc<LimitConn>,
}

impl ConnectionZone {
    /// A zone with this name.
    #[must_use]
    pub fn new(name: &str, key: Template, counts: Arc<LimitConn>) -> Self {
        Self { name: name.into(), key, counts }
    }
}

/// One `limit_req`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestLimit {
    /// The zone.
    pub zone: Arc<RequestZone>,
    /// `burst=`: how many requests may be ahead of the rate. 0.
    pub burst: u32,
    /// `delay=`: how many of these aren't delayed; `nodelay`: all of them. 0.
    pub undelayed: u32,
    /// `limit_req_status`, 503.
    pub status: u16,
    /// `limit_req_log_level`, error; delays are noted one level below.
    pub severity: Severity,
    /// `limit_req_dry_run`: nobody is refused or delayed, only noted.
    pub dry_run: bool,
}

impl RequestLimit {
    /// The rate of the zone and no burst, with nginx's defaults.
    #[must_use]
    pub fn new(zone: Arc<RequestZone>) -> Self {
        Self { zone, burst: 0, undelayed: 0, status: 503, severity: Severity::Error, dry_run: false }
    }
}

/// One `limit_req_zone`.
#[derive(Debug)]
#[non_exhaustive]
pub struct RequestZone {
    /// Its name.
    pub name: Box<str>,
    /// What is counted by; nothing is counted when it evaluates to nothing.
    pub key: Template,
    /// The leaky buckets, with their rate.
    pub buckets: Arc<LimitReq>,
}

impl RequestZone {
    /// A zone with this name.
    #[must_use]
    pub fn new(name: &str, key: Template, buckets: Arc<LimitReq>) -> Self {
        Self { name: name.into(), key, buckets }
    }
}

/// The memory of limits, kept from one loading of a configuration to the next: a zone whose name, key, size and rate
/// are the same goes on counting. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Zones(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    connections: HashMap<ZoneId, Weak<LimitConn>>,
    requests: HashMap<ZoneId, Weak<LimitReq>>,
    tunnels: HashMap<ZoneId, Weak<LimitConn>>,
}

/// Name, key, size, rate.
type ZoneId = (String, String, usize, u32);

impl Zones {
    pub(crate) fn connections(&self, name: &str, key: &Template, size: usize) -> Arc<LimitConn> {
        let id = (name.to_owned(), key.source().to_owned(), size, 0);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept(&mut known.connections, id, || LimitConn::new(size))
    }

    pub(crate) fn requests(&self, name: &str, key: &Template, size: usize, rate: u32) -> Arc<LimitReq> {
        let id = (name.to_owned(), key.source().to_owned(), size, rate);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept(&mut known.requests, id, || LimitReq::new(size, rate))
    }
}

impl Zones {
    /// The count of the tunnels of a level (G8): it is kept as long as the level is written alike, whatever the bound.
    pub(crate) fn tunnels(&self, level: &str) -> Arc<LimitConn> {
        let id = (level.to_owned(), String::new(), 0, 0);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept(&mut known.tunnels, id, || LimitConn::new(usize::MAX))
    }
}

/// The zone that somebody still uses, or a new one.
fn kept<T>(zones: &mut HashMap<ZoneId, Weak<T>>, id: ZoneId, make: impl FnOnce() -> T) -> Arc<T> {
    zones.retain(|_, zone| zone.strong_count() > 0);
    if let Some(zone) = zones.get(&id).and_then(Weak::upgrade) {
        return zone;
    }
    let zone = Arc::new(make());
    zones.insert(id, Arc::downgrade(&zone));
    zone
}
