//! What a session waits for besides bytes: the addresses of a name, a password, a connection to an origin
//! server.

use std::{
    future::Future,
    io,
    net::{IpAddr, ToSocketAddrs as _},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use underpass_core::{
    Address, Claim, Connected, Dial, DialError, Fault, Lookup, Tick, Turn, Verdict, shared::Lease,
    trace::Traced,
};

use super::{Reactor, socket};
use crate::{Provisions, admission::Decision};

type Pending<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// An errand under way. Dropping it cancels it.
pub(super) enum Errand<R: Reactor> {
    /// A name is looked up.
    Resolve(Option<Lookup>, Pending<Vec<IpAddr>>),
    /// A password is compared.
    Admit(Option<Claim>, Pending<Decision>),
    /// A connection is made.
    Connect(Option<Box<(Dial, Lease)>>, Pending<R::Stream>),
}

/// What an errand brought, besides its report to the session.
pub(super) enum Brought<R: Reactor> {
    /// Nothing that the shell has to keep.
    Nothing,
    /// A connection.
    Connection(R::Stream, Lease),
    /// Whether the request may go on.
    Decision(Claim, Decision),
}

impl<R: Reactor> Errand<R> {
    /// Asks the name servers that the location names, or the system, on behalf of `client`.
    pub(super) fn resolve(lookup: Lookup, provisions: &Provisions, client: &Address) -> Self {
        let resolver = lookup.resolver().and_then(|number| provisions.resolvers.get(number as usize));
        let addresses: Pending<Vec<IpAddr>> = match resolver {
            Some(resolver) => Box::pin(resolver.resolve(lookup.name(), client.into())),
            None => Box::pin(look_up::<R>(lookup.name().to_owned())),
        };
        Self::Resolve(Some(lookup), addresses)
    }

    pub(super) fn admit(claim: Claim, decide: Box<dyn FnOnce() -> Decision + Send>) -> Self {
        let wanted = Arc::new(());
        let still = Arc::downgrade(&wanted);
        let decide = move || match still.upgrade() {
            Some(_) => decide(),
            // Its client has left before its turn came: nobody hears of it.
            None => Decision::impossible(io::ErrorKind::Interrupted.into()),
        };
        Self::Admit(
            Some(claim),
            Box::pin(async move {
                let _wanted = wanted;
                R::run_blocking(decide).await
            }),
        )
    }

    pub(super) fn connect(dial: Dial, lease: Lease) -> Self {
        let connection: Pending<R::Stream> = match lease.address().clone() {
            Address::Ip(address) => {
                let socket = socket::for_dial(&dial, address);
                Box::pin(async move { R::connect(socket?, address).await })
            }
            Address::Unix(path) => Box::pin(async move { R::stream(socket::connect_unix(&path)?) }),
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
                let decision = ready!(decision.as_mut().poll(cx)).unwrap_or_else(Decision::impossible);
                Poll::Ready(claim.take().map_or(Brought::Nothing, |claim| Brought::Decision(claim, decision)))
            }
            Self::Connect(token, connection) => {
                let result = ready!(connection.as_mut().poll(cx)).map_err(Fault::from);
                let Some(token) = token.take() else { return Poll::Ready(Brought::Nothing) };
                let (dial, lease) = *token;
                match result {
                    Ok(stream) => {
                        session.handle_connected(dial, Ok(Connected::Fresh), turn);
                        Poll::Ready(Brought::Connection(stream, lease))
                    }
                    Err(fault) => {
                        lease.report(Verdict::Failure, turn.now.tick);
                        session.handle_connected(dial, Err(DialError::Io(fault)), turn);
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

async fn look_up<R: Reactor>(name: String) -> io::Result<Vec<IpAddr>> {
    // The port is the session's business.
    let found = R::run_blocking(move || (name.as_str(), 0).to_socket_addrs()).await??;
    Ok(found.map(|address| address.ip()).collect())
}
