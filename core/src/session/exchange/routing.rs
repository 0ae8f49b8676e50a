//! Where a request goes: the rewrite directives of its server, a location, those of the location, and again while they
//! change the path; then the location's handler has it (ngx_http_rewrite_module, "Internal implementation").

use std::sync::Arc;

use super::{Common, Event, Exchange, Fact, pending::Errand, request::is_upgrade, script::Course};
use crate::{
    RequestHead,
    buffer::Turn,
    config::{Handler, Location, Return, Route},
    http1::Framing,
    state::exchange,
    violation::Violation,
};

impl Exchange {
    /// Takes a request to the handler that answers it: one whose head is complete, or that an error page has sent
    /// elsewhere.
    pub(super) fn route(&mut self, common: &mut Common, turn: &mut Turn<'_>) -> bool {
        if let Err(violation) = self.find_handler(common, turn) {
            self.refuse(common, violation, turn);
        }
        true
    }

    fn find_handler(&mut self, common: &mut Common, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let is_named = common.detour_mut().is_some_and(|detour| std::mem::take(&mut detour.is_named));
        if !is_named && (self.run_server_script(common, turn)? || self.search(common, turn)?) {
            return Ok(());
        }
        loop {
            if self.run_location_script(common, turn)? {
                return Ok(());
            }
            let Some(detour) = common.detour_mut().filter(|detour| detour.searches) else {
                return self.hand_over(common, turn);
            };
            if !detour.turn() {
                return Err(Violation::RewriteCycle);
            }
            if self.search(common, turn)? {
                return Ok(());
            }
        }
    }

    /// The server's own directives come first. Says whether the request was answered.
    fn run_server_script(&mut self, common: &mut Common, turn: &mut Turn<'_>) -> Result<bool, Violation> {
        let Some(level) = common.server_level() else { return Ok(false) };
        common.enter_server(&level);
        let answered = self.run_script(common, &level.script, turn)? == Course::Answered;
        if let Some(detour) = common.detour_mut() {
            // A location is searched in any case.
            (detour.searches, detour.whole) = (false, false);
        }
        Ok(answered)
    }

    /// Those of the location, which may be the server's own level: its directives were taken before.
    fn run_location_script(&mut self, common: &mut Common, turn: &mut Turn<'_>) -> Result<bool, Violation> {
        let Some(location) = &common.record.location else { return Ok(false) };
        if location.script.steps.is_empty() {
            return Ok(false);
        }
        if common.server_level().is_some_and(|level| Arc::ptr_eq(&level, location)) {
            return Ok(false);
        }
        let script = Arc::clone(&location.script);
        Ok(self.run_script(common, &script, turn)? == Course::Answered)
    }

    /// Finds the location of the path. Says whether the request was answered.
    fn search(&mut self, common: &mut Common, turn: &mut Turn<'_>) -> Result<bool, Violation> {
        let Some(heads) = &common.record.heads else { return Err(Violation::BadRequestLine) };
        let (location, lacks_slash) = match common.record.config.router.route(&RequestHead(heads)) {
            Route::Location(location) => (location, false),
            Route::AddSlash(location) => (location, true),
        };
        let is_closed = location.internal && !heads.detour.internal;
        self.enter(common, &location);
        if is_closed {
            self.conclude(common, 404, turn);
            return Ok(true);
        }
        let limit = location.settings.client_max_body_size;
        if matches!(self.framing, Framing::Length(length) if limit > 0 && length > limit) {
            return Err(Violation::ContentTooLarge);
        }
        if lacks_slash {
            self.redirect_to_slash(common, turn);
        }
        Ok(lacks_slash)
    }

    /// The request is in a location from here on.
    pub(super) fn enter(&mut self, common: &mut Common, location: &Arc<Location>) {
        common.record.location = Some(Arc::clone(location));
        self.bound_persistence(common);
    }

    /// `keepalive_requests`, `keepalive_time` and `keepalive_timeout` of the level at which the request is. As in nginx,
    /// each location on the way of a request may end the persistence of its connection, and none restores it.
    pub(super) fn bound_persistence(&mut self, common: &Common) {
        let settings = common.settings();
        let may_persist = !settings.keepalive_timeout.is_zero()
            && common.record.requests < settings.keepalive_requests
            && common.tick.since(common.record.accepted) < settings.keepalive_time;
        if !may_persist {
            self.facts.note(Fact::Bounded);
        }
    }

