//! An origin server's end of one connection: answers as the script of each request says.

use std::collections::{BTreeSet, VecDeque};

use underpass_core::{Buffers, Ending};

use super::{
    ledger::{Given, Ledger},
    message::{self, SMUGGLED, SURPLUS, Stream},
    network::{EndOf, Network},
    script::{Final, Framing, Reply, Request},
    sender::Sender,
};
use crate::wire::{self, Content, Parsed};

/// One connection, as the origin server has it.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about a peer")]
pub(super) struct Origin {
    pub(super) end: EndOf,
    /// Number of the client whose session uses it.
    pub(super) user: Option<usize>,
    /// Where whole responses end in what it has sent.
    pub(super) boundaries: BTreeSet<u64>,
    /// Bytes that came in its tunnel.
    pub(super) tunnelled: usize,
    /// Bytes that it has begun to say in its tunnel.
    spoken: usize,
    pub(super) left: bool,
    /// It has ended its direction.
    pub(super) ended: bool,
    state: State,
    unread: Vec<u8>,
    request: Option<Request>,
    /// What it still does about the request.
    acts: VecDeque<Reply>,
    /// The first of `acts` waits for the whole request.
    waits_for_request: bool,
    pause_until: u64,
    sender: Sender,
    /// The response that is being sent: it is a fact once it was sent.
    sending: Option<Final>,
    /// Number of that fact.
    given: usize,
    /// Its last word on the request has been said.
    answered: bool,
    /// Protocols were switched as they should.
    switched: bool,
    /// It has said something behind which no request may come.
    spoiled: bool,
    /// Bytes that nobody asked for stand behind its response.
    has_surplus: bool,
    /// Requests that came.
    served: usize,
    reads: bool,
    over: bool,
}

#[derive(Debug)]
enum State {
    Head,
    Content(Content),
    /// The request has come whole.
    Complete,
    Tunnel,
}

impl Origin {
    pub(super) fn new(end: EndOf) -> Self {
        Self {
            end,
            user: None,
            boundaries: BTreeSet::from([0]),
            tunnelled: 0,
            spoken: 0,
            left: false,
            ended: false,
            state: State::Head,
            unread: Vec::new(),
            request: None,
            acts: VecDeque::new(),
            waits_for_request: false,
            pause_until: 0,
            sender: Sender::default(),
            sending: None,
            given: 0,
            answered: false,
            switched: false,
            spoiled: false,
            has_surplus: false,
            served: 0,
            reads: true,
            over: false,
        }
    }

    /// Whether no request may come any more.
    pub(super) fn is_spoiled(&self) -> bool {
        self.spoiled
    }

    /// How many requests have come.
    pub(super) fn served(&self) -> usize {
        self.served
    }

    /// Bytes that it has said in its tunnel.
    pub(super) fn said(&self) -> usize {
        self.sender.streamed
    }

