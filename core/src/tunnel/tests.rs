use std::io::ErrorKind;

use proptest::prelude::*;

use core::num::NonZeroU64;

use super::*;
use crate::{
    Now, Timer,
    websocket::{CloseCode, ControlFrame, Mask},
};

/// Something is reported.
#[derive(Clone, Copy, Debug)]
enum Report {
    /// So many bytes of a message that fits, or of nothing that is a frame.
    Came(Side, usize),
    Frame(Side, Sent),
    Blocked(Side),
    Went(Side, usize),
    Stuck(Side),
    Relays(Side, u64, u64),
    Ends(Side),
    Fails(Side),
    Refuses(Side),
    Passes(u64),
    TimesOut,
    Drains(u64),
    Acknowledges(Side),
}

/// What a side sends.
#[derive(Clone, Copy, Debug)]
enum Sent {
    Message(u8),
    Fragment,
    Last,
    Part,
    Ping,
    Pong,
    /// To the last Ping of ours.
    Answer,
    Close,
    Broken,
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        6 => (0..126_u8).prop_map(Sent::Message),
        1 => Just(Sent::Fragment),
        1 => Just(Sent::Last),
        1 => Just(Sent::Part),
        2 => Just(Sent::Ping),
        1 => Just(Sent::Pong),
        3 => Just(Sent::Answer),
        1 => Just(Sent::Close),
        1 => Just(Sent::Broken),
    ]
}

fn side() -> impl Strategy<Value = Side> {
    prop::sample::select(Side::BOTH.to_vec())
}

fn report() -> impl Strategy<Value = Report> {
    prop_oneof![
        8 => (side(), 1..3000_usize).prop_map(|(side, count)| Report::Came(side, count)),
        8 => (side(), sent()).prop_map(|(side, sent)| Report::Frame(side, sent)),
        3 => side().prop_map(Report::Blocked),
        8 => (side(), 1..3000_usize).prop_map(|(side, count)| Report::Went(side, count)),
        1 => side().prop_map(Report::Stuck),
        2 => (side(), 0..50_u64, 0..60_u64).prop_map(|(side, taken, more)| Report::Relays(side, taken, more)),
        1 => side().prop_map(Report::Ends),
        1 => side().prop_map(Report::Fails),
        1 => side().prop_map(Report::Refuses),
        2 => (0..8_000_u64).prop_map(Report::Passes),
        1 => Just(Report::TimesOut),
        1 => (0..9_000_u64).prop_map(Report::Drains),
        1 => side().prop_map(Report::Acknowledges),
    ]
}

/// What WebSocket settings ask for: nothing, looks only, or everything at short spans.
fn websocket() -> impl Strategy<Value = Option<WebSocketSettings>> {
    let busy = (any::<[bool; 3]>(), prop::collection::vec(1..6_000_u64, 4), 0..3_u32).prop_map(
        |([strict, client, upstream], spans, burst)| {
            let span = |number: usize| core::time::Duration::from_millis(spans[number]);
            Some(WebSocketSettings {
                strict,
                ping: Some(PingSettings { interval: span(0), timeout: span(1), client, upstream }),
                client_silence: Some(span(2)),
                message_limit: NonZeroU64::new(2_000),
                message_rate: Some(MessageRate::new(span(3), burst)),
            })
        },
    );
    prop_oneof![2 => Just(None), 2 => Just(Some(WebSocketSettings::default())), 3 => busy]
}

/// A tunnel and its worker. `general` keeps it from ever taking the short path.
struct Bench {
    tunnel: Tunnel,
    buffers: Buffers,
    now: Now,
    general: bool,
    /// Bytes in the shell's pipes.
    pipes: [u64; 2],
}

const BEGIN: Now = Now { tick: Tick(1_000_000_000), unix_ms: 0, utc_offset_min: 0 };

impl Bench {
    fn new(settings: TunnelSettings, general: bool) -> Self {
        let mut buffers = Buffers::new(4096);
        let turn = &mut Turn { now: BEGIN, buffers: &mut buffers };
        let tunnel = Tunnel::new(Arc::new(settings), TunnelSecret::new([7; 16]), [b"", b""], turn);
        Self { tunnel, buffers, now: BEGIN, general, pipes: [0; 2] }
    }

