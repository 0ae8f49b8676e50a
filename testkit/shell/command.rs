//! nginx's command line: testing a configuration, signalling the process that serves it, the background.

use std::{
    fmt::Display,
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
};

use super::common::{Peer, origin, tunnel};
use super::server::{Background, Reserved, Server, Site, program, run, with_prefix};
use crate::shell::NAME;
use rustix::process::Signal;
use tempfile::TempDir;

/// A folder with a file that says `text`, and the arguments that name it.
struct Written {
    folder: TempDir,
    file: String,
    prefix: String,
}

impl Written {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("nginx.conf");
        fs::write(&file, text).expect("a writable folder");
        let prefix = with_prefix(folder.path());
        Self { file: file.to_str().expect("a plain path").to_owned(), prefix, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn arguments<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = vec!["-c", &self.file, "-p", &self.prefix];
        arguments.extend_from_slice(more);
        arguments
    }

    /// Exit status and standard error stream of a run that ends by itself.
    fn run(&self, more: &[&str]) -> (Option<i32>, String) {
        let (status, said) = run(&self.arguments(more));
        (status.code(), said)
    }
}

fn answering(listen: impl Display, main: &str) -> String {
    format!("{main} events {{}} http {{ access_log off; server {{ listen {listen}; return 200 ok; }} }}")
}

#[test]
fn a_test_opens_what_the_file_names() {
    let listen = Reserved::new();
    let file = Written::new(&answering(listen.address, "error_log error.log; pid run.pid;"));
    let (status, said) = file.run(&["-t"]);
    let good = format!(
        "{NAME}: the configuration file {0} syntax is ok\n\
         {NAME}: configuration file {0} test is successful\n",
        file.file
    );
    assert_eq!((status, said), (Some(0), good));
    assert!(file.path("error.log").exists() && file.path("run.pid").exists(), "as nginx");
    assert_eq!(file.run(&["-t", "-q"]), (Some(0), String::new()));

    for (main, message) in [
        (
            "error_log missing/error.log;",
            "open() \"PREFIXmissing/error.log\" failed (2: No such file or directory)",
        ),
        ("pid missing/run.pid;", "open() \"PREFIXmissing/run.pid\" failed (2: No such file or directory)"),
    ] {
        let file = Written::new(&answering(listen.address, main));
        let message = message.replace("PREFIX", &file.prefix);
        let bad =
            format!("{NAME}: [emerg] {message}\n{NAME}: configuration file {} test failed\n", file.file);
        assert_eq!(file.run(&["-t", "-q"]), (Some(1), bad));
    }
    let (status, said) = Written::new(&answering("192.0.2.1:80", "")).run(&["-t"]);
    assert_eq!(status, Some(1));
    assert!(said.contains("bind() to 192.0.2.1:80 failed (99: Cannot assign requested address)"), "{said}");
}

#[test]
fn a_test_beside_the_process_that_serves_the_file() {
    let site = Site::start(&answering("LISTEN", "pid run.pid; error_log error.log;"));
    let prefix = with_prefix(site.folder.path());
    let file = format!("{prefix}nginx.conf");
    let before = fs::read_to_string(site.folder.path().join("run.pid")).expect("the pid file");
    let (status, said) = run(&["-t", "-c", &file, "-p", &prefix]);
    assert_eq!(status.code(), Some(0), "{said}");
    assert_eq!(fs::read_to_string(site.folder.path().join("run.pid")).expect("still there"), before);
}

#[test]
fn a_dump_is_read_as_the_same() {
    let listen = Reserved::new();
    let file = Written::new("events {} http { access_log off; include part.conf; }");
    fs::write(file.path("part.conf"), format!("server {{ listen {}; return 200 'a;b'; }}", listen.address))
        .expect("a writable folder");
    let output = program(&file.arguments(&["-T"])).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(0));
    let dump = String::from_utf8(output.stdout).expect("text");
    let part = file.path("part.conf").display().to_string();
    for name in [&file.file, &part] {
        assert!(dump.contains(&format!("# configuration file {name}:\n")), "{dump}");
    }
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(said.ends_with("test is successful\n"), "{said}");
    let again = Written::new(&dump);
    let output = program(&again.arguments(&["-T", "-q"])).output().expect("the binary runs");
    assert_eq!(output.stderr, b"");
    let expanded =
        |dump: &str| dump.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    assert_eq!(expanded(&String::from_utf8(output.stdout).expect("text")), expanded(&dump));
}

#[test]
fn directives_and_a_log_of_the_command_line() {
    let file = Written::new("events {}");
    let (status, said) = file.run(&["-t", "-g", "worker_processes 2"]);
    assert_eq!(status, Some(1));
    assert!(said.contains("in command line:1:"), "{said}");
    let (status, said) = file.run(&["-t", "-g", "worker_processes 2; worker_processes 3;"]);
    assert_eq!(status, Some(1));
    assert!(said.contains("\"worker_processes\" directive is duplicate in command line:1:21"), "{said}");

    let (_listener, taken) = origin();
    let file = Written::new(&answering(taken, ""));
    let (status, said) = file.run(&["-e", "early.log"]);
    assert_eq!(status, Some(1));
    let message = format!("[emerg] bind() to {taken} failed (98: Address already in use)");
    assert_eq!(said, format!("{NAME}: {message}\n"));
    let log = fs::read_to_string(file.path("early.log")).expect("the log");
    let words = message.replace("[emerg] ", "");
    assert!(log.contains(" [emerg] ") && log.ends_with(&format!(": {words}\n")), "{log}");
    let (_, said) = file.run(&["-e", "stderr"]);
    assert_eq!(said, format!("{NAME}: {message}\n"));
}

