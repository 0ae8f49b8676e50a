//! Each rule says what it is for, and nothing of what is fine.

use std::{io, net::IpAddr, sync::Arc};

use crate::{LoadOptions, Resolve, load_text};

#[derive(Debug)]
struct Anybody;

impl Resolve for Anybody {
    fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![[192, 0, 2, 1].into()])
    }
}

/// What is said of an `http` block, each line with its place in front.
fn said(http: &str) -> Vec<String> {
    let mut options = LoadOptions::new("/prefix");
    options.resolver = Arc::new(Anybody);
    let loaded = load_text("f", format!("http {{\n{http}\n}}"), &options).expect(http);
    let line = |note: &crate::ConfigNote| {
        format!("{}:{} {}", note.position.line, note.position.column, note.message)
    };
    loaded.notes.iter().map(line).collect()
}

/// What is said of a location's directives; `resolver` and a long timeout keep other rules quiet.
fn of_location(directives: &str) -> Vec<String> {
    said(&format!(
        "resolver 127.0.0.1; proxy_read_timeout 1h;\nserver {{ listen 81; location /a {{ {directives} }} }}"
    ))
}

mod tunnels;

const RECIPE: &str = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";

#[test]
fn the_recipes_of_nginx_s_page_have_only_the_hints_that_are_meant() {
    let first = "server { listen 81; location /chat/ {
            proxy_pass http://192.0.2.1;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection \"upgrade\";
        } }";
    const PING: &str =
        "a WebSocket of location \"/chat/\" that is silent for 60 s is closed (\"proxy_read_timeout\")";
    assert_eq!(said(first), [format!("3:13 {PING}")]);
    let second = "map $http_upgrade $connection_upgrade { default upgrade; '' close; }
        server { listen 81;
        location /chat/ {
            proxy_pass http://192.0.2.1;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
        } }";
    const POOL: &str = "\"Connection: close\" has a connection to the origin server made for each request";
    assert_eq!(said(second), [format!("2:58 {POOL}"), format!("5:13 {PING}")]);
    let kept = second.replace("'' close", "'' ''").replace("1.1;", "1.1; proxy_read_timeout 1h;");
    assert_eq!(said(&kept), [""; 0]);
}

