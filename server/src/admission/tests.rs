use std::{fs, sync::Arc};

use underpass_core::{
    Address, Buffers, ClientInfo, Network, Output, RequestHead, Session, Side, Tick, Turn,
    config::{AdmissionId, Config, Handler, Location, Proxy, Route, Router, SetHeader, Target},
    shared::{Group, GroupId, LimitConn, LimitReq, Upstreams},
    template::{Template, Variable},
};
use underpass_nginx_config::{ClientRule, ConnectionZone, RequestZone, Users};

use super::{Gate, *};
use crate::threads::tests::{hold_up, wait};

#[derive(Debug)]
struct Only(Arc<Location>);

impl Router for Only {
    fn route(&self, _: &RequestHead<'_>) -> Route {
        Route::Location(Arc::clone(&self.0))
    }
}

const NOW: Now = Now { tick: Tick(1_000_000_000), unix_ms: 784_111_777_000, utc_offset_min: 0 };

/// What the gate says of a request by `remote` with these field lines, at `tick`.
fn asked(access: &Access, remote: &str, lines: &str, tick: u64) -> Decision {
    asked_again(access, remote, lines, tick, Counted::default())
}

/// The same of one whose exchange some limits have counted.
fn asked_again(access: &Access, remote: &str, lines: &str, tick: u64, counted: Counted) -> Decision {
    let gate = Gate::new(vec![access.clone()]).expect("the system has threads");
    match answered(&gate, remote, lines, tick, counted) {
        Answer::Now(decision) => decision,
        Answer::Later(decision) => wait(decision),
    }
}

fn answered(gate: &Gate, remote: &str, lines: &str, tick: u64, counted: Counted) -> Answer {
    answered_where(gate, remote, lines, tick, counted, |location| location.admission = Some(AdmissionId(0)))
}

/// The same in a location of which more is told.
fn answered_where(
    gate: &Gate,
    remote: &str,
    lines: &str,
    tick: u64,
    counted: Counted,
    tell: impl FnOnce(&mut Location),
) -> Answer {
    let mut proxy = Proxy::new(Target::Group(GroupId(0)), "b");
    proxy.set_headers = SetHeader::websocket_recipe();
    let mut location = Location::new(Handler::Proxy(Box::new(proxy)));
    tell(&mut location);
    location.realm = Some(Template::variable(Variable::Http("realm".into())));
    let peer: std::net::SocketAddr = "127.0.0.1:9".parse().expect("an address");
    let upstreams = Upstreams::new(vec![Group::single("g", peer.into())]);
    let config = Config::new(Arc::new(Only(Arc::new(location))), Arc::new(upstreams));
    let remote = if remote == "unix:" {
        Address::Unix(Path::new("").into())
    } else {
        Address::Ip(format!("{remote}:40000").parse().expect("an address"))
    };
    let client = ClientInfo::new(remote, Address::Ip(peer), 1, [0; 16]);
    let now = Now { tick: Tick(tick), ..NOW };
    let mut session = Session::new(Arc::new(config), client, now);
    let mut buffers = Buffers::default();
    let turn = &mut Turn { now, buffers: &mut buffers };
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let space =
        session.receive_space(session.connection(Side::Downstream), turn).expect("a request is wanted");
    space[..head.len()].copy_from_slice(head.as_bytes());
    session.handle_received(session.connection(Side::Downstream), Ok(head.len()), turn);
    let Output::Admit(claim) = session.poll_output() else { panic!("admission is asked for") };
    gate.ask(&claim, session.record(), now, counted)
}

