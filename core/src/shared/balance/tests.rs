//! What nginx was seen to choose, and what follows from its rules.

use std::sync::Arc;

use super::HashKey;
use crate::{
    Address,
    session::Dial,
    shared::{Balance, Group, GroupId, KeepAlive, Lease, Peer, Upstreams},
    template::Template,
    time::Tick,
    verdict::Verdict,
};

pub(super) const ID: GroupId = GroupId(0);

/// A peer whose last digit is its name in these tests.
pub(super) fn peer(digit: u16, change: impl FnOnce(&mut Peer)) -> Peer {
    let mut peer = Peer::new(address(digit));
    change(&mut peer);
    peer
}

pub(super) fn weight(digit: u16, weight: u32) -> Peer {
    peer(digit, |peer| peer.weight = weight)
}

pub(super) fn address(digit: u16) -> Address {
    Address::Ip(([127, 0, 0, 1], 19100 + digit).into())
}

pub(super) fn table(balance: Balance, peers: Vec<Peer>) -> Arc<Upstreams> {
    let group = Group::new("g", peers, KeepAlive::default()).balanced(balance);
    Arc::new(Upstreams::new(vec![group]))
}

pub(super) fn hash(consistent: bool) -> Balance {
    Balance::Hash { key: Template::literal(""), consistent }
}

pub(super) fn lease(table: &Arc<Upstreams>, dial: &Dial, now: Tick) -> Option<Lease> {
    table.choose(dial, now).ok().map(|choice| choice.0)
}

fn digit(lease: &Lease) -> char {
    let port = lease.address().port().expect("a port");
    char::from_digit(u32::from(port - 19100), 10).expect("a digit")
}

/// One exchange of one try, which is successful.
pub(super) fn visit(table: &Arc<Upstreams>, dial: &Dial) -> char {
    let lease = lease(table, dial, Tick(0)).expect("a peer");
    let digit = digit(&lease);
    lease.report(Verdict::Success, Tick(0));
    digit
}

/// One exchange: peers are tried until one is not among the `dead`.
fn tries(table: &Arc<Upstreams>, dead: &str, now: Tick) -> String {
    let mut dial = Dial::to(ID);
    let mut visited = String::new();
    while let Some(lease) = lease(table, &dial, now) {
        let name = digit(&lease);
        visited.push(name);
        dial.tried = dial.tried.iter().copied().chain([lease.number()]).collect();
        let fails = dead.contains(name);
        lease.report(if fails { Verdict::Failure } else { Verdict::Success }, now);
        if !fails {
            break;
        }
    }
    visited
}

fn rounds(table: &Arc<Upstreams>, dead: &str, count: usize) -> Vec<String> {
    (0..count).map(|_| tries(table, dead, Tick(0))).collect()
}

fn second(n: u64) -> Tick {
    Tick(n * 1_000_000_000)
}

/// The peers that nginx 1.22 was asked with: weights 3, 1, 2, and one that is down.
fn four() -> Vec<Peer> {
    vec![weight(1, 3), weight(2, 1), weight(3, 2), peer(4, |peer| peer.down = true)]
}

#[test]
fn turns_are_those_of_nginx() {
    let visits = |balance: Balance, peers, count: usize| {
        let table = table(balance, peers);
        (0..count).map(|_| visit(&table, &Dial::to(ID))).collect::<String>()
    };
    let five = || vec![weight(1, 5), weight(2, 1), weight(3, 1)];
    assert_eq!(visits(Balance::RoundRobin, five(), 14), "11213111121311");
    assert_eq!(visits(Balance::LeastConn, five(), 14), "11213111121311");
    let four = || vec![weight(1, 3), weight(2, 2), weight(3, 2), peer(4, |peer| peer.down = true)];
    assert_eq!(visits(Balance::RoundRobin, four(), 14), "12312311231231");
    assert_eq!(visits(hash(false), five(), 7), "1121311", "without a key, in turn");
    assert_eq!(visits(hash(true), five(), 7), "1121311", "without a key, in turn");
}

