//! Whom a process runs as, how many descriptors it has, on which processors its workers run.

use std::{collections::BTreeMap, fs, os::unix::process::CommandExt as _, process::Stdio};

use super::common::Peer;
use super::server::{Reserved, Server, Site, program, run, with_prefix};
use crate::shell::NAME;
use rustix::process::geteuid;

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
    let mut client = Peer::connect(site.server.address);
    client.send("GET / HTTP/1.1\r\nHost: e\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    site
}

/// What the kernel keeps of the program's name.
fn thread_name() -> &'static str {
    &NAME[..NAME.len().min(15)]
}

/// A field of `status`, by the name of each thread.
fn of_threads(server: &Server, field: &str) -> BTreeMap<String, String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.child.id())).expect("it runs");
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

#[test]
fn workers_run_as_the_user_and_the_process_as_itself() {
    if !geteuid().is_root() {
        return without_privileges(None);
    }
    let site = served(&serving("worker_processes 2; user nobody nogroup;"));
    let name = |number: usize| format!("worker {number}");
    for (field, of_worker, of_process) in [
        ("Uid", "65534 65534 65534 65534", "0 0 0 0"),
        ("Gid", "65534 65534 65534 65534", "0 0 0 0"),
        ("Groups", "65534", ""),
        ("CapEff", "0000000000000000", ""),
    ] {
        let found = of_threads(&site.server, field);
        for number in 0..2 {
            assert_eq!(found[&name(number)], of_worker, "{field}: {found:?}");
        }
        assert!(found[thread_name()].starts_with(of_process), "{field}: {found:?}");
    }
    // The process can still do what its user may not: a worker more has the user of the others.
    site.reload(&serving("worker_processes 3; user nobody nogroup;"));
    assert_eq!(of_threads(&site.server, "Uid")[&name(2)], "65534 65534 65534 65534");
    site.reload(&serving("worker_processes 4; user root root;"));
    let log = site.error_log();
    assert!(
        log.contains("[warn]") && log.contains("takes effect when the process starts the next time"),
        "{log}"
    );
    assert_eq!(of_threads(&site.server, "Uid")[&name(3)], "65534 65534 65534 65534");
    without_privileges(Some(65534));
}

/// `user` means nothing to a process that can't change it.
fn without_privileges(uid: Option<u32>) {
    let listen = Reserved::new();
    let (folder, file) =
        Site::file(&serving("user root root;").replace("LISTEN", &listen.address.to_string()));
    let mut command =
        program(&["-c", &file, "-p", &with_prefix(folder.path()), "-g", "error_log stderr warn;"]);
    if let Some(uid) = uid {
        use std::os::unix::fs::chown;
        chown(folder.path(), Some(uid), None).expect("we may");
        command.uid(uid);
    }
    let child = command.stderr(Stdio::piped()).spawn().expect("the binary runs");
    let mut server = Server::started(child, listen.address);
    server.signal(rustix::process::Signal::TERM);
    let mut said = String::new();
    let stderr = server.child.stderr.take().expect("it was piped");
    std::io::Read::read_to_string(&mut { stderr }, &mut said).expect("text");
    let warning =
        "the \"user\" directive makes sense only if the master process runs with super-user privileges";
    assert!(said.contains(warning), "{said}");
    assert_eq!(server.end().code(), Some(0));
}

#[test]
fn nobody_of_that_name() {
    if !geteuid().is_root() {
        return;
    }
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
    let everywhere = of_threads(&site.server, "Cpus_allowed_list")[thread_name()].clone();
    let workers = || {
        let found = of_threads(&site.server, "Cpus_allowed_list");
        ["worker 0", "worker 1"].map(|name| found[name].clone())
    };
    assert_eq!(workers(), ["0", "0"]);
    site.reload(&serving("worker_processes 2;"));
    assert_eq!(workers(), [everywhere.clone(), everywhere]);
    site.reload(&serving("worker_processes 2; worker_cpu_affinity auto 1;"));
    assert_eq!(workers(), ["0", "0"]);
}
