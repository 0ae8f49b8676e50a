//! What a configuration file comes to.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use underpass_core::{Severity, config::Config};

use crate::{
    error::{Note, Position},
    source::SourceFile,
    syntax::{Directive, Printed},
};

/// A configuration, ready to be used.
#[derive(Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// Where clients are listened for, each address once, in the order of the file. An address and the
    /// wildcard address may both be there with one port: the more specific one has its connections.
    pub listeners: Vec<Listener>,
    /// What concerns the process.
    pub main: Main,
    /// What the operator should know.
    pub notes: Vec<Note>,
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
}

/// One listening socket.
#[derive(Debug)]
#[non_exhaustive]
pub struct Listener {
    /// Its address.
    pub address: SocketAddr,
    /// How the first `listen` of this address was written.
    pub written: String,
    /// Where that stands.
    pub position: Position,
    /// What its sessions share. Groups, maps and identity are those of all listeners.
    pub config: Arc<Config>,
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
    /// The files of `access_log`, each once; `AccessLog::sink` is an index into them.
    pub access_log_paths: Vec<PathBuf>,
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

/// Where an error log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogTarget {
    /// Standard error.
    Stderr,
    /// A file.
    File(PathBuf),
}
