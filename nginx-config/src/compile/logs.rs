//! `log_format`, `access_log`, `upgrade_log`, `error_log`.

use std::sync::Arc;

use underpass_core::{
    Severity,
    config::{AccessLog, ErrorLogs, LogId, TunnelFormat, TunnelLog},
    template::{Escape, Template},
};

use super::{Builder, all, level::Level, syslog};
use crate::{
    error::{ConfigNote, Error},
    loaded::{ErrorLog, LogFile, LogTarget},
    syntax::{Directive, Word},
    values,
};

/// The format that is there from the start.
const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                        \"$http_referer\" \"$http_user_agent\"";

/// A process in the foreground writes where its terminal or its supervisor reads.
const DEFAULT_ACCESS_LOG: &str = "/dev/stdout";

/// A buffer that nobody means: its memory is taken whole when the log is opened.
const MOST_BUFFERED: usize = 1 << 30;

impl Builder<'_> {
    /// Reads the formats.
    pub(super) fn log_formats(&mut self, http: &[Directive]) -> Result<(), Error> {
        for directive in all(http, "log_format") {
            let name = directive.argument(0);
            if name.text == "combined" || self.formats.contains_key(&name.text) {
                let message = format!("duplicate \"log_format\" name \"{}\"", name.text);
                return Err(Error::new(&name.position, message));
            }
            let format = self.log_format(directive.arguments.get(1..).unwrap_or_default())?;
            self.formats.insert(name.text.clone(), Arc::new(format));
        }
        Ok(())
    }

    /// The strings of a format are one, so that long lines can be broken.
    fn log_format(&self, words: &[Word]) -> Result<Template, Error> {
        let (escape, words) = match words.split_first() {
            Some((first, rest)) if first.text.starts_with("escape=") => (escape_named(first)?, rest),
            _ => (Escape::Log, words),
        };
        // Each on its own first, so that a mistake has the place of its string.
        for word in words {
            self.template(word, escape)?;
        }
        let Some(first) = words.first() else { return Ok(Template::literal("")) };
        let text = words.iter().map(|word| word.text.as_str()).collect();
        self.template(&Word { text, position: first.position.clone() }, escape)
    }

    /// The logs of one block; none when nothing is said of them.
    pub(super) fn access_logs(&mut self, block: &[Directive]) -> Result<Option<Vec<AccessLog>>, Error> {
        let mut logs = Vec::new();
        let mut off = false;
        for directive in all(block, "access_log") {
            match directive.arguments.as_slice() {
                [file] if file.text == "off" => off = true,
                [file, parameter, ..] if file.text == "off" => return Err(invalid_parameter(parameter)),
                [file, rest @ ..] => logs.push(self.access_log(file, rest)?),
                [] => {}
            }
        }
        if off {
            return Ok(Some(Vec::new()));
        }
        Ok((!logs.is_empty()).then_some(logs))
    }

    fn access_log(&mut self, file: &Word, rest: &[Word]) -> Result<AccessLog, Error> {
        let target = self.log_target(file)?;
        let (format, parameters) = match rest.split_first() {
            None => (self.combined(&file.position)?, rest),
            // `if=` may stand without a format.
            Some((name, _)) if name.text.starts_with("if=") => (self.combined(&name.position)?, rest),
            Some((name, parameters)) => (self.format_named(name)?, parameters),
        };
        let mut sink = LogFile { target, buffer: None, flush: None };
        let mut condition = None;
        for word in parameters {
            self.log_parameter(word, &mut sink, &mut condition)?;
        }
        if sink.flush.is_some() && sink.buffer.is_none() {
            let message = format!("no buffer is defined for access_log \"{}\"", file.text);
            return Err(Error::new(&file.position, message).hint("\"flush=\" needs \"buffer=\""));
        }
        if sink.buffer.is_some() && matches!(sink.target, LogTarget::Syslog(_)) {
            return Err(Error::new(&file.position, "logs to syslog cannot be buffered"));
        }
        let mut log = AccessLog::new(self.sink(sink, file)?, format);
        log.condition = condition;
        Ok(log)
    }

    /// `upgrade_log` of one block (G9): none when nothing is said of it, and none in that where it is off.
    pub(super) fn tunnel_log(&mut self, block: &[Directive]) -> Result<Option<Option<TunnelLog>>, Error> {
        let Some(directive) = all(block, "upgrade_log").next() else { return Ok(None) };
        let (file, rest) = (directive.argument(0), directive.arguments.get(1..).unwrap_or_default());
        if file.text == "off" {
            return rest.first().map_or(Ok(Some(None)), |parameter| Err(invalid_parameter(parameter)));
        }
        let target = self.log_target(file)?;
        let (format, parameter) = match rest {
            [name, rest @ ..] if !name.text.starts_with("every=") => (Some(self.format_named(name)?), rest),
            rest => (None, rest),
        };
        let mut log = TunnelLog::new(self.sink(LogFile { target, buffer: None, flush: None }, file)?);
        if let Some(format) = format {
            log.format = TunnelFormat::Template(format);
        }
        for word in parameter {
            let time = word.text.strip_prefix("every=").filter(|_| log.every.is_none());
            let time = time.ok_or_else(|| invalid_parameter(word))?;
            let every = values::time(time).filter(|time| !time.is_zero());
            log.every = Some(every.ok_or_else(|| {
                Error::new(&word.position, format!("invalid time \"{time}\""))
                    .hint("it is written every=TIME, as in every=5m")
            })?);
        }
        Ok(Some(Some(log)))
    }

    /// The `log_format` of this name.
    fn format_named(&mut self, name: &Word) -> Result<Arc<Template>, Error> {
        if name.text == "combined" {
            return self.combined(&name.position);
        }
        self.formats.get(&name.text).cloned().ok_or_else(|| {
            let message = format!("unknown log format \"{}\"", name.text);
            Error::new(&name.position, message)
        })
    }

    fn log_parameter(
        &mut self,
        word: &Word,
        sink: &mut LogFile,
        condition: &mut Option<Arc<Template>>,
    ) -> Result<(), Error> {
        let invalid =
            |what: &str, value: &str| Error::new(&word.position, format!("invalid {what} \"{value}\""));
        match word.text.split_once('=') {
            Some(("buffer", size)) => {
                let bytes = values::size(size).and_then(|bytes| usize::try_from(bytes).ok());
                let bytes = bytes.filter(|bytes| *bytes != 0).ok_or_else(|| invalid("buffer size", size))?;
                if bytes > MOST_BUFFERED {
                    let message = format!("buffer size \"{size}\" is too large");
                    return Err(Error::new(&word.position, message).hint("1g is the most"));
                }
                sink.buffer = Some(bytes);
            }
            Some(("flush", text)) => {
                let time = values::time(text).filter(|time| !time.is_zero());
                sink.flush = Some(time.ok_or_else(|| invalid("flush time", text))?);
            }
            Some(("gzip", level)) if !values::number(level).is_some_and(|level| (1..=9).contains(&level)) => {
                return Err(invalid("compression level", level));
            }
            Some(("if", _)) => {
                let text = word.text.trim_start_matches("if=").to_owned();
                let word = Word { text, position: word.position.clone() };
                *condition = Some(Arc::new(self.template(&word, Escape::None)?));
            }
            _ if word.text == "gzip" || word.text.starts_with("gzip=") => {
                // nginx's size for logs that are compressed.
                sink.buffer.get_or_insert(64 << 10);
                let note = "\"gzip\" of \"access_log\" has no effect: logs are written as they are";
                self.note_once("access_log gzip".to_owned(), ConfigNote::new(&word.position, note));
            }
            _ => return Err(invalid_parameter(word)),
        }
        Ok(())
    }

    /// The logs of a location: its level's, or nginx's default when no level says anything.
    pub(super) fn access_logs_of(
        &mut self,
        level: &Level<'_>,
        place: &Word,
    ) -> Result<Vec<AccessLog>, Error> {
        if let Some(logs) = &level.access_logs {
            return Ok(logs.clone());
        }
        let format = self.combined(&place.position)?;
        let target = LogTarget::File(self.path(DEFAULT_ACCESS_LOG));
        let sink = LogFile { target, buffer: None, flush: None };
        Ok(vec![AccessLog::new(self.sink(sink, place)?, format)])
    }

    fn combined(&mut self, position: &crate::Position) -> Result<Arc<Template>, Error> {
        if let Some(format) = self.formats.get("combined") {
            return Ok(Arc::clone(format));
        }
        let word = Word { text: COMBINED.to_owned(), position: position.clone() };
        let format = Arc::new(self.template(&word, Escape::Log)?);
        self.formats.insert("combined".to_owned(), Arc::clone(&format));
        Ok(format)
    }

    /// The log is the file's number among [`crate::Main::logs`]; each file has one, however often it is named.
    fn sink(&mut self, sink: LogFile, place: &Word) -> Result<LogId, Error> {
        let known = self.sinks.iter().position(|known| known.target == sink.target);
        let Some(index) = known else {
            self.sinks.push(sink);
            return Ok(LogId(self.sinks.len() - 1));
        };
        if let Some(known) = self.sinks.get_mut(index) {
            if known.buffer.is_some() && sink.buffer.is_some() && *known != sink {
                let message =
                    format!("access_log \"{}\" already defined with conflicting parameters", sink.target);
                return Err(Error::new(&place.position, message));
            }
            if known.buffer.is_none() {
                *known = sink;
            }
        }
        Ok(LogId(index))
    }

    /// The error logs of a block; none when nothing is said of them.
    pub(super) fn error_logs_of(&mut self, block: &[Directive]) -> Result<Option<ErrorLogs>, Error> {
        let mut sinks = Vec::new();
        for directive in all(block, "error_log") {
            let ErrorLog { target, severity } = self.error_log(directive)?;
            // An access log may name the stream, too.
            let target = match target {
                LogTarget::Stderr => LogTarget::File("/dev/stderr".into()),
                other => other,
            };
            let sink = LogFile { target, buffer: None, flush: None };
            sinks.push((self.sink(sink, directive.argument(0))?, severity));
        }
        Ok((!sinks.is_empty()).then(|| ErrorLogs::new(sinks)))
    }

    /// The error logs outside of all blocks; the one of the options when there is none.
    pub(super) fn error_logs(&self, tree: &[Directive]) -> Result<Vec<ErrorLog>, Error> {
        let logs: Result<Vec<_>, _> =
            all(tree, "error_log").map(|directive| self.error_log(directive)).collect();
        let mut logs = logs?;
        if logs.is_empty() {
            let target = self.options.error_log.clone();
            logs.push(ErrorLog { target, severity: Severity::Error });
        }
        Ok(logs)
    }

    fn error_log(&self, directive: &Directive) -> Result<ErrorLog, Error> {
        let file = directive.argument(0);
        let target = if file.text == "stderr" { LogTarget::Stderr } else { self.log_target(file)? };
        let severity = match directive.arguments.get(1) {
            None => Severity::Error,
            Some(level) => level.text.parse().map_err(|_| {
                Error::new(&level.position, format!("invalid log level \"{}\"", level.text))
                    .hint("it is one of debug, info, notice, warn, error, crit, alert, emerg")
            })?,
        };
        match directive.arguments.get(2) {
            Some(more) => {
                let message = format!("duplicate log level \"{}\"", more.text);
                Err(Error::new(&more.position, message)
                    .hint("one level is enough: more serious events are included"))
            }
            None => Ok(ErrorLog { target, severity }),
        }
    }
}

