//! `upstream`, and the groups that a plain `proxy_pass` makes.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
};

use underpass_core::{
    Address,
    config::ResolverId,
    shared::{Balance, Group, GroupId, KeepAlive, Peer},
    template::Escape,
};

use super::{
    Builder,
    access::LEAST,
    all,
    level::{first_argument, value_or_default},
};
use crate::{
    directives::Context,
    error::{ConfigNote, Error, Position},
    resolve::Resolve,
    syntax::{Directive, Word},
    values::{self, HostPort},
};

/// The groups of a configuration.
#[derive(Debug, Default)]
pub(super) struct Groups {
    list: Vec<Group>,
    /// Numbers of the resolvers that look names of the groups up.
    pub(super) resolvers: Vec<Option<ResolverId>>,
    /// Those of `upstream` blocks, names in lower case.
    named: HashMap<String, GroupId>,
    /// Those of a plain `proxy_pass`, by address.
    plain: HashMap<(String, u16), GroupId>,
    /// That of URLs with variables whose host names no group.
    variable: Option<GroupId>,
}

impl Groups {
    /// The group of an `upstream` block.
    pub(super) fn named(&self, name: &str) -> Option<GroupId> {
        self.named.get(&name.to_ascii_lowercase()).copied()
    }

    /// The group whose settings hold for peers that are found at run time.
    pub(super) fn variable(&mut self) -> GroupId {
        if let Some(id) = self.variable {
            return id;
        }
        let id = self.push(Group::new("", Vec::new(), KeepAlive::default()));
        self.variable = Some(id);
        id
    }

    pub(super) fn take(&mut self) -> Vec<Group> {
        std::mem::take(&mut self.list)
    }

    fn push(&mut self, group: Group) -> GroupId {
        self.list.push(group);
        self.resolvers.push(None);
        GroupId(self.list.len() - 1)
    }
}

