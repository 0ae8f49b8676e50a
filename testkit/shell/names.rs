//! Names that clients choose, and a name server that doesn't answer all of them.

use std::{
    collections::HashSet,
    net::{SocketAddr, TcpStream, UdpSocket},
    thread,
};

use super::common::{PATIENCE, Peer, origin};
use super::server::Site;
use socket2::{Domain, Socket, Type};

/// Names that nobody answers.
const SILENT: usize = 300;

/// A client that comes from this address.
fn connect_from(last: u8, to: SocketAddr) -> Peer {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, last], 0)).into()).expect("all of them are ours");
    socket.connect_timeout(&to.into(), PATIENCE).expect("somebody listens");
    Peer::new(TcpStream::from(socket))
}

fn connect(client: &mut Peer, name: &str, port: u16) {
    client.send(format!("CONNECT {name}:{port} HTTP/1.1\r\nHost: {name}:{port}\r\n\r\n"));
}

/// The labels of the name that a question is about.
fn name_of(question: &[u8]) -> String {
    let mut labels = Vec::new();
    let mut rest = &question[12..];
    while let Some((length @ 1..=63, more)) = rest.split_first() {
        let (label, behind) = more.split_at(usize::from(*length));
        labels.push(String::from_utf8_lossy(label));
        rest = behind;
    }
    labels.join(".")
}

/// The answer 127.0.0.1 to a question about an IPv4 address.
fn answer(question: &[u8]) -> Vec<u8> {
    let mut answer = question.to_vec();
    answer[2..4].copy_from_slice(&[0x81, 0x80]);
    answer[7] = 1;
    answer.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x7f\0\0\x01");
    answer
}

/// The name that is asked for last has its answer before even a third of the others is given up.
#[test]
fn names_that_nobody_answers_hold_up_no_other() {
    let (listener, behind) = origin();
    let server = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let resolver = server.local_addr().expect("it is bound");
    let site = Site::start(&format!(
        "worker_rlimit_nofile 4096; error_log error.log notice; events {{ worker_connections 2048; }}
         http {{ access_log off; resolver {resolver} ipv6=off; server {{ listen LISTEN; tunnel_pass;
         tunnel_allow all {}; }} }}",
        behind.port()
    ));
    let mut silent: Vec<_> = (0..SILENT)
        .map(|number| {
            let from = 2 + u8::try_from(number / 100).expect("a few");
            let mut client = connect_from(from, site.server.address);
            connect(&mut client, &format!("silent{number}.test"), behind.port());
            client
        })
        .collect();
    server.set_read_timeout(Some(PATIENCE)).expect("a plain socket");
    let answering = thread::spawn(move || {
        let mut asked = HashSet::new();
        loop {
            let mut bytes = [0; 512];
            let (count, from) = server.recv_from(&mut bytes).expect("a question");
            let name = name_of(&bytes[..count]);
            if name == "good.test" {
                server.send_to(&answer(&bytes[..count]), from).expect("it is there");
                return asked.len();
            }
            asked.insert(name);
        }
    });
    let mut client = connect_from(9, site.server.address);
    connect(&mut client, "good.test", behind.port());
    assert!(client.head().starts_with("HTTP/1.1 200 "), "the tunnel opens");
    let mut upstream = Peer::accept(&listener);
    client.send("hello");
    assert_eq!(upstream.exactly(5), b"hello");
    let given_up = silent.iter().filter(|client| client.has_news()).count();
    assert!(given_up < SILENT / 3, "{given_up} were given up first");
    assert!(answering.join().expect("no panic") > SILENT / 2, "the others were asked for, too");
    silent.clear();
}
