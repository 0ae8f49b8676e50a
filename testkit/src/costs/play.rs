//! A session led through one exchange by a shell that costs next to nothing itself.

use std::sync::Arc;

use underpass_core::{
    Address, Admission, Buffers, ClientInfo, Connected, Dial, Disposal, Fault, Now, Output, Pool, Pooled,
    Session, Side, Tick, Turn, Wait, config::Config, shared::Lease,
};

use super::Exchange;
use crate::session_world::{LISTEN, config_of};

/// An exchange and the worker that serves it.
#[derive(Debug)]
pub struct Player {
    exchange: Exchange,
    config: Arc<Config>,
    buffers: Buffers,
    pool: Pool<()>,
    now: Now,
}

/// One connection under way.
struct Course<'a> {
    player: &'a mut Player,
    session: Session,
    unread: [&'a [u8]; 2],
    /// Bytes that went to the origin server since its connection was taken.
    asked: bool,
    lease: Option<(Lease, Pooled<()>)>,
    status: u16,
}

impl Player {
    /// # Panics
    /// When the configuration is broken, or what is asked before isn't answered.
    pub(super) fn new(exchange: Exchange) -> Self {
        let config = config_of(&exchange.config);
        let now = Now { tick: Tick(1), unix_ms: 784_111_777_000, utc_offset_min: 0 };
        let mut player = Self { exchange, config, buffers: Buffers::default(), pool: Pool::default(), now };
        for path in player.exchange.before.clone() {
            let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
            let status = player.play(request.as_bytes(), super::rows::ANSWER, usize::MAX);
            assert_eq!(status, 200, "{path}");
        }
        player
    }

    pub(super) fn bytes(&self) -> usize {
        self.exchange.client.len() + self.exchange.origin.len()
    }

    pub(super) fn run(&mut self) {
        let exchange = std::mem::take(&mut self.exchange);
        let status = self.play(&exchange.client, &exchange.origin, exchange.cut);
        let start = exchange.client.get(..200).unwrap_or(&exchange.client);
        assert_eq!(status, exchange.status, "{}", start.escape_ascii());
        self.exchange = exchange;
    }

    /// Serves one client; says which status it got.
    fn play(&mut self, client: &[u8], origin: &[u8], cut: usize) -> u16 {
        let remote = "127.0.0.1:50000".parse().map(Address::Ip).expect("an address");
        let local = LISTEN.parse().map(Address::Ip).expect("an address");
        let info = ClientInfo::new(remote, local, 1, [7; 16]);
        let session = Session::new(Arc::clone(&self.config), info, self.now);
        let unread = [client, origin];
        Course { player: self, session, unread, asked: false, lease: None, status: 0 }.run(cut)
    }
}

impl Course<'_> {
    fn run(mut self, cut: usize) -> u16 {
        loop {
            let turn = &mut Turn { now: self.player.now, buffers: &mut self.player.buffers };
            match self.session.poll_output() {
                Output::Resolve(lookup) => {
                    self.session.handle_resolved(lookup, Err(Fault::WOULD_BLOCK), turn);
                }
                Output::Admit(claim) => self.session.handle_admitted(claim, Admission::Granted, turn),
                Output::Connect(dial) => self.connect(dial),
                Output::Judge(verdict) => {
                    self.lease.iter().for_each(|(lease, _)| lease.judge(verdict, turn.now.tick));
                }
                Output::Release(_, verdict, disposal) => {
                    let Some((lease, connection)) = self.lease.take() else { continue };
                    if matches!(disposal, Disposal::Pool) {
                        self.player.pool.put(&lease, connection, turn.now.tick);
                    }
                    lease.report(verdict, turn.now.tick);
                }
                Output::Shutdown(_) | Output::Close(_) => {}
                Output::Note(note) => {
                    let mut line = Vec::new();
                    self.session.record().write_note(&note, &mut line);
                }
                Output::LogTunnel(_) => {}
                Output::ExchangeDone => self.status = self.session.record().status(),
                Output::Wait(wait) => self.transfer(wait, cut),
                Output::Done => {
                    self.session.recycle(&mut self.player.buffers);
                    return self.status;
                }
            }
        }
    }

    fn connect(&mut self, dial: Dial) {
        let turn = &mut Turn { now: self.player.now, buffers: &mut self.player.buffers };
        match self.session.choose(&dial, turn.now.tick) {
            Err(error) => self.session.handle_connected(dial, Err(error), turn),
            Ok(choice) => {
                let lease = self.session.handle_chosen(&dial, choice, turn);
                let pooled = self.player.pool.take(&dial, &lease, turn.now.tick);
                let connected = if pooled.is_some() { Connected::Reused } else { Connected::Fresh };
                let connection = pooled.unwrap_or_else(|| Pooled::new((), turn.now.tick));
                (self.asked, self.lease) = (false, Some((lease, connection)));
                self.session.handle_connected(dial, Ok(connected), turn);
            }
        }
    }

    /// Writes what can be written; else reads from the client; else lets the origin server answer; else the client
    /// leaves.
    fn transfer(&mut self, wait: Wait, cut: usize) {
        let turn = &mut Turn { now: self.player.now, buffers: &mut self.player.buffers };
        if wait.deadline.is_some_and(|deadline| deadline <= turn.now.tick) {
            return self.session.handle_timeout(turn);
        }
        for side in Side::BOTH {
            if wait.writes(side) {
                let count = self.session.transmit(self.session.connection(side)).total();
                self.asked |= side == Side::Upstream;
                return self.session.handle_sent(self.session.connection(side), Ok(count), turn);
            }
            if wait.acknowledges(side) {
                return self.session.handle_acknowledged(self.session.connection(side), turn);
            }
        }
        let may = |side: Side| match side {
            Side::Downstream => !self.unread[0].is_empty(),
            Side::Upstream => self.asked && !self.unread[1].is_empty(),
        };
        // When nobody has anything to say any more, everybody leaves.
        let next = Side::BOTH.into_iter().find(|side| wait.reads(*side) && may(*side));
        let next = next.or_else(|| Side::BOTH.into_iter().find(|side| wait.reads(*side)));
        if let Some(side) = next
            && let Some(space) = self.session.receive_space(self.session.connection(side), turn)
        {
            let unread = &mut self.unread[side as usize];
            let count = unread.len().min(cut).min(space.len());
            let (piece, rest) = unread.split_at(count);
            space[..count].copy_from_slice(piece);
            *unread = rest;
            return self.session.handle_received(self.session.connection(side), Ok(count), turn);
        }
        panic!("nothing can be done: {:?}", self.session.snapshot(turn.now.tick));
    }
}