impl Builder<'_> {
    /// Reads the `upstream` blocks.
    pub(super) fn upstreams(&mut self, http: &[Directive]) -> Result<(), Error> {
        let outer = self.resolver(http)?;
        for block in all(http, "upstream") {
            let resolver = self.resolver(block.inside())?.or(outer);
            let name = block.argument(0);
            let group = self.upstream(name, block)?;
            let id = GroupId(self.groups.list.len());
            match self.groups.named.entry(name.text.to_ascii_lowercase()) {
                Entry::Occupied(_) => {
                    let message = format!("duplicate upstream \"{}\"", name.text);
                    return Err(Error::new(&name.position, message));
                }
                Entry::Vacant(entry) => entry.insert(id),
            };
            self.groups.push(group);
            if let Some(last) = self.groups.resolvers.last_mut() {
                *last = resolver;
            }
        }
        Ok(())
    }

    fn upstream(&mut self, name: &Word, block: &Directive) -> Result<Group, Error> {
        let balance = self.balance(block)?;
        let mut peers = Vec::new();
        for server in all(block.inside(), "server") {
            peers.extend(self.peers(server, &balance)?);
        }
        if peers.is_empty() {
            let message = "no servers are inside upstream";
            return Err(Error::new(&block.name.position, message));
        }
        if peers.iter().all(|peer| peer.backup) {
            let message = format!("no servers in upstream \"{}\"", name.text);
            return Err(Error::new(&block.name.position, message));
        }
        if matches!(balance, Balance::Hash { consistent: true, .. }) {
            check_weights(name, &peers, block)?;
        }
        all(block.inside(), "zone").try_for_each(check_zone)?;
        Ok(Group::new(&name.text, peers, keepalive(block)?).balanced(balance))
    }

    /// How a server is chosen; of several methods the last holds.
    fn balance(&mut self, block: &Directive) -> Result<Balance, Error> {
        let mut balance = Balance::default();
        let mut chosen = false;
        for directive in block.inside() {
            let method = match directive.name.text.as_str() {
                "least_conn" => Balance::LeastConn,
                "ip_hash" => Balance::IpHash,
                "hash" => self.hash(directive)?,
                "random" => random(directive)?,
                _ => continue,
            };
            if chosen {
                let note = ConfigNote::new(&directive.name.position, "load balancing method redefined");
                self.notes.push(note);
            }
            (balance, chosen) = (method, true);
        }
        Ok(balance)
    }

    fn hash(&self, directive: &Directive) -> Result<Balance, Error> {
        let key = self.template(directive.argument(0), Escape::None)?;
        let consistent = match directive.arguments.get(1) {
            None => false,
            Some(word) if word.text == "consistent" => true,
            Some(word) => return Err(invalid_parameter(word)),
        };
        Ok(Balance::Hash { key, consistent })
    }

    fn peers(&self, server: &Directive, balance: &Balance) -> Result<Vec<Peer>, Error> {
        let word = server.argument(0);
        let resolve = server.arguments.iter().skip(1).any(|word| word.text == "resolve");
        let mut peers = if let Some(path) = word.text.strip_prefix("unix:") {
            vec![Peer::new(Address::Unix(socket_path(path, word, IN_UPSTREAM)?))]
        } else {
            let HostPort { host, port } = parse_host(&word.text, word)?;
            let port = port.unwrap_or(80);
            let is_name = host.parse::<IpAddr>().is_err() && !host.starts_with('[');
            if resolve && is_name {
                vec![Peer::resolved(host, port)]
            } else {
                let addresses = self.addresses(host, &word.position)?;
                addresses.into_iter().map(|ip| Peer::new(SocketAddr::new(ip, port).into())).collect()
            }
        };
        for peer in &mut peers {
            peer.name = word.text.as_str().into();
            for parameter in server.arguments.iter().skip(1) {
                set_parameter(peer, parameter, balance)?;
            }
        }
        Ok(peers)
    }

    /// The group of a `proxy_pass` that names no `upstream`.
    pub(super) fn plain_group(&mut self, target: HostPort<'_>, word: &Word) -> Result<GroupId, Error> {
        let port = target.port.unwrap_or(80);
        let key = (target.host.to_ascii_lowercase(), port);
        if let Some(id) = self.groups.plain.get(&key) {
            return Ok(*id);
        }
        let addresses = self.addresses(target.host, &word.position)?;
        let peer = |ip| Peer::new(Address::Ip(SocketAddr::new(ip, port)));
        let peers = addresses.into_iter().map(peer).collect();
        let group = Group::new(&format!("{}:{port}", target.host), peers, KeepAlive::default());
        Ok(self.insert_plain(key, group))
    }

    /// The group of a `proxy_pass` to a Unix domain socket.
    pub(super) fn unix_group(&mut self, path: &str, word: &Word) -> Result<GroupId, Error> {
        let key = (format!("unix:{path}"), 0);
        if let Some(id) = self.groups.plain.get(&key) {
            return Ok(*id);
        }
        let peer = Address::Unix(socket_path(path, word, IN_UPSTREAM)?);
        let group = Group::single(&key.0, peer);
        Ok(self.insert_plain(key, group))
    }

    fn insert_plain(&mut self, key: (String, u16), group: Group) -> GroupId {
        let id = self.groups.push(group);
        self.groups.plain.insert(key, id);
        id
    }

    fn addresses(&self, host: &str, position: &Position) -> Result<Vec<IpAddr>, Error> {
        look_up(host, &*self.options.resolver)
            .map_err(|hint| Error::new(position, format!("host not found in upstream \"{host}\"")).hint(hint))
    }
}

fn keepalive(block: &Directive) -> Result<KeepAlive, Error> {
    let mut keepalive = KeepAlive::default();
    if let Some(word) = all(block.inside(), "keepalive").find_map(|directive| directive.arguments.get(1))
        && word.text != "local"
    {
        return Err(invalid_parameter(word));
    }
    let word = |name| first_argument(block.inside(), name);
    let time = |name| value_or_default(name, word(name), Context::Upstream, values::time);
    keepalive.connections = value_or_default("keepalive", word("keepalive"), Context::Upstream, |text| {
        values::number(text).and_then(|number| usize::try_from(number).ok())
    })?;
    keepalive.requests =
        value_or_default("keepalive_requests", word("keepalive_requests"), Context::Upstream, |text| {
            values::number(text).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
        })?;
    keepalive.time = time("keepalive_time")?;
    keepalive.timeout = time("keepalive_timeout")?;
    Ok(keepalive)
}

/// A continuum has points in proportion to the weights, and they take memory and time.
fn check_weights(name: &Word, peers: &[Peer], block: &Directive) -> Result<(), Error> {
    let sum: u64 = peers.iter().map(|peer| u64::from(peer.weight)).sum();
    match all(block.inside(), "hash").next() {
        Some(directive) if sum > MOST_WEIGHT => {
            let message =
                format!("the weights of upstream \"{}\" are too large for \"consistent\"", name.text);
            Err(Error::new(&directive.name.position, message).hint(format!(
                "{MOST_WEIGHT} are the most in all: each adds 160 points, and smaller weights of the same \
                 proportions do the same"
            )))
        }
        _ => Ok(()),
    }
}