    /// Tells of it, as a shell would that does what it may; says what was polled.
    fn tell(&mut self, report: Report) -> Vec<String> {
        let wait = self.tunnel.wait();
        let turn = &mut Turn { now: self.now, buffers: &mut self.buffers };
        match report {
            Report::Came(from, count) if wait.reads(from) => {
                let Some(space) = self.tunnel.receive_space(from, turn) else { return Vec::new() };
                let count = count.min(space.len());
                space[..count].fill(u8::try_from(count % 251).expect("it is small"));
                self.received(from, Ok(count));
            }
            Report::Frame(from, sent) if wait.reads(from) => {
                let bytes = frame(&self.tunnel, from, sent);
                let Some(space) = self.tunnel.receive_space(from, turn) else { return Vec::new() };
                let count = bytes.len().min(space.len());
                space[..count].copy_from_slice(&bytes[..count]);
                self.received(from, Ok(count));
            }
            Report::Blocked(from) if wait.reads(from) => {
                let _space = self.tunnel.receive_space(from, turn);
                self.received(from, Err(Fault::WOULD_BLOCK));
            }
            Report::Went(to, count) if wait.writes(to) => {
                let count = count.min(self.tunnel.transmit(to).total());
                self.sent(to, Ok(count));
            }
            Report::Stuck(to) if wait.writes(to) => self.sent(to, Err(Fault::WOULD_BLOCK)),
            Report::Relays(from, taken, delivered) => {
                let pipe = &mut self.pipes[from.index()];
                let taken = taken.min(wait.relays(from));
                let delivered = delivered.min(*pipe + taken);
                *pipe = *pipe + taken - delivered;
                self.tunnel.handle_relayed(from, Relayed { taken, delivered }, turn);
            }
            Report::Ends(from) if wait.reads(from) => self.received(from, Ok(0)),
            Report::Fails(from) => self.received(from, Err(ErrorKind::ConnectionReset.into())),
            Report::Refuses(to) => self.sent(to, Err(ErrorKind::BrokenPipe.into())),
            Report::Passes(ms) => self.now.tick = Tick(self.now.tick.0 + ms * 1_000_000),
            Report::TimesOut => self.tunnel.handle_timeout(turn),
            Report::Drains(ms) => {
                let until = Tick(self.now.tick.0 + ms * 1_000_000);
                self.tunnel.handle_drain(Draining::Quit(Some(until)), turn);
            }
            Report::Acknowledges(to) if wait.acknowledges(to) => self.tunnel.handle_acknowledged(to, turn),
            _ => {}
        }
        self.polled()
    }

    fn received(&mut self, from: Side, result: Result<usize, Fault>) {
        let turn = &mut Turn { now: self.now, buffers: &mut self.buffers };
        match self.general {
            true => self.tunnel.general(Input::Received(from, result), turn),
            false => self.tunnel.handle_received(from, result, turn),
        }
    }

    fn sent(&mut self, to: Side, result: Result<usize, Fault>) {
        let turn = &mut Turn { now: self.now, buffers: &mut self.buffers };
        match self.general {
            true => self.tunnel.general(Input::Sent(to, result), turn),
            false => self.tunnel.handle_sent(to, result, turn),
        }
    }

    fn polled(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(output) = self.tunnel.take_output() {
            said.push(format!("{output:?}"));
        }
        said.push(format!("{:?}", self.tunnel.poll_output()));
        said
    }
}

/// A frame as this side sends it.
fn frame(tunnel: &Tunnel, from: Side, sent: Sent) -> Vec<u8> {
    let mask = (from == Side::Downstream).then(|| Mask::new([1, 2, 3, 4]));
    let data = |first: u8, length: u8| {
        let masked = from == Side::Downstream;
        let key = if masked { vec![1, 2, 3, 4] } else { Vec::new() };
        [vec![first, length | u8::from(masked) << 7], key, vec![b'x'; length.into()]].concat()
    };
    let ping = |payload: &[u8]| ControlFrame::ping(payload, mask).expect("it fits").as_bytes().to_vec();
    let pong = |payload: &[u8]| {
        let mut frame = ping(payload);
        frame[0] = 0x8a;
        frame
    };
    match sent {
        Sent::Message(length) => data(0x82, length),
        Sent::Fragment => data(0x02, 10),
        Sent::Last => data(0x80, 3),
        Sent::Part => data(0x82, 100)[..40].to_vec(),
        Sent::Ping => ping(b"theirs"),
        Sent::Pong => pong(b"theirs"),
        Sent::Answer => {
            let number = tunnel.watch.as_ref().map_or(0, |watch| watch.sides[from.index()].pings);
            let number = number.saturating_sub(1);
            let drawn = TunnelSecret::new([7; 16]).seed().draw(from.into(), number);
            pong(&own::ping_payload(drawn, number))
        }
        Sent::Close => ControlFrame::close(CloseCode::NORMAL, "", mask).expect("it fits").as_bytes().to_vec(),
        Sent::Broken => vec![0x83, 0],
    }
}

