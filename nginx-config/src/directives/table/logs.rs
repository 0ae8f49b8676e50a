//! Logs.

use super::{
    super::Context::{Http, Location, Main, Server},
    ANY, Kind, LEVELS, Row, row, words,
};

pub(super) const ROWS: &[Row] = &[
    words(
        "access_log",
        LEVELS,
        "*file* | `syslog:`*parameters* [*format* [`buffer=`*size*] [`flush=`*time*] [`gzip`[`=`*level*]] \
         [`if=`*text*]] | `off`",
        "Writes a line to the file, or to a syslog server, when an exchange is over, unless the text of `if=` is \
         empty or `0`. Several are possible; `off` turns off those of its level and above. A buffer has `1g` at \
         most. Parameters of `syslog:`, with commas between: `server=`*address*[`:`*port*] or \
         `server=unix:`*path*, `facility=` (`local7`), `severity=` (`info`), `tag=` (`nginx`), `nohostname`.",
    )
    .takes(1, ANY)
    .or("/dev/stdout combined")
    .repeatable(),
    words(
        "error_log",
        &[Main, Http, Server, Location],
        "*file* | `stderr` | `syslog:`*parameters* [`debug` | `info` | `notice` | `warn` | `error` | `crit` | `alert` | `emerg`]",
        "Where errors go, from this level on (`error`). In a block: errors of its requests. To a syslog server \
         each goes with the severity of its own, whatever `severity=` says; parameters as for `access_log`.",
    )
    .takes(1, ANY)
    .or("stderr error")
    .repeatable(),
    row(
        "log_queue",
        &[Main],
        Kind::Size,
        "*size*",
        "How many bytes of lines may wait to be written, those of all logs together; a log has at most what is \
         free, so that one that stands still leaves room for the others. A line that finds no room is lost, and \
         the error log says how many were.",
    )
    .or("1m"),
    words(
        "log_format",
        &[Http],
        "*name* [`escape=default` | `escape=json` | `escape=none`] *text* …",
        "The format of a log's lines; `combined` is there from the start.",
    )
    .takes(2, ANY)
    .repeatable(),
    words(
        "session_trace",
        &[Http, Server],
        "*file* [`sample=`*n*`%` | `sample=`*n*`/`*m*] [`content=masked` | `content=plain`] | `off`",
        "Writes down what comes into sessions, from accept to close, for `underpass replay` *file*: of all, or of \
         a part of them. Unless it is plain, content is told by its length, and so are values of fields and of the \
         configuration that may be a secret. The default server of a listening socket decides for it.",
    )
    .takes(1, ANY)
    .or("off"),
];
