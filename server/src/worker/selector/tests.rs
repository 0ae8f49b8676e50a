//! Over real sockets, with a runtime that always looks.

use std::{
    future::{Pending, pending},
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    pin::pin,
    task::Waker,
};

use super::{super::Stream as _, *};

struct Always;

impl Reactor for Always {
    type Sleep = Pending<()>;

    fn new(_: OwnedFd) -> io::Result<Self> {
        Ok(Self)
    }

    fn poll_readable(
        &mut self,
        _: &mut Context<'_>,
        look: &mut dyn FnMut() -> io::Result<Look>,
    ) -> io::Result<()> {
        look().map(|_| ())
    }

    fn sleep_until(_: Instant) -> Pending<()> {
        pending()
    }

    fn reset(_: Pin<&mut Pending<()>>, _: Instant) {}

    fn yield_now(_: &mut Context<'_>) {}
}

/// So often a look is taken for what comes over loopback.
const LOOKS: u32 = 100_000;

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn selector() -> Selector<Always> {
    Selector::new(Watch::new().expect("descriptors")).expect("a runtime")
}

/// Who is told of the sockets that are ready now.
fn told(selector: &mut Selector<Always>) -> Vec<Source> {
    let mut sources = Vec::new();
    selector.poll_ready(&mut cx(), &mut |source| sources.push(source)).expect("it can look");
    sources
}

/// Who is told first.
fn first_told(selector: &mut Selector<Always>) -> Source {
    let mut looks = (0..LOOKS).map(|_| {
        std::thread::yield_now();
        told(selector)
    });
    *looks.find(|told| !told.is_empty()).expect("it comes").first().expect("it has some")
}

fn listening() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port")
}

/// A connection of the guest at place 7, and its other end.
fn pair(selector: &mut Selector<Always>) -> (Connection, TcpStream) {
    let listener = listening();
    let ours = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("somebody listens");
    ours.set_nonblocking(true).expect("a plain socket");
    let connection = selector.stream(ours.into()).expect("it can be watched");
    connection.set_place(Some(7));
    (connection, listener.accept().expect("it has connected").0)
}

fn read(connection: &mut Connection, room: usize) -> Poll<io::Result<Vec<u8>>> {
    let mut space = vec![0; room];
    connection.poll_read(&mut cx(), &mut space).map_ok(|count| {
        space.truncate(count);
        space
    })
}

