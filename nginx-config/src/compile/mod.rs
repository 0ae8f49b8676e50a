//! The checked tree to the typed configuration.

mod access;
mod answers;
mod condition;
mod destination;
mod geo;
mod level;
mod listen;
mod location;
mod logs;
mod maps;
mod names;
mod process;
mod proxy;
mod proxy_tls;
mod rates;
mod redirect;
mod response;
mod rewriting;
mod script;
mod server;
mod settings;
mod sockets;
mod syslog;
mod tls;
mod traces;
mod tunnel;
mod upgrade;
mod upstream;
mod variables;

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use underpass_core::{
    config::{Config, TraceRuleId},
    shared::Upstreams,
    template::{Escape, Mapping, Template, TemplateError, Variable},
};

use crate::{
    LoadOptions,
    access::Access,
    directives::{self, Context, Effect, Kind},
    error::{ConfigNote, Error},
    lint,
    loaded::{Listener, Loaded, LogFile, Resolver, SessionTrace},
    source::{Source, SourceFile},
    syntax::{Directive, Word},
    tls::{ClientVerification, UpstreamTls},
};
use access::Zones;
use server::VirtualServer;
use sockets::Sockets;
use tunnel::own_addresses;
use upstream::Groups;
use variables::Variables;
pub(crate) use variables::is_always_empty;

/// Builds everything.
pub(crate) fn compile(source: Source, options: &LoadOptions) -> Result<Loaded, Error> {
    let mut builder = Builder::new(options, &source.folder);
    let http = source.tree.iter().find(|directive| directive.name.text == "http");
    let (listeners, upstreams) = http.map_or(Ok(Default::default()), |http| builder.http(http.inside()))?;
    builder.note_other_answers(http.map(Directive::inside).unwrap_or_default());
    let main = builder.process(&source.tree)?;
    let inside = http.map(Directive::inside).unwrap_or_default();
    let linted = lint::lint(inside, &listeners, main.worker_shutdown_timeout);
    let notes = [source.notes, builder.notes, linted].concat();
    Ok(Loaded {
        listeners,
        upstreams,
        resolvers_of_groups: builder.groups.resolvers,
        upstream_tls: builder.upstream_tls,
        main,
        access: builder.access,
        notes: in_order(notes, &source.files),
        files: source.files,
        tree: source.tree,
    })
}

/// What is collected on the way through the tree.
struct Builder<'o> {
    options: &'o LoadOptions,
    notes: Vec<ConfigNote>,
    variables: Variables,
    formats: HashMap<String, Arc<Template>>,
    groups: Groups,
    /// The files of logs, but the error logs of the process.
    sinks: Vec<LogFile>,
    /// `session_trace` of each socket that has one.
    traces: Vec<SessionTrace>,
    resolvers: Vec<Resolver>,
    zones: Zones,
    /// Whether `$ssl_ciphers` stands anywhere.
    shows_ciphers: bool,
    /// The sizes of the zones of `ssl_session_cache`, by name.
    session_zones: HashMap<String, usize>,
    upstream_tls: Vec<UpstreamTls>,
    /// What certificates of clients are judged by, each that differs once.
    judges: Vec<ClientVerification>,
    /// The rules that locations have by their numbers.
    access: Vec<Access>,
    /// Our own addresses.
    own: Vec<SocketAddr>,
    /// That of the main file: names of files but logs are relative to it.
    folder: PathBuf,
    /// What has been noted of which one note is enough.
    noted: HashSet<String>,
}

impl<'o> Builder<'o> {
    fn new(options: &'o LoadOptions, folder: &Path) -> Self {
        Self {
            options,
            notes: Vec::new(),
            variables: Variables::default(),
            formats: HashMap::new(),
            groups: Groups::default(),
            sinks: Vec::new(),
            traces: Vec::new(),
            resolvers: Vec::new(),
            zones: Zones::default(),
            shows_ciphers: false,
            session_zones: HashMap::new(),
            upstream_tls: Vec::new(),
            judges: Vec::new(),
            access: Vec::new(),
            folder: folder.to_owned(),
            own: Vec::new(),
            noted: HashSet::new(),
        }
    }

