//! nginx configuration files for underpass: from text to `underpass-core`'s typed configuration.
//!
//! ```
//! use underpass_nginx_config::{LoadOptions, load_text};
//!
//! let file = "
//!     http {
//!         map $http_upgrade $connection_upgrade { default upgrade; '' close; }
//!         server {
//!             listen 127.0.0.1:8080;
//!             location /chat/ {
//!                 proxy_pass http://127.0.0.1:9000;
//!                 proxy_set_header Upgrade $http_upgrade;
//!                 proxy_set_header Connection $connection_upgrade;
//!             }
//!         }
//!     }";
//! let loaded = load_text("nginx.conf", file, &LoadOptions::new("/etc/underpass"))?;
//! assert_eq!(loaded.listeners[0].address.to_string(), "127.0.0.1:8080");
//!
//! let error = load_text("nginx.conf", "http {\n  sever { }\n}", &LoadOptions::default()).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "unknown directive \"sever\" in nginx.conf:2:3; did you mean \"server\"?",
//! );
//! # Ok::<(), underpass_nginx_config::Error>(())
//! ```
//!
//! The way of a file: `syntax` finds the directives in it, `check` compares each with the table of
//! `directives`, `source` makes one tree of the file and what it includes, and `compile` makes of the tree what
//! holds for each location, with everything inherited merged in. As in nginx, the first mistake ends it; an
//! [`Error`] says where it is.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod access;
mod check;
mod compile;
mod directives;
mod error;
mod lint;
mod loaded;
mod mask;
mod recorded;
mod regex;
mod resolve;
mod source;
mod syntax;
mod tls;
mod values;

pub use access::{
    Access, ClientRule, ConnectionLimit, ConnectionZone, RequestLimit, RequestZone, Users, Who, Zones,
};
pub use directives::{Directive, DirectiveOutcome, NGINX_VERSION, configure_options};
pub use error::{ConfigNote, Error, Position};
pub use loaded::{
    CpuAffinity, ErrorLog, KeepAliveProbes, ListenOptions, Listener, Loaded, LogFile, LogTarget, Main,
    Resolver, SessionTrace, Syslog, User, WorkerProcesses,
};
pub use recorded::load_recorded;
pub use resolve::{Resolve, SystemResolver};
pub use source::SourceFile;
pub use tls::{
    ClientVerification, CredentialFiles, ListenerTls, NamedFile, ServerTls, SessionCache, TlsVersions,
    UpstreamTls, Written,
};

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use underpass_core::config::Identity;

use source::Source;

/// What a configuration needs to know that does not stand in its file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoadOptions {
    /// The folder of relative log and pid files.
    pub prefix: PathBuf,
    /// Looks up the names of origin servers and listening addresses.
    pub resolver: Arc<dyn Resolve>,
    /// Who the gateway says it is.
    pub identity: Arc<Identity>,
    /// Directives of the main context that stand in front of the file: nginx's `-g`.
    pub globals: String,
    /// Where the error log goes when the file doesn't say: nginx's `-e`.
    pub error_log: LogTarget,
    /// What limits have counted: kept by whoever loads a configuration again.
    pub zones: Zones,
}

impl LoadOptions {
    /// Options with this prefix, the resolver of the system and the default identity; the error log is the
    /// standard error stream.
    #[must_use]
    pub fn new(prefix: impl Into<PathBuf>) -> Self {
        Self {
            prefix: prefix.into(),
            resolver: Arc::new(SystemResolver),
            identity: Arc::default(),
            globals: String::new(),
            error_log: LogTarget::Stderr,
            zones: Zones::default(),
        }
    }
}

/// The prefix `/etc/underpass`.
impl Default for LoadOptions {
    fn default() -> Self {
        Self::new("/etc/underpass")
    }
}

/// Loads the configuration file at `path`.
///
/// # Errors
/// With the first thing that is wrong in the file or in one that it includes.
pub fn load(path: impl AsRef<Path>, options: &LoadOptions) -> Result<Loaded, Error> {
    compile::compile(Source::read(path.as_ref(), &options.globals)?, options)
}

/// Loads a configuration from memory. Messages call it `name`; relative includes are looked for in the
/// folder of that name.
///
/// # Errors
/// With the first thing that is wrong; its position is always known.
pub fn load_text(
    name: impl AsRef<Path>,
    text: impl Into<Vec<u8>>,
    options: &LoadOptions,
) -> Result<Loaded, Error> {
    compile::compile(Source::expand(name.as_ref(), text.into(), &options.globals)?, options)
}

/// Reads the files of the configuration at `path`, behind the directives `globals`, and checks each directive by
/// itself; nothing else is done with them. For a process that reads what another one uses, see [`load_files`].
///
/// # Errors
/// With the first thing that is wrong in the file or in one that it includes.
pub fn read_files(path: impl AsRef<Path>, globals: &str) -> Result<Vec<SourceFile>, Error> {
    Ok(Source::read(path.as_ref(), globals)?.files)
}

/// Loads the configuration file at `path` from `files`, which holds it and what it includes: what
/// [`read_files`] or [`Loaded::files`] has. The file system is not looked at.
///
/// # Errors
/// With the first thing that is wrong.
pub fn load_files(
    path: impl AsRef<Path>,
    files: &[SourceFile],
    options: &LoadOptions,
) -> Result<Loaded, Error> {
    compile::compile(Source::given(path.as_ref(), files, &options.globals)?, options)
}