/// G8: a tunnel counts once the rules let its request go on, be it that a password is compared first.
#[test]
fn tunnels_are_counted_behind_the_rules() {
    const UPGRADE: &str = "Upgrade: foo\r\nConnection: upgrade\r\n";
    let bound = MaxTunnels::new(1);
    let ask = |access: Option<&Access>, lines: &str, counted: Counted| {
        let rules = access.cloned().into_iter().collect();
        let gate = Gate::new(rules).expect("the system has threads");
        let answer = answered_where(&gate, "192.0.2.1", lines, NOW.tick.0, counted, |location| {
            location.admission = access.map(|_| AdmissionId(0));
            location.max_tunnels = Some(bound.clone());
        });
        match answer {
            Answer::Now(decision) => decision,
            Answer::Later(decision) => wait(decision),
        }
    };
    let full = Admission::Refused(Refusal::TooManyTunnels);
    let none = Counted::default();
    let first = ask(None, UPGRADE, none);
    assert_eq!((first.admission, bound.open()), (Admission::Granted, 1));
    let second = ask(None, UPGRADE, none);
    assert_eq!((second.admission, second.permits.len()), (full, 0));
    assert_eq!(second.notes, [(Severity::Error, "limiting tunnels: there are 1".to_owned())]);
    let led_elsewhere = ask(None, UPGRADE, first.counted);
    assert_eq!(
        (led_elsewhere.admission, bound.open()),
        (Admission::Granted, 1),
        "it is in nobody's way twice"
    );
    let mut denies = Access::default();
    denies.clients.push(network(false, "192.0.2.1", 32));
    assert_eq!(ask(Some(&denies), UPGRADE, none).admission, FORBIDDEN);
    drop(first);
    assert_eq!(ask(Some(&denies), UPGRADE, none).admission, FORBIDDEN);
    assert_eq!(bound.open(), 0, "who isn't let in doesn't count");
}

fn admission(access: &Access, remote: &str, lines: &str) -> Admission {
    asked(access, remote, lines, NOW.tick.0).admission
}

const FORBIDDEN: Admission = Admission::Refused(Refusal::Forbidden);
const UNAUTHORIZED: Admission = Admission::Refused(Refusal::Unauthorized);

fn network(allows: bool, address: &str, bits: u8) -> ClientRule {
    ClientRule::new(allows, Who::Network(Network::new(address.parse().expect("an address"), bits)))
}

#[test]
fn the_first_address_rule_that_matches_decides() {
    let mut access = Access::default();
    assert_eq!(admission(&access, "192.0.2.1", ""), Admission::Granted);
    access.clients = vec![
        network(false, "192.0.2.1", 32),
        network(true, "192.0.2.0", 24),
        ClientRule::new(true, Who::Unix),
        ClientRule::new(false, Who::All),
    ];
    for (remote, expected) in [
        ("192.0.2.1", FORBIDDEN),
        ("192.0.2.2", Admission::Granted),
        ("198.51.100.1", FORBIDDEN),
        ("unix:", Admission::Granted),
    ] {
        assert_eq!(admission(&access, remote, ""), expected, "{remote}");
    }
    access.clients.pop();
    assert_eq!(admission(&access, "198.51.100.1", ""), Admission::Granted, "what none matches is allowed");
}

#[test]
fn users_and_addresses_together_or_either() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("users");
    fs::write(&file, "ann:{PLAIN}secret\nbob:rl.3StKT.4T8M\n").expect("a file");
    let mut access = Access::default();
    access.users = Some(Users::new(file));
    // ann:secret, ann:wrong, eve:secret, bob:x, ann (no colon)
    let right = "Authorization: Basic YW5uOnNlY3JldA==\r\n";
    let wrong = ["YW5uOndyb25n", "ZXZlOnNlY3JldA==", "Ym9iOng=", "YW5u", "%%%"];
    assert_eq!(admission(&access, "192.0.2.1", right), Admission::Granted);
    assert_eq!(admission(&access, "192.0.2.1", ""), UNAUTHORIZED);
    for credentials in wrong {
        let lines = format!("Authorization: Basic {credentials}\r\n");
        assert_eq!(admission(&access, "192.0.2.1", &lines), UNAUTHORIZED, "{credentials}");
    }
    assert_eq!(admission(&access, "192.0.2.1", "Realm: off\r\n"), Admission::Granted);
    access.clients = vec![network(true, "192.0.2.0", 24), ClientRule::new(false, Who::All)];
    assert_eq!(admission(&access, "198.51.100.1", right), FORBIDDEN, "both are needed");
    assert_eq!(admission(&access, "192.0.2.1", ""), UNAUTHORIZED, "both are needed");
    access.any = true;
    assert_eq!(admission(&access, "198.51.100.1", right), Admission::Granted, "either is enough");
    assert_eq!(admission(&access, "192.0.2.1", ""), Admission::Granted, "either is enough");
    assert_eq!(admission(&access, "198.51.100.1", ""), UNAUTHORIZED, "neither is too little");
}

