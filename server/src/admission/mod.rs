//! Whether a request may go on: limits, addresses, credentials. The one place where that is decided; a shell asks
//! it when its session says [`underpass_core::Output::Admit`].

mod passwords;

use std::{
    fmt,
    future::Future,
    io,
    path::{Path, PathBuf},
    pin::Pin,
    thread,
};

use underpass_core::{
    Address, Admission, Claim, Now, Record, Refusal, Severity,
    config::{AdmissionId, MaxTunnels},
    shared::{Demand, Permit, admit_request},
};
use underpass_nginx_config::{Access, ConnectionLimit, RequestLimit, Who};

use crate::threads::{Client, Full, Threads};
use passwords::Found;

/// The rules of a configuration, by the numbers that its locations have for them.
///
/// Comparing a password takes long on purpose, so that two to four threads of the gate's own do it. They are started with
/// the gate. A bounded number of requests waits for them; a request that finds no room is refused with 503.
#[derive(Debug, Default)]
pub struct Gate {
    rules: Vec<Rules>,
    /// Absent: nobody is asked for a password.
    threads: Option<Threads>,
}

/// The rules of one location or more.
#[derive(Debug)]
struct Rules {
    access: Access,
    users: Option<Users>,
}

/// Who has a password, and the threads that compare it.
#[derive(Clone, Debug)]
struct Users {
    file: PathBuf,
    threads: Threads,
}

/// What was decided.
#[derive(Debug)]
pub struct Decision {
    /// What the session is told.
    pub admission: Admission,
    /// To be kept until the exchange is over: meanwhile it counts.
    pub permits: Vec<Permit>,
    /// What the operator should know, in nginx's words.
    pub notes: Vec<(Severity, String)>,
    /// Which limits have counted the exchange by now.
    pub counted: Counted,
}

/// Which limits have counted an exchange. Each kind counts it once (nginx), to whichever location an error page leads
/// it: it would be in its own way else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    requests: bool,
    connections: bool,
    tunnels: bool,
}

/// The answer of a [`Gate`].
#[must_use]
pub enum Answer {
    /// It is decided.
    Now(Decision),
    /// A password is compared on another thread. Dropped, nobody compares it any more.
    Later(Pin<Box<dyn Future<Output = Decision> + Send>>),
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(decision) => decision.fmt(f),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

impl Gate {
    /// A gate with these rules.
    ///
    /// # Errors
    /// When passwords are to be compared, and the system has no thread for it.
    pub fn new(rules: Vec<Access>) -> io::Result<Self> {
        Self::default().renewed(rules)
    }

    /// A gate with other rules and the same threads. If there are no threads yet and the rules need them, they are
    /// started.
    ///
    /// # Errors
    /// When the system has no thread.
    pub(crate) fn renewed(&self, rules: Vec<Access>) -> io::Result<Self> {
        let mut threads = self.threads.clone();
        let mut guarded = Vec::new();
        for mut access in rules {
            let users = match access.users.take() {
                Some(users) => {
                    let threads = match &threads {
                        Some(known) => known.clone(),
                        None => threads.insert(start()?).clone(),
                    };
                    Some(Users { file: users.file, threads })
                }
                None => None,
            };
            guarded.push(Rules { access, users });
        }
        Ok(Self { rules: guarded, threads })
    }

    /// Decides about the request of `record`, in nginx's order: rates, connections, addresses, credentials; and whether
    /// there may be one more tunnel (G8). Limits that have counted its exchange before do so no more.
    pub fn ask(&self, claim: &Claim, record: &Record, now: Now, counted: Counted) -> Answer {
        let answer = match claim.rules() {
            Some(rules) => self.ask_rules(rules, record, now, counted),
            None => Answer::Now(Decision { counted, ..Decision::granted() }),
        };
        let Some(bound) = claim.max_tunnels().filter(|_| !counted.tunnels).cloned() else { return answer };
        match answer {
            Answer::Now(decision) => Answer::Now(decision.limit_tunnels(&bound)),
            Answer::Later(decision) => {
                Answer::Later(Box::pin(async move { decision.await.limit_tunnels(&bound) }))
            }
        }
    }

