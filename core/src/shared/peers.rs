//! Peers that somebody else finds: the door for a service discovery.

use std::fmt;

use crate::{
    Address, RequestHead,
    record::{Attempt, Heads},
    time::Tick,
    verdict::Verdict,
};

/// Peers of an embedder's own, in the place of a group's ([`Target::Peers`](crate::config::Target::Peers)): a
/// service discovery, shards, a peer for each tenant.
///
/// It is asked for each try by [`Session::choose`](crate::Session::choose), from every worker, so it must not
/// block: a discovery keeps what it knows in memory, and learns more elsewhere.
///
/// ```
/// use std::{net::SocketAddr, sync::{Arc, RwLock}};
/// use underpass_core::{
///     Address, Tick, Verdict,
///     config::Config,
///     shared::{ChoiceContext, ChosenPeer, Peers},
/// };
///
/// /// What is known at this time; whoever watches the registry writes it.
/// #[derive(Debug, Default)]
/// struct Discovery(RwLock<Vec<SocketAddr>>);
///
/// #[derive(Debug)]
/// struct Instance(Address);
///
/// impl Discovery {
///     fn untried(&self, context: &ChoiceContext<'_>) -> Option<Address> {
///         let known = self.0.read().ok()?;
///         known.iter().copied().map(Address::Ip).find(|peer| !context.has_tried(peer))
///     }
/// }
///
/// impl Peers for Discovery {
///     fn choose(&self, context: &ChoiceContext<'_>) -> Option<Box<dyn ChosenPeer>> {
///         Some(Box::new(Instance(self.untried(context)?)))
///     }
///
///     fn has_next(&self, context: &ChoiceContext<'_>) -> bool {
///         self.untried(context).is_some()
///     }
/// }
///
/// impl ChosenPeer for Instance {
///     fn address(&self) -> &Address {
///         &self.0
///     }
///
///     fn judge(&self, verdict: Verdict, _: Tick) {
///         println!("{}: {verdict:?}", self.0);
///     }
/// }
///
/// let discovery = Arc::new(Discovery::default());
/// let config = Config::builder().forward_to("/chat/", "chat", discovery, |_| ()).build();
/// ```
pub trait Peers: fmt::Debug + Send + Sync {
    /// Chooses where the next try goes. `None` where nobody is left: the client gets a 502, or what the last try came
    /// to.
    fn choose(&self, context: &ChoiceContext<'_>) -> Option<Box<dyn ChosenPeer>>;

    /// Whether another try would find somebody. A response that would make it be made (`proxy_next_upstream`) goes to
    /// the client where none would. How many tries an exchange makes at most,
    /// [`NextUpstream`](crate::config::NextUpstream) says.
    fn has_next(&self, context: &ChoiceContext<'_>) -> bool;
}

/// A peer that was chosen for one try. What its [`Peers`] want to know of the try later stands in it, in a type of
/// their own. It is dropped when the connection, or the dial for it, is over, so a count of connections is best kept
/// by a value that counts down in `Drop`.
pub trait ChosenPeer: fmt::Debug + Send + Sync {
    /// Where to connect to.
    fn address(&self) -> &Address;

    /// Tells what came of the try: once, and as soon as that is known. Of a tunnel, and of content without a length,
    /// that is when it begins. Only a try whose session is dropped before its end hears nothing.
    ///
    /// `now` is the tick that the shell says, with the epoch of [`ChoiceContext::now`].
    fn judge(&self, verdict: Verdict, now: Tick);
}

/// The facts by which [`Peers`] choose.
#[derive(Clone, Copy, Debug)]
pub struct ChoiceContext<'a> {
    heads: &'a Heads,
    last: &'a Attempt,
    client: &'a Address,
    now: Tick,
}

impl<'a> ChoiceContext<'a> {
    /// Of an exchange with these heads, for `client`, whose attempt before this try was `last`.
    pub(crate) fn new(heads: &'a Heads, last: &'a Attempt, client: &'a Address, now: Tick) -> Self {
        Self { heads, last, client, now }
    }

    /// The request.
    #[must_use]
    pub fn head(&self) -> RequestHead<'a> {
        RequestHead(self.heads)
    }

    /// The client: who connected or, where the location trusts that one, who it says it speaks for.
    #[must_use]
    pub fn client(&self) -> &'a Address {
        self.client
    }

    /// Where the exchange has been before for this location, in the order of its tries. A try that found a connection
    /// from the pool already closed doesn't count.
    pub fn tried(&self) -> impl Iterator<Item = &'a Address> + use<'a> {
        let attempts = self.heads.earlier.iter().chain([self.last]);
        attempts.filter(|attempt| attempt.tried.is_some()).filter_map(|attempt| attempt.peer.as_ref())
    }

    /// Whether it has been at `address`.
    #[must_use]
    pub fn has_tried(&self, address: &Address) -> bool {
        self.tried().any(|tried| tried == address)
    }

    /// The present moment, as [`Session::choose`](crate::Session::choose) was told.
    #[must_use]
    pub fn now(&self) -> Tick {
        self.now
    }
}