    /// What can be named from anywhere comes first: variables, formats, groups.
    fn http(&mut self, http: &[Directive]) -> Result<(Vec<Listener>, Arc<Upstreams>), Error> {
        self.declare(http)?;
        self.shows_ciphers = tls::mentions(http, "ssl_ciphers");
        let maps: Arc<[Mapping]> = self.mappings(http)?.into();
        self.log_formats(http)?;
        self.upstreams(http)?;
        self.zones(http)?;
        self.own = self.own(http)?;
        let servers = self.servers(http)?;
        let sockets = Sockets::of(&servers, &mut self.notes)?;
        let upstreams = Arc::new(Upstreams::new(self.groups.take()));
        let listeners = sockets.listeners(&servers, |shared| {
            let mut config = Config::new(shared.router, Arc::clone(&upstreams));
            config.tls = shared.tls;
            config.edge = shared.edge;
            config.proxy_protocol = shared.proxy_protocol;
            config.trace = shared.trace.map(|trace| {
                self.traces.push(trace);
                TraceRuleId(u32::try_from(self.traces.len() - 1).unwrap_or(u32::MAX))
            });
            config.maps = Arc::clone(&maps);
            config.identity = Arc::clone(&self.options.identity);
            Arc::new(config)
        });
        Ok((listeners, upstreams))
    }

    /// Where we listen.
    fn own(&mut self, http: &[Directive]) -> Result<Vec<SocketAddr>, Error> {
        let listens = all(http, "server").map(|block| self.listens(block)).collect::<Result<Vec<_>, _>>()?;
        Ok(own_addresses(listens.iter().flatten().map(|listen| &listen.address)))
    }

    fn servers(&mut self, http: &[Directive]) -> Result<Vec<VirtualServer>, Error> {
        let level = self.level(None, http)?;
        all(http, "server").map(|block| self.server(block, &level)).collect()
    }

    /// Notes what would answer in another way than forwarding, where nothing comes of it.
    fn note_other_answers(&mut self, block: &[Directive]) {
        for directive in block {
            let name = &directive.name.text;
            let row = directives::find(name, Context::Location);
            if row.is_some_and(|row| row.effect == Effect::Content) {
                let message = format!("\"{name}\" has no effect: there is only forwarding in this version");
                self.note_once(name.clone(), ConfigNote::new(&directive.name.position, message));
            }
            if row.is_none_or(|row| row.kind != Kind::Pairs) {
                self.note_other_answers(directive.inside());
            }
        }
    }

    /// Notes something unless it has been noted before.
    fn note_once(&mut self, key: String, note: ConfigNote) {
        if self.noted.insert(key) {
            self.notes.push(note);
        }
    }

    fn template(&self, word: &Word, escape: Escape) -> Result<Template, Error> {
        Template::parse(&word.text, &self.variables, escape).map_err(|error| {
            let similar = match &error {
                TemplateError::UnknownVariable(name) => self.similar_variable(name),
                _ => None,
            };
            let error = Error::new(&word.position, error.to_string());
            match similar {
                Some(similar) => error.hint(format!("did you mean \"${similar}\"?")),
                None => error,
            }
        })
    }

    fn similar_variable(&self, name: &str) -> Option<String> {
        let known = Variable::plain().iter().copied().chain(self.variables.names());
        let near = known.map(|known| (strsim::osa_distance(name, known), known));
        let (distance, found) = near.min()?;
        (distance <= (found.len() / 4).clamp(1, 3)).then(|| found.to_owned())
    }

    /// The path of a log or pid file.
    fn path(&self, name: &str) -> PathBuf {
        self.options.prefix.join(name)
    }
}

/// Notes in the order of the files and their lines, each once: what is inherited is looked at on every level.
fn in_order(mut notes: Vec<ConfigNote>, files: &[SourceFile]) -> Vec<ConfigNote> {
    let file = |note: &ConfigNote| files.iter().position(|file| file.name == note.position.file);
    notes.sort_by_key(|note| (file(note), note.position.line, note.position.column));
    notes.dedup();
    notes
}

/// The directives of this name in a block, in their order.
fn all<'t, 'n>(block: &'t [Directive], name: &'n str) -> impl Iterator<Item = &'t Directive> + use<'t, 'n> {
    block.iter().filter(move |directive| directive.name.text == name)
}
