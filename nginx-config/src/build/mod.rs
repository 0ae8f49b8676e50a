//! The checked tree to the typed configuration.

mod geo;
mod level;
mod listen;
mod location;
mod logs;
mod maps;
mod names;
mod process;
mod proxy;
mod script;
mod server;
mod upstream;
mod variables;

#[cfg(test)]
mod tests;

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use underpass_core::{
    config::Config,
    shared::Upstreams,
    template::{Escape, Mapping, Template, TemplateError, Variable},
};

use crate::{
    LoadOptions,
    error::{Error, Note},
    loaded::{Listener, Loaded, LogFile},
    source::Source,
    syntax::{Directive, Word},
};
use listen::Sockets;
use server::VirtualServer;
use upstream::Groups;
use variables::Variables;

/// Builds everything.
pub(crate) fn build(source: Source, options: &LoadOptions) -> Result<Loaded, Error> {
    let mut builder = Builder::new(options);
    let http = source.tree.iter().find(|directive| directive.name.text == "http");
    let listeners = http.map_or(Ok(Vec::new()), |http| builder.http(http.inside()))?;
    let main = builder.process(&source.tree)?;
    Ok(Loaded { listeners, main, notes: builder.notes, files: source.files, tree: source.tree })
}

/// What is collected on the way through the tree.
struct Builder<'o> {
    options: &'o LoadOptions,
    notes: Vec<Note>,
    variables: Variables,
    formats: HashMap<String, Arc<Template>>,
    groups: Groups,
    /// The files of access logs.
    sinks: Vec<LogFile>,
}

impl<'o> Builder<'o> {
    fn new(options: &'o LoadOptions) -> Self {
        Self {
            options,
            notes: Vec::new(),
            variables: Variables::default(),
            formats: HashMap::new(),
            groups: Groups::default(),
            sinks: Vec::new(),
        }
    }

    /// What can be named from anywhere comes first: variables, formats, groups.
    fn http(&mut self, http: &[Directive]) -> Result<Vec<Listener>, Error> {
        self.declare(http)?;
        let maps: Arc<[Mapping]> = self.mappings(http)?.into();
        self.log_formats(http)?;
        self.upstreams(http)?;
        let servers = self.servers(http)?;
        let sockets = Sockets::of(&servers, &mut self.notes)?;
        let upstreams = Arc::new(Upstreams::new(self.groups.take()));
        Ok(sockets.listeners(&servers, |router, edge| {
            let mut config = Config::new(Arc::new(router), Arc::clone(&upstreams));
            config.edge = edge;
            config.maps = Arc::clone(&maps);
            config.identity = Arc::clone(&self.options.identity);
            Arc::new(config)
        }))
    }

    fn servers(&mut self, http: &[Directive]) -> Result<Vec<VirtualServer>, Error> {
        let level = self.level(None, http)?;
        all(http, "server").map(|block| self.server(block, &level)).collect()
    }

    fn template(&self, word: &Word, escape: Escape) -> Result<Template, Error> {
        Template::parse(&word.text, &self.variables, escape).map_err(|error| {
            let mended = match &error {
                TemplateError::UnknownVariable(name) => self.similar_variable(name),
                _ => None,
            };
            let error = Error::new(&word.position, error.to_string());
            match mended {
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

/// The directives of this name in a block, in their order.
fn all<'t, 'n>(block: &'t [Directive], name: &'n str) -> impl Iterator<Item = &'t Directive> + use<'t, 'n> {
    block.iter().filter(move |directive| directive.name.text == name)
}
