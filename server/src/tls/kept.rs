//! What outlives a configuration: sessions that clients may resume, and the keys of their tickets.

use std::{collections::HashMap, path::PathBuf, time::Duration};

use underpass_nginx_config::{ServerTls, SessionCache};
use underpass_tls::{GetRandom, Sessions, Tickets};

/// Stores of sessions and keys of tickets, by whom they are for. All workers share them, and a reload takes over those that the
/// next configuration has, too.
///
/// A session that is resumed gives nobody anything: the name has to be the one that it began with, and the client's certificate
/// is judged anew by the settings that hold now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(HashMap<Whose, (Sessions, Tickets)>);

/// Who shares sessions and keys: all servers with one zone, as in nginx, or else one server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Whose {
    cache: SessionCache,
    lifetime: Duration,
    /// Of a server without a zone: the files that tell it from others.
    certificates: Vec<PathBuf>,
}

/// Bytes of a zone for each session: nginx's manual has about 4000 in a megabyte.
const SESSION: usize = 262;

impl Kept {
    /// Sessions and tickets of a server: those of `earlier`, where that has them.
    pub(super) fn of(
        &mut self,
        earlier: &Self,
        server: &ServerTls,
    ) -> Result<(Sessions, Tickets), GetRandom> {
        let certificates = match server.session_cache {
            SessionCache::Shared { .. } => Vec::new(),
            _ => server.credentials.iter().map(|pair| pair.certificate.path.clone()).collect(),
        };
        let lifetime = server.session_timeout;
        let whose = Whose { cache: server.session_cache.clone(), lifetime, certificates };
        if let Some(known) = self.0.get(&whose).or_else(|| earlier.0.get(&whose)).cloned() {
            self.0.insert(whose, known.clone());
            return Ok(known);
        }
        let sessions = match server.session_cache {
            SessionCache::Off => Sessions::off(),
            SessionCache::Own { sessions } => Sessions::kept(sessions, lifetime),
            SessionCache::Shared { size, .. } => Sessions::kept(size / SESSION, lifetime),
        };
        let made = (sessions, Tickets::random(seconds(lifetime))?);
        self.0.insert(whose, made.clone());
        Ok(made)
    }
}

/// RFC 8446 §4.6.1: no ticket lives longer than a week.
pub(super) fn seconds(lifetime: Duration) -> u32 {
    const WEEK: u32 = 7 * 86_400;
    u32::try_from(lifetime.as_secs()).unwrap_or(WEEK).clamp(1, WEEK)
}
