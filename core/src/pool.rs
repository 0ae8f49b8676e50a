//! Idle upstream connections of one worker.
//!
//! A pool has no lock: a runtime's socket doesn't leave its reactor, and nginx's pool is per worker too.

use core::time::Duration;
use std::{collections::VecDeque, net::SocketAddr};

use crate::{
    Address,
    session::Dial,
    shared::{GroupId, KeepAlive, Lease},
    time::Tick,
};

/// Idle connections, of whatever type the shell has (E7).
#[derive(Debug)]
pub struct Pool<T> {
    /// Newest last, over all groups.
    idle: VecDeque<Idle<T>>,
}

#[derive(Debug)]
struct Idle<T> {
    group: GroupId,
    address: Address,
    /// Another source address would be another connection.
    bind: Option<SocketAddr>,
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
        Self { idle: VecDeque::new() }
    }
}

impl<T> Pool<T> {
    /// Takes the most recently used idle connection to the lease's peer, if the dial may reuse one.
    pub fn take(&mut self, dial: &Dial, lease: &Lease, now: Tick) -> Option<Pooled<T>> {
        if !dial.may_reuse() {
            return None;
        }
        let fits = |idle: &Idle<T>| {
            let same_ends = idle.address == *lease.address() && idle.bind == lease.bind();
            idle.expires > now && idle.group == lease.group() && same_ends
        };
        let at = self.idle.iter().rposition(fits)?;
        self.idle.remove(at).map(|idle| idle.connection)
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
        let group = lease.group();
        let held = self.idle.iter().filter(|idle| idle.group == group).count();
        let evicted = if held >= connections {
            let oldest = self.idle.iter().position(|idle| idle.group == group);
            oldest.and_then(|at| self.idle.remove(at)).map(|idle| idle.connection)
        } else {
            None
        };
        let expires = now.after(timeout);
        let (address, bind) = (lease.address().clone(), lease.bind());
        self.idle.push_back(Idle { group, address, bind, connection, expires });
        evicted
    }

    /// Takes a connection out whose idle time is over. Call until it says `None`.
    pub fn expire(&mut self, now: Tick) -> Option<T> {
        let at = self.idle.iter().position(|idle| idle.expires <= now)?;
        self.idle.remove(at).map(|idle| idle.connection.connection)
    }

    /// When the next connection expires.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        self.idle.iter().map(|idle| idle.expires).min()
    }

    /// Keeps the connections that `keep` says yes to, and drops the others: those that became readable while
    /// idle (E7), or all of them when draining.
    pub fn retain(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        self.idle.retain_mut(|idle| keep(&mut idle.connection.connection));
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

    #[test]
    fn leases_count_while_they_live() {
        let upstreams = table(1);
        let lease = upstreams.choose(&dial(true), Tick(0)).expect("a peer").0;
        assert_eq!(leases(&upstreams), 1);
        lease.report(crate::session::Verdict::Success, Tick(1));
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
}