#[test]
fn words_instead_of_signals() {
    let (listener, behind) = origin();
    let text = format!(
        "pid run.pid; error_log error.log notice; events {{}}
         http {{ access_log off; server {{ listen LISTEN; location / {{ proxy_pass http://{behind};
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }} }} }}"
    );
    let site = Site::start(&text);
    let prefix = with_prefix(site.folder.path());
    let file = format!("{prefix}nginx.conf");
    let say = |word: &str| {
        let (status, said) = run(&["-s", word, "-c", &file, "-p", &prefix]);
        assert_eq!((status.code(), said.as_str()), (Some(0), ""), "{word}");
    };
    let told = |what: &str| site.server.wait_until(what, || site.error_log().contains(what));
    say("reload");
    told(": reconfigured");
    say("reopen");
    told("signal 10 (SIGUSR1) received, reopening logs");
    let (client, server) = tunnel(site.server.address, &listener);
    say("quit");
    told("signal 3 (SIGQUIT) received, gracefully shutting down");
    say("reload");
    told("signal 1 (SIGHUP) received, ignored while shutting down");
    say("stop");
    assert_eq!(site.server.end().code(), Some(0));
    drop((client, server));
}

#[test]
fn nobody_to_signal() {
    let file = Written::new("pid run.pid; events {}");
    let pid = file.path("run.pid").display().to_string();
    let refused = |message: String| (Some(1), format!("{NAME}: {message}\n"));
    let missing = format!("[error] open() \"{pid}\" failed (2: No such file or directory)");
    assert_eq!(file.run(&["-s", "stop"]), refused(missing));
    fs::write(&pid, "").expect("a writable folder");
    assert_eq!(file.run(&["-s", "stop"]), refused(format!("[error] invalid PID number \"\" in \"{pid}\"")));
    // Above what Linux gives to any process.
    fs::write(&pid, "2147483647\n").expect("a writable folder");
    let gone = "[alert] kill(2147483647, 1) failed (3: No such process)";
    assert_eq!(file.run(&["-s", "reload"]), refused(gone.to_owned()));
    let (status, said) = Written::new("events {}").run(&["-s", "stop"]);
    assert_eq!(status, Some(1));
    assert!(said.contains("no \"pid\" directive in "), "{said}");
    let (status, said) = Written::new("evnts {}").run(&["-s", "stop"]);
    assert_eq!(status, Some(1));
    assert!(said.contains("unknown directive \"evnts\""), "{said}");
}

#[test]
fn signals_of_nginx_that_mean_nothing_here_are_told() {
    let site = Site::start(&answering("LISTEN", "error_log error.log notice;"));
    for (signal, name) in [(Signal::USR2, "12 (SIGUSR2)"), (Signal::WINCH, "28 (SIGWINCH)")] {
        site.signalled(signal, name, "not supported, ignored");
    }
    TcpStream::connect(site.server.address).expect("it serves on");
}

#[test]
fn in_the_background() {
    let listen = Reserved::new();
    let file = Written::new(&answering(listen.address, "pid run.pid; error_log error.log notice;"));
    let output = program(&file.arguments(&["-g", "daemon on;"])).output().expect("the binary runs");
    assert_eq!((output.status.code(), output.stdout, output.stderr), (Some(0), vec![], vec![]));
    let process = Background::of(&file.path("run.pid"));
    // It serves when its parent says that it does.
    let mut client = Peer::connect(listen.address);
    client.send("GET / HTTP/1.1\r\nHost: e\r\n\r\n");
    client.head();
    assert_eq!(client.exactly(2), b"ok");
    let of = |what: &str| Path::new("/proc").join(process.number()).join(what);
    for stream in ["fd/0", "fd/1", "fd/2"] {
        assert_eq!(fs::read_link(of(stream)).expect("an open stream"), Path::new("/dev/null"), "{stream}");
    }
    let stat = fs::read_to_string(of("stat")).expect("it runs");
    let fields: Vec<_> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    assert_eq!(fields[3], process.number(), "the leader of a session of its own");
    assert_eq!(file.run(&["-s", "stop"]), (Some(0), String::new()));
    process.wait_for_end();
    assert!(!file.path("run.pid").exists());
}

#[test]
fn what_fails_in_the_background_is_told_in_front() {
    let (_listener, taken) = origin();
    let file = Written::new(&answering(taken, "daemon on; error_log error.log;"));
    let (status, said) = file.run(&[]);
    assert_eq!(status, Some(1));
    let message = format!("bind() to {taken} failed (98: Address already in use)");
    assert_eq!(said, format!("{NAME}: [emerg] {message}\n"));
    // A name that was left behind in the environment means nothing.
    let listen = Reserved::new();
    let file = Written::new(&answering(listen.address, ""));
    let mut command = program(&file.arguments(&[]));
    let child = command.env("UNDERPASS_BACKGROUND_OF", "1").spawn().expect("the binary runs");
    let server = Server::started(child, listen.address);
    server.signal(Signal::TERM);
    assert_eq!(server.end().code(), Some(0));
}
