//! Where the configuration comes from, to be loaded again.

use std::{path::PathBuf, sync::Arc};

use underpass_core::config::Identity;
use underpass_nginx_config::{LoadOptions, Loaded, LogTarget, load, load_text};

use super::trouble::Trouble;
use crate::{
    Files, Target,
    command::{DEFAULT_PREFIX, Options},
};

/// A configuration as the command line names it.
#[derive(Debug)]
pub(crate) struct Source {
    place: Place,
    options: LoadOptions,
}

#[derive(Debug)]
enum Place {
    File(PathBuf),
    Text { name: &'static str, text: String },
}

impl Source {
    /// What `-c`, `-p`, `-g` and `-e` say.
    pub(crate) fn file(written: &Options) -> Self {
        let Files { prefix, file } = Files::resolve(written.file.as_deref(), written.prefix.as_deref());
        let mut options = load_options(&prefix);
        options.globals.clone_from(&written.globals);
        options.error_log = match &written.error_log {
            Some(path) if path.as_os_str() != "stderr" => LogTarget::File(prefix.join(path)),
            _ => LogTarget::Stderr,
        };
        Self { place: Place::File(file), options }
    }

    /// A text that messages call `name`.
    pub(crate) fn text(name: &'static str, text: String) -> Self {
        Self { place: Place::Text { name, text }, options: load_options(DEFAULT_PREFIX) }
    }

    /// Reads it.
    pub(crate) fn load(&self) -> Result<Loaded, Trouble> {
        Ok(match &self.place {
            Place::File(path) => load(path, &self.options)?,
            Place::Text { name, text } => load_text(name, text.as_str(), &self.options)?,
        })
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> String {
        match &self.place {
            Place::File(path) => path.display().to_string(),
            Place::Text { name, .. } => (*name).to_owned(),
        }
    }

    /// Where errors go that come before the configuration has opened a log, besides the standard error
    /// stream.
    pub(crate) fn early_log(&self) -> Option<Target> {
        match &self.options.error_log {
            LogTarget::File(path) => Some(Target::Path(path.clone())),
            _ => None,
        }
    }
}

fn load_options(prefix: impl Into<PathBuf>) -> LoadOptions {
    let mut identity = Identity::default();
    identity.hostname = rustix::system::uname().nodename().to_string_lossy().into();
    identity.pid = std::process::id();
    let mut options = LoadOptions::new(prefix);
    options.identity = Arc::new(identity);
    options
}
