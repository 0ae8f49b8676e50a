//! What log lines say of a tunnel (G9).

use super::{
    Heads, Record, TunnelEvent,
    frozen::Frozen,
    values::{show, write_seconds, write_span},
};
use crate::{
    SideReport, TunnelReport,
    config::TunnelFormat,
    http1::protocols,
    template::{Escape, Variable, write_escaped},
    time::{Now, write_decimal},
};

impl Record {
    /// Variables that are read off a tunnel's report.
    pub(super) fn write_of_tunnel(
        &self,
        report: &TunnelReport,
        variable: &Variable,
        now: Now,
        out: &mut Vec<u8>,
    ) {
        let event = self.figures.event;
        // What the first line is about may be over when it is written.
        let is_over = event == Some(TunnelEvent::Close);
        match variable {
            Variable::TunnelEvent => out.extend_from_slice(event.map_or("", TunnelEvent::word).as_bytes()),
            Variable::TunnelId => self.write_request_id(out),
            Variable::TunnelDuration => write_seconds(out, now.tick, report.opened),
            Variable::TunnelEndedBy if is_over => {
                out.extend_from_slice(report.ended.map_or("", |ended| ended.word()).as_bytes());
            }
            Variable::TunnelEndedHow if is_over => {
                out.extend_from_slice(report.how.map_or("", |how| how.word()).as_bytes());
            }
            Variable::TunnelClientBytes => write_decimal(out, report.from_client),
            Variable::TunnelUpstreamBytes => write_decimal(out, report.from_upstream),
            Variable::TunnelCloseClient
            | Variable::TunnelClientFrames
            | Variable::TunnelClientMessages
            | Variable::TunnelClientSilence
            | Variable::TunnelClientPing
            | Variable::TunnelClientBlocked => write_of_side(&report.client, variable, out),
            other => write_of_side(&report.upstream, other, out),
        }
    }

    /// What the 101 has switched to, be it several protocols, or that the client asked for a tunnel itself.
    pub(super) fn write_protocol(&self, heads: &Heads, out: &mut Vec<u8>) {
        if self.tunnel_pass().is_some() {
            if self.status == 200 {
                out.extend_from_slice(b"connect");
            }
            return;
        }
        if self.status != 101 {
            return;
        }
        let start = out.len();
        for (index, protocol) in protocols(&heads.response.fields).enumerate() {
            if index > 0 {
                out.extend_from_slice(b", ");
            }
            protocol.write(out);
        }
        out.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
    }
}

fn write_of_side(side: &SideReport, variable: &Variable, out: &mut Vec<u8>) {
    let number = match variable {
        Variable::TunnelCloseClient | Variable::TunnelCloseUpstream => side.close.map(u64::from),
        Variable::TunnelClientFrames | Variable::TunnelUpstreamFrames => {
            side.frames.map(|count| count.frames)
        }
        Variable::TunnelClientMessages | Variable::TunnelUpstreamMessages => {
            side.frames.map(|count| count.messages)
        }
        Variable::TunnelClientPing | Variable::TunnelUpstreamPing => {
            if let Some(ping) = side.ping {
                show(out, ping.as_millis());
            }
            return;
        }
        Variable::TunnelClientSilence | Variable::TunnelUpstreamSilence => {
            return write_span(out, side.silence);
        }
        Variable::TunnelClientBlocked | Variable::TunnelUpstreamBlocked => {
            return write_span(out, side.blocked);
        }
        _ => return,
    };
    if let Some(number) = number {
        write_decimal(out, number);
    }
}

impl Record {
    /// Writes the line that [`Output::LogTunnel`](crate::Output::LogTunnel) asks for: calls `write` with the number of the
    /// log and the line (without a line end), which is put together in `line`. Nothing is written where the location has no
    /// such log, or no tunnel has opened.
    pub fn write_tunnel_line(
        &self,
        now: Now,
        line: &mut Vec<u8>,
        write: &mut dyn FnMut(crate::config::LogId, &[u8]),
    ) {
        let Some(log) = self.location.as_ref().and_then(|location| location.tunnel_log.as_ref()) else {
            return;
        };
        let Some(mut frozen) = self.frozen_tunnel_log() else { return };
        line.clear();
        match &log.format {
            TunnelFormat::Template(format) => self.write_thawed(format, &mut frozen, now, line),
            TunnelFormat::Json => self.write_json(&mut frozen, now, line),
        }
        write(log.sink, line);
    }

    fn write_json(&self, frozen: &mut Frozen<'_>, now: Now, line: &mut Vec<u8>) {
        let mut value = self.spare();
        for (index, (variable, name)) in TunnelFormat::members().enumerate() {
            line.extend_from_slice(if index == 0 { b"{\"" } else { b",\"" });
            line.extend_from_slice(name.as_bytes());
            line.extend_from_slice(b"\":");
            value.clear();
            self.write_thawed_value(variable, Escape::None, frozen, now, &mut value);
            if value.is_empty() {
                line.extend_from_slice(b"null");
            } else if is_text(variable) {
                line.push(b'"');
                // A field of a 101 may hold any byte from 0x80 on (RFC 9110 §5.5), JSON is UTF-8 (RFC 8259 §8.1).
                write_escaped(line, String::from_utf8_lossy(&value).as_bytes(), Escape::Json);
                line.push(b'"');
            } else {
                line.extend_from_slice(&value);
            }
        }
        line.push(b'}');
        self.return_spare(value);
    }
}

