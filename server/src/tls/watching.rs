//! Certificates that change while they are used: `ssl_certificate_watch on` (H7).

use std::{
    io,
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use sha1_smol::Sha1;
use underpass_core::Severity;
use underpass_nginx_config::{NamedFile, ServerTls};

use super::{choosing::Served, files::Reader, making::Making};
use crate::{Clock, Log};

/// How often the files are read. What has changed is in use within two times that.
const INTERVAL: Duration = Duration::from_secs(4);

/// A server whose files are looked at.
#[derive(Debug)]
pub(super) struct Watched {
    server: Arc<ServerTls>,
    served: Arc<Served>,
    making: Making,
    /// What the files held that are in use.
    used: Seen,
    /// What they held that couldn't be used, and whether that has been told.
    refused: Option<(Seen, bool)>,
}

/// What the files held; absent where one couldn't be read. Digests, so that no key stays in memory for it.
type Seen = Vec<Option<String>>;

/// What comes of a look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// All is as it was, or will be told the next time: a certificate and its key don't change at the same moment.
    Nothing,
    /// The new ones are in use.
    Taken(String),
    /// They can't be used, and the old ones go on.
    Refused(String),
}

impl Watched {
    pub(super) fn new(server: Arc<ServerTls>, served: Arc<Served>, making: &Making) -> Self {
        let mut watched = Self { server, served, making: making.clone(), used: Seen::new(), refused: None };
        watched.used = watched.seen(making.reader());
        watched
    }

    /// Looks at the files once. Paths are followed anew each time, through folders and links that have been replaced.
    pub(super) fn look(&mut self, reader: &Reader) -> Look {
        let seen = self.seen(reader);
        if seen == self.used {
            self.refused = None;
            return Look::Nothing;
        }
        let name = self.server.credentials.first().map(|files| files.certificate.path.display().to_string());
        let name = name.unwrap_or_default();
        match self.making.server(&self.server) {
            Ok(Some(settings)) => {
                self.served.replace(settings);
                (self.used, self.refused) = (seen, None);
                Look::Taken(format!("certificate \"{name}\" has changed: the new one is in use"))
            }
            Ok(None) => Look::Nothing,
            Err(trouble) => {
                let told = match &self.refused {
                    Some((before, told)) if *before == seen => Some(*told),
                    _ => None,
                };
                self.refused = Some((seen, told.is_some()));
                if told != Some(false) {
                    return Look::Nothing;
                }
                Look::Refused(format!(
                    "certificate \"{name}\" has changed, and the old one stays: {}",
                    trouble.message()
                ))
            }
        }
    }

    fn seen(&self, reader: &Reader) -> Seen {
        let digest = |file: &NamedFile| {
            let bytes = reader.read(&file.path).ok()?;
            Some(Sha1::from(bytes).digest().to_string())
        };
        let credentials = self.server.credentials.iter().flat_map(|files| [&files.certificate, &files.key]);
        credentials.chain(&self.server.stapling_file).map(digest).collect()
    }
}

/// A thread that looks at files until this is dropped.
#[derive(Debug)]
pub(crate) struct Watching {
    _end: Sender<()>,
}

impl Watching {
    pub(super) fn start(mut watched: Vec<Watched>, reader: Reader, log: Log) -> io::Result<Self> {
        let (end, ended) = channel::<()>();
        let clock = Clock::start();
        thread::Builder::new().name("certificates".into()).spawn(move || {
            while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                for server in &mut watched {
                    match server.look(&reader) {
                        Look::Nothing => {}
                        Look::Taken(message) => log.event(Severity::Notice, &message, clock.now()),
                        Look::Refused(message) => log.event(Severity::Error, &message, clock.now()),
                    }
                }
            }
        })?;
        Ok(Self { _end: end })
    }
}
