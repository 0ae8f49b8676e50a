//! Both ends over one pair of sockets, each driven by hand.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    sync::Arc,
    task::Waker,
};

use underpass_tls::{ClientOptions, Credential, Protocols, ServerOptions, ServerSettings, Trust};

use super::*;

/// A socket that is tried whenever somebody asks.
#[derive(Debug)]
struct Wire(UnixStream);

impl Stream for Wire {
    fn set_place(&self, _: Option<u32>) {}

    fn poll_read(&mut self, _: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        tried(self.0.read(space))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        tried(self.0.write(bytes))
    }

    fn poll_write_vectored(
        &mut self,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        tried(self.0.write_vectored(slices))
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn tried<T>(result: io::Result<T>) -> Poll<io::Result<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

fn wires() -> (Wire, Wire) {
    let (one, other) = UnixStream::pair().expect("two sockets");
    for wire in [&one, &other] {
        wire.set_nonblocking(true).expect("plain sockets");
    }
    (Wire(one), Wire(other))
}

fn testdata(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tls/testdata");
    std::fs::read(folder.join(name)).expect("a file of the tests")
}

fn settings(protocols: Protocols) -> ServerSettings {
    let credential = Credential::from_pem(&testdata("ecdsa.pem"), &testdata("ecdsa.key")).expect("a pair");
    let options = ServerOptions { credentials: vec![credential], protocols, ..ServerOptions::default() };
    options.settings().expect("settings")
}

fn begun(protocols: Protocols) -> (Secured<Wire>, Secured<Wire>) {
    let (wire, other) = wires();
    let server = Secured::server(wire, Arc::new(settings(protocols)), Vec::new());
    let trust = Some(Trust::from_pem(&testdata("ca.pem")).expect("an authority"));
    let options = ClientOptions { trust, send_name: true, ..ClientOptions::default() };
    let client = Secured::client(other, &options.settings().expect("settings"), "server.example", b"");
    (server, client.unwrap_or_else(|failure| panic!("{failure}")))
}

/// Both ends, the handshake behind them.
fn shaken(protocols: Protocols) -> (Secured<Wire>, Secured<Wire>) {
    let (mut server, mut client) = begun(protocols);
    let mut both = [Poll::Pending, Poll::Pending];
    while both.iter().any(Poll::is_pending) {
        for (end, polled) in [&mut client, &mut server].into_iter().zip(&mut both) {
            if polled.is_pending() {
                *polled = end
                    .poll_handshake(cx())
                    .map(|shaken| shaken.unwrap_or_else(|failure| panic!("{failure}")));
            }
        }
    }
    assert_eq!(both, [Poll::Ready(Shaken::Secured), Poll::Ready(Shaken::Secured)]);
    (server, client)
}

const BOTH: [Protocols; 2] = [Protocols::Tls12, Protocols::Tls13];

fn cx() -> &'static mut Context<'static> {
    Box::leak(Box::new(Context::from_waker(Waker::noop())))
}

fn written(to: &mut Secured<Wire>, bytes: &[u8]) {
    let mut sent = 0;
    while sent < bytes.len() {
        match to.poll_write(cx(), &bytes[sent..]) {
            Poll::Ready(count) => sent += count.expect("it is open"),
            Poll::Pending => panic!("room for {} bytes", bytes.len()),
        }
    }
}

/// What can be read now, and how it ended: with `None`, not yet.
fn read(from: &mut Secured<Wire>, room: usize) -> (Vec<u8>, Option<io::ErrorKind>, bool) {
    let mut all = Vec::new();
    let mut space = vec![0; room];
    loop {
        match from.poll_read(cx(), &mut space) {
            Poll::Ready(Ok(0)) => return (all, None, true),
            Poll::Ready(Ok(count)) => all.extend_from_slice(&space[..count]),
            Poll::Ready(Err(error)) => return (all, Some(error.kind()), false),
            Poll::Pending => return (all, None, false),
        }
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).expect("a byte")).collect()
}

#[test]
fn what_is_written_is_read_whatever_room_there_is() {
    for protocols in BOTH {
        for room in [1, 5, 4096, 16_384, 100_000] {
            let (mut server, mut client) = shaken(protocols);
            let bytes = pattern(40_000);
            written(&mut client, &bytes);
            assert!(read(&mut server, room) == (bytes.clone(), None, false), "{room}");
            written(&mut server, &bytes);
            assert!(read(&mut client, room) == (bytes, None, false), "{room}");
        }
    }
}

#[test]
fn slices_are_put_together_in_records() {
    let (mut server, mut client) = shaken(Protocols::Tls13);
    let big = pattern(20_000);
    for slices in
        [vec![b"a".as_slice(), b"", b"bc"], vec![b"5\r\n", &big, b"\r\n"], vec![&big, b"x"], vec![b""]]
    {
        let whole = slices.concat();
        let lent: Vec<IoSlice<'_>> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
        let Poll::Ready(Ok(count)) = client.poll_write_vectored(cx(), &lent) else { panic!("there is room") };
        assert_eq!(count, whole.len().min(16_384));
        assert_eq!(read(&mut server, 4096), (whole[..count].to_vec(), None, false));
    }
}

/// H5: `close_notify` ends a stream, and only its own direction.
#[test]
fn an_end_in_order_ends_one_direction() {
    for protocols in BOTH {
        let (mut server, mut client) = shaken(protocols);
        written(&mut client, b"last");
        client.shut_down(End::Whole, cx());
        assert_eq!(read(&mut server, 100), (b"last".to_vec(), None, true));
        assert_eq!(read(&mut server, 100), (Vec::new(), None, true), "it stays ended");
        written(&mut server, b"answer");
        assert_eq!(read(&mut client, 100), (b"answer".to_vec(), None, false));
        assert!(server.close(Ending::Fin, End::Whole, cx()).is_none());
        assert_eq!(read(&mut client, 100), (Vec::new(), None, true));
    }
}

/// H5: an end without `close_notify` is a cut, and so is what a reset leaves.
#[test]
fn an_end_without_a_word_is_a_cut() {
    for protocols in BOTH {
        let (mut server, mut client) = shaken(protocols);
        written(&mut client, b"part");
        client.socket.0.shutdown(std::net::Shutdown::Write).expect("it is open");
        assert_eq!(read(&mut server, 100), (b"part".to_vec(), Some(io::ErrorKind::UnexpectedEof), false));
        for end in [End::Cut, End::Whole] {
            let (server, mut client) = shaken(protocols);
            assert!(server.close(Ending::Fin, end, cx()).is_none());
            let kind = (end == End::Cut).then_some(io::ErrorKind::UnexpectedEof);
            assert_eq!(read(&mut client, 100), (Vec::new(), kind, kind.is_none()), "{end:?}");
        }
        let (server, mut client) = shaken(protocols);
        assert!(server.close(Ending::Reset, End::Whole, cx()).is_none());
        assert_eq!(read(&mut client, 100), (Vec::new(), Some(io::ErrorKind::UnexpectedEof), false));
    }
}

/// Whoever takes nothing has not more waiting for it than a record, and gets all that counted as sent.
#[test]
fn a_record_waits_for_who_takes_nothing_and_no_more() {
    let (mut server, mut client) = shaken(Protocols::Tls13);
    let bytes = pattern(4 << 20);
    let mut sent = 0;
    while let Poll::Ready(count) = server.poll_write(cx(), &bytes[sent..]) {
        sent += count.expect("it is open");
        assert!(sent < bytes.len(), "a socket has no such buffer");
    }
    assert!(server.has_unsent());
    let waiting = server.layer.as_ref().expect("it is under TLS").unsent();
    assert!(waiting <= 16_384 + 256, "{waiting}");
    // Nothing of it is lost when the connection is closed.
    let mut closing = server.close(Ending::Fin, End::Whole, cx()).expect("something waits");
    assert!(closing.poll_flush(cx()).is_pending());
    let (mut all, mut ended) = (Vec::new(), false);
    while !ended {
        let (more, error, end) = read(&mut client, 16_384);
        assert_eq!(error, None);
        all.extend(more);
        ended = end;
        let flushed = closing.poll_flush(cx());
        assert!(flushed.is_pending() || !closing.has_unsent());
    }
    assert!(all == bytes[..sent]);
}

/// A connection in a pool: a server's tickets are no response, and what is one is no end of the idleness that may be used.
#[test]
fn a_pooled_connection_is_quiet_until_something_comes() {
    for protocols in BOTH {
        let (mut server, mut client) = shaken(protocols);
        assert!(client.is_quiet(), "whatever the server said for TLS alone");
        written(&mut client, b"again");
        assert_eq!(read(&mut server, 100).0, b"again");
        assert!(client.is_quiet());
        written(&mut server, b"!");
        assert!(!client.is_quiet());
        let (mut server, mut client) = shaken(protocols);
        server.shut_down(End::Whole, cx());
        assert!(!client.is_quiet(), "it has ended");
        let (server, mut client) = shaken(protocols);
        drop(server);
        assert!(!client.is_quiet(), "it is gone");
    }
}

/// H8: no buffer of a connection's own.
#[test]
fn a_connection_that_idles_holds_no_buffer() {
    for protocols in BOTH {
        let (mut server, mut client) = shaken(protocols);
        written(&mut client, &[7; 128]);
        assert_eq!(read(&mut server, 4096).0, [7; 128]);
        written(&mut server, &[7; 128]);
        assert_eq!(read(&mut client, 4096).0, [7; 128]);
        for end in [&server, &client] {
            let layer = end.layer.as_ref().expect("it is under TLS");
            assert_eq!(layer.held(), 0);
        }
    }
}

/// H2: who sends plain HTTP is read as it is, and has no layer from then on.
#[test]
fn plain_http_stays_plain() {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for split in [request.len(), 1] {
        let (wire, mut client) = wires();
        let (first, rest) = request.split_at(split);
        client.0.write_all(rest).expect("room");
        let received = if rest.is_empty() { Vec::new() } else { first.to_vec() };
        if rest.is_empty() {
            client.0.write_all(first).expect("room");
        }
        let mut server = Secured::server(wire, Arc::new(settings(Protocols::Tls13)), received);
        let polled = server.poll_handshake(cx());
        assert!(matches!(polled, Poll::Ready(Ok(Shaken::Plain))), "{polled:?}");
        let mut text = Vec::new();
        while text.len() < request.len() {
            let (more, error, ended) = read(&mut server, 7);
            assert!(error.is_none() && !ended);
            text.extend(more);
        }
        assert_eq!(text, request);
        assert!(server.layer.is_none());
        written(&mut server, b"HTTP/1.1 400 \r\n");
        let mut answer = [0; 15];
        client.0.read_exact(&mut answer).expect("in clear");
        assert_eq!(&answer, b"HTTP/1.1 400 \r\n");
    }
}

/// H2: the alert that fits, and a reason.
#[test]
fn a_handshake_that_fails_says_why() {
    let (wire, mut client) = wires();
    let mut server = Secured::server(wire, Arc::new(settings(Protocols::Tls13)), Vec::new());
    assert!(server.poll_handshake(cx()).is_pending());
    client.0.write_all(&[22, 3, 1, 0xff, 0xff, 1]).expect("room");
    let Poll::Ready(Err(failure)) = server.poll_handshake(cx()) else { panic!("it is none") };
    assert_eq!(failure.to_string(), "record of 65535 bytes is too long");
    let mut alert = [0; 7];
    client.0.read_exact(&mut alert).expect("an alert");
    assert_eq!(alert, [21, 3, 3, 0, 2, 2, 22], "record_overflow");

    let (mut server, client) = begun(Protocols::Tls13);
    drop(client);
    let Poll::Ready(Err(failure)) = server.poll_handshake(cx()) else { panic!("it is cut") };
    assert_eq!(failure.to_string(), "peer closed the connection");
}

/// What comes behind the client's last words of the handshake is not lost, and neither is what came before it.
#[test]
fn bytes_that_were_received_already_are_those_of_the_handshake() {
    let (mut server, mut client) = begun(Protocols::Tls13);
    assert!(client.poll_handshake(cx()).is_pending());
    let mut hello = Vec::new();
    let (wire, _) = wires();
    let socket = std::mem::replace(&mut server.socket, wire);
    let mut socket = socket;
    let _all_of_it = socket.0.read_to_end(&mut hello);
    let mut server = Secured::server(socket, Arc::new(settings(Protocols::Tls13)), hello);
    assert!(server.poll_handshake(cx()).is_pending());
    assert!(matches!(client.poll_handshake(cx()), Poll::Ready(Ok(Shaken::Secured))));
    written(&mut client, b"early");
    assert!(matches!(server.poll_handshake(cx()), Poll::Ready(Ok(Shaken::Secured))));
    assert_eq!(read(&mut server, 100).0, b"early");
    assert_eq!(server.tls().map(underpass_tls::Tls::end), Some(underpass_tls::End::Cut));
}
