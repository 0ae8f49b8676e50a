//! A client under TLS before its session begins: the header of the PROXY protocol if there is to be one, in clear, then the
//! handshake (H1, H2). The session has what both have found, and reads plaintext from its first byte.

use std::{
    fmt, io,
    sync::Arc,
    task::{Context, Poll},
};

use underpass_core::{
    Address, CertificateFault, ClientInfo, Draining, Fault, PeerCertificate, Severity, Tick, TlsFacts,
    proxy_protocol::{self, Greeting},
    trace::Traced,
};
use underpass_tls::{ClientCertificate, Tls};

use super::{
    Network, Stream as _,
    pump::{Connection, Shared},
    secured::{Failure, Secured, Shaken, with_received},
    socket,
};
use crate::{Service, listen::Chooser};

/// The longest header of the PROXY protocol that is waited for: nginx's number.
const LONGEST_HEADER: usize = 4096;

/// A client that has no session yet.
pub(super) struct Entrance<N: Network> {
    stage: Stage<N>,
    client: ClientInfo,
    service: Arc<Service>,
    chooser: Chooser,
    /// `client_header_timeout`, for all of it.
    deadline: Tick,
    /// What the session is to be told when it begins.
    draining: Option<Draining>,
}

enum Stage<N: Network> {
    /// What has come so far of a header.
    Header(N::Stream, Vec<u8>),
    Handshake(Secured<N::Stream>),
    /// The session has the connection.
    Left,
}

/// What comes after a turn.
pub(super) enum Step<N: Network> {
    /// Sleep until the socket is ready, or the deadline has come.
    Sleep(Tick),
    /// The session begins.
    Enter(Box<Connection<N>>),
    /// The client is gone, or not wanted.
    Done,
}

/// Why a client isn't let in, by whose doing that is.
#[derive(Debug)]
enum TurnedAway {
    /// The client's, or the network's on its way: nothing for the operator to do.
    ByClient(Mistake),
    /// The system's: no memory for its connection.
    BySystem(Fault),
}

/// What a client does, or leaves undone.
#[derive(Debug)]
enum Mistake {
    /// It begins with no header of the PROXY protocol, where one is to be.
    NoHeader,
    /// It ends before.
    Gone,
    /// It takes longer than `client_header_timeout`.
    Slow,
    /// Its connection breaks.
    Broken(Fault),
    /// There is no handshake with it.
    Handshake(Failure),
}

impl TurnedAway {
    /// The client's is told at `info` (H2), the system's as nginx tells it.
    fn severity(&self) -> Severity {
        match self {
            Self::ByClient(_) => Severity::Info,
            Self::BySystem(_) => Severity::Alert,
        }
    }
}

impl fmt::Display for TurnedAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByClient(Mistake::NoHeader) => f.write_str("client sent no header of the PROXY protocol"),
            Self::ByClient(Mistake::Gone) => f.write_str("client closed its connection"),
            Self::ByClient(Mistake::Slow) => f.write_str("client timed out"),
            Self::ByClient(Mistake::Broken(fault)) => fault.fmt(f),
            Self::ByClient(Mistake::Handshake(failure)) => write!(f, "TLS handshake failed: {failure}"),
            Self::BySystem(fault) => write!(f, "recv() failed ({fault})"),
        }
    }
}

impl From<io::Error> for TurnedAway {
    fn from(error: io::Error) -> Self {
        if socket::is_of_the_system(&error) {
            return Self::BySystem(error.into());
        }
        Self::ByClient(Mistake::Broken(error.into()))
    }
}

impl From<Failure> for TurnedAway {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Io(error) if socket::is_of_the_system(&error) => Self::BySystem(error.into()),
            failure => Self::ByClient(Mistake::Handshake(failure)),
        }
    }
}

impl<N: Network> Entrance<N> {
    pub(super) fn new(
        stream: N::Stream,
        client: ClientInfo,
        chooser: Chooser,
        service: Arc<Service>,
        now: Tick,
    ) -> Self {
        let deadline = now.after(service.config.edge.client_header_timeout);
        let stage = if service.config.proxy_protocol {
            Stage::Header(stream, Vec::new())
        } else {
            Stage::Handshake(Secured::server(stream, chooser.clone().into_inner(), Vec::new()))
        };
        Self { stage, client, service, chooser, deadline, draining: None }
    }

    /// The client has this place.
    pub(super) fn set_place(&self, place: u32) {
        match &self.stage {
            Stage::Header(stream, _) => stream.set_place(Some(place)),
            Stage::Handshake(stream) => stream.set_place(Some(place)),
            Stage::Left => {}
        }
    }

    /// One turn: bounded, never sleeps. It may compute a handshake.
    pub(super) fn turn(&mut self, shared: &mut Shared<N>, cx: &mut Context<'_>) -> Step<N> {
        let polled = match self.poll_header(cx) {
            Poll::Ready(Ok(())) => self.poll_handshake(cx),
            other => other,
        };
        match polled {
            Poll::Ready(Ok(())) => self.enter(shared),
            Poll::Ready(Err(turned_away)) => self.turn_away(&turned_away, shared),
            Poll::Pending if shared.now().tick < self.deadline => Step::Sleep(self.deadline),
            Poll::Pending => self.turn_away(&TurnedAway::ByClient(Mistake::Slow), shared),
        }
    }

    fn turn_away(&self, why: &TurnedAway, shared: &Shared<N>) -> Step<N> {
        self.tell(why.severity(), &why.to_string(), shared);
        Step::Done
    }

