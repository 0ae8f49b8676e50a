//! What a configuration file comes to.

use core::time::Duration;
use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc};

use underpass_core::{
    Address, Severity,
    config::{Config, ResolverId},
    shared::Upstreams,
    trace::Sample,
};

use crate::{
    access::Access,
    error::{ConfigNote, Position},
    mask::masked,
    source::SourceFile,
    syntax::{Directive, Printed},
    tls::{ListenerTls, UpstreamTls},
};

/// A configuration, ready to be used.
#[derive(Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// Where clients are listened for, each address once, in the order of the file. An address and the
    /// wildcard address may both be there with one port: the more specific one has its connections.
    pub listeners: Vec<Listener>,
    /// The groups of origin servers, which all listeners share.
    pub upstreams: Arc<Upstreams>,
    /// `resolver` of each group: the one in [`Main::resolvers`] that its names are looked up with.
    /// Absent: the system's.
    pub resolvers_of_groups: Vec<Option<ResolverId>>,
    /// TLS towards origin servers, each that differs once: a [`TlsSettingsId`](underpass_core::config::TlsSettingsId) is an
    /// index into them.
    pub upstream_tls: Vec<UpstreamTls>,
    /// What concerns the process.
    pub main: Main,
    /// Who may use the locations: [`underpass_core::config::Location::admission`] is an index into them.
    pub access: Vec<Access>,
    /// What the operator should know.
    pub notes: Vec<ConfigNote>,
    /// The files that were read, the main file first.
    pub files: Vec<SourceFile>,
    pub(crate) tree: Vec<Directive>,
}

impl Loaded {
    /// The configuration as one file, what is included in its place; it is read as the same configuration.
    #[must_use]
    pub fn expanded(&self) -> String {
        Printed(&self.tree).to_string()
    }

    /// The same for the traces of sessions, without what may be a secret in it: values of fields, content of answers,
    /// values of queries, and what these are compared with. A session takes the same way by it, as far as the trace of
    /// the session is masked, too ([`underpass_core::trace`]).
    #[must_use]
    pub fn masked(&self) -> String {
        Printed(&masked(&self.tree)).to_string()
    }
}

/// One listening socket.
#[derive(Debug)]
#[non_exhaustive]
pub struct Listener {
    /// Its address.
    pub address: Address,
    /// Options of the socket, as the `listen` that has some says.
    pub options: ListenOptions,
    /// `ssl`: connections begin with a TLS handshake. Absent: they are in clear.
    pub tls: Option<ListenerTls>,
    /// How the first `listen` of this address was written.
    pub written: String,
    /// Where that stands.
    pub position: Position,
    /// What its sessions share. Groups, maps and identity are those of all listeners.
    pub config: Arc<Config>,
}

/// Options of a listening socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenOptions {
    /// `backlog=`: how many connections may wait to be accepted; absent: nginx's 511.
    pub backlog: Option<u32>,
    /// `reuseport`: each worker has a socket of its own.
    pub reuseport: bool,
    /// `deferred`: a connection is accepted when its first bytes have come.
    pub deferred: bool,
    /// `ipv6only=off`: an IPv6 socket has IPv4 connections, too.
    pub dual_stack: bool,
    /// `so_keepalive=`.
    pub keepalive: Option<KeepAliveProbes>,
    /// `rcvbuf=`: bytes.
    pub receive_buffer: Option<u32>,
    /// `sndbuf=`: bytes.
    pub send_buffer: Option<u32>,
}

/// `so_keepalive=`: how the system probes idle connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAliveProbes {
    /// `off`.
    Off,
    /// `on`, or `IDLE:INTERVAL:COUNT`; what is absent is the system's choice.
    On {
        /// Silence before the first probe.
        idle: Option<Duration>,
        /// Between two probes.
        interval: Option<Duration>,
        /// Probes without an answer, after which the connection is broken.
        count: Option<u32>,
    },
}

