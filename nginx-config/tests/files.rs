//! Files: what is included, what is missing, what comes of it all.

mod common;

use std::{fs, path::Path};

use common::options;
use tempfile::TempDir;
use underpass_core::Severity;
use underpass_nginx_config::{
    CpuAffinity, KeepAliveProbes, ListenOptions, LogTarget, WorkerProcesses, load, load_files, load_text,
    read_files,
};

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    folder
}

fn error(folder: &TempDir) -> String {
    let error = load(folder.path().join("nginx.conf"), &options()).expect_err("refused").to_string();
    error.replace(&*folder.path().display().to_string(), "DIR")
}

#[test]
fn what_stands_outside_of_http() {
    let text = "worker_processes auto; events { worker_connections 7; } daemon ON; pid run/x.pid;
                error_log a.log; error_log stderr warn;
                http { access_log b.log; error_log c.log; server { location / { return 200; } } }";
    let loaded = load_text("f", text, &options()).expect("loads");
    let main = &loaded.main;
    assert_eq!(main.worker_processes, WorkerProcesses::Auto);
    assert_eq!((main.worker_connections, main.daemon), (7, true));
    assert_eq!(main.pid.as_deref(), Some(Path::new("/prefix/run/x.pid")));
    let logs: Vec<_> = main.error_logs.iter().map(|log| (log.target.clone(), log.severity)).collect();
    let file = LogTarget::File("/prefix/a.log".into());
    assert_eq!(logs, [(file, Severity::Error), (LogTarget::Stderr, Severity::Warn)]);
    assert_eq!(
        main.logs.iter().map(|log| log.target.to_string()).collect::<Vec<_>>(),
        ["/prefix/b.log", "/prefix/c.log"]
    );
    assert_eq!(loaded.notes, []);
}

#[test]
fn an_empty_file_is_a_configuration() {
    let loaded = load_text("f", "# nothing\n", &options()).expect("loads");
    assert!(loaded.listeners.is_empty());
    assert_eq!(loaded.main.worker_processes, WorkerProcesses::Count(1));
    assert_eq!((loaded.main.worker_connections, loaded.main.daemon), (512, false));
    assert_eq!(loaded.main.pid, None);
    assert_eq!(loaded.main.error_logs.len(), 1);
    assert_eq!(loaded.main.error_logs[0].target, LogTarget::Stderr);
}

#[test]
fn servers_share_sockets() {
    let text = "http {
        server { listen 8080; listen localhost:81; server_name a b a; }
        server { listen *:8080 default_server; listen [::1]:81; server_name A; }
        server { }
    }";
    let loaded = load_text("f", text, &options()).expect("loads");
    let listeners: Vec<_> = loaded
        .listeners
        .iter()
        .map(|listener| {
            (listener.address.to_string(), listener.written.as_str(), listener.position.to_string())
        })
        .collect();
    let listener =
        |address: &str, written, position: &str| (address.to_owned(), written, position.to_owned());
    assert_eq!(
        listeners,
        [
            listener("0.0.0.0:8080", "8080", "f:2:25"),
            listener("127.0.0.1:81", "localhost:81", "f:2:38"),
            listener("[::1]:81", "localhost:81", "f:2:38"),
            listener("0.0.0.0:80", "*:80", "f:4:9"),
        ]
    );
    let notes: Vec<_> = loaded.notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "conflicting server name \"a\" on 0.0.0.0:8080, ignored in f:2:68",
            "conflicting server name \"a\" on 127.0.0.1:81, ignored in f:2:68",
            "conflicting server name \"a\" on [::1]:81, ignored in f:2:68",
            "conflicting server name \"a\" on 0.0.0.0:8080, ignored in f:3:77",
            "conflicting server name \"a\" on [::1]:81, ignored in f:3:77",
        ]
    );
}

