use super::{
    arguments::{command, listen_address},
    *,
};

const PROGRAM: Program = Program { name: "underpass", version: "1.2.3", build: "built with nothing" };

fn parse(line: &str) -> Result<Command, Stop> {
    Command::parse(&PROGRAM, std::iter::once("underpass").chain(line.split_whitespace()))
}

fn refusal(line: &str) -> String {
    let stop = parse(line).expect_err(line);
    assert!(stop.failed(), "{stop}");
    stop.to_string()
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn options(file: &str, prefix: &str) -> Options {
    let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
    Options { file: path(file), prefix: path(prefix), ..Options::default() }
}

#[test]
fn nginxs_options() {
    let test = |options: Options| Ok(Command::Test { options, quiet: false, dump: false });
    assert_eq!(parse(""), Ok(Command::Run(options("", ""))));
    assert_eq!(parse("-c a.conf -p /srv"), Ok(Command::Run(options("a.conf", "/srv"))));
    assert_eq!(parse("-ca.conf"), Ok(Command::Run(options("a.conf", ""))));
    assert_eq!(parse("-t"), test(options("", "")));
    assert_eq!(parse("-tc a.conf"), test(options("a.conf", "")));
    assert_eq!(parse("-v"), Ok(Command::Version));
    assert_eq!(parse("--version"), Ok(Command::Version));
    assert_eq!(parse("-V"), Ok(Command::BuildInfo));
    assert_eq!(parse("-t -v"), test(options("", "")), "as nginx");
    let dump = |quiet| Ok(Command::Test { options: options("", ""), quiet, dump: true });
    assert_eq!(parse("-T"), dump(false));
    assert_eq!(parse("-tTq"), dump(true));
    let mut written = options("a", "b");
    written.globals = "daemon off;".into();
    written.error_log = Some("stderr".into());
    let arguments = ["underpass", "-g", "daemon off;", "-e", "stderr", "-c", "a", "-p", "b", "-q"];
    assert_eq!(Command::parse(&PROGRAM, arguments), Ok(Command::Run(written)));
}

#[test]
fn words_for_signals() {
    for (word, signal) in [
        ("stop", Signal::Terminate),
        ("quit", Signal::Quit),
        ("reopen", Signal::User1),
        ("reload", Signal::HangUp),
    ] {
        let expected = Ok(Command::Signal { options: options("a", ""), signal });
        assert_eq!(parse(&format!("-s {word} -c a")), expected);
    }
}

#[test]
fn help_in_each_spelling() {
    for line in ["-h", "-?", "--help", "demo -h", "demo -?", "demo --help"] {
        let stop = parse(line).expect_err("help is no command to run");
        assert!(!stop.failed(), "{line}");
        assert!(stop.to_string().contains("Usage: underpass"), "{line}: {stop}");
    }
    let help = parse("-h").expect_err("help").to_string();
    for word in [
        "-c <FILE>",
        "-p <PREFIX>",
        "-g <DIRECTIVES>",
        "-e <FILE>",
        "-s <SIGNAL>",
        "-t",
        "-T",
        "-q",
        "-v",
        "-V",
        "--listen",
        "--to",
        "replay",
        "SIGQUIT",
        "SIGHUP",
    ] {
        assert!(help.contains(word), "{word} is missing in {help}");
    }
    assert_eq!(help.contains("demo"), cfg!(feature = "demo"), "{help}");
}

#[test]
fn the_binary_has_the_name_that_it_is_given() {
    let other = Program { name: "underpass-other", version: "1", build: "" };
    let help = Command::parse(&other, ["x", "-h"]).expect_err("help").to_string();
    assert!(help.contains("Usage: underpass-other "), "{help}");
    let refusal = Command::parse(&other, ["x", "--nonsense"]).expect_err("no such option").to_string();
    assert!(refusal.starts_with("underpass-other: "), "{refusal}");
    assert_eq!(version_text(&other), "underpass-other version: underpass-other/1");
}

#[test]
fn without_a_file() {
    let to = |text: &str| text.parse::<Destination>().expect(text);
    assert_eq!(
        parse("--listen 127.0.0.1:8080 --to http://127.0.0.1:9000"),
        Ok(Command::Direct {
            listen: Front::plain(address("127.0.0.1:8080")),
            to: to("http://127.0.0.1:9000")
        })
    );
    let replay = |session, quiet| Ok(Command::Replay { file: "a.trace".into(), session, quiet });
    assert_eq!(parse("replay a.trace"), replay(None, false));
    assert_eq!(parse("replay -q a.trace --session 17"), replay(Some(17), true));
}

#[test]
fn addresses_are_written_as_in_listen() {
    for (written, meant) in [
        ("81", "0.0.0.0:81"),
        ("*:81", "0.0.0.0:81"),
        ("localhost:81", "127.0.0.1:81"),
        ("[::]:81", "[::]:81"),
    ] {
        assert_eq!(listen_address(written), Ok(address(meant)));
    }
}

#[test]
#[cfg(feature = "demo")]
fn the_demo_listens_where_it_is_told() {
    assert_eq!(parse("demo"), Ok(Command::Demo { listen: address("127.0.0.1:8080"), tls: false }));
    assert_eq!(
        parse("demo --listen [::1]:81"),
        Ok(Command::Demo { listen: address("[::1]:81"), tls: false })
    );
}

#[test]
#[cfg(not(feature = "demo"))]
fn who_asks_for_a_demo_that_is_not_there_is_told() {
    assert_eq!(
        refusal("demo"),
        "underpass: this underpass has no demo, it was built without the feature \"demo\"\n"
    );
}

#[test]
fn errors_say_how_to_fix_it() {
    for (line, advice) in [
        ("--listen 127.0.0.1:8080", "--to <URL>"),
        ("--to http://127.0.0.1:9000", "--listen <ADDRESS>"),
        ("-c a --listen 127.0.0.1:1 --to http://a", "cannot be used with"),
        ("-t --listen 127.0.0.1:1 --to http://a", "cannot be used with"),
        ("-c a demo", "cannot be used with"),
        ("--listen 127.0.0.1 --to http://a", "such as 127.0.0.1:8080"),
        ("--listen 127.0.0.1:0 --to http://a", "choose one"),
        ("--listen 127.0.0.1:99999 --to http://a", "such as 127.0.0.1:8080"),
        ("--listen 127.0.0.1:1 --to 127.0.0.1:9000", "write http://127.0.0.1:9000"),
        (
            "--listen https://127.0.0.1:1 --to http://a",
            "TLS needs a certificate, give --certificate FILE and --key FILE",
        ),
        ("--listen https://127.0.0.1:1 --to http://a --key b", "--certificate <FILE>"),
        ("--listen 127.0.0.1:1 --to http://a --certificate b --key c", "write --listen https://127.0.0.1:1"),
        ("--certificate b --key c", "--listen <ADDRESS>"),
        ("--listen ftp://127.0.0.1:1 --to http://a", "such as 127.0.0.1:8080"),
        ("--listen 127.0.0.1:1 --to ftp://a", "such as http://"),
        ("--listen 127.0.0.1:1 --to http://", "the host is missing"),
        ("--listen 127.0.0.1:1 --to http:///path", "the host is missing"),
        ("--lisen 127.0.0.1:1", "--listen"),
        ("replya", "replay"),
        ("-s halt", "possible values: stop, quit, reopen, reload"),
        ("-s", "a value is required"),
        ("-s stop -t", "cannot be used with"),
        ("-g x --listen 127.0.0.1:1 --to http://a", "cannot be used with"),
        ("-c", "a value is required"),
        ("-z", "--help"),
    ] {
        let text = refusal(line);
        assert!(text.starts_with("underpass: "), "{line}: {text}");
        assert!(text.contains(advice), "{line}: {text}");
    }
}

#[test]
fn nothing_typed_as_a_url_leaves_its_place_in_the_configuration() {
    for bad in [
        "http://a;return",
        "http://a b",
        "http://$host",
        "http://a{",
        "http://a}",
        "http://a#",
        "http://a'",
        "http://a\\",
    ] {
        let error = bad.parse::<Destination>().expect_err(bad);
        assert!(error.contains("use a file"), "{error}");
    }
    assert!("http://[::1]:9000/app/".parse::<Destination>().is_ok());
}

#[test]
fn the_configuration_of_a_direct_proxy() {
    let to = "http://127.0.0.1:9000".parse().expect("a URL");
    let text = direct_configuration(&Front::plain(address("[::1]:8080")), &to);
    for line in [
        "listen [::1]:8080;",
        "map $http_upgrade $connection_upgrade {",
        "proxy_pass http://127.0.0.1:9000;",
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header Connection $connection_upgrade;",
    ] {
        assert!(text.lines().any(|found| found.trim() == line), "{line} is missing in {text}");
    }
    assert_eq!(text.matches('{').count(), text.matches('}').count());
}

/// H9.
#[test]
fn a_direct_proxy_by_tls_on_both_sides() {
    let line = "--listen https://127.0.0.1:8443 --certificate c.pem --key k.pem --to https://127.0.0.1:9443";
    let Ok(Command::Direct { listen, to }) = parse(line) else { panic!("{line}") };
    assert_eq!(listen, Front::secured(address("127.0.0.1:8443"), "c.pem", "k.pem"));
    let odd = Front::secured(listen.address, "/a \"b\\c;.pem", "/k {1}.pem");
    let text = direct_configuration(&odd, &to);
    let options = underpass_nginx_config::LoadOptions::default();
    let loaded = underpass_nginx_config::load_text("--to", text, &options).expect("a configuration");
    let tls = loaded.listeners[0].tls.as_ref().expect("TLS");
    let files = &tls.servers[0].credentials[0];
    assert_eq!(files.certificate.path, Path::new("/a \"b\\c;.pem"));
    assert_eq!(files.key.path, Path::new("/k {1}.pem"));
    assert!(loaded.upstream_tls[0].send_name);
}

#[test]
#[cfg(feature = "demo")]
fn the_demo_may_speak_tls() {
    let at = address("127.0.0.1:8443");
    assert_eq!(parse("demo --tls --listen 127.0.0.1:8443"), Ok(Command::Demo { listen: at, tls: true }));
}

#[test]
#[cfg(feature = "demo")]
fn the_configuration_of_the_demo_has_the_shape_of_nginxs_page() {
    let front = Front::plain(address("127.0.0.1:8080"));
    let text = demo_configuration(&front, address("127.0.0.1:9000"), address("127.0.0.1:9001"));
    let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "map $http_upgrade $connection_upgrade { default Upgrade; '' close; }",
        "location /chat/ { proxy_pass http://backend; proxy_http_version 1.1; \
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; #",
        "upgrade_log syslog:server=127.0.0.1:9001,nohostname pings every=3s;",
        "upstream backend { server 127.0.0.1:9000; }",
        "listen 127.0.0.1:8080;",
    ] {
        assert!(squeezed.contains(part), "{part} is missing in {text}");
    }
}