#[test]
fn keys_go_where_nginx_sends_them() {
    let visits = |consistent| {
        let table = table(hash(consistent), four());
        let dial = |n| Dial { key: HashKey::of(format!("key{n}").as_bytes()), ..Dial::to(ID) };
        (0..100).map(|n| visit(&table, &dial(n))).collect::<String>()
    };
    assert_eq!(visits(false), PLAIN);
    assert_eq!(visits(true), CONSISTENT);
}

/// `hash $arg_k` for key0 to key99.
const PLAIN: &str = "11221332131323133132113131121311312333133333133131\
    31131113121231123133113111333111311211313312211221";

/// The same with `consistent`.
const CONSISTENT: &str = "22122311211111312113333321323211331133112221323113\
    31133111321311313112123311311113133331113211113321";

#[test]
fn a_key_that_meets_a_point_goes_to_its_peer() {
    // A point is the CRC-32 of host, zero and port of its peer with the point before: a key can be that text.
    let named = |digit, name: &str| peer(digit, |peer| peer.name = name.into());
    let names =
        [("127.0.0.1:19101", "127.0.0.1", "19101"), ("[::1]", "[::1]", ""), ("unix:/a:1", "/a:1", "")];
    let peers = (1..).zip(names).map(|(digit, (name, ..))| named(digit, name)).collect();
    let table = table(hash(true), peers);
    for (digit, (name, host, port)) in ('1'..).zip(names) {
        let mut position = 0_u32;
        for _ in 0..160 {
            let text = [host.as_bytes(), &[0], port.as_bytes(), &position.to_le_bytes()].concat();
            let key = HashKey::of(&text);
            position = key.crc();
            assert_eq!(visit(&table, &Dial { key, ..Dial::to(ID) }), digit, "{name} at {position}");
        }
    }
}

#[test]
fn peers_without_any_weight_have_turns() {
    // Less than 1 is no weight; but who has built a group in code gets no panic for it.
    for balance in [
        hash(false),
        hash(true),
        Balance::IpHash,
        Balance::Random { two: false },
        Balance::Random { two: true },
    ] {
        let table = table(balance.clone(), vec![weight(1, 0), weight(2, 0)]);
        let dial = Dial { key: HashKey::of(b"k"), client: Some([10, 0, 0, 1].into()), ..Dial::to(ID) };
        assert!("12".contains(visit(&table, &dial)), "{balance:?}");
    }
}

#[test]
fn chance_alone_decides_where_it_decides() {
    for two in [false, true] {
        let table = table(Balance::Random { two }, vec![weight(1, 1), weight(2, 1), weight(3, 1)]);
        for chance in 0..50 {
            let dial = Dial { chance, ..Dial::to(ID) };
            assert_eq!(visit(&table, &dial), visit(&table, &dial), "nobody has his turn: {two} {chance}");
        }
    }
}

#[test]
fn clients_go_where_nginx_sends_them() {
    let table = table(Balance::IpHash, four());
    let visits = |address: &dyn Fn(u32) -> String| {
        let dial = |n| Dial { client: Some(address(n).parse().expect("an address")), ..Dial::to(ID) };
        (0..60).map(|n| visit(&table, &dial(n))).collect::<String>()
    };
    let four = visits(&|n| format!("10.{}.{}.{n}", n * 7 % 256, n * 13 % 256));
    assert_eq!(four, "211123332111333321111111333211111332113312333211133332111133");
    let six = visits(&|n| format!("2a00:{n:x}:{:x}::{:x}", n * n, n * 977));
    assert_eq!(six, "131132131313332111111211333131323112132311211111133211112133");
}

