//! Whom a process runs as, how many descriptors it has, on which processors its workers run.

use std::{
    collections::BTreeMap,
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    os::unix::net::UnixStream,
    os::unix::process::CommandExt as _,
    path::Path,
    process::Stdio,
};

use super::common::{PATIENCE, Peer};
use super::server::{Background, Reserved, Server, Site, program, run, with_prefix};
use crate::shell::NAME;
use rustix::process::{Pid, Signal, geteuid, kill_process};

/// Debian's `nobody`.
const NOBODY: u32 = 65534;

fn serving(main: &str) -> String {
    format!(
        "{main} error_log error.log notice; events {{}}
         http {{ access_log off; server {{ listen LISTEN; return 200 ok; }} }}"
    )
}

/// A process that has answered: the system accepts clients before that, while the process is still becoming what its
/// file says.
fn served(text: &str) -> Site {
    let site = Site::start(text);
    answers(site.server.address);
    site
}

fn answers(address: SocketAddr) {
    let mut client = Peer::connect(address);
    client.send("GET / HTTP/1.1\r\nHost: e\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 200 "));
}

/// What only root can try. CI does; whoever isn't root is told, and nothing passes untried.
fn as_root() {
    assert!(geteuid().is_root(), "only root can become another user: run this test as root");
}

/// What the kernel keeps of the program's name.
fn thread_name() -> &'static str {
    &NAME[..NAME.len().min(15)]
}

/// A field of `status`, by the name of each thread.
fn of_threads(process: u32, field: &str) -> BTreeMap<String, String> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    let read = |task: std::io::Result<fs::DirEntry>| {
        let status = fs::read_to_string(task.ok()?.path().join("status")).ok()?;
        let value = |name: &str| {
            let line =
                status.lines().find(|line| line.starts_with(name) && line[name.len()..].starts_with(':'));
            line.map(|line| line[name.len() + 1..].trim().replace('\t', " "))
        };
        Some((value("Name")?, value(field)?))
    };
    tasks.filter_map(read).collect()
}

/// The process that keeps root's rights.
fn keeper_of(server: &Server) -> u32 {
    let process = server.child.id();
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).expect("it runs");
    let [child] = children.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("one child: {children}")
    };
    child.parse().expect("a number")
}