    fn ask_rules(&self, rules: AdmissionId, record: &Record, now: Now, counted: Counted) -> Answer {
        let mut decision = Decision { counted, ..Decision::granted() };
        let rules = usize::try_from(rules.0).ok().and_then(|number| self.rules.get(number));
        let Some(Rules { access, users }) = rules else {
            // A location with a number that is not ours: letting nobody in is the mistake that does no harm.
            decision.refuse(Refusal::Forbidden, Severity::Alert, "no such access rules".to_owned());
            return Answer::Now(decision);
        };
        if !counted.requests {
            decision.limit_requests(&access.requests, record, now);
        }
        if !counted.connections {
            decision.limit_connections(&access.connections, record, now);
        }
        if decision.is_refused() {
            return Answer::Now(decision);
        }
        let by_address = by_address(access, record);
        let asks = users.as_ref().filter(|_| !access.any || by_address != Some(true));
        // nginx: a realm that is "off" asks for nobody.
        let users = asks.filter(|_| !realm_is_off(record, now));
        match (by_address, users) {
            (Some(false), users) if users.is_none() || !access.any => {
                decision.refuse(Refusal::Forbidden, Severity::Error, "access forbidden by rule".to_owned());
                Answer::Now(decision)
            }
            (_, Some(users)) => decision.ask_for_user(users, record),
            (_, None) => Answer::Now(decision),
        }
    }
}

/// At least two threads: one of them may be busy with a hash that takes very long.
fn start() -> io::Result<Threads> {
    let count = thread::available_parallelism().map_or(2, |count| count.get().clamp(2, 4));
    Threads::start("passwords", count)
}

fn realm_is_off(record: &Record, now: Now) -> bool {
    let realm = record.location().and_then(|location| location.realm.as_ref());
    realm.is_some_and(|realm| evaluated(realm, record, now) == b"off")
}

/// What the addresses say; nothing when no rule names the client's. That keeps nobody out, and with `satisfy any` lets
/// nobody in (nginx).
fn by_address(access: &Access, record: &Record) -> Option<bool> {
    let matches = |who: Who| match (who, record.remote()) {
        (Who::All, _) | (Who::Unix, Address::Unix(_)) => true,
        (Who::Network(network), Address::Ip(address)) => network.contains(address.ip()),
        _ => false,
    };
    access.clients.iter().find(|rule| matches(rule.who)).map(|rule| rule.allows)
}

impl Decision {
    fn granted() -> Self {
        Self {
            admission: Admission::Granted,
            permits: Vec::new(),
            notes: Vec::new(),
            counted: Counted::default(),
        }
    }

    fn refuse(&mut self, refusal: Refusal, severity: Severity, note: String) {
        self.admission = Admission::Refused(refusal);
        // Whoever is asked for credentials may wait for that, and counts meanwhile (`auth_delay`).
        if refusal != Refusal::Unauthorized {
            self.permits.clear();
        }
        self.notes.push((severity, note));
    }

    fn is_refused(&self) -> bool {
        matches!(self.admission, Admission::Refused(_))
    }

    fn limit_requests(&mut self, limits: &[RequestLimit], record: &Record, now: Now) {
        let keyed: Vec<_> =
            limits.iter().map(|limit| (limit, evaluated(&limit.zone.key, record, now))).collect();
        // An empty key is not limited (nginx).
        let keyed: Vec<_> = keyed.iter().filter(|(_, key)| !key.is_empty()).collect();
        let demands: Vec<_> = keyed
            .iter()
            .map(|(limit, key)| Demand {
                zone: &limit.zone.buckets,
                key,
                burst: limit.burst,
                delay: limit.undelayed,
            })
            .collect();
        if demands.is_empty() {
            return;
        }
        self.counted.requests = true;
        match admit_request(&demands, now.tick) {
            Ok(None) => {}
            Ok(Some(_)) if keyed.iter().any(|(limit, _)| limit.dry_run) => {}
            Ok(Some(until)) => self.admission = Admission::Delayed(until),
            Err(excess) => {
                let Some((limit, _)) = keyed.get(excess.index) else { return };
                let dry = if limit.dry_run { ", dry run" } else { "" };
                let amount = excess.thousandths.map_or_else(
                    || "no memory for the key".to_owned(),
                    |thousandths| format!("excess: {}.{:03}", thousandths / 1000, thousandths % 1000),
                );
                let note = format!("limiting requests{dry}, {amount} by zone \"{}\"", limit.zone.name);
                if limit.dry_run {
                    self.notes.push((limit.severity, note));
                } else {
                    self.refuse(Refusal::Limited(limit.status), limit.severity, note);
                }
            }
        }
    }

