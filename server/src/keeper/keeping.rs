//! What the keeper does for the other process: what the configuration names, and nothing else.

use std::{
    collections::{HashMap, HashSet},
    ffi::OsString,
    io,
    net::IpAddr,
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStringExt as _, net::UnixStream},
    },
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::OFlags,
    io::Errno,
};
use underpass_core::Address;
use underpass_nginx_config::{
    Listener as Wanted, LoadOptions, Loaded, LogTarget, Main, Resolve, SourceFile, load_files, load_text,
    read_files,
};

use super::path::beyond_reach_of;
use crate::{
    Listener, PidFile,
    log::{Readers, Standard, open_for_appending},
    process::{Credentials, Place, SocketFile, bind},
    tls::{named_files, read as read_private},
};

/// Where the configuration comes from.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) place: Place,
    pub(super) options: LoadOptions,
}

/// What the keeper knows, and what it has made.
pub(super) struct Keeping {
    source: Source,
    /// Hung up when the other process has ended.
    process: Arc<UnixStream>,
    /// Whom all is for.
    number: u32,
    /// As they were read last.
    files: Vec<SourceFile>,
    accepted: Option<Accepted>,
    /// Those of all configurations so far: sessions keep the one that they began with.
    logs: HashSet<PathBuf>,
    /// Those of all configurations so far: certificates are watched until the next configuration is in use.
    files_of_tls: HashSet<PathBuf>,
    /// Removed at the end.
    made: HashMap<PathBuf, Made>,
}

/// What a configuration names.
struct Accepted {
    listeners: Vec<Wanted>,
    pid: Option<PathBuf>,
    /// The user that the first configuration named.
    user: Credentials,
}

