//! The proxies that are compared, and how one is started and stopped.

use crate::arguments::Arguments;
use crate::door::{PAIRS, Pair};
use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use underpass_benches::cores;
use underpass_benches::meter::Meter;

/// A proxy that can be started.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    pub(crate) name: &'static str,
    /// Whether it is one of this project's: those are set against the best of the others.
    pub(crate) ours: bool,
    /// Whether it knows frames, and the directives about them.
    pub(crate) knows_frames: bool,
    program: PathBuf,
    /// The arguments that make it serve in the foreground with this file, its log on stderr.
    arguments: fn(&Site, Setup) -> Vec<String>,
}

/// What a proxy is started with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) file: Configuration,
    /// One of ours says in its log when it can't follow a tunnel's frames.
    pub(crate) tells_blindness: bool,
}

/// A configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Configuration {
    /// The one that all read.
    Common,
    /// The one with what only ours know.
    Awareness,
}

impl Configuration {
    const ALL: [Self; 2] = [Self::Common, Self::Awareness];

    fn name(self) -> &'static str {
        match self {
            Self::Common => "compare.conf",
            Self::Awareness => "awareness.conf",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Common => include_str!("../../../compare.conf"),
            Self::Awareness => include_str!("../../../awareness.conf"),
        }
    }
}

/// Where the proxies run: one folder, one configuration, one address for all of them in turn.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) folder: PathBuf,
    pub(crate) listen: SocketAddr,
    /// Where clients come under TLS.
    pub(crate) secure: SocketAddr,
    pub(crate) origin: SocketAddr,
    pub(crate) load_core: usize,
    pub(crate) proxy_core: usize,
}

/// The proxies of this run, those of this project first.
pub(crate) fn chosen(arguments: &Arguments) -> Result<Vec<Proxy>> {
    let beside = |name| Ok::<_, anyhow::Error>(std::env::current_exe()?.with_file_name(name));
    let underpass = Proxy {
        name: "underpass",
        ours: true,
        knows_frames: true,
        program: arguments.underpass.clone().map_or_else(|| beside("underpass"), Ok)?,
        arguments: |site, setup| {
            let mut arguments = vec!["-p".into(), site.prefix(), "-c".into(), site.configuration(setup.file)];
            // Lines at `info` are written when tunnels open and end, never while a figure of their messages is taken.
            if setup.tells_blindness && setup.file == Configuration::Common {
                arguments.extend(["-g".into(), "error_log stderr info;".into()]);
            }
            arguments
        },
    };
    let second =
        Proxy { name: "underpass-async-std", program: beside("underpass-async-std")?, ..underpass.clone() };
    let nginx = Proxy {
        name: "nginx",
        ours: false,
        knows_frames: false,
        program: arguments.nginx.clone(),
        arguments: |site, setup| {
            let globals = format!("daemon off; pid {}nginx.pid;", site.prefix());
            let log = "stderr".into();
            vec![
                "-p".into(),
                site.prefix(),
                "-c".into(),
                site.configuration(setup.file),
                "-e".into(),
                log,
                "-g".into(),
                globals,
            ]
        },
    };
    if arguments.noise {
        return Ok(vec![Proxy { name: "nginx (again)", ours: true, ..nginx.clone() }, nginx]);
    }
    let all = vec![underpass, second, nginx];
    for name in &arguments.only {
        ensure!(all.iter().any(|proxy| proxy.name == name), "--only {name}: no such proxy");
    }
    let wanted =
        |proxy: &Proxy| arguments.only.is_empty() || arguments.only.iter().any(|name| proxy.name == name);
    Ok(all.into_iter().filter(wanted).collect())
}

impl Site {
    /// Writes the configuration files, and the certificates that they name.
    pub(crate) fn prepare(&self) -> Result<()> {
        for file in Configuration::ALL {
            let text = file
                .text()
                .replace("@LISTEN@", &self.listen.to_string())
                .replace("@SECURE@", &self.secure.to_string())
                .replace("@ORIGIN@", &self.origin.to_string());
            fs::write(self.configuration(file), text).context("cannot write a configuration file")?;
        }
        for (Pair { chain, key }, name) in PAIRS.iter().zip(["ecdsa", "rsa"]) {
            fs::write(self.folder.join(format!("{name}.pem")), chain)
                .context("cannot write a certificate")?;
            let mut file = fs::OpenOptions::new();
            file.write(true).create(true).truncate(true).mode(0o600);
            let mut file =
                file.open(self.folder.join(format!("{name}.key"))).context("cannot write a key")?;
            file.write_all(key.as_bytes()).context("cannot write a key")?;
        }
        Ok(())
    }

    fn prefix(&self) -> String {
        format!("{}/", self.folder.display())
    }

    fn configuration(&self, file: Configuration) -> String {
        format!("{}{}", self.prefix(), file.name())
    }
}

impl Proxy {
    /// What the program says about itself.
    pub(crate) fn version(&self) -> Result<String> {
        let output = self.command().arg("-v").output().with_context(|| self.cannot("run"))?;
        ensure!(output.status.success(), "{}: -v: {}", self.program.display(), output.status);
        let said = [output.stderr, output.stdout].concat();
        let line = String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned();
        ensure!(!line.is_empty(), "{}: -v says nothing", self.program.display());
        Ok(line.split_once("version: ").map_or_else(|| line.clone(), |(_, version)| version.to_owned()))
    }

