//! Who may use a location: `allow`, `deny`, `auth_basic`, `limit_conn`, `limit_req`, and the zones of these.

use std::{collections::HashMap, sync::Arc};

use underpass_core::{
    Severity,
    config::AdmissionId,
    template::{Escape, Template},
};

use super::{Builder, all, level::Level};
use crate::{
    access::{Access, ClientRule, ConnectionLimit, ConnectionZone, RequestLimit, RequestZone, Users, Who},
    error::Error,
    syntax::{Directive, Word},
    values,
};

/// The zones of limits, by name.
#[derive(Debug, Default)]
pub(super) struct Zones {
    connections: HashMap<String, Arc<ConnectionZone>>,
    requests: HashMap<String, Arc<RequestZone>>,
}

/// The highest number of connections: nginx's.
const MOST: u32 = 65_535;

/// The least memory of a zone: nginx's eight pages.
pub(super) const LEAST: u64 = 8 * 4096;

impl Builder<'_> {
    /// Reads the zones.
    pub(super) fn zones(&mut self, http: &[Directive]) -> Result<(), Error> {
        for directive in all(http, "limit_conn_zone") {
            let Zone { key, name, word, size, .. } = self.zone(directive)?;
            let counts = self.options.zones.connections(&name, &key, size);
            let zone = ConnectionZone::new(&name, key, counts);
            if self.zones.connections.insert(name, Arc::new(zone)).is_some() {
                return Err(bound_already(directive, word));
            }
        }
        for directive in all(http, "limit_req_zone") {
            let Zone { key, name, word, size, rate } = self.zone(directive)?;
            let buckets = self.options.zones.requests(&name, &key, size, rate.unwrap_or(1000));
            let zone = RequestZone::new(&name, key, buckets);
            if self.zones.requests.insert(name, Arc::new(zone)).is_some() {
                return Err(bound_already(directive, word));
            }
        }
        Ok(())
    }

    fn zone<'t>(&self, directive: &'t Directive) -> Result<Zone<'t>, Error> {
        let key = self.template(directive.argument(0), Escape::None)?;
        let (mut zone, mut rate) = (None, None);
        for word in directive.arguments.iter().skip(1) {
            let invalid =
                |what: &str| Error::new(&word.position, format!("invalid {what} \"{}\"", word.text));
            match word.text.split_once('=') {
                Some(("zone", text)) => {
                    let (name, size) = text.split_once(':').ok_or_else(|| {
                        invalid("zone size").hint("it is written zone=NAME:SIZE, as in zone=one:10m")
                    })?;
                    let bytes = values::size(size).ok_or_else(|| invalid("zone size"))?;
                    if bytes < LEAST {
                        return Err(Error::new(
                            &word.position,
                            format!("zone \"{}\" is too small", word.text),
                        )
                        .hint("32k are the least"));
                    }
                    zone = Some((name.to_owned(), word, usize::try_from(bytes).unwrap_or(usize::MAX)));
                }
                Some(("rate", text)) if directive.name.text == "limit_req_zone" => {
                    rate = Some(thousandths(text).ok_or_else(|| {
                        invalid("rate").hint("it is a number and r/s or r/m, as in rate=10r/s")
                    })?);
                }
                _ => return Err(invalid("parameter")),
            }
        }
        let Some((name, word, size)) = zone.filter(|(name, ..)| !name.is_empty()) else {
            let message = format!("\"{}\" must have \"zone\" parameter", directive.name.text);
            return Err(Error::new(&directive.name.position, message));
        };
        Ok(Zone { key, name, word, size, rate })
    }

    /// What a location's level says of who may use it; nothing when it says nothing.
    pub(super) fn access(
        &mut self,
        level: &Level<'_>,
    ) -> Result<(Option<AdmissionId>, Option<Template>), Error> {
        let mut access = Access::default();
        for directive in level.nearest(&["allow", "deny"]) {
            access
                .clients
                .push(ClientRule::new(directive.name.text == "allow", self.who(directive.argument(0))?));
        }
        access.any = level.value("satisfy", |text| Some(text == "any"))?;
        let realm = self.users(level, &mut access)?;
        for directive in level.nearest(&["limit_conn"]) {
            let limit = self.connection_limit(directive, level)?;
            if access.connections.iter().any(|other| Arc::ptr_eq(&other.zone, &limit.zone)) {
                return Err(duplicate(directive));
            }
            access.connections.push(limit);
        }
        for directive in level.nearest(&["limit_req"]) {
            let limit = self.request_limit(directive, level)?;
            if access.requests.iter().any(|other| Arc::ptr_eq(&other.zone, &limit.zone)) {
                return Err(duplicate(directive));
            }
            access.requests.push(limit);
        }
        let says_nothing = access.clients.is_empty()
            && access.users.is_none()
            && access.connections.is_empty()
            && access.requests.is_empty();
        if says_nothing {
            return Ok((None, None));
        }
        self.access.push(access);
        Ok((u32::try_from(self.access.len() - 1).ok().map(AdmissionId), realm))
    }

    pub(super) fn who(&mut self, word: &Word) -> Result<Who, Error> {
        Ok(match word.text.as_str() {
            "all" => Who::All,
            "unix:" => Who::Unix,
            text if values::network(text).is_some() => Who::Network(self.network(word)?),
            text => {
                return Err(Error::new(&word.position, format!("invalid parameter \"{text}\""))
                    .hint("it is an address, a network, all or unix:"));
            }
        })
    }

    fn users(&self, level: &Level<'_>, access: &mut Access) -> Result<Option<Template>, Error> {
        let Some(realm) = level.innermost("auth_basic").map(|directive| directive.argument(0)) else {
            return Ok(None);
        };
        if realm.text == "off" {
            return Ok(None);
        }
        let Some(file) = level.innermost("auth_basic_user_file").map(|directive| directive.argument(0))
        else {
            // Without a file nginx lets everybody in, which nobody can mean.
            return Err(Error::new(&realm.position, "\"auth_basic\" without \"auth_basic_user_file\"")
                .hint("name a file of users, or say auth_basic off"));
        };
        if file.text.contains('$') {
            let message = "variables in \"auth_basic_user_file\" are not in this version";
            return Err(Error::new(&file.position, message));
        }
        access.users = Some(Users::new(self.folder.join(&file.text)));
        self.template(realm, Escape::None).map(Some)
    }

    fn connection_limit(&self, directive: &Directive, level: &Level<'_>) -> Result<ConnectionLimit, Error> {
        let (name, number) = (directive.argument(0), directive.argument(1));
        let zone =
            self.zones.connections.get(&name.text).ok_or_else(|| unknown_zone(name, "limit_conn_zone"))?;
        let most =
            values::number(&number.text).and_then(|most| u32::try_from(most).ok()).filter(|most| *most != 0);
        let most = most.ok_or_else(|| {
            Error::new(&number.position, format!("invalid number of connections \"{}\"", number.text))
        })?;
        if most > MOST {
            return Err(Error::new(&number.position, "connection limit must be less 65536"));
        }
        let mut limit = ConnectionLimit::new(Arc::clone(zone), most);
        limit.status = status(level, "limit_conn_status")?;
        limit.severity = severity(level, "limit_conn_log_level")?;
        limit.dry_run = level.flag("limit_conn_dry_run")?;
        Ok(limit)
    }

    fn request_limit(&self, directive: &Directive, level: &Level<'_>) -> Result<RequestLimit, Error> {
        let mut limit = None;
        let (mut burst, mut undelayed) = (0, 0);
        for word in &directive.arguments {
            let invalid =
                |what: &str| Error::new(&word.position, format!("invalid {what} \"{}\"", word.text));
            let count = |text: &str| values::number(text).and_then(|count| u32::try_from(count).ok());
            match word.text.split_once('=') {
                Some(("zone", name)) => {
                    let zone =
                        self.zones.requests.get(name).ok_or_else(|| unknown_zone(word, "limit_req_zone"))?;
                    limit = Some(RequestLimit::new(Arc::clone(zone)));
                }
                Some(("burst", text)) => {
                    burst = count(text).filter(|burst| *burst != 0).ok_or_else(|| invalid("burst value"))?;
                }
                Some(("delay", text)) => {
                    undelayed =
                        count(text).filter(|delay| *delay != 0).ok_or_else(|| invalid("delay value"))?;
                }
                None if word.text == "nodelay" => undelayed = u32::MAX,
                _ => return Err(invalid("parameter")),
            }
        }
        let Some(mut limit) = limit else {
            return Err(Error::new(&directive.name.position, "\"limit_req\" must have \"zone\" parameter"));
        };
        (limit.burst, limit.undelayed) = (burst, undelayed);
        limit.status = status(level, "limit_req_status")?;
        limit.severity = severity(level, "limit_req_log_level")?;
        limit.dry_run = level.flag("limit_req_dry_run")?;
        Ok(limit)
    }
}

