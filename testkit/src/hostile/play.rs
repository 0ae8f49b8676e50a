//! Plays a hostile case in a simulated world.

use std::collections::VecDeque;

use underpass_core::{Ending, Event, violation::Violation};

use super::{Hostile, Step};
use crate::{
    session_world::{End, Order, World, config_of},
    strict::{Fault, Request, read_request},
};

/// How bytes are cut on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Each string in one piece.
    Whole,
    /// Byte by byte.
    Bytes,
    /// In pieces whose lengths follow from a seed, as does the order of reports.
    Random(u64),
}

/// What was seen at both ends.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What the client got, and how its connection ended.
    pub client: (Vec<u8>, Option<Ending>),
    /// The whole requests that the origin server got, in order.
    pub requests: Vec<Request>,
    /// Requests of which it got a head, and no end.
    pub begun: Vec<Request>,
    /// Bytes that it can't read.
    pub faults: Vec<Fault>,
    /// What came to it through tunnels.
    pub up: Vec<u8>,
    /// What the error log names.
    pub violations: Vec<Violation>,
}

/// One connection of the origin server.
#[derive(Debug, Default)]
struct Served {
    /// Bytes of whole requests.
    taken: usize,
    /// What is left of the answer that was begun.
    script: Option<VecDeque<Step>>,
    /// It answered 101: behind the request a tunnel begins.
    switches: bool,
    /// It is read no more: the bytes are a tunnel's, or nobody's.
    over: bool,
    tunnels: bool,
    fault: Option<Fault>,
}

struct Stage<'c> {
    case: &'c Hostile,
    world: World,
    cut: Cut,
    served: Vec<Served>,
    requests: Vec<Request>,
}

/// Plays the case to its end.
///
/// # Panics
/// When the session breaks its contract, or never ends.
#[must_use]
pub fn play(case: &Hostile, cut: Cut) -> Seen {
    let mut stage = Stage {
        case,
        world: World::new(config_of(&case.config)),
        cut,
        served: Vec::new(),
        requests: Vec::new(),
    };
    // A million single bytes need no look at the contract behind each.
    stage.world.checks = cut == Cut::Whole;
    if let Cut::Random(seed) = cut {
        stage.world.order = Order::ALL[usize::try_from(seed).unwrap_or(0) % Order::ALL.len()];
    }
    stage.settle();
    for step in &case.client {
        match step {
            Step::Send(bytes) => send(&mut stage.world.client, bytes, cut),
            Step::Wait => stage.settle(),
            Step::End => stage.world.client.end(),
            Step::Reset => stage.world.client.reset(),
            Step::Elapse(span) => {
                stage.settle();
                stage.world.elapse(*span);
            }
            Step::AtHead | Step::AtWhole => panic!("{}: no step of a client: {step:?}", case.name),
        }
    }
    stage.settle();
    stage.world.client.end();
    stage.settle();
    while !stage.world.done {
        assert!(stage.world.elapse_to_deadline(), "{} never ends", case.name);
        stage.settle();
    }
    stage.seen()
}

fn send(end: &mut End, bytes: &[u8], cut: Cut) {
    let mut state = match cut {
        Cut::Whole => return end.send(bytes),
        // What is huge is cut often enough by a few hundred pieces.
        Cut::Bytes => return bytes.chunks(1 + bytes.len() / 4000).for_each(|piece| end.send(piece)),
        Cut::Random(seed) => seed,
    };
    let mut rest = bytes;
    while !rest.is_empty() {
        // Knuth's generator: the high bits are good enough for lengths.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let length = 1 + usize::try_from(state >> 40).unwrap_or(0) % (rest.len().min(40) + rest.len() / 40);
        let (piece, behind) = rest.split_at(length.min(rest.len()));
        end.send(piece);
        rest = behind;
    }
}