/// The queue is bounded: a client that finds no room is told to come again.
#[test]
fn too_many_passwords_are_a_limit() {
    let mut access = Access::default();
    access.users = Some(Users::new("/nonexistent/users".into()));
    let gate = Gate::new(vec![access]).expect("the system has threads");
    let threads = gate.threads.clone().expect("passwords are asked for");
    let count = thread::available_parallelism().map_or(2, |count| count.get().clamp(2, 4));
    let busy: Vec<_> = (0..count).map(|_| hold_up(&threads)).collect();
    let ask = |remote: &str| {
        answered(&gate, remote, "Authorization: Basic YW5uOnNlY3JldA==\r\n", 0, Counted::default())
    };
    let mut waiting = Vec::new();
    let refused = loop {
        match ask("192.0.2.1") {
            Answer::Later(decision) => waiting.push(decision),
            Answer::Now(decision) => break decision,
        }
        assert!(waiting.len() < 1000, "the queue is bounded");
    };
    assert_eq!(refused.admission, Admission::Refused(Refusal::Limited(503)));
    assert_eq!(refused.notes, [(Severity::Error, "too many passwords wait to be compared".to_owned())]);
    assert!(matches!(ask("192.0.2.2"), Answer::Later(_)), "one client doesn't take it all");
    drop(busy);
    for decision in waiting {
        assert_eq!(wait(decision).admission, UNAUTHORIZED);
    }
}

/// A reload starts no threads beside those that there are.
#[test]
fn threads_are_started_once_and_when_they_are_needed() {
    let open = Gate::default().renewed(vec![Access::default()]).expect("nothing to start");
    assert!(open.threads.is_none(), "nobody is asked for a password");
    let mut access = Access::default();
    access.users = Some(Users::new("/nonexistent/users".into()));
    let asking = open.renewed(vec![access.clone(), access.clone()]).expect("threads");
    let again = asking.renewed(vec![access]).expect("nothing to start");
    let threads = asking.threads.as_ref().expect("they were started");
    assert!(again.threads.as_ref().is_some_and(|same| same.are(threads)));
}

#[test]
fn a_file_that_is_gone_lets_nobody_in() {
    let mut access = Access::default();
    access.users = Some(Users::new("/nonexistent/users".into()));
    let decision = asked(&access, "192.0.2.1", "Authorization: Basic YW5uOnNlY3JldA==\r\n", 0);
    assert_eq!(decision.admission, UNAUTHORIZED);
    assert_eq!(decision.notes[0].0, Severity::Crit);
}

#[test]
fn connections_count_while_their_permit_lives() {
    let key = Template::variable(Variable::RemoteAddr);
    let zone = Arc::new(ConnectionZone::new("z", key, Arc::new(LimitConn::new(1 << 20))));
    let mut access = Access::default();
    access.connections = vec![ConnectionLimit::new(zone, 1)];
    let first = asked(&access, "192.0.2.1", "", 0);
    assert_eq!((first.admission, first.permits.len()), (Admission::Granted, 1));
    let second = asked(&access, "192.0.2.1", "", 0);
    assert_eq!(second.admission, Admission::Refused(Refusal::Limited(503)));
    assert_eq!(second.notes, [(Severity::Error, "limiting connections by zone \"z\"".to_owned())]);
    assert_eq!(asked(&access, "192.0.2.2", "", 0).admission, Admission::Granted, "another key");
    drop(first);
    assert_eq!(asked(&access, "192.0.2.1", "", 0).admission, Admission::Granted);
}

/// nginx: its answer may be held back (`auth_delay`), and it is one of its connections until then.
#[test]
fn who_guesses_passwords_counts_until_the_answer_was_sent() {
    let key = Template::variable(Variable::RemoteAddr);
    let zone = Arc::new(ConnectionZone::new("z", key, Arc::new(LimitConn::new(1 << 20))));
    let mut access = Access::default();
    access.connections = vec![ConnectionLimit::new(zone, 1)];
    access.users = Some(Users::new("/nonexistent/users".into()));
    let guess = asked(&access, "192.0.2.1", "Authorization: Basic YW5uOndyb25n\r\n", 0);
    assert_eq!((guess.admission, guess.permits.len()), (UNAUTHORIZED, 1));
    assert_eq!(asked(&access, "192.0.2.1", "", 0).admission, Admission::Refused(Refusal::Limited(503)));
    drop(guess);
    assert_eq!(asked(&access, "192.0.2.1", "", 0).admission, UNAUTHORIZED);
}

