//! A client: does what its script says, and reads what it gets with suspicion.

use underpass_core::Ending;

use super::{
    ledger::Ledger,
    message::{self, Stream},
    network::{EndOf, Network},
    script::{self, Act, Request},
    sender::Sender,
};
use crate::wire::{self, Content, Parsed};

/// A client with its connection.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about a peer")]
pub(super) struct Client {
    pub(super) end: EndOf,
    plan: script::Client,
    next: usize,
    pause_until: u64,
    sender: Sender,
    reads: bool,
    unread: Vec<u8>,
    state: State,
    /// What it has asked for, in order.
    asked: Vec<Request>,
    /// Where each request ends in what it sends.
    ends: Vec<usize>,
    /// It has spoken before its tunnel was open. What it said may come behind the refusal, where it is a request
    /// that makes no sense.
    is_optimist: bool,
    /// What it got, in order.
    pub(super) got: Vec<Got>,
    /// Bytes that it has begun to say in its tunnel.
    spoken: usize,
    /// It has ended its direction.
    ended: bool,
    /// It has read all that it got, to the end of the stream.
    pub(super) saw_end: bool,
    over: bool,
}

/// A final response, or a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) complete: bool,
    /// Bytes of content, or of the tunnel.
    pub(super) bytes: usize,
}

#[derive(Debug)]
enum State {
    Head,
    /// Content of an origin server's response, or of one of the gateway's own.
    Content(Content, Option<u32>),
    Tunnel(u32),
    /// Behind everything that it has asked for.
    Beyond,
}

impl Client {
    pub(super) fn new(plan: script::Client, end: EndOf) -> Self {
        Self {
            end,
            plan,
            next: 0,
            pause_until: 0,
            sender: Sender::default(),
            reads: true,
            unread: Vec::new(),
            state: State::Head,
            asked: Vec::new(),
            ends: Vec::new(),
            is_optimist: false,
            got: Vec::new(),
            spoken: 0,
            ended: false,
            saw_end: false,
            over: false,
        }
    }

    /// Where the request with this number ends in what it sends, if it asks for a tunnel.
    pub(super) fn end_of_upgrade(&self, number: usize) -> Option<usize> {
        self.asked.get(number)?.asks_for_tunnel().then_some(*self.ends.get(number)?)
    }

    /// How many requests it has made.
    pub(super) fn requests(&self) -> usize {
        self.asked.len()
    }

    /// Bytes that it has said in its tunnel.
    pub(super) fn said(&self) -> usize {
        self.sender.streamed
    }

    /// Reads what has come and goes on with its script; says when to be woken.
    pub(super) fn wake(&mut self, network: &mut Network, ledger: &mut Ledger, now: u64) -> Option<u64> {
        loop {
            self.read(network, ledger, now);
            if self.over {
                return None;
            }
            if let Some(later) = self.sender.send(network, self.end, now) {
                return Some(later);
            }
            if !self.sender.is_idle() {
                return None;
            }
            if now < self.pause_until {
                return Some(self.pause_until);
            }
            if !self.act(network, ledger, now) {
                return None;
            }
        }
    }

    /// Takes its next step; `false` when it has to wait, or has none.
    fn act(&mut self, network: &mut Network, ledger: &mut Ledger, now: u64) -> bool {
        let Some(act) = self.plan.acts.get(self.next).cloned() else {
            return !std::mem::replace(&mut self.reads, true);
        };
        match act {
            Act::Ask(request) => {
                if self.upgrade_is_open() {
                    return false;
                }
                // Behind a tunnel, or early bytes of one that was refused, nobody would take it for a request.
                if !self.ended && !matches!(self.state, State::Tunnel(_)) && self.spoken == 0 {
                    ledger.facts(request.id).begun = true;
                    let bytes = message::request(&request);
                    self.ends.push(self.ends.last().unwrap_or(&0) + bytes.len());
                    self.sender.begin(bytes, request.piece, request.pause);
                    self.asked.push(request);
                }
            }
            Act::Await => {
                if !std::mem::replace(&mut self.reads, true) {
                    return true;
                }
                let done = self.got.iter().filter(|got| got.complete).count();
                if done < self.asked.len() && !matches!(self.state, State::Tunnel(_)) {
                    return false;
                }
            }
            Act::Pause(time) => self.pause_until = now + time,
            Act::Speak(count) => {
                if let Some(request) =
                    self.asked.last().filter(|request| request.asks_for_tunnel() && request.fault.is_none())
                    && !self.ended
                    && (self.upgrade_is_open() || matches!(self.state, State::Tunnel(_)))
                {
                    let bytes = message::content(request.id, Stream::FromClient, self.spoken, count);
                    self.is_optimist |= self.upgrade_is_open();
                    self.spoken += count;
                    self.sender.begin_stream(bytes);
                }
            }
            Act::End => {
                if !self.ended {
                    network.shut_down(self.end, now);
                }
                self.ended = true;
            }
            Act::Reset => {
                network.close(self.end, Ending::Reset, now);
                self.over = true;
            }
            Act::StopReading => self.reads = false,
            Act::Read => self.reads = true,
        }
        self.next += 1;
        true
    }

    /// Its last request asks for a tunnel, and it has got no answer yet.
    fn upgrade_is_open(&self) -> bool {
        self.got.len() < self.asked.len() && self.asked.last().is_some_and(Request::asks_for_tunnel)
    }