#[test]
fn the_default_server_s_settings_hold_before_routing() {
    let text = "http { client_header_timeout 1;
        server { listen 81; client_header_timeout 2; }
        server { listen 81 default_server; listen 82; client_header_timeout 3; }
        server { listen 82; client_header_timeout 4; }
    }";
    let loaded = load_text("f", text, &options()).expect("loads");
    let seconds = |index: usize| loaded.listeners[index].config.edge.client_header_timeout.as_secs();
    assert_eq!((seconds(0), seconds(1)), (3, 3));
}

#[test]
fn listeners_share_what_is_shared() {
    let text = "http { map $uri $x { } server { listen 81; } server { listen 82; } }";
    let mut options = options();
    let identity = std::sync::Arc::clone(&options.identity);
    options.prefix = "/".into();
    let loaded = load_text("f", text, &options).expect("loads");
    let [first, second] = loaded.listeners.as_slice() else { panic!("two listeners") };
    assert!(std::sync::Arc::ptr_eq(&first.config.upstreams, &second.config.upstreams));
    assert!(std::sync::Arc::ptr_eq(&first.config.maps, &second.config.maps));
    assert!(std::sync::Arc::ptr_eq(&first.config.identity, &identity));
    assert_eq!(first.config.maps.len(), 1);
}

#[test]
fn what_concerns_the_process() {
    let text = "user www-data www; worker_shutdown_timeout 10s; worker_rlimit_nofile 4096; worker_cpu_affinity 0101 10;
                master_process off; env A; env B=c; worker_priority 5;";
    let loaded = load_text("f", text, &options()).expect("loads");
    let main = &loaded.main;
    let user = main.user.as_ref().expect("a user");
    assert_eq!((&*user.name, user.group.as_deref()), ("www-data", Some("www")));
    assert_eq!(user.position.to_string(), "f:1:6");
    assert_eq!(main.worker_shutdown_timeout.map(|time| time.as_secs()), Some(10));
    assert_eq!(main.worker_rlimit_nofile, Some(4096));
    assert_eq!(main.worker_cpu_affinity, CpuAffinity::Masks(vec![vec![0, 2], vec![1]]));
    let affinity = |text: &str| {
        let loaded = load_text("f", format!("worker_cpu_affinity {text};"), &options()).expect("loads");
        loaded.main.worker_cpu_affinity
    };
    assert_eq!(affinity("auto"), CpuAffinity::Auto(None));
    assert_eq!(affinity("auto 110"), CpuAffinity::Auto(Some(vec![1, 2])));
    // nginx: no timer, and not one that is over at once.
    let loaded = load_text("f", "worker_shutdown_timeout 0;", &options()).expect("loads");
    assert_eq!(loaded.main.worker_shutdown_timeout, None);
}

/// nginx: one that says so is enough.
#[test]
fn proxy_protocol_on_any_listen_counts_for_the_address() {
    for (first, second) in [("", "proxy_protocol"), ("proxy_protocol", "")] {
        let text = format!(
            "http {{ server {{ listen 80 {first}; }} server {{ server_name x; listen 80 {second}; }} }}"
        );
        let loaded = load_text("f", text, &options()).expect("loads");
        let proxied: Vec<_> =
            loaded.listeners.iter().map(|listener| listener.config.proxy_protocol).collect();
        assert_eq!(proxied, [true], "{first}, {second}");
        let notes: Vec<_> = loaded.notes.iter().map(ToString::to_string).collect();
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].starts_with("protocol options redefined for 0.0.0.0:80"), "{notes:?}");
        assert!(
            notes[0].ends_with("\"proxy_protocol\" on one \"listen\" counts for all of the address"),
            "{notes:?}"
        );
    }
}

