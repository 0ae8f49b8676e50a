//! The binary as a process, its files in a folder of its own.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use super::common::PATIENCE;
use crate::shell::PROGRAM;

pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a run that ends by itself says on its standard error stream.
pub(crate) fn run(arguments: &[&str]) -> (ExitStatus, String) {
    let output = program(arguments).output().expect("the binary runs");
    (output.status, String::from_utf8(output.stderr).expect("text"))
}

/// A process that serves.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(arguments: &[&str], address: SocketAddr) -> Self {
        Self::started(program(arguments).stderr(Stdio::null()).spawn().expect("the binary runs"), address)
    }

    pub(crate) fn started(child: Child, address: SocketAddr) -> Self {
        let server = Self { child, address };
        server.wait_until("it listens", || TcpStream::connect(address).is_ok());
        server
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    pub(crate) fn wait_until(&self, what: &str, condition: impl FnMut() -> bool) {
        wait_until(what, condition);
    }

    /// Waits until the process, which has been told to reopen its logs, has none of these files open any more. That
    /// another file is there shows less: it may not be written to yet.
    pub(crate) fn wait_until_closed(&self, files: &[&Path]) {
        let descriptors = format!("/proc/{}/fd", self.child.id());
        self.wait_until("the old files are closed", || {
            let open = fs::read_dir(&descriptors).expect("it runs").flatten();
            !open.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|file| files.contains(&&*file))
        });
    }

    pub(crate) fn end(mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return status;
            }
            assert!(begin.elapsed() < PATIENCE, "it doesn't end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().expect("a child of ours").is_none() {
            self.child.kill().expect("it runs");
            self.child.wait().expect("it was killed");
        }
    }
}

pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "{what}: not in time");
        thread::sleep(Duration::from_millis(10));
    }
}

/// An address for a process of ours to listen on. It is held by a socket that doesn't listen: the system gives
/// the port to nobody who asks for just any. The socket holds the port at every IPv4 address, for a process may
/// listen on the wildcard address too, and a connection of another test at another loopback address would be in
/// its way.
pub(crate) struct Reserved {
    pub(crate) address: SocketAddr,
    _socket: Socket,
}

impl Reserved {
    pub(crate) fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("an option of all systems");
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into()).expect("a free port");
        let bound = socket.local_addr().ok().and_then(|address| address.as_socket()).expect("it is bound");
        Self { address: (Ipv4Addr::LOCALHOST, bound.port()).into(), _socket: socket }
    }
}

/// Writes a configuration that proxies tunnels from `listen` to `origin`.
pub(crate) fn configuration(folder: &Path, listen: SocketAddr, origin: SocketAddr) -> String {
    let file = folder.join("nginx.conf");
    let text = format!(
        "worker_processes 2;\npid run.pid;\nerror_log error.log notice;\nevents {{ worker_connections 64; }}\n\
         http {{\n  access_log access.log;\n  server {{\n    listen {listen};\n    location / {{\n      \
         proxy_pass http://{origin};\n      proxy_set_header Upgrade $http_upgrade;\n      \
         proxy_set_header Connection \"upgrade\";\n    }}\n  }}\n}}\n"
    );
    fs::write(&file, text).expect("a writable folder");
    file.to_str().expect("a plain path").to_owned()
}

pub(crate) fn with_prefix(folder: &Path) -> String {
    format!("{}/", folder.display())
}

/// A process that serves a configuration file, which can be changed.
pub(crate) struct Site {
    pub(crate) server: Server,
    pub(crate) folder: TempDir,
    _reserved: Reserved,
}

impl Site {
    /// Serves `text`, where `LISTEN` is the address of the server.
    pub(crate) fn start(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let reserved = Reserved::new();
        let address = reserved.address;
        write(folder.path(), text, address);
        let file = folder.path().join("nginx.conf");
        let arguments = ["-c", file.to_str().expect("a plain path"), "-p", &with_prefix(folder.path())];
        let server = Server::start(&arguments, address);
        // Its last deed before it serves; the system accepts clients earlier.
        let pid = folder.path().join("run.pid");
        server.wait_until("the pid file", || pid.exists() || !text.contains("pid run.pid;"));
        Self { server, folder, _reserved: reserved }
    }

    /// A file that nobody serves: its folder and its name.
    pub(crate) fn file(text: &str) -> (TempDir, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("nginx.conf");
        fs::write(&file, text).expect("a writable folder");
        (folder, file.to_str().expect("a plain path").to_owned())
    }

    /// Changes the file.
    pub(crate) fn write(&self, text: &str) {
        write(self.folder.path(), text, self.server.address);
    }

    /// Changes the file, has the process read it, and waits until it says that it has.
    pub(crate) fn reload(&self, text: &str) {
        self.write(text);
        self.signalled(Signal::HUP, "] ", ": reconfigured\n");
    }

    /// Sends the signal, and waits for one more line of the error log that holds both.
    pub(crate) fn signalled(&self, signal: Signal, first: &str, second: &str) {
        let told = || {
            let log = self.error_log();
            log.split_inclusive('\n').filter(|line| line.contains(first) && line.contains(second)).count()
        };
        let before = told();
        self.server.signal(signal);
        let begin = Instant::now();
        while told() == before {
            assert!(begin.elapsed() < PATIENCE, "{second}: not in time: {}", self.error_log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// What `error.log` holds.
    pub(crate) fn error_log(&self) -> String {
        self.log("error.log")
    }

    /// What a log holds. A line is written a little after the event that it tells of.
    pub(crate) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

fn write(folder: &Path, text: &str, listen: SocketAddr) {
    let text = text.replace("LISTEN", &listen.to_string());
    // In one step, so that nobody reads half of it.
    fs::write(folder.join("next.conf"), text).expect("a writable folder");
    fs::rename(folder.join("next.conf"), folder.join("nginx.conf")).expect("a rename");
}

/// A process that nobody waits for.
pub(crate) struct Background(Pid);

impl Background {
    /// The one whose number the file holds.
    pub(crate) fn of(pid_file: &Path) -> Self {
        let text = fs::read_to_string(pid_file).expect("the pid file");
        let number = text.trim().parse().ok().and_then(Pid::from_raw);
        Self(number.expect("the number of a process"))
    }

    pub(crate) fn number(&self) -> String {
        self.0.as_raw_nonzero().to_string()
    }

    pub(crate) fn wait_for_end(&self) {
        let begin = Instant::now();
        while self.runs() {
            assert!(begin.elapsed() < PATIENCE, "it doesn't end");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether it is there, and no process that only its new parent has not looked at.
    fn runs(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.number())).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z') && !rest.is_empty())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if self.runs() {
            // Gone meanwhile, or ended by this.
            let _gone = kill_process(self.0, Signal::KILL);
        }
    }
}
