//! `session_trace`: where the lines of sessions go that are recorded.

use std::{io, sync::Arc};

use underpass_core::{
    Buffers, ClientInfo,
    trace::{Configuration, Sample, Setting},
};
use underpass_nginx_config::{Loaded, SessionTrace};

use crate::{LogFile, Logs, Target};

/// How the sessions of one listening socket are traced.
#[derive(Clone, Debug)]
pub struct Trace {
    file: Arc<LogFile>,
    sample: Sample,
    setting: Setting,
}

/// What traces tell of the configuration that sessions have.
#[derive(Clone, Debug)]
pub struct Told {
    /// With what may be a secret in it.
    plain: Configuration,
    masked: Configuration,
}

impl Told {
    /// Of this one; of one that traces nothing, nothing.
    #[must_use]
    pub fn of(loaded: &Loaded) -> Self {
        let text = |plain: bool, text: fn(&Loaded) -> String| {
            let is_told = loaded.main.traces.iter().any(|trace| trace.plain == plain);
            Configuration::new(&if is_told { text(loaded) } else { String::new() })
        };
        Self { plain: text(true, Loaded::expanded), masked: text(false, Loaded::masked) }
    }
}

impl Trace {
    /// Opens the files. `told` is what each of them begins with.
    ///
    /// # Errors
    /// The error's text names the file.
    pub fn open_all(traces: &[SessionTrace], told: &Told, files: &Logs) -> io::Result<Arc<[Self]>> {
        let open = |trace: &SessionTrace| {
            let configuration = if trace.plain { &told.plain } else { &told.masked };
            let preamble = configuration.lines().into_bytes().into();
            let setting = Setting {
                configuration: configuration.clone(),
                buffer_size: Buffers::SIZE,
                plain: trace.plain,
            };
            let file = files.open_private(Target::Path(trace.path.clone()), preamble)?;
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