#[test]
fn sockets_have_options() {
    let text = "http {
        server {
            listen 80 default_server reuseport backlog=128 deferred rcvbuf=8k sndbuf=1m so_keepalive=30s::5 http2;
            listen [::]:80 ipv6only=off; listen unix:/run/x.sock proxy_protocol; listen 8000-8002;
        }
        server { server_name x; listen 80 http2; listen [::]:80; listen 127.0.0.1:90 fastopen=5 bind; }
    }";
    let loaded = load_text("f", text, &options()).expect("loads");
    let addresses: Vec<_> = loaded.listeners.iter().map(|listener| listener.address.to_string()).collect();
    assert_eq!(
        addresses,
        [
            "0.0.0.0:80",
            "[::]:80",
            "unix:/run/x.sock",
            "0.0.0.0:8000",
            "0.0.0.0:8001",
            "0.0.0.0:8002",
            "127.0.0.1:90"
        ]
    );
    let options = |index: usize| &loaded.listeners[index].options;
    let first = options(0);
    assert_eq!((first.backlog, first.reuseport, first.deferred), (Some(128), true, true));
    assert_eq!((first.receive_buffer, first.send_buffer), (Some(8192), Some(1 << 20)));
    let idle = Some(std::time::Duration::from_secs(30));
    assert_eq!(first.keepalive, Some(KeepAliveProbes::On { idle, interval: None, count: Some(5) }));
    assert!(options(1).dual_stack && !first.dual_stack);
    assert_eq!(*options(6), ListenOptions::default());
    let proxied: Vec<_> = loaded.listeners.iter().map(|listener| listener.config.proxy_protocol).collect();
    assert_eq!(proxied, [false, false, true, false, false, false, false]);
    let notes: Vec<_> = loaded.notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "\"http2\" of \"listen\" has no effect: clients speak HTTP/1.1 in this version in f:3:109",
            "\"fastopen\" of \"listen\" has no effect: it is not in this version in f:6:86",
        ]
    );
}

#[test]
fn ipv6only_is_nothing_to_an_ipv4_socket() {
    let text = "http { server { listen 80 ipv6only=on; listen localhost:81 ipv6only=off; } }";
    let loaded = load_text("f", text, &options()).expect("loads");
    assert_eq!(loaded.listeners.len(), 3);
    assert_eq!(loaded.notes, []);
}

#[test]
fn what_has_no_meaning_is_noted_once_for_each_name() {
    let text = "http {
        sendfile on; tcp_nopush on; gzip on; gzip_types a b; types_hash_max_size 2048;
        server { gzip off; sendfile off; ssl_dhparam a; ssl off; return 200; }
    }";
    let loaded = load_text("f", text, &options()).expect("loads");
    let said: Vec<_> = loaded.notes.iter().map(|note| note.message.as_str()).collect();
    assert_eq!(
        said,
        [
            "\"sendfile\" has no effect: files are not served in this version",
            "\"tcp_nopush\" has no effect: files are not served in this version",
            "\"gzip\" has no effect: nothing is compressed or unpacked in this version",
            "\"gzip_types\" has no effect: nothing is compressed or unpacked in this version",
            "\"types_hash_max_size\" has no effect: memory is laid out differently here",
            "\"ssl_dhparam\" has no effect: keys are exchanged on elliptic curves only",
            "\"ssl\" has no effect: it is never on in this version",
        ]
    );
}

#[test]
fn includes_stand_in_their_place() {
    let folder = folder(&[
        ("nginx.conf", "http { include sub/*.conf; include none/*.conf; include upstream.inc; }"),
        ("sub/b.conf", "server { listen 82; }"),
        ("sub/a.conf", "server { listen 81; location / { include sub/proxy; } }"),
        ("sub/.hidden.conf", "broken {"),
        ("sub/proxy", "proxy_pass http://back;"),
        ("upstream.inc", "upstream back { server 127.0.0.1; } map $uri $x { include pairs; }"),
        ("pairs", "a 1; default 2;"),
    ]);
    let loaded = load(folder.path().join("nginx.conf"), &options()).expect("loads");
    let ports: Vec<_> = loaded.listeners.iter().filter_map(|listener| listener.address.port()).collect();
    assert_eq!(ports, [81, 82]);
    let names: Vec<_> =
        loaded.files.iter().map(|file| file.name.rsplit('/').next().expect("a name")).collect();
    assert_eq!(names, ["nginx.conf", "a.conf", "proxy", "b.conf", "upstream.inc", "pairs"]);
    assert_eq!(loaded.files[5].text, b"a 1; default 2;");
    let expanded = loaded.expanded();
    assert!(expanded.contains("proxy_pass http://back;") && !expanded.contains("include"), "{expanded}");
    let again = load_text("f", expanded.as_str(), &options()).expect("loads");
    assert_eq!(again.expanded(), expanded);
}