#[track_caller]
fn assert_read(connection: &mut Connection, room: usize, expected: &[u8]) {
    match read(connection, room) {
        Poll::Ready(Ok(bytes)) => assert_eq!(bytes, expected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn whoever_waits_is_told_once_and_nobody_else_is() {
    let mut selector = selector();
    let (mut connection, mut peer) = pair(&mut selector);
    let (mut other, _silent) = pair(&mut selector);
    other.set_place(Some(8));
    assert!(read(&mut connection, 8).is_pending());
    assert_eq!(told(&mut selector), [], "that there is room is no news");
    peer.write_all(b"hello").expect("room");
    assert_eq!(first_told(&mut selector), Source::Session(7));
    assert_eq!(told(&mut selector), []);
    assert_read(&mut connection, 8, b"hello");
    // The rest of the space says that there is nothing more, without another call.
    assert!(!connection.readiness().is_readable());
    // Nobody uses it, as in a pool; then somebody else does.
    connection.set_place(None);
    peer.write_all(b"again").expect("room");
    for _ in 0..LOOKS {
        assert_eq!(told(&mut selector), []);
        if connection.readiness().is_readable() {
            break;
        }
        std::thread::yield_now();
    }
    connection.set_place(Some(9));
    assert_read(&mut connection, 5, b"again");
    assert!(read(&mut connection, 8).is_pending());
    peer.write_all(b"x").expect("room");
    assert_eq!(first_told(&mut selector), Source::Session(9));
    assert!(read(&mut other, 8).is_pending());
}

/// The end was said along with the bytes before it, and is not said again.
#[test]
fn an_end_behind_bytes_is_found() {
    let mut selector = selector();
    let (mut connection, mut peer) = pair(&mut selector);
    assert!(read(&mut connection, 8).is_pending());
    peer.write_all(b"bye").expect("room");
    peer.shutdown(Shutdown::Write).expect("it is open");
    for _ in 0..LOOKS {
        told(&mut selector);
        if connection.readiness().has_ended() {
            break;
        }
        std::thread::yield_now();
    }
    assert_read(&mut connection, 8, b"bye");
    assert_read(&mut connection, 8, b"");
}

#[test]
fn whoever_waits_for_room_is_told_when_there_is() {
    let mut selector = selector();
    let (mut connection, mut peer) = pair(&mut selector);
    let pieces = [[1_u8; 30_000], [2; 30_000]];
    let mut sent = 0;
    while let Poll::Ready(count) =
        connection.poll_write_vectored(&mut cx(), &pieces.each_ref().map(|piece| io::IoSlice::new(piece)))
    {
        sent += count.expect("it is open");
    }
    assert!(connection.poll_write(&mut cx(), b"x").is_pending());
    let (mut received, mut space) = (0, vec![0; 65_536]);
    peer.set_nonblocking(true).expect("a plain socket");
    while received < sent {
        match peer.read(&mut space) {
            Ok(count) => received += count,
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }
    assert_eq!(first_told(&mut selector), Source::Session(7));
    assert!(matches!(connection.poll_write(&mut cx(), b"x"), Poll::Ready(Ok(1))));
}

/// What comes of connecting to this address.
fn connected(selector: &mut Selector<Always>, address: SocketAddr) -> io::Result<Connection> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM.nonblocking(), None)?;
    let mut connecting = pin!(selector.connect(socket.into(), address, 3));
    for _ in 0..LOOKS {
        match connecting.as_mut().poll(&mut cx()) {
            Poll::Ready(made) => return made,
            Poll::Pending => assert_eq!(first_told(selector), Source::Session(3)),
        }
    }
    panic!("it neither connects nor fails");
}

#[test]
fn connections_are_made_or_refused() {
    let mut selector = selector();
    let listener = listening();
    let address = listener.local_addr().expect("it is bound");
    let mut connection = connected(&mut selector, address).expect("somebody listens");
    let (mut peer, _) = listener.accept().expect("it has connected");
    assert!(matches!(connection.poll_write(&mut cx(), b"hello"), Poll::Ready(Ok(5))));
    let mut space = [0; 5];
    peer.read_exact(&mut space).expect("it comes");
    assert_eq!(&space, b"hello");
    drop(listener);
    let refused = connected(&mut selector, address).expect_err("nobody listens");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn clients_are_accepted_and_nobody_is_asked_in_vain() {
    let mut selector = selector();
    let listener = listening();
    listener.set_nonblocking(true).expect("a plain socket");
    let address = listener.local_addr().expect("it is bound");
    let listener = selector.listen(Listening::Tcp(listener), 5).expect("it can be watched");
    assert!(selector.poll_accept(&listener, &mut cx()).is_pending());
    let client = TcpStream::connect(address).expect("somebody listens");
    assert_eq!(first_told(&mut selector), Source::Listener(5));
    let Poll::Ready(Ok((_, remote))) = selector.poll_accept(&listener, &mut cx()) else { panic!("a client") };
    assert_eq!(remote, client.local_addr().expect("it is bound").into());
    assert!(selector.poll_accept(&listener, &mut cx()).is_pending());
}

/// A socket that another worker has, too, may come back under the number that it had.
#[test]
fn a_listening_socket_comes_back() {
    let mut selector = selector();
    let kept = listening();
    kept.set_nonblocking(true).expect("a plain socket");
    let address = kept.local_addr().expect("it is bound");
    let ours = || Listening::Tcp(kept.try_clone().expect("a descriptor"));
    for index in 0..3 {
        let listener = selector.listen(ours(), index).expect("it can be watched");
        let _client = TcpStream::connect(address).expect("somebody listens");
        assert_eq!(first_told(&mut selector), Source::Listener(index));
        assert!(selector.poll_accept(&listener, &mut cx()).is_ready());
        selector.close(listener);
        let _waits_for_another = TcpStream::connect(address).expect("somebody listens");
        assert_eq!(told(&mut selector), []);
        kept.accept().expect("it has connected");
    }
}

/// What sockets leave behind that are gone is used again.
#[test]
fn memory_is_bounded_by_the_sockets_there_are() {
    let mut selector = selector();
    let mut few = Vec::new();
    for round in 0..2_000 {
        few.push(pair(&mut selector));
        if round % 10 == 9 {
            few.drain(..9);
        }
        assert!(selector.watched.len() <= FEW.max(2 * few.len() + 20), "{}", selector.watched.len());
    }
    // Those that are left are told of as before.
    let (connection, peer) = few.last_mut().expect("some are left");
    connection.set_place(Some(11));
    assert!(read(connection, 8).is_pending());
    peer.write_all(b"x").expect("room");
    let told =
        (0..LOOKS).find_map(|_| told(&mut selector).into_iter().find(|told| *told == Source::Session(11)));
    assert!(told.is_some());
}
