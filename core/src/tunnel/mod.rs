//! Two byte streams, relayed until both are over or a timer says so (behaviour C): a machine of its own.
//!
//! It knows nothing of HTTP: a [`Session`](crate::Session) opens one behind its 101, and who has done a handshake in
//! another server opens one with [`Tunnel::new`]. Reports come in by two ways. While both streams flow, `receive` and
//! `send` count, note the time and return: that is the path of a byte, below. Everything else takes the general step
//! (`step`), after which each direction is what its table permits, and the tunnel waits for what follows from that.
//! When something is due is one function of the state (`deadlines`): nothing starts or stops a timer.

mod closing;
mod course;
mod deadlines;
mod ends;
mod frames;
mod held;
mod looks;
mod moves;
mod output;
mod own;
mod ping;
mod poll;
mod rare;
mod rates;
mod report;
mod scan;
mod secret;
mod settings;
mod snapshot;
mod stage;
mod step;
#[cfg(test)]
mod tests;
mod watch;

pub(crate) use held::Held;
pub(crate) use looks::Choreography;
pub(crate) use output::Said;
pub use output::TunnelOutput;
pub(crate) use own::{ANSWER, OwnFrame};
pub use report::{FrameCount, SideReport, TunnelReport};
pub use secret::TunnelSecret;
pub use settings::{
    DrainSettings, Farewell, Lifetime, MessageRate, PingSettings, TunnelSettings, WebSocketSettings,
};
pub use snapshot::TunnelSnapshot;

use std::sync::Arc;

use course::{Carried, Course, Direction};
use frames::Frames;
use output::Busy;
use rare::Rare;
use report::Counts;
use secret::Purpose;
use step::Input;
use watch::Watch;

use crate::{
    Draining, Fault, Side,
    buffer::{Buffers, Turn},
    session::Outbox,
    state::{Taken, connection},
    time::Tick,
    wait::Relayed,
};

/// A moment that never comes.
const NEVER: Tick = Tick(u64::MAX);

/// A tunnel: two connections whose bytes are relayed, each to the other.
///
/// The methods are those of a [`Session`](crate::Session), as far as a tunnel has them, and keep the same contract:
///
/// - **What happened** (`handle_*`): reports by the shell. None fails. Time comes in with [`Turn`].
/// - **What to do** ([`poll_output`](Self::poll_output)): to be polled after each round of reports until it says
///   [`TunnelOutput::Wait`] or [`TunnelOutput::Done`]. Polling changes nothing but what waits to be polled.
/// - **Memory** ([`receive_space`](Self::receive_space), [`transmit`](Self::transmit)): where to read into and what to
///   write. It neither moves nor changes until its report. A quiet tunnel holds none.
/// - **Looks** ([`report`](Self::report), [`snapshot`](Self::snapshot)).
///
/// [`Side::Downstream`] is the client, [`Side::Upstream`] the origin server; for a tunnel these are names only.
///
/// ```
/// use std::sync::Arc;
/// use underpass_core::{Buffers, Now, Side, Tick, Tunnel, TunnelOutput, TunnelSecret, TunnelSettings, Turn};
///
/// let mut buffers = Buffers::default();
/// let now = Now { tick: Tick(0), unix_ms: 0, utc_offset_min: 0 };
/// let turn = &mut Turn { now, buffers: &mut buffers };
/// // Both sides have switched protocols, and the client's first bytes were read behind its request.
/// let settings = Arc::new(TunnelSettings::default());
/// let secret = TunnelSecret::new([7; 16]);
/// let mut tunnel = Tunnel::new(settings, secret, [b"hello", b""], turn);
/// assert!(matches!(tunnel.poll_output(), TunnelOutput::Note(note) if note.event.to_string() == "tunnel opened"));
/// let TunnelOutput::Wait(wait) = tunnel.poll_output() else { panic!("it waits") };
/// assert!(wait.writes(Side::Upstream) && wait.reads(Side::Upstream));
///
/// // They are written; the origin server answers, and its answer is written.
/// assert_eq!(&*tunnel.transmit(Side::Upstream)[0], b"hello");
/// tunnel.handle_sent(Side::Upstream, Ok(5), turn);
/// let space = tunnel.receive_space(Side::Upstream, turn).expect("bytes are wanted");
/// space[..7].copy_from_slice(b"welcome");
/// tunnel.handle_received(Side::Upstream, Ok(7), turn);
/// assert_eq!(&*tunnel.transmit(Side::Downstream)[0], b"welcome");
/// tunnel.handle_sent(Side::Downstream, Ok(7), turn);
///
/// // Each end of a stream becomes an end of the other, and with the second the tunnel is over.
/// tunnel.handle_received(Side::Upstream, Ok(0), turn);
/// assert!(matches!(tunnel.poll_output(), TunnelOutput::Shutdown(Side::Downstream)));
/// tunnel.handle_received(Side::Downstream, Ok(0), turn);
/// assert!(matches!(tunnel.poll_output(), TunnelOutput::Note(_)));
/// assert!(matches!(tunnel.poll_output(), TunnelOutput::Shutdown(Side::Upstream)));
/// let TunnelOutput::Done(report) = tunnel.poll_output() else { panic!("both streams are over") };
/// assert_eq!(report.to_string(), "tunnel closed by upstream, from client: 5, from upstream: 7");
/// tunnel.recycle(&mut buffers);
/// ```
#[derive(Clone, Debug)]
pub struct Tunnel {
    settings: Arc<TunnelSettings>,
    /// By the side that the bytes come from.
    directions: [Direction; 2],
    /// What is known of its frames: a tunnel of WebSocket has this (G1).
    frames: Option<Box<Frames>>,
    /// What its settings have watched over.
    watch: Option<Box<Watch>>,
    /// What it has for a while only.
    rare: Option<Box<Rare>>,
    counts: Counts,
    /// When a byte moved last, or nothing waited any more for a side that takes nothing.
    moved: Tick,
    legs: [connection::Machine; 2],
    busy: Busy,
    taken: Taken,
}

