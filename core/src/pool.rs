//! Idle upstream connections of one worker.
//!
//! A pool has no lock: a runtime's socket doesn't leave its reactor, and nginx's pool is per worker too.

use core::time::Duration;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};

use crate::{
    Address, TlsPeer,
    session::Dial,
    shared::{GroupId, KeepAlive, Lease},
    time::Tick,
};

/// Idle connections, of whatever type the shell has (E7). Whatever is asked of it takes a search among sorted things,
/// however many connections and groups there are.
#[derive(Debug)]
pub struct Pool<T> {
    /// By the number of the return: the higher, the later.
    idle: BTreeMap<Number, Idle<T>>,
    /// In a place, the last is the most recently used one: it is also the last to expire, unless a reload has changed
    /// for how long.
    places: BTreeSet<(Place, Tick, Number)>,
    groups: BTreeMap<GroupId, BTreeSet<Number>>,
    expiries: BTreeSet<(Tick, Number)>,
    returns: Number,
}

type Number = u64;

/// What has to be equal for a connection to serve another exchange.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    group: GroupId,
    address: Address,
    /// Another source address would be another connection.
    bind: Option<SocketAddr>,
    /// Neither is a name's connection another name's, nor one of other settings (H4).
    tls: Option<Arc<TlsPeer>>,
}

impl Place {
    fn of(lease: &Lease) -> Self {
        let (group, address) = (lease.group(), lease.address().clone());
        Self { group, address, bind: lease.bind(), tls: lease.tls().cloned() }
    }
}

#[derive(Debug)]
struct Idle<T> {
    place: Place,
    connection: Pooled<T>,
    expires: Tick,
}

/// A connection that can be pooled, with its age and use.
#[derive(Debug)]
pub struct Pooled<T> {
    /// The connection.
    pub connection: T,
    born: Tick,
    requests: u32,
}

impl<T> Pooled<T> {
    /// A connection made at `born` that has served no request yet.
    #[must_use]
    pub fn new(connection: T, born: Tick) -> Self {
        Self { connection, born, requests: 0 }
    }
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self {
            idle: BTreeMap::new(),
            places: BTreeSet::new(),
            groups: BTreeMap::new(),
            expiries: BTreeSet::new(),
            returns: 0,
        }
    }
}

impl<T> Pool<T> {
    /// Takes the most recently used idle connection to the lease's peer, if the dial may reuse one.
    pub fn take(&mut self, dial: &Dial, lease: &Lease, now: Tick) -> Option<Pooled<T>> {
        if !dial.may_reuse() {
            return None;
        }
        let place = Place::of(lease);
        let alive =
            (place.clone(), now.after(Duration::from_nanos(1)), 0)..=(place, Tick(u64::MAX), Number::MAX);
        let (_, _, newest) = self.places.range(alive).next_back()?;
        self.remove(*newest)
    }

    /// Keeps a clean connection. What doesn't fit comes back, to be closed: this one, when it is too old or
    /// was used enough, else the group's least recently used, when the group has more than it may keep.
    pub fn put(&mut self, lease: &Lease, mut connection: Pooled<T>, now: Tick) -> Option<Pooled<T>> {
        let KeepAlive { connections, requests, time, timeout } = lease.keepalive();
        connection.requests += 1;
        let too_old = connection.requests >= requests || now.since(connection.born) >= time;
        if connections == 0 || timeout == Duration::ZERO || too_old {
            return Some(connection);
        }
        let place = Place::of(lease);
        let group = self.groups.get(&place.group).filter(|group| group.len() >= connections);
        let oldest = group.and_then(|group| group.first().copied());
        let evicted = oldest.and_then(|oldest| self.remove(oldest));
        self.returns += 1;
        let (number, expires) = (self.returns, now.after(timeout));
        self.groups.entry(place.group).or_default().insert(number);
        self.places.insert((place.clone(), expires, number));
        self.expiries.insert((expires, number));
        self.idle.insert(number, Idle { place, connection, expires });
        evicted
    }

    /// Takes a connection out whose idle time is over. Call until it says `None`.
    pub fn expire(&mut self, now: Tick) -> Option<T> {
        let &(expires, number) = self.expiries.first()?;
        if expires > now {
            return None;
        }
        self.remove(number).map(|pooled| pooled.connection)
    }

    fn remove(&mut self, number: Number) -> Option<Pooled<T>> {
        let Idle { place, connection, expires } = self.idle.remove(&number)?;
        if let Some(group) = self.groups.get_mut(&place.group) {
            group.remove(&number);
        }
        self.places.remove(&(place, expires, number));
        self.expiries.remove(&(expires, number));
        Some(connection)
    }

