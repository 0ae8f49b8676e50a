//! Origin servers under TLS (rules H4 and H5).

use underpass_core::{
    Ending,
    config::{
        Handler, Location, Proxy, ProxyTls, Server, ServerTable, SetHeader, Target as To, TlsSettingsId,
    },
    shared::{Group, KeepAlive, Peer, Upstreams},
};
use underpass_tls::{ClientOptions, Credential, ServerOptions, Trust};

use super::{
    super::secured::{End, Secured},
    tls::{context, send, shake, testdata},
    *,
};

/// A configuration that forwards to this port over TLS.
fn forwarding(to: SocketAddr, name: &str, lines: &str) -> Arc<Config> {
    let mut proxy = Proxy::new(To::Group(GroupId(0)), "o.example");
    proxy.set_headers = SetHeader::websocket_recipe();
    proxy.upgrade.websocket_validation = false;
    proxy.connect_timeout = Duration::from_millis(if lines == "impatient" { 50 } else { 60_000 });
    proxy.tls = Some(ProxyTls::named(TlsSettingsId(0), name));
    proxy.proxy_protocol = lines == "proxy_protocol";
    let mut settings = KeepAlive::default();
    settings.connections = 4;
    let group = Group::new("o", vec![Peer::new(to.into())], settings);
    let handler = Handler::Proxy(Box::new(proxy));
    let location = Location::new(handler).shared();
    let upstreams = Arc::new(Upstreams::new(vec![group]));
    let server = Server::new(vec![], location);
    let router = ServerTable::new(vec![server], 0);
    Arc::new(Config::new(Arc::new(router), upstreams))
}

/// A worker that forwards to a TLS origin server, whose certificate is verified or not, and where it is.
fn towards(origin: &TcpListener, name: &str, lines: &str, folder: &Path) -> (ByTurns, SocketAddr) {
    let config = forwarding(origin.local_addr().expect("it is bound"), name, lines);
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), config).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let trust = Some(Trust::from_pem(&testdata("ca.pem")).expect("an authority"));
    let settings = ClientOptions { trust, send_name: true, ..ClientOptions::default() }.settings();
    let upstream_tls = [settings.expect("settings")].into();
    let provisions = Provisions { log: log_in(folder), upstream_tls, ..Provisions::default() };
    (ByTurns(Box::pin(serve_on::<ByHand>(Setup::new(vec![listener]).provided_with(provisions)))), address)
}

/// The origin server's end of the next connection, whose handshake is to come.
fn before_handshake(worker: &mut ByTurns, origin: &TcpListener) -> Secured<Connection> {
    let (stream, _) = worker.until(|| origin.accept().ok());
    stream.set_nonblocking(true).expect("a plain socket");
    let credential = Credential::from_pem(&testdata("ecdsa.pem"), &testdata("ecdsa.key")).expect("a pair");
    let options = ServerOptions { credentials: vec![credential], ..ServerOptions::default() };
    let settings = Arc::new(options.settings().expect("settings"));
    Secured::server(Connection(stream), settings, Vec::new())
}

/// The same, with the handshake behind it.
fn accepted(worker: &mut ByTurns, origin: &TcpListener) -> Secured<Connection> {
    let mut server = before_handshake(worker, origin);
    shake(worker, &mut server);
    server
}

/// A client that has sent a request.
fn asking(address: SocketAddr) -> TcpStream {
    let mut client = connected(address);
    client.write_all(REQUEST).expect("room for a head");
    client
}

/// What comes until `end` ends it.
fn comes(worker: &mut ByTurns, from: &mut Secured<Connection>, end: &str) -> String {
    let (mut all, mut space) = (Vec::new(), [0; 4096]);
    worker.until(|| {
        if let Poll::Ready(count) = from.poll_read(&mut context(), &mut space) {
            let count = count.expect("it is open");
            assert_ne!(count, 0, "{}", String::from_utf8_lossy(&all));
            all.extend_from_slice(&space[..count]);
        }
        all.ends_with(end.as_bytes()).then_some(())
    });
    String::from_utf8(all).expect("text")
}

/// H4: connections of the pool are used again, though tickets have come on them, and not those that have ended.
#[test]
fn requests_go_over_tls_and_share_connections() {
    let folder = tempfile::tempdir().expect("a folder");
    let origin = listening();
    let (mut worker, address) = towards(&origin, "server.example", "", folder.path());
    let mut client = asking(address);
    let mut server = accepted(&mut worker, &origin);
    assert_eq!(server.tls().and_then(|tls| tls.facts()?.server_name), Some("server.example"));
    for _ in 0..3 {
        let head = comes(&mut worker, &mut server, "\r\n\r\n");
        assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
        send(&mut server, RESPONSE);
        worker.brings(&mut client, b"\r\n\r\n");
        worker.has_turns();
        client.write_all(REQUEST).expect("room for a head");
    }
    comes(&mut worker, &mut server, "\r\n\r\n");
    send(&mut server, RESPONSE);
    worker.brings(&mut client, b"\r\n\r\n");
    assert!(origin.accept().is_err(), "one connection is enough");
    server.shut_down(End::Whole, &mut context());
    client.write_all(REQUEST).expect("room for a head");
    let mut next = accepted(&mut worker, &origin);
    comes(&mut worker, &mut next, "\r\n\r\n");
}

