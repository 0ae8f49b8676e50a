//! What a process that has given up root's rights still needs root for: a small process of its own does it.
//!
//! A process that is started by root and has a `user` starts the program once more before anything else, and then
//! becomes that user for good, all of its threads included. The second process, the keeper, stays root. It has one
//! thread, no socket but the one to the first process, and answers these requests only:
//!
//! | request | what the keeper does |
//! |---|---|
//! | `read` | reads the configuration that the command line named, and hands its files over |
//! | `accept` | parses these files once more, by itself: what they name is what it opens from now on |
//! | `free` | says whether nobody listens on an address that the configuration listens on |
//! | `bind` | binds a socket to such an address, and hands it over |
//! | `log` | opens a log that the configuration names, or an earlier one did, and hands it over; says which stream of the first process it is, where its path leads to one |
//! | `file` | reads a file that the configuration names for TLS, such as a private key, and hands its bytes over |
//! | `pid` | writes the number of the first process to the configuration's pid file |
//! | `remove` | removes the pid file or the file of a socket that it has made |
//!
//! So whoever takes the first process over gets nothing that the configuration doesn't give it, with one exception:
//! the first process looks names up, and where a `listen` has a name, its word is taken for the address. A file
//! whose path the user can change ([`path`]) the keeper does not touch: there the process has to do with the
//! rights of the user.
//!
//! | file | what it holds |
//! |---|---|
//! | `serve` | the keeper's process: its start, one request after the other |
//! | `keeping` | what it does when it is asked |
//! | `wire` | words and descriptors from one process to the other |
//! | `path` | whether a path leads where root has had it lead |

mod keeping;
mod path;
mod serve;
mod wire;

use std::{
    env, io,
    net::{IpAddr, Shutdown},
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt as _},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, TryLockError},
    thread,
    time::{Duration, Instant},
};

use underpass_core::Address;
use underpass_nginx_config::SourceFile;

use crate::{
    log::{Open, Opened, Readers, Standard},
    process::{Trouble, itself},
};
pub(crate) use serve::{serve, started_for};

/// Names the process that the keeper is for, so that a value that was left behind means nothing.
const VARIABLE: &str = "UNDERPASS_KEEPER_OF";

/// What the operator sees in a list of processes.
const NAME: &str = "underpass: keeper";

/// How long the end of the keeper is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// The longest answer.
const LONGEST: usize = 1 << 30;

/// The process that has kept root's rights, as the one that hasn't sees it.
#[derive(Debug)]
pub(crate) struct Keeper {
    stream: Mutex<UnixStream>,
    /// Another handle, to end a conversation with.
    end: UnixStream,
    child: Mutex<Child>,
}

/// A file that the keeper has made, and removes when this is dropped.
#[derive(Debug)]
pub(crate) struct Kept {
    keeper: Arc<Keeper>,
    path: PathBuf,
}

/// What a name came to when it was looked up; absent: there is no such name.
pub(crate) type Names = Vec<(String, Option<Vec<IpAddr>>)>;

impl Keeper {
    /// Starts it. To be called while the process has root's rights and no other thread.
    pub(crate) fn start() -> io::Result<Arc<Self>> {
        let (ours, its) = UnixStream::pair()?;
        let child = Command::new(itself()?)
            .arg0(NAME)
            .args(env::args_os().skip(1))
            .env(VARIABLE, std::process::id().to_string())
            .stdin(OwnedFd::from(its))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let end = ours.try_clone()?;
        Ok(Arc::new(Self { stream: Mutex::new(ours), end, child: Mutex::new(child) }))
    }

    /// The files of the configuration, as they are now.
    pub(crate) fn read(&self) -> Result<Vec<SourceFile>, Trouble> {
        let words = self.ask(&[b"read"], |_, words| Ok(words))?;
        let mut files = Vec::new();
        let mut words = words.into_iter();
        while let (Some(name), Some(text)) = (words.next(), words.next()) {
            files.push(SourceFile::new(String::from_utf8_lossy(&name), text));
        }
        Ok(files)
    }

    /// From now on the keeper opens what these files name.
    pub(crate) fn accept(&self, names: &Names) -> Result<(), Trouble> {
        let mut words = vec![b"accept".to_vec()];
        for (name, found) in names {
            let found = found.iter().flatten().map(IpAddr::to_string).collect::<Vec<_>>().join(" ");
            words.extend([name.clone().into_bytes(), found.into_bytes()]);
        }
        Ok(self.ask(&words, |_, _| Ok(()))?)
    }

