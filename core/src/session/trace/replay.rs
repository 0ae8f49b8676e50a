//! Leads a session through what was traced.

use std::sync::Arc;

use super::{
    Configuration, Setting, Traced, Tracer,
    recording::{Call, Event, Lent, Recording},
};
use crate::{
    Buffers, Now, Side, Turn,
    config::Config,
    session::{Epoch, Input, Leg, Session},
};

/// A session that is led through a recording, step by step. It is traced itself: a session that takes the same way
/// writes the same trace.
#[derive(Debug)]
pub struct Replay<'r> {
    recording: &'r Recording,
    session: Traced,
    buffers: Buffers,
    now: Now,
    /// Events before this one have happened.
    next: usize,
    /// Bytes of each stream that have been received.
    received: [usize; 2],
    trace: Vec<u8>,
    is_cut: bool,
}

/// One call, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplayStep<'r> {
    /// The number of its line.
    pub line: usize,
    /// When it was.
    pub now: Now,
    /// The line itself: an input after `<`, an output after `>`.
    pub told: &'r str,
    /// The bytes that came.
    pub received: &'r [u8],
    /// The heads that begin to be sent with it, as lines of the trace.
    pub heads: Vec<String>,
    /// The frames that come with it, those of ours that are put in, and how a tunnel's end goes on, as lines of the trace.
    pub frames: Vec<String>,
    /// Where the session has taken another way: what it says instead.
    pub divergence: Option<String>,
}

impl<'r> Replay<'r> {
    /// The beginning. The configuration is what the recording's text comes to.
    #[must_use]
    pub fn new(recording: &'r Recording, config: Arc<Config>) -> Self {
        let now = recording.began.unwrap_or(Now { tick: crate::Tick(0), unix_ms: 0, utc_offset_min: 0 });
        let setting = Setting {
            configuration: Configuration::named(&recording.configuration_id),
            buffer_size: recording.buffer_size,
            plain: recording.plain,
        };
        let client = recording.client.clone();
        let mut tracer = Box::new(Tracer::new(&config, &client, now, &setting));
        let trace = tracer.take_lines();
        Self {
            recording,
            session: Traced { session: Session::new(config, client, now), tracer: Some(tracer) },
            buffers: Buffers::new(recording.buffer_size),
            now,
            next: 0,
            received: [0; 2],
            trace,
            is_cut: false,
        }
    }

    /// The session as it is now.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Whether the recording ends before bytes were told that the session was given: whoever wrote it was ended.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The trace of what was replayed so far.
    #[must_use]
    pub fn trace(&self) -> &[u8] {
        &self.trace
    }

    fn call(&mut self, call: &Call, bytes: &[u8]) -> Option<String> {
        let Self { session, buffers, now, .. } = self;
        let turn = &mut Turn { now: *now, buffers };
        let (call, earlier) = match call {
            Call::Late(number, report) => (&**report, Some(Leg::origin(Epoch::new(*number)))),
            call => (call, None),
        };
        let leg = |session: &Traced, side| earlier.unwrap_or_else(|| session.connection(side));
        let input = match call {
            Call::Received { from, result, asked } => {
                let from = leg(session, *from);
                if *asked && earlier.is_none() {
                    let space = session.receive_space(from, turn);
                    match space.and_then(|space| space.get_mut(..bytes.len())) {
                        Some(place) => place.copy_from_slice(bytes),
                        None => return Some("no room for what was received".to_owned()),
                    }
                }
                Input::Received(from, *result)
            }
            Call::Sent(to, result) => Input::Sent(leg(session, *to), *result),
            Call::Relayed(from, moved) => Input::Relayed(leg(session, *from), *moved),
            Call::Acknowledged(to) => Input::Acknowledged(leg(session, *to)),
            Call::Lent(Lent::Space(from)) => {
                let from = session.connection(*from);
                let lent = session.receive_space(from, turn).is_some();
                return (!lent).then(|| "no space to receive into".to_owned());
            }
            Call::Lent(Lent::Bytes(to)) => {
                let to = session.connection(*to);
                let lent = !session.transmit(to).is_empty();
                return (!lent).then(|| "nothing to send".to_owned());
            }
            // One inside of another is not written.
            Call::Late(..) => return Some("a late report of nothing".to_owned()),

            Call::Resolved(errand, Ok(addresses)) => Input::Resolved(*errand, Ok(addresses)),
            Call::Resolved(errand, Err(fault)) => Input::Resolved(*errand, Err(*fault)),
            Call::Admitted(errand, admission) => Input::Admitted(*errand, *admission),
            Call::Chosen(errand, number, address) => Input::Chosen(*errand, *number, address),
            Call::Connected(errand, result) => Input::Connected(*errand, *result),
            Call::Timeout => Input::Timeout,
            Call::Drain(draining) => Input::Drain(*draining),
        };
        session.apply(input, turn);
        None
    }

