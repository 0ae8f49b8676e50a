//! Clients under TLS, from the first byte on (rules H1, H2, H5).

use underpass_core::Ending;
use underpass_tls::{ClientOptions, Credential, ServerOptions, Trust};

use super::{
    super::secured::{End, Secured},
    *,
};

pub(in super::super) fn testdata(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tls/testdata");
    std::fs::read(folder.join(name)).expect("a file of the tests")
}

/// A listener under TLS with these lines in its server, and where it is.
fn secured(server: &str, adjust: impl FnOnce(&mut Config)) -> (Listener, SocketAddr) {
    let mut config = serving(server);
    let settings = Arc::get_mut(&mut config).expect("nobody else has it");
    settings.tls = true;
    adjust(settings);
    let credential = Credential::from_pem(&testdata("ecdsa.pem"), &testdata("ecdsa.key")).expect("a pair");
    let options = ServerOptions {
        credentials: vec![credential],
        keep_offered_ciphers: true,
        ..ServerOptions::default()
    };
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), config).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (listener.secured_by(Arc::new(options.settings().expect("settings"))), address)
}

fn worker(listener: Listener) -> ByTurns {
    ByTurns(Box::pin(serve_on::<ByHand>(Setup::new(vec![listener]))))
}

/// A client that has said its first words, or is about to.
pub(in super::super) fn client(stream: TcpStream) -> Secured<Connection> {
    let trust = Some(Trust::from_pem(&testdata("ca.pem")).expect("an authority"));
    let settings = ClientOptions { trust, send_name: true, ..ClientOptions::default() }.settings();
    let client = Secured::client(Connection(stream), &settings.expect("settings"), "server.example", b"");
    client.unwrap_or_else(|failure| panic!("{failure}"))
}

pub(in super::super) fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// A client with a handshake behind it.
pub(super) fn shaken(worker: &mut ByTurns, address: SocketAddr) -> Secured<Connection> {
    let mut client = client(connected(address));
    shake(worker, &mut client);
    client
}

pub(super) fn shake(worker: &mut ByTurns, client: &mut Secured<Connection>) {
    worker.until(|| match client.poll_handshake(&mut context()) {
        Poll::Ready(shaken) => Some(shaken.unwrap_or_else(|failure| panic!("{failure}"))),
        Poll::Pending => None,
    });
}

pub(super) fn send(to: &mut Secured<Connection>, bytes: &[u8]) {
    let Poll::Ready(Ok(count)) = to.poll_write(&mut context(), bytes) else { panic!("room for a head") };
    assert_eq!(count, bytes.len());
}

/// What comes until the end, and how that was.
fn to_the_end(worker: &mut ByTurns, from: &mut Secured<Connection>) -> (String, io::Result<()>) {
    let (mut all, mut space) = (Vec::new(), [0; 4096]);
    let ended = worker.until(|| match from.poll_read(&mut context(), &mut space) {
        Poll::Ready(Ok(0)) => Some(Ok(())),
        Poll::Ready(Ok(count)) => {
            all.extend_from_slice(&space[..count]);
            None
        }
        Poll::Ready(Err(error)) => Some(Err(error)),
        Poll::Pending => None,
    });
    (String::from_utf8(all).expect("text"), ended)
}

const CLOSING: &[u8] = b"GET / HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n";

#[test]
fn a_request_under_tls_is_answered_and_the_end_is_in_order() {
    let (listener, address) =
        secured("return 200 $ssl_ciphers-$scheme-$ssl_protocol-$ssl_server_name;", |_| {});
    let mut worker = worker(listener);
    let mut client = shaken(&mut worker, address);
    send(&mut client, CLOSING);
    let (text, ended) = to_the_end(&mut worker, &mut client);
    assert!(text.contains(":ECDHE-ECDSA-AES128-GCM-SHA256:"), "{text}");
    assert!(text.ends_with("-https-TLSv1.3-server.example"), "{text}");
    ended.expect("close_notify");
}