/// What concerns the process and not a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Main {
    /// `worker_processes`.
    pub worker_processes: WorkerProcesses,
    /// `worker_connections`.
    pub worker_connections: usize,
    /// `daemon`.
    pub daemon: bool,
    /// `pid`.
    pub pid: Option<PathBuf>,
    /// `error_log` outside of all blocks; at least one.
    pub error_logs: Vec<ErrorLog>,
    /// The files of `access_log`, of `upgrade_log`, and of `error_log` in a block, each once; a
    /// [`LogId`](underpass_core::config::LogId) is an index into them.
    pub logs: Vec<LogFile>,
    /// `log_queue`: bytes of lines that may wait to be written, those of all logs together.
    pub log_queue: usize,
    /// `session_trace`: [`Config::trace`] is an index into them.
    pub traces: Vec<SessionTrace>,
    /// `resolver`: a [`ResolverId`] is an index into them.
    pub resolvers: Vec<Resolver>,
    /// `user`: whom the workers run as, with the group.
    pub user: Option<User>,
    /// `worker_shutdown_timeout`: how long a drain may take; absent: without an end.
    pub worker_shutdown_timeout: Option<Duration>,
    /// `worker_rlimit_nofile`: descriptors that the process may have; absent: what the system permits.
    pub worker_rlimit_nofile: Option<u64>,
    /// `worker_cpu_affinity`.
    pub worker_cpu_affinity: CpuAffinity,
}

/// `user`: the system is asked who that is when the process starts. Equal are two that name the same,
/// wherever they stand.
#[derive(Clone, Debug, Eq)]
#[non_exhaustive]
pub struct User {
    /// The name of the user.
    pub name: String,
    /// The name of the group; absent: that of the user.
    pub group: Option<String>,
    /// Where the directive stands.
    pub position: Position,
}

impl PartialEq for User {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.group) == (&other.name, &other.group)
    }
}

/// Where lines are written to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogFile {
    /// The place.
    pub target: LogTarget,
    /// `buffer=`: lines are written when so many bytes have come together; absent: each at once.
    pub buffer: Option<usize>,
    /// `flush=`: or when they have waited so long.
    pub flush: Option<Duration>,
}

/// `session_trace` of a listening socket: of its default server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionTrace {
    /// The file.
    pub path: PathBuf,
    /// Which sessions.
    pub sample: Sample,
    /// `content=plain`: content and credentials are told.
    pub plain: bool,
}

/// One `resolver`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resolver {
    /// The name servers, asked in turn.
    pub servers: Vec<SocketAddr>,
    /// `valid=`: how long an answer holds; absent: as long as it says itself.
    pub valid: Option<Duration>,
    /// Whether IPv4 addresses are asked for: not with `ipv4=off`.
    pub ipv4: bool,
    /// Whether IPv6 addresses are asked for: not with `ipv6=off`.
    pub ipv6: bool,
}

/// Which processors the workers run on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CpuAffinity {
    /// The system decides.
    #[default]
    Any,
    /// `auto`, of all processors or of those in the mask: one for each worker, in turn.
    Auto(Option<Vec<usize>>),
    /// The processors of each worker; the last entry holds for those behind it.
    Masks(Vec<Vec<usize>>),
}

/// How many workers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerProcesses {
    /// As many as processors.
    Auto,
    /// So many, at least one.
    Count(usize),
}

/// One `error_log`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorLog {
    /// Where it goes.
    pub target: LogTarget,
    /// Events from this one on are written.
    pub severity: Severity,
}

/// Where a log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogTarget {
    /// Standard error.
    Stderr,
    /// A file.
    File(PathBuf),
    /// A syslog server.
    Syslog(Syslog),
}

impl fmt::Display for LogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stderr => f.write_str("stderr"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Syslog(syslog) => write!(f, "syslog:server={}", syslog.written),
        }
    }
}

/// `syslog:`: a server that gets each line as a datagram (RFC 3164).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Syslog {
    /// `server=`: an address to send to over UDP, or the path of a Unix datagram socket.
    pub server: Address,
    /// How the server was written.
    pub written: String,
    /// `facility=`: its number (RFC 3164 §4.1.1); 23, `local7`, when nothing is said.
    pub facility: u8,
    /// `severity=`: of lines that have none of their own, as those of an access log; `info` when nothing is said.
    pub severity: Severity,
    /// `tag=`: who sends; at most 32 letters, digits and underscores; `nginx` when nothing is said.
    pub tag: String,
    /// The name of this machine; absent with `nohostname`.
    pub hostname: Option<String>,
}