    /// Checks that nobody listens on an address.
    pub(crate) fn address_is_free(&self, address: &Address) -> io::Result<()> {
        self.ask(&[b"free", address.to_string().as_bytes()], |_, _| Ok(()))
    }

    /// A socket that is bound to an address; absent when the process has to bind it itself.
    pub(crate) fn bind(&self, address: &Address) -> io::Result<Option<OwnedFd>> {
        self.ask(&[b"bind", address.to_string().as_bytes()], descriptor)
    }

    /// The bytes of a file that the configuration names for TLS; absent when the process has to read it itself.
    pub(crate) fn read_file(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        self.ask(&[b"file", bytes(path)], |_, mut words| Ok(words.pop()))
    }

    /// Writes the number of this process to its pid file; false when the process has to do it itself.
    pub(crate) fn write_pid(&self, path: &Path) -> io::Result<bool> {
        self.ask(&[b"pid", bytes(path)], |_, words| Ok(!words.is_empty()))
    }

    /// The file will be removed with what is returned.
    pub(crate) fn keep(self: &Arc<Self>, path: &Path) -> Kept {
        Kept { keeper: Arc::clone(self), path: path.to_owned() }
    }

    /// Lets the keeper end, and waits until it has removed what it made, but not for long.
    pub(crate) fn end(&self) {
        // It may have ended by itself.
        let _ended = self.end.shutdown(Shutdown::Both);
        let begin = Instant::now();
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        while matches!(child.try_wait(), Ok(None)) && begin.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn ask<W: AsRef<[u8]>, T>(
        &self,
        words: &[W],
        take: impl FnOnce(&UnixStream, Vec<Vec<u8>>) -> io::Result<T>,
    ) -> io::Result<T> {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        answer(&stream, words).and_then(|words| take(&stream, words))
    }
}

impl Open for Keeper {
    fn open(&self, path: &Path, readers: Readers) -> io::Result<Opened> {
        let readers = if readers == Readers::Owner { b"owner".as_slice() } else { b"" };
        self.ask(&[b"log", bytes(path), readers], |stream, words| {
            Ok(match words.first().map(Vec::as_slice) {
                Some(b"stdout") => Opened::Standard(Standard::Output),
                Some(b"stderr") => Opened::Standard(Standard::Error),
                _ => descriptor(stream, words)?
                    .map_or(Opened::LeftToTheProcess, |descriptor| Opened::File(descriptor.into())),
            })
        })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // While somebody waits for an answer that doesn't come, the process may have to end: the keeper removes
        // the file when it sees that.
        let stream = match self.keeper.stream.try_lock() {
            Ok(stream) => stream,
            Err(TryLockError::Poisoned(stream)) => stream.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if let Err(error) = answer(&stream, &[b"remove", bytes(&self.path)]) {
            crate::log::complain(&format!("cannot remove \"{}\": {error}", self.path.display()));
        }
    }
}

/// Asks, and waits for the answer.
fn answer<W: AsRef<[u8]>>(stream: &UnixStream, words: &[W]) -> io::Result<Vec<Vec<u8>>> {
    let gone = |error: io::Error| {
        io::Error::other(format!("the process that has kept the rights of root doesn't answer: {error}"))
    };
    wire::send(stream, words).map_err(gone)?;
    let words = wire::receive(stream, LONGEST).map_err(gone)?;
    let mut words = words.ok_or_else(|| gone(io::ErrorKind::UnexpectedEof.into()))?;
    if words.first().is_some_and(|word| word == b"ok") {
        words.remove(0);
        return Ok(words);
    }
    let text = |index: usize| words.get(index).map(|word| String::from_utf8_lossy(word)).unwrap_or_default();
    match text(1).parse() {
        Ok(number) => Err(io::Error::from_raw_os_error(number)),
        Err(_) => Err(io::Error::other(text(2))),
    }
}

/// A descriptor follows an answer that has a word.
fn descriptor(stream: &UnixStream, words: Vec<Vec<u8>>) -> io::Result<Option<OwnedFd>> {
    if words.is_empty() { Ok(None) } else { wire::receive_descriptor(stream).map(Some) }
}

fn bytes(path: &Path) -> &[u8] {
    use std::os::unix::ffi::OsStrExt as _;
    path.as_os_str().as_bytes()
}