/// H1: the header comes first, in clear, in pieces too, and so does the handshake.
#[test]
fn a_header_of_the_proxy_protocol_comes_before_the_handshake() {
    for pieces in [1, 7, 10_000] {
        let (listener, address) =
            secured("return 200 $proxy_protocol_addr:$proxy_protocol_port;", |config| {
                config.proxy_protocol = true;
            });
        let mut worker = worker(listener);
        // What the client says is passed on in pieces, behind the header.
        let (ours, theirs) = (listening(), connected(address));
        let mut client = client(connected(ours.local_addr().expect("it is bound")));
        let (mut relayed, mut to) = (ours.accept().expect("it has connected").0, theirs);
        relayed.set_nonblocking(true).expect("a plain socket");
        let mut waiting = b"PROXY TCP4 192.0.2.7 192.0.2.8 4000 443\r\n".to_vec();
        let mut has_asked = false;
        let (mut text, mut space) = (Vec::new(), [0; 4096]);
        worker.until(|| {
            let mut bytes = [0; 20_000];
            if let Ok(count @ 1..) = relayed.read(&mut bytes) {
                waiting.extend_from_slice(&bytes[..count]);
            }
            let piece = waiting.drain(..waiting.len().min(pieces)).collect::<Vec<u8>>();
            to.write_all(&piece).expect("room for a piece");
            if let Ok(count @ 1..) = to.read(&mut bytes) {
                relayed.write_all(&bytes[..count]).expect("room for an answer");
            }
            match client.poll_handshake(&mut context()) {
                Poll::Pending => return None,
                Poll::Ready(shaken) => _ = shaken.unwrap_or_else(|failure| panic!("{failure}")),
            }
            if !std::mem::replace(&mut has_asked, true) {
                send(&mut client, CLOSING);
            }
            match client.poll_read(&mut context(), &mut space) {
                Poll::Ready(Ok(0)) => Some(()),
                Poll::Ready(count) => {
                    text.extend_from_slice(&space[..count.expect("an end in order")]);
                    None
                }
                Poll::Pending => None,
            }
        });
        assert!(text.ends_with(b"\r\n\r\n192.0.2.7:4000"), "{}", String::from_utf8_lossy(&text));
    }
}

/// H2: nothing of the request is lost, and the session knows that there is no TLS.
#[test]
fn plain_http_gets_an_answer_in_clear() {
    let (listener, address) = secured("error_page 497 https://$host$request_uri;", |_| {});
    let mut worker = worker(listener);
    let mut client = connected(address);
    client.write_all(b"GET /a?b HTTP/1.1\r\nHost: e\r\n\r\n").expect("room for a head");
    let mut text = Vec::new();
    worker.until(|| client.read_to_end(&mut text).ok());
    let text = String::from_utf8(text).expect("text");
    assert!(text.contains("\r\nLocation: https://e/a?b\r\n"), "{text}");
}

/// A worker whose error log is in the folder.
fn logging(listener: Listener, folder: &Path) -> Setup {
    let provisions = Provisions { log: log_in(folder), ..Provisions::default() };
    Setup::new(vec![listener]).provided_with(provisions)
}

fn is_closed(worker: &mut ByTurns, client: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    worker.until(|| client.read_to_end(&mut rest).ok());
    rest
}

/// H2: one line at `info`, with the client and the reason, and nothing of a session.
#[test]
fn a_handshake_that_fails_is_told_in_one_line() {
    for (sent, reason, proxied) in [
        (&b"\x16\x03\x01\xff\xff\x01"[..], "TLS handshake failed: record of 65535 bytes is too long", false),
        (b"\x80\x2e\x01\x00\x02\x00\x00", "TLS handshake failed: client speaks SSL 2.0", false),
        (b"GET / HTTP/1.1\r\n\r\n", "client sent no header of the PROXY protocol", true),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let (listener, address) = secured("return 204;", |config| config.proxy_protocol = proxied);
        let mut worker = ByTurns(Box::pin(serve_on::<ByHand>(logging(listener, folder.path()))));
        let mut client = connected(address);
        client.write_all(sent).expect("room");
        let answer = is_closed(&mut worker, &mut client);
        assert_eq!(answer.first().copied(), (!proxied).then_some(21), "an alert, or nothing in clear");
        let log = error_log(folder.path());
        let lines: Vec<&str> = log.lines().collect();
        let [line] = lines[..] else { panic!("{log}") };
        assert!(line.contains("[info]") && line.contains(reason), "{line}");
        assert!(line.contains(&format!(", client: 127.0.0.1, server: {address}")), "{line}");
    }
}

/// H2: `client_header_timeout`, whatever the client does meanwhile.
#[test]
fn a_handshake_has_its_time() {
    for proxied in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let (listener, address) =
            secured("client_header_timeout 50ms; return 204;", |config| config.proxy_protocol = proxied);
        let mut worker = ByTurns(Box::pin(serve_on::<ByHand>(logging(listener, folder.path()))));
        let mut client = connected(address);
        client.write_all(if proxied { b"PROXY TCP4" } else { b"\x16\x03\x01\x00\x80\x01" }).expect("room");
        assert_eq!(is_closed(&mut worker, &mut client), b"");
        let log = error_log(folder.path());
        let task = if proxied { "reading PROXY protocol" } else { "SSL handshaking" };
        assert!(log.contains("[info]") && log.contains(&format!("client timed out while {task}")), "{log}");
    }
}