    /// Reads what has come and goes on; says when to be woken.
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
            self.sent(network, ledger);
            if now < self.pause_until {
                return Some(self.pause_until);
            }
            if !self.act(network, ledger, now) {
                return None;
            }
        }
    }

    fn act(&mut self, network: &mut Network, ledger: &mut Ledger, now: u64) -> bool {
        if self.waits_for_request && matches!(self.state, State::Head | State::Content(_)) {
            return false;
        }
        self.waits_for_request = false;
        let Some(request) = self.request.clone() else { return false };
        let Some(act) = self.acts.pop_front() else {
            return !std::mem::replace(&mut self.reads, true);
        };
        let is_tunnel = self.switched;
        match &act {
            Reply::Pause(time) => self.pause_until = now + time,
            // Nothing more can be said behind a final response, and nothing but its bytes in a tunnel.
            _ if self.ended && !matches!(act, Reply::Reset | Reply::StopReading | Reply::Read) => {}
            Reply::Final(answer) if !self.answered && !is_tunnel => {
                let mut bytes = message::response(&request, answer);
                let is_cut = answer.cut.is_some_and(|cut| cut < bytes.len());
                bytes.truncate(answer.cut.unwrap_or(usize::MAX));
                let surplus = answer.surplus
                    && !is_cut
                    && answer.framing != Framing::UntilClose
                    && bytes.len() + SURPLUS.len() <= network.room(self.end);
                if surplus {
                    bytes.extend_from_slice(SURPLUS);
                }
                self.has_surplus = surplus;
                self.spoiled |= answer.closes || is_cut;
                self.given = ledger.facts(request.id).given.len();
                ledger.facts(request.id).given.push(Given {
                    status: answer.status,
                    content: 0,
                    whole: false,
                });
                self.sending = Some(answer.clone());
                self.sender.begin(bytes, if surplus { 0 } else { answer.piece }, answer.pause);
                self.answered = true;
            }
            Reply::Switch(switch) if !self.answered && !is_tunnel => {
                self.switched = message::opens(&request, *switch);
                self.spoiled = true;
                ledger.facts(request.id).switched |= self.switched;
                self.answered = true;
                self.sender.begin(message::words(&request, &act), 0, 0);
            }
            Reply::Speak(count) if is_tunnel => {
                let bytes = message::content(request.id, Stream::FromOrigin, self.spoken, *count);
                self.spoken += count;
                self.sender.begin_stream(bytes);
            }
            Reply::Interim(_) | Reply::Babble if !self.answered => {
                self.spoiled |= act == Reply::Babble;
                self.sender.begin(message::words(&request, &act), 0, 0);
            }
            Reply::Final(_) | Reply::Switch(_) | Reply::Speak(_) | Reply::Interim(_) | Reply::Babble => {}
            Reply::End => {
                network.shut_down(self.end, now);
                self.ended = true;
                // What ends with the connection has been said whole, as far as anybody can know.
                let unframed =
                    self.sending.take().is_some_and(|answer| answer.framing == Framing::UntilClose);
                if let (true, Some(given)) = (unframed, ledger.facts(request.id).given.get_mut(self.given)) {
                    given.whole = true;
                }
            }
            Reply::Reset => {
                network.close(self.end, Ending::Reset, now);
                (self.left, self.over) = (true, true);
            }
            Reply::StopReading => self.reads = false,
            Reply::Read => self.reads = true,
        }
        true
    }

    /// What was being sent has been sent.
    fn sent(&mut self, network: &Network, ledger: &mut Ledger) {
        let (Some(answer), Some(request)) = (&self.sending, &self.request) else { return };
        let Some(given) = ledger.facts(request.id).given.get_mut(self.given) else { return };
        let whole = message::response(request, answer);
        let cut = answer.cut.is_some_and(|cut| cut < whole.len());
        let head = whole.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4);
        given.content = match answer.cut {
            Some(cut) => cut.min(whole.len()).saturating_sub(head),
            None if message::has_content(request, answer) => answer.length,
            None => 0,
        };
        if answer.framing != Framing::UntilClose {
            given.whole = !cut;
            if !cut {
                let behind = if self.has_surplus { SURPLUS.len() as u64 } else { 0 };
                self.boundaries.insert(network.written(self.end) - behind);
            }
            self.sending = None;
        }
    }

    fn read(&mut self, network: &mut Network, ledger: &mut Ledger, now: u64) {
        while self.reads && !self.over {
            let mut space = [0; 8192];
            match network.read(self.end, &mut space, now) {
                Ok(0) => {
                    // It closes once it has nothing more to say.
                    if self.acts.is_empty() && self.sender.is_idle() && now >= self.pause_until {
                        network.close(self.end, Ending::Fin, now);
                        self.over = true;
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

    fn understand(&mut self, ledger: &mut Ledger) -> bool {
        if self.unread.is_empty() {
            return false;
        }
        match &mut self.state {
            State::Head => self.head(ledger),
            State::Content(content) => {
                let before = content.bytes.len();
                let taken = content.take(&self.unread).unwrap_or_else(|error| panic!("upstream: {error}"));
                self.unread.drain(..taken);
                let id = self.request.as_ref().map_or(0, |request| request.id);
                let count = content.bytes.len() - before;
                let expected = message::content(id, Stream::Request, before, count);
                assert_eq!(content.bytes[before..], expected, "content of request {id}");
                let facts = ledger.facts(id);
                facts.content_arrived = facts.content_arrived.max(content.bytes.len());
                if content.is_complete() {
                    assert_eq!(content.bytes.len(), facts.request.length, "content of request {id}");
                    self.state = State::Complete;
                }
                true
            }
            State::Complete => self.behind(),
            State::Tunnel => {
                let id = self.request.as_ref().map_or(0, |request| request.id);
                let expected = message::content(id, Stream::FromClient, self.tunnelled, self.unread.len());
                assert_eq!(self.unread, expected, "bytes of the tunnel of {id} to its origin server");
                self.tunnelled += self.unread.len();
                self.unread.clear();
                true
            }
        }
    }

    /// Bytes behind a whole request: the next one, once this was answered; a tunnel's, once protocols were switched.
    fn behind(&mut self) -> bool {
        let id = self.request.as_ref().map_or(0, |request| request.id);
        assert!(self.answered, "bytes behind request {id} before its answer: {}", self.unread.escape_ascii());
        self.state = if self.switched { State::Tunnel } else { State::Head };
        true
    }

    fn head(&mut self, ledger: &mut Ledger) -> bool {
        let (head, length) = match wire::request(&self.unread) {
            Parsed::Partial => return false,
            Parsed::Broken(error) => panic!("upstream: {error}"),
            Parsed::Complete(head, length) => (head, length),
        };
        self.unread.drain(..length);
        assert_ne!(head.target, SMUGGLED.as_bytes(), "content was taken for a request");
        let non_idempotent = ledger.setting.non_idempotent;
        let facts =
            ledger.by_target(&head.target).unwrap_or_else(|| panic!("{head:?}: nobody asked for this"));
        let request = facts.request.clone();
        assert!(facts.begun, "{head:?} before it was sent");
        assert!(request.is_forwarded(), "{head:?} should have been refused");
        assert_eq!(Some(facts.client), self.user, "{head:?} on another session's connection");
        if facts.arrivals > 0 {
            let may = request.is_idempotent() || non_idempotent;
            assert!(may, "request {} came twice, and {} is not idempotent", request.id, request.method);
            // What is sent again has to be held, in one buffer (E10).
            let (arrived, held) = (facts.content_arrived, Buffers::SIZE);
            assert!(
                arrived <= held,
                "request {} came again after {arrived} bytes of its content",
                request.id
            );
        }
        let is_clean = !self.spoiled && !self.has_surplus;
        assert!(is_clean, "request {} on a connection that was not clean", request.id);
        assert!(
            self.served == 0 || !request.asks_for_tunnel(),
            "an upgrade on a connection that was used before"
        );
        self.served += 1;
        let attempt = facts.arrivals;
        facts.arrivals += 1;
        check_fields(&head, &request);
        let framing = head.framing().unwrap_or_else(|error| panic!("upstream: {error}"));
        let content = Content::new(framing);
        self.state = if content.is_complete() { State::Complete } else { State::Content(content) };
        if let Some(answer) = request.answer(attempt) {
            self.acts = answer.acts.iter().cloned().collect();
            self.waits_for_request = !answer.early;
        }
        (self.pause_until, self.answered, self.sending) = (0, false, None);
        self.request = Some(request);
        true
    }
}

fn check_fields(head: &wire::Request, request: &Request) {
    assert_eq!((head.minor, &head.method), (1, &request.method));
    for name in ["x-hop", "keep-alive", "proxy-connection", "te", "http2-settings", "expect"] {
        assert_eq!(head.values(name).next(), None, "{name} is no business of the origin server");
    }
    assert_eq!(head.values("host").collect::<Vec<_>>(), [b"origin"]);
    assert_eq!(head.values("x-id").collect::<Vec<_>>(), [request.id.to_string().as_bytes()]);
    let asks = head.values("upgrade").count();
    assert_eq!(asks, usize::from(request.asks_for_tunnel()), "Upgrade in {head:?}");
    let option: &[&[u8]] = if asks == 1 { &[b"Upgrade"] } else { &[] };
    assert_eq!(head.values("connection").collect::<Vec<_>>(), option);
}
