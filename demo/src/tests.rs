use std::io::{Read, Write};
use std::time::Instant;

use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Bytes, Error, Message, WebSocket};

use super::*;

type Client = WebSocket<TcpStream>;

fn open(origin: &Origin, path: &str) -> Client {
    let stream = connect(origin);
    let url = format!("ws://{}{path}", origin.address());
    tungstenite::client(url, stream).expect("a handshake").0
}

/// Nothing here is expected to take long; the timeout only turns a hang into a failure.
fn connect(origin: &Origin) -> TcpStream {
    let stream = TcpStream::connect(origin.address()).expect("the origin server listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    stream
}

fn hear(client: &mut Client) -> String {
    // Pings come for ever; three of them without a line of text mean that none will come.
    for _ in 0..3 {
        match client.read().expect("a message") {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) => {}
            other => panic!("unexpected {other:?}"),
        }
    }
    panic!("nothing was said");
}

fn ask(origin: &Origin, request: &str) -> String {
    let mut stream = connect(origin);
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer, and its end");
    answer
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "still not: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_page_shows_the_configuration() {
    let origin = Origin::start().expect("a port");
    origin.show_configuration("location /chat/ { proxy_pass http://backend; }");
    let answer = ask(&origin, "GET /?query HTTP/1.1\r\nHost: a\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    assert!(body.contains("location /chat/ { proxy_pass http://backend; }"));

    let answer = ask(&origin, "HEAD / HTTP/1.0\r\n\r\n");
    assert!(answer.ends_with("\r\n\r\n") && answer.contains(&format!("Content-Length: {}\r\n", body.len())));
}

#[test]
fn everything_else_is_refused() {
    let origin = Origin::start().expect("a port");
    let websocket = "Host: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n";
    let long = "a".repeat(40_000);
    for (request, status) in [
        ("GET /missing HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "404"),
        ("GET /chat/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "426"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".to_owned(), "405"),
        (format!("GET /chat/ HTTP/1.1\r\n{websocket}\r\n"), "400"),
        (
            format!(
                "GET /chat/ HTTP/1.0\r\n{websocket}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            ),
            "400",
        ),
        ("nonsense\r\n\r\n".to_owned(), "400"),
        (format!("GET / HTTP/1.1\r\nLong: {long}\r\n\r\n"), "431"),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(200)), "431"),
    ] {
        let answer = ask(&origin, &request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:.60}: {answer}");
    }
}

/// A drain ends tunnels of everybody, so a page of another site must not be able to ask for one.
#[test]
fn only_the_page_itself_drains() {
    let origin = Origin::start().expect("a port");
    let own = "Host: a:8080\r\nOrigin: http://a:8080\r\nContent-Length: 0\r\n";
    let own_request = format!("POST /drain HTTP/1.1\r\n{own}\r\n");
    assert!(ask(&origin, &own_request).starts_with("HTTP/1.1 404 "), "there is no proxy");
    assert!(
        ask(&origin, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .contains("<button id=\"drain\" type=\"button\" hidden>")
    );

    let asked = Arc::new(Mutex::new(0));
    let asking = Arc::clone(&asked);
    origin.offer_drain(move || {
        let mut asked = asking.lock().expect("nobody panics");
        *asked += 1;
        if *asked == 1 { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    });
    assert!(
        ask(&origin, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").contains("<button id=\"drain\" type=\"button\" >")
    );
    for (method, fields, status) in [
        ("POST", "Host: a:8080\r\nOrigin: http://evil.example\r\n", "403"),
        ("POST", "Host: a:8080\r\nOrigin: http://a:8081\r\n", "403"),
        ("POST", "Host: a:8080\r\nOrigin: null\r\n", "403"),
        ("POST", "Host: a:8080\r\n", "403"),
        ("POST", "Origin: http://a:8080\r\n", "403"),
        ("GET", own, "405"),
    ] {
        let answer = ask(&origin, &format!("{method} /drain HTTP/1.1\r\n{fields}\r\n"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {fields}: {answer}");
        assert_eq!(*asked.lock().expect("nobody panics"), 0, "{method} {fields}");
    }
    assert!(ask(&origin, &own_request).starts_with("HTTP/1.1 202 "));
    assert!(ask(&origin, &own_request.replace("http://", "https://")).starts_with("HTTP/1.1 500 "));
    assert_eq!(*asked.lock().expect("nobody panics"), 2);
}

/// A guest hears of the guest's own tunnel, and nobody else does.
#[test]
fn a_guest_hears_of_the_pings_of_the_proxy() {
    let origin = Origin::start().expect("a port");
    let enter = |id: &str| {
        let url = format!("ws://{}/chat/", origin.address()).parse().expect("a URL");
        let request = tungstenite::ClientRequestBuilder::new(url).with_header("X-Request-ID", id);
        tungstenite::client(request, connect(&origin)).expect("a handshake").0
    };
    let mut anna = enter("0af3");
    assert_eq!([hear(&mut anna), hear(&mut anna)], ["you 1", "joined 1 1"]);
    let mut bert = enter("0af4");
    assert_eq!([hear(&mut bert), hear(&mut bert)], ["you 2", "joined 2 2"]);
    assert_eq!(hear(&mut anna), "joined 2 2");

    let log = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    for line in ["nonsense", "underpass: 0af3 - -", "underpass: 0af5 1 1", "underpass: 0af3 12 -"] {
        let sent = log.send_to(format!("<190>Dec  1 00:00:00 {line}").as_bytes(), origin.log_address());
        sent.expect("it is taken");
    }
    assert_eq!(hear(&mut anna), "ping 12 -");
    anna.send(Message::text("that is mine")).expect("it reads");
    assert_eq!(hear(&mut bert), "message 1 that is mine");
}

#[test]
fn an_echo_of_everything_sent() {
    let origin = Origin::start().expect("a port");
    let mut client = open(&origin, "/chat/echo");
    let large = Bytes::from((0..3_000_000_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>());
    for message in [
        Message::text("ping 1"),
        Message::text(""),
        Message::binary(vec![0, 255, 10]),
        Message::Binary(large),
        Message::text("grüße"),
    ] {
        client.send(message.clone()).expect("it reads");
        assert!(client.read().expect("an echo") == message);
    }
    client.send(Message::Ping(Bytes::from_static(b"are you there"))).expect("it reads");
    assert_eq!(client.read().expect("a pong"), Message::Pong(Bytes::from_static(b"are you there")));
    end(client);
}

/// Bytes that a client sends together with its handshake belong to the WebSocket.
#[test]
fn what_comes_with_the_handshake_is_not_lost() {
    let origin = Origin::start().expect("a port");
    let mut stream = connect(&origin);
    let handshake = "GET /chat/echo HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let masked_hi = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
    stream.write_all(&[handshake.as_bytes(), &masked_hi].concat()).expect("it reads");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\x81\x02hi") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the echo");
        answer.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&answer);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
}

#[test]
fn guests_hear_each_other() {
    let origin = Origin::start().expect("a port");
    let mut anna = open(&origin, "/chat/");
    assert_eq!(hear(&mut anna), "you 1");
    assert_eq!(hear(&mut anna), "joined 1 1");
    let mut bert = open(&origin, "/chat/");
    assert_eq!(hear(&mut bert), "you 2");
    assert_eq!(hear(&mut bert), "joined 2 2");
    assert_eq!(hear(&mut anna), "joined 2 2");

    anna.send(Message::text("  hello <b>\n")).expect("it reads");
    anna.send(Message::text(" ")).expect("it reads");
    bert.send(Message::text("hello yourself")).expect("it reads");
    let mut lines = [hear(&mut anna), hear(&mut anna)];
    lines.sort();
    assert_eq!(lines, ["message 1 hello <b>", "message 2 hello yourself"]);
    let mut lines = [hear(&mut bert), hear(&mut bert)];
    lines.sort();
    assert_eq!(lines, ["message 1 hello <b>", "message 2 hello yourself"]);

    end(bert);
    assert_eq!(hear(&mut anna), "left 2 1");
}

#[test]
fn a_rude_guest_is_told_why_and_the_others_stay() {
    let origin = Origin::start().expect("a port");
    let mut anna = open(&origin, "/chat/");
    // Guests are numbered as they come in, which is after their handshakes.
    assert_eq!(hear(&mut anna), "you 1");
    let mut rude = open(&origin, "/chat/");
    rude.send(Message::text("a".repeat(10_000))).expect("it reads");
    let reason = loop {
        match rude.read().expect("a close frame at last") {
            Message::Close(reason) => break reason.expect("a reason"),
            Message::Text(_) => {}
            other => panic!("unexpected {other:?}"),
        }
    };
    assert_eq!(reason.code, CloseCode::Size);
    let lines = [(); 3].map(|()| hear(&mut anna));
    assert_eq!(lines, ["joined 1 1", "joined 2 2", "left 2 1"]);
}

#[test]
fn the_number_of_connections_is_bounded_and_comes_back() {
    let origin = Origin::start().expect("a port");
    let idle: Vec<TcpStream> = (0..MOST_CONNECTIONS).map(|_| connect(&origin)).collect();
    until("all are accepted", || origin.shared.connections().open.len() == MOST_CONNECTIONS);
    assert!(ask(&origin, "").starts_with("HTTP/1.1 503 "));
    drop(idle);
    until("all are gone", || origin.shared.connections().open.is_empty());
    assert!(ask(&origin, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

#[test]
fn the_end_of_the_origin_is_the_end_of_its_connections() {
    let origin = Origin::start().expect("a port");
    let mut client = open(&origin, "/chat/echo");
    drop(origin);
    assert!(matches!(client.read(), Err(Error::Protocol(_) | Error::Io(_))));
}

/// Closes in order: the other side's close frame comes back, then the end of the stream.
fn end(mut client: Client) {
    client.close(None).expect("it reads");
    loop {
        match client.read() {
            Ok(_) => {}
            Err(Error::ConnectionClosed) => return,
            Err(other) => panic!("not closed in order: {other}"),
        }
    }
}