/// Whether the value is a string; others are numbers.
fn is_text(variable: &Variable) -> bool {
    matches!(
        variable,
        Variable::TimeIso8601
            | Variable::RemoteAddr
            | Variable::TunnelEvent
            | Variable::TunnelId
            | Variable::TunnelProtocol
            | Variable::TunnelSubprotocol
            | Variable::TunnelEndedBy
            | Variable::TunnelEndedHow
    )
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::sync::Arc;

    use super::*;
    use crate::{
        Address, Buffers, ClientInfo, EndedBy, EndedHow, Side, Tick, Timer, Tunnel, TunnelSecret, Turn,
        config::{Config, Handler, Location, Return, TunnelLog},
        tunnel::FrameCount,
    };

    /// A record of a tunnel with this report, two minutes and three milliseconds after it has opened.
    fn lines(event: TunnelEvent, tell: impl FnOnce(&mut TunnelReport)) -> String {
        let address = Address::Ip(([127, 0, 0, 1], 9000).into());
        let config = Arc::new(Config::proxy_to(address.clone(), "h"));
        let client = Arc::new(ClientInfo::new(address.clone(), address, 1, [0; 16]));
        let now =
            |millis: u64| Now { tick: Tick(millis * 1_000_000), unix_ms: 784_111_777_000, utc_offset_min: 0 };
        let mut record = Record::new(config, client, now(0));
        let mut location = Location::new(Handler::Return(Return::new(204, None)));
        location.tunnel_log = Some(TunnelLog::new(crate::config::LogId(7)));
        record.location = Some(Arc::new(location));
        record.heads = Some(Box::default());
        let heads = record.freeze(now(0), &mut Vec::new());
        assert!(heads.is_some());
        let turn = &mut Turn { now: now(0), buffers: &mut Buffers::new(4096) };
        let mut report = Tunnel::new(Arc::default(), TunnelSecret::new([0; 16]), [b""; 2], turn).report();
        tell(&mut report);
        record.figures.tunnel = Some(Box::new(report));
        record.figures.event = Some(event);
        let mut found = String::new();
        record.write_tunnel_line(now(120_003), &mut Vec::new(), &mut |sink, line| {
            assert_eq!(sink, crate::config::LogId(7));
            found.push_str(std::str::from_utf8(line).expect("JSON is UTF-8"));
        });
        // The beginning is the same for every tunnel.
        found.split_once("\"duration\":").expect("a duration").1.to_owned()
    }

    fn full(report: &mut TunnelReport) {
        (report.from_client, report.from_upstream) = (1000, 70_000);
        (report.to_client, report.to_upstream) = (1, 2);
        report.client.frames = Some(FrameCount { frames: 12, messages: 9 });
        report.client.close = Some(1001);
        report.client.silence = Duration::from_millis(65_432);
        report.client.ping = Some(Duration::from_micros(12_900));
        report.client.blocked = Duration::from_millis(1);
        report.upstream.frames = Some(FrameCount { frames: 3, messages: 0 });
        report.upstream.close = Some(1005);
        report.upstream.silence = Duration::from_secs(1);
        report.upstream.ping = Some(Duration::from_micros(900));
        report.upstream.blocked = Duration::from_secs(90);
        report.ended = Some(EndedBy::Ping(Side::Downstream));
        report.how = Some(EndedHow::Timeout);
    }

    #[test]
    fn every_figure_has_its_place_and_its_unit() {
        let figures = "\"client_bytes\":1000,\"client_frames\":12,\"client_messages\":9,\"upstream_bytes\":70000,\
                       \"upstream_frames\":3,\"upstream_messages\":0,\"client_silence\":65.432,\
                       \"upstream_silence\":1.000,\"client_ping\":12,\"upstream_ping\":0,\
                       \"client_blocked\":0.001,\"upstream_blocked\":90.000}";
        let closes = "\"close_client\":1001,\"close_upstream\":1005";
        assert_eq!(
            lines(TunnelEvent::Close, full),
            format!("120.003,\"ended_by\":\"ping\",\"ended_how\":\"timeout\",{closes},{figures}")
        );
        let open = format!("120.003,\"ended_by\":null,\"ended_how\":null,{closes},{figures}");
        for event in [TunnelEvent::Open, TunnelEvent::Progress] {
            assert_eq!(lines(event, full), open, "a line of a tunnel that lives doesn't say what ends it");
        }
    }

    #[test]
    fn what_ended_it_has_a_word() {
        let words = [
            (EndedBy::Client, "client"),
            (EndedBy::Upstream, "upstream"),
            (EndedBy::Ping(Side::Upstream), "ping"),
            (EndedBy::Silence, "silence"),
            (EndedBy::Timer(Timer::TunnelIdle), "idle"),
            (EndedBy::Timer(Timer::ClientSend), "send"),
            (EndedBy::Timer(Timer::UpstreamSend), "send"),
            (EndedBy::Timer(Timer::HalfClose), "half-close"),
            (EndedBy::Lifetime, "lifetime"),
            (EndedBy::Limit, "limit"),
            (EndedBy::Violation(Side::Downstream), "violation"),
            (EndedBy::Drain, "drain"),
            (EndedBy::Shutdown, "shutdown"),
        ];
        for (ended, word) in words {
            let line = lines(TunnelEvent::Close, |report| report.ended = Some(ended));
            assert!(line.contains(&format!("\"ended_by\":\"{word}\"")), "{ended:?}: {line}");
        }
        for how in [EndedHow::Close, EndedHow::Fin, EndedHow::Reset, EndedHow::Cut, EndedHow::Timeout] {
            let line = lines(TunnelEvent::Close, |report| report.how = Some(how));
            assert!(line.contains(&format!("\"ended_how\":\"{}\"", how.word())), "{how:?}: {line}");
        }
    }
}
