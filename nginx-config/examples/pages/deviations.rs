//! Where underpass is not nginx, and why: a table of `docs/guide/migrating.md`.

/// A place where underpass is not nginx, on purpose.
#[derive(Debug)]
pub(crate) struct Deviation {
    /// The rule of `docs/design/behaviour.md`, or nothing where none is about it.
    pub(crate) rule: &'static str,
    pub(crate) what: &'static str,
    pub(crate) why: &'static str,
    /// The directive that has it as nginx does, as it is written.
    pub(crate) switch: Option<&'static str>,
}

const fn deviation(
    rule: &'static str,
    what: &'static str,
    why: &'static str,
    switch: Option<&'static str>,
) -> Deviation {
    Deviation { rule, what, why, switch }
}

pub(crate) const DEVIATIONS: &[Deviation] = &[
    deviation(
        "A1",
        "`Upgrade` counts only with the option `upgrade` in `Connection`, and only in HTTP/1.1.",
        "RFC 9110 §7.8 says so; anything else is a request that some server behind us may read otherwise.",
        None,
    ),
    deviation(
        "A3",
        "`proxy_set_header Connection \"upgrade\"` goes nowhere with a request that asks for no upgrade.",
        "The hard-coded recipe breaks persistence, and confuses origin servers; here it does no harm.",
        None,
    ),
    deviation(
        "A4",
        "Upgrades to `h2c` and `h2` don't pass.",
        "A tunnel of HTTP/2 carries requests past every rule of the file.",
        Some("upgrade_protocols"),
    ),
    deviation(
        "A5",
        "A 101 opens a tunnel only when it answers what was asked: the option, a protocol and a subprotocol that were offered.",
        "Whatever else says 101 is an attack or a fault: 502. A missing option can be repaired.",
        Some("upgrade_lenient_101 on"),
    ),
    deviation(
        "A6",
        "WebSocket handshakes have to be what RFC 6455 says: key, version, accept.",
        "Faults are found at the gate, with a line that names the field, and not by a broken tunnel.",
        Some("upgrade_websocket_validation off"),
    ),
    deviation(
        "A7",
        "Bytes behind a refused upgrade end the connection instead of being read as a request.",
        "They are the beginning of somebody's tunnel: to read them as requests is how upgrades are smuggled.",
        None,
    ),
    deviation(
        "B1",
        "A `Connection` that names Host, Content-Length, Cookie and the like is refused.",
        "It would make the gateway drop what framing, routing or authentication rest on.",
        None,
    ),
    deviation(
        "B4",
        "`Via` is added to requests.",
        "RFC 9110 §7.6.3 demands it of a gateway, and it stops loops. Origin servers that don't compress for \
         proxies need `gzip_proxied any`.",
        Some("proxy_via off"),
    ),
    deviation(
        "C2",
        "The end of one direction of a tunnel doesn't end the other.",
        "A client that has said all may still want to hear the rest.",
        Some("upgrade_half_close off"),
    ),
    deviation(
        "C8",
        "After QUIT, an upgrade that begins then gets 503 with `Retry-After`.",
        "Its tunnel would end with the process; whoever asks again finds a server that stays.",
        None,
    ),
    deviation(
        "C8",
        "TERM leaves a line in the access log for each exchange and tunnel that it ends.",
        "A tunnel of hours would otherwise have no line at all.",
        None,
    ),
    deviation(
        "D4",
        "`tunnel_pass` without an address reaches nothing private.",
        "An open CONNECT is a way into the network behind the gateway.",
        Some("tunnel_allow all"),
    ),
    deviation(
        "D4",
        "No CONNECT reaches a server of this file, at whatever address of the machine.",
        "A client would get round the rules of that server, as one that comes from this machine.",
        Some("tunnel_allow 192.0.2.1"),
    ),
    deviation(
        "E1",
        "Requests with both Transfer-Encoding and Content-Length, several lengths, or a coding that isn't chunked are refused.",
        "Two servers that read them differently are how requests are smuggled.",
        None,
    ),
    deviation(
        "E1",
        "A request whose last transfer coding isn't `chunked` is a 400; another coding before `chunked` is a 501, as in nginx.",
        "RFC 9112 §6.3 demands the 400: where such a request ends, nobody knows. nginx says 501 to both.",
        None,
    ),
    deviation(
        "B3",
        "Several lines of `If-Match`, `If-None-Match` or `Expect` go on; two of `Authorization` and the like are a 400, as in nginx.",
        "RFC 9110 §5.3: what is a list may stand on several lines.",
        None,
    ),
    deviation(
        "E3",
        "Heads that aren't well-formed are refused where nginx repairs them.",
        "What is repaired was not what was sent.",
        None,
    ),
    deviation(
        "E3",
        "A single LF ends a line of a head, as in nginx; it goes on as CRLF.",
        "It can be refused where nobody needs it.",
        Some("allow_bare_lf off"),
    ),
    deviation(
        "E8",
        "Content streams in both directions: `proxy_buffering` and `proxy_request_buffering` are accepted, and off.",
        "What is buffered waits, and takes memory or a disk.",
        None,
    ),
    deviation(
        "E11",
        "Our own pages are plain text.",
        "Who wants others has `error_page`.",
        Some("error_page"),
    ),
    deviation(
        "E10",
        "A request whose content needs more than one IO buffer (16 KiB) isn't tried again once content was sent.",
        "Content streams, so what has gone is gone.",
        None,
    ),
    deviation(
        "E11",
        "Our own answer below 400 ends the connection of a client that waits for a 100; nginx has it send the content, \
         and drops that.",
        "Nobody is asked for what nobody wants.",
        None,
    ),
    deviation(
        "E14",
        "`Date` and `Server` of the origin server pass.",
        "They are the origin server's own words.",
        Some("proxy_hide_header Server"),
    ),
    deviation(
        "E2",
        "Trailer sections pass.",
        "gRPC-Web and checksums live in them.",
        Some("proxy_pass_trailers off"),
    ),
    deviation(
        "A10",
        "`Expect: 100-continue` is answered here; a 100 of the origin server is passed on, and isn't the answer.",
        "RFC 9110 §15.2: interim responses come before the final one.",
        None,
    ),
    deviation(
        "B2",
        "A configured `Host` that is empty becomes `$proxy_host`, one that is none ends in a 400.",
        "RFC 9112 §3.2: every request has exactly one.",
        None,
    ),
    deviation(
        "B6",
        "A field value with a line end or a NUL in it, such as from `$arg_x` by way of a `map`, ends in a 400.",
        "It would add fields, or whole requests, that nobody has configured.",
        None,
    ),
    deviation(
        "E4",
        "With a target in absolute form, `$http_host` is that of the target.",
        "RFC 9112 §3.2.2: the received `Host` counts for nothing there.",
        None,
    ),
    deviation(
        "E5",
        "Fields that are too large are answered with 431, where nginx says 400.",
        "RFC 6585 §5: the client is told what was too large.",
        None,
    ),
    deviation(
        "E5",
        "`large_client_header_buffers` bounds a head by the sum of its lines, and `proxy_buffer_size` is 16k by default \
         (nginx: a line lies in one buffer, so that less may fit; 4k or 8k).",
        "Whether a head is accepted doesn't depend on how its lines fall.",
        None,
    ),
    deviation(
        "E10",
        "An upgrade never goes to an origin server on a kept connection.",
        "Nothing of an earlier exchange may end up in a tunnel.",
        None,
    ),
    deviation(
        "E14",
        "A request that has been here more than 8 times, by its `Via`, is answered with 508.",
        "A `proxy_pass` in a circle ends, and says why.",
        Some("proxy_via off"),
    ),
    deviation(
        "",
        "Without `pid`, there is no such file, and `-s` says so.",
        "What runs in the foreground is signalled by who started it; two of them never overwrite one another's \
         number.",
        Some("pid"),
    ),
    deviation(
        "E13",
        "Limits, addresses and passwords are decided together: a request that `limit_req` delays holds its place of \
         `limit_conn` meanwhile, and a wrong password is refused at once. What exceeds the burst is refused all the same.",
        "A known gap: nginx asks for the rest when the delay is over. Against guessing, write `limit_req` with a small \
         burst.",
        None,
    ),
    deviation(
        "E5",
        "A worker with `worker_connections` closes idle upstream connections to make room for a client, and no idle \
         clients.",
        "A known gap: `keepalive_timeout` bounds how long they hold their places.",
        Some("keepalive_timeout"),
    ),
    deviation(
        "E11",
        "A password file that can't be read lets nobody in: 401, as with a wrong password (nginx: 403 or 500).",
        "The client learns nothing of the machine; the log names the file.",
        None,
    ),
    deviation(
        "J5",
        "A rate counts from the response on, and in any span of time a second's worth comes on top (nginx: all that the \
         time since the request gives comes at once).",
        "An origin server that thinks for a minute would earn its client a minute's worth.",
        None,
    ),
    deviation(
        "J5",
        "`proxy_cookie_flags` changes every `SameSite` of a cookie (nginx: the first).",
        "Browsers take the last.",
        None,
    ),
    deviation(
        "",
        "The process stays in the foreground.",
        "Supervisors and containers want it so.",
        Some("daemon on"),
    ),
    deviation(
        "",
        "Without `access_log`, lines go to standard output; without `error_log`, errors go to standard error.",
        "A process in the foreground writes where its supervisor reads.",
        Some("access_log"),
    ),
    deviation(
        "J1",
        "Lines of a log wait in a bounded queue for one thread that writes them; those that find no room are lost, and \
         the error log says how many (nginx: a worker waits until the line is written).",
        "A reader that stops, or a full pipe, holds no tunnel up.",
        Some("log_queue"),
    ),
    deviation(
        "",
        "Workers are threads of one process, and all of it becomes the user (without `user`: `nobody`). A second process, \
         the keeper, stays root and binds, opens and reads what the configuration names \
         ([operate.md](operate.md)).",
        "A reload hands sockets over without losing a client, and tunnels stay where they are. No thread that reads \
         from a network is root.",
        None,
    ),
    deviation(
        "J6",
        "A log, a pid file or a Unix domain socket whose path the `user` could change is opened with the rights of \
         that user, and logs aren't given to the user.",
        "Whoever takes over a server that runs as the user would have root open any file of the system, by a \
         symbolic link in a folder of logs (CVE-2016-1247).",
        None,
    ),
    deviation(
        "J6",
        "Without `user` the group is the one that `nobody` has (nginx: the one that it was built with), and `user root;` \
         is warned of.",
        "Whoever needs another one writes it; root that reads from networks is worth a line.",
        Some("user"),
    ),
    deviation(
        "E13",
        "A client has 256 names looked up at a time, all clients together 8192, by one `resolver`. One more makes the \
         oldest give up if that has waited for half a second, or else is answered with 503.",
        "Names that nobody answers hold up no others.",
        None,
    ),
    deviation(
        "",
        "A relative `-c` without `-p` starts from the working directory.",
        "Nobody looks for a file whose name was just typed in the folder that a program was built with.",
        None,
    ),
    deviation(
        "H1",
        "TLS 1.0 and 1.1, ciphers without forward secrecy, finite-field Diffie-Hellman, renegotiation and early data are \
         never spoken; files that name them load, with a note, as long as something is left.",
        "RFC 8996 and RFC 9325 have done away with the old ones; rustls has none of them. Early data can be replayed.",
        None,
    ),
    deviation(
        "H1",
        "Keys with passwords, keys and certificates in variables, engines, and OCSP requests about clients are errors of the file.",
        "Nobody would be asked, or protected; the message says what to write.",
        None,
    ),
    deviation(
        "H1",
        "Certificates that are out of date, chains out of order and names that no server has are told when the file is read.",
        "nginx takes them without a word, and clients are the first to find out.",
        None,
    ),
    deviation(
        "H4",
        "`proxy_ssl_verify on` without `proxy_ssl_trusted_certificate` believes the system's authorities.",
        "nginx refuses the file; the system's store is what is nearly always named there.",
        Some("proxy_ssl_trusted_certificate"),
    ),
    deviation(
        "H7",
        "`ssl_certificate_watch on` takes changed certificates without a reload.",
        "Tools that renew them need no hook that tells us.",
        Some("ssl_certificate_watch off"),
    ),
];