    fn read(&mut self, network: &mut Network, ledger: &mut Ledger, now: u64) {
        while self.reads && !self.over {
            let mut space = [0; 8192];
            match network.read(self.end, &mut space, now) {
                Ok(0) => {
                    self.saw_end = true;
                    self.stream_ended(ledger);
                    self.over = self.plan.closes || self.ended;
                    if self.over {
                        network.close(self.end, Ending::Fin, now);
                    }
                    return;
                }
                Ok(count) => {
                    self.unread.extend_from_slice(&space[..count]);
                    while self.understand(ledger) {}
                }
                Err(fault) if fault.is_transient() => return,
                Err(_) => self.over = true,
            }
        }
    }

    /// Understands a piece of what has come; `false` when more is needed.
    fn understand(&mut self, ledger: &mut Ledger) -> bool {
        if self.unread.is_empty() {
            return false;
        }
        match &mut self.state {
            State::Head => self.head(ledger),
            State::Content(content, id) => {
                let before = content.bytes.len();
                let taken = content.take(&self.unread).unwrap_or_else(|error| panic!("{error}"));
                self.unread.drain(..taken);
                let got = self.got.last_mut().expect("its head");
                got.bytes = content.bytes.len();
                if let Some(id) = *id {
                    let expected = message::content(id, Stream::Response, before, got.bytes - before);
                    assert_eq!(content.bytes[before..], expected, "content of the response to {id}");
                }
                if content.is_complete() {
                    self.complete(ledger);
                }
                true
            }
            State::Beyond => {
                self.unread.clear();
                false
            }
            State::Tunnel(id) => {
                let got = self.got.last_mut().expect("its 101");
                let expected = message::content(*id, Stream::FromOrigin, got.bytes, self.unread.len());
                assert_eq!(self.unread, expected, "bytes of the tunnel of {id} to its client");
                got.bytes += self.unread.len();
                self.unread.clear();
                true
            }
        }
    }

    fn head(&mut self, ledger: &mut Ledger) -> bool {
        let (head, length) = match wire::response(&self.unread) {
            Parsed::Partial => return false,
            Parsed::Broken(error) => panic!("to the client: {error}"),
            Parsed::Complete(head, length) => (head, length),
        };
        self.unread.drain(..length);
        let Some(request) = self.asked.get(self.got.len()).cloned() else {
            assert!(self.is_optimist, "a response that nobody asked for: {head:?}");
            assert!(matches!(head.status, 400 | 408), "{head:?} to what should have been in a tunnel");
            self.state = State::Beyond;
            return true;
        };
        assert_eq!(head.minor, 1, "the gateway's own version");
        for name in ["x-hop", "keep-alive", "proxy-connection", "te"] {
            assert_eq!(head.values(name).next(), None, "{name} is no business of the client");
        }
        let id = head.values("x-id").next().map(|value| String::from_utf8_lossy(value).into_owned());
        assert!(id.is_none() || id == Some(request.id.to_string()), "{id:?} to {}", request.id);
        if head.is_interim() {
            assert_eq!(request.minor, 1, "an HTTP/1.0 client gets no interim responses");
            return true;
        }
        self.got.push(Got { status: head.status, complete: false, bytes: 0 });
        if head.status == 101 {
            self.switch(&head, &request, ledger);
            return true;
        }
        let framing = head.framing(request.sent_method()).unwrap_or_else(|error| panic!("{error}"));
        assert!(request.minor == 1 || framing != wire::Framing::Chunked, "chunks for an HTTP/1.0 client");
        if id.is_some() {
            let given = &ledger.facts(request.id).given;
            assert!(given.iter().any(|given| given.status == head.status), "{} was never given", head.status);
        } else {
            assert!(head.values("server").any(|server| server.starts_with(b"underpass")), "{head:?}");
            assert!(head.status >= 400, "{head:?}");
        }
        let content = Content::new(framing);
        let complete = content.is_complete();
        if id.is_none() && request.method == "HEAD" && head.status == 408 {
            // Nobody could know the method of a request whose head never came whole.
            self.got.last_mut().expect("it was pushed").complete = true;
            self.state = State::Beyond;
            return true;
        }
        self.state = State::Content(content, id.map(|_| request.id));
        if complete {
            self.complete(ledger);
        }
        true
    }

    /// Rules A5, A11.
    fn switch(&mut self, head: &wire::Response, request: &Request, ledger: &mut Ledger) {
        assert!(request.asks_for_tunnel(), "a 101 that nobody asked for");
        assert!(ledger.facts(request.id).switched, "a 101 that the origin server did not give");
        assert_eq!(head.values("connection").collect::<Vec<_>>(), [b"Upgrade"]);
        assert_eq!(head.values("upgrade").count(), 1);
        assert_eq!(head.values("content-length").count() + head.values("transfer-encoding").count(), 0);
        self.state = State::Tunnel(request.id);
    }

    /// A response has come whole; so its origin server must have said it whole.
    fn complete(&mut self, ledger: &mut Ledger) {
        let State::Content(_, id) = std::mem::replace(&mut self.state, State::Head) else { return };
        let got = self.got.last_mut().expect("its head");
        got.complete = true;
        if let Some(id) = id {
            let facts = ledger.facts(id);
            let is_head = facts.request.method == "HEAD" || matches!(got.status, 204 | 205 | 304);
            let fits = facts.given.iter().any(|given| {
                given.status == got.status && (is_head || (given.whole && given.content == got.bytes))
            });
            assert!(fits, "{got:?} to {id} looks whole, but {:?} was given", facts.given);
        }
    }

    fn stream_ended(&mut self, ledger: &mut Ledger) {
        if let State::Content(content, _) = &mut self.state
            && content.end()
        {
            self.complete(ledger);
        }
        if let (State::Tunnel(_), Some(got)) = (&self.state, self.got.last_mut()) {
            got.complete = true;
        }
    }
}
