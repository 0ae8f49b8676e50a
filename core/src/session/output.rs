//! What a session asks of its shell.

use crate::{
    Side,
    record::TunnelEvent,
    session::{Claim, Dial, Leg, Lookup, Note},
    verdict::Verdict,
    wait::{Ending, Wait},
};

/// What to do next. Poll until [`Output::Wait`] or [`Output::Done`].
///
/// Exhaustive on purpose: a shell that forgets one doesn't compile.
#[derive(Debug)]
#[must_use = "a session that isn't obeyed stands still"]
pub enum Output {
    /// Look a name up; answer with [`crate::Session::handle_resolved`].
    Resolve(Lookup),
    /// Decide whether the request may go on; answer with [`crate::Session::handle_admitted`].
    Admit(Claim),
    /// Choose a peer ([`crate::Session::choose`]) and report it
    /// ([`crate::Session::handle_chosen`]), take an idle connection from the pool if the dial may reuse one,
    /// else connect; answer with [`crate::Session::handle_connected`].
    Connect(Dial),
    /// Tell the lease what is thought of the peer so far ([`crate::shared::Lease::judge`]): a tunnel has
    /// opened, or content without a length has begun, and it may be hours until that is released.
    Judge(Verdict),
    /// This upstream connection, or the dial for it that is under way, is no more this session's: report the verdict
    /// to the lease, and pool or close the connection. A dial that is pending is cancelled: drop its token
    /// and whatever it still brings. Reads and writes that are under way are cancelled, and reported when they are over.
    Release(Leg, Verdict, Disposal),
    /// Shut down the write direction of the connection that this side has now.
    Shutdown(Side),
    /// Close the client's connection.
    Close(Ending),
    /// Something for the error log; [`crate::Record::write_note`] words it.
    Note(Note),
    /// An exchange is over: [`crate::Session::record`] is whole until the next report, and writes
    /// its log lines. Behind that, [`crate::Session::forget_exchange`] gives its memory back.
    ExchangeDone,
    /// A line about the tunnel is due, where its location has an `upgrade_log` (G9);
    /// [`crate::Record::write_tunnel_line`] writes it. Behind that, [`crate::Session::forget_exchange`] gives memory back.
    LogTunnel(TunnelEvent),
    /// Nothing to do until one of these happens.
    Wait(Wait),
    /// The session is over; drop it.
    Done,
}

/// What becomes of an upstream connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Disposal {
    /// It is clean: keep it for another exchange.
    Pool,
    /// Close it.
    Close(Ending),
}
