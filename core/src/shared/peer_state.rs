//! A peer at work: its leases, its health, its place in the order of turns.

use core::time::Duration;

use super::{
    dial_facts::DialFacts,
    peer::Peer,
    standing::{Load, Standing},
    sync::Arc,
};
use crate::{Address, time::Tick, verdict::Verdict};

/// One address of a `server` line.
#[derive(Debug)]
pub(super) struct PeerState {
    /// Never given to another peer of the group.
    pub(super) number: u32,
    /// Index of its line.
    pub(super) server: usize,
    pub(super) peer: Arc<Peer>,
    pub(super) address: Address,
    pub(super) standing: Standing,
    leases: u32,
    health: Health,
    /// Its name has this address no longer: it is kept until its last lease is over.
    leaving: bool,
}

impl PeerState {
    pub(super) fn new(number: u32, server: usize, peer: &Arc<Peer>, address: Address) -> Self {
        Self {
            number,
            server,
            peer: Arc::clone(peer),
            address,
            standing: Standing::new(peer.weight),
            leases: 0,
            health: Health::default(),
            leaving: false,
        }
    }

    pub(super) fn is_present(&self) -> bool {
        !self.leaving
    }

    pub(super) fn is_primary(&self) -> bool {
        self.is_present() && !self.peer.backup
    }

    /// Whether it can be chosen. A peer that is `alone` in its group is never taken for dead: there would be
    /// nobody else to ask.
    pub(super) fn may_be_chosen(&self, facts: &DialFacts<'_>, alone: bool) -> bool {
        self.is_present()
            && !self.peer.down
            && !facts.tried.contains(&self.number)
            && (self.peer.max_conns == 0 || self.leases < self.peer.max_conns)
            && (alone || !self.is_unavailable(facts.now))
    }

    pub(super) fn is_unavailable(&self, now: Tick) -> bool {
        self.health.is_unavailable(&self.peer, now)
    }

    pub(super) fn load(&self) -> Load {
        Load { leases: self.leases, weight: self.peer.weight }
    }

    pub(super) fn leases(&self) -> u32 {
        self.leases
    }

    pub(super) fn failures(&self) -> u32 {
        self.health.failures
    }

    /// A lease begins.
    pub(super) fn take(&mut self, now: Tick) {
        self.leases += 1;
        self.health.try_again(self.peer.fail_timeout, now);
    }

    /// A lease is over.
    pub(super) fn give_back(&mut self) {
        self.leases = self.leases.saturating_sub(1);
    }

    pub(super) fn judge(&mut self, verdict: Verdict, now: Tick) {
        match verdict {
            Verdict::Success => self.health.succeed(),
            Verdict::Failure => {
                self.health.fail(now);
                self.standing.fail(self.peer.weight, self.peer.max_fails);
            }
            Verdict::Unjudged => {}
        }
    }

    /// Its name has the address no longer, or has it again.
    pub(super) fn set_leaving(&mut self, leaving: bool) {
        self.leaving = leaving;
    }

    /// Whether nothing keeps it any more.
    pub(super) fn is_over(&self) -> bool {
        self.leaving && self.leases == 0
    }
}

/// What failures have come to: nginx's rules, with its seconds divided.
///
/// Failures are counted until a success. A peer with `max_fails` of them is left alone for `fail_timeout`; then
/// one exchange may try it, and for as long again no other: its failure keeps the peer out, its success
/// forgets all.
#[derive(Clone, Copy, Debug, Default)]
struct Health {
    failures: u32,
    failed: Tick,
    /// When it failed last, or was tried after a `fail_timeout` without failure.
    checked: Tick,
}

impl Health {
    fn is_unavailable(&self, peer: &Peer, now: Tick) -> bool {
        peer.max_fails > 0 && self.failures >= peer.max_fails && now.since(self.checked) < peer.fail_timeout
    }

    fn try_again(&mut self, fail_timeout: Duration, now: Tick) {
        if now.since(self.checked) >= fail_timeout {
            self.checked = now;
        }
    }

    fn fail(&mut self, now: Tick) {
        self.failures = self.failures.saturating_add(1);
        self.failed = now;
        self.checked = now;
    }

    /// A success counts when the peer was tried after its last failure: one that began before says nothing.
    fn succeed(&mut self) {
        if self.failed < self.checked {
            self.failures = 0;
        }
    }
}
