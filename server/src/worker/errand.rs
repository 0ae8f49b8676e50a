//! What a session waits for besides bytes: the addresses of a name, a password, a connection to an origin
//! server.

use std::{
    future::{Future, poll_fn},
    io,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use underpass_core::{
    Address, Claim, Connected, Dial, DialError, Fault, Leg, Lookup, Tick, TlsPeer, Turn, Verdict,
    shared::Lease, trace::Traced,
};
use underpass_tls::ClientSettings;

use super::{Network, Stream, secured::Secured, socket};
use crate::{Provisions, admission::Decision};

type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// An errand under way. Dropping it cancels it.
pub(super) enum Errand<N: Network> {
    /// A name is looked up.
    Resolve(Option<Lookup>, Pending<io::Result<Vec<IpAddr>>>),
    /// A password is compared.
    Admit(Option<Claim>, Pending<Decision>),
    /// A connection is made.
    Connect(Option<Box<(Dial, Lease)>>, Pending<Result<Secured<N::Stream>, Failed>>),
}

/// Why a dial brought nothing, and what the operator is told of it besides.
pub(super) struct Failed(DialError, Option<String>);

/// What an errand brought, besides its report to the session.
pub(super) enum Brought<N: Network> {
    /// Nothing that the shell has to keep.
    Nothing,
    /// Nothing, and this is why.
    Refused(String),
    /// A connection.
    Connection(Leg, Secured<N::Stream>, Lease),
    /// Whether the request may go on.
    Decision(Claim, Decision),
}

impl<N: Network> Errand<N> {
    /// Asks the name servers that the location names, or the system, on behalf of `client`.
    pub(super) fn resolve(lookup: Lookup, provisions: &Provisions, client: &Address) -> Self {
        let resolver = lookup.resolver().and_then(|resolver| provisions.resolvers.get(resolver.0 as usize));
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

    /// Connects, and shakes hands where the connection is to be under TLS.
    pub(super) fn connect(
        dial: Dial,
        lease: Lease,
        provisions: &Provisions,
        network: &mut N,
        place: u32,
    ) -> Self {
        let address = lease.address().clone();
        let security = dial.tls().map(|peer| {
            let settings = provisions.upstream_tls.get(peer.settings.0 as usize);
            (settings.cloned(), Arc::clone(peer), dial.preamble().into())
        });
        let connection: Pending<Result<Secured<N::Stream>, Failed>> = match &address {
            Address::Ip(to) => {
                let begun = socket::for_dial(&dial, *to).map(|socket| network.connect(socket, *to, place));
                Box::pin(async move {
                    // Nobody has been asked for anything yet.
                    let begun = begun.map_err(|error| Failed(DialError::Local(error.into()), None))?;
                    let connected = begun.await;
                    let stream =
                        connected.map_err(|error| Failed(socket::dial_error(error, &address), None))?;
                    stream.set_place(Some(place));
                    secured(stream, security).await
                })
            }
            Address::Unix(path) => {
                let connected = socket::connect_unix(path).and_then(|socket| network.stream(socket));
                if let Ok(stream) = &connected {
                    stream.set_place(Some(place));
                }
                let connected = connected.map_err(|error| Failed(socket::dial_error(error, &address), None));
                Box::pin(async { secured(connected?, security).await })
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
    ) -> Poll<Brought<N>> {
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
                    Err(Failed(error, reason)) => {
                        lease.report(error.verdict(), turn.now.tick);
                        session.handle_connected(dial, Err(error), turn);
                        Poll::Ready(reason.map_or(Brought::Nothing, Brought::Refused))
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

/// Settings of TLS, where the number has any; whom it is with; what comes before it.
type Security = (Option<ClientSettings>, Arc<TlsPeer>, Box<[u8]>);

/// Shakes hands over a connection, if it is to be under TLS (H4). How long that may take, the session says for all of the errand.
async fn secured<S: Stream>(stream: S, security: Option<Security>) -> Result<Secured<S>, Failed> {
    let Some((settings, peer, preamble)) = security else { return Ok(Secured::plain(stream)) };
    let failed = |reason: &dyn std::fmt::Display| {
        let name = &peer.name;
        let sentence =
            format!("TLS handshake with upstream failed: {reason}, name: \"{}\"", name.escape_default());
        Failed(DialError::Tls, Some(sentence))
    };
    let settings = settings.ok_or_else(|| failed(&"there are no settings for it"))?;
    let stream = Secured::client(stream, &settings, &peer.name, &preamble);
    let mut stream = stream.map_err(|failure| failed(&failure))?;
    let shaken = poll_fn(|cx| stream.poll_handshake(cx)).await;
    shaken.map_err(|failure| failed(&failure))?;
    Ok(stream)
}
