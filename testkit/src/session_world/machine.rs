//! What a world drives: a session, or a tunnel alone. A tunnel is asked and told like a session whose exchange has
//! become one, so that what holds for the one is shown of the other by the same cases.

use std::{fmt, net::IpAddr};

use underpass_core::{
    Admission, Buffers, Choice, Claim, Connected, Dial, DialError, Disposal, Epoch, Fault, Leg, Lookup, Note,
    Output, Record, Relayed, Rows, Side, Slices, Tick, Timer, Tunnel, TunnelEvent, TunnelOutput,
    TunnelReport, TunnelSnapshot, Turn, Verdict, shared::Lease, trace::Traced,
};

/// A session, traced where its world was made to, or a tunnel alone. The methods are those of
/// [`underpass_core::Session`].
#[derive(Clone, Debug)]
pub enum Machine {
    /// A session.
    Session(Box<Traced>),
    /// A tunnel whose handshake was done elsewhere.
    Tunnel(Alone),
}

/// A tunnel, and what a shell that serves a session is told at its end.
#[derive(Clone, Debug)]
pub struct Alone {
    tunnel: Box<Tunnel>,
    farewell: Farewell,
}

/// How far a shell has come with the end.
#[derive(Clone, Copy, Debug)]
enum Farewell {
    Releases,
    IsTold,
    Closes,
    IsDone,
}

impl From<Traced> for Machine {
    fn from(session: Traced) -> Self {
        Self::Session(Box::new(session))
    }
}

impl From<Tunnel> for Machine {
    fn from(tunnel: Tunnel) -> Self {
        Self::Tunnel(Alone { tunnel: Box::new(tunnel), farewell: Farewell::Releases })
    }
}

impl Alone {
    fn poll_output(&mut self) -> Output {
        let report = match self.tunnel.poll_output() {
            TunnelOutput::Shutdown(side) => return Output::Shutdown(side),
            TunnelOutput::Progress => return Output::LogTunnel(TunnelEvent::Progress),
            TunnelOutput::Note(note) => return Output::Note(note),
            TunnelOutput::Wait(wait) => return Output::Wait(wait),
            TunnelOutput::Done(report) => report,
        };
        let (output, next) = match self.farewell {
            Farewell::Releases => {
                let leg = Leg::origin(Epoch::FIRST);
                (
                    Output::Release(leg, Verdict::Success, Disposal::Close(report.upstream.ending)),
                    Farewell::IsTold,
                )
            }
            Farewell::IsTold => (Output::ExchangeDone, Farewell::Closes),
            Farewell::Closes => (Output::Close(report.client.ending), Farewell::IsDone),
            Farewell::IsDone => (Output::Done, Farewell::IsDone),
        };
        self.farewell = next;
        output
    }
}

/// Does the same with either.
macro_rules! either {
    ($machine:expr, $inner:ident => $does:expr) => {
        match $machine {
            Machine::Session($inner) => $does,
            Machine::Tunnel(Alone { tunnel: $inner, .. }) => $does,
        }
    };
}

#[expect(missing_docs, reason = "the methods are those of a session")]
impl Machine {
    pub fn poll_output(&mut self) -> Output {
        match self {
            Self::Session(session) => session.poll_output(),
            Self::Tunnel(alone) => alone.poll_output(),
        }
    }

    #[must_use]
    pub fn connection(&self, side: Side) -> Leg {
        match self {
            Self::Session(session) => session.connection(side),
            Self::Tunnel(_) if side == Side::Downstream => Leg::CLIENT,
            Self::Tunnel(_) => Leg::origin(Epoch::FIRST),
        }
    }

    pub fn receive_space(&mut self, from: Leg, turn: &mut Turn<'_>) -> Option<&mut [u8]> {
        match self {
            Self::Session(session) => session.receive_space(from, turn),
            Self::Tunnel(alone) => alone.tunnel.receive_space(from.side(), turn),
        }
    }

