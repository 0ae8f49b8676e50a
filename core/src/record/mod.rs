//! What is known of an exchange, for log lines, variables and templates.

mod attempt;
mod attempts;
mod client;
mod detour;
mod figures;
mod frozen;
mod head;
mod heads;
mod memo;
mod note;
mod outcome;
mod scratch;
mod severity;
mod tls;
mod tunnel;
mod uri;
mod url;
mod values;

pub(crate) use attempt::Attempt;
pub(crate) use detour::Detour;
pub(crate) use figures::Figures;
pub use head::RequestHead;
pub(crate) use heads::Heads;
pub use note::{Event, NoUpgrade, Note};
pub use outcome::{EndedBy, EndedHow, Outcome, TunnelEvent};
pub use severity::{Severity, UnknownSeverity};
pub(crate) use url::{Leads, Prefix, Url};

use std::sync::Arc;

use crate::{
    ClientInfo,
    buffer::{Loan, Turn},
    config::{Config, Handler, Hop, Location, LogId, Proxy, Settings},
    template::Template,
    time::{Now, Tick},
    tunnel::TunnelReport,
};

/// The record of an exchange, or of the tunnel that came of it: whole when [`crate::Output::ExchangeDone`]
/// is polled, until the next report or [`crate::Session::forget_exchange`].
#[derive(Clone, Debug)]
pub struct Record {
    pub(crate) config: Arc<Config>,
    pub(crate) client: Arc<ClientInfo>,
    pub(crate) location: Option<Arc<Location>>,
    /// Boxed: most clients speak for themselves.
    pub(crate) forwarded: Option<Box<client::ForwardedClient>>,
    /// Both heads; a tunnel has none, but what its log lines need of them.
    pub(crate) heads: Option<Box<Heads>>,
    pub(crate) accepted: Tick,
    pub(crate) requests: u64,
    pub(crate) status: u16,
    pub(crate) outcome: Outcome,
    pub(crate) figures: Loan<Figures>,
}

impl Record {
    pub(crate) fn new(config: Arc<Config>, client: Arc<ClientInfo>, now: Now) -> Self {
        let header = client.proxied.as_deref().copied();
        Self {
            config,
            client,
            location: None,
            forwarded: header.map(|header| Box::new(client::ForwardedClient::told_by(header))),
            heads: None,
            accepted: now.tick,
            requests: 0,
            status: 0,
            outcome: Outcome::Open,
            figures: Loan::default(),
        }
    }

    /// Begins the record of another exchange on the same connection.
    pub(crate) fn begin(&mut self, heads: Box<Heads>, turn: &mut Turn<'_>) {
        self.location = None;
        self.forget_client();
        self.heads = Some(heads);
        self.requests += 1;
        (self.status, self.outcome) = (0, Outcome::Open);
        self.figures.lend(turn.buffers);
        *self.figures = Figures { began: turn.now.tick, ..Figures::default() };
    }

    /// Begins another attempt; what is known of the last is kept for the log.
    pub(crate) fn next_attempt(&mut self, now: Now) {
        // When the next one began, its dial says.
        let mut last = std::mem::take(&mut self.figures.attempt);
        if last.counts() {
            last.over.set_once(now.tick);
            if let Some(heads) = &mut self.heads {
                heads.earlier.push(last);
            }
        }
    }

    /// Begins the attempts for another location: the log keeps them apart.
    pub(crate) fn next_group(&mut self, now: Now) {
        self.next_attempt(now);
        let earlier = self.heads.as_mut().map(|heads| &mut heads.earlier);
        self.figures.attempt.begins_group = earlier.as_ref().is_some_and(|earlier| !earlier.is_empty());
        // Numbers of peers are those of another group.
        earlier.into_iter().flatten().for_each(|attempt| attempt.tried = None);
    }

    /// The numbers of the peers that have been tried.
    pub(crate) fn tried(&self) -> impl Iterator<Item = u32> {
        let earlier = self.heads.iter().flat_map(|heads| &heads.earlier);
        earlier.chain([&self.figures.attempt]).filter_map(|attempt| attempt.tried)
    }

    /// The client's connection.
    #[must_use]
    pub fn client(&self) -> &ClientInfo {
        &self.client
    }

