//! Inheritance: what holds on a level of `http`, `server`, `location`, `if`.

use core::time::Duration;
use std::{rc::Rc, sync::Arc};

use underpass_core::{
    config::{
        AccessLog, Additions, ContentTypes, ErrorLogs, ErrorPage, MaxTunnels, RealIp, ResolverId, SetHeader,
        Settings, TunnelLog,
    },
    template::Escape,
};

use super::{
    Builder, all,
    rewriting::{Redirect, Rewriting},
};
use crate::{
    directives::{self, Context},
    error::{ConfigNote, Error},
    loaded::SessionTrace,
    syntax::{ByName, Directive, Word},
    values,
};

/// A block and those around it, with what is inherited all together or not at all.
#[derive(Clone, Default)]
pub(super) struct Level<'t> {
    /// Outermost first.
    blocks: Vec<Rc<ByName<'t>>>,
    /// Absent when no level says anything.
    pub(super) access_logs: Option<Vec<AccessLog>>,
    pub(super) tunnel_log: Option<TunnelLog>,
    /// `upgrade_max_tunnels` of the innermost level that has one.
    pub(super) max_tunnels: Option<MaxTunnels>,
    /// The server and the locations that it is in, as they are written.
    pub(super) place: String,
    pub(super) error_logs: Option<ErrorLogs>,
    pub(super) trace: Option<SessionTrace>,
    pub(super) set_headers: Vec<SetHeader>,
    pub(super) additions: Arc<Additions>,
    pub(super) types: Arc<ContentTypes>,
    pub(super) error_pages: Arc<[ErrorPage]>,
    pub(super) resolver: Option<ResolverId>,
    pub(super) real_ip: Option<Arc<RealIp>>,
    pub(super) settings: Arc<Settings>,
    pub(super) redirects: Vec<Redirect>,
    /// Whether any level has a `proxy_redirect`; without one, `default` holds.
    pub(super) has_redirects: bool,
    pub(super) rewriting: Arc<Rewriting>,
}

impl Builder<'_> {
    /// The level of `block` inside of `outer`.
    pub(super) fn level<'t>(
        &mut self,
        outer: Option<&Level<'t>>,
        block: &'t [Directive],
    ) -> Result<Level<'t>, Error> {
        let mut level = outer.cloned().unwrap_or_default();
        level.blocks.push(Rc::new(ByName::of(block)));
        if let Some(access_logs) = self.access_logs(block)? {
            level.access_logs = Some(access_logs);
        }
        if let Some(tunnel_log) = self.tunnel_log(block)? {
            level.tunnel_log = tunnel_log;
        }
        if let Some(error_logs) = self.error_logs_of(block)? {
            level.error_logs = Some(error_logs);
        }
        if let Some(trace) = self.session_trace(block)? {
            level.trace = trace;
        }
        if has(block, &["proxy_set_header"]) {
            let lines = all(block, "proxy_set_header").map(|directive| self.set_header(directive));
            level.set_headers = lines.collect::<Result<_, _>>()?;
        }
        self.additions(&mut level, block)?;
        self.error_pages(&mut level, block)?;
        self.types(&mut level, block)?;
        level.resolver = self.resolver(block)?.or(level.resolver);
        self.redirects(&mut level, block)?;
        self.rewriting(&mut level, block)?;
        self.settings(&mut level, block)?;
        self.check_unused(&level, block)?;
        self.note_what_has_no_effect(block);
        Ok(level)
    }

    /// Reads what is read again where it is used, so that a mistake is found where nobody uses it.
    fn check_unused(&mut self, level: &Level<'_>, block: &[Directive]) -> Result<(), Error> {
        for directive in block {
            match directive.name.text.as_str() {
                "proxy_bind" | "tunnel_bind" => drop(self.bind(directive)?),
                "proxy_method" | "proxy_set_body" => {
                    drop(self.template(directive.argument(0), Escape::None)?);
                }
                name @ ("limit_rate" | "limit_rate_after" | "proxy_limit_rate") => {
                    drop(self.rate(level, name)?);
                }
                "allow" | "deny" => drop(self.who(directive.argument(0))?),
                "tunnel_allow" | "tunnel_deny" => drop(self.destination_rules(level)?),
                name if name.starts_with("upgrade_") => self.check_upgrade(level)?,
                name if name.starts_with("ssl_") || name.starts_with("proxy_ssl_") => {
                    self.check_tls(directive)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn note_what_has_no_effect(&mut self, block: &[Directive]) {
        for header in all(block, "keepalive_timeout").filter_map(|directive| directive.arguments.get(1)) {
            let message = "the second parameter of \"keepalive_timeout\" has no effect";
            self.notes.push(ConfigNote::new(&header.position, message));
        }
    }
}

impl<'t> Level<'t> {
    /// The directives of these names in the innermost block that has one of them.
    pub(super) fn nearest(
        &self,
        names: &'static [&'static str],
    ) -> impl Iterator<Item = &'t Directive> + use<'t> {
        let found = self.blocks.iter().rev().map(|block| block.all(names)).find(|found| !found.is_empty());
        found.unwrap_or_default().into_iter()
    }

    /// The innermost directive of this name.
    pub(super) fn innermost(&self, name: &str) -> Option<&'t Directive> {
        self.blocks.iter().rev().find_map(|block| block.first(name))
    }

    pub(super) fn time(&self, name: &str) -> Result<Duration, Error> {
        self.value(name, values::time)
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Error> {
        self.value(name, values::flag)
    }

    /// The value of the innermost directive of this name, else its default.
    pub(super) fn value<T>(&self, name: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, Error> {
        let word = self.innermost(name).map(|directive| directive.argument(0));
        value_or_default(name, word, Context::Http, read)
    }
}

/// Whether one of these directives stands in a block.
pub(super) fn has(block: &[Directive], names: &[&str]) -> bool {
    block.iter().any(|directive| names.contains(&directive.name.text.as_str()))
}

/// The first parameter of the directive `name` of a block.
pub(super) fn first_argument<'t>(block: &'t [Directive], name: &str) -> Option<&'t Word> {
    all(block, name).next().map(|directive| directive.argument(0))
}

/// Reads `word`, or the default that the table of directives has.
pub(super) fn value_or_default<T>(
    name: &str,
    word: Option<&Word>,
    context: Context,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, Error> {
    let default = || directives::find(name, context).and_then(|row| row.default);
    let text = word.map(|word| word.text.as_str()).or_else(default).unwrap_or_default();
    read(text).ok_or_else(|| Error {
        message: format!("\"{name}\" directive invalid value"),
        hint: None,
        position: word.map(|word| word.position.clone()),
    })
}
