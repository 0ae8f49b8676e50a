//! A session by itself, without a shell that hurries.

use std::{io::ErrorKind, sync::Arc};

use super::text;
use underpass_core::{
    Address, Buffers, Claim, ClientInfo, Connected, Dial, Event, Fault, Lookup, Now, Output, Session,
    Severity, Side, Tick, Turn, config::Config,
};
use underpass_testkit::session_world::config_of;

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
pub(crate) const PUT: &str = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
pub(crate) const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n";
pub(crate) const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n";

pub(crate) fn broken() -> Fault {
    ErrorKind::BrokenPipe.into()
}

/// A session by itself, without a shell that hurries: two peers, and idle connections to them where that is
/// `pooled`.
pub(crate) struct Alone {
    pub(crate) session: Session,
    pub(crate) buffers: Buffers,
    pub(crate) now: Now,
    pub(crate) pooled: bool,
}

impl Alone {
    pub(crate) fn with(config: Arc<Config>, pooled: bool) -> Self {
        let address: std::net::SocketAddr = "127.0.0.1:8080".parse().expect("an address");
        let address = Address::Ip(address);
        let client = ClientInfo::new(address.clone(), address, 1, [0; 16]);
        let now = Now { tick: Tick(0), unix_ms: 0, utc_offset_min: 0 };
        let session = Session::new(config, client, now);
        Self { session, buffers: Buffers::default(), now, pooled }
    }

    pub(crate) fn new(pooled: bool) -> Self {
        Self::with(
            config_of(
                "http { access_log off; upstream two { server 127.0.0.1:9000; server 127.0.0.1:9001; keepalive 4; }
                 server { listen 127.0.0.1:8080; location / { proxy_pass http://two; } } }",
            ),
            pooled,
        )
    }

    pub(crate) fn receives(&mut self, from: Side, bytes: &str) {
        let turn = &mut Turn { now: self.now, buffers: &mut self.buffers };
        let space =
            self.session.receive_space(self.session.connection(from), turn).expect("bytes are wanted");
        space[..bytes.len()].copy_from_slice(bytes.as_bytes());
        self.session.handle_received(self.session.connection(from), Ok(bytes.len()), turn);
    }

    pub(crate) fn ends(&mut self, from: Side) {
        let turn = &mut Turn { now: self.now, buffers: &mut self.buffers };
        self.session.handle_received(self.session.connection(from), Ok(0), turn);
    }

    /// Sends all there is, and says what that was.
    pub(crate) fn sends(&mut self, to: Side) -> String {
        let mut sent = Vec::new();
        loop {
            let slices = self.session.transmit(self.session.connection(to));
            let count = slices.total();
            if count == 0 {
                return text(&sent);
            }
            sent.extend(slices.iter().flat_map(|slice| slice.to_vec()));
            let turn = &mut Turn { now: self.now, buffers: &mut self.buffers };
            self.session.handle_sent(self.session.connection(to), Ok(count), turn);
        }
    }

    pub(crate) fn write_fails(&mut self, to: Side) {
        let turn = &mut Turn { now: self.now, buffers: &mut self.buffers };
        self.session.handle_sent(self.session.connection(to), Err(broken()), turn);
    }

    /// Polls until it waits; says whom it wants to have dialled, if it does.
    pub(crate) fn dial(&mut self) -> Option<Dial> {
        self.sought(|output| if let Output::Connect(dial) = output { Some(dial) } else { None })
    }

    pub(crate) fn lookup(&mut self) -> Lookup {
        let lookup =
            self.sought(|output| if let Output::Resolve(lookup) = output { Some(lookup) } else { None });
        lookup.expect("a name is to be looked up")
    }

    pub(crate) fn claim(&mut self) -> Claim {
        let claim = self.sought(|output| if let Output::Admit(claim) = output { Some(claim) } else { None });
        claim.expect("it is to be admitted")
    }

    /// Polls until `find` takes an output, or there is nothing to do.
    fn sought<T>(&mut self, find: impl Fn(Output) -> Option<T>) -> Option<T> {
        loop {
            match self.session.poll_output() {
                Output::Wait(_) | Output::Done => return None,
                other => {
                    if let Some(found) = find(other) {
                        return Some(found);
                    }
                }
            }
        }
    }

    /// Polls until there is something else to do than to note something.
    pub(crate) fn notes(&mut self) -> Vec<(Severity, Event)> {
        let mut notes = Vec::new();
        while let Output::Note(note) = self.session.poll_output() {
            notes.push((note.severity, note.event));
        }
        notes
    }

    /// Polls until it waits; whether it wants to write to this side then.
    pub(crate) fn writes(&mut self, to: Side) -> bool {
        loop {
            match self.session.poll_output() {
                Output::Wait(wait) => return wait.writes(to),
                Output::Done => return false,
                _ => {}
            }
        }
    }

    /// Dials whom it wants; `false` when that is nobody.
    pub(crate) fn connects(&mut self) -> bool {
        let Some(dial) = self.dial() else { return false };
        self.chooses(&dial);
        let connected = if self.pooled { Connected::Reused } else { Connected::Fresh };
        let turn = &mut Turn { now: self.now, buffers: &mut self.buffers };
        self.session.handle_connected(dial, Ok(connected), turn);
        true
    }

    pub(crate) fn chooses(&mut self, dial: &Dial) {
        let turn = &mut Turn { now: self.now, buffers: &mut self.buffers };
        let choice = self.session.choose(dial, turn.now.tick).expect("a peer");
        let _lease = self.session.handle_chosen(dial, choice, turn);
    }

    /// Polls until it waits; whether an exchange ended.
    pub(crate) fn is_over(&mut self) -> bool {
        let mut over = false;
        loop {
            match self.session.poll_output() {
                Output::LogTunnel(_) => {}
                Output::ExchangeDone => over = true,
                Output::Wait(_) | Output::Done => return over,
                _ => {}
            }
        }
    }

    /// The next deadline passes.
    pub(crate) fn times_out(&mut self) {
        let deadline = loop {
            match self.session.poll_output() {
                Output::Wait(wait) => break wait.deadline.expect("a deadline"),
                Output::Done => panic!("it is over"),
                _ => {}
            }
        };
        self.now.tick = deadline;
        let turn = &mut Turn { now: self.now, buffers: &mut self.buffers };
        self.session.handle_timeout(turn);
    }
}
