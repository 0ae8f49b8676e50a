//! `session_trace`: where the lines of sessions go that are recorded.

use std::{io, sync::Arc};

use underpass_core::{
    Buffers, ClientInfo,
    trace::{Sample, Setting},
};
use underpass_nginx_config::SessionTrace;

use crate::{LogFile, Logs, Target};

/// How the sessions of one listening socket are traced.
#[derive(Clone, Debug)]
pub struct Trace {
    file: Arc<LogFile>,
    sample: Sample,
    setting: Setting,
}

impl Trace {
    /// Opens the files. `configuration` is the text that everything was read from.
    ///
    /// # Errors
    /// The error's text names the file.
    pub fn open_all(traces: &[SessionTrace], configuration: &str, files: &Logs) -> io::Result<Arc<[Self]>> {
        let configuration: Arc<str> = configuration.into();
        let open = |trace: &SessionTrace| {
            let setting = Setting {
                configuration: Arc::clone(&configuration),
                buffer_size: Buffers::SIZE,
                plain: trace.plain,
            };
            let file = files.open_private(Target::Path(trace.path.clone()), Arc::default())?;
            Ok(Self { file, sample: trace.sample, setting })
        };
        traces.iter().map(open).collect()
    }

    /// What this client's session is traced with, if it is.
    pub(crate) fn setting(&self, client: &ClientInfo) -> Option<&Setting> {
        self.sample.has(client).then_some(&self.setting)
    }

    /// Writes whole lines together, so that those of several workers don't mix.
    pub(crate) fn write(&self, lines: &[u8]) {
        self.file.append(lines.strip_suffix(b"\n").unwrap_or(lines));
    }
}