/// What a session hands over when its exchange becomes a tunnel.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) secret: TunnelSecret,
    /// What was received behind the heads, by the side that it came from.
    pub(crate) held: [Held; 2],
    /// What is left of the head that the client is being sent.
    pub(crate) front: Outbox,
    pub(crate) legs: [connection::Machine; 2],
    /// A drain that has begun.
    pub(crate) draining: Option<Draining>,
}

/// What a tunnel hands back at its end.
#[derive(Debug)]
pub(crate) struct HandedBack {
    pub(crate) held: [Held; 2],
    pub(crate) front: Outbox,
    /// Frames of ours that may be on their way.
    pub(crate) own: [Option<Box<OwnFrame>>; 2],
    pub(crate) legs: [connection::Machine; 2],
}

impl Tunnel {
    /// A tunnel between two connections that are both open: `read_ahead` are bytes that were read behind the heads of a
    /// handshake, from the client and from the origin server. They are copied, once, and are the first that the other
    /// side is sent.
    #[must_use]
    pub fn new(
        settings: Arc<TunnelSettings>,
        secret: TunnelSecret,
        read_ahead: [&[u8]; 2],
        turn: &mut Turn<'_>,
    ) -> Self {
        let held = read_ahead.map(|bytes| Held::ahead(bytes, turn.buffers));
        let mut leg = connection::Machine::default();
        let mut taken = Taken::default();
        taken.connection(leg, connection::Event::Established);
        let legal = leg.on(connection::Event::Established);
        debug_assert!(legal, "a connection is established");
        let mut tunnel = Self::open(
            settings,
            Opening { secret, held, front: Outbox::default(), legs: [leg; 2], draining: None },
            turn,
        );
        tunnel.taken = tunnel.taken.with(taken);
        tunnel
    }

    /// The same with what a session hands over: whoever has ended already (A13) has ended its stream.
    pub(crate) fn open(settings: Arc<TunnelSettings>, opening: Opening, turn: &mut Turn<'_>) -> Self {
        let now = turn.now.tick;
        let Opening { secret, held, front, legs, draining } = opening;
        let mut counts = Counts::new(now);
        for (side, held) in Side::BOTH.into_iter().zip(&held) {
            counts.received(side, held.unseen().len() as u64);
        }
        let seed = secret.seed();
        let course = Course::Flowing(Carried { piped: 0, since: now });
        let mut tunnel = Self {
            directions: held.map(|held| Direction { held, course }),
            frames: settings.websocket.is_some().then(|| Box::new(Frames::new(seed))),
            watch: Watch::of(&settings, seed, now).map(Box::new),
            rare: None,
            settings,
            counts,
            moved: now,
            legs,
            busy: Busy::default(),
            taken: Taken::default(),
        };
        tunnel.busy.set(Busy::OPENED);
        if !front.head_is_sent() {
            tunnel.busy.set(Busy::FRONT);
        }
        if !front.is_vacant() {
            tunnel.rare_mut(turn.buffers).front = front;
        }
        if tunnel.settings.limit_rate.is_some() {
            tunnel.busy.set(Busy::PACED);
        }
        tunnel.general(Input::Opened, turn);
        if let Some(draining) = draining {
            tunnel.general(Input::Drain(draining), turn);
        }
        tunnel
    }
}

