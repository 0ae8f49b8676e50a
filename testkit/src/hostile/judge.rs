//! What must hold of a hostile case.

use underpass_core::Ending;

use super::{Hostile, Seen, play::is_ordinary};
use crate::strict::{Request, Response, read_response};

/// Says what is wrong; nothing when all is well.
#[must_use]
pub fn judge(case: &Hostile, seen: &Seen) -> Vec<String> {
    let mut judge = Judge { case, seen, problems: Vec::new() };
    let (finals, down) = judge.client();
    judge.origin(&finals);
    judge.expectations(&finals, &down);
    judge.problems
}

/// A final response, and whether it came whole.
#[derive(Debug)]
struct Final {
    response: Response,
    whole: bool,
}

impl Final {
    fn value(&self, name: &str) -> Option<&[u8]> {
        self.response.lines.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_slice())
    }
}

struct Judge<'a> {
    case: &'a Hostile,
    seen: &'a Seen,
    problems: Vec<String>,
}

impl Judge<'_> {
    /// What the client got are responses to what it asked, each for its own request.
    fn client(&mut self) -> (Vec<Final>, Vec<u8>) {
        let (bytes, ending) = (&self.seen.client.0, self.seen.client.1);
        let (mut finals, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let ask = self.case.asks.get(finals.len()).map_or("", String::as_str);
            let method = ask.split(' ').next().unwrap_or_default();
            let response = match read_response(&bytes[at..], method) {
                Ok(Some(response)) => response,
                Ok(None) => {
                    self.blame("the client got half a head", &bytes[at..]);
                    break;
                }
                Err(fault) => {
                    self.problems.push(format!("the client can't read what it got: {fault}"));
                    break;
                }
            };
            if finals.len() >= self.case.asks.len() {
                self.blame("the client got more responses than it asked for", &bytes[at..]);
                break;
            }
            for name in self.case.hides.iter().chain(&self.case.strips) {
                if response.lines.iter().chain(&response.trailers).any(|(other, _)| other == name) {
                    self.blame(&format!("the client got {name}"), &bytes[at..]);
                }
            }
            if self.case.http10
                && (response.is_interim() || response.lines.iter().any(|(n, _)| n == "transfer-encoding"))
            {
                self.blame("a client of HTTP/1.0 got this", &bytes[at..]);
            }
            let length = response.whole;
            at = length.map_or(bytes.len(), |length| at + length);
            if response.is_interim() {
                continue;
            }
            let whole = length.is_some() || (response.until_close && ending != Some(Ending::Reset));
            let switches = response.status == 101;
            let of = Final { response, whole };
            self.response(&of, finals.len(), ask);
            finals.push(of);
            if switches {
                return (finals, bytes[at..].to_vec());
            }
        }
        (finals, Vec::new())
    }

    /// One response belongs to its request, and is what the origin server said, or recognisably cut.
    fn response(&mut self, of: &Final, index: usize, ask: &str) {
        let content = &of.response.content;
        if let Some(number) = of.value("x-answer") {
            let number = String::from_utf8_lossy(number).parse().unwrap_or(usize::MAX);
            let expected: Vec<u8> = match ask.starts_with("HEAD ") || ask.starts_with("CONNECT ") {
                true => Vec::new(),
                false => format!("answer to {ask}")
                    .chars()
                    .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
                    .collect(),
            };
            let asked = self.seen.requests.get(number).map(Request::line);
            let fits = if of.whole { *content == expected } else { expected.starts_with(content) };
            if asked.as_deref() != Some(ask) || !fits {
                self.blame(&format!("response {index} is not the answer to {ask}"), content);
            }
            return;
        }
        // Our own: a refusal. A 101 is judged with its tunnel.
        if of.response.status >= 400 || of.response.status == 101 {
            return;
        }
        let answers = &self.case.answers;
        let fits = if of.whole {
            answers.contains(content)
        } else {
            content.is_empty() || answers.iter().chain(&self.case.cuts).any(|all| all.starts_with(content))
        };
        if !fits {
            let what = if of.whole { "as if it were whole" } else { "cut" };
            self.blame(&format!("response {index} came {what}"), content);
        }
    }

    /// What the origin server got are requests that were asked, in their order and as they were meant, and
    /// those that it answered were answered to the client.
    fn origin(&mut self, finals: &[Final]) {
        for fault in &self.seen.faults {
            self.problems.push(format!("the origin server can't read what it got: {fault}"));
        }
        if self.case.refuse && !self.seen.requests.is_empty() {
            self.problems.push("the origin server got a request that has to be refused".to_owned());
        }
        let mut position = 0;
        for (number, request) in self.seen.requests.iter().enumerate() {
            let line = request.line();
            let Some(found) = self.case.asks.iter().skip(position).position(|ask| *ask == line) else {
                self.problems.push(format!("the origin server got {line}, which nobody asked"));
                continue;
            };
            let nothing = Vec::new();
            let contents = self.case.content.as_ref();
            let content = contents.and_then(|all| all.get(position + found)).unwrap_or(&nothing);
            if request.content != *content {
                self.blame(&format!("the origin server got another content with {line}"), &request.content);
            }
            position += found + 1;
            let number = number.to_string();
            if is_ordinary(self.case, request)
                && !finals.iter().any(|of| of.value("x-answer") == Some(number.as_bytes()))
            {
                self.problems
                    .push(format!("the client got no answer to {line}, which the origin server has"));
            }
        }
        for request in self.seen.requests.iter().chain(&self.seen.begun) {
            self.lines(request);
        }
    }

    fn lines(&mut self, request: &Request) {
        let all = || request.lines.iter().chain(&request.trailers);
        for name in self.case.lacks.iter().chain(&self.case.drops) {
            if all().any(|(other, _)| other == name) {
                self.problems.push(format!("the origin server got {name}"));
            }
        }
        if self.case.no_upgrade && request.offers_upgrade() {
            self.problems.push("the origin server was offered an upgrade".to_owned());
        }
        for line in &self.case.keeps {
            if !request.lines.contains(line) {
                self.blame(&format!("the origin server didn't get {}", line.0), &line.1);
            }
        }
        if self.case.host.as_ref().is_some_and(|host| *host != request.host) {
            self.blame("the origin server got another host", &request.host);
        }
    }

    /// Tunnels, and what the case says of underpass alone.
    fn expectations(&mut self, finals: &[Final], down: &[u8]) {
        let switched = finals.iter().any(|of| of.response.status == 101);
        let (up_meant, down_meant) = (self.case.up.as_deref(), self.case.down.as_deref());
        if switched && up_meant.is_none() && down_meant.is_none() {
            self.problems.push("a tunnel opened".to_owned());
        }
        for (who, carried, meant) in
            [("origin server", &self.seen.up[..], up_meant), ("client", down, down_meant)]
        {
            let meant = meant.unwrap_or_default();
            if !meant.starts_with(carried) || (switched && carried != meant) {
                self.blame(&format!("the {who} got through a tunnel"), carried);
            }
        }
        let statuses: Vec<_> = finals.iter().map(|of| of.response.status).collect();
        self.equal("statuses", &statuses, &self.case.status);
        let reached: Vec<_> = self.seen.requests.iter().map(Request::line).collect();
        self.equal("requests at the origin server", &reached, &self.case.reaches);
        let mut violations = self.seen.violations.clone();
        violations.dedup();
        self.equal("violations", &violations, &self.case.violations);
    }

    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, seen: &Vec<T>, expected: &Vec<T>) {
        if seen != expected {
            self.problems.push(format!("{what}: {seen:?} instead of {expected:?}"));
        }
    }

    fn blame(&mut self, what: &str, bytes: &[u8]) {
        let shown = bytes.get(..400).unwrap_or(bytes).escape_ascii();
        self.problems.push(format!("{what}: {shown}"));
    }
}