    fn limit_connections(&mut self, limits: &[ConnectionLimit], record: &Record, now: Now) {
        for limit in limits {
            if self.is_refused() {
                return;
            }
            let key = evaluated(&limit.zone.key, record, now);
            if key.is_empty() {
                continue;
            }
            self.counted.connections = true;
            match limit.zone.counts.admit(&key, limit.most) {
                Some(permit) => self.permits.push(permit),
                None if limit.dry_run => {
                    let note = format!("limiting connections, dry run, by zone \"{}\"", limit.zone.name);
                    self.notes.push((limit.severity, note));
                }
                None => {
                    let note = format!("limiting connections by zone \"{}\"", limit.zone.name);
                    self.refuse(Refusal::Limited(limit.status), limit.severity, note);
                }
            }
        }
    }

    /// Counts the tunnel that may come of a request that is let in.
    fn limit_tunnels(mut self, bound: &MaxTunnels) -> Self {
        if !self.is_refused() {
            match bound.admit() {
                Some(permit) => {
                    self.counted.tunnels = true;
                    self.permits.push(permit);
                }
                None => {
                    let note = format!("limiting tunnels: there are {}", bound.open());
                    self.refuse(Refusal::TooManyTunnels, Severity::Error, note);
                }
            }
        }
        self
    }

    /// Compares the credentials with those of the file, elsewhere.
    fn ask_for_user(mut self, users: &Users, record: &Record) -> Answer {
        let mut credentials = Vec::new();
        let colon = if record.write_credentials(&mut credentials) {
            credentials.iter().position(|byte| *byte == b':')
        } else {
            None
        };
        let Some(colon) = colon else {
            let note = "no user/password was provided for basic authentication".to_owned();
            self.refuse(Refusal::Unauthorized, Severity::Info, note);
            return Answer::Now(self);
        };
        let file = users.file.clone();
        let compare = move || complaint(&file, &credentials[..colon], &credentials[colon + 1..]);
        match users.threads.run(Client::of(record.remote()), compare) {
            Ok(complaint) => Answer::Later(Box::pin(async move {
                let complaint = complaint.await.unwrap_or_else(|error| {
                    // Nobody is let in whose password could not be compared.
                    Some((Severity::Alert, format!("a password could not be compared ({error})")))
                });
                if let Some((severity, note)) = complaint {
                    self.refuse(Refusal::Unauthorized, severity, note);
                }
                self
            })),
            Err(Full) => {
                let note = "too many passwords wait to be compared".to_owned();
                self.refuse(Refusal::Limited(503), Severity::Error, note);
                Answer::Now(self)
            }
        }
    }
}

/// Why a user is not let in with a password.
fn complaint(file: &Path, user: &[u8], password: &[u8]) -> Option<(Severity, String)> {
    let shown = String::from_utf8_lossy(user);
    let name = file.display();
    Some(match passwords::check(file, user, password) {
        Ok(Found::Match) => return None,
        Ok(Found::Mismatch) => (Severity::Error, format!("user \"{shown}\": password mismatch")),
        Ok(Found::Nobody) => (Severity::Error, format!("user \"{shown}\" was not found in \"{name}\"")),
        Ok(Found::UnknownHash) => {
            (Severity::Crit, format!("user \"{shown}\": the hash in \"{name}\" is of an unknown kind"))
        }
        Err(error) => (Severity::Crit, format!("open() \"{name}\" failed ({error})")),
    })
}

fn evaluated(template: &underpass_core::template::Template, record: &Record, now: Now) -> Vec<u8> {
    let mut value = Vec::new();
    record.evaluate(template, now, &mut value);
    value
}

#[cfg(test)]
mod tests;