#[test]
fn upgrades_that_lose_a_half() {
    const PASS: &str = "proxy_pass http://192.0.2.1;";
    let lacks_upgrade = "3:43 location \"/a\" sets \"Connection\" for an upgrade, but no \"Upgrade\"";
    for value in ["upgrade", "Upgrade", "'keep-alive, Upgrade'", "$http_connection"] {
        let lines = format!("proxy_set_header Connection {value}; {PASS}");
        assert_eq!(of_location(&lines), [lacks_upgrade.replace("3:43", "3:35")], "{value}");
    }
    let empty = format!("proxy_set_header Upgrade ''; proxy_set_header Connection upgrade; {PASS}");
    assert_eq!(of_location(&empty), [lacks_upgrade.replace("3:43", "3:64")]);
    let lacks_connection =
        "3:35 location \"/a\" sets \"Upgrade\", but no \"Connection\" that permits an upgrade";
    for line in ["", "proxy_set_header Connection '';", "proxy_set_header Connection keep-alive;"] {
        let lines = format!("proxy_set_header Upgrade $http_upgrade; {line} {PASS}");
        assert_eq!(of_location(&lines), [lacks_connection], "{line}");
    }
    for fine in [
        format!("{RECIPE} {PASS}"),
        PASS.to_owned(),
        format!("proxy_set_header Connection ''; {PASS}"),
        format!(
            "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection; {PASS}"
        ),
        "proxy_set_header Connection upgrade; return 200;".to_owned(),
    ] {
        assert_eq!(of_location(&fine), [""; 0], "{fine}");
    }
    let by_map =
        "proxy_read_timeout 1h; map $http_upgrade $c { default $d; } map $uri $d { default upgrade; }
        server { listen 81; location / { proxy_set_header Connection $c; proxy_pass http://192.0.2.1; } }";
    assert_eq!(said(by_map).len(), 1);
    let by_set = "proxy_read_timeout 1h;
        server { listen 81; set $c upgrade; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection ${c};
                 location / { proxy_pass http://192.0.2.1; } }";
    assert_eq!(said(by_set), [""; 0]);
}

#[test]
fn upgrades_need_http_1_1() {
    let lines = format!("{RECIPE} proxy_http_version 1.0; proxy_pass http://192.0.2.1;");
    assert_eq!(of_location(&lines), ["3:112 location \"/a\" forwards upgrades, and HTTP/1.0 has none"]);
    assert_eq!(of_location("proxy_http_version 1.0; proxy_pass http://192.0.2.1;"), [""; 0]);
    let outer = format!(
        "proxy_http_version 1.0; proxy_read_timeout 1h; server {{ listen 81; location /b {{ {RECIPE}
         proxy_pass http://192.0.2.1; }} }}"
    );
    assert_eq!(said(&outer), ["3:10 location \"/b\" forwards upgrades, and HTTP/1.0 has none"]);
}

#[test]
fn quiet_websockets_are_closed() {
    let with = |timeout: &str| of_location(&format!("{RECIPE} {timeout} proxy_pass http://192.0.2.1;"));
    let message = "a WebSocket of location \"/a\" that is silent for 30 s is closed (\"proxy_read_timeout\")";
    assert_eq!(with("proxy_read_timeout 30s;"), [format!("3:112 {message}")]);
    assert_eq!(with("proxy_read_timeout 61s;"), [""; 0]);
    assert_eq!(of_location("proxy_read_timeout 30s; proxy_pass http://192.0.2.1;"), [""; 0]);
}

#[test]
fn header_lines_that_are_lost() {
    let server = "proxy_read_timeout 1h; server { listen 81; proxy_set_header Host $host;
        proxy_set_header upgrade $http_upgrade; proxy_set_header Connection upgrade;";
    let lost = format!("{server} location /a {{ proxy_set_header X 1; proxy_pass http://192.0.2.1; }} }}");
    assert_eq!(
        said(&lost),
        ["3:100 location \"/a\" has \"proxy_set_header\" lines of its own and loses those of line 2: \
          \"Host\", \"upgrade\", \"Connection\""]
    );
    let some = format!("{server} location /a {{ {RECIPE} proxy_pass http://192.0.2.1; }} }}");
    assert_eq!(
        said(&some),
        ["3:100 location \"/a\" has \"proxy_set_header\" lines of its own and loses those of line \
             2: \"Host\""]
    );
    for fine in [
        "location /a { proxy_pass http://192.0.2.1; } }".to_owned(),
        format!("location /a {{ proxy_set_header HOST x; {RECIPE} proxy_pass http://192.0.2.1; }} }}"),
        "location /a { proxy_set_header X 1; return 200; } }".to_owned(),
    ] {
        assert_eq!(said(&format!("{server} {fine}")), [""; 0], "{fine}");
    }
}

#[test]
fn maps_that_are_never_used() {
    let server = "server { listen 81; return 200 \"$Used ${used2}x\"; }";
    let maps = "map $http_upgrade $connection_upgrade { default upgrade; } map $uri $used { }
        map $used3 $used2 { } map $uri $used3 { } map $uri $use { }";
    assert_eq!(
        said(&format!("{maps} {server}")),
        ["2:19 \"$connection_upgrade\" is never used", "3:60 \"$use\" is never used"]
    );
}

#[test]
fn ifs_that_mean_something_else() {
    let server = |text: &str| said(&format!("server {{ listen 81; {text} return 200; }}"));
    assert_eq!(
        server("if ($http_upgrade = websocket) { return 403; }"),
        ["2:21 \"=\" heeds case: $http_upgrade may as well be \"WebSocket\" as \"websocket\""]
    );
    assert_eq!(
        server("if ( $host != ^www ) { return 403; }"),
        ["2:21 \"=\" compares text: \"^www\" is not matched as a regular expression"]
    );
    assert_eq!(server("if ($host) { }"), ["2:21 this \"if\" does nothing"]);
    assert_eq!(server("if ($host = a) { }"), ["2:21 this \"if\" does nothing"]);
    for fine in [
        "if ($http_upgrade ~* websocket) { return 403; }",
        "if ($host = a) { return 403; }",
        "if ($host = '') { return 403; }",
        "if ($host = $http_x) { return 403; }",
        "if ($host ~ ^www) { return 403; }",
    ] {
        assert_eq!(server(fine), [""; 0], "{fine}");
    }
    let twice = "if ($arg_a) { proxy_pass http://192.0.2.1; } if ($arg_b) { proxy_pass http://192.0.2.2; }
        proxy_pass http://192.0.2.3;";
    assert_eq!(
        of_location(twice),
        ["3:80 where this \"if\" holds and that of line 3, too, requests go where this one says"]
    );
    let once = "if ($arg_a) { proxy_pass http://192.0.2.1; } if ($arg_b) { return 403; } proxy_pass \
         http://192.0.2.3;";
    assert_eq!(of_location(once), [""; 0]);
}

#[test]
fn names_without_a_resolver() {
    let server = |blocks: &str, url: &str| {
        said(&format!("{blocks}\nserver {{ listen 81; location /a {{ proxy_pass {url}; }} }}"))
    };
    let message =
        "the host in this \"proxy_pass\" is looked up for each request, and there is no \"resolver\"";
    for (blocks, url) in [
        ("", "http://$host"),
        ("", "http://example.test/$1"),
        ("", "http://a-$host:80/"),
        ("map $uri $to { default example.test; }", "http://$to"),
        ("map $uri $to { default 192.0.2.1; /a example.test; }", "http://${to}/x"),
    ] {
        assert_eq!(server(blocks, url), [format!("3:46 {message}")], "{blocks} {url}");
    }
    for (blocks, url) in [
        ("resolver 127.0.0.1;", "http://$host"),
        ("", "http://example.test/x"),
        ("", "http://192.0.2.1:80$request_uri"),
        ("", "http://[2001:db8::1]/$1"),
        ("", "http://unix:/run/$host.sock"),
        ("upstream u { server 192.0.2.1; }", "http://U$request_uri"),
        ("upstream u_1 { server 192.0.2.1; }", "http://u_$arg_n"),
        (
            "upstream u { server 192.0.2.1; } map $uri $to { default u; /a 192.0.2.1:81; /b ''; }",
            "http://$to/$1",
        ),
        ("map $uri $to { default http://192.0.2.1; }", "$to"),
    ] {
        assert_eq!(server(blocks, url), [""; 0], "{blocks} {url}");
    }
    let page = "server { listen 81; error_page 502 @gone; error_page 404 @there; location @there { return \
         200; } return 200; }";
    let notes: Vec<_> = said(page).into_iter().filter(|note| !note.contains("never reached")).collect();
    assert_eq!(notes, ["2:36 the server has no location \"@gone\""]);
}

#[test]
fn requests_that_come_back() {
    let server =
        |listen: &str, pass: &str| format!("server {{ {listen} location /a {{ proxy_pass {pass}; }} }}\n");
    let back = |url: &str| format!("\"{url}\" leads back to this gateway");
    for (listen, url) in [
        ("listen 81;", "http://127.0.0.1:81"),
        ("listen 127.0.0.1:81;", "http://localhost:81/x"),
        ("listen *:81;", "http://127.0.0.2:81"),
        ("listen [::]:81;", "http://[::1]:81"),
        ("listen 81; listen unix:/run/x;", "http://unix:/run/x:/y"),
        ("", "http://127.0.0.1"),
    ] {
        let notes = said(&server(listen, url));
        assert!(notes.len() == 1 && notes[0].ends_with(&back(url)), "{listen} {url}: {notes:?}");
    }
    let group = "upstream u { server 192.0.2.1; server 127.0.0.1:81; }".to_owned()
        + &server("listen 81;", "http://u");
    assert_eq!(said(&group).len(), 1);
    let circle = server("listen 81;", "http://127.0.0.1:82") + &server("listen 82;", "http://127.0.0.1:81");
    assert_eq!(said(&circle).len(), 2);
    for (via, end) in [
        ("", "a request in a circle ends in a 508"),
        ("proxy_via both;", "a request in a circle ends in a 508"),
        ("proxy_via off;", "with \"proxy_via off\" nothing may end a request in a circle"),
    ] {
        let text = format!("http {{ {via} {} }}", server("listen 81;", "http://127.0.0.1:81"));
        let loaded = load_text("f", text, &LoadOptions::new("/prefix")).expect("a good file");
        let hint = loaded.notes[0].hint.as_ref().expect("how to fix it");
        assert!(hint.ends_with(end), "{via} {hint}");
    }
    for fine in [
        server("listen 81;", "http://127.0.0.1:82"),
        server("listen 127.0.0.1:81;", "http://127.0.0.2:81"),
        server("listen 81;", "http://192.0.2.1:81"),
        server("listen 81;", "http://127.0.0.1:82") + "server { listen 82; return 200; }",
    ] {
        assert_eq!(said(&fine), [""; 0], "{fine}");
    }
}

#[test]
fn values_that_nothing_comes_of() {
    let notes = of_location(
        "proxy_buffering on; proxy_request_buffering off; tcp_nodelay off; proxy_pass http://192.0.2.1;",
    );
    assert_eq!(
        notes,
        [
            "3:35 \"proxy_buffering on\" has no effect: content streams through one buffer for each \
             direction",
            "3:84 \"tcp_nodelay off\" has no effect: it is always on",
        ]
    );
    // Rule B3.
    let server =
        |flag: &str| said(&format!("server {{ listen 81; ignore_invalid_headers {flag}; return 200; }}"));
    assert_eq!(
        server("off"),
        [
            "2:21 \"ignore_invalid_headers off\" has no effect: a field name that is no token is refused with 400"
        ]
    );
    assert_eq!(server("on"), [""; 0]);
}

#[test]
fn variables_that_never_have_a_value() {
    let notes = of_location(
        "add_header A $document_root$request_filename; add_header B $Document_Root; fastcgi_param C $realpath_root;
         set $limit_rate 5; add_header D $limit_rate; proxy_pass http://192.0.2.1;",
    );
    let notes: Vec<_> = notes.iter().filter(|note| note.contains("always empty")).collect();
    assert_eq!(
        notes,
        [
            "3:48 \"$document_root\" is always empty in this version",
            "3:48 \"$request_filename\" is always empty in this version",
        ]
    );
}

#[test]
fn tunnels_for_everybody() {
    let server = |text: &str| said(&format!("server {{ listen 81; {text} }}"));
    const OPEN: &str = "lets everybody tunnel to every public address, at every port but 25";
    assert_eq!(server("tunnel_pass;"), [format!("2:21 this \"server\" {OPEN}")]);
    assert_eq!(server("allow all; location / { tunnel_pass; }"), [format!("2:45 location \"/\" {OPEN}")]);
    assert_eq!(
        server("tunnel_allow all; tunnel_pass;"),
        ["2:39 this \"server\" lets everybody tunnel to every address, private ones, too"]
    );
    assert_eq!(
        server("tunnel_deny a; tunnel_pass;"),
        [
            "2:36 this \"server\" lets everybody tunnel to every public address that \"tunnel_deny\" leaves, at \
          every port but 25"
        ]
    );
    let mut options = LoadOptions::new("/prefix");
    options.resolver = Arc::new(Anybody);
    let loaded = load_text("f", "http { server { listen 81; tunnel_pass; } }", &options).expect("loads");
    let hint = loaded.notes[0].hint.as_ref().expect("how to fix it");
    // The last case of those below.
    assert!(hint.contains("\"tunnel_allow example.com 443;\""), "{hint}");
    for fine in [
        "tunnel_pass 192.0.2.1:443;",
        "allow 10.0.0.0/8; deny all; tunnel_pass;",
        "auth_basic a; auth_basic_user_file b; tunnel_pass;",
        "tunnel_allow example.com 443; tunnel_pass;",
    ] {
        assert_eq!(server(fine), [""; 0], "{fine}");
    }
}

#[test]
fn origin_servers_that_nobody_verifies() {
    const SAID: &str = "nobody verifies who the origin server is: whoever is on the way there can be it (\"proxy_ssl_verify\")";
    assert_eq!(of_location("proxy_pass https://192.0.2.1;"), [format!("3:46 {SAID}")]);
    assert_eq!(of_location("proxy_ssl_verify off; proxy_pass HTTPS://192.0.2.1;"), [format!("3:35 {SAID}")]);
    let twice = "proxy_ssl_verify off;
        server { listen 81; location /a { proxy_pass https://192.0.2.1; }
        location /b { proxy_pass https://192.0.2.1; } }";
    assert_eq!(said(twice), [format!("2:1 {SAID}")], "the line that says so, once");
    for fine in [
        "proxy_ssl_verify on; proxy_pass https://192.0.2.1;",
        "proxy_ssl_verify off; proxy_pass http://192.0.2.1;",
        "proxy_pass http://192.0.2.1;",
    ] {
        assert_eq!(of_location(fine), [""; 0], "{fine}");
    }
}

#[test]
fn certificates_of_clients_in_fields() {
    for (value, name) in [
        ("$ssl_client_cert", "ssl_client_cert"),
        ("${ssl_client_raw_cert}", "ssl_client_raw_cert"),
        ("\"a $ssl_client_cert\"", "ssl_client_cert"),
    ] {
        let notes = of_location(&format!("proxy_set_header X-Cert {value}; proxy_pass http://192.0.2.1;"));
        let [note] = &notes[..] else { panic!("{notes:?}") };
        assert!(note.contains(&format!("\"${name}\" has several lines")), "{note}");
    }
    let escaped = "proxy_set_header X-Cert $ssl_client_escaped_cert; proxy_pass http://192.0.2.1;";
    assert_eq!(of_location(escaped), [""; 0]);
}

/// `$scheme` is that of the client: `https` where the server has TLS, and nowhere else.
#[test]
fn origin_servers_by_the_client_s_scheme_that_nobody_verifies() {
    let server = |listen: &str, lines: &str| {
        let certificate = "ssl_certificate a; ssl_certificate_key b;";
        said(&format!(
            "resolver 127.0.0.1; proxy_read_timeout 1h;\nserver {{ {listen} {certificate} location /a {{ {lines} }} }}"
        ))
    };
    for url in ["$scheme://192.0.2.1", "${scheme}://192.0.2.1", "$Scheme://$host"] {
        let pass = format!("proxy_pass {url};");
        let told = server("listen 81; listen 444 ssl;", &pass);
        let [line] = &told[..] else { panic!("{url}: {told:?}") };
        assert!(line.contains("nobody verifies who the origin server is"), "{line}");
        assert_eq!(server("listen 81;", &pass), [""; 0], "{url}: there is no TLS");
        let verified = format!("proxy_ssl_verify on; {pass}");
        assert_eq!(server("listen 444 ssl;", &verified), [""; 0], "{url}");
    }
}

#[test]
fn certificates_without_tls() {
    const CERTIFICATE: &str = "ssl_certificate a; ssl_certificate_key b; return 204;";
    let server = |listen: &str| said(&format!("server {{ {listen} {CERTIFICATE} }}"));
    let told = ["2:10 this port is served in clear, although the server has a certificate"];
    assert_eq!(server("listen 443;"), told);
    assert_eq!(server("listen 127.0.0.1:443 default_server;"), told);
    for fine in ["listen 443 ssl;", "listen 80; listen 443 ssl;", "listen 8080;", "listen 80;"] {
        assert_eq!(server(fine), [""; 0], "{fine}");
    }
    assert_eq!(said("server { listen 443; return 204; }"), [""; 0]);
}