impl Builder<'_> {
    /// A file, or a syslog server.
    fn log_target(&self, file: &Word) -> Result<LogTarget, Error> {
        if file.text.starts_with(syslog::PREFIX) {
            return self.syslog(file).map(LogTarget::Syslog);
        }
        refuse_special_target(file)?;
        Ok(LogTarget::File(self.path(&file.text)))
    }
}

fn escape_named(word: &Word) -> Result<Escape, Error> {
    match word.text.strip_prefix("escape=") {
        Some("default") => Ok(Escape::Log),
        Some("json") => Ok(Escape::Json),
        Some("none") => Ok(Escape::None),
        other => {
            let message = format!("unknown log format escaping \"{}\"", other.unwrap_or_default());
            Err(Error::new(&word.position, message).hint("it is default, json or none"))
        }
    }
}

pub(super) fn refuse_special_target(file: &Word) -> Result<(), Error> {
    let special = ["syslog:", "memory:"].into_iter().find(|prefix| file.text.starts_with(prefix));
    if let Some(prefix) = special {
        let message = format!("logs to \"{prefix}\" are not in this version");
        return Err(Error::new(&file.position, message));
    }
    if file.text.is_empty() {
        return Err(Error::new(&file.position, "the name of a log file is empty"));
    }
    if file.text.contains('$') {
        return Err(Error::new(
            &file.position,
            "variables in the name of a log file are not in this version",
        ));
    }
    Ok(())
}

fn invalid_parameter(word: &Word) -> Error {
    Error::new(&word.position, format!("invalid parameter \"{}\"", word.text))
}