fn settings() -> impl Strategy<Value = TunnelSettings> {
    (any::<[bool; 3]>(), prop::collection::vec(1..12_000_u64, 9), any::<[bool; 4]>(), websocket()).prop_map(
        |(switches, spans, has, websocket)| {
            let span = |number: usize| core::time::Duration::from_millis(spans[number]);
            TunnelSettings {
                idle_timeout: span(0),
                upstream_send_timeout: span(1),
                client_send_timeout: span(2),
                half_close: switches[0],
                half_close_timeout: span(3),
                relay_reset: switches[1],
                lingering_time: span(4),
                lingering_timeout: span(5),
                reset_timedout_connection: switches[2],
                websocket,
                drain: DrainSettings { window: has[0].then(|| span(6)), ..DrainSettings::default() },
                close_timeout: span(7),
                max_lifetime: has[1].then(|| Lifetime::new(span(8) * 10, 20)),
                limit_rate: NonZeroU64::new(if has[2] { 3_000 } else { 0 }),
                log_every: has[3].then(|| span(8)),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The path of a byte is a shorter way to what the general step comes to.
    #[test]
    fn the_short_path_does_what_the_general_step_does(
        settings in settings(),
        reports in prop::collection::vec(report(), 0..60),
    ) {
        let mut short = Bench::new(settings.clone(), false);
        let mut general = Bench::new(settings, true);
        for report in reports {
            prop_assert_eq!(short.tell(report), general.tell(report), "{:?}", report);
            let now = short.now.tick;
            prop_assert_eq!(short.tunnel.snapshot(now), general.tunnel.snapshot(now), "{:?}", report);
            prop_assert_eq!(short.tunnel.report(), general.tunnel.report());
            for side in Side::BOTH {
                let bytes = |tunnel: &Tunnel| tunnel.transmit(side).iter().map(|slice| slice.to_vec()).collect::<Vec<_>>();
                prop_assert_eq!(bytes(&short.tunnel), bytes(&general.tunnel));
            }
        }
    }

    /// Whatever is reported, time alone ends it; and polling changes nothing but what waits to be polled.
    #[test]
    fn time_ends_every_tunnel(settings in settings(), reports in prop::collection::vec(report(), 0..40)) {
        // Lines about its progress would be all that is seen of it.
        let settings = TunnelSettings { log_every: None, ..settings };
        let mut bench = Bench::new(settings, false);
        bench.polled();
        for report in reports {
            bench.tell(report);
            let before = bench.tunnel.snapshot(bench.now.tick);
            prop_assert_eq!(bench.polled().len(), 1);
            prop_assert_eq!(&bench.tunnel.snapshot(bench.now.tick), &before);
        }
        for _ in 0..100 {
            let TunnelOutput::Wait(wait) = bench.tunnel.poll_output() else { break };
            bench.now.tick = wait.deadline.expect("it waits with a deadline").max(bench.now.tick);
            bench.tell(Report::TimesOut);
        }
        let output = bench.tunnel.poll_output();
        prop_assert!(matches!(output, TunnelOutput::Done(_)), "{:?}", output);
    }
}

#[test]
fn a_byte_takes_the_short_path_and_leaves_nothing_behind() {
    let mut bench = Bench::new(TunnelSettings::default(), false);
    bench.polled();
    assert!(!bench.tunnel.busy.any(), "nothing keeps a byte from it");
    bench.tell(Report::Came(Side::Downstream, 128));
    bench.tell(Report::Went(Side::Upstream, 128));
    for side in Side::BOTH {
        bench.tell(Report::Blocked(side));
        assert_eq!(bench.tunnel.directions[side.index()].held.outline(), [false; 3], "{side:?}");
    }
    assert_eq!((bench.tunnel.report().from_client, bench.tunnel.report().to_upstream), (128, 128));
}

#[test]
fn the_table_and_the_types_agree() {
    use crate::state::tunnel::{Event, ROWS, State};
    let carried = Carried { piped: 0, since: Tick(0) };
    let courses = [
        Course::Flowing(carried),
        Course::Ending(carried),
        Course::Discarding(course::Reading::NoMore),
        Course::Over(course::Tail::Sent),
    ];
    for course in courses {
        for event in [Event::SourceEnded, Event::Delivered, Event::SinkFailed] {
            let row = ROWS.iter().find(|(from, on, _)| (*from, *on) == (course.state(), event));
            let mut after = course;
            assert_eq!(after.on(event, &mut Taken::default()), row.is_some(), "{course:?} {event:?}");
            let leads: State = row.map_or_else(|| course.state(), |(_, _, to)| *to);
            assert_eq!(after.state(), leads, "{course:?} {event:?}");
        }
    }
    let mut ignored = Course::Discarding(course::Reading::NoMore);
    assert!(ignored.on(Event::SourceEnded, &mut Taken::default()));
    assert!(ignored.is_ignored() && ignored.is_cut(), "what isn't read any more isn't read again");
}

#[test]
fn a_tunnel_is_small() {
    let size = size_of::<Tunnel>() - size_of::<Taken>();
    assert!(size <= 256, "{size} bytes");
}

#[test]
fn timers_are_shown_in_their_order() {
    let mut bench = Bench::new(TunnelSettings::default(), false);
    bench.tell(Report::Drains(1_000));
    bench.tell(Report::Came(Side::Downstream, 1));
    bench.tell(Report::Came(Side::Upstream, 1));
    let running: Vec<Timer> = bench.tunnel.running().into_iter().map(|(timer, _)| timer).collect();
    assert_eq!(running, [Timer::ClientSend, Timer::UpstreamSend, Timer::Drain]);
    assert!(running.is_sorted());
}

/// C5: only what the other side takes shows that it takes anything.
#[test]
fn a_piece_behind_another_starts_no_stall_anew() {
    let mut bench = Bench::new(TunnelSettings::default(), false);
    bench.polled();
    bench.tell(Report::Came(Side::Downstream, 10));
    let stalls_at = bench.tunnel.wait().deadline;
    bench.tell(Report::Passes(1_000));
    bench.tell(Report::Came(Side::Downstream, 10));
    assert_eq!(bench.tunnel.wait().deadline, stalls_at);
    bench.tell(Report::Went(Side::Upstream, 5));
    assert_eq!(bench.tunnel.wait().deadline, stalls_at.map(|at| Tick(at.0 + 1_000_000_000)));
}

/// A8: what the origin server sent behind its head follows the head that the client gets.
#[test]
fn the_head_in_front_goes_first_and_is_counted() {
    let mut buffers = Buffers::new(4096);
    let mut front = Outbox::default();
    front.write(&mut buffers, |out| out.extend_from_slice(b"HEAD "));
    let turn = &mut Turn { now: BEGIN, buffers: &mut buffers };
    let mut leg = connection::Machine::default();
    assert!(leg.on(connection::Event::Established));
    let held = [Held::default(), Held::ahead(b"bytes", turn.buffers)];
    let opening = Opening { secret: TunnelSecret::new([7; 16]), held, front, legs: [leg; 2], draining: None };
    let mut tunnel = Tunnel::open(Arc::default(), opening, turn);
    let offered = |tunnel: &Tunnel| {
        let slices = tunnel.transmit(Side::Downstream);
        slices.iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>()
    };
    assert_eq!(offered(&tunnel), b"HEAD bytes");
    assert_eq!(tunnel.wait().relays(Side::Upstream), 0, "the head goes first");
    for (count, left) in [(3, b"D bytes".as_slice()), (4, b"tes"), (3, b"")] {
        tunnel.handle_sent(Side::Downstream, Ok(count), turn);
        assert_eq!(offered(&tunnel), left);
    }
    let report = tunnel.report();
    assert_eq!((report.from_upstream, report.to_client), (5, 10));
    assert_eq!(tunnel.wait().relays(Side::Upstream), u64::MAX);
}

/// What a tunnel of WebSocket has besides, and what one has that is watched over. With what an allocator adds these are 96
/// bytes each (G10).
#[test]
fn what_is_known_of_frames_and_clocks_is_small() {
    assert!(size_of::<Frames>() <= 88, "{}", size_of::<Frames>());
    assert!(size_of::<Watch>() <= 88, "{}", size_of::<Watch>());
}

mod ending;
mod front;
mod steps;
mod watching;