impl Stage<'_> {
    /// Until nobody has anything more to do.
    fn settle(&mut self) {
        self.world.run();
        while self.react() {
            self.world.run();
        }
    }

    fn react(&mut self) -> bool {
        self.served.resize_with(self.world.origins.len(), Served::default);
        let mut any = false;
        for index in 0..self.served.len() {
            any |= self.serve(index);
        }
        any
    }

    /// Reads one request and answers it, as far as that goes.
    fn serve(&mut self, index: usize) -> bool {
        let (served, end) = (&mut self.served[index], &mut self.world.origins[index].end);
        if served.over {
            return false;
        }
        let request = match read_request(&end.received()[served.taken..]) {
            Ok(Some(request)) => request,
            Ok(None) => return false,
            Err(fault) => {
                (served.fault, served.over) = (Some(fault), true);
                return false;
            }
        };
        let script = served.script.get_or_insert_with(|| answer(self.case, &request, self.requests.len()));
        let mut moved = false;
        let at_head = script.front() == Some(&Step::AtHead);
        if at_head || request.whole.is_some() {
            moved = true;
            let mut sent = false;
            while let Some(step) = script.pop_front() {
                match step {
                    // What was sent is read first: a reset overtakes it.
                    Step::Reset if sent => {
                        script.push_front(step);
                        return true;
                    }
                    Step::Send(bytes) => {
                        sent = true;
                        served.switches |= switches(&bytes);
                        send(end, &bytes, self.cut);
                    }
                    Step::End => end.end(),
                    Step::Reset => end.reset(),
                    Step::AtWhole if request.whole.is_none() => {
                        script.push_front(step);
                        break;
                    }
                    _ => {}
                }
            }
        }
        let Some(length) = request.whole else { return moved && at_head };
        served.taken += length;
        served.script = None;
        (served.over, served.tunnels) = (served.switches, served.switches);
        self.requests.push(request);
        true
    }

    fn seen(mut self) -> Seen {
        let mut seen = Seen {
            client: (self.world.client.received().to_vec(), self.world.client.saw()),
            requests: self.requests,
            begun: Vec::new(),
            faults: Vec::new(),
            up: Vec::new(),
            violations: Vec::new(),
        };
        for (served, origin) in self.served.iter_mut().zip(&self.world.origins) {
            let rest = &origin.end.received()[served.taken..];
            if served.tunnels {
                seen.up.extend_from_slice(rest);
            } else {
                seen.begun.extend(read_request(rest).ok().flatten());
            }
            seen.faults.extend(served.fault.take());
        }
        for (event, _) in &self.world.notes {
            if let Event::Violation(violation) = event {
                seen.violations.push(*violation);
            }
        }
        seen
    }
}

/// Whether the first final response in `bytes` is a 101.
fn switches(bytes: &[u8]) -> bool {
    match bytes {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', b'1', b'0', b'1', b' ', ..] => true,
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', b'1', ..] => {
            let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
            end.is_some_and(|end| switches(&bytes[end + 4..]))
        }
        _ => false,
    }
}

/// Whether the origin server answers this as any other would.
pub(super) fn is_ordinary(case: &Hostile, request: &Request) -> bool {
    let path = request.target.split('?').next().unwrap_or_default();
    case.origin.is_none() || matches!(path, "/next" | "/probe")
}

/// The answer to a request that is the origin server's `number`th.
fn answer(case: &Hostile, request: &Request, number: usize) -> VecDeque<Step> {
    if let Some(script) = case.origin.as_ref().filter(|_| !is_ordinary(case, request)) {
        return script.iter().cloned().collect();
    }
    let line = request.line();
    if request.method == "CONNECT" {
        let refusal = format!("HTTP/1.1 405 No\r\nX-Answer: {number}\r\nContent-Length: 0\r\n\r\n");
        return VecDeque::from([Step::Send(refusal.into_bytes())]);
    }
    let content = format!("answer to {line}");
    let content: Vec<u8> =
        content.chars().map(|char| u8::try_from(u32::from(char)).unwrap_or(b'?')).collect();
    let head = format!("HTTP/1.1 200 OK\r\nX-Answer: {number}\r\nContent-Length: {}\r\n\r\n", content.len());
    let content = if request.method == "HEAD" { Vec::new() } else { content };
    VecDeque::from([Step::Send([head.into_bytes(), content].concat())])
}
