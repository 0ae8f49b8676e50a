//! What a session waits for besides bytes: the addresses of a name, a password, a connection to an origin
//! server.

use std::{
    future::Future,
    io,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use underpass_core::{
    Address, Claim, Connected, Dial, DialError, Fault, Leg, Lookup, Tick, Turn, Verdict, shared::Lease,
    trace::Traced,
};

use super::{Reactor, secured::Secured, socket};
use crate::{Provisions, admission::Decision};

type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// An errand under way. Dropping it cancels it.
pub(super) enum Errand<R: Reactor> {
    /// A name is looked up.
    Resolve(Option<Lookup>, Pending<io::Result<Vec<IpAddr>>>),
    /// A password is compared.
    Admit(Option<Claim>, Pending<Decision>),
    /// A connection is made.
    Connect(Option<Box<(Dial, Lease)>>, Pending<Result<Secured<R::Stream>, DialError>>),
}

/// What an errand brought, besides its report to the session.
pub(super) enum Brought<R: Reactor> {
    /// Nothing that the shell has to keep.
    Nothing,
    /// A connection.
    Connection(Leg, Secured<R::Stream>, Lease),
    /// Whether the request may go on.
    Decision(Claim, Decision),
}

impl<R: Reactor> Errand<R> {
    /// Asks the name servers that the location names, or the system, on behalf of `client`.
    pub(super) fn resolve(lookup: Lookup, provisions: &Provisions, client: &Address) -> Self {
        let resolver = lookup.resolver().and_then(|number| provisions.resolvers.get(number as usize));
        let addresses: Pending<io::Result<Vec<IpAddr>>> = match resolver {
            Some(resolver) => Box::pin(resolver.resolve(lookup.name(), client.into())),
            None => Box::pin(provisions.system_names.look_up(lookup.name(), client)),
        };
        Self::Resolve(Some(lookup), addresses)
    }

    /// Waits until a password has been compared.
    pub(super) fn admit(claim: Claim, decision: Pending<Decision>) -> Self {
        Self::Admit(Some(claim), decision)
    }

    pub(super) fn connect(dial: Dial, lease: Lease) -> Self {
        let address = lease.address().clone();
        let connection: Pending<Result<Secured<R::Stream>, DialError>> = match &address {
            Address::Ip(to) => {
                let (socket, to) = (socket::for_dial(&dial, *to), *to);
                Box::pin(async move {
                    // Nobody has been asked for anything yet.
                    let socket = socket.map_err(|error| DialError::Local(error.into()))?;
                    let connected = R::connect(socket, to).await;
                    connected.map(Secured::plain).map_err(|error| socket::dial_error(error, &address))
                })
            }
            Address::Unix(path) => {
                let connected = socket::connect_unix(path).and_then(R::stream);
                let connected =
                    connected.map(Secured::plain).map_err(|error| socket::dial_error(error, &address));
                Box::pin(async { connected })
            }
        };
        Self::Connect(Some(Box::new((dial, lease))), connection)
    }

    /// Reports what the errand brought, when it is done.
    pub(super) fn poll(
        &mut self,
        session: &mut Traced,
        turn: &mut Turn<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Brought<R>> {
        match self {
            Self::Resolve(lookup, addresses) => {
                let result = ready!(addresses.as_mut().poll(cx)).map_err(Fault::from);
                if let Some(lookup) = lookup.take() {
                    session.handle_resolved(lookup, result.as_deref().map_err(|fault| *fault), turn);
                }
                Poll::Ready(Brought::Nothing)
            }
            Self::Admit(claim, decision) => {
                let decision = ready!(decision.as_mut().poll(cx));
                Poll::Ready(claim.take().map_or(Brought::Nothing, |claim| Brought::Decision(claim, decision)))
            }
            Self::Connect(token, connection) => {
                let result = ready!(connection.as_mut().poll(cx));
                let Some(token) = token.take() else { return Poll::Ready(Brought::Nothing) };
                let (dial, lease) = *token;
                match result {
                    Ok(stream) => {
                        let leg = dial.leg();
                        session.handle_connected(dial, Ok(Connected::Fresh), turn);
                        Poll::Ready(Brought::Connection(leg, stream, lease))
                    }
                    Err(error) => {
                        lease.report(error.verdict(), turn.now.tick);
                        session.handle_connected(dial, Err(error), turn);
                        Poll::Ready(Brought::Nothing)
                    }
                }
            }
        }
    }

    /// Gives the errand up; a peer that was dialled is told of as the session judges it.
    pub(super) fn cancel(self, verdict: Verdict, now: Tick) {
        if let Self::Connect(Some(token), _) = self {
            token.1.report(verdict, now);
        }
    }
}