    pub fn transmit(&mut self, to: Leg) -> Slices<'_> {
        match self {
            Self::Session(session) => session.transmit(to),
            Self::Tunnel(alone) => alone.tunnel.transmit(to.side()),
        }
    }

    pub fn handle_received(&mut self, from: Leg, result: Result<usize, Fault>, turn: &mut Turn<'_>) {
        match self {
            Self::Session(session) => session.handle_received(from, result, turn),
            Self::Tunnel(alone) => alone.tunnel.handle_received(from.side(), result, turn),
        }
    }

    pub fn handle_sent(&mut self, to: Leg, result: Result<usize, Fault>, turn: &mut Turn<'_>) {
        match self {
            Self::Session(session) => session.handle_sent(to, result, turn),
            Self::Tunnel(alone) => alone.tunnel.handle_sent(to.side(), result, turn),
        }
    }

    pub fn handle_relayed(&mut self, from: Leg, moved: Relayed, turn: &mut Turn<'_>) {
        match self {
            Self::Session(session) => session.handle_relayed(from, moved, turn),
            Self::Tunnel(alone) => alone.tunnel.handle_relayed(from.side(), moved, turn),
        }
    }

    pub fn handle_acknowledged(&mut self, to: Leg, turn: &mut Turn<'_>) {
        match self {
            Self::Session(session) => session.handle_acknowledged(to, turn),
            Self::Tunnel(alone) => alone.tunnel.handle_acknowledged(to.side(), turn),
        }
    }

    pub fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        either!(self, machine => machine.handle_timeout(turn));
    }

    pub fn handle_drain(&mut self, draining: underpass_core::Draining, turn: &mut Turn<'_>) {
        either!(self, machine => machine.handle_drain(draining, turn));
    }

    pub fn handle_resolved(&mut self, lookup: Lookup, result: Result<&[IpAddr], Fault>, turn: &mut Turn<'_>) {
        self.session_mut().handle_resolved(lookup, result, turn);
    }

    pub fn handle_admitted(&mut self, claim: Claim, admission: Admission, turn: &mut Turn<'_>) {
        self.session_mut().handle_admitted(claim, admission, turn);
    }

    pub fn handle_chosen(&mut self, dial: &Dial, choice: Choice, turn: &mut Turn<'_>) -> Lease {
        self.session_mut().handle_chosen(dial, choice, turn)
    }

    pub fn handle_connected(
        &mut self,
        dial: Dial,
        result: Result<Connected, DialError>,
        turn: &mut Turn<'_>,
    ) {
        self.session_mut().handle_connected(dial, result, turn);
    }

    pub fn recycle(self, buffers: &mut Buffers) {
        either!(self, machine => machine.recycle(buffers));
    }

    pub fn take_lines(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Session(session) => session.take_lines(),
            Self::Tunnel(_) => None,
        }
    }

    #[must_use]
    pub fn rows_taken(&self) -> Rows {
        either!(self, machine => machine.rows_taken())
    }

    #[must_use]
    pub fn snapshot(&self, now: Tick) -> Snapshot {
        match self {
            Self::Session(session) => Snapshot::Session(Box::new(session.snapshot(now))),
            Self::Tunnel(Alone { tunnel, farewell }) => {
                Snapshot::Tunnel(Box::new(tunnel.snapshot(now)), matches!(farewell, Farewell::IsDone))
            }
        }
    }

    /// # Panics
    /// A tunnel alone has none.
    #[must_use]
    pub fn record(&self) -> &Record {
        self.session().record()
    }

    /// The session.
    ///
    /// # Panics
    /// A tunnel alone is none.
    #[must_use]
    pub fn session(&self) -> &Traced {
        match self {
            Self::Session(session) => session,
            Self::Tunnel(_) => panic!("a tunnel alone is no session"),
        }
    }

    fn session_mut(&mut self) -> &mut Traced {
        match self {
            Self::Session(session) => session,
            Self::Tunnel(_) => panic!("a tunnel sends nobody out"),
        }
    }

    /// What is known of the tunnel that is open, or of a tunnel alone.
    #[must_use]
    pub fn tunnel_report(&self) -> Option<TunnelReport> {
        match self {
            Self::Session(session) => session.tunnel_report(),
            Self::Tunnel(alone) => Some(alone.tunnel.report()),
        }
    }

    /// The line of a note.
    #[must_use]
    pub fn line(&self, note: &Note) -> String {
        match self {
            Self::Session(session) => {
                let mut line = Vec::new();
                session.record().write_note(note, &mut line);
                String::from_utf8_lossy(&line).into_owned()
            }
            Self::Tunnel(_) => note.event.to_string(),
        }
    }
}

/// A snapshot of either.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Snapshot {
    /// A session's.
    Session(Box<underpass_core::Snapshot>),
    /// A tunnel's, and whether its shell has done what is to be done at its end.
    Tunnel(Box<TunnelSnapshot>, bool),
}

impl Snapshot {
    /// The state of the exchange, by its name in `docs/design/state.md`.
    #[must_use]
    pub fn exchange(&self) -> String {
        match self {
            Self::Session(snapshot) => snapshot.exchange(),
            Self::Tunnel(_, true) => "Closed".into(),
            Self::Tunnel(..) => "Tunnelling".into(),
        }
    }

    /// The timers that run, with the nanoseconds that each has left.
    #[must_use]
    pub fn timers(&self) -> &[(Timer, u64)] {
        match self {
            Self::Session(snapshot) => snapshot.timers(),
            Self::Tunnel(snapshot, _) => snapshot.timers(),
        }
    }

    /// Bytes received from `side` that have not been sent on, understood or not.
    #[must_use]
    pub fn buffered(&self, side: Side) -> usize {
        match self {
            Self::Session(snapshot) => snapshot.buffered(side),
            Self::Tunnel(snapshot, _) => snapshot.buffered(side),
        }
    }

    /// Whether the tunnel is open.
    #[must_use]
    pub fn is_tunnel(&self) -> bool {
        match self {
            Self::Session(snapshot) => snapshot.is_tunnel(),
            Self::Tunnel(snapshot, _) => !snapshot.is_done(),
        }
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        match self {
            Self::Session(snapshot) => snapshot.is_closed(),
            Self::Tunnel(_, over) => *over,
        }
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(snapshot) => snapshot.fmt(f),
            Self::Tunnel(snapshot, _) => snapshot.fmt(f),
        }
    }
}
