//! Reading the files that a configuration names for TLS.

use std::{
    fs::OpenOptions,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::OFlags;
use underpass_core::Fault;
use underpass_nginx_config::{Loaded, NamedFile};

use crate::{keeper::Keeper, process::Trouble};

/// The most bytes of a file: lists of revoked certificates may have some megabytes.
const MOST: u64 = 64 << 20;

/// Reads files: with the rights of root where a keeper has them, and the user can't change the path; otherwise with those of
/// this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reader {
    keeper: Option<Arc<Keeper>>,
}

impl Reader {
    pub(crate) fn by(keeper: Option<&Arc<Keeper>>) -> Self {
        Self { keeper: keeper.cloned() }
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// When it can't be read, is no file, or is larger than any such file.
    pub(super) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let kept = self.keeper.as_ref().map_or(Ok(None), |keeper| keeper.read_file(path))?;
        kept.map_or_else(|| read(path, OFlags::empty()), Ok)
    }

    /// The same for a file that a directive names; a message ends with its place.
    pub(super) fn named(&self, what: &str, file: &NamedFile) -> Result<Vec<u8>, Trouble> {
        self.read(&file.path).map_err(|error| {
            let why = match error.raw_os_error() {
                Some(_) => format!("open() failed ({})", Fault::from(error)),
                None => error.to_string(),
            };
            refused(what, file, &why)
        })
    }
}

/// `cannot load certificate "PATH": WHY in FILE:LINE:COLUMN`.
pub(super) fn refused(what: &str, file: &NamedFile, why: &dyn std::fmt::Display) -> Trouble {
    Trouble::new(format!("cannot load {what} \"{}\": {why} in {}", file.path.display(), file.position))
}

/// Reads a file. A pipe that nobody writes to keeps nobody waiting: it is no file.
pub(crate) fn read(path: &Path, flags: OFlags) -> io::Result<Vec<u8>> {
    let flags = (flags | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    file.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// All files that a configuration names for TLS.
pub(crate) fn named_files(loaded: &Loaded) -> Vec<PathBuf> {
    let mut files: Vec<&NamedFile> = Vec::new();
    for server in
        loaded.listeners.iter().filter_map(|listener| listener.tls.as_ref()).flat_map(|tls| &tls.servers)
    {
        files.extend(server.credentials.iter().flat_map(|pair| [&pair.certificate, &pair.key]));
        files.extend(&server.ticket_keys);
        files.extend(&server.stapling_file);
        files.extend(
            [&server.verify.authorities, &server.verify.trusted, &server.verify.crl].into_iter().flatten(),
        );
    }
    for tls in &loaded.upstream_tls {
        files.extend(tls.credential.iter().flat_map(|pair| [&pair.certificate, &pair.key]));
        files.extend([&tls.trusted, &tls.crl].into_iter().flatten());
    }
    files.into_iter().map(|file| file.path.clone()).collect()
}