    /// Starts it on its core and waits until it listens.
    pub(crate) fn start(&self, site: &Site, setup: Setup) -> Result<Running> {
        let log = site.folder.join(format!("{}.log", self.name));
        let stderr = File::create(&log).context("cannot create a log file")?;
        let mut command = self.command();
        command.args((self.arguments)(site, setup)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);

        // A child inherits the core of the thread that starts it.
        cores::pin(site.proxy_core)?;
        let child = command.spawn().with_context(|| self.cannot("start"));
        cores::pin(site.load_core)?;
        let mut running = Running { name: self.name, child: child?, log };
        running.wait_for(site.listen)?;
        Ok(running)
    }

    /// Fails when the program isn't there; otherwise a relative path becomes one that no search path has a say in.
    pub(crate) fn found(mut self) -> Result<Self> {
        self.program = self.program.canonicalize().with_context(|| {
            format!("{} (benches/compare builds underpass and installs nginx)", self.program.display())
        })?;
        Ok(self)
    }

    fn command(&self) -> Command {
        Command::new(&self.program)
    }

    fn cannot(&self, verb: &str) -> String {
        format!("cannot {verb} {} ({})", self.name, self.program.display())
    }
}

/// A proxy that runs; it is stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// The counters of its processes. A first exchange must have come back: nginx listens before it has workers.
    pub(crate) fn meter(&self) -> Result<Meter> {
        Meter::of(self.child.id())
    }

    /// Stops it and fails when it did not stop in order; says what it has logged.
    pub(crate) fn stop(mut self) -> Result<Log> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended by itself ({status}):\n{}", self.name, self.said());
        }
        let status = self.terminate()?;
        let status = status.with_context(|| format!("{} does not stop on SIGTERM", self.name))?;
        // SIGTERM is a fast stop in nginx's language; a program that leaves the signal its default ends by it.
        ensure!(
            status.code() == Some(0) || status.code().is_none(),
            "{}: {status}:\n{}",
            self.name,
            self.said()
        );
        self.logged()
    }

    /// What it has logged until now.
    pub(crate) fn logged(&self) -> Result<Log> {
        fs::read_to_string(&self.log).map(Log).context("cannot read a log file")
    }

    fn wait_for(&mut self, listen: SocketAddr) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} did not start ({status}):\n{}", self.name, self.said());
            }
            match TcpStream::connect(listen) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => sleep(Duration::from_millis(5)),
                Err(error) => return Err(error).context("connecting to the proxy"),
            }
        }
        bail!("{} does not listen on {listen}:\n{}", self.name, self.said())
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_else(|error| format!("(its log cannot be read: {error})"))
    }

    /// Asks it to stop; `None` when it is still there after a while.
    fn terminate(&mut self) -> Result<Option<std::process::ExitStatus>> {
        signal(self.child.id(), Signal::TERM)?;
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            sleep(Duration::from_millis(5));
        }
        Ok(None)
    }
}

/// What a proxy has written.
#[derive(Debug)]
pub(crate) struct Log(String);

impl Log {
    /// The lines with a severity of `error` and above.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.lines_with(&["[error]", "[crit]", "[alert]", "[emerg]"])
    }

    /// The lines of tunnels whose frames can't be followed any more (G2); `run` tries that one of ours writes them.
    pub(crate) fn gone_blind(&self) -> Vec<String> {
        self.lines_with(&["WebSocket frames of the"])
    }

    fn lines_with(&self, words: &[&str]) -> Vec<String> {
        let wanted = |line: &&str| words.iter().any(|word| line.contains(word));
        self.0.lines().filter(wanted).map(str::to_owned).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        if matches!(self.terminate(), Ok(Some(_))) {
            return;
        }
        // It does not listen to reason. Its workers go as well: nobody else would end them.
        match self.meter() {
            Ok(meter) => meter.processes().iter().skip(1).for_each(|worker| {
                if let Err(error) = signal(*worker, Signal::KILL) {
                    eprintln!("{}: worker {worker} is still there: {error}", self.name);
                }
            }),
            Err(error) => eprintln!("{}: its workers cannot be found: {error}", self.name),
        }
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("{}: cannot be stopped: {error}", self.name);
        }
    }
}

/// Bounds a start or a stop that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

fn signal(process: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw).context("not a process")?;
    kill_process(pid, signal).with_context(|| format!("cannot send a signal to process {process}"))
}

#[cfg(test)]
mod tests {
    use super::Log;

    #[test]
    fn a_log_tells_errors_and_tunnels_that_went_blind() {
        let lines = [
            "2026/12/01 00:00:00 [info] 7#7: *1 tunnel opened, client: 127.0.0.1",
            "2026/12/01 00:00:00 [info] 7#7: *1 WebSocket frames of the client can't be followed: a length, client: 127.0.0.1",
            "2026/12/01 00:00:00 [error] 7#7: *2 upstream prematurely closed connection",
        ];
        let log = Log(lines.join("\n"));
        assert_eq!(log.gone_blind(), [lines[1]]);
        assert_eq!(log.complaints(), [lines[2]]);
    }
}
