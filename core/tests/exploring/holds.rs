//! What holds in every state.

use std::hash::{DefaultHasher, Hash, Hasher};

use underpass_core::{EndedBy, Outcome, Side, Timer};
use underpass_testkit::{
    explore::{History, Over},
    session_world::{Snapshot, World},
    strict::{Request, Response},
};

use super::reading::{Requests, Responses, requests, responses, values};

/// Interim responses, and what else a head can't be longer than here.
const HEAD: usize = 1024;

/// Checks everything, and says what it rests on.
pub(crate) fn holds(world: &World, history: &History) -> u64 {
    look(world, history, true)
}

/// The same where a tunnel ends with either end (`upgrade_half_close off`).
pub(crate) fn holds_without_half_close(world: &World, history: &History) -> u64 {
    look(world, history, false)
}

fn look(world: &World, history: &History, half_close: bool) -> u64 {
    let (asked, _) = requests(&history.from_client, front(&history.from_client));
    let (got, read) = responses(world.client.received(), &asked);
    read.unwrap_or_else(|fault| panic!("the client got no response: {fault}"));
    let snapshot = world.session.snapshot(world.now().tick);
    let view = View { world, history, state: snapshot.exchange(), snapshot, half_close, asked, got };
    view.waits_with_a_deadline();
    view.timers_run_where_they_belong();
    view.buffers_are_bounded();
    view.drains();
    let mut said = DefaultHasher::new();
    (view.got.finals.len(), view.got.interims, view.got.content(), view.got.tunnel.is_some()).hash(&mut said);
    view.answers_are_in_order();
    view.nothing_is_sent_again_that_must_not_be();
    for number in 0..world.origins.len() {
        view.upstream_goes_what_was_asked(number).hash(&mut said);
        view.is_pooled_only_when_clean(number);
    }
    view.tunnels_carry_what_was_said().hash(&mut said);
    said.finish()
}

/// What stands in front of the first request: the header of a proxy, an empty line.
fn front(bytes: &[u8]) -> usize {
    let end = bytes.windows(2).position(|window| window == b"\r\n").map_or(0, |at| at + 2);
    if bytes.starts_with(b"PROXY ") || bytes.starts_with(b"\r\n") { end } else { 0 }
}

struct View<'r> {
    world: &'r World,
    history: &'r History,
    snapshot: Snapshot,
    state: String,
    half_close: bool,
    /// What the client has asked, as far as it is well-formed.
    asked: Requests,
    /// What it got.
    got: Responses,
}