    /// The bytes that a call is given; none when the recording lacks some.
    fn bytes(&mut self, call: &Call) -> Option<&'r [u8]> {
        let Call::Received { from, result: Ok(count), asked: true } = call else { return Some(&[]) };
        let recording = self.recording;
        let received = self.received.get_mut(from.index())?;
        let bytes = recording.streams.get(from.index())?.get(*received..*received + count)?;
        *received += count;
        Some(bytes)
    }

    /// The lines with this beginning that the session has written meanwhile, without its number, and those of frames.
    fn written(&mut self, beginning: &str) -> [Vec<String>; 2] {
        let lines = self.session.take_lines().unwrap_or_default();
        self.trace.extend_from_slice(&lines);
        let lines = String::from_utf8_lossy(&lines).into_owned();
        let lines = || lines.lines().filter_map(|line| line.split_once(' ')).map(|(_, line)| line);
        [beginning, "- "]
            .map(|beginning| lines().filter(|line| line.starts_with(beginning)).map(str::to_owned).collect())
    }

    /// Compares what has come of frames with what the recording tells behind the last event.
    fn compare_frames(&mut self, step: &mut ReplayStep<'r>) {
        let recording = self.recording;
        let behind = recording.events.get(self.next..).unwrap_or_default();
        let told = behind.iter().take_while(|(_, _, event)| matches!(event, Event::Frame));
        let told: Vec<&str> = told.map(|(_, line, _)| line.as_str()).collect();
        self.next += told.len();
        if step.divergence.is_none() && recording.tells_frames && step.frames != told {
            step.divergence = Some(difference(&step.frames, &told, "a frame that was told doesn't come"));
        }
    }
}

/// After a divergence the steps say nothing any more.
impl<'r> Iterator for Replay<'r> {
    type Item = ReplayStep<'r>;

    fn next(&mut self) -> Option<ReplayStep<'r>> {
        let mut expected = Vec::new();
        loop {
            let (line, told, event) = self.recording.events.get(self.next)?;
            self.next += 1;
            let mut step = ReplayStep {
                line: *line,
                now: self.now,
                told,
                received: &[],
                heads: Vec::new(),
                frames: Vec::new(),
                divergence: None,
            };
            match event {
                Event::At(now) => self.now = *now,
                Event::Text => expected.push(told.as_str()),
                // Each is compared with what it stands behind.
                Event::Frame => {}
                Event::Call(call) => {
                    let Some(bytes) = self.bytes(call) else {
                        self.is_cut = true;
                        self.next = self.recording.events.len();
                        return None;
                    };
                    step.received = bytes;
                    step.divergence = self.call(call, bytes);
                    [step.heads, step.frames] = self.written("> text ");
                    if step.divergence.is_none() && step.heads != expected {
                        step.divergence =
                            Some(difference(&step.heads, &expected, "a head that ends earlier"));
                    }
                    self.compare_frames(&mut step);
                    return Some(step);
                }
                Event::Output => {
                    let _output = self.session.poll_output();
                    let written;
                    [written, step.frames] = self.written("> ");
                    if !matches!(written.as_slice(), [line] if line == told) {
                        step.divergence = written.into_iter().next();
                    }
                    self.compare_frames(&mut step);
                    return Some(step);
                }
            }
        }
    }
}

/// The first line that is another one.
fn difference(written: &[String], expected: &[&str], fewer: &str) -> String {
    let other = written.iter().enumerate().find(|(at, line)| expected.get(*at) != Some(&line.as_str()));
    other.map_or_else(|| fewer.to_owned(), |(_, line)| line.clone())
}

/// Which of the recorded bytes were never received: none once a recording was replayed whole.
impl Replay<'_> {
    /// So many bytes from this side are left.
    #[must_use]
    pub fn left(&self, from: Side) -> usize {
        let told = self.recording.streams.get(from.index()).map_or(0, Vec::len);
        told.saturating_sub(self.received.get(from.index()).copied().unwrap_or(0))
    }
}