/// A file that is removed when this is dropped.
enum Made {
    Pid(#[expect(dead_code, reason = "it is dropped")] PidFile),
    Socket(#[expect(dead_code, reason = "it is dropped")] SocketFile),
}

/// What comes of a request.
#[derive(Default)]
pub(super) struct Done {
    pub(super) words: Vec<Vec<u8>>,
    /// It follows the words.
    pub(super) descriptor: Option<OwnedFd>,
}

impl Keeping {
    pub(super) fn of(source: Source, number: u32, process: Arc<UnixStream>) -> Self {
        let early = match &source.options.error_log {
            LogTarget::File(path) => Some(path.clone()),
            _ => None,
        };
        let logs = early.into_iter().collect();
        Self {
            source,
            process,
            number,
            files: Vec::new(),
            accepted: None,
            logs,
            files_of_tls: HashSet::new(),
            made: HashMap::new(),
        }
    }

    /// Does what is asked.
    ///
    /// # Errors
    /// When the system refuses, or the configuration names no such thing.
    pub(super) fn obey(&mut self, verb: &[u8], mut words: Vec<Vec<u8>>) -> io::Result<Done> {
        let mut word = || if words.is_empty() { Vec::new() } else { words.remove(0) };
        match verb {
            b"read" => self.read(),
            b"accept" => self.accept(words),
            b"free" => match &self.listener(&word())?.address {
                Address::Ip(address) => Listener::address_is_free(*address).map(|()| Done::default()),
                Address::Unix(_) => Ok(Done::default()),
            },
            b"bind" => self.bind(&word()),
            b"log" => {
                let path = OsString::from_vec(word()).into();
                self.open(&path, word() == b"owner")
            }
            b"file" => self.read_file(&OsString::from_vec(word()).into()),
            b"pid" => self.write_pid(&OsString::from_vec(word()).into()),
            b"remove" => {
                self.made.remove(Path::new(&OsString::from_vec(word())));
                Ok(Done::default())
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn read(&mut self) -> io::Result<Done> {
        let Source { place: Place::File(path), options } = &self.source else { return Err(unnamed()) };
        self.files = read(path.clone(), options.globals.clone(), &self.process)?;
        let words = self.files.iter().flat_map(|file| [file.name.as_bytes().to_vec(), file.text.clone()]);
        Ok(Done { words: words.collect(), descriptor: None })
    }

    fn accept(&mut self, words: Vec<Vec<u8>>) -> io::Result<Done> {
        let Source { place, options } = &self.source;
        let mut options = options.clone();
        options.resolver = Arc::new(Told::from(words));
        let loaded = match place {
            Place::File(path) => load_files(path, &self.files, &options),
            Place::Text { name, text } => load_text(name, text.as_str(), &options),
        };
        let loaded = loaded.map_err(refused)?;
        self.files_of_tls.extend(named_files(&loaded));
        let Loaded { main, listeners, .. } = loaded;
        let user = match self.accepted.take() {
            Some(accepted) => accepted.user,
            None => Credentials::of(&main).map_err(refused)?,
        };
        self.logs.extend(logs(&main));
        self.accepted = Some(Accepted { listeners, pid: main.pid, user });
        Ok(Done::default())
    }

    fn bind(&mut self, address: &[u8]) -> io::Result<Done> {
        let Wanted { address, options, .. } = self.listener(address)?;
        if let Address::Unix(path) = address
            && self.kept(path)?.as_deref() != Some(path)
        {
            return Ok(Done::default());
        }
        let (socket, file) = bind(address, options.dual_stack)?;
        if let (Address::Unix(path), Some(file)) = (address.clone(), file) {
            self.made.insert(path.to_path_buf(), Made::Socket(file));
        }
        Ok(Done::with(socket.into()))
    }

    fn open(&self, path: &PathBuf, private: bool) -> io::Result<Done> {
        if !self.logs.contains(path) {
            return Err(unnamed());
        }
        // This process has other streams than the one that asks.
        if let Some(stream) = Standard::meant_by(path) {
            let name = if stream == Standard::Output { "stdout" } else { "stderr" };
            return Ok(Done { words: vec![name.into()], descriptor: None });
        }
        let Some(path) = self.kept(path)? else { return Ok(Done::default()) };
        let readers = if private { Readers::Owner } else { Readers::Usual };
        // Nobody else has what is opened here: its flags are for the process alone.
        Ok(Done::with(open_for_appending(&path, readers, OFlags::NOFOLLOW)?.into()))
    }

    fn read_file(&self, path: &PathBuf) -> io::Result<Done> {
        if !self.files_of_tls.contains(path) {
            return Err(unnamed());
        }
        let Some(path) = self.kept(path)? else { return Ok(Done::default()) };
        Ok(Done { words: vec![read_private(&path, OFlags::NOFOLLOW)?], descriptor: None })
    }

    fn write_pid(&mut self, path: &PathBuf) -> io::Result<Done> {
        if self.accepted()?.pid.as_ref() != Some(path) {
            return Err(unnamed());
        }
        let Some(kept) = self.kept(path)? else { return Ok(Done::default()) };
        let file = PidFile::of(kept, self.number)?;
        self.made.insert(path.clone(), Made::Pid(file));
        Ok(Done { words: vec![b"kept".to_vec()], descriptor: None })
    }

    /// The listener of the configuration with this address.
    fn listener(&self, address: &[u8]) -> io::Result<&Wanted> {
        let listeners = &self.accepted()?.listeners;
        let named = listeners.iter().find(|listener| listener.address.to_string().as_bytes() == address);
        named.ok_or_else(unnamed)
    }

    /// Where the path leads, when the user can't change that.
    fn kept(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        beyond_reach_of(&self.accepted()?.user, path)
    }

    fn accepted(&self) -> io::Result<&Accepted> {
        self.accepted.as_ref().ok_or_else(unnamed)
    }
}

impl Done {
    fn with(descriptor: OwnedFd) -> Self {
        Self { words: vec![b"descriptor".to_vec()], descriptor: Some(descriptor) }
    }
}

/// Reads the files on a thread of its own: a file system may take as long as it likes, and if the other process ends
/// meanwhile, what was made for it is removed all the same.
fn read(path: PathBuf, globals: String, process: &UnixStream) -> io::Result<Vec<SourceFile>> {
    let (done, tell) = io::pipe()?;
    let reading = thread::Builder::new().name("read".into()).spawn(move || {
        let files = read_files(path, &globals).map_err(refused);
        drop(tell);
        files
    })?;
    loop {
        let mut asked = [PollFd::new(&done, PollFlags::IN), PollFd::new(process, PollFlags::empty())];
        match poll(&mut asked, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [is_read, is_hung_up] = asked.map(|descriptor| !descriptor.revents().is_empty());
        if is_read {
            return reading.join().map_err(|_| io::Error::other("the files could not be read"))?;
        }
        if is_hung_up {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
    }
}

/// All files that lines are written to.
fn logs(main: &Main) -> Vec<PathBuf> {
    let errors = main.error_logs.iter().map(|log| &log.target);
    let files = errors.chain(main.logs.iter().map(|log| &log.target)).filter_map(|target| match target {
        LogTarget::File(path) => Some(path),
        _ => None,
    });
    files.chain(main.traces.iter().map(|trace| &trace.path)).cloned().collect()
}

fn refused(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}

fn unnamed() -> io::Error {
    io::Error::other("the configuration that is kept with the rights of root names no such thing")
}

/// What the other process says that names came to.
#[derive(Debug)]
struct Told(HashMap<String, Vec<IpAddr>>);

impl From<Vec<Vec<u8>>> for Told {
    fn from(words: Vec<Vec<u8>>) -> Self {
        let text = |word: &Vec<u8>| String::from_utf8_lossy(word).into_owned();
        let pairs = words.as_chunks().0.iter().map(|[name, found]| {
            (text(name), text(found).split_whitespace().filter_map(|address| address.parse().ok()).collect())
        });
        Self(pairs.collect())
    }
}

impl Resolve for Told {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.0
            .get(host)
            .filter(|found| !found.is_empty())
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A keeper whose configuration is `text`, where `DIR` is a folder.
    fn keeping(text: &str) -> (tempfile::TempDir, UnixStream, Keeping) {
        let folder = tempfile::tempdir().expect("a folder");
        let text = text.replace("DIR", &folder.path().display().to_string());
        let path = folder.path().join("nginx.conf");
        fs::write(&path, text).expect("a folder of ours");
        let source = Source { place: Place::File(path), options: LoadOptions::new(folder.path()) };
        let (other, process) = UnixStream::pair().expect("two ends");
        (folder, other, Keeping::of(source, 17, process.into()))
    }

    fn ask(keeping: &mut Keeping, words: &[&str]) -> Result<(usize, bool), String> {
        let mut words = words.iter().map(|word| word.as_bytes().to_vec());
        let verb = words.next().expect("a verb");
        let done = keeping.obey(&verb, words.collect());
        done.map(|done| (done.words.len(), done.descriptor.is_some())).map_err(|error| error.to_string())
    }

    #[test]
    fn only_what_the_configuration_names_is_opened() {
        let (folder, _process, mut keeping) = keeping(
            "user daemon; pid DIR/run.pid; error_log DIR/error.log; events {}
             http { access_log DIR/access.log; server { listen unix:DIR/socket; listen 127.0.0.1:1;
             listen place.test:2; return 204; } }",
        );
        let at = |name: &str| folder.path().join(name).display().to_string();
        let unnamed = unnamed().to_string();
        for words in [vec!["log", &at("error.log")], vec!["bind", "127.0.0.1:1"], vec!["pid", &at("run.pid")]]
        {
            assert_eq!(ask(&mut keeping, &words), Err(unnamed.clone()), "nothing is accepted yet: {words:?}");
        }
        assert_eq!(ask(&mut keeping, &["read"]), Ok((2, false)));
        assert!(ask(&mut keeping, &["accept"]).expect_err("a name is missing").contains("place.test"));
        assert_eq!(ask(&mut keeping, &["accept", "place.test", "127.0.0.1"]), Ok((0, false)));
        for words in [
            vec!["log", &at("other.log")],
            vec!["log", &at("run.pid")],
            vec!["log", "/etc/passwd"],
            vec!["bind", "127.0.0.1:3"],
            vec!["bind", "127.0.0.2:1"],
            vec!["free", "127.0.0.1:3"],
            vec!["pid", &at("error.log")],
        ] {
            assert_eq!(ask(&mut keeping, &words), Err(unnamed.clone()), "{words:?}");
        }
        ask(&mut keeping, &["whatever"]).expect_err("no such request");
        for words in [
            vec!["log", &at("error.log")],
            vec!["log", &at("access.log")],
            vec!["bind", &format!("unix:{}", at("socket"))],
        ] {
            assert_eq!(ask(&mut keeping, &words), Ok((1, true)), "{words:?}");
        }
        assert_eq!(ask(&mut keeping, &["free", "127.0.0.1:2"]), Ok((0, false)));
        assert_eq!(ask(&mut keeping, &["pid", &at("run.pid")]), Ok((1, false)));
        assert_eq!(fs::read_to_string(at("run.pid")).expect("the file"), "17\n");
        ask(&mut keeping, &["remove", &at("error.log")]).expect("nothing of its own");
        assert!(fs::exists(at("error.log")).expect("it can be seen"));
        ask(&mut keeping, &["remove", &at("run.pid")]).expect("its own");
        assert!(!fs::exists(at("run.pid")).expect("it can be seen"));
        drop(keeping);
        assert!(!fs::exists(at("socket")).expect("it can be seen"), "removed at the end");
    }

    #[test]
    fn a_private_key_is_read_where_the_configuration_names_it() {
        let (folder, _process, mut keeping) = keeping(
            "user daemon; events {} http { server { listen 127.0.0.1:1 ssl; ssl_certificate DIR/a.pem;
             ssl_certificate_key DIR/link/a.key; return 204; } }",
        );
        let at = |name: &str| folder.path().join(name).display().to_string();
        fs::create_dir(at("real")).expect("a folder of ours");
        std::os::unix::fs::symlink("real", at("link")).expect("a folder of ours");
        fs::write(at("real/a.key"), "secret").expect("a folder of ours");
        let asked = |keeping: &mut Keeping, path: String| {
            let done = keeping.obey(b"file", vec![path.into_bytes()]);
            done.map(|done| done.words).map_err(|error| error.to_string())
        };
        assert_eq!(asked(&mut keeping, at("link/a.key")), Err(unnamed().to_string()));
        ask(&mut keeping, &["read"]).expect("a good file");
        ask(&mut keeping, &["accept"]).expect("a good file");
        assert_eq!(asked(&mut keeping, at("link/a.key")), Ok(vec![b"secret".to_vec()]));
        assert_eq!(
            asked(&mut keeping, at("real/a.key")),
            Err(unnamed().to_string()),
            "by the name that it has there"
        );
        asked(&mut keeping, at("a.pem")).expect_err("it isn't there");
        let everybody = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o777);
        fs::set_permissions(folder.path(), everybody).expect("a folder of ours");
        assert_eq!(
            asked(&mut keeping, at("link/a.key")),
            Ok(Vec::new()),
            "the user could have put the link there"
        );
    }

    #[test]
    fn a_file_that_is_never_read_to_the_end_keeps_nobody() {
        let (folder, process, mut keeping) = keeping("include pipe; events {} http {}");
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("a tool of all systems");
        assert!(made.success());
        let asked = thread::spawn(move || ask(&mut keeping, &["read"]));
        let _slow = fs::OpenOptions::new().write(true).open(&pipe).expect("it is read");
        drop(process);
        asked.join().expect("no panic").expect_err("nobody is there to hear it");
    }

    #[test]
    fn what_the_user_can_change_is_left_to_the_user() {
        let (folder, _process, mut keeping) = keeping(
            "user daemon; pid DIR/open/run.pid; error_log DIR/open/error.log; events {}
             http { access_log off; server { listen unix:DIR/open/socket; return 204; } }",
        );
        let open = folder.path().join("open");
        fs::create_dir(&open).expect("a folder of ours");
        let everybody = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o777);
        fs::set_permissions(&open, everybody).expect("a folder of ours");
        for name in ["run.pid", "error.log"] {
            std::os::unix::fs::symlink("../secret", open.join(name)).expect("a folder of ours");
        }
        ask(&mut keeping, &["read"]).expect("a good file");
        ask(&mut keeping, &["accept"]).expect("a good file");
        let at = |name: &str| open.join(name).display().to_string();
        for words in [
            vec!["log", &at("error.log")],
            vec!["bind", &format!("unix:{}", at("socket"))],
            vec!["pid", &at("run.pid")],
        ] {
            assert_eq!(ask(&mut keeping, &words), Ok((0, false)), "{words:?}");
        }
        assert!(!folder.path().join("secret").exists() && !open.join("socket").exists());
    }
}