#[test]
fn a_key_stays_with_its_peer_and_leaves_only_a_dead_one() {
    for balance in [hash(false), hash(true), Balance::IpHash] {
        let whole = table(balance.clone(), (1..6).map(|n| weight(n, 1)).collect());
        let dial = |n: u32| Dial {
            key: HashKey::of(&n.to_le_bytes()),
            client: Some(std::net::Ipv4Addr::from(n << 8).into()),
            ..Dial::to(ID)
        };
        let before: Vec<_> = (0..500).map(|n| visit(&whole, &dial(n))).collect();
        let again: Vec<_> = (0..500).map(|n| visit(&whole, &dial(n))).collect();
        assert_eq!(before, again);
        let third =
            whole.choose(&dial(before.iter().position(|name| *name == '3').expect("one") as u32), Tick(0));
        third.expect("a peer").0.report(Verdict::Failure, Tick(0));
        let after: Vec<_> = (0..500).map(|n| visit(&whole, &dial(n))).collect();
        for (before, after) in before.iter().zip(&after) {
            assert!(*after != '3' && (before == after || *before == '3'));
        }
    }
}

#[test]
fn fewest_leases_for_their_weight() {
    let table = table(Balance::LeastConn, vec![weight(1, 2), weight(2, 1), weight(3, 1)]);
    let mut leases: Vec<_> = (0..8).filter_map(|_| lease(&table, &Dial::to(ID), Tick(0))).collect();
    assert_eq!(leases.iter().map(digit).collect::<String>(), "12313121");
    leases.retain(|lease| digit(lease) != '2');
    let next: Vec<_> = (0..2).filter_map(|_| lease(&table, &Dial::to(ID), Tick(0))).collect();
    assert_eq!(next.iter().map(digit).collect::<String>(), "22");
}

/// What nginx 1.22 did with one peer that refuses.
#[test]
fn failures_are_counted_and_their_weight_is_lost() {
    let dead = peer(9, |peer| (peer.max_fails, peer.weight) = (2, 2));
    let table = table(Balance::RoundRobin, vec![dead, weight(1, 1), weight(2, 3)]);
    let expected = ["2", "91", "2", "2", "92", "1", "2", "2", "2", "1", "2", "2", "2", "1", "2", "2"];
    assert_eq!(rounds(&table, "9", 16), expected);
}

#[test]
fn backups_are_asked_when_nobody_else_can_be() {
    let backup = |digit, weight| peer(digit, |peer| (peer.backup, peer.weight) = (true, weight));
    let peers = || vec![weight(9, 1), backup(1, 1), backup(2, 2)];
    let round_robin = table(Balance::RoundRobin, peers());
    assert_eq!(rounds(&round_robin, "9", 6), ["92", "1", "2", "2", "1", "2"]);
    // It has come back.
    assert_eq!(tries(&round_robin, "", second(10)), "9");
    assert_eq!(rounds(&round_robin, "", 3), ["9", "9", "9"]);
    let least_conn = table(Balance::LeastConn, peers());
    assert_eq!(rounds(&least_conn, "9", 3), ["92", "1", "2"]);
    let tries = |group: &Arc<Upstreams>| group.group(ID).expect("a group").tries();
    assert_eq!(tries(&table(Balance::RoundRobin, four())), 3, "all that are not down");
    assert_eq!(tries(&round_robin), 3, "backups, too");
}

#[test]
fn nobody_is_left_when_all_have_failed() {
    let dead = table(Balance::RoundRobin, vec![weight(8, 1), weight(9, 1)]);
    assert_eq!(rounds(&dead, "89", 3), ["89", "", ""]);
    let alone = table(Balance::RoundRobin, vec![weight(9, 1)]);
    assert_eq!(rounds(&alone, "9", 3), ["9", "9", "9"], "there is nobody else to ask");
    let down = table(Balance::RoundRobin, vec![peer(9, |peer| peer.down = true)]);
    assert_eq!(rounds(&down, "", 1), [""]);
}

