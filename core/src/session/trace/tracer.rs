//! Writes a session's lines.

use std::io::Write as _;

use super::{
    Setting,
    frames::Seen,
    mask::{mask_extension, mask_head, mask_trailers},
    reader::{Class, Reader},
    recording::Lent,
    text::{Escaped, Said, Told, name},
};
use crate::{
    ClientInfo, Now, Side, Turn,
    config::{Config, TraceRuleId},
    session::{Input, Output, Session},
    tunnel::Tunnel,
};

/// Bytes of plain content that stand in one line at most.
const LINE: usize = 4096;

/// What a traced session has besides.
#[derive(Clone, Debug)]
pub(super) struct Tracer {
    readers: [Reader; 2],
    seen: Seen,
    lines: Lines,
    now: Now,
    /// Memory that was asked for and not told of: the report that follows tells of it, in most shells.
    lent: Option<Lent>,
}

/// Lines that nobody has taken yet.
#[derive(Clone, Debug)]
struct Lines {
    serial: u64,
    plain: bool,
    text: Vec<u8>,
}

impl Tracer {
    pub(super) fn new(config: &Config, client: &ClientInfo, now: Now, setting: &Setting) -> Self {
        let mut lines = Lines { serial: client.serial, plain: setting.plain, text: Vec::new() };
        lines.add(format_args!("session 3"));
        lines.add(format_args!("configuration {}", setting.configuration.id()));
        if let Some(TraceRuleId(number)) = config.trace {
            lines.add(format_args!("listener {number}"));
        }
        let identity = &config.identity;
        for (what, value) in [
            ("server", &identity.server),
            ("pseudonym", &identity.pseudonym),
            ("hostname", &identity.hostname),
        ] {
            lines.add(format_args!("{what} {}", Escaped(value.as_bytes())));
        }
        lines.add(format_args!("pid {}", identity.pid));
        lines.add(format_args!("client {}", Escaped(client.remote.to_string().as_bytes())));
        lines.add(format_args!("local {}", Escaped(client.local.to_string().as_bytes())));
        lines.add(format_args!("secret {:032x}", u128::from_be_bytes(client.secret)));
        super::tls::tell(client, |line| lines.add(line));
        lines.add(format_args!("buffer {}", setting.buffer_size));
        lines.add(format_args!("content {}", if setting.plain { "plain" } else { "masked" }));
        lines.time(now);
        Self {
            readers: [Reader::default(), Reader::default()],
            seen: Seen::default(),
            lines,
            now,
            lent: None,
        }
    }

    /// The lines since the last call.
    pub(super) fn take_lines(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.lines.text)
    }

    /// Tells the input, and what the session has understood with it.
    pub(super) fn apply(&mut self, session: &mut Session, input: Input<'_>, turn: &mut Turn<'_>) {
        if turn.now != self.now {
            self.now = turn.now;
            self.lines.time(self.now);
        }
        self.tell_lent(Some(&input));
        let late = session.common.late_leg(&input);
        let mut sign = late.map_or_else(|| "<".to_owned(), |leg| format!("< late {}", leg.epoch().number()));
        match &input {
            _ if late.is_some() => {}
            Input::Sent(to, Ok(1..)) => {
                let to = to.side();
                self.lines.sends(to, session.unsent_head(to).unwrap_or_default());
            }
            Input::Received(from, result) => {
                let from = from.side();
                match session.arriving(from, result.unwrap_or(0)) {
                    Some(bytes) => self.readers[from.index()].received(bytes),
                    // No space was asked for.
                    None => "< unasked".clone_into(&mut sign),
                }
            }
            _ => {}
        }
        self.lines.add(format_args!("{sign} {}", Told(&input)));
        let Self { readers, seen, lines, .. } = self;
        session.apply_watched(input, turn, |session| watch(readers, seen, lines, session));
        self.tell_frames();
    }

    /// Memory was asked for, and there was some.
    pub(super) fn lends(&mut self, lent: Lent) {
        if self.lent.is_some_and(|earlier| earlier != lent) {
            self.tell_lent(None);
        }
        self.lent = Some(lent);
    }

    /// Tells of memory whose report isn't what comes next: it may come after its connection has ended.
    fn tell_lent(&mut self, next: Option<&Input<'_>>) {
        let (what, side) = match (self.lent.take(), next) {
            (Some(Lent::Space(from)), Some(Input::Received(leg, _))) if leg.side() == from => return,
            (Some(Lent::Bytes(to)), Some(Input::Sent(leg, _))) if leg.side() == to => return,
            (Some(Lent::Space(from)), _) => ("space", from),
            (Some(Lent::Bytes(to)), _) => ("bytes", to),
            (None, _) => return,
        };
        self.lines.add(format_args!("< lent {what} {}", name(side)));
    }

    /// Tells the output.
    pub(super) fn poll(&mut self, session: &mut Session) -> Output {
        self.tell_lent(None);
        let output = session.poll_output();
        watch(&mut self.readers, &mut self.seen, &mut self.lines, session);
        self.lines.add(format_args!("> {}", Said(&output, session.record())));
        self.tell_frames();
        output
    }

    /// What has come of frames stands behind what has brought it about.
    fn tell_frames(&mut self) {
        for line in self.seen.take_lines() {
            self.lines.add(format_args!("{line}"));
        }
    }
}

fn watch(readers: &mut [Reader; 2], seen: &mut Seen, lines: &mut Lines, session: &Session) {
    for (reader, side) in readers.iter_mut().zip(Side::BOTH) {
        let plain = lines.plain;
        let mut piece = |class, bytes: &mut [u8]| lines.received(side, class, bytes);
        reader.watch(session, (side, plain), &mut piece, &mut |header| seen.came(side, header));
    }
    seen.watch(session.phase.tunnel().map(Tunnel::choreography));
}

impl Lines {
    fn add(&mut self, line: std::fmt::Arguments<'_>) {
        let Self { serial, text, .. } = self;
        // Writing to memory doesn't fail.
        let _written = writeln!(text, "{serial} {line}");
    }

    fn time(&mut self, now: Now) {
        self.add(format_args!("at {} {} {}", now.tick.0, now.unix_ms, now.utc_offset_min));
    }

    fn received(&mut self, from: Side, class: Class, bytes: &mut [u8]) {
        let from = name(from);
        match class {
            Class::Content if self.plain => {
                for piece in bytes.chunks(LINE) {
                    self.add(format_args!("= {from} bytes {}", Escaped(piece)));
                }
                return;
            }
            Class::Content => return self.add(format_args!("= {from} content {}", bytes.len())),
            Class::Head if !self.plain => mask_head(bytes),
            Class::Trailers if !self.plain => mask_trailers(bytes),
            Class::Framing if !self.plain => mask_extension(bytes),
            Class::Head | Class::Trailers | Class::Framing | Class::Frame => {}
        }
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.add(format_args!("= {from} text {}", Escaped(line)));
        }
    }

    /// A head is about to be sent; an answer of our own has its content behind it.
    fn sends(&mut self, to: Side, head: &[u8]) {
        let end = memchr::memmem::find(head, b"\r\n\r\n").map_or(head.len(), |at| at + 4);
        let (head, content) = head.split_at(end.min(head.len()));
        let mut head = head.to_vec();
        if !self.plain {
            mask_head(&mut head);
        }
        for line in head.split_inclusive(|byte| *byte == b'\n') {
            self.add(format_args!("> text {} {}", name(to), Escaped(line)));
        }
        if !content.is_empty() {
            self.add(format_args!("> text {} and {} bytes", name(to), content.len()));
        }
    }
}