#[test]
fn mistakes_in_included_files_have_their_place_there() {
    let folder = folder(&[("nginx.conf", "http {\n include a; }"), ("a", "server {\n  foo;\n}")]);
    assert_eq!(error(&folder), "unknown directive \"foo\" in DIR/a:2:3");
    fs::write(folder.path().join("a"), "server {").expect("a file");
    assert_eq!(error(&folder), "unexpected end of file, expecting \"}\" in DIR/a:1:9");
}

#[test]
fn missing_files() {
    let folder = folder(&[("nginx.conf", "http {\n  include no.conf;\n}")]);
    let failed = "failed (2: No such file or directory)";
    assert_eq!(error(&folder), format!("open() \"DIR/no.conf\" {failed} in DIR/nginx.conf:2:11"));
    let missing = load("/nowhere/nginx.conf", &options()).expect_err("refused");
    assert_eq!(missing.to_string(), format!("open() \"/nowhere/nginx.conf\" {failed}"));
    assert_eq!(missing.position, None);
}

#[test]
fn circles_of_includes() {
    let folder = folder(&[("nginx.conf", "include a;"), ("a", "include nginx.conf;")]);
    assert_eq!(
        error(&folder),
        "\"DIR/nginx.conf\" includes itself in DIR/a:1:9; remove one \"include\" of the circle"
    );
    fs::write(folder.path().join("nginx.conf"), "include [;").expect("a file");
    assert!(error(&folder).starts_with("invalid mask \"DIR/[\""), "{}", error(&folder));
    fs::write(folder.path().join("nginx.conf"), "include a b;").expect("a file");
    assert_eq!(
        error(&folder),
        "invalid number of arguments in \"include\" directive in DIR/nginx.conf:1:1; it is written \
         include file | mask;"
    );
}

#[test]
fn directives_of_the_command_line_stand_in_front() {
    let mut options = options();
    options.globals = "daemon off; worker_processes 3;".into();
    options.error_log = LogTarget::File("/early.log".into());
    let loaded = load_text("f", "events { }", &options).expect("loads");
    assert_eq!(loaded.main.worker_processes, WorkerProcesses::Count(3));
    assert_eq!(loaded.main.error_logs[0].target, options.error_log);
    assert_eq!(loaded.expanded(), "daemon off;\nworker_processes 3;\nevents {\n}\n");

    let refusal = |text: &str| load_text("f", text, &options).expect_err("refused").to_string();
    assert_eq!(refusal("events { } daemon on;"), "\"daemon\" directive is duplicate in f:1:12");
    options.globals = "demon off;".into();
    let error = load_text("f", "", &options).expect_err("refused").to_string();
    assert!(error.starts_with("unknown directive \"demon\" in command line:1:1"), "{error}");
}

#[test]
fn files_that_were_read_before_come_to_the_same() {
    let names = [
        ("nginx.conf", "events {} http { include conf.d/*.conf; include ./types; include none/*; }"),
        ("conf.d/b.conf", "server { listen 127.0.0.1:2; return 202; include ../more; }"),
        ("conf.d/a.conf", "server { listen 127.0.0.1:1; return 201; }"),
        ("conf.d/.hidden.conf", "nonsense"),
        ("types", "map $host $a { default 1; include pairs; }"),
        ("pairs", "b 2;"),
        ("more", "server_name more;"),
    ];
    let names = names.map(|(name, text)| (name, text.replace("../more", "more")));
    let folder = folder(&names.each_ref().map(|(name, text)| (*name, text.as_str())));
    for path in [folder.path().join("nginx.conf"), folder.path().join("./nginx.conf")] {
        let loaded = load(&path, &options()).expect("loads");
        let files = read_files(&path, "").expect("they can be read");
        assert_eq!(files.len(), 6);
        for name in ["nginx.conf", "conf.d/a.conf"] {
            fs::rename(folder.path().join(name), folder.path().join("away")).expect("a rename");
            let again = load_files(&path, &files, &options()).expect("loads without them");
            fs::rename(folder.path().join("away"), folder.path().join(name)).expect("a rename");
            assert_eq!(again.expanded(), loaded.expanded());
            assert_eq!(again.listeners[1].position.to_string(), loaded.listeners[1].position.to_string());
        }
        let said =
            load_files(&path, &files[1..], &options()).expect_err("the main file is missing").to_string();
        assert!(said.contains("nginx.conf"), "{said}");
    }
}