#[test]
fn one_exchange_tries_a_peer_that_was_left_alone() {
    let table = table(Balance::RoundRobin, vec![weight(9, 1), weight(1, 1)]);
    assert_eq!(tries(&table, "9", second(0)), "91");
    let is_left_alone = |now| (0..8).all(|_| tries(&table, "", now) == "1");
    // It lost its weight, and has its turn when it has earned some.
    let first_to_try = |now| {
        let mut leases = (0..8).filter_map(|_| lease(&table, &Dial::to(ID), now));
        leases.find(|lease| digit(lease) == '9').expect("it is tried again")
    };
    assert!(is_left_alone(Tick(9_999_999_999)));
    let probe = first_to_try(second(10));
    assert!(is_left_alone(second(10)), "one is enough");
    probe.report(Verdict::Failure, second(11));
    assert!(is_left_alone(Tick(20_999_999_999)), "it failed again");
    drop(first_to_try(second(21)));
    assert!(is_left_alone(second(30)), "nobody knows what became of that");
    let tunnel = first_to_try(second(31));
    tunnel.judge(Verdict::Success, second(31));
    assert!(!is_left_alone(second(31)), "a tunnel that has opened is answer enough");
}

#[test]
fn a_success_from_before_a_failure_says_nothing() {
    let table = table(Balance::RoundRobin, vec![weight(9, 1), weight(1, 1)]);
    let early = lease(&table, &Dial::to(ID), second(0)).expect("a peer");
    let late = lease(&table, &Dial { tried: [1].into(), ..Dial::to(ID) }, second(1)).expect("a peer");
    assert_eq!((digit(&early), digit(&late)), ('9', '9'));
    late.report(Verdict::Failure, second(2));
    early.report(Verdict::Success, second(3));
    assert!(table.status(ID, second(3))[0].unavailable);
}

#[test]
fn failures_are_not_counted_where_they_are_not_to_be() {
    let peers = vec![peer(9, |peer| peer.max_fails = 0), weight(1, 1)];
    let table = table(Balance::RoundRobin, peers);
    assert_eq!(rounds(&table, "9", 4), ["91", "1", "91", "1"]);
}

#[test]
fn a_full_peer_is_passed_over() {
    for balance in [Balance::RoundRobin, Balance::LeastConn, hash(false), hash(true), Balance::IpHash] {
        let limited = |digit, max| peer(digit, |peer| peer.max_conns = max);
        let table = table(balance, vec![limited(1, 2), limited(2, 1)]);
        let dial = Dial { key: HashKey::of(b"k"), ..Dial::to(ID) };
        let mut leases: Vec<_> = (0..9).filter_map(|_| lease(&table, &dial, Tick(0))).collect();
        let mut digits: Vec<_> = leases.iter().map(digit).collect();
        digits.sort_unstable();
        assert_eq!(digits, ['1', '1', '2']);
        leases.retain(|lease| digit(lease) != '2');
        assert_eq!(lease(&table, &dial, Tick(0)).as_ref().map(digit), Some('2'));
    }
}

#[test]
fn chance_follows_weight() {
    let share = |two| {
        let table = table(Balance::Random { two }, four());
        let visits = (0..6000).map(|chance| visit(&table, &Dial { chance, ..Dial::to(ID) }));
        visits.fold([0; 5], |mut counts, digit| {
            counts[digit.to_digit(10).expect("a digit") as usize] += 1;
            counts
        })
    };
    // Of 6000: 3000, 1000 and 2000, with a standard deviation of at most 39.
    let [_, a, b, c, d] = share(false);
    assert!((2800..3200).contains(&a) && (850..1150).contains(&b) && (1800..2200).contains(&c) && d == 0);
    assert_eq!(share(false), share(false), "the same seeds draw the same");
    assert_eq!(share(true)[4], 0);
}

#[test]
fn of_two_by_chance_the_one_with_fewer_leases() {
    let table = table(Balance::Random { two: true }, vec![weight(1, 1), weight(2, 1)]);
    let dial = |chance| Dial { chance, ..Dial::to(ID) };
    let leases: Vec<_> = (0..200).filter_map(|chance| lease(&table, &dial(chance), Tick(0))).collect();
    let ones = leases.iter().filter(|lease| digit(lease) == '1').count();
    assert_eq!(ones, 100);
}