/// What a zone would be; there is none.
fn check_zone(directive: &Directive) -> Result<(), Error> {
    let name = directive.argument(0);
    let error = |word: &Word, message: String| Err(Error::new(&word.position, message));
    if name.text.is_empty() {
        return error(name, "invalid zone name \"\"".to_owned());
    }
    let Some(word) = directive.arguments.get(1) else { return Ok(()) };
    match values::size(&word.text) {
        None => error(word, format!("invalid zone size \"{}\"", word.text)),
        Some(size) if size < LEAST => error(name, format!("zone \"{}\" is too small", name.text))
            .map_err(|error| error.hint("32k are the least")),
        Some(_) => Ok(()),
    }
}

fn random(directive: &Directive) -> Result<Balance, Error> {
    match directive.arguments.as_slice() {
        [] => Ok(Balance::Random { two: false }),
        [two] if two.text == "two" => Ok(Balance::Random { two: true }),
        [two, method] if two.text == "two" && method.text == "least_conn" => {
            Ok(Balance::Random { two: true })
        }
        [two, method] if two.text == "two" => Err(invalid_parameter(method)),
        [word, ..] => Err(invalid_parameter(word)),
    }
}

/// One of the parameters behind the address of a `server`.
fn set_parameter(peer: &mut Peer, word: &Word, balance: &Balance) -> Result<(), Error> {
    let invalid = || invalid_parameter(word);
    let (name, value) = word.text.split_once('=').unwrap_or((&word.text, ""));
    let count = || values::number(value).and_then(|number| u32::try_from(number).ok()).ok_or_else(invalid);
    match (name, word.text.contains('=')) {
        ("weight", true) => {
            peer.weight = count()?;
            if peer.weight == 0 {
                return Err(invalid());
            }
        }
        ("max_conns", true) => peer.max_conns = count()?,
        ("max_fails", true) => peer.max_fails = count()?,
        ("fail_timeout", true) => peer.fail_timeout = values::seconds(value).ok_or_else(invalid)?,
        ("down", false) => peer.down = true,
        ("resolve", false) => {}
        ("backup", false) => {
            if matches!(balance, Balance::IpHash | Balance::Hash { .. } | Balance::Random { .. }) {
                let message = "balancing method does not support parameter \"backup\"";
                return Err(Error::new(&word.position, message));
            }
            peer.backup = true;
        }
        ("service" | "slow_start" | "route" | "drain", _) => {
            return Err(invalid().hint(format!("\"{name}\" is not in this version")));
        }
        _ => return Err(invalid()),
    }
    Ok(())
}

fn invalid_parameter(word: &Word) -> Error {
    Error::new(&word.position, format!("invalid parameter \"{}\"", word.text))
}

/// The weights of a group with `hash … consistent`: ten million points, 80 MB.
const MOST_WEIGHT: u64 = 62_500;

/// Ends what is said of a group's socket without a path.
const IN_UPSTREAM: &str = "in upstream \"unix:\"";

/// The path of a Unix domain socket, which the system can name.
///
/// `place` ends what is said of a path that is missing.
pub(super) fn socket_path(path: &str, word: &Word, place: &str) -> Result<Arc<Path>, Error> {
    // `sun_path` has 108 bytes, one of which ends the path.
    const LONGEST: usize = 107;
    let error = |fault: &str| Err(Error::new(&word.position, format!("{fault} in \"{}\"", word.text)));
    match path {
        "" => Err(Error::new(&word.position, format!("no path in the unix domain socket {place}"))),
        path if path.contains('\0') => error("invalid path"),
        path if path.len() > LONGEST => error("too long path"),
        path => Ok(Path::new(path).into()),
    }
}

/// The host and port in `text`, a part of `word`.
pub(super) fn parse_host<'t>(text: &'t str, word: &Word) -> Result<HostPort<'t>, Error> {
    HostPort::parse(text)
        .map_err(|fault| Error::new(&word.position, format!("{fault} in upstream \"{text}\"")))
}

/// The addresses of a host, each once; an address is its own.
///
/// # Errors
/// With what the resolver says.
pub(super) fn look_up(host: &str, resolver: &dyn Resolve) -> Result<Vec<IpAddr>, String> {
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = literal.parse() {
        return Ok(vec![address]);
    }
    let found = resolver.resolve(host).map_err(|error| format!("the resolver says: {error}"))?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err("the resolver knows no address of it".to_owned()) } else { Ok(addresses) }
}