/// Wherever a literal may be somebody's secret, what traces tell of the configuration hasn't got it, and loads.
#[test]
fn what_traces_tell_has_no_secret() {
    const SECRET: &str = "hunter2hunter2";
    const LINES: &[&str] = &[
        "proxy_set_header Authorization \"Bearer {}\"; proxy_pass http://127.0.0.1;",
        "proxy_set_header Authorization 'Basic {}'; proxy_pass http://127.0.0.1;",
        "proxy_set_header Cookie \"sid={}; $http_cookie\"; proxy_pass http://127.0.0.1;",
        "proxy_set_header X-Key \"${http_x}{}\"; proxy_pass http://127.0.0.1;",
        "proxy_set_header PRIVATE-TOKEN a-$http_a-{}-$http_b; proxy_pass http://127.0.0.1;",
        "proxy_pass http://127.0.0.1/b?key={};",
        "proxy_pass http://127.0.0.1/b?{};",
        "set $key {}; proxy_set_header X-Key $key; proxy_pass http://127.0.0.1;",
        "set $key {}; if ($http_x_key != $key) { return 403; }",
        "set $part {}; set $key \"a $part\"; proxy_set_header X-Key $key; proxy_pass http://127.0.0.1;",
        "add_header X-Key {} always;",
        "add_header Set-Cookie \"sid={}; Path=/\";",
        "return 200 \"it is {}\";",
        "return 302 https://b/?key={};",
        "return https://b/#key={};",
        "rewrite ^/a$ /b?key={} last;",
        "rewrite ^/a$ https://b/?key={} redirect;",
        "error_page 404 https://b/?key={};",
        "if ($http_authorization != \"Bearer {}\") { return 401; }",
        "if ($http_authorization !~* \"^(Bearer|Token) {}$\") { return 401; }",
        "if ($arg_key = {}) { return 204; }",
        "if ( $arg_key = {} ) { return 204; }",
        "if ($cookie_key = {}) { return 204; }",
        "if ($args ~ \"(^|&)key={}(&|$)\") { return 204; }",
    ];
    let mut wrong = Vec::new();
    let http = [
        "map $http_authorization $ok { \"Bearer {}\" 1; default 0; }",
        "map $arg_key $ok { ~^{}$ 1; {} 2; default 0; }",
        "map $host $ok { a.test {}; default 0; }",
        "split_clients $remote_addr $ok { 50% {}; * other; }",
        "geo $ok { 10.0.0.0/8 {}; default other; }",
    ];
    let in_http = http.map(|line| format!("{line} server {{ listen 80; add_header X-Key $ok; }}"));
    let in_location = LINES.iter().map(|line| format!("server {{ listen 80; location / {{ {line} }} }}"));
    for text in in_location.chain(in_http) {
        let text = format!("env KEY={SECRET}; http {{ {} }}", text.replace("{}", SECRET));
        let loaded =
            load_text("f", text.as_str(), &options()).unwrap_or_else(|error| panic!("{text}: {error}"));
        let masked = loaded.masked();
        let again = load_text("f", masked.as_str(), &options());
        if masked.contains("hunter") || again.as_ref().map_or(true, |again| again.masked() != masked) {
            wrong.push((masked, again.err().map(|error| error.to_string())));
        }
    }
    assert_eq!(wrong, []);
}
