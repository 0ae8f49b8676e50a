//! Inheritance: what holds on a level of `http`, `server`, `location`.

use core::time::Duration;
use std::sync::Arc;

use underpass_core::config::{AccessLog, SetHeader, Settings};

use super::{Builder, all};
use crate::{
    directives::{self, Context},
    error::{Error, Note},
    syntax::{Directive, Word},
    values,
};

/// A block, and those around it.
#[derive(Clone)]
pub(super) struct Level<'t> {
    /// Outermost first.
    blocks: Vec<&'t [Directive]>,
    /// Those of the innermost block that has any; absent when none has.
    pub(super) access_logs: Option<Vec<AccessLog>>,
    /// Likewise.
    pub(super) set_headers: Vec<SetHeader>,
}

impl<'o> Builder<'o> {
    /// The level of `block` inside of `outer`.
    pub(super) fn level<'t>(
        &mut self,
        outer: Option<&Level<'t>>,
        block: &'t [Directive],
    ) -> Result<Level<'t>, Error> {
        let outer = outer.cloned();
        let mut level =
            outer.unwrap_or_else(|| Level { blocks: Vec::new(), access_logs: None, set_headers: Vec::new() });
        level.blocks.push(block);
        if let Some(access_logs) = self.access_logs(block)? {
            level.access_logs = Some(access_logs);
        }
        let set_headers: Result<Vec<_>, _> =
            all(block, "proxy_set_header").map(|directive| self.set_header(directive)).collect();
        let set_headers = set_headers?;
        if !set_headers.is_empty() {
            level.set_headers = set_headers;
        }
        self.note_what_has_no_effect(block);
        Ok(level)
    }

    fn note_what_has_no_effect(&mut self, block: &[Directive]) {
        for log in all(block, "error_log") {
            let message = "\"error_log\" has no effect in a block: the one outside of all blocks holds";
            self.notes.push(Note::new(&log.name.position, message));
        }
        for header in all(block, "keepalive_timeout").filter_map(|directive| directive.arguments.get(1)) {
            let message = "the second parameter of \"keepalive_timeout\" has no effect";
            self.notes.push(Note::new(&header.position, message));
        }
    }
}

impl Level<'_> {
    /// Limits and timeouts towards the client.
    pub(super) fn settings(&self) -> Result<Arc<Settings>, Error> {
        let mut settings = Settings::default();
        settings.client_header_timeout = self.time("client_header_timeout")?;
        settings.client_max_body_size = self.value("client_max_body_size", values::size)?;
        settings.send_timeout = self.time("send_timeout")?;
        settings.keepalive_timeout = self.time("keepalive_timeout")?;
        settings.keepalive_requests = self.value("keepalive_requests", values::number)?;
        Ok(Arc::new(settings))
    }

    pub(super) fn time(&self, name: &str) -> Result<Duration, Error> {
        self.value(name, values::time)
    }

    /// The value of the innermost directive of this name, else its default.
    pub(super) fn value<T>(&self, name: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, Error> {
        let word = self.blocks.iter().rev().find_map(|block| first_argument(block, name));
        value_or_default(name, word, Context::Http, read)
    }
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