/// nginx: each kind of limit counts a request once, wherever an error page leads it.
#[test]
fn an_exchange_is_counted_once() {
    let address = || Template::variable(Variable::RemoteAddr);
    let mut access = Access::default();
    let zone = ConnectionZone::new("c", address(), Arc::new(LimitConn::new(1 << 20)));
    access.connections = vec![ConnectionLimit::new(Arc::new(zone), 1)];
    let zone = RequestZone::new("r", address(), Arc::new(LimitReq::new(1 << 20, 1000)));
    access.requests = vec![RequestLimit::new(Arc::new(zone))];
    let nobody = asked(&Access::default(), "192.0.2.1", "", 0);
    assert_eq!(nobody.counted, Counted::default());
    let first = asked_again(&access, "192.0.2.1", "", 0, nobody.counted);
    assert_eq!((first.admission, first.permits.len()), (Admission::Granted, 1));
    let elsewhere = asked_again(&access, "192.0.2.1", "", 0, first.counted);
    assert_eq!((elsewhere.admission, elsewhere.permits.len()), (Admission::Granted, 0));
    assert_eq!(elsewhere.counted, first.counted);
    assert_eq!(asked(&access, "192.0.2.1", "", 0).admission, Admission::Refused(Refusal::Limited(503)));
}

/// As in nginx, whose key for it is `unix:`: no key would be no limit.
#[test]
fn who_comes_through_a_unix_socket_is_limited_by_address_too() {
    let key = Template::variable(Variable::BinaryRemoteAddr);
    let zone = RequestZone::new("r", key, Arc::new(LimitReq::new(1 << 20, 1000)));
    let mut access = Access::default();
    access.requests = vec![RequestLimit::new(Arc::new(zone))];
    assert_eq!(asked(&access, "unix:", "", 0).admission, Admission::Granted);
    assert_eq!(asked(&access, "unix:", "", 0).admission, Admission::Refused(Refusal::Limited(503)));
}

#[test]
fn rates_delay_and_refuse() {
    let zone = |key: &str| {
        let key = Template::variable(Variable::Http(key.into()));
        Arc::new(RequestZone::new("r", key, Arc::new(LimitReq::new(1 << 20, 1000))))
    };
    let mut limit = RequestLimit::new(zone("k"));
    (limit.burst, limit.status) = (1, 429);
    let mut access = Access::default();
    access.requests = vec![limit];
    let lines = "K: a\r\n";
    assert_eq!(asked(&access, "192.0.2.1", lines, 0).admission, Admission::Granted);
    let second = Admission::Delayed(Tick(1_000_000_000));
    assert_eq!(asked(&access, "192.0.2.1", lines, 0).admission, second);
    let third = asked(&access, "192.0.2.1", lines, 0);
    assert_eq!(third.admission, Admission::Refused(Refusal::Limited(429)));
    assert_eq!(third.notes[0].1, "limiting requests, excess: 2.000 by zone \"r\"");
    assert_eq!(asked(&access, "192.0.2.1", "", 0).admission, Admission::Granted, "no key, no limit");
    access.requests[0].dry_run = true;
    let dry = asked(&access, "192.0.2.1", lines, 0);
    assert_eq!(dry.admission, Admission::Granted);
    assert!(dry.notes[0].1.contains("dry run"));
}

/// nginx declines where no rule fits: with `satisfy any` that is no reason to let somebody in.
#[test]
fn an_address_that_no_rule_names_satisfies_nothing() {
    let mut access = Access::default();
    access.users = Some(Users::new("/nonexistent/users".into()));
    access.any = true;
    access.clients = vec![network(true, "192.0.2.0", 24)];
    assert_eq!(admission(&access, "198.51.100.1", ""), UNAUTHORIZED, "allow for others only");
    access.clients = vec![network(false, "192.0.2.0", 24)];
    assert_eq!(admission(&access, "198.51.100.1", ""), UNAUTHORIZED, "deny for others only");
}

/// nginx: where nobody is asked, the address alone decides.
#[test]
fn a_realm_that_is_off_doesnt_let_a_denied_address_in() {
    let mut access = Access::default();
    access.users = Some(Users::new("/nonexistent/users".into()));
    access.any = true;
    access.clients = vec![ClientRule::new(false, Who::All)];
    assert_eq!(admission(&access, "192.0.2.1", "Realm: off\r\n"), FORBIDDEN);
}