    /// When the next connection expires.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        self.expiries.first().map(|(expires, _)| *expires)
    }

    /// Keeps the connections that `keep` says yes to, and drops the others: those that became readable while
    /// idle (E7), or all of them when draining. This one looks at every connection.
    pub fn retain(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        let all = self.idle.iter_mut();
        let dropped: Vec<Number> = all
            .filter_map(|(number, idle)| (!keep(&mut idle.connection.connection)).then_some(*number))
            .collect();
        for number in dropped {
            self.remove(number);
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.idle.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.idle.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::shared::{Group, Peer, Upstreams};

    fn dial(may_reuse: bool) -> Dial {
        Dial { may_reuse, ..Dial::to(GroupId(0)) }
    }

    fn table(connections: usize) -> Arc<Upstreams> {
        let address = "127.0.0.1:9".parse::<SocketAddr>().expect("an address");
        let settings = KeepAlive { connections, requests: 3, ..KeepAlive::default() };
        Arc::new(Upstreams::new(vec![Group::new("g", vec![Peer::new(address.into())], settings)]))
    }

    #[test]
    fn newest_first_within_the_limits() {
        let upstreams = table(2);
        let lease = upstreams.choose(&dial(true), Tick(0)).expect("a peer").0;
        let mut pool = Pool::default();
        assert!(pool.put(&lease, Pooled::new('a', Tick(0)), Tick(1)).is_none());
        assert!(pool.put(&lease, Pooled::new('b', Tick(0)), Tick(2)).is_none());
        let evicted = pool.put(&lease, Pooled::new('c', Tick(0)), Tick(3));
        assert_eq!(evicted.map(|p| p.connection), Some('a'));
        assert!(
            pool.take(&dial(false), &lease, Tick(4)).is_none(),
            "an upgrade never goes on a pooled connection"
        );
        let taken = pool.take(&dial(true), &lease, Tick(4)).expect("one is idle");
        assert_eq!(taken.connection, 'c');
        assert!(pool.put(&lease, taken, Tick(5)).is_none(), "its second request");
        let taken = pool.take(&dial(true), &lease, Tick(6)).expect("one is idle");
        assert_eq!(pool.put(&lease, taken, Tick(7)).map(|p| p.connection), Some('c'), "keepalive_requests");
        let minute = Tick(0).after(Duration::from_secs(61));
        assert!(pool.take(&dial(true), &lease, minute).is_none(), "expired");
        assert_eq!(pool.expire(minute), Some('b'));
        assert_eq!(pool.expire(minute), None);
        assert!(pool.is_empty());
    }

    fn leases(upstreams: &Upstreams) -> u32 {
        upstreams.status(GroupId(0), Tick(0)).iter().map(|peer| peer.leases).sum()
    }

    #[test]
    fn another_source_address_is_another_connection() {
        let upstreams = table(2);
        let mut bound = dial(true);
        bound.socket.bind = Some("192.0.2.1:0".parse().expect("an address"));
        let lease = |dial: &Dial| upstreams.choose(dial, Tick(0)).expect("a peer").0;
        let mut pool = Pool::default();
        assert!(pool.put(&lease(&bound), Pooled::new('a', Tick(0)), Tick(0)).is_none());
        assert!(pool.take(&dial(true), &lease(&dial(true)), Tick(0)).is_none());
        assert!(pool.take(&bound, &lease(&bound), Tick(0)).is_some());
    }

    /// H4: what was verified for one name, or by some settings, says nothing of others.
    #[test]
    fn another_name_or_other_settings_of_tls_are_another_connection() {
        let upstreams = table(8);
        let secured = |settings: u32, name: &str| {
            let tls = Some(Arc::new(TlsPeer {
                settings: crate::config::TlsSettingsId(settings),
                name: name.into(),
            }));
            Dial { tls, ..dial(true) }
        };
        let all = [dial(true), secured(0, "a"), secured(0, "b"), secured(1, "a")];
        let lease = |dial: &Dial| upstreams.choose(dial, Tick(0)).expect("a peer").0;
        for (number, dial) in all.iter().enumerate() {
            let mut pool = Pool::default();
            assert!(pool.put(&lease(dial), Pooled::new('a', Tick(0)), Tick(0)).is_none());
            for (other, asked) in all.iter().enumerate().filter(|(other, _)| *other != number) {
                assert!(pool.take(asked, &lease(asked), Tick(0)).is_none(), "{number} {other}");
            }
            assert!(pool.take(dial, &lease(dial), Tick(0)).is_some(), "{number}");
        }
    }

    #[test]
    fn leases_count_while_they_live() {
        let upstreams = table(1);
        let lease = upstreams.choose(&dial(true), Tick(0)).expect("a peer").0;
        assert_eq!(leases(&upstreams), 1);
        lease.report(crate::Verdict::Success, Tick(1));
        assert_eq!(leases(&upstreams), 0);
    }

    #[test]
    fn nothing_is_kept_where_nothing_may_be() {
        for change in [
            |settings: &mut KeepAlive| settings.connections = 0,
            |settings: &mut KeepAlive| settings.timeout = Duration::ZERO,
            |settings: &mut KeepAlive| settings.time = Duration::from_nanos(5),
        ] {
            let address = "127.0.0.1:9".parse::<SocketAddr>().expect("an address");
            let mut settings = KeepAlive::default();
            change(&mut settings);
            let group = Group::new("g", vec![Peer::new(address.into())], settings);
            let lease = Arc::new(Upstreams::new(vec![group])).choose(&dial(true), Tick(0)).expect("a peer").0;
            let mut pool = Pool::default();
            assert!(pool.put(&lease, Pooled::new('a', Tick(0)), Tick(5)).is_some());
            assert!(pool.is_empty());
        }
    }

    #[test]
    fn what_is_idle_is_counted_until_its_time_has_come() {
        let upstreams = table(4);
        let lease = upstreams.choose(&dial(true), Tick(0)).expect("a peer").0;
        let mut pool = Pool::default();
        assert_eq!((pool.len(), pool.is_empty(), pool.deadline()), (0, true, None));
        for (name, at) in [('b', 7), ('a', 3), ('c', 9)] {
            assert!(pool.put(&lease, Pooled::new(name, Tick(0)), Tick(at)).is_none());
        }
        let first = Tick(3).after(Duration::from_secs(60));
        assert_eq!((pool.len(), pool.is_empty(), pool.deadline()), (3, false, Some(first)));
        // Those that became readable while they were idle.
        pool.retain(|name| *name == 'a');
        assert_eq!((pool.len(), pool.deadline()), (1, Some(first)));
        assert!(pool.take(&dial(true), &lease, first).is_none());
        assert_eq!(pool.expire(Tick(first.0 - 1)), None);
        assert_eq!((pool.expire(first), pool.len()), (Some('a'), 0));
    }

    /// What a pool was before it was sorted: one list, newest last, in which everything is looked for.
    #[derive(Default)]
    struct List(Vec<(GroupId, Address, u32, Tick)>);

    impl List {
        fn take(&mut self, lease: &Lease, now: Tick) -> Option<u32> {
            let fits = |(group, address, _, expires): &(GroupId, Address, u32, Tick)| {
                (*group, address) == (lease.group(), lease.address()) && *expires > now
            };
            let at = self.0.iter().rposition(fits)?;
            Some(self.0.remove(at).2)
        }

        fn put(&mut self, lease: &Lease, name: u32, now: Tick) -> Option<u32> {
            let KeepAlive { connections, timeout, .. } = lease.keepalive();
            let is_ours = |(group, ..): &(GroupId, Address, u32, Tick)| *group == lease.group();
            let evicted = (self.0.iter().filter(|idle| is_ours(idle)).count() >= connections)
                .then(|| self.0.iter().position(is_ours))
                .flatten()
                .map(|at| self.0.remove(at).2);
            self.0.push((lease.group(), lease.address().clone(), name, now.after(timeout)));
            evicted
        }
    }

    proptest::proptest! {
        #[test]
        fn it_does_what_a_list_does(steps in proptest::collection::vec((0..3_u8, 0..3_usize, 0..3_u64), 0..200)) {
            let group = |name: &str, ports: &[u16]| {
                let peers = ports.iter().map(|port| Peer::new(SocketAddr::from(([127, 0, 0, 1], *port)).into()));
                let timeout = Duration::from_nanos(9 + name.len() as u64);
                let settings = KeepAlive { connections: 3, requests: 1000, timeout, ..KeepAlive::default() };
                Group::new(name, peers.collect(), settings)
            };
            let upstreams = Arc::new(Upstreams::new(vec![group("a", &[1, 2]), group("bb", &[3]), group("a", &[1])]));
            let (mut pool, mut list, mut now) = (Pool::default(), List::default(), Tick(0));
            for (number, (step, group, pause)) in (0..).zip(steps) {
                now = now.after(Duration::from_nanos(pause));
                let dial = Dial { may_reuse: true, ..Dial::to(GroupId(group)) };
                let lease = upstreams.choose(&dial, now).expect("a peer").0;
                if step == 0 {
                    let taken = pool.take(&dial, &lease, now).map(|pooled| pooled.connection);
                    proptest::prop_assert_eq!(taken, list.take(&lease, now));
                } else {
                    let evicted = pool.put(&lease, Pooled::new(number, now), now).map(|pooled| pooled.connection);
                    proptest::prop_assert_eq!(evicted, list.put(&lease, number, now));
                }
                lease.report(crate::Verdict::Success, now);
                proptest::prop_assert_eq!(pool.len(), list.0.len());
                proptest::prop_assert_eq!(pool.deadline(), list.0.iter().map(|(.., expires)| *expires).min());
                if number % 5 == 0 {
                    let mut expired: Vec<u32> = std::iter::from_fn(|| pool.expire(now)).collect();
                    expired.sort_unstable();
                    let over: Vec<u32> =
                        list.0.iter().filter(|(.., expires)| *expires <= now).map(|(_, _, name, _)| *name).collect();
                    list.0.retain(|(.., expires)| *expires > now);
                    proptest::prop_assert_eq!(expired, over);
                }
            }
        }
    }
}
