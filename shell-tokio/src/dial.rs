//! What a session waits for besides bytes: the addresses of a name, a connection to an origin server.

use std::{
    future::Future,
    io,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    net::{TcpStream, lookup_host},
    task::spawn_blocking,
};
use underpass_core::{
    Address, Claim, Connected, Dial, DialError, Fault, Lookup, Session, Tick, Turn, Verdict, shared::Lease,
};
use underpass_shell_common::{Provisions, admission::Decision};

use crate::socket;

type Pending<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// An errand under way. Dropping it cancels it.
pub(crate) enum Errand {
    /// A name is looked up.
    Resolve(Option<Lookup>, Pending<Vec<IpAddr>>),
    /// A password is compared.
    Admit(Option<Claim>, Pending<Decision>),
    /// A connection is made.
    Connect(Option<Box<(Dial, Lease)>>, Pending<TcpStream>),
}

/// What an errand brought, besides its report to the session.
pub(crate) enum Brought {
    /// Nothing that the shell has to keep.
    Nothing,
    /// A connection.
    Connection(TcpStream, Lease),
    /// Whether the request may go on.
    Decision(Claim, Decision),
}

impl Errand {
    /// Asks the name servers that the location names, or the system.
    pub(crate) fn resolve(lookup: Lookup, provisions: &Provisions) -> Self {
        let resolver = lookup.resolver().and_then(|number| provisions.resolvers.get(number as usize));
        let addresses: Pending<Vec<IpAddr>> = match resolver {
            Some(resolver) => Box::pin(resolver.resolve(lookup.name())),
            None => Box::pin(look_up(lookup.name().to_owned())),
        };
        Self::Resolve(Some(lookup), addresses)
    }

    pub(crate) fn admit(claim: Claim, decide: Box<dyn FnOnce() -> Decision + Send>) -> Self {
        let decided = async move { spawn_blocking(decide).await.map_err(io::Error::other) };
        Self::Admit(Some(claim), Box::pin(decided))
    }

    pub(crate) fn connect(dial: Dial, lease: Lease) -> Self {
        let connection: Pending<TcpStream> = match lease.address().clone() {
            Address::Ip(address) => {
                let socket = socket::for_dial(&dial, address);
                Box::pin(async move { socket?.connect(address).await })
            }
            Address::Unix(path) => Box::pin(async move { socket::connect_unix(&path) }),
        };
        Self::Connect(Some(Box::new((dial, lease))), connection)
    }

    /// Reports what the errand brought, when it is done.
    pub(crate) fn poll(
        &mut self,
        session: &mut Session,
        turn: &mut Turn<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Brought> {
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
    pub(crate) fn cancel(self, verdict: Verdict, now: Tick) {
        if let Self::Connect(Some(token), _) = self {
            token.1.report(verdict, now);
        }
    }
}

async fn look_up(name: String) -> io::Result<Vec<IpAddr>> {
    // The port is the session's business.
    lookup_host((name, 0)).await.map(|found| found.map(|address| address.ip()).collect())
}