/// Every thread, those that look names up and those that take signals included.
#[test]
fn no_thread_keeps_the_rights_of_root() {
    as_root();
    let name_server = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    name_server.set_read_timeout(Some(PATIENCE)).expect("a plain socket");
    let resolver = name_server.local_addr().expect("it is bound");
    let file = |workers| {
        format!(
            "worker_processes {workers}; user nobody nogroup; error_log error.log notice; events {{}}
             http {{ access_log access.log combined buffer=4k flush=1h; resolver {resolver};
             server {{ listen LISTEN; location / {{ return 200 ok; }}
             location /name/ {{ proxy_pass http://$arg_name; proxy_read_timeout 1h; }} }} }}"
        )
    };
    let site = served(&file(2));
    // The resolver's thread begins with the first name.
    let mut client = Peer::connect(site.server.address);
    client.send("GET /name/?name=a.test HTTP/1.1\r\nHost: e\r\n\r\n");
    name_server.recv(&mut [0; 512]).expect("a question");
    let check = |expected: &[&str]| {
        for (field, value) in [
            ("Uid", "65534 65534 65534 65534"),
            ("Gid", "65534 65534 65534 65534"),
            ("Groups", "65534"),
            ("CapInh", "0000000000000000"),
            ("CapPrm", "0000000000000000"),
            ("CapEff", "0000000000000000"),
            ("CapAmb", "0000000000000000"),
        ] {
            let found = of_threads(site.server.child.id(), field);
            assert!(found.values().all(|found| found == value), "{field}: {found:?}");
            assert!(expected.iter().all(|name| found.contains_key(*name)), "{expected:?}: {found:?}");
        }
    };
    check(&[thread_name(), "signals", "resolver", "worker 0", "worker 1"]);
    site.reload(&file(3));
    check(&["worker 2"]);
    site.reload(&serving("worker_processes 4; user root root;"));
    let log = site.error_log();
    assert!(
        log.contains("[warn]") && log.contains("takes effect when the process starts the next time"),
        "{log}"
    );
    check(&["worker 3"]);
}

/// Every thread runs as `nobody`, with its groups and no capability, and one process keeps root's rights.
fn runs_as_nobody(server: &Server) {
    for (field, value) in [
        ("Uid", "65534 65534 65534 65534"),
        ("Gid", "65534 65534 65534 65534"),
        ("Groups", "65534"),
        ("CapPrm", "0000000000000000"),
        ("CapEff", "0000000000000000"),
    ] {
        let found = of_threads(server.child.id(), field);
        assert!(found.values().all(|found| found == value), "{field}: {found:?}");
    }
    let kept = of_threads(keeper_of(server), "Uid");
    assert_eq!(kept.values().collect::<Vec<_>>(), ["0 0 0 0"]);
}

#[test]
fn without_a_user_it_is_nobody() {
    as_root();
    let text = "worker_processes 2; pid run.pid; error_log error.log notice; events {}
        http { access_log access.log; server { listen LISTEN; return 200 ok; } }";
    let site = served(text);
    runs_as_nobody(&site.server);
    // From now on the folder is for root alone.
    fs::set_permissions(site.folder.path(), fs::Permissions::from_mode(0o700)).expect("a folder of ours");
    assert_eq!(site.log("run.pid"), format!("{}\n", site.server.child.id()));
    site.server.wait_until("a line", || !site.log("access.log").is_empty());
    let moved = site.folder.path().join("old");
    fs::rename(site.folder.path().join("access.log"), &moved).expect("a rename");
    site.server.signal(Signal::USR1);
    site.server.wait_until_closed(&[&moved]);
    answers(site.server.address);
    site.server.wait_until("a line", || !site.log("access.log").is_empty());
    site.reload(&text.replace("processes 2", "processes 3"));
    runs_as_nobody(&site.server);
    assert!(!site.error_log().contains("[warn]"), "{}", site.error_log());
    site.server.signal(Signal::TERM);
    let Site { server, folder, .. } = site;
    assert_eq!(server.end().code(), Some(0));
    assert!(!folder.path().join("run.pid").exists());
}

/// There the configuration is a text that the program makes.
#[test]
fn without_a_file_it_is_nobody_too() {
    as_root();
    for arguments in [&["demo"][..], &["--to", "http://127.0.0.1:9"]] {
        let port = privileged_port();
        let listen = format!("127.0.0.1:{port}");
        let arguments = [arguments, &["--listen", &listen]].concat();
        let server = Server::start(&arguments, listen.parse().expect("an address"));
        let mut client = Peer::connect(server.address);
        client.send("GET / HTTP/1.1\r\nHost: e\r\n\r\n");
        let status = if arguments.contains(&"demo") { "200" } else { "502" };
        assert_eq!(client.head().get(9..12), Some(status), "{arguments:?}");
        runs_as_nobody(&server);
        server.signal(Signal::HUP);
        server.signal(Signal::TERM);
        assert_eq!(server.end().code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn root_stays_root_where_the_file_says_so() {
    as_root();
    let site = served(&serving("user root;"));
    let found = of_threads(site.server.child.id(), "Uid");
    assert!(found.values().all(|found| found == "0 0 0 0"), "{found:?}");
    let process = site.server.child.id();
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).expect("it runs");
    assert_eq!(children, "", "nobody needs to keep anything for it");
    let warning = "[warn]";
    let told = |log: String| {
        log.lines().filter(|line| line.contains(warning)).map(str::to_owned).collect::<Vec<_>>()
    };
    site.server.wait_until("a warning", || site.error_log().contains(warning));
    let [line] = &told(site.error_log())[..] else { panic!("one line: {}", site.error_log()) };
    assert!(line.ends_with("the process keeps the rights of root, as the \"user\" directive says"), "{line}");
    site.reload(&serving("user root;"));
    assert_eq!(told(site.error_log()).len(), 1);
    let file = site.folder.path().join("nginx.conf").display().to_string();
    let (status, said) = run(&["-t", "-c", &file, "-p", &with_prefix(site.folder.path())]);
    assert_eq!(status.code(), Some(0));
    assert!(said.contains("[warn] the process keeps the rights of root"), "{said}");
}

/// What the keeper opens for the process holds it up as little as what the process opens by itself.
#[test]
fn a_named_pipe_of_root_whose_reader_stops_holds_nobody_up() {
    as_root();
    let (folder, listen) = (tempfile::tempdir().expect("a folder"), Reserved::new());
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("a tool of all systems");
    assert!(made.success());
    let text = format!(
        "error_log error.log notice; events {{}}
         http {{ log_format long \"$request_uri\"; access_log {} long;
         server {{ listen {}; return 200 ok; }} }}",
        pipe.display(),
        listen.address
    );
    let (home, file) = Site::file(&text);
    // It starts although nobody reads yet.
    let server = Server::start(&["-c", &file, "-p", &with_prefix(home.path())], listen.address);
    runs_as_nobody(&server);
    let mut reader = fs::File::open(&pipe).expect("a pipe");
    let long = "a".repeat(3000);
    let ask = |number: usize| {
        let mut client = Peer::connect(listen.address);
        client.send(format!("GET /{number}{long} HTTP/1.1\r\nHost: e\r\n\r\n"));
        assert!(client.head().starts_with("HTTP/1.1 200 "));
    };
    ask(0);
    let mut line = vec![0; long.len() + 3];
    std::io::Read::read_exact(&mut reader, &mut line).expect("the first line");
    assert_eq!(line, format!("/0{long}\n").as_bytes());
    // Many times what a pipe holds.
    (1..100).for_each(ask);
    server.signal(Signal::TERM);
    assert_eq!(server.end().code(), Some(0));
}

/// As images of containers have it.
#[test]
fn a_log_that_is_a_link_to_a_standard_stream_goes_there() {
    as_root();
    let listen = Reserved::new();
    let text = format!(
        "error_log error.log notice; events {{}}
         http {{ log_format path \"$request_uri\"; access_log access.log path;
         server {{ listen {}; return 200 ok; }} }}",
        listen.address
    );
    let (folder, file) = Site::file(&text);
    symlink("/dev/stdout", folder.path().join("access.log")).expect("a folder of ours");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("a folder of ours");
    let child = program(&["-c", &file, "-p", &with_prefix(folder.path())]).stderr(Stdio::null()).spawn();
    let mut server = Server::started(child.expect("the binary runs"), listen.address);
    runs_as_nobody(&server);
    let mut said = std::io::BufReader::new(server.child.stdout.take().expect("it was piped"));
    let mut expect = |path: &str| {
        let mut client = Peer::connect(listen.address);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: e\r\n\r\n"));
        assert!(client.head().starts_with("HTTP/1.1 200 "));
        let mut line = String::new();
        std::io::BufRead::read_line(&mut said, &mut line).expect("a line");
        assert_eq!(line, format!("{path}\n"));
    };
    expect("/one");
    // The folder is for root alone: the process can't see the link any more.
    server.signal(Signal::USR1);
    let log = folder.path().join("error.log");
    let told = || fs::read_to_string(&log).unwrap_or_default().contains("reopening logs");
    server.wait_until("it is reopened", told);
    expect("/two");
}

#[test]
fn what_keeps_the_rights_of_root_has_one_thread_and_no_network() {
    as_root();
    let site = served(&serving("user nobody nogroup; pid run.pid;"));
    let keeper = keeper_of(&site.server);
    let threads = of_threads(keeper, "Uid");
    assert_eq!(threads.values().collect::<Vec<_>>(), ["0 0 0 0"]);
    let sockets = fs::read_dir(format!("/proc/{keeper}/fd")).expect("it runs").filter_map(|descriptor| {
        let target = fs::read_link(descriptor.ok()?.path()).ok()?.display().to_string();
        target.strip_prefix("socket:[")?.strip_suffix(']').map(str::to_owned)
    });
    let sockets: Vec<_> = sockets.collect();
    let unix = fs::read_to_string(format!("/proc/{keeper}/net/unix")).expect("it runs");
    assert_eq!(sockets.len(), 1, "{sockets:?}");
    assert!(unix.lines().any(|line| line.split_whitespace().nth(6) == Some(&sockets[0])), "{unix}");
    // Signals to a whole group of processes are for the other one.
    for signal in [Signal::INT, Signal::TERM, Signal::QUIT, Signal::HUP, Signal::USR1, Signal::WINCH] {
        kill_process(Pid::from_raw(keeper.cast_signed()).expect("a number"), signal).expect("it runs");
    }
    site.reload(&serving("user nobody nogroup; pid run.pid;"));
    assert_eq!(keeper_of(&site.server), keeper);
    site.server.signal(Signal::TERM);
    let Site { server, folder, .. } = site;
    assert_eq!(server.end().code(), Some(0));
    assert!(!Path::new(&format!("/proc/{keeper}")).exists(), "it ends with the process");
    assert!(!folder.path().join("run.pid").exists());
}

/// Whoever waits for the background to serve, and reads what it says, waits for nothing else.
#[test]
fn a_user_in_the_background() {
    as_root();
    let listen = Reserved::new();
    let text = serving("user nobody nogroup; daemon on; pid run.pid;");
    let (folder, file) = Site::file(&text.replace("LISTEN", &listen.address.to_string()));
    let (prefix, pid) = (with_prefix(folder.path()), folder.path().join("run.pid"));
    let output = program(&["-c", &file, "-p", &prefix]).output().expect("the binary runs");
    assert_eq!((output.status.code(), output.stdout, output.stderr), (Some(0), vec![], vec![]));
    let process = Background::of(&pid);
    answers(listen.address);
    let users = of_threads(process.number().parse().expect("a number"), "Uid");
    assert!(users.values().all(|user| user == "65534 65534 65534 65534"), "{users:?}");
    assert_eq!(run(&["-c", &file, "-p", &prefix, "-s", "stop"]).0.code(), Some(0));
    process.wait_for_end();
    assert!(!pid.exists());
}

/// A port below 1024 that nobody listens on.
fn privileged_port() -> u16 {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (600..1024).find(free).expect("one of them is free")
}

#[test]
fn a_reload_may_do_what_only_root_can() {
    as_root();
    let (one, folder) = (privileged_port(), tempfile::tempdir().expect("a folder"));
    let socket = folder.path().join("socket");
    let file = |listen: &str| {
        format!(
            "worker_processes 2; user nobody nogroup; pid run.pid; error_log error.log notice; events {{}}
             http {{ access_log access.log; server {{ listen LISTEN; {listen} return 200 ok; }} }}"
        )
    };
    let site = served(&file(&format!("listen 127.0.0.1:{one};")));
    answers(([127, 0, 0, 1], one).into());
    // The file is for root alone.
    let conf = site.folder.path().join("nginx.conf");
    let private = || {
        fs::set_permissions(&conf, fs::Permissions::from_mode(0o600)).expect("a file of ours");
        let (folder, file) = (fs::metadata(site.folder.path()), fs::metadata(&conf));
        assert_eq!((folder.expect("it is there").uid(), file.expect("it is there").uid()), (0, 0));
    };
    let two = privileged_port();
    assert_ne!(one, two);
    site.write(&file(&format!("listen 127.0.0.1:{two}; listen unix:{};", socket.display())));
    private();
    site.signalled(Signal::HUP, "] ", ": reconfigured\n");
    answers(([127, 0, 0, 1], two).into());
    drop(UnixStream::connect(&socket).expect("it listens"));
    // Another worker's socket has to belong to whom the first one belongs to.
    site.reload(&file(&format!("listen 127.0.0.1:{two};")).replace("processes 2", "processes 3"));
    assert!(!socket.exists(), "it goes with its listener");
    // In use by somebody else: the error is that of the system, and all stays as it was.
    let taken = TcpListener::bind(("127.0.0.1", one)).expect("it was given up");
    site.write(&file(&format!("listen 127.0.0.1:{one};")));
    site.signalled(
        Signal::HUP,
        "[emerg]",
        &format!("bind() to 127.0.0.1:{one} failed (98: Address already in use)"),
    );
    drop(taken);
    answers(([127, 0, 0, 1], two).into());

    for name in ["access.log", "error.log"] {
        fs::rename(site.folder.path().join(name), site.folder.path().join(format!("{name}.1")))
            .expect("a rename");
    }
    site.server.signal(Signal::USR1);
    let path = |name: &str| site.folder.path().join(name);
    site.server.wait_until_closed(&[&path("access.log.1"), &path("error.log.1")]);
    answers(site.server.address);
    let text = || fs::read_to_string(path("access.log")).unwrap_or_default();
    site.server.wait_until("a line", || text().contains("\"GET / HTTP/1.1\" 200 "));

    // Without the process that keeps them there are no such rights, and the line says so.
    let keeper = Pid::from_raw(keeper_of(&site.server).cast_signed()).expect("a number");
    kill_process(keeper, Signal::KILL).expect("it runs");
    site.write(&file(""));
    site.signalled(Signal::HUP, "[emerg]", "the process that has kept the rights of root doesn't answer");
    answers(([127, 0, 0, 1], two).into());
}

#[test]
fn nothing_is_opened_for_a_user_who_can_say_what_that_is() {
    as_root();
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a folder of ours");
    let (logs, secret) = (folder.path().join("logs"), folder.path().join("secret"));
    fs::create_dir(&logs).expect("a folder of ours");
    fs::write(&secret, "").expect("a folder of ours");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("a file of ours");
    chown(&logs, Some(NOBODY), Some(NOBODY)).expect("we may");
    let text = format!(
        "user nobody nogroup; pid {0}/run.pid; error_log error.log notice; events {{}}
         http {{ access_log {0}/access.log; server {{ listen LISTEN; return 200 ok; }} }}",
        logs.display()
    );
    let site = served(&text);
    let (log, pid) = (logs.join("access.log"), logs.join("run.pid"));
    let owner = |path: &Path| fs::metadata(path).expect("it was made").uid();
    assert_eq!((owner(&log), owner(&pid)), (NOBODY, NOBODY), "made with the rights of the user");
    fs::remove_file(&log).expect("we may");
    symlink(&secret, &log).expect("we may");
    site.server.signal(Signal::USR1);
    let refused = format!("open() \"{}\" failed (13: Permission denied)", log.display());
    site.server.wait_until("it is refused", || site.error_log().contains(&refused));
    answers(site.server.address);
    assert_eq!(fs::read(&secret).expect("a file of ours"), b"");
    site.server.signal(Signal::QUIT);
    assert_eq!(site.server.end().code(), Some(0));
    assert!(!pid.exists());
}

/// `user` means nothing to a process that can't change it: tried by whoever runs this test, or by `nobody` where that
/// is root.
#[test]
fn a_user_is_ignored_where_nobody_can_become_one() {
    let warning =
        "the \"user\" directive makes sense only if the master process runs with super-user privileges";
    let said = said_without_root("user root root;");
    assert!(said.contains(warning), "{said}");
    assert_eq!(said_without_root(""), "", "who needs no rights is told nothing");
}

/// What a process says on its standard error stream that root hasn't started.
fn said_without_root(user: &str) -> String {
    let listen = Reserved::new();
    let (folder, file) = Site::file(&serving(user).replace("LISTEN", &listen.address.to_string()));
    let mut command =
        program(&["-c", &file, "-p", &with_prefix(folder.path()), "-g", "error_log stderr warn;"]);
    if geteuid().is_root() {
        chown(folder.path(), Some(NOBODY), None).expect("we may");
        command.uid(NOBODY);
    }
    let child = command.stderr(Stdio::piped()).spawn().expect("the binary runs");
    let mut server = Server::started(child, listen.address);
    answers(listen.address);
    let process = server.child.id();
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).expect("it runs");
    assert_eq!(children, "");
    server.signal(Signal::TERM);
    let mut said = String::new();
    let stderr = server.child.stderr.take().expect("it was piped");
    std::io::Read::read_to_string(&mut { stderr }, &mut said).expect("text");
    assert_eq!(server.end().code(), Some(0));
    said
}

#[test]
fn nobody_of_that_name() {
    as_root();
    for (user, message) in [
        ("nobody-at-all", "[emerg] getpwnam(\"nobody-at-all\") failed"),
        ("nobody no-group-at-all", "[emerg] getgrnam(\"no-group-at-all\") failed"),
    ] {
        let listen = Reserved::new();
        let text = serving(&format!("user {user};")).replace("LISTEN", &listen.address.to_string());
        let (folder, file) = Site::file(&text);
        for more in [None, Some("-t")] {
            let prefix = with_prefix(folder.path());
            let mut arguments = vec!["-c", &file, "-p", &prefix];
            arguments.extend(more);
            let (status, said) = run(&arguments);
            assert_eq!(status.code(), Some(1));
            assert!(said.contains(&format!("{message} in {file}:")), "{said}");
        }
    }
}

#[test]
fn descriptors_are_limited_as_the_file_says() {
    let limit = |site: &Site| {
        let limits = fs::read_to_string(format!("/proc/{}/limits", site.server.child.id())).expect("it runs");
        let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
        let fields: Vec<_> = line.split_whitespace().skip(3).take(2).map(str::to_owned).collect();
        fields.join(" ")
    };
    let site = served(&serving("worker_rlimit_nofile 300;"));
    assert_eq!(limit(&site), "300 300");
    site.reload(&serving("worker_rlimit_nofile 200;"));
    assert_eq!(limit(&site), "200 200");
}

#[test]
fn workers_run_on_the_processors_that_the_file_names() {
    let site = served(&serving("worker_processes 2; worker_cpu_affinity 1;"));
    let everywhere = of_threads(site.server.child.id(), "Cpus_allowed_list")[thread_name()].clone();
    let workers = || {
        let found = of_threads(site.server.child.id(), "Cpus_allowed_list");
        ["worker 0", "worker 1"].map(|name| found[name].clone())
    };
    assert_eq!(workers(), ["0", "0"]);
    site.reload(&serving("worker_processes 2;"));
    assert_eq!(workers(), [everywhere.clone(), everywhere]);
    site.reload(&serving("worker_processes 2; worker_cpu_affinity auto 1;"));
    assert_eq!(workers(), ["0", "0"]);
}