/// A zone as written.
struct Zone<'t> {
    key: Template,
    name: String,
    word: &'t Word,
    size: usize,
    /// Thousandths of a request per second.
    rate: Option<u32>,
}

fn thousandths(text: &str) -> Option<u32> {
    let (number, seconds) = match (text.strip_suffix("r/s"), text.strip_suffix("r/m")) {
        (Some(number), _) => (number, 1),
        (_, Some(number)) => (number, 60),
        _ => return None,
    };
    let rate = values::number(number).filter(|count| *count != 0)?.checked_mul(1000)? / seconds;
    u32::try_from(rate).ok()
}

fn status(level: &Level<'_>, name: &str) -> Result<u16, Error> {
    level.value(name, |text| {
        values::number(text)
            .and_then(|code| u16::try_from(code).ok())
            .filter(|code| (400..600).contains(code))
    })
}

fn severity(level: &Level<'_>, name: &str) -> Result<Severity, Error> {
    level.value(name, |text| text.parse().ok())
}

/// Two limits of a level by one zone.
fn duplicate(directive: &Directive) -> Error {
    let message = format!("\"{}\" directive is duplicate", directive.name.text);
    Error::new(&directive.name.position, message)
}

fn bound_already(directive: &Directive, word: &Word) -> Error {
    let message = format!("{} \"{}\" is already bound to a key", directive.name.text, word.text);
    Error::new(&word.position, message)
}

fn unknown_zone(word: &Word, directive: &str) -> Error {
    let name = word.text.strip_prefix("zone=").unwrap_or(&word.text);
    Error::new(&word.position, format!("zero size shared memory zone \"{name}\""))
        .hint(format!("a \"{directive}\" outside of the servers makes one"))
}
