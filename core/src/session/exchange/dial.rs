//! From a settled location to an upstream connection: where its URL leads, the name's addresses, the dial.

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use super::{Choice, Common, Dial, DialError, Exchange, Origin, pending::Errand, request::is_upgrade};
use crate::{
    Address, TlsPeer,
    buffer::Turn,
    config::{Bind, PeerName, Target, without_port},
    fault::Fault,
    record::{Prefix, Record},
    session::Session,
    shared::{Balance, ChoiceContext, Group, HashKey},
    state::exchange,
    time::Tick,
    violation::Violation,
};

impl Exchange {
    /// Dials, or looks the name up first.
    pub(super) fn find_origin(&mut self, common: &mut Common, turn: &mut Turn<'_>) {
        let Some(hop) = common.record.hop() else { return self.refuse(common, Violation::NoPeer, turn) };
        match hop.target {
            None if self.addresses.is_none() => self.find_destination(common, turn),
            Some(_) if self.addresses.is_none() && common.record.sought_name().is_some() => {
                self.look_up(common, turn);
            }
            _ => {
                self.exchange_event(common, exchange::Event::Dial);
                self.dial(common, Origin::Pool, turn);
            }
        }
    }

    /// Asks for the addresses of a name.
    pub(super) fn look_up(&mut self, common: &mut Common, turn: &mut Turn<'_>) {
        let requested = || common.requested_authority().is_some_and(|(host, _)| host.starts_with('['));
        if common.record.sought_name().map_or_else(requested, |(name, _)| name.starts_with('[')) {
            // An address of a version that nobody speaks yet (E4): it is no name, and no resolver is asked for it.
            return self.refuse(common, Violation::UnknownName, turn);
        }
        self.exchange_event(common, exchange::Event::Resolve);
        common.send_for(Errand::Resolve);
    }

    pub(super) fn resolved(
        &mut self,
        common: &mut Common,
        errand: u32,
        result: Result<&[IpAddr], Fault>,
        turn: &mut Turn<'_>,
    ) {
        if errand != common.errands || self.machine.state() != exchange::State::Resolving {
            return;
        }
        let port = common.record.sought_name().map_or(80, |(_, port)| port);
        match result {
            Ok(addresses)
                if !addresses.is_empty() && common.record.hop().is_some_and(|hop| hop.target.is_none()) =>
            {
                let port = common.requested_authority().map_or(0, |(_, port)| port);
                match self.permit(common, addresses, port) {
                    Ok(()) => self.find_origin(common, turn),
                    Err(violation) => self.refuse(common, violation, turn),
                }
            }
            Ok(addresses) if !addresses.is_empty() => {
                (self.addresses, self.elsewhere) = (Some((addresses.into(), port)), Vec::new());
                self.find_origin(common, turn);
            }
            // Nobody was asked: that is a limit of ours, and no fault of the name.
            Err(Fault { kind: ErrorKind::QuotaExceeded, .. }) => {
                self.refuse(common, Violation::TooManyNames, turn);
            }
            Ok(_) | Err(_) => self.refuse(common, Violation::UnknownName, turn),
        }
    }

    /// Asks for an upstream connection; one from the pool will do where `origin` says so, but an upgrade
    /// never goes on one (E10).
    pub(super) fn dial(&mut self, common: &mut Common, origin: Origin, turn: &mut Turn<'_>) {
        let may_reuse = origin == Origin::Pool
            && !is_upgrade(self.offer)
            && !common.connects()
            && !common.record.proxy().is_some_and(|proxy| proxy.proxy_protocol);
        common.record.figures.attempt.began = common.tick;
        self.tries += 1;
        if let Err(violation) = common.evaluate_bind(turn) {
            return self.refuse(common, violation, turn);
        }
        common.name_peer(turn);
        let key = common.hash_key(turn);
        // Whoever dials has a location that forwards.
        let Some(group) = common.record.hop().map(|hop| hop.group) else {
            return self.refuse(common, Violation::NoPeer, turn);
        };
        common.send_for(Errand::Connect { group, may_reuse, key });
    }

    /// Whom the dial goes to: known from now on, even if nothing is heard of it again.
    pub(super) fn chosen(&self, common: &mut Common, errand: u32, number: u32, address: &Address) {
        if errand != common.errands || self.machine.state() != exchange::State::Dialling {
            return;
        }
        common.record.figures.attempt.peer = Some(address.clone());
        common.record.figures.attempt.tried = Some(number);
    }
}