/// A client in its handshake counts as a connection like others.
#[test]
fn clients_before_their_sessions_count() {
    let (listener, address) = secured("client_header_timeout 200ms; return 204;", |_| {});
    let setup = Setup::new(vec![listener]).connections(1);
    let mut worker = ByTurns(Box::pin(serve_on::<ByHand>(setup)));
    let mut silent = connected(address);
    worker.has_turns();
    let mut second = client(connected(address));
    worker.until(|| {
        let shaken = second.poll_handshake(&mut context()).is_ready();
        let is_gone = matches!(silent.read(&mut [0]), Ok(0));
        assert!(is_gone || !shaken, "there is room for one");
        shaken.then_some(())
    });
}

/// However many shake hands at once, others have their turns between them; when the worker leaves, too.
#[test]
fn so_many_handshakes_are_computed_in_a_turn() {
    for leaves in [false, true] {
        let (listener, address) = secured("return 204;", |_| {});
        let control = Control::new();
        let mut worker =
            ByTurns(Box::pin(serve_on::<ByHand>(Setup::new(vec![listener]).controlled_by(&control))));
        let mut clients: Vec<Secured<Connection>> = (0..30).map(|_| client(connected(address))).collect();
        for client in &mut clients {
            assert!(client.poll_handshake(&mut context()).is_pending());
        }
        if leaves {
            control.drain(None);
        }
        let (mut before, mut polls) = (0, 0);
        worker.until(|| {
            polls += 1;
            let answered = clients.iter().filter(|client| has_come(client)).count();
            assert!(answered <= before + 4, "{answered} after {before}");
            before = answered;
            (answered == clients.len()).then_some(())
        });
        assert!(polls >= clients.len() / 4);
    }
}

pub(super) fn has_come(client: &Secured<Connection>) -> bool {
    use rustix::net::{RecvFlags, recv};
    recv(client, &mut [0_u8; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT).is_ok()
}

/// C8: who shakes hands when the worker shuts down has not asked yet, and may.
#[test]
fn a_drain_waits_for_who_shakes_hands() {
    let (listener, address) = secured("return 200 x;", |_| {});
    let control = Control::new();
    let mut worker =
        ByTurns(Box::pin(serve_on::<ByHand>(Setup::new(vec![listener]).controlled_by(&control))));
    let mut client = client(connected(address));
    worker.has_turns();
    control.drain(None);
    worker.has_turns();
    shake(&mut worker, &mut client);
    send(&mut client, b"GET / HTTP/1.1\r\nHost: e\r\n\r\n");
    let mut text = Vec::new();
    let mut space = [0; 4096];
    let cx = &mut Context::from_waker(Waker::noop());
    let ended = turns().any(|()| {
        let is_over = worker.0.as_mut().poll(cx).is_ready();
        while let Poll::Ready(Ok(count @ 1..)) = client.poll_read(&mut context(), &mut space) {
            text.extend_from_slice(&space[..count]);
        }
        is_over
    });
    let text = String::from_utf8(text).expect("text");
    assert!(ended && text.contains("\r\nConnection: close\r\n"), "{text}");
}

/// C8: nor does one that says nothing hold the worker up for longer than the drain.
#[test]
fn a_drain_that_has_an_end_ends_handshakes() {
    let (listener, address) = secured("return 204;", |_| {});
    let control = Control::new();
    let mut worker =
        ByTurns(Box::pin(serve_on::<ByHand>(Setup::new(vec![listener]).controlled_by(&control))));
    let silent = connected(address);
    worker.has_turns();
    control.drain(Some(Duration::from_millis(20)));
    worker.ends();
    drop(silent);
}

/// C8: nor does one that takes nothing of what was sealed for it.
#[test]
fn a_drain_that_has_an_end_ends_what_waits_for_a_client() {
    let origin = listening();
    let to = origin.local_addr().expect("it is bound");
    let (listener, address) = secured(&format!("location / {{ proxy_pass http://{to}; }}"), |_| {});
    let control = Control::new();
    let mut worker =
        ByTurns(Box::pin(serve_on::<ByHand>(Setup::new(vec![listener]).controlled_by(&control))));
    let mut client = shaken(&mut worker, address);
    send(&mut client, CLOSING);
    let (mut server, _) = worker.until(|| origin.accept().ok());
    server.write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("room for a head");
    server.set_nonblocking(true).expect("a plain socket");
    let mut refusals = 0;
    worker.until(|| {
        refusals = if server.write(&[b'x'; 65_536]).is_err() { refusals + 1 } else { 0 };
        (refusals == 100).then_some(())
    });
    control.drain(Some(Duration::from_millis(20)));
    worker.ends();
}

/// A response whose end the client takes slowly comes whole, though its session is over (C9, H5).
#[test]
fn what_waits_for_a_slow_client_comes_before_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "x".repeat(1 << 20);
    let origin = listening();
    let to = origin.local_addr().expect("it is bound");
    let (listener, address) = secured(&format!("location / {{ proxy_pass http://{to}; }}"), |_| {});
    let mut worker = ByTurns(Box::pin(serve_on::<ByHand>(logging(listener, folder.path()))));
    let mut client = shaken(&mut worker, address);
    send(&mut client, CLOSING);
    let (mut server, _) = worker.until(|| origin.accept().ok());
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
    server.write_all(head.as_bytes()).expect("room for a head");
    server.set_nonblocking(true).expect("a plain socket");
    let mut sent = 0;
    worker.until(|| {
        sent += server.write(&text.as_bytes()[sent..]).unwrap_or(0);
        (sent == text.len()).then_some(())
    });
    worker.has_turns();
    let (response, ended) = to_the_end(&mut worker, &mut client);
    assert!(response.ends_with(&text));
    ended.expect("close_notify");
}

