//! One-shot tokens: what a session sends its shell out for. Answering consumes the token; a token whose
//! errand was cancelled is recognised and ignored.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use crate::{
    Address, TlsPeer,
    config::{AdmissionId, MaxTunnels, ResolverId, SocketOptions, reached},
    fault::Fault,
    session::Leg,
    shared::{GroupId, HashKey, Lease, Permit},
    time::Tick,
    verdict::Verdict,
};

/// A name to look up.
#[derive(Debug)]
#[must_use = "answer with `handle_resolved`"]
pub struct Lookup {
    pub(crate) errand: u32,
    pub(crate) name: Arc<str>,
    pub(crate) resolver: Option<ResolverId>,
}

impl Lookup {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The resolver to ask: [`crate::config::Location::resolver`]. Absent: the system's.
    #[must_use]
    pub fn resolver(&self) -> Option<ResolverId> {
        self.resolver
    }
}

/// A request that wants to be admitted. What there is to decide by, [`crate::Session::record`] has: the client,
/// its credentials, variables ([`crate::Record::evaluate`]).
#[derive(Debug)]
#[must_use = "answer with `handle_admitted`"]
pub struct Claim {
    pub(crate) errand: u32,
    pub(crate) rules: Option<AdmissionId>,
    pub(crate) max_tunnels: Option<MaxTunnels>,
}

impl Claim {
    /// The rules that apply: [`crate::config::Location::admission`]. Absent: only tunnels are counted.
    #[must_use]
    pub fn rules(&self) -> Option<AdmissionId> {
        self.rules
    }

    /// What bounds the number of tunnels, where one may come of the request (G8).
    #[must_use]
    pub fn max_tunnels(&self) -> Option<&MaxTunnels> {
        self.max_tunnels.as_ref()
    }

    /// Counts the tunnel that may come of the request (G8): to be asked once for an exchange, when the rules let the request
    /// go on. The permit, if there is a bound, is kept until [`Output::ExchangeDone`](crate::Output::ExchangeDone).
    ///
    /// # Errors
    /// There are as many tunnels as may be: this is what [`Admission::Refused`] is to say.
    pub fn admit_tunnel(&self) -> Result<Option<Permit>, Refusal> {
        match &self.max_tunnels {
            None => Ok(None),
            Some(bound) => bound.admit().map(Some).ok_or(Refusal::TooManyTunnels),
        }
    }
}

/// Whether a request may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Admission {
    /// It may.
    Granted,
    /// It may from then on.
    Delayed(Tick),
    /// It may not.
    Refused(Refusal),
}

/// Why a request was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// By address or rule: 403.
    Forbidden,
    /// Credentials are missing or wrong: 401.
    Unauthorized,
    /// A limit is reached: answered with this status (`limit_conn_status`, `limit_req_status`), with 503 when
    /// it is none of 400 to 599.
    Limited(u16),
    /// There are as many tunnels as may be (G8, `upgrade_max_tunnels`): 503, with `Retry-After`.
    TooManyTunnels,
}

/// An upstream connection to make.
#[derive(Debug)]
#[must_use = "answer with `handle_connected`"]
pub struct Dial {
    pub(crate) errand: u32,
    pub(crate) leg: Leg,
    pub(crate) group: GroupId,
    pub(crate) addresses: Option<(Arc<[IpAddr]>, u16)>,
    pub(crate) address: Option<Address>,
    /// Those of the addresses that are not dialled, unless they are known to be none of this machine.
    pub(crate) elsewhere: Box<[IpAddr]>,
    /// Numbers of the peers that this exchange has tried before.
    pub(crate) tried: Box<[u32]>,
    pub(crate) may_reuse: bool,
    pub(crate) socket: Socket,
    pub(crate) tls: Option<Arc<TlsPeer>>,
    pub(crate) preamble: Box<[u8]>,
    /// What the group's balance may go by: the client's address, its key, chance.
    pub(crate) client: Option<IpAddr>,
    pub(crate) key: HashKey,
    pub(crate) chance: u64,
}

/// What the socket is made with: [`SocketOptions`] with the variables in it evaluated.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Socket {
    pub(crate) bind: Option<SocketAddr>,
    keepalive: bool,
    receive_buffer: Option<u32>,
    send_buffer: Option<u32>,
}

impl Socket {
    pub(crate) fn new(options: &SocketOptions, bind: Option<SocketAddr>) -> Self {
        let SocketOptions { keepalive, receive_buffer, send_buffer, .. } = *options;
        Self { bind, keepalive, receive_buffer, send_buffer }
    }
}

/// The facts that a shell dials by.
impl Dial {
    /// The name of the connection that it brings, for the reports about that.
    #[must_use]
    pub fn leg(&self) -> Leg {
        self.leg
    }
}

