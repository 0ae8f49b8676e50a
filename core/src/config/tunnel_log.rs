//! `upgrade_log`: lines about a tunnel while it lives (G9).

use core::time::Duration;
use std::sync::Arc;

use super::LogId;
use crate::template::{Escape, Template, Variable};

/// `upgrade_log`: a line when a tunnel opens, one when it ends, and some between.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TunnelLog {
    /// The log that its lines go to.
    pub sink: LogId,
    /// What a line looks like.
    pub format: TunnelFormat,
    /// `every=`: how long after a line the next one comes while the tunnel lives. Absent: at its end.
    pub every: Option<Duration>,
}

impl TunnelLog {
    /// Lines of JSON to the log `sink`, two for each tunnel.
    #[must_use]
    pub fn new(sink: LogId) -> Self {
        Self { sink, format: TunnelFormat::Json, every: None }
    }
}

/// What a line about a tunnel looks like.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TunnelFormat {
    /// One JSON object (RFC 8259): `time` (`$time_iso8601`), `remote_addr`, and each `$tunnel_…` under its name without
    /// `tunnel_`. Numbers are numbers, and what has no value is `null`.
    Json,
    /// A `log_format`.
    Template(Arc<Template>),
}

impl TunnelFormat {
    /// What stands in a line of JSON before what is said of the tunnel.
    const BEFORE: [Variable; 2] = [Variable::TimeIso8601, Variable::RemoteAddr];

    /// The variables of JSON with their names there.
    pub(crate) fn members() -> impl Iterator<Item = (&'static Variable, &'static str)> {
        static MEMBERS: [Variable; 2] = TunnelFormat::BEFORE;
        static OF_TUNNEL: [Variable; 21] = Variable::OF_TUNNEL;
        MEMBERS.iter().chain(&OF_TUNNEL).map(|variable| {
            let name = variable.plain_name().unwrap_or_default();
            let name = if *variable == Variable::TimeIso8601 { "time" } else { name };
            (variable, name.strip_prefix("tunnel_").unwrap_or(name))
        })
    }

    /// The variables in it, in order.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &Variable> {
        let (json, template) = match self {
            Self::Json => (Some(Self::members().map(|(variable, _)| variable)), None),
            Self::Template(template) => (None, Some(template.variables())),
        };
        json.into_iter().flatten().chain(template.into_iter().flatten())
    }

    /// The `log_format`, if it is one.
    pub(crate) fn template(&self) -> Option<&Arc<Template>> {
        match self {
            Self::Json => None,
            Self::Template(template) => Some(template),
        }
    }

    /// How their values are written. Those of JSON are put into it when all is known of them.
    pub(crate) fn escape(&self) -> Escape {
        match self {
            Self::Json => Escape::None,
            Self::Template(template) => template.escape(),
        }
    }
}
