//! `server`: a virtual server.

use std::sync::Arc;

use underpass_core::config::{Handler, Location, Server, Settings, TlsRules};

use super::{
    Builder, all,
    level::Level,
    listen::Listen,
    location::{Around, Site, add_to, first_return},
    names::Name,
    script::Forwarding,
};
use crate::{
    error::{ConfigNote, Error},
    loaded::SessionTrace,
    syntax::Directive,
    tls::ServerTls,
};

/// A server and where it is reached.
pub(super) struct VirtualServer {
    pub(super) listens: Vec<Listen>,
    pub(super) names: Vec<Name>,
    /// What holds before a request is routed.
    pub(super) settings: Arc<Settings>,
    /// Counts where it is the default server of a socket.
    pub(super) trace: Option<SessionTrace>,
    /// Counts where it is reached by TLS.
    pub(super) tls: Arc<ServerTls>,
    pub(super) rules: TlsRules,
    pub(super) sites: Vec<Site>,
    /// Its own level.
    pub(super) otherwise: Arc<Location>,
}

impl VirtualServer {
    /// The server as the table of a socket needs it; locations are shared.
    pub(super) fn to_server(&self) -> Server {
        let names = self.names.iter().map(|name| name.name.clone()).collect();
        let mut server = Server::new(names, Arc::clone(&self.otherwise));
        server.tls = self.rules;
        add_to(&mut server, &self.sites);
        server
    }
}

impl Builder<'_> {
    /// Reads one `server` block of `http`.
    pub(super) fn server<'t>(
        &mut self,
        block: &'t Directive,
        http: &Level<'t>,
    ) -> Result<VirtualServer, Error> {
        let listens = self.listens(block)?;
        let names = self.names(block)?;
        let server_name: Arc<str> = names.first().map_or("", |name| &name.shown).into();
        let mut level = self.level(Some(http), block.inside())?;
        self.max_tunnels(&mut level, block)?;
        let tls = self.server_tls(&level, &names, &block.name.position)?;
        let mut script =
            self.script(block.inside(), Forwarding { level: &level, server_name: &server_name })?;
        let answer = first_return(&mut script);
        let around = Around { level: &level, server_name: &server_name, outer: None };
        let mut sites = self.locations(block.inside(), around)?;
        if answer.is_some() && !sites.is_empty() {
            let message =
                "the \"return\" of the server answers every request: its locations are never reached";
            self.notes.push(ConfigNote::new(&block.name.position, message));
            sites.clear();
        }
        let tunnel =
            all(block.inside(), "tunnel_pass").next().map(|directive| self.tunnel(directive, &level));
        let handler = match (answer, tunnel.transpose()?, level.innermost("root")) {
            (Some(answer), _, _) => Handler::Return(answer),
            (None, Some(tunnel), _) => Handler::Tunnel(Box::new(tunnel)),
            (None, None, Some(_)) => Handler::Unsupported("root".into()),
            (None, None, None) => Handler::Nothing,
        };
        let mut otherwise = self.finish_location(handler, &level, &server_name, &block.name)?;
        otherwise.script = Arc::new(script);
        Ok(VirtualServer {
            listens,
            names,
            settings: level.settings,
            trace: level.trace,
            rules: self.tls_rules(&tls.verify),
            tls,
            sites,
            otherwise: Arc::new(otherwise),
        })
    }
}
