//! Where the configuration comes from, to be loaded again.

use std::{
    io,
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use underpass_core::config::Identity;
use underpass_nginx_config::{
    LoadOptions, Loaded, LogTarget, Resolve, SourceFile, load, load_files, load_text,
};

use super::trouble::Trouble;
use crate::{
    Files, Target,
    command::{DEFAULT_PREFIX, Options},
    keeper::{Keeper, Names},
    tls::Reader,
};

/// A configuration as the command line names it.
#[derive(Debug)]
pub(crate) struct Source {
    place: Place,
    options: LoadOptions,
    /// What names have come to.
    looked_up: Arc<LookedUp>,
    /// Who reads the files; absent: this process does.
    keeper: Option<Arc<Keeper>>,
}

/// A file with what it includes, or a text that the program has made itself.
#[derive(Debug)]
pub(crate) enum Place {
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
        Self::of(Place::File(file), options)
    }

    /// A text that messages call `name`.
    pub(crate) fn text(name: &'static str, text: String) -> Self {
        Self::of(Place::Text { name, text }, load_options(DEFAULT_PREFIX))
    }

    /// The same, with names looked up by `resolver`.
    #[cfg(test)]
    pub(crate) fn text_with(name: &'static str, text: String, resolver: Arc<dyn Resolve>) -> Self {
        let mut options = load_options(DEFAULT_PREFIX);
        options.resolver = resolver;
        Self::of(Place::Text { name, text }, options)
    }

    fn of(place: Place, mut options: LoadOptions) -> Self {
        let looked_up = Arc::new(LookedUp::by(options.resolver));
        options.resolver = Arc::clone(&looked_up) as Arc<dyn Resolve>;
        Self { place, options, looked_up, keeper: None }
    }

    /// Where it is, and how it is read.
    pub(crate) fn into_parts(self) -> (Place, LoadOptions) {
        (self.place, self.options)
    }

    /// From now on the files are read by `keeper`, if there is one. `loaded` is what they came to before, and is read
    /// again when they have changed meanwhile.
    pub(crate) fn kept_by(
        mut self,
        keeper: Option<&Arc<Keeper>>,
        loaded: Loaded,
    ) -> Result<(Self, Loaded), Trouble> {
        self.keeper = keeper.cloned();
        let Some(keeper) = keeper else { return Ok((self, loaded)) };
        let same =
            |(one, other): (&SourceFile, &SourceFile)| one.name == other.name && one.text == other.text;
        let is_as_before = match &self.place {
            Place::File(_) => {
                let files = keeper.read()?;
                files.len() == loaded.files.len() && files.iter().zip(&loaded.files).all(same)
            }
            Place::Text { .. } => true,
        };
        if is_as_before {
            keeper.accept(&self.looked_up.known())?;
            return Ok((self, loaded));
        }
        let loaded = self.load()?;
        Ok((self, loaded))
    }

    /// Reads it.
    pub(crate) fn load(&self) -> Result<Loaded, Trouble> {
        self.looked_up.forget();
        let loaded = match (&self.place, &self.keeper) {
            (Place::File(path), Some(keeper)) => load_files(path, &keeper.read()?, &self.options)?,
            (Place::File(path), None) => load(path, &self.options)?,
            (Place::Text { name, text }, _) => load_text(name, text.as_str(), &self.options)?,
        };
        if let Some(keeper) = &self.keeper {
            keeper.accept(&self.looked_up.known())?;
        }
        Ok(loaded)
    }

    /// Who reads the files of TLS.
    pub(crate) fn reader(&self) -> Reader {
        Reader::by(self.keeper.as_ref())
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

/// Looks names up, and remembers what they came to.
#[derive(Debug)]
struct LookedUp {
    resolver: Arc<dyn Resolve>,
    known: Mutex<Names>,
}

impl LookedUp {
    fn by(resolver: Arc<dyn Resolve>) -> Self {
        Self { resolver, known: Mutex::default() }
    }

    fn forget(&self) {
        self.lock().clear();
    }

    fn known(&self) -> Names {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Names> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolve for LookedUp {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = self.resolver.resolve(host);
        self.lock().push((host.to_owned(), found.as_ref().ok().cloned()));
        found
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