/// What happened.
impl Tunnel {
    /// Bytes were received into [`receive_space`](Self::receive_space): so many, `Ok(0)` for the end of the stream.
    /// "Would block" is reported too: unused memory then goes back. A reset may be reported whenever it is noticed.
    pub fn handle_received(&mut self, from: Side, result: Result<usize, Fault>, turn: &mut Turn<'_>) {
        let direction = &mut self.directions[from.index()];
        match (result, &mut direction.course) {
            // The path of a byte: both connections are open, as `Flowing` says, and nothing else is to be done.
            (Ok(count @ 1..), Course::Flowing(carried)) if !self.busy.any() => {
                let now = turn.now.tick.max(self.moved);
                if !direction.held.waits() && carried.piped == 0 {
                    carried.since = now;
                }
                let count = direction.held.received(count);
                self.counts.received(from, count as u64);
                self.heard(from, now);
                if self.frames.is_none() {
                    self.directions[from.index()].held.pass_all();
                } else if !self.take_data(from, now) {
                    return self.general(Input::Arrived, turn);
                }
                self.pace_clock(from, now);
            }
            (Err(fault), Course::Flowing(_)) if fault.is_transient() && !self.busy.has(Busy::RATED) => {
                direction.held.received(0);
                direction.held.settle(turn.buffers);
            }
            _ => self.general(Input::Received(from, result), turn),
        }
    }

    /// So many bytes of [`transmit`](Self::transmit) were sent, and no layer of the shell's own holds them.
    pub fn handle_sent(&mut self, to: Side, result: Result<usize, Fault>, turn: &mut Turn<'_>) {
        let direction = &mut self.directions[to.opposite().index()];
        match (result, &mut direction.course) {
            (Ok(count @ 1..), Course::Flowing(carried)) if !self.busy.any() => {
                let count = direction.held.sent(count);
                let now = turn.now.tick.max(self.moved);
                self.counts.sent(to, count as u64);
                self.counts.waited(to, now.since(carried.since));
                (self.moved, carried.since) = (now, now);
                direction.held.settle(turn.buffers);
                if !direction.held.waits() && !direction.held.unseen().is_empty() {
                    // It was held back until what stood in front of it had gone.
                    return self.general(Input::Arrived, turn);
                }
                self.pace_clock(to.opposite(), now);
            }
            _ => self.general(Input::Sent(to, result), turn),
        }
    }

    /// Bytes were moved past the machine, where [`Wait::relays`](crate::Wait::relays) permits it. What was taken and not yet delivered is in
    /// the shell's pipe.
    /// Where a write from the pipe fails, report that as sent, and drop what the pipe holds: nobody takes it any more.
    pub fn handle_relayed(&mut self, from: Side, moved: Relayed, turn: &mut Turn<'_>) {
        self.general(Input::Relayed(from, moved), turn);
    }

    /// All that was sent to this side has been acknowledged, where [`Wait::acknowledges`](crate::Wait::acknowledges) asks for it: a reset no more
    /// destroys it. Ignored when nobody has asked.
    pub fn handle_acknowledged(&mut self, to: Side, turn: &mut Turn<'_>) {
        self.general(Input::Acknowledged(to), turn);
    }

    /// The deadline may have come. A call too early changes nothing.
    pub fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        self.general(Input::Timeout, turn);
    }

    /// The worker is shutting down, or there is a newer configuration (C8, G6).
    pub fn handle_drain(&mut self, draining: Draining, turn: &mut Turn<'_>) {
        self.general(Input::Drain(draining), turn);
    }

    /// Ends the tunnel, and gives its memory back to the worker: call it at [`TunnelOutput::Done`]. A tunnel that is
    /// just dropped frees it instead.
    pub fn recycle(mut self, buffers: &mut Buffers) {
        for direction in &mut self.directions {
            direction.held.recycle(buffers);
        }
        if let Some(mut rare) = self.rare {
            rare.front.recycle(buffers);
        }
    }
}

impl Tunnel {
    /// What a session takes back: its connections, and the memory that may still be in use.
    pub(crate) fn hand_back(&mut self) -> HandedBack {
        let held = [0, 1].map(|index: usize| std::mem::take(&mut self.directions[index].held));
        let Rare { front, own, .. } = self.rare.take().map(|rare| *rare).unwrap_or_default();
        HandedBack { held, front, own, legs: self.legs }
    }

    /// Something has come from a side.
    #[inline]
    fn heard(&mut self, from: Side, now: Tick) {
        self.moved = now;
        self.counts.heard(from, now);
        if let Some(watch) = &mut self.watch {
            watch.heard(from, now);
        }
    }

    fn rare_mut(&mut self, buffers: &mut Buffers) -> &mut Rare {
        self.rare.get_or_insert_with(|| buffers.rares.take().unwrap_or_default())
    }
}