    /// The location is settled: its handler has the request.
    fn hand_over(&mut self, common: &mut Common, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let (Some(location), Some(heads)) = (common.record.location.clone(), &common.record.heads) else {
            return Err(Violation::BadRequestLine);
        };
        let is_connect = heads.request.method() == b"CONNECT";
        if !matches!(location.handler, Handler::Return(_)) {
            // As in nginx: behind the location's rewrite directives, which a `return` is one of, and before anybody is
            // asked for admission.
            common.record.learn_client();
        }
        match &location.handler {
            Handler::Tunnel(_) if !is_connect => return Err(Violation::TunnelMethod),
            Handler::Tunnel(_) => {
                common.check_connect(self.framing)?;
                common.evaluate_target(turn)?;
                self.admit(common, &location, turn)?;
            }
            _ if is_connect => return Err(Violation::ConnectRefused),
            // As in nginx, nobody is asked first who it is.
            Handler::Return(answer) => self.answer(common, answer, turn),
            Handler::Unsupported(_) | Handler::Nothing => self.admit(common, &location, turn)?,
            Handler::Proxy(_) if common.answers_options_itself() => self.answer_options(common, turn),
            Handler::Proxy(proxy) if common.lacks_content() && !proxy.drops_content() => {
                self.show_error(common, turn);
            }
            Handler::Proxy(_) => {
                common.evaluate_target(turn)?;
                self.write_forwarded_head(common, turn)?;
                self.admit(common, &location, turn)?;
            }
        }
        Ok(())
    }

    fn admit(
        &mut self,
        common: &mut Common,
        location: &Location,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        let may_tunnel = self.may_become_tunnel(common);
        if may_tunnel && common.leaves() {
            return Err(Violation::Leaving);
        }
        if location.admission.is_some() || (may_tunnel && location.max_tunnels.is_some()) {
            self.exchange_event(common, exchange::Event::Admit);
            common.send_for(Errand::Admit);
        } else {
            self.enter_handler(common, turn);
        }
        Ok(())
    }

    /// Whether a tunnel may come of the request where it is now: it is a CONNECT, or goes upstream as an upgrade.
    pub(super) fn may_become_tunnel(&self, common: &Common) -> bool {
        common.connects() || (common.record.proxy().is_some() && is_upgrade(self.offer))
    }

    /// The request is admitted, or needn't be.
    pub(super) fn enter_handler(&mut self, common: &mut Common, turn: &mut Turn<'_>) {
        let location = common.record.location.clone();
        match location.as_deref().map(|location| &location.handler) {
            Some(Handler::Unsupported(directive)) => self.lack_handler(common, directive, turn),
            Some(Handler::Nothing) => self.answer(common, &Return::new(404, None), turn),
            _ => self.find_origin(common, turn),
        }
    }

    /// The location's directive is none that we have (E11).
    fn lack_handler(&mut self, common: &mut Common, directive: &str, turn: &mut Turn<'_>) {
        common.record.blame_directive(directive);
        if common.record.heads.as_ref().is_some_and(|heads| heads.detour.error.is_some()) {
            // A page that can't be shown is no reason to hide the error that it is for.
            common.note(Event::Violation(Violation::NotImplemented));
            self.show_error(common, turn);
        } else {
            self.refuse(common, Violation::NotImplemented, turn);
        }
    }
}

/// What needs nothing of the exchange but its record and connections.
impl Common {
    /// The level of the request's server.
    pub(super) fn server_level(&self) -> Option<Arc<Location>> {
        let heads = self.record.heads.as_ref()?;
        self.record.config.router.entry(&RequestHead(heads))
    }

    /// The request is at the level of its server. How long the connection persists is for its location to say: the
    /// server says it where it answers by itself.
    pub(super) fn enter_server(&mut self, level: &Arc<Location>) {
        self.record.location = Some(Arc::clone(level));
        self.record.learn_client();
    }
}
