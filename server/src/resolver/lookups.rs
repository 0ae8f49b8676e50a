//! The names that are asked for, and who makes room for whom.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Asker, Bounds, answer::Promise, question::Question, wires::Target};

/// A name that is asked for.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) name: Arc<str>,
    /// Who waits for it, and on whose behalf.
    askers: Vec<(Asker, Promise)>,
    /// In whose share it is: that of one who waits, or has waited.
    counts_for: Asker,
    began: Instant,
    pub(super) questions: Vec<Question>,
    pub(super) found: Vec<IpAddr>,
    pub(super) valid: Duration,
    pub(super) failure: io::ErrorKind,
}

/// All of them, by numbers that grow: the lowest is the oldest.
#[derive(Debug)]
pub(super) struct Lookups {
    bounds: Bounds,
    by_number: BTreeMap<u64, Lookup>,
    by_name: HashMap<Arc<str>, u64>,
    by_asker: HashMap<Asker, BTreeSet<u64>>,
    next: u64,
}

/// What becomes of a name that is asked for.
#[derive(Debug)]
pub(super) enum Entry {
    /// It is asked for already; whoever asks waits with the others.
    Joined,
    /// It has this number, and no question yet.
    New(u64),
    /// There is no room.
    Refused,
}

impl Lookups {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            by_number: BTreeMap::new(),
            by_name: HashMap::new(),
            by_asker: HashMap::new(),
            next: 0,
        }
    }

    /// Takes a name in. What makes room for it goes to `removed`, its questions still on their way.
    pub(super) fn enter(
        &mut self,
        name: Arc<str>,
        asker: Asker,
        promise: Promise,
        now: Instant,
        removed: &mut Vec<Lookup>,
    ) -> Entry {
        if let Some(lookup) = self.by_name.get(&name).and_then(|number| self.by_number.get_mut(number)) {
            lookup.askers.push((asker, promise));
            return Entry::Joined;
        }
        if !self.make_room(asker, now, removed) {
            promise.keep(Err(io::ErrorKind::QuotaExceeded.into()));
            return Entry::Refused;
        }
        let number = self.next;
        self.next += 1;
        self.by_name.insert(Arc::clone(&name), number);
        self.by_asker.entry(asker).or_default().insert(number);
        let lookup = Lookup {
            name,
            askers: vec![(asker, promise)],
            counts_for: asker,
            began: now,
            questions: Vec::new(),
            found: Vec::new(),
            valid: Duration::MAX,
            failure: io::ErrorKind::NotFound,
        };
        self.by_number.insert(number, lookup);
        Entry::New(number)
    }

    pub(super) fn question(&self, target: Target) -> Option<&Question> {
        self.by_number.get(&target.lookup)?.questions.get(target.question)
    }

    pub(super) fn find(&mut self, number: u64) -> Option<&mut Lookup> {
        self.by_number.get_mut(&number)
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Lookup> {
        let lookup = self.by_number.remove(&number)?;
        self.by_name.remove(&lookup.name);
        self.leave_share(lookup.counts_for, number);
        Some(lookup)
    }

    /// A client with many names makes room for itself, and everybody together for whoever comes. A name that is
    /// not overdue makes none: most likely its answer is on its way.
    fn make_room(&mut self, asker: Asker, now: Instant, removed: &mut Vec<Lookup>) -> bool {
        if let Some(share) = self.by_asker.get(&asker)
            && asker != Asker::Gateway
            && share.len() >= self.bounds.names_of_a_client
        {
            let oldest = share.first().copied().filter(|number| self.is_overdue(*number, now));
            let Some(oldest) = oldest else { return false };
            removed.extend(self.desert(oldest, asker));
        }
        if self.by_number.len() >= self.bounds.names {
            let oldest = self.by_number.first_key_value().map(|(number, _)| *number);
            let Some(oldest) = oldest.filter(|number| self.is_overdue(*number, now)) else { return false };
            removed.extend(self.remove(oldest));
        }
        true
    }

    fn is_overdue(&self, number: u64, now: Instant) -> bool {
        let lookup = self.by_number.get(&number);
        lookup.is_some_and(|lookup| now.saturating_duration_since(lookup.began) >= self.bounds.overdue)
    }

    /// Nobody waits on behalf of `asker` any more. Where others do, it counts for one of them from now on.
    fn desert(&mut self, number: u64, asker: Asker) -> Option<Lookup> {
        let lookup = self.by_number.get_mut(&number)?;
        let (leaving, staying) =
            std::mem::take(&mut lookup.askers).into_iter().partition(|(waiting, _)| *waiting == asker);
        lookup.askers = staying;
        let heir = lookup.askers.iter().find(|(_, promise)| promise.is_wanted()).map(|(heir, _)| *heir);
        if let Some(heir) = heir {
            lookup.counts_for = heir;
            fail(leaving, io::ErrorKind::TimedOut);
            self.leave_share(asker, number);
            self.by_asker.entry(heir).or_default().insert(number);
            return None;
        }
        lookup.askers.extend(leaving);
        self.remove(number)
    }

    fn leave_share(&mut self, asker: Asker, number: u64) {
        if let Some(share) = self.by_asker.get_mut(&asker) {
            share.remove(&number);
            if share.is_empty() {
                self.by_asker.remove(&asker);
            }
        }
    }
}

impl Lookup {
    /// Whether anybody waits.
    pub(super) fn is_wanted(&self) -> bool {
        self.askers.iter().any(|(_, promise)| promise.is_wanted())
    }

    /// Tells whoever waits.
    pub(super) fn end(mut self) {
        if self.found.is_empty() {
            return fail(self.askers, self.failure);
        }
        for (_, promise) in self.askers {
            promise.keep(Ok(self.found.clone()));
            let next = usize::from(self.found.len() > 1);
            self.found.rotate_left(next);
        }
    }
}

fn fail(askers: Vec<(Asker, Promise)>, failure: io::ErrorKind) {
    for (_, promise) in askers {
        promise.keep(Err(failure.into()));
    }
}
