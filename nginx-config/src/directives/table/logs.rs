//! Logs.

use super::{
    super::Context::{Http, Location, Main, Server},
    ANY, LEVELS, Row, words,
};

pub(super) const ROWS: &[Row] = &[
    words(
        "access_log",
        LEVELS,
        "*file* [*format* [`buffer=`*size*] [`flush=`*time*] [`gzip`[`=`*level*]] [`if=`*text*]] | `off`",
        "Writes a line to the file when an exchange is over, unless the text of `if=` is empty or `0`. \
         Several are possible; `off` turns off those of its level and above. A buffer has `1g` at most.",
    )
    .takes(1, ANY)
    .or("/dev/stdout combined")
    .repeatable(),
    words(
        "error_log",
        &[Main, Http, Server, Location],
        "*file* | `stderr` [`debug` | `info` | `notice` | `warn` | `error` | `crit` | `alert` | `emerg`]",
        "Where errors go, from this level on (`error`). In a block: errors of its requests.",
    )
    .takes(1, ANY)
    .or("stderr error")
    .repeatable(),
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
         a part of them. Content is told by its length, credentials are masked, unless it is plain. The default \
         server of a listening socket decides for it.",
    )
    .takes(1, ANY)
    .or("off"),
];
