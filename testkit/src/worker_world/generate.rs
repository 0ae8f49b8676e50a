//! Scripts out of seeds.

use fastrand::Rng;

use super::{
    script::{
        Act, Answer, Client, Dial, Event, Fault, Final, Framing, Happening, Reply, Request, Script, Switch,
        Upgrade,
    },
    settings::SETTINGS,
};

impl Script {
    /// The script of this seed: mostly what peers do in good order, and now and then everything else.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut source = Source { random: Rng::with_seed(seed), next_id: 1 };
        let random = &mut source.random;
        let setting = random.usize(0..SETTINGS);
        let count = if random.u8(..) < 30 { random.usize(8..24) } else { random.usize(1..6) };
        // Some of them come at once, some while others are long under way.
        let spread = [1, 10_000, 3_000_000][random.usize(0..3)];
        let clients = (0..count).map(|_| source.client(spread)).collect();
        Self { seed, setting, clients, events: source.events() }
    }
}

struct Source {
    random: Rng,
    next_id: u32,
}

impl Source {
    /// One of these.
    fn one<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.usize(0..from.len())]
    }

    /// With a chance of so many in a hundred.
    fn percent(&mut self, chance: u8) -> bool {
        self.random.u8(0..100) < chance
    }

    fn events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        if self.percent(25) {
            let within = self.percent(70).then(|| self.random.u64(0..9_000_000));
            events.push(Event { at: self.random.u64(0..6_000_000), what: Happening::Drain(within) });
        }
        if self.percent(20) {
            let leap = self.one(&[1_000, 900_000, 7_000_000, 90_000_000]);
            events.push(Event { at: self.random.u64(0..6_000_000), what: Happening::Leap(leap) });
        }
        if self.percent(20) {
            let step = self.one(&[-3_600_000, -1, 1, 86_400_000, i64::MAX, i64::MIN]);
            events.push(Event { at: self.random.u64(0..6_000_000), what: Happening::Wall(step) });
        }
        events
    }

    fn client(&mut self, spread: u64) -> Client {
        let mut acts = Vec::new();
        for _ in 0..self.random.usize(1..5) {
            self.converse(&mut acts);
        }
        if self.percent(15) {
            let at = self.random.usize(0..=acts.len());
            let pause = self.pause();
            acts.insert(at, Act::StopReading);
            acts.insert((at + 1 + self.random.usize(0..3)).min(acts.len()), Act::Read);
            acts.insert(at + 1, Act::Pause(pause));
        }
        // Some reset anywhere, some end in order, some leave it to the gateway.
        match self.random.u8(0..10) {
            0 | 1 => acts.insert(self.random.usize(0..=acts.len()), Act::Reset),
            2 => acts.insert(self.random.usize(0..=acts.len()), Act::End),
            3..7 => acts.push(Act::End),
            _ => {}
        }
        Client {
            arrives: self.random.u64(0..spread),
            latency: self.random.u64(0..2_000),
            capacity: self.one(&[100, 1_000, 20_000, 200_000]),
            acts,
            closes: self.percent(80),
        }
    }

    /// A request, and what belongs to it.
    fn converse(&mut self, acts: &mut Vec<Act>) {
        let request = self.request();
        let tunnel = request.upgrade != Upgrade::No;
        acts.push(Act::Ask(request));
        if tunnel {
            for _ in 0..self.random.usize(0..5) {
                let act = match self.random.u8(0..6) {
                    0 => Act::Await,
                    1 => Act::Pause(self.pause()),
                    _ => Act::Speak(self.size()),
                };
                acts.push(act);
            }
        }
        // Without waiting, the next one is pipelined.
        if self.percent(60) {
            acts.push(Act::Await);
        }
        if self.percent(15) {
            acts.push(Act::Pause(self.pause()));
        }
    }

    fn request(&mut self) -> Request {
        let id = self.next_id;
        self.next_id += 1;
        let minor = u8::from(!self.percent(10));
        let upgrade = match self.random.u8(0..100) {
            0..20 => Upgrade::Token,
            20..38 => Upgrade::WebSocket,
            38..40 => Upgrade::Keyless,
            40..42 => Upgrade::Http2,
            42..45 => Upgrade::Unconnected,
            _ => Upgrade::No,
        };
        let method = match upgrade {
            Upgrade::WebSocket if self.percent(95) => "GET",
            _ => self.one(&["GET", "GET", "GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE"]),
        };
        let framing = match self.random.u8(0..10) {
            0..2 => Framing::Length,
            2..4 if minor == 1 => Framing::Chunked,
            _ => Framing::Empty,
        };
        let length = if framing == Framing::Empty { 0 } else { self.size() };
        let fault = self.percent(4).then(|| {
            let faults = [
                Fault::TwoLengths,
                Fault::LengthAndCoding,
                Fault::SpaceBeforeColon,
                Fault::Folded,
                Fault::TwoHosts,
                Fault::BadMethod,
                Fault::BadChunk,
            ];
            self.one(&faults)
        });
        // A chunk can be broken where there are chunks.
        let fault = fault.filter(|fault| *fault != Fault::BadChunk || framing == Framing::Chunked);
        let mut request = Request {
            id,
            method: method.to_owned(),
            minor,
            fault,
            upgrade,
            framing,
            length,
            expects: framing != Framing::Empty && self.percent(20),
            closes: self.percent(8),
            piece: self.piece(),
            pause: self.short_pause(),
            answers: Vec::new(),
        };
        let attempts = if self.percent(85) { 1 } else { self.random.usize(2..4) };
        for attempt in 0..attempts {
            let answer = self.answer(&request, attempt + 1 < attempts);
            request.answers.push(answer);
        }
        request
    }

    /// What an origin server does; `fails` makes it likely that another attempt follows.
    fn answer(&mut self, request: &Request, fails: bool) -> Answer {
        let after = self.random.u64(0..5_000);
        let dial = match self.random.u8(0..100) {
            0..3 => Dial::Refused(after),
            3..5 => Dial::Hangs,
            5..40 if fails => Dial::Refused(after),
            5..8 => Dial::Accepted(self.pause()),
            _ => Dial::Accepted(after),
        };
        let mut acts = Vec::new();
        if self.percent(20) {
            acts.push(Reply::Pause(self.pause()));
        }
        if fails && self.percent(70) {
            acts.push(if self.percent(50) { Reply::End } else { Reply::Reset });
        }
        for _ in 0..if self.percent(12) { self.random.usize(1..4) } else { 0 } {
            acts.push(Reply::Interim(self.one(&[100, 102, 103])));
        }
        if request.asks_for_tunnel() && self.percent(80) {
            self.tunnel(&mut acts);
        } else {
            self.respond(request, &mut acts);
        }
        self.spoil(&mut acts);
        Answer { dial, early: self.percent(12), acts }
    }

    fn tunnel(&mut self, acts: &mut Vec<Reply>) {
        let switch = match self.random.u8(0..100) {
            0..85 => Switch::Right,
            _ => self.one(&[
                Switch::Other,
                Switch::Unconnected,
                Switch::Nameless,
                Switch::Old,
                Switch::WrongHash,
            ]),
        };
        acts.push(Reply::Switch(switch));
        for _ in 0..self.random.usize(0..6) {
            let act = match self.random.u8(0..4) {
                0 => Reply::Pause(self.pause()),
                _ => Reply::Speak(self.size()),
            };
            acts.push(act);
        }
        if self.percent(50) {
            acts.push(Reply::End);
        }
    }

    fn respond(&mut self, request: &Request, acts: &mut Vec<Reply>) {
        if self.percent(2) {
            // Nobody has asked for it.
            acts.push(Reply::Switch(Switch::Right));
        }
        let status = self.one(&[200, 200, 200, 200, 200, 404, 500, 204, 304, 205, 301, 408, 426]);
        let bodiless = matches!(status, 204 | 304) || request.method == "HEAD";
        let framing = match self.random.u8(0..10) {
            0..5 => Framing::Length,
            5..8 => Framing::Chunked,
            _ => Framing::UntilClose,
        };
        let framing = match status {
            204 => Framing::Empty,
            _ if bodiless && framing == Framing::UntilClose => Framing::Empty,
            _ => framing,
        };
        let length = self.size();
        acts.push(Reply::Final(Final {
            status,
            framing,
            length,
            closes: self.percent(12),
            piece: self.piece(),
            pause: self.short_pause(),
            cut: self.percent(6).then(|| self.random.usize(0..length + 100)),
            surplus: self.percent(4),
        }));
        if framing == Framing::UntilClose && self.percent(90) {
            acts.push(Reply::End);
        } else if self.percent(15) {
            acts.push(Reply::Pause(self.pause()));
            acts.push(Reply::End);
        }
    }

    /// What goes wrong now and then.
    fn spoil(&mut self, acts: &mut Vec<Reply>) {
        if !self.percent(18) {
            return;
        }
        let at = self.random.usize(0..=acts.len());
        match self.random.u8(0..6) {
            0 => acts.insert(at, Reply::End),
            1 => acts.insert(at, Reply::Reset),
            2 => acts.insert(at, Reply::Babble),
            3 => acts.truncate(at),
            _ => {
                let pause = self.pause();
                acts.insert(at, Reply::StopReading);
                acts.insert(at + 1, Reply::Pause(pause));
            }
        }
    }

    fn size(&mut self) -> usize {
        match self.random.u8(0..20) {
            0..3 => 0,
            3..12 => self.random.usize(1..100),
            12..18 => self.random.usize(100..6_000),
            _ => self.random.usize(6_000..60_000),
        }
    }

    fn piece(&mut self) -> usize {
        if self.percent(70) { 0 } else { self.one(&[1, 3, 50, 1_000]) }
    }

    /// Most pauses between two pieces are short: a long one makes a run of hours.
    fn short_pause(&mut self) -> u64 {
        self.one(&[0, 0, 10, 1_000])
    }

    /// About as long as the timers.
    fn pause(&mut self) -> u64 {
        let most = self.one(&[1_000, 100_000, 2_000_000, 10_000_000]);
        self.random.u64(0..most)
    }
}
