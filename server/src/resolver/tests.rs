//! Against name servers of our own, on loopback.

use std::{
    collections::HashMap,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, UdpSocket},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    task::{Context, Poll, Wake, Waker},
    thread::{self, JoinHandle, Thread},
};

use simple_dns::{
    CLASS, Name, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE,
    rdata::{A, AAAA, CNAME, RData},
};

use underpass_core::{
    Tick,
    shared::{Group, GroupId, KeepAlive, Peer, Upstreams},
};

use super::*;

/// How long a name server that is silent is waited for: longer than one that isn't may take on a busy machine.
const BRIEF: Duration = Duration::from_secs(1);

/// Bounds hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Questions that the system keeps for a name server that is slow to take them: it drops what its buffer (212,992
/// bytes on Linux, about 270 datagrams) has no room for.
const FEW: usize = 100;

/// What a name server says of a name.
#[derive(Clone, Debug, Default)]
struct Zone {
    v4: Vec<[u8; 4]>,
    v6: Vec<u128>,
    alias: Option<&'static str>,
    ttl: u32,
    /// This many questions get no answer.
    silent: u32,
    trick: Option<Trick>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trick {
    /// A datagram says only that there is more.
    Large,
    /// So does a connection.
    Endless,
    /// The server fails.
    Refused,
    /// Answers to other questions come first.
    Forged,
    /// An alias comes with its addresses.
    Whole,
}

/// A name server.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, bool)>>>,
    zones: Arc<Mutex<HashMap<&'static str, Zone>>>,
    /// Where datagrams came from.
    ports: Arc<Mutex<Vec<u16>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    fn start<const N: usize>(zones: [(&'static str, Zone); N]) -> Self {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = tcp.local_addr().expect("it is bound");
        let udp = UdpSocket::bind(address).expect("the same port");
        let zones: Arc<Mutex<HashMap<_, _>>> = Arc::new(Mutex::new(HashMap::from(zones)));
        let asked: Arc<Mutex<Vec<_>>> = Arc::default();
        let ports: Arc<Mutex<Vec<_>>> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let over_udp = {
            let (zones, asked, stop) = (Arc::clone(&zones), Arc::clone(&asked), Arc::clone(&stop));
            let ports = Arc::clone(&ports);
            move || {
                let mut bytes = [0; 512];
                loop {
                    let (count, from) = udp.recv_from(&mut bytes).expect("a question");
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    lock(&ports).push(from.port());
                    for answer in answers(&bytes[..count], &mut lock(&zones), &asked, false) {
                        udp.send_to(&answer, from).expect("an answer");
                    }
                }
            }
        };
        let over_tcp = {
            let (zones, asked, stop) = (Arc::clone(&zones), Arc::clone(&asked), Arc::clone(&stop));
            move || {
                loop {
                    let (mut stream, _) = tcp.accept().expect("a connection");
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let mut length = [0; 2];
                    stream.read_exact(&mut length).expect("a length");
                    let mut question = vec![0; u16::from_be_bytes(length).into()];
                    stream.read_exact(&mut question).expect("a question");
                    for answer in answers(&question, &mut lock(&zones), &asked, true) {
                        let length = u16::try_from(answer.len()).expect("a message").to_be_bytes();
                        // In pieces, as a network may.
                        for part in [&length[..1], &length[1..], &answer[..5], &answer[5..]] {
                            stream.write_all(part).expect("it reads");
                        }
                    }
                }
            }
        };
        let threads = vec![thread::spawn(over_udp), thread::spawn(over_tcp)];
        Self { address, asked, zones, ports, stop, threads }
    }

    /// Returns when it has received this many questions over UDP.
    fn wait_for_questions(&self, count: usize) {
        let begin = Instant::now();
        while lock(&self.ports).len() < count {
            assert!(begin.elapsed() < PATIENCE, "{} of {count}", lock(&self.ports).len());
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// How often it was asked for this name.
    fn asked(&self, name: &str) -> usize {
        lock(&self.asked).iter().filter(|(asked, _)| asked == name).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let own = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        own.send_to(b"", self.address).expect("it listens");
        drop(std::net::TcpStream::connect(self.address).expect("it listens"));
        for thread in self.threads.drain(..) {
            assert!(thread.join().is_ok() || thread::panicking(), "the name server failed");
        }
    }
}

fn answers(
    question: &[u8],
    zones: &mut HashMap<&'static str, Zone>,
    asked: &Mutex<Vec<(String, bool)>>,
    tcp: bool,
) -> Vec<Vec<u8>> {
    let question = Packet::parse(question).expect("a question");
    let first = question.questions[0].clone();
    let name = first.qname.to_string();
    lock(asked).push((name.clone(), tcp));
    let mut reply = Packet::new_reply(question.id());
    reply.questions.push(first.clone());
    let below = name.split_once('.').map_or("", |(_, parent)| parent);
    let known = if zones.contains_key(&*name) { &*name } else { below };
    match zones.get_mut(known) {
        None => *reply.rcode_mut() = RCODE::NameError,
        Some(zone) if zone.silent > 0 => {
            zone.silent -= 1;
            return vec![];
        }
        Some(zone) if zone.trick == Some(Trick::Refused) => *reply.rcode_mut() = RCODE::ServerFailure,
        Some(zone) if zone.trick == Some(Trick::Endless) => reply.set_flags(PacketFlag::TRUNCATION),
        Some(zone) if zone.trick == Some(Trick::Large) && !tcp => reply.set_flags(PacketFlag::TRUNCATION),
        Some(zone) => {
            let record = |name: &Name<'_>, data| {
                ResourceRecord::new(name.clone().into_owned(), CLASS::IN, zone.ttl, data)
            };
            let mut owner = first.qname.clone().into_owned();
            if let Some(alias) = zone.alias {
                let alias = Name::new(alias).expect("a name").into_owned();
                reply.answers.push(record(&owner, RData::CNAME(CNAME(alias.clone()))));
                owner = alias;
            }
            if zone.alias.is_none() || zone.trick == Some(Trick::Whole) {
                match first.qtype {
                    QTYPE::TYPE(TYPE::A) => {
                        let data = zone.v4.iter().map(|ip| RData::A(A::from(Ipv4Addr::from(*ip))));
                        reply.answers.extend(data.map(|data| record(&owner, data)));
                    }
                    _ => {
                        let data = zone.v6.iter().map(|ip| RData::AAAA(AAAA { address: *ip }));
                        reply.answers.extend(data.map(|data| record(&owner, data)));
                    }
                }
            }
        }
    }
    let answer = reply.build_bytes_vec().expect("a message");
    let mut all = Vec::new();
    if zones.get(&*name).is_some_and(|zone| zone.trick == Some(Trick::Forged)) {
        let mut other = reply.clone();
        other.set_id(question.id().wrapping_add(1));
        other.answers.clear();
        all.push(other.build_bytes_vec().expect("a message"));
        let mut other = reply.clone();
        other.questions[0].qname = Name::new_unchecked("other.test");
        all.push(other.build_bytes_vec().expect("a message"));
        all.push(b"no message at all".to_vec());
    }
    all.push(answer);
    all
}

/// Waits longer for a name server than any test takes: a machine that stands still for a while changes nothing.
fn resolver(servers: &[&Server], kinds: &[Kind]) -> Resolver {
    Resolver::with(Settings {
        servers: servers.iter().map(|server| server.address).collect(),
        valid: None,
        kinds: kinds.to_vec(),
        patience: 2 * PATIENCE,
        bounds: Bounds::USUAL,
    })
}

impl Resolver {
    fn with_patience(self, patience: Duration) -> Self {
        Self::with(Settings { patience, ..self.shared.settings.clone() })
    }

    fn with_bounds(self, bounds: Bounds) -> Self {
        Self::with(Settings { bounds, ..self.shared.settings.clone() })
    }
}

impl Resolver {
    /// On behalf of the gateway.
    fn ask(&self, name: &str) -> Answer {
        self.resolve(name, Asker::Gateway)
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn wait(answer: Answer) -> io::Result<Vec<IpAddr>> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let begin = Instant::now();
    let mut answer = std::pin::pin!(answer);
    loop {
        match answer.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            Poll::Pending => thread::park_timeout(PATIENCE),
        }
        assert!(begin.elapsed() < PATIENCE, "no answer");
    }
}

fn v4(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

fn zone(addresses: &[u8], ttl: u32) -> Zone {
    Zone { v4: addresses.iter().map(|last| [192, 0, 2, *last]).collect(), ttl, ..Zone::default() }
}

#[test]
fn addresses_of_both_kinds() {
    let both = Zone { v6: vec![0x2001_0db8 << 96 | 1], ..zone(&[1, 2], 60) };
    let server = Server::start([("a.test", both)]);
    let expected: IpAddr = "2001:db8::1".parse().expect("an address");
    let mut found = wait(resolver(&[&server], &[Kind::V4, Kind::V6]).ask("A.Test.")).expect("known");
    found.sort_unstable();
    assert_eq!(found, [v4(1), v4(2), expected]);
    assert_eq!(wait(resolver(&[&server], &[Kind::V6]).ask("a.test")).expect("known"), [expected]);
    assert_eq!(wait(resolver(&[&server], &[Kind::V4]).ask("192.0.2.9")).expect("an address"), [v4(9)]);
    assert_eq!(wait(resolver(&[&server], &[]).ask("[2001:db8::1]")).expect("an address"), [expected]);
}

#[test]
fn answers_are_kept_as_long_as_they_say() {
    let server = Server::start([("kept.test", zone(&[1, 2], 60)), ("brief.test", zone(&[1], 0))]);
    let asking = resolver(&[&server], &[Kind::V4]);
    let mut first: Vec<_> =
        (0..3).map(|_| wait(asking.clone().ask("kept.test")).expect("known")[0]).collect();
    assert_eq!(server.asked("kept.test"), 1);
    first.sort_unstable();
    first.dedup();
    assert_eq!(first, [v4(1), v4(2)], "each comes first in turn");
    for times in 1..=2 {
        wait(asking.ask("brief.test")).expect("known");
        assert_eq!(server.asked("brief.test"), times);
    }
    let mut settings = asking.shared.settings.clone();
    settings.valid = Some(Duration::from_secs(60));
    let asking = Resolver::with(settings);
    for _ in 0..2 {
        wait(asking.ask("brief.test")).expect("known");
        assert_eq!(server.asked("brief.test"), 3, "valid= holds");
    }
}

#[test]
fn names_without_addresses() {
    let server = Server::start([("empty.test", zone(&[], 60))]);
    let asking = resolver(&[&server], &[Kind::V4, Kind::V6]);
    for name in ["missing.test", "empty.test", "", "a..b", &"a".repeat(64)] {
        let error = wait(asking.ask(name)).expect_err(name);
        assert_eq!(error.kind(), io::ErrorKind::NotFound, "{name}");
    }
    wait(asking.ask("missing.test")).expect_err("still missing");
    assert_eq!(server.asked("missing.test"), 4, "failures are not kept");
}

#[test]
fn aliases_are_followed() {
    let alias = |to, trick| Zone { alias: Some(to), trick, ..zone(&[7], 60) };
    let server = Server::start([
        ("whole.test", alias("elsewhere.test", Some(Trick::Whole))),
        ("part.test", alias("a.test", None)),
        ("a.test", zone(&[1], 60)),
        ("loop.test", alias("loop.test", None)),
        ("long.test", alias("loop.test", None)),
    ]);
    let asking = resolver(&[&server], &[Kind::V4]);
    assert_eq!(wait(asking.ask("whole.test")).expect("known"), [v4(7)]);
    assert_eq!(wait(asking.ask("part.test")).expect("known"), [v4(1)]);
    for name in ["loop.test", "long.test"] {
        assert_eq!(wait(asking.ask(name)).expect_err(name).kind(), io::ErrorKind::NotFound);
    }
}

#[test]
fn what_has_no_room_in_a_datagram_is_asked_over_tcp() {
    let all: Vec<u8> = (1..=200).collect();
    let server = Server::start([("large.test", Zone { trick: Some(Trick::Large), ..zone(&all, 60) })]);
    assert_eq!(wait(resolver(&[&server], &[Kind::V4]).ask("large.test")).expect("known").len(), 200);
    let asked = lock(&server.asked).clone();
    assert_eq!(asked, [("large.test".into(), false), ("large.test".into(), true)]);
}

#[test]
fn another_server_is_asked_where_one_fails() {
    let good = Server::start([("a.test", zone(&[1], 0))]);
    let silent = Server::start([("a.test", Zone { silent: u32::MAX, ..Zone::default() })]);
    let refusing = Server::start([("a.test", Zone { trick: Some(Trick::Refused), ..Zone::default() })]);
    let asking = resolver(&[&silent, &refusing, &good], &[Kind::V4]).with_patience(BRIEF);
    let mut settings = asking.shared.settings.clone();
    let gone = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    settings.servers.insert(0, gone.expect("a port that was free"));
    let asking = Resolver::with(settings);
    for _ in 0..4 {
        assert_eq!(wait(asking.ask("a.test")).expect("known"), [v4(1)], "whoever is first");
    }
}

#[test]
fn a_lost_datagram_is_sent_again() {
    let server = Server::start([("a.test", Zone { silent: 2, ..zone(&[1], 60) })]);
    let asking = resolver(&[&server], &[Kind::V4]).with_patience(BRIEF);
    assert_eq!(wait(asking.ask("a.test")).expect("known"), [v4(1)]);
    assert_eq!(server.asked("a.test"), 3);
}

#[test]
fn silence_is_waited_for_only_so_long() {
    let server = Server::start([("a.test", Zone { silent: u32::MAX, ..Zone::default() })]);
    let asking = resolver(&[&server], &[Kind::V4]).with_patience(Duration::from_millis(5));
    let error = wait(asking.ask("a.test")).expect_err("nobody answers");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    server.wait_for_questions(3);
    assert_eq!(server.asked("a.test"), 3);
}

#[test]
fn answers_to_other_questions_are_ignored() {
    let server = Server::start([("a.test", Zone { trick: Some(Trick::Forged), ..zone(&[1], 60) })]);
    assert_eq!(wait(resolver(&[&server], &[Kind::V4]).ask("a.test")).expect("known"), [v4(1)]);
}

#[test]
fn many_names_at_a_time_and_each_once() {
    let server = Server::start([("a.test", Zone { silent: 1, ..zone(&[1], 60) })]);
    let asking = resolver(&[&server], &[Kind::V4]).with_patience(BRIEF);
    let given_up: Vec<_> = (0..100).map(|_| asking.ask("given.test")).collect();
    let same: Vec<_> = (0..50).map(|_| asking.ask("a.test")).collect();
    let others: Vec<_> = (0..FEW).map(|number| asking.ask(&format!("{number}.test"))).collect();
    drop(given_up);
    for answer in others {
        wait(answer).expect_err("there is no such name");
    }
    for answer in same {
        assert_eq!(wait(answer).expect("known"), [v4(1)]);
    }
    assert_eq!(server.asked("a.test"), 2);
}

#[test]
fn without_a_resolver_there_is_no_answer() {
    let server = Server::start([("a.test", Zone { silent: u32::MAX, ..Zone::default() })]);
    let asking = resolver(&[&server], &[Kind::V4]);
    let answer = asking.ask("a.test");
    drop(asking);
    wait(answer).expect_err("nobody asks any more");
}

#[test]
fn peers_are_where_their_names_lead() {
    let server = Server::start([("a.test", zone(&[1, 2], 0)), ("b.test", zone(&[3], 60))]);
    let peers = ["a.test", "b.test"].map(|name| Peer::resolved(name, 80));
    let fixed = Peer::new(SocketAddr::from(([192, 0, 2, 9], 80)).into());
    let group = Group::new("g", peers.into_iter().chain([fixed]).collect(), KeepAlive::default());
    let upstreams = Arc::new(Upstreams::new(vec![group]));
    let found = || {
        let peers = upstreams.status(GroupId(0), Tick(0));
        let mut found: Vec<_> = peers.iter().map(|peer| peer.address.to_string()).collect();
        found.sort_unstable();
        found.join(" ")
    };
    let wait_for = |expected: &str| {
        let begin = Instant::now();
        while found() != expected {
            assert!(begin.elapsed() < PATIENCE, "{} instead of {expected}", found());
            thread::sleep(Duration::from_millis(5));
        }
    };
    let asking = resolver(&[&server], &[Kind::V4]);
    let (resolvers, log) = (|_| Some(asking.clone()), crate::Log::default());
    let watch = Watch::in_rounds(&upstreams, resolvers, log, Duration::from_millis(10)).expect("a thread");
    assert_eq!(found(), "192.0.2.1:80 192.0.2.2:80 192.0.2.3:80 192.0.2.9:80", "known when it has begun");
    lock(&server.zones).insert("a.test", zone(&[2, 4], 0));
    wait_for("192.0.2.2:80 192.0.2.3:80 192.0.2.4:80 192.0.2.9:80");
    lock(&server.zones).insert("a.test", Zone { trick: Some(Trick::Refused), ..Zone::default() });
    let before = server.asked("a.test");
    while server.asked("a.test") < before + 6 {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(found(), "192.0.2.2:80 192.0.2.3:80 192.0.2.4:80 192.0.2.9:80", "the last answer holds");
    lock(&server.zones).remove("a.test");
    wait_for("192.0.2.3:80 192.0.2.9:80");
    lock(&server.zones).insert("a.test", zone(&[5], 0));
    wait_for("192.0.2.3:80 192.0.2.5:80 192.0.2.9:80");
    assert_eq!(server.asked("b.test"), 1, "an answer that holds is not asked for again");
    drop(watch);
}

#[test]
fn names_are_looked_up_by_the_system_where_no_resolver_is_named() {
    let group = Group::new("g", vec![Peer::resolved("localhost", 80)], KeepAlive::default());
    let upstreams = Arc::new(Upstreams::new(vec![group]));
    let _watch = Watch::start(&upstreams, |_| None, crate::Log::default()).expect("a thread");
    let found = upstreams.status(GroupId(0), Tick(0));
    assert!(found.iter().any(|peer| peer.address.to_string() == "127.0.0.1:80"), "{found:?}");
}

#[test]
fn a_name_with_addresses_of_one_kind_is_kept() {
    let server = Server::start([("v4.test", zone(&[1], 60))]);
    let asking = resolver(&[&server], &[Kind::V4, Kind::V6]);
    for _ in 0..3 {
        assert_eq!(wait(asking.ask("v4.test")).expect("known"), [v4(1)]);
    }
    assert_eq!(server.asked("v4.test"), 2, "one question of each kind");
}

#[test]
fn what_is_cut_off_over_tcp_too_is_a_failure() {
    let server = Server::start([("endless.test", Zone { trick: Some(Trick::Endless), ..zone(&[1], 60) })]);
    let asking = resolver(&[&server], &[Kind::V4]);
    let failure = wait(asking.ask("endless.test")).expect_err("no answer is whole").kind();
    assert_eq!(failure, io::ErrorKind::ConnectionRefused);
    assert_eq!(server.asked("endless.test"), 4, "twice on each way");
}

#[test]
fn as_many_aliases_are_followed_as_are_said_to_be() {
    let alias = |to| Zone { alias: Some(to), ..zone(&[], 60) };
    let server = Server::start([
        ("9.test", alias("8.test")),
        ("8.test", alias("7.test")),
        ("7.test", alias("6.test")),
        ("6.test", alias("5.test")),
        ("5.test", alias("4.test")),
        ("4.test", alias("3.test")),
        ("3.test", alias("2.test")),
        ("2.test", alias("1.test")),
        ("1.test", alias("0.test")),
        ("0.test", zone(&[1], 60)),
    ]);
    let asking = resolver(&[&server], &[Kind::V4]);
    assert_eq!(wait(asking.ask("8.test")).expect("known"), [v4(1)]);
    assert_eq!(wait(asking.ask("9.test")).expect_err("too far").kind(), io::ErrorKind::NotFound);
}

/// Only a name that is asked for while the silent ones still wait is answered: nobody is given up meanwhile.
#[test]
fn silent_names_hold_up_no_other() {
    let server = Server::start([("good.test", zone(&[1], 60)), ("silent.test", silent())]);
    let asking = resolver(&[&server], &[Kind::V4]);
    let mut waiting = Vec::new();
    while waiting.len() < 2_000 {
        let asked = waiting.len();
        waiting.extend((0..FEW).map(|number| asking.ask(&format!("{}.silent.test", asked + number))));
        server.wait_for_questions(waiting.len());
    }
    assert_eq!(wait(asking.ask("good.test")).expect("known"), [v4(1)]);
    drop(waiting);
}

#[test]
fn a_client_has_its_share_of_names_and_makes_room_for_itself() {
    let server = Server::start([("good.test", zone(&[1], 0)), ("silent.test", silent())]);
    let [one, other] = [1, 2].map(|last| Asker::Client(v4(last)));
    let bounds = Bounds { names_of_a_client: 3, overdue: PATIENCE, ..Bounds::USUAL };
    let asking = resolver(&[&server], &[Kind::V4]).with_bounds(bounds);
    let name = |number: usize| format!("{number}.silent.test");
    let waiting: Vec<_> = (0..3).map(|number| asking.resolve(&name(number), one)).collect();
    let refused = wait(asking.resolve("good.test", one)).expect_err("a fourth name");
    assert_eq!(refused.kind(), io::ErrorKind::QuotaExceeded);
    let joined = asking.resolve(&name(0), one);
    for whoever in [other, Asker::Local, Asker::Gateway] {
        assert_eq!(wait(asking.resolve("good.test", whoever)).expect("known"), [v4(1)]);
    }
    drop((waiting, joined));
    let own: Vec<_> = (0..6).map(|number| asking.ask(&name(10 + number))).collect();
    assert_eq!(wait(asking.ask("good.test")).expect("known"), [v4(1)], "the gateway has no share");
    drop(own);

    // Where all are overdue, the oldest goes, for this client only.
    let asking = resolver(&[&server], &[Kind::V4]).with_bounds(Bounds { overdue: Duration::ZERO, ..bounds });
    let shared = asking.resolve(&name(0), one);
    let of_another = asking.resolve(&name(0), other);
    let waiting: Vec<_> = (1..3).map(|number| asking.resolve(&name(number), one)).collect();
    assert_eq!(wait(asking.resolve("good.test", one)).expect("known"), [v4(1)]);
    assert_eq!(wait(shared).expect_err("it made room").kind(), io::ErrorKind::TimedOut);
    let polled = std::pin::pin!(of_another).poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending(), "the other client still waits");
    drop(waiting);
}

#[test]
fn all_together_have_a_bound_and_the_oldest_makes_room() {
    let server = Server::start([("good.test", zone(&[1], 0)), ("silent.test", silent())]);
    for (overdue, expected) in
        [(Duration::ZERO, Ok(vec![v4(1)])), (PATIENCE, Err(io::ErrorKind::QuotaExceeded))]
    {
        let asking =
            resolver(&[&server], &[Kind::V4]).with_bounds(Bounds { names: 8, overdue, ..Bounds::USUAL });
        let mut waiting: Vec<_> = (0..8)
            .map(|number| asking.resolve(&format!("{number}.silent.test"), Asker::Client(v4(number))))
            .collect();
        let found = wait(asking.resolve("good.test", Asker::Client(v4(99)))).map_err(|error| error.kind());
        assert_eq!(found, expected);
        if overdue.is_zero() {
            assert_eq!(wait(waiting.remove(0)).expect_err("the oldest").kind(), io::ErrorKind::TimedOut);
        }
    }
}

#[test]
fn sockets_and_connections_are_bounded_and_shared() {
    let large = |last| Zone { trick: Some(Trick::Large), ..zone(&[last], 60) };
    let server = Server::start([("a.test", zone(&[1], 60)), ("b.test", large(2)), ("silent.test", silent())]);
    let bounds = Bounds { questions_of_a_socket: 2, sockets: 3, connections: 1, ..Bounds::USUAL };
    let asking = resolver(&[&server], &[Kind::V4]).with_bounds(bounds);
    let _waiting: Vec<_> = (0..100).map(|number| asking.ask(&format!("{number}.silent.test"))).collect();
    assert_eq!(wait(asking.ask("a.test")).expect("known"), [v4(1)], "on a socket of others");
    assert_eq!(wait(asking.ask("b.test")).expect("known"), [v4(2)]);
    lock(&server.ports).sort_unstable();
    lock(&server.ports).dedup();
    assert_eq!(lock(&server.ports).len(), 3);

    // Every question by itself has a port of its own.
    let server = Server::start([("a.test", zone(&[1], 0))]);
    let asking = resolver(&[&server], &[Kind::V4]);
    for _ in 0..20 {
        wait(asking.ask("a.test")).expect("known");
    }
    let mut ports = lock(&server.ports).clone();
    ports.sort_unstable();
    ports.dedup();
    assert!(ports.len() > 10, "the system gives the same port again now and then: {ports:?}");
}

#[test]
fn a_thread_that_could_not_start_is_started_again() {
    static ATTEMPTS: AtomicUsize = AtomicUsize::new(0);
    let server = Server::start([("a.test", zone(&[1], 60))]);
    let asking =
        Resolver::started_by(resolver(&[&server], &[Kind::V4]).shared.settings.clone(), |settings, desk| {
            match ATTEMPTS.fetch_add(1, Ordering::Relaxed) {
                0 | 1 => Err(io::ErrorKind::WouldBlock.into()),
                _ => work::start(settings, desk),
            }
        });
    let mut failures = 0;
    let begin = Instant::now();
    let found = loop {
        match wait(asking.ask("a.test")) {
            Ok(found) => break found,
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
        failures += 1;
        assert!(begin.elapsed() < PATIENCE, "it is not started again");
    };
    assert_eq!((found, ATTEMPTS.load(Ordering::Relaxed)), (vec![v4(1)], 3));
    assert!(failures > 2, "nobody tries again at once");
}

#[test]
fn a_thread_that_fails_leaves_nobody_hanging_and_is_started_again() {
    static ATTEMPTS: AtomicUsize = AtomicUsize::new(0);
    let server = Server::start([("a.test", zone(&[1], 60))]);
    let asking =
        Resolver::started_by(resolver(&[&server], &[Kind::V4]).shared.settings.clone(), |settings, desk| {
            if ATTEMPTS.fetch_add(1, Ordering::Relaxed) > 0 {
                return work::start(settings, desk);
            }
            // Ends when it is woken, and leaves what was asked where it is.
            let mut poll = mio::Poll::new()?;
            let waker = Arc::new(mio::Waker::new(poll.registry(), mio::Token(0))?);
            let (presence, kept) = (desk::Presence::at(desk), Arc::clone(&waker));
            thread::spawn(move || {
                let _kept = (presence, kept);
                poll.poll(&mut mio::Events::with_capacity(1), None).expect("it is woken");
            });
            Ok(waker)
        });
    assert_eq!(wait(asking.ask("a.test")).expect_err("nobody is there").kind(), io::ErrorKind::Interrupted);
    let begin = Instant::now();
    while wait(asking.ask("a.test")).is_err() {
        assert!(begin.elapsed() < PATIENCE, "it is not started again");
    }
    assert_eq!(ATTEMPTS.load(Ordering::Relaxed), 2);
}

#[test]
fn one_network_of_ipv6_is_one_client() {
    let asker = |ip: &str| {
        let ip: IpAddr = ip.parse().expect("an address");
        Asker::from(&Address::from(SocketAddr::new(ip, 1)))
    };
    assert_eq!(asker("2001:db8::1"), asker("2001:db8::ffff:0:2"));
    assert_ne!(asker("2001:db8::1"), asker("2001:db8:0:1::1"));
    assert_eq!(asker("::ffff:192.0.2.1"), asker("192.0.2.1"));
    assert_ne!(asker("192.0.2.1"), asker("192.0.2.2"));
    assert_eq!(Asker::from(&Address::Unix(std::path::Path::new("").into())), Asker::Local);
}

/// A name server that says nothing of a name, nor of those below it.
fn silent() -> Zone {
    Zone { silent: u32::MAX, ..Zone::default() }
}
