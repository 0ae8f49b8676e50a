//! What a trace tells of frames: those of the peers, those of ours that are put in, and how a tunnel is closed (G).

use std::fmt;

use super::text::name;
use crate::{
    Side,
    tunnel::Choreography,
    websocket::{ControlFrame, FrameHeader, Opcode},
};

/// What was seen of a tunnel last.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    choreography: Choreography,
    /// Lines that follow what has brought them about.
    lines: Vec<String>,
}

impl Seen {
    /// A frame of a peer's has come.
    pub(super) fn came(&mut self, from: Side, header: &FrameHeader) {
        let FrameHeader { opcode, length, fin, .. } = header;
        let more = if *fin { "" } else { " more" };
        self.lines.push(format!("- frame from {} {} {length}{more}", name(from), word(*opcode)));
    }

    /// What has changed of the frames of ours, and of the tunnel's end.
    pub(super) fn watch(&mut self, now: Option<Choreography>) {
        let now = now.unwrap_or_default();
        let before = std::mem::take(&mut self.choreography);
        if let (None, Some((why, _))) = (&before.closing, &now.closing) {
            self.lines.push(format!("- closing because of {}", why.word()));
        }
        for side in Side::BOTH {
            let at = side.index();
            if let (Some((_, said)), earlier) =
                (&now.closing, before.closing.as_ref().map(|(_, said)| said[at]))
                && earlier != Some(said[at])
            {
                self.lines.push(format!("- close to {} {}", name(side), said[at]));
            }
            if let Some(frame) = &now.own[at]
                && before.own[at].as_ref() != Some(frame)
            {
                self.lines.push(format!("- frame to {} {}", name(side), Ours(frame)));
            }
        }
        self.choreography = now;
    }

    /// The lines since the last call.
    pub(super) fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }
}

/// The kind of a frame of ours, and the length of its payload.
struct Ours<'a>(&'a ControlFrame);

impl fmt::Display for Ours<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, ..] = self.0.as_bytes() else { return Ok(()) };
        let kind = if first & 0x0f == Opcode::Close.bits() { Opcode::Close } else { Opcode::Ping };
        write!(f, "{} {}", word(kind), second & 0x7f)
    }
}

const fn word(opcode: Opcode) -> &'static str {
    match opcode {
        Opcode::Continuation => "continuation",
        Opcode::Text => "text",
        Opcode::Binary => "binary",
        Opcode::Close => "close",
        Opcode::Ping => "ping",
        Opcode::Pong => "pong",
    }
}
