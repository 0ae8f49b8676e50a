//! Where a request goes: the rewrite directives of its server, a location, those of the location, and again while they
//! change the path; then the location's handler has it (ngx_http_rewrite_module, "Internal implementation").

use std::sync::Arc;

use super::{Event, Fact, Session, pending::Errand, script::Course};
use crate::{
    RequestHead,
    buffer::Turn,
    config::{Handler, Location, Return, Route},
    http1::Framing,
    state::exchange,
    violation::Violation,
};

impl Session {
    /// Takes a request to the handler that answers it: one whose head is complete, or that an error page has sent
    /// elsewhere.
    pub(super) fn route(&mut self, turn: &mut Turn<'_>) -> bool {
        if let Err(violation) = self.find_handler(turn) {
            self.refuse(violation, turn);
        }
        true
    }

    fn find_handler(&mut self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let is_named = self.detour_mut().is_some_and(|detour| std::mem::take(&mut detour.is_named));
        if !is_named && (self.run_server_script(turn)? || self.search(turn)?) {
            return Ok(());
        }
        loop {
            if self.run_location_script(turn)? {
                return Ok(());
            }
            let Some(detour) = self.detour_mut().filter(|detour| detour.searches) else {
                return self.hand_over(turn);
            };
            if !detour.turn() {
                return Err(Violation::RewriteCycle);
            }
            if self.search(turn)? {
                return Ok(());
            }
        }
    }

    /// The server's own directives come first. Says whether the request was answered.
    fn run_server_script(&mut self, turn: &mut Turn<'_>) -> Result<bool, Violation> {
        let Some(level) = self.server_level() else { return Ok(false) };
        self.enter_server(&level);
        let answered = self.run_script(&level.script, turn)? == Course::Answered;
        if let Some(detour) = self.detour_mut() {
            // A location is searched in any case.
            (detour.searches, detour.whole) = (false, false);
        }
        Ok(answered)
    }

    /// Those of the location, which may be the server's own level: its directives were taken before.
    fn run_location_script(&mut self, turn: &mut Turn<'_>) -> Result<bool, Violation> {
        let Some(location) = &self.record.location else { return Ok(false) };
        if location.script.steps.is_empty() {
            return Ok(false);
        }
        if self.server_level().is_some_and(|level| Arc::ptr_eq(&level, location)) {
            return Ok(false);
        }
        let script = Arc::clone(&location.script);
        Ok(self.run_script(&script, turn)? == Course::Answered)
    }

    /// The level of the request's server.
    pub(super) fn server_level(&self) -> Option<Arc<Location>> {
        let heads = self.record.heads.as_ref()?;
        self.record.config.router.entry(&RequestHead(heads))
    }

    /// Finds the location of the path. Says whether the request was answered.
    fn search(&mut self, turn: &mut Turn<'_>) -> Result<bool, Violation> {
        let Some(heads) = &self.record.heads else { return Err(Violation::BadRequestLine) };
        let (location, lacks_slash) = match self.record.config.router.route(&RequestHead(heads)) {
            Route::Location(location) => (location, false),
            Route::AddSlash(location) => (location, true),
        };
        let is_closed = location.internal && !heads.detour.internal;
        self.enter(&location);
        if is_closed {
            self.conclude(404, turn);
            return Ok(true);
        }
        let limit = location.settings.client_max_body_size;
        if matches!(self.work.framing, Framing::Length(length) if limit > 0 && length > limit) {
            return Err(Violation::ContentTooLarge);
        }
        if lacks_slash {
            self.redirect_to_slash(turn);
        }
        Ok(lacks_slash)
    }

    /// The request is at the level of its server. How long the connection persists is for its location to say: the
    /// server says it where it answers by itself.
    pub(super) fn enter_server(&mut self, level: &Arc<Location>) {
        self.record.location = Some(Arc::clone(level));
        self.record.learn_client();
    }

    /// The request is in a location from here on.
    pub(super) fn enter(&mut self, location: &Arc<Location>) {
        self.record.location = Some(Arc::clone(location));
        self.bound_persistence();
    }

    /// `keepalive_requests`, `keepalive_time` and `keepalive_timeout` of the level at which the request is. As in nginx,
    /// each location on the way of a request may end the persistence of its connection, and none restores it.
    pub(super) fn bound_persistence(&mut self) {
        let settings = self.settings();
        let may_persist = !settings.keepalive_timeout.is_zero()
            && self.record.requests < settings.keepalive_requests
            && self.tick.since(self.record.accepted) < settings.keepalive_time;
        if !may_persist {
            self.work.facts.note(Fact::Bounded);
        }
    }

    /// The location is settled: its handler has the request.
    fn hand_over(&mut self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let (Some(location), Some(heads)) = (self.record.location.clone(), &self.record.heads) else {
            return Err(Violation::BadRequestLine);
        };
        let is_connect = heads.request.method() == b"CONNECT";
        if !matches!(location.handler, Handler::Return(_)) {
            // As in nginx: behind the location's rewrite directives, which a `return` is one of, and before anybody is
            // asked for admission.
            self.record.learn_client();
        }
        match &location.handler {
            Handler::Tunnel(_) if !is_connect => return Err(Violation::TunnelMethod),
            Handler::Tunnel(_) => {
                self.check_connect(self.work.framing)?;
                self.evaluate_target(turn)?;
                self.admit(&location, turn);
            }
            _ if is_connect => return Err(Violation::ConnectRefused),
            // As in nginx, nobody is asked first who it is.
            Handler::Return(answer) => self.answer(answer, turn),
            Handler::Unsupported(_) | Handler::Nothing => self.admit(&location, turn),
            Handler::Proxy(_) if self.answers_options_itself() => self.answer_options(turn),
            Handler::Proxy(proxy) if self.lacks_content() && !proxy.drops_content() => self.show_error(turn),
            Handler::Proxy(_) => {
                self.evaluate_target(turn)?;
                self.write_forwarded_head(turn)?;
                self.admit(&location, turn);
            }
        }
        Ok(())
    }

    fn admit(&mut self, location: &Location, turn: &mut Turn<'_>) {
        if location.admission.is_some() {
            self.exchange_event(exchange::Event::Admit);
            self.send_for(Errand::Admit);
        } else {
            self.enter_handler(turn);
        }
    }

    /// The request is admitted, or needn't be.
    pub(super) fn enter_handler(&mut self, turn: &mut Turn<'_>) {
        let location = self.record.location.clone();
        match location.as_deref().map(|location| &location.handler) {
            Some(Handler::Unsupported(directive)) => self.lack_handler(directive, turn),
            Some(Handler::Nothing) => self.answer(&Return::new(404, None), turn),
            _ => self.find_origin(turn),
        }
    }

    /// The location's directive is none that we have (E11).
    fn lack_handler(&mut self, directive: &str, turn: &mut Turn<'_>) {
        self.record.blame_directive(directive);
        if self.record.heads.as_ref().is_some_and(|heads| heads.detour.error.is_some()) {
            // A page that can't be shown is no reason to hide the error that it is for.
            self.note(Event::Violation(Violation::NotImplemented));
            self.show_error(turn);
        } else {
            self.refuse(Violation::NotImplemented, turn);
        }
    }

    pub(super) fn detour_mut(&mut self) -> Option<&mut crate::record::Detour> {
        self.record.heads.as_mut().map(|heads| &mut heads.detour)
    }
}