    /// Reads the header, if there is to be one.
    fn poll_header(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TurnedAway>> {
        let (length, found) = loop {
            let Stage::Header(stream, received) = &mut self.stage else { return Poll::Ready(Ok(())) };
            match proxy_protocol::read(received) {
                Greeting::Complete(length, found) => break (length, found),
                Greeting::Partial if received.len() < LONGEST_HEADER => {}
                Greeting::Partial | Greeting::Malformed => {
                    return Poll::Ready(Err(TurnedAway::ByClient(Mistake::NoHeader)));
                }
            }
            let polled = with_received(|space| {
                let polled = stream.poll_read(cx, space);
                polled.map_ok(|count| {
                    received.extend_from_slice(&space[..count]);
                    count
                })
            });
            match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(TurnedAway::ByClient(Mistake::Gone))),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
            }
        };
        self.client.proxied = found.map(Box::new);
        if let Stage::Header(stream, mut received) = std::mem::replace(&mut self.stage, Stage::Left) {
            received.drain(..length);
            self.stage =
                Stage::Handshake(Secured::server(stream, self.chooser.clone().into_inner(), received));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TurnedAway>> {
        let Stage::Handshake(stream) = &mut self.stage else { return Poll::Pending };
        stream.poll_handshake(cx).map(|shaken| match shaken {
            Ok(Shaken::Secured) => {
                self.client.tls = stream.tls().and_then(facts).map(Arc::new);
                Ok(())
            }
            // The session answers it, knowing of no TLS.
            Ok(Shaken::Plain) => Ok(()),
            Err(failure) => Err(failure.into()),
        })
    }

    /// The session begins.
    fn enter(&mut self, shared: &mut Shared<N>) -> Step<N> {
        let Stage::Handshake(stream) = std::mem::replace(&mut self.stage, Stage::Left) else {
            return Step::Done;
        };
        let (service, client) = (Arc::clone(&self.service), self.client.clone());
        let mut session = begin(&service, client, shared);
        if let Some(why) = self.draining {
            session.handle_drain(why, &mut shared.lend());
        }
        Step::Enter(Box::new(Connection::new(session, service, stream)))
    }

    /// The worker shuts down, or has another configuration. This client has not asked yet, and may still do so, as in a session (C8).
    pub(super) fn drain(&mut self, why: Draining) {
        self.draining = Some(why);
        self.deadline = why.by(self.deadline);
    }

    pub(super) fn generation(&self) -> u64 {
        self.service.generation
    }

    /// Tells the operator what became of the client.
    pub(super) fn tell(&self, severity: Severity, what: &str, shared: &Shared<N>) {
        let address = |address: &Address| match address {
            Address::Ip(address) => address.ip().to_string(),
            unix @ Address::Unix(_) => unix.to_string(),
        };
        let ClientInfo { remote, local, .. } = &self.client;
        // In nginx's words.
        let task = match &self.stage {
            Stage::Header(..) => "reading PROXY protocol",
            Stage::Handshake(_) | Stage::Left => "SSL handshaking",
        };
        let sentence = format!("{what} while {task}, client: {}, server: {local}", address(remote));
        self.service.provisions.log.event(severity, &sentence, shared.moment);
    }
}

/// A session of this client.
pub(super) fn begin<N: Network>(service: &Service, client: ClientInfo, shared: &Shared<N>) -> Traced {
    let tracing = service.trace().and_then(|trace| trace.setting(&client));
    Traced::new(Arc::clone(&service.config), client, shared.now(), tracing)
}

/// What a handshake has found, in the core's words.
fn facts(tls: &Tls) -> Option<TlsFacts> {
    let found = tls.facts()?;
    let mut facts = TlsFacts::default();
    (facts.protocol, facts.cipher) = (found.protocol.into(), found.cipher.into());
    facts.curve = found.group.map(Into::into);
    facts.ciphers = found.offered_ciphers.unwrap_or_default().into();
    facts.server_name = found.server_name.map(Into::into);
    facts.resumed = found.resumed;
    facts.alpn = found.alpn.unwrap_or_default().into();
    let verdict = || match tls.client_certificate() {
        ClientCertificate::UnknownIssuer(reason) => {
            Err(CertificateFault::UnknownIssuer(reason.to_string().into()))
        }
        ClientCertificate::Refused(reason) => Err(CertificateFault::Wrong(reason.to_string().into())),
        ClientCertificate::Verified | ClientCertificate::None => Ok(()),
    };
    let certificate = found.peer_certificates().next();
    facts.certificate = certificate.map(|der| PeerCertificate { der: der.into(), verdict: verdict() });
    Some(facts)
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    /// Whose doing it is says how loud it is told.
    #[test]
    fn what_the_system_lacks_is_no_client_s_doing() {
        for (errno, severity) in [
            (Errno::NOMEM, Severity::Alert),
            (Errno::NOBUFS, Severity::Alert),
            (Errno::CONNRESET, Severity::Info),
            (Errno::TIMEDOUT, Severity::Info),
        ] {
            for turned_away in [TurnedAway::from(Failure::Io(errno.into())), io::Error::from(errno).into()] {
                assert_eq!(turned_away.severity(), severity, "{turned_away}");
            }
        }
        let cut = TurnedAway::from(Failure::Ended);
        assert_eq!(cut.severity(), Severity::Info);
        assert_eq!(cut.to_string(), "TLS handshake failed: peer closed the connection");
    }
}