#[test]
fn files_are_found_as_documented() {
    let resolve = |file: Option<&str>, prefix: Option<&str>| {
        let files = Files::resolve(file.map(Path::new), prefix.map(Path::new));
        (files.file.display().to_string(), files.prefix.display().to_string())
    };
    let expected = |file: &str, prefix: &str| (file.to_owned(), prefix.to_owned());
    assert_eq!(resolve(None, None), expected("/etc/underpass/nginx.conf", "/etc/underpass/"));
    assert_eq!(resolve(None, Some("/srv")), expected("/srv/nginx.conf", "/srv"));
    assert_eq!(resolve(Some("a.conf"), None), expected("a.conf", "/etc/underpass/"));
    assert_eq!(resolve(Some("a.conf"), Some("/srv/")), expected("/srv/a.conf", "/srv/"));
    assert_eq!(resolve(Some("/a.conf"), Some("/srv/")), expected("/a.conf", "/srv/"));
}

#[test]
fn versions_are_printed_as_nginx_does() {
    assert_eq!(version_text(&PROGRAM), "underpass version: underpass/1.2.3");
    let text = build_text(&PROGRAM);
    let first = "nginx version: nginx/1.31.5 (underpass/1.2.3)\nbuilt with nothing\nbuilt for ";
    assert!(text.starts_with(first), "{text}");
    let (_, last) = text.rsplit_once('\n').expect("several lines");
    let paths = "configure arguments: --prefix=/etc/underpass/ --conf-path=/etc/underpass/nginx.conf ";
    let options: Vec<_> = last.strip_prefix(paths).expect("the last line").split(' ').collect();
    assert!(options.contains(&"--with-http_realip_module"), "{text}");
    assert!(options.contains(&"--without-http_ssi_module"), "{text}");
    assert!(!options.contains(&"--without-http_proxy_module"), "{text}");
}

#[test]
fn the_table_of_arguments_is_sound() {
    command(&PROGRAM).debug_assert();
}