/// A tunnel whose both sides are under TLS or not: a client, a worker with these lines and an origin server, a message behind them.
fn tunnel(lines: &str) -> (ByTurns, Secured<Connection>, TcpStream) {
    let (worker, client, server, _) = tunnel_at(lines);
    (worker, client, server)
}

/// The same, and where the worker is.
pub(super) fn tunnel_at(lines: &str) -> (ByTurns, Secured<Connection>, TcpStream, SocketAddr) {
    let origin = listening();
    let (listener, address) = secured(
        &format!(
            "location / {{ proxy_pass http://{}; proxy_set_header Upgrade $http_upgrade;
             proxy_set_header Connection upgrade; upgrade_websocket_validation off; {lines} }}",
            origin.local_addr().expect("it is bound")
        ),
        |_| {},
    );
    let mut worker = worker(listener);
    let mut client = shaken(&mut worker, address);
    let upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    send(&mut client, format!("GET / HTTP/1.1\r\nHost: e\r\n{upgrade}").as_bytes());
    let mut server = worker.until(|| origin.accept().ok()).0;
    server.set_nonblocking(true).expect("a plain socket");
    worker.brings(&mut server, b"\r\n\r\n");
    write!(server, "HTTP/1.1 101 Switching Protocols\r\n{upgrade}").expect("room for a head");
    send(&mut client, b"hello");
    worker.brings(&mut server, b"hello");
    (worker, client, server, address)
}

/// What comes until the end, and how that was.
fn to_the_origin(worker: &mut ByTurns, server: &mut TcpStream) -> (Vec<u8>, io::Result<()>) {
    let mut all = Vec::new();
    let ended = worker.until(|| match server.read_to_end(&mut all) {
        Ok(_) => Some(Ok(())),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        Err(error) => Some(Err(error)),
    });
    (all, ended)
}

/// H5, C2: a client's `close_notify` ends its direction, and the other one goes on.
#[test]
fn a_tunnel_under_tls_may_be_half_closed() {
    let (mut worker, mut client, mut server) = tunnel("");
    send(&mut client, b"last");
    client.shut_down(End::Whole, &mut context());
    let (all, ended) = to_the_origin(&mut worker, &mut server);
    assert_eq!(all, b"last");
    ended.expect("an end in order");
    server.write_all(b"answer").expect("room");
    server.shutdown(std::net::Shutdown::Write).expect("it is open");
    let (text, ended) = to_the_end(&mut worker, &mut client);
    assert!(text.ends_with("\r\n\r\nanswer"), "{text}");
    ended.expect("close_notify");
}

/// H5, C3: a client's end without `close_notify` is a cut, which `upgrade_relay_reset` passes on.
#[test]
fn a_client_s_cut_is_one_in_the_tunnel() {
    for relays in [false, true] {
        let (mut worker, client, mut server) = tunnel(if relays { "upgrade_relay_reset on;" } else { "" });
        assert!(client.close(Ending::Fin, End::Cut, &mut context()).is_none());
        let (_, ended) = to_the_origin(&mut worker, &mut server);
        assert_eq!(
            ended.map_err(|error| error.kind()).err(),
            relays.then_some(io::ErrorKind::ConnectionReset)
        );
    }
}

/// H5: what the origin server cuts ends without `close_notify`, reset or not; what it ends in order ends with it.
#[test]
fn an_origin_server_s_cut_is_no_end_in_order() {
    for is_cut in [false, true] {
        let (mut worker, mut client, server) = tunnel("");
        if is_cut {
            socket2::SockRef::from(&server).set_linger(Some(Duration::ZERO)).expect("a socket");
        }
        drop(server);
        let (_, ended) = to_the_end(&mut worker, &mut client);
        assert_eq!(ended.map_err(|error| error.kind()).err(), is_cut.then_some(io::ErrorKind::UnexpectedEof));
    }
}