    /// The location that answered, once the request was routed.
    #[must_use]
    pub fn location(&self) -> Option<&Location> {
        self.location.as_deref()
    }

    /// The status code that the client got; 499 when it left before; 0 when there was no request yet.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// How the exchange ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Bytes sent to the client, heads included. Of a tunnel that is open they count where a line about it is due, and from
    /// its end on.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.figures.sent + self.under_way(|tunnel| tunnel.to_client)
    }

    /// What a tunnel that is open has moved when a line about it is due: once it is over, it is among the totals.
    fn under_way(&self, moved: impl FnOnce(&TunnelReport) -> u64) -> u64 {
        match (self.figures.event, self.tunnel()) {
            (Some(TunnelEvent::Open | TunnelEvent::Progress), Some(tunnel)) => moved(tunnel),
            _ => 0,
        }
    }

    /// The tunnel, if the exchange became one, from its end on. What is known of it before,
    /// [`Session::tunnel_report`](crate::Session::tunnel_report) says.
    #[must_use]
    pub fn tunnel(&self) -> Option<&TunnelReport> {
        self.figures.tunnel.as_deref()
    }

    /// The request line as received; empty when there is none, or a tunnel has dropped it.
    #[must_use]
    pub fn request_line(&self) -> &[u8] {
        self.heads.as_ref().map_or(b"", |heads| heads.request.line())
    }

    /// Settings of the location, once there is one, else those of the edge.
    pub(crate) fn settings(&self) -> &Settings {
        self.location.as_ref().map_or(&*self.config.edge, |location| &location.settings)
    }

    /// The upstream connection of the location, whatever goes over it.
    pub(crate) fn hop(&self) -> Option<Hop<'_>> {
        let mut hop = self.location.as_deref()?.handler.hop()?;
        if let Some(Leads::To(group)) = self.url().map(Url::leads) {
            hop.group = *group;
        }
        Some(hop)
    }

    /// Whether trailer sections go on: `proxy_pass_trailers`.
    pub(crate) fn passes_trailers(&self) -> bool {
        self.proxy().is_none_or(|proxy| proxy.pass_trailers)
    }

    /// Whether the client understands chunks, trailer sections and interim responses (RFC 9110 §2.5).
    pub(crate) fn client_speaks_http11(&self) -> bool {
        self.heads.as_ref().is_some_and(|heads| heads.request.version == crate::Version::Http11)
    }

    pub(crate) fn proxy(&self) -> Option<&Proxy> {
        match &self.location.as_deref()?.handler {
            Handler::Proxy(proxy) => Some(proxy),
            Handler::Return(_) | Handler::Tunnel(_) | Handler::Unsupported(_) | Handler::Nothing => None,
        }
    }

    /// Whether a log line asks for fields of the response that the client gets.
    pub(crate) fn logs_what_is_sent(&self) -> bool {
        let logs = self.location.iter().flat_map(|location| &location.access_logs);
        let formats = logs.flat_map(|log| log.condition.iter().chain([&log.format]));
        let tunnels =
            self.location.iter().filter_map(|location| location.tunnel_log.as_ref()?.format.template());
        formats.chain(tunnels).any(|template| self.config.shows_what_is_sent(template))
    }

    /// Writes the lines of the location's access logs: calls `write` with each log and its line (without a
    /// line end), which is put together in `line`.
    pub fn write_lines(&self, now: Now, line: &mut Vec<u8>, write: &mut dyn FnMut(LogId, &[u8])) {
        let mut frozen = self.frozen_logs();
        for log in self.location.iter().flat_map(|location| &location.access_logs) {
            let mut evaluate = |template: &Template, line: &mut Vec<u8>| {
                line.clear();
                match &mut frozen {
                    Some(frozen) => self.write_thawed(template, frozen, now, line),
                    None => self.write_template(template, now, line),
                }
            };
            let is_wanted = log.condition.as_ref().is_none_or(|condition| {
                evaluate(condition, line);
                !matches!(line.as_slice(), b"" | b"0")
            });
            evaluate(&log.format, line);
            if is_wanted {
                write(log.sink, line);
            }
        }
    }
}