/// What needs nothing of the exchange but its record and connections.
impl Common {
    /// Where the location's URL leads for this request: known before its head is written, which shows it.
    pub(super) fn evaluate_target(&mut self, turn: &Turn<'_>) -> Result<(), Violation> {
        let Some(heads) = &mut self.record.heads else { return Ok(()) };
        let mut url = std::mem::take(&mut heads.url);
        url.clear();
        let prefix = match self.record.proxy() {
            None => Prefix::None,
            Some(proxy) if proxy.tls.is_some() => Prefix::AnyScheme,
            Some(_) => Prefix::Scheme,
        };
        let evaluated = match self.record.hop().and_then(|hop| hop.target) {
            Some(Target::Template { url: template, .. }) => {
                url.evaluate(&self.record, template, prefix, turn.now)
            }
            _ => Ok(()),
        };
        if let Some(heads) = &mut self.record.heads {
            heads.url = url;
        }
        evaluated
    }

    /// Sends the shell out; tokens of earlier errands are stale from now on.
    pub(super) fn send_for(&mut self, errand: Errand) {
        let _number = self.next_errand();
        self.work.pending.errand = Some(errand);
    }

    /// Where the connection is to come from, when there are variables in that.
    fn evaluate_bind(&mut self, turn: &Turn<'_>) -> Result<(), Violation> {
        let Some(Bind::Template(template)) = self.record.hop().map(|hop| &hop.socket.bind) else {
            return Ok(());
        };
        let bind = self.record.with_value(template, turn.now, |value| match value {
            b"" => Ok(None),
            value => address(value).map(Some).ok_or(Violation::TemplateBind),
        });
        if bind.is_err() {
            self.record.blame(template);
        }
        if let Some(heads) = &mut self.record.heads {
            heads.bind = bind?;
        }
        Ok(())
    }

    /// Whom the connection is secured with (H4).
    fn name_peer(&mut self, turn: &mut Turn<'_>) {
        let peer = self.record.proxy_tls().map(|tls| {
            if let PeerName::Fixed(peer) = &tls.name {
                return Arc::clone(peer);
            }
            let mut text = turn.buffers.scratch();
            match &tls.name {
                PeerName::Template(name) => self.record.write_template(name, turn.now, &mut text),
                PeerName::OfUrl | PeerName::Fixed(_) => text.extend_from_slice(self.record.proxy_host()),
            }
            let name = without_port(&String::from_utf8_lossy(&text)).into();
            turn.buffers.return_scratch(text);
            Arc::new(TlsPeer { settings: tls.settings, name })
        });
        if let Some(heads) = &mut self.record.heads {
            heads.tls_peer = peer;
        }
    }

    /// The key that the group is balanced by; empty where it is by none.
    fn hash_key(&self, turn: &mut Turn<'_>) -> HashKey {
        let group = self.record.hop().and_then(|hop| self.record.config.upstreams.group(hop.group));
        let Some(Balance::Hash { key, .. }) = group.map(Group::balance) else { return HashKey::default() };
        let mut text = turn.buffers.scratch();
        self.record.write_template(key, turn.now, &mut text);
        let key = HashKey::of(&text);
        turn.buffers.return_scratch(text);
        key
    }
}

impl Session {
    /// Chooses where `dial` goes, and takes a lease on that: the location's own [`Peers`](crate::shared::Peers) are
    /// asked, or its group. Changes nothing of the session; report the choice at once
    /// ([`handle_chosen`](Self::handle_chosen)).
    ///
    /// `now` has the same epoch in all workers that share a configuration.
    ///
    /// # Errors
    /// [`DialError::NoPeer`] when none is left, [`DialError::OwnListener`] when only addresses of this machine are
    /// at which we listen ourselves ([`Dial::tell_local`]).
    pub fn choose(&self, dial: &Dial, now: Tick) -> Result<Choice, DialError> {
        let upstreams = &self.common.record.config.upstreams;
        let Some(Target::Peers { peers, .. }) = self.common.record.hop().and_then(|hop| hop.target) else {
            return upstreams.choose(dial, now);
        };
        let context = self.common.record.choice_context(now).ok_or(DialError::NoPeer)?;
        upstreams.choose_of(&**peers, dial, &context)
    }
}

/// Reads an address, with or without a port.
fn address(text: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse().ok().or_else(|| text.parse().ok().map(|ip| SocketAddr::new(ip, 0)))
}

impl Record {
    /// The facts by which an embedder's own peers choose, while there is a request.
    pub(super) fn choice_context(&self, now: Tick) -> Option<ChoiceContext<'_>> {
        let heads = self.heads.as_deref()?;
        Some(ChoiceContext::new(heads, &self.figures.attempt, self.remote(), now))
    }

    /// Where upstream connections of the exchange come from.
    pub(super) fn bind(&self) -> Option<SocketAddr> {
        match &self.hop()?.socket.bind {
            Bind::Any => None,
            Bind::Address(address) => Some(*address),
            Bind::Template(_) => self.heads.as_ref()?.bind,
        }
    }
}