/// `proxy_protocol on`: the header comes in clear, before the handshake.
#[test]
fn a_header_of_the_proxy_protocol_comes_before_the_handshake() {
    let folder = tempfile::tempdir().expect("a folder");
    let origin = listening();
    let (mut worker, address) = towards(&origin, "server.example", "proxy_protocol", folder.path());
    let client = asking(address);
    let (mut stream, _) = worker.until(|| origin.accept().ok());
    stream.set_nonblocking(true).expect("a plain socket");
    let mut received = Vec::new();
    worker.until(|| {
        let mut bytes = [0; 4096];
        if let Ok(count) = stream.read(&mut bytes) {
            received.extend_from_slice(&bytes[..count]);
        }
        (received.len() > 200).then_some(())
    });
    let from = client.local_addr().expect("it is bound").port();
    let expected = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {from} {}\r\n", address.port());
    let (header, handshake) = received.split_at(expected.len());
    assert_eq!(String::from_utf8_lossy(header), expected);
    let credential = Credential::from_pem(&testdata("ecdsa.pem"), &testdata("ecdsa.key")).expect("a pair");
    let options = ServerOptions { credentials: vec![credential], ..ServerOptions::default() };
    let settings = Arc::new(options.settings().expect("settings"));
    let mut server = Secured::server(Connection(stream), settings, handshake.to_vec());
    shake(&mut worker, &mut server);
    let head = comes(&mut worker, &mut server, "\r\n\r\n");
    assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
}

/// H4: the log names what failed, and the client gets a 502.
#[test]
fn an_origin_server_that_is_another_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let origin = listening();
    let (mut worker, address) = towards(&origin, "other.example", "", folder.path());
    let mut client = asking(address);
    let mut server = before_handshake(&mut worker, &origin);
    let mut text = [0; 12];
    worker.until(|| {
        let _whatever_comes_of_it = server.poll_handshake(&mut context());
        client.read_exact(&mut text).ok()
    });
    assert_eq!(&text, b"HTTP/1.1 502");
    let log = error_log(folder.path());
    let line = log.lines().find(|line| line.contains("[error]")).expect("a line");
    assert!(line.contains("TLS handshake with upstream failed: certificate verify failed"), "{line}");
    assert!(
        line.contains("name: \"other.example\"") && line.contains("upstream: \"https://127.0.0.1:"),
        "{line}"
    );
}

/// H4: `proxy_connect_timeout` bounds the handshake, too.
#[test]
fn an_origin_server_that_says_nothing_has_its_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let origin = listening();
    let (mut worker, address) = towards(&origin, "server.example", "impatient", folder.path());
    let mut client = asking(address);
    let silent = worker.until(|| origin.accept().ok());
    let mut text = [0; 12];
    worker.until(|| client.read_exact(&mut text).ok());
    assert_eq!(&text, b"HTTP/1.1 504");
    drop(silent);
}

/// H5: a response that only the end of its connection ends is whole with `close_notify`, and cut without.
#[test]
fn a_response_without_a_length_ends_with_close_notify_or_is_cut() {
    for end in [End::Whole, End::Cut] {
        let folder = tempfile::tempdir().expect("a folder");
        let origin = listening();
        let (mut worker, address) = towards(&origin, "server.example", "", folder.path());
        let mut client = connected(address);
        client.write_all(b"GET / HTTP/1.1\r\nHost: e\r\n\r\n").expect("room for a head");
        let mut server = accepted(&mut worker, &origin);
        comes(&mut worker, &mut server, "\r\n\r\n");
        send(&mut server, b"HTTP/1.1 200 OK\r\n\r\nsome");
        assert!(server.close(Ending::Fin, end, &mut context()).is_none());
        let mut all = Vec::new();
        // The last chunk says that it is whole; a cut has none.
        worker.until(|| match client.read_to_end(&mut all) {
            Ok(_) => Some(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                all.ends_with(b"\r\n0\r\n\r\n").then_some(())
            }
            Err(_) => Some(()),
        });
        assert_eq!(all.ends_with(b"\r\n0\r\n\r\n"), end == End::Whole, "{}", String::from_utf8_lossy(&all));
    }
}