#[test]
fn peers_come_and_go_with_their_name() {
    let ip = |n| std::net::IpAddr::from([10, 0, 0, n]);
    let named = || {
        let mut peer = Peer::resolved("origin.test", 80);
        peer.max_conns = 1;
        peer
    };
    for balance in [Balance::RoundRobin, hash(true)] {
        let table = table(balance, vec![named()]);
        let name = table.names().next().expect("a name");
        assert_eq!((name.host, name.port, name.group, name.server), ("origin.test", 80, ID, 0));
        let dial = Dial { key: HashKey::of(b"k"), ..Dial::to(ID) };
        let next = || lease(&table, &dial, Tick(0));
        assert!(next().is_none());
        assert!(table.update(ID, 0, &[ip(1), ip(2), ip(1)]));
        assert_eq!(table.group(ID).expect("a group").size(), 2);
        let (one, two) = (next().expect("a peer"), next().expect("a peer"));
        assert!(next().is_none(), "all are full");
        // One is gone, and its lease stays; another has come.
        assert!(table.update(ID, 0, &[ip(3), ip(2)]));
        let three = next().expect("a peer");
        assert_eq!(three.address().to_string(), "10.0.0.3:80");
        assert!(next().is_none());
        // It is back, and its lease still counts.
        assert!(table.update(ID, 0, &[ip(1), ip(2), ip(3)]));
        assert!(next().is_none());
        one.report(Verdict::Success, Tick(0));
        let again = next().expect("a peer");
        assert_eq!(again.address().to_string(), "10.0.0.1:80");
        // A lease on a peer that is gone for good ends as any other.
        assert!(table.update(ID, 0, &[]));
        assert_eq!(table.status(ID, Tick(0)), []);
        again.report(Verdict::Failure, Tick(0));
        drop((two, three));
        assert!(table.update(ID, 0, &[ip(1)]));
        let status = table.status(ID, Tick(0));
        assert_eq!((status[0].leases, status[0].failures), (0, 0));
        assert!(!table.update(ID, 1, &[]) && !table.update(GroupId(1), 0, &[]));
    }
}

#[test]
fn a_new_configuration_takes_over_what_names_meant() {
    let ip = |n| std::net::IpAddr::from([10, 0, 0, n]);
    let group = |name, host| Group::new(name, vec![Peer::resolved(host, 80)], KeepAlive::default());
    let before = Upstreams::new(vec![group("a", "x.test"), group("b", "x.test"), group("c", "y.test")]);
    for (id, n) in [(0, 1), (1, 2), (2, 3)] {
        before.update(GroupId(id), 0, &[ip(n)]);
    }
    let after = Upstreams::new(vec![group("b", "x.test"), group("c", "z.test"), group("a", "x.test")]);
    after.inherit(&before);
    let addresses = |id| {
        let status = after.status(GroupId(id), Tick(0));
        status.iter().map(|peer| peer.address.to_string()).collect::<Vec<_>>()
    };
    assert_eq!((addresses(0), addresses(2)), (vec!["10.0.0.2:80".into()], vec!["10.0.0.1:80".into()]));
    assert!(addresses(1).is_empty());
}

#[test]
fn choosing_and_judging_takes_no_memory() {
    let balances = [
        Balance::RoundRobin,
        Balance::LeastConn,
        Balance::IpHash,
        hash(false),
        hash(true),
        Balance::Random { two: false },
        Balance::Random { two: true },
    ];
    for balance in balances {
        let table = table(balance.clone(), (1..6).map(|n| weight(n, 1)).collect());
        let counted = allocation_counter::measure(|| {
            for n in 0_u32..100 {
                let key = HashKey::of(&n.to_le_bytes());
                let client = Some(std::net::Ipv4Addr::from(n << 8).into());
                visit(&table, &Dial { key, client, chance: n.into(), ..Dial::to(ID) });
            }
        });
        assert_eq!(counted.count_total, 0, "{balance:?}");
    }
}
