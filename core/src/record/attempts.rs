//! The attempts of an exchange, and the `$upstream_*` variables that list them.

use super::{
    Attempt, Record, TunnelReport,
    values::{show, write_seconds},
};
use crate::{
    template::Variable,
    time::{Tick, write_decimal},
};

impl Record {
    /// When the first peer was tried for the location that the request is in.
    pub(crate) fn first_try(&self) -> Tick {
        let earlier = self.heads.iter().flat_map(|heads| heads.earlier.iter().rev());
        let mut attempts = [&self.figures.attempt].into_iter().chain(earlier).peekable();
        let mut began = self.figures.attempt.began;
        while let Some(attempt) = attempts.next_if(|attempt| !attempt.begins_group) {
            began = attempt.began;
        }
        attempts.next().map_or(began, |first| first.began)
    }

    /// The values of all attempts.
    pub(super) fn write_attempts(&self, variable: &Variable, now: Tick, out: &mut Vec<u8>) {
        self.write_earlier(variable, out);
        self.write_attempt(&self.figures.attempt, variable, now, out);
    }

    /// The values of attempts before the last, and what stands before that one's, as nginx lists them: with commas
    /// between, and a colon where another location has taken over.
    pub(super) fn write_earlier(&self, variable: &Variable, out: &mut Vec<u8>) {
        if !is_attempt_variable(variable) {
            return;
        }
        let mut separates = false;
        for attempt in self.heads.iter().flat_map(|heads| &heads.earlier) {
            write_separator(separates, attempt, out);
            self.write_attempt(attempt, variable, attempt.over.get().unwrap_or_default(), out);
            separates = true;
        }
        write_separator(separates && self.figures.attempt.counts(), &self.figures.attempt, out);
    }

    /// One attempt's value: nothing when there was no peer, `-` where it didn't come that far.
    fn write_attempt(&self, attempt: &Attempt, variable: &Variable, now: Tick, out: &mut Vec<u8>) {
        if !attempt.counts() {
            return;
        }
        let span = |out: &mut Vec<u8>, end: Option<Tick>| match end {
            Some(end) => write_seconds(out, end, attempt.began),
            None => out.push(b'-'),
        };
        // A tunnel is of the last one.
        let under_way = |moved: fn(&TunnelReport) -> u64| match attempt.over.get() {
            Some(_) => 0,
            None => self.under_way(moved),
        };
        match variable {
            Variable::UpstreamAddr => match (&attempt.peer, attempt.group()) {
                (Some(peer), _) => show(out, peer),
                // As in nginx, the name of the group.
                (None, group) => {
                    let group = group.and_then(|group| self.config.upstreams.group(group));
                    out.extend_from_slice(group.map_or("", |group| group.name()).as_bytes());
                }
            },
            Variable::UpstreamStatus if attempt.status == 0 => out.extend_from_slice(b"-"),
            Variable::UpstreamStatus => write_decimal(out, u64::from(attempt.status)),
            Variable::UpstreamConnectTime => span(out, attempt.connected.get()),
            Variable::UpstreamHeaderTime => span(out, attempt.answered.get()),
            Variable::UpstreamResponseTime => span(out, attempt.over.get().or(Some(now))),
            Variable::UpstreamBytesSent => {
                write_decimal(out, attempt.sent + under_way(|tunnel| tunnel.to_upstream));
            }
            Variable::UpstreamBytesReceived => {
                write_decimal(out, attempt.received + under_way(|tunnel| tunnel.from_upstream));
            }
            _ => {}
        }
    }
}

fn write_separator(separates: bool, attempt: &Attempt, out: &mut Vec<u8>) {
    if separates {
        out.extend_from_slice(if attempt.begins_group { b" : " } else { b", " });
    }
}

fn is_attempt_variable(variable: &Variable) -> bool {
    matches!(
        variable,
        Variable::UpstreamAddr
            | Variable::UpstreamStatus
            | Variable::UpstreamConnectTime
            | Variable::UpstreamHeaderTime
            | Variable::UpstreamResponseTime
            | Variable::UpstreamBytesSent
            | Variable::UpstreamBytesReceived
    )
}