/// Where it leads.
impl Dial {
    /// The group whose peers may be chosen.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.group
    }

    /// The addresses that a name was resolved to, and the port: these instead of the group's peers.
    #[must_use]
    pub fn addresses(&self) -> Option<(&[IpAddr], u16)> {
        self.addresses.as_ref().map(|(addresses, port)| (&**addresses, *port))
    }

    /// The address that the location's URL named, variables in it evaluated: this instead of the group's peers.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        self.address.as_ref()
    }

    /// Tells which addresses are this machine's: `is_local` is asked about each where that decides whether it may be
    /// dialled (D4), and should answer by what the system says at this moment. To be called before
    /// [`Session::choose`](crate::Session::choose), which otherwise leaves all of them out. Most dials
    /// ask nothing.
    pub fn tell_local(&mut self, mut is_local: impl FnMut(IpAddr) -> bool) {
        let kept = self.elsewhere.iter().copied().filter(|ip| reached(*ip).any(&mut is_local));
        self.elsewhere = kept.collect();
    }

    /// The first of its own addresses that has not been tried, with its number. Absent when it has none of its
    /// own, and the group's peers are meant.
    pub(crate) fn own_address(&self) -> Option<Result<(u32, Address), DialError>> {
        let is_left = |number: u32| !self.tried.contains(&number);
        let mut shunned = false;
        let found = match (&self.address, &self.addresses) {
            (Some(address), _) => is_left(0).then(|| (0, address.clone())),
            (None, Some((addresses, port))) => (0..)
                .zip(addresses.iter())
                .filter(|(number, _)| is_left(*number))
                .find(|(_, ip)| {
                    let shuns = self.elsewhere.contains(ip);
                    shunned |= shuns;
                    !shuns
                })
                .map(|(number, ip)| (number, Address::Ip(SocketAddr::new(*ip, *port)))),
            (None, None) => return None,
        };
        Some(found.ok_or(if shunned { DialError::OwnListener } else { DialError::NoPeer }))
    }

    /// Whether an idle connection from the pool will do. Never for an upgrade (E10).
    #[must_use]
    pub fn may_reuse(&self) -> bool {
        self.may_reuse
    }
}

/// What its connection is made with.
impl Dial {
    /// Whom the connection is to be secured with; absent, it is in clear. Reported as connected is one whose handshake is over;
    /// plaintext never stands in for TLS.
    #[must_use]
    pub fn tls(&self) -> Option<&Arc<TlsPeer>> {
        self.tls.as_ref()
    }

    /// What is to be sent in clear before the TLS handshake: a header of the PROXY protocol (`proxy_protocol on`), or nothing. Of a
    /// connection without TLS it is part of what the session sends.
    #[must_use]
    pub fn preamble(&self) -> &[u8] {
        &self.preamble
    }

    /// Where the connection is to come from (`proxy_bind`); port 0 means any port. Absent: the system chooses.
    #[must_use]
    pub fn bind(&self) -> Option<SocketAddr> {
        self.socket.bind
    }

    /// Whether the system is to probe the connection while it is idle (`proxy_socket_keepalive`).
    #[must_use]
    pub fn keepalive(&self) -> bool {
        self.socket.keepalive
    }

    /// Bytes of the system's receive buffer (`tunnel_socket_rcvbuf`); absent: the system chooses.
    #[must_use]
    pub fn receive_buffer(&self) -> Option<u32> {
        self.socket.receive_buffer
    }

    /// Bytes of the system's send buffer (`tunnel_socket_sndbuf`); absent: the system chooses.
    #[must_use]
    pub fn send_buffer(&self) -> Option<u32> {
        self.socket.send_buffer
    }
}

/// The peer that was chosen for a dial ([`Session::choose`](crate::Session::choose)). The session
/// is told before anything is sent there, so that it knows whom it tried whatever becomes of the dial.
#[derive(Debug)]
#[must_use = "report it with `handle_chosen`, which gives the lease"]
pub struct Choice(pub(crate) Lease);

/// What a dial brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Connected {
    /// A connection made for it.
    Fresh,
    /// One from the pool.
    Reused,
}

/// Why a dial brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DialError {
    /// No peer can be chosen.
    NoPeer,
    /// At each address that is left, one of our own listeners would answer (D4).
    OwnListener,
    /// The connection could not be made for a reason of our own: no descriptor, no memory, no free port, a source
    /// address that isn't this machine's. That says nothing of the peer.
    Local(Fault),
    /// Connecting failed.
    Io(Fault),
    /// The peer was reached, and there was no TLS handshake with it, or none that was accepted. Why, only the shell knows, and tells
    /// the operator.
    Tls,
}

impl DialError {
    /// What the lease of the peer that was dialled is told ([`crate::shared::Lease::report`]).
    #[must_use]
    pub fn verdict(self) -> Verdict {
        match self {
            Self::NoPeer | Self::OwnListener | Self::Local(_) => Verdict::Unjudged,
            Self::Io(_) | Self::Tls => Verdict::Failure,
        }
    }
}

#[cfg(test)]
impl Dial {
    /// A first try for nobody in particular.
    pub(crate) fn to(group: GroupId) -> Self {
        let (tried, key) = (Box::default(), HashKey::default());
        Self {
            errand: 0,
            leg: Leg::origin(super::Epoch::FIRST),
            group,
            addresses: None,
            address: None,
            elsewhere: Box::default(),
            tried,
            may_reuse: true,
            socket: Socket::default(),
            tls: None,
            preamble: Box::default(),
            client: None,
            key,
            chance: 0,
        }
    }
}