impl View<'_> {
    /// A peer that is waited for is waited for until a moment. An answer of the shell's own is no peer's.
    fn waits_with_a_deadline(&self) {
        let state = self.state.as_str();
        assert_eq!(state == "Closed", self.world.done, "a closed session is done");
        let waits_for_shell = state == "Admitting" && self.world.claims();
        assert!(
            self.world.done || waits_for_shell || self.world.deadline().is_some(),
            "a session waits without a deadline: {state}"
        );
    }

    /// A timer runs only in states that it is for.
    fn timers_run_where_they_belong(&self) {
        let state = self.state.as_str();
        for (timer, _) in self.snapshot.timers() {
            let states: &[&str] = match timer {
                Timer::ClientHeader => &["Greeting", "Idle", "Receiving"],
                Timer::KeepAlive => &["Idle"],
                Timer::ClientBody => &["Awaiting", "Responding", "Switching"],
                // Interim responses are sent whatever becomes of the request meanwhile.
                Timer::ClientSend => &[
                    "Resolving",
                    "Admitting",
                    "Dialling",
                    "Awaiting",
                    "Responding",
                    "Replying",
                    "Switching",
                    "Tunnelling",
                ],
                // Content behind an answer of our own is read like what comes behind the last one.
                Timer::LingerIdle | Timer::LingerTotal => &["Replying", "Lingering", "Tunnelling"],
                Timer::Resolve => &["Resolving"],
                Timer::Admission => &["Admitting"],
                Timer::Connect => &["Dialling"],
                Timer::UpstreamSend => &["Awaiting", "Responding", "Switching", "Tunnelling"],
                Timer::UpstreamRead => &["Awaiting", "Responding"],
                Timer::Handshake => &["Awaiting"],
                Timer::TunnelIdle | Timer::HalfClose | Timer::Acknowledgement => &["Tunnelling"],
                other => panic!("{other:?} runs in {state}, and nobody has asked for it"),
            };
            assert!(states.contains(&state), "{timer:?} runs in {state}");
        }
    }

    /// At most a buffer of what was received, and a head that was made of another, wait on each side.
    fn buffers_are_bounded(&self) {
        for side in Side::BOTH {
            assert!(
                self.snapshot.buffered(side) <= self.world.buffers().size() + HEAD,
                "{side:?}: too much is held"
            );
        }
    }

    /// Rule C8: who drains ends the exchange that was begun, begins no other, and isn't idle after it.
    fn drains(&self) {
        let Some(before) = self.history.drained else { return };
        assert!(self.world.exchanges.len() <= before + 1, "an exchange was begun by a session that drains");
        let is_idle = self.state == "Idle" && !self.world.exchanges.is_empty();
        assert!(!is_idle, "a session that drains is idle");
    }

    /// One response for each request, in order; what is whole has come from an origin server whole.
    fn answers_are_in_order(&self) {
        let exchanges = &self.world.exchanges;
        // One that was not understood is no request for this reader.
        assert!(self.got.finals.len() <= self.asked.all.len() + 1, "more responses than requests");
        assert!(self.got.finals.len() <= exchanges.len() + 1, "a response for no exchange");
        for (number, got) in self.got.finals.iter().enumerate() {
            if let Some(exchange) = exchanges.get(number).filter(|exchange| exchange.status != 499) {
                assert_eq!(got.status, exchange.status, "the response is another exchange's");
            }
            // Our own responses say so.
            if got.status != 101
                && values(&got.lines, "server").is_empty()
                && self.asked.method(number) != "CONNECT"
            {
                self.comes_from_an_origin_server(number, got);
            }
        }
        for (number, exchange) in exchanges.iter().enumerate() {
            let opened = exchange.tunnel.is_some();
            let whole = self.got.finals.get(number).is_some_and(|got| got.whole.is_some() || opened);
            let is_complete = exchange.outcome == Outcome::Complete;
            assert!(!is_complete || whole, "complete, and its response is not: {exchange:?}");
            assert!(
                exchange.tunnel.is_none() || number + 1 == exchanges.len(),
                "an exchange behind a tunnel"
            );
        }
    }

    /// Some origin server has said it, on a connection where it was asked this; and to the end, if it is whole.
    fn comes_from_an_origin_server(&self, number: usize, got: &Response) {
        let line = self.asked.line(number);
        let said = self.history.from_origins.iter().enumerate().any(|(origin, said)| {
            let (forwarded, _) = requests(self.world.origins[origin].end.received(), 0);
            let (given, _) = responses(said, &forwarded);
            let over = self.history.origins_over.get(origin).copied().flatten();
            given.finals.iter().enumerate().any(|(at, given)| {
                // One that came before its request did has no line to compare.
                let is_asked = forwarded.line(at).is_none_or(|forwarded| Some(forwarded) == line);
                let ended = matches!(over, Some(Over::Ended | Over::EndedAndReset));
                let is_whole = given.whole.is_some() || (given.until_close && ended);
                // Rule E10: what a stale connection says of itself is not for a client whose request can be repeated.
                let is_stale = at > 0 && given.status == 408 && self.asked.method(number) != "POST";
                is_asked
                    && !is_stale
                    && given.status == got.status
                    && given.content.starts_with(&got.content)
                    && (got.whole.is_none() || (is_whole && given.content == got.content))
            })
        });
        assert!(said, "no origin server has said {got:?}");
    }

    /// Rule E10: no other peer is asked once the client has a byte of the final response, and what isn't
    /// idempotent goes upstream once.
    fn nothing_is_sent_again_that_must_not_be(&self) {
        if ["Resolving", "Admitting", "Dialling"].contains(&self.state.as_str()) {
            let begun = self.got.finals.len();
            assert_eq!(begun, self.world.exchanges.len(), "asked again behind a final response");
            let rest = &self.world.client.received()[self.got.end..];
            let interim = b"HTTP/1.1 1";
            let begins = rest.starts_with(interim) || interim.starts_with(rest);
            assert!(begins, "asked again behind a byte of the final response");
        }
        let count = |bytes: &[u8]| bytes.windows(3).filter(|window| *window == b"POS").count();
        let arrivals: usize = self.world.origins.iter().map(|origin| count(origin.end.received())).sum();
        assert!(arrivals <= count(&self.history.from_client), "a POST was sent twice");
    }

    /// Upstream go the requests of the client, with the fields that a gateway gives them and no others, in
    /// order; their content is the client's, to where it has come.
    fn upstream_goes_what_was_asked(&self, number: usize) -> (usize, usize) {
        let received = self.world.origins[number].end.received();
        if self.asked.all.iter().any(|(request, _)| request.method == "CONNECT") {
            // The bytes of its tunnel: another property's.
            return (0, received.len());
        }
        let (forwarded, read) = requests(received, 0);
        let carries_tunnel = self.tunnel_number() == Some(number);
        if !carries_tunnel {
            read.unwrap_or_else(|fault| panic!("the origin server got no request: {fault}"));
        }
        let said = self.history.from_origins.get(number).map_or(b"".as_slice(), Vec::as_slice);
        let (given, _) = responses(said, &forwarded);
        let mut from = 0;
        for (at, (request, _)) in forwarded.all.iter().enumerate() {
            let sent = |(asked, _): &(Request, usize)| is_forwarded(asked, request);
            let found = self.asked.all[from..].iter().position(sent);
            from += found.unwrap_or_else(|| panic!("nobody has asked for {request:?}"));
            if request.offers_upgrade() && carries_tunnel {
                break;
            }
            // The next is another one, unless an error page has the same be asked again.
            from += usize::from(given.finals.get(at).is_none_or(|given| given.status != 500));
        }
        (forwarded.all.len(), forwarded.content())
    }

    /// A connection lies in the pool only when what was asked on it was answered whole, and nothing more was said.
    fn is_pooled_only_when_clean(&self, number: usize) {
        let origin = &self.world.origins[number];
        if !origin.idle {
            return;
        }
        let (forwarded, read) = requests(origin.end.received(), 0);
        read.unwrap_or_else(|fault| panic!("pooled behind {fault}"));
        assert_eq!(forwarded.end, origin.end.received().len(), "pooled with a request that isn't whole");
        assert!(forwarded.all.iter().all(|(request, _)| request.whole.is_some()));
        let said = self.history.from_origins.get(number).map_or(b"".as_slice(), Vec::as_slice);
        let (given, read) = responses(said, &forwarded);
        read.unwrap_or_else(|fault| panic!("pooled behind {fault}"));
        assert_eq!(given.finals.len(), forwarded.all.len(), "pooled without an answer, or with one too many");
        assert_eq!(given.end, said.len(), "pooled with something left over");
        assert!(given.tunnel.is_none(), "pooled behind a 101");
        for response in &given.finals {
            assert!(response.whole.is_some(), "pooled behind a response that isn't whole");
            assert!(values(&response.lines, "connection").is_empty(), "pooled behind a close");
        }
    }

    /// The connection that a tunnel stands on.
    fn tunnel_number(&self) -> Option<usize> {
        let recorded = self.world.exchanges.last().is_some_and(|exchange| exchange.tunnel.is_some());
        (recorded || self.state == "Tunnelling").then(|| self.world.origins.len() - 1)
    }

    /// No tunnel without a request that asks and an answer that agrees; each direction's bytes are those that were
    /// said behind these, and all of them when it ended in order.
    fn tunnels_carry_what_was_said(&self) -> Option<(usize, usize)> {
        let Some(number) = self.tunnel_number() else {
            assert!(self.got.tunnel.is_none(), "a 101 without a tunnel");
            return None;
        };
        let origin = &self.world.origins[number];
        let recorded = self.state != "Tunnelling";
        let exchange = self.world.exchanges.len() - usize::from(recorded);
        let (request, end) = self.asked.all.get(exchange).expect("a tunnel that nobody asked for");
        let from_client = &self.history.from_client[*end..];
        let said = self.history.from_origins.get(number).map_or(b"".as_slice(), Vec::as_slice);
        let (up, from_origin) = if request.method == "CONNECT" {
            (origin.end.received(), said)
        } else {
            let (forwarded, _) = requests(origin.end.received(), 0);
            // An upgrade goes on a connection of its own.
            let upgrade = forwarded.all.first().filter(|(request, _)| request.offers_upgrade());
            let (_, end) = upgrade.expect("a tunnel whose upgrade went nowhere");
            let (given, _) = responses(said, &forwarded);
            let switch =
                given.finals.last().filter(|given| given.status == 101).expect("a tunnel without a 101");
            let protocol = |lines| values(lines, "upgrade").concat().to_ascii_lowercase();
            assert_eq!(protocol(&switch.lines), protocol(&request.lines), "a tunnel for what nobody offered");
            assert!(values(&switch.lines, "connection").concat().eq_ignore_ascii_case(b"upgrade"));
            (&origin.end.received()[*end..], &said[given.tunnel.expect("its end")..])
        };
        assert!(from_client.starts_with(up), "{up:?} is not what the client sent");
        let down = self.got.tunnel.map_or(b"".as_slice(), |at| &self.world.client.received()[at..]);
        assert!(from_origin.starts_with(down), "{down:?} is not what the origin server sent");
        let ended =
            self.world.exchanges.get(exchange).filter(|exchange| exchange.outcome == Outcome::Complete);
        if let Some(exchange) = ended {
            let (counted_up, counted_down, ended, cut) = exchange.tunnel.expect("its record");
            assert!(!cut, "a cut tunnel is not complete");
            if self.half_close || ended == Some(EndedBy::Client) {
                assert_eq!(
                    (up, counted_up),
                    (from_client, from_client.len() as u64),
                    "not all went upstream"
                );
            }
            if self.half_close || ended == Some(EndedBy::Upstream) {
                assert_eq!(
                    (down, counted_down),
                    (from_origin, from_origin.len() as u64),
                    "not all came down"
                );
            }
        }
        Some((up.len(), down.len()))
    }
}

/// Whether `sent` is what becomes of `asked`: no field of its connection is in it, and those of ours are.
fn is_forwarded(asked: &Request, sent: &Request) -> bool {
    let mut expected: Vec<(&str, &[u8])> = vec![("via", b"1.1 underpass")];
    let own = ["host", "connection", "upgrade", "te", "expect", "keep-alive"];
    expected.extend(
        asked
            .lines
            .iter()
            .filter(|(name, _)| !own.contains(&name.as_str()))
            .map(|(n, v)| (n.as_str(), v.as_slice())),
    );
    let upgrade = values(&asked.lines, "upgrade").concat();
    if asked.offers_upgrade() && sent.offers_upgrade() {
        expected.extend([("connection", b"upgrade".as_slice()), ("upgrade", upgrade.as_slice())]);
    }
    let mut lines: Vec<(&str, &[u8])> = sent.lines.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
    lines.retain(|(name, _)| *name != "host");
    expected.sort_unstable();
    lines.sort_unstable();
    let whole = sent.whole.is_none() || (asked.whole.is_some() && sent.content == asked.content);
    asked.line() == sent.line() && lines == expected && asked.content.starts_with(&sent.content) && whole
}
