//! The proxy: a program with a configuration file, which is changed before each reload.

use crate::certificates::Certificates;
use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::time::sleep;
use underpass_benches::meter::Meter;

/// Bounds a start, a reload or an end that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A proxy that runs; it is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    folder: PathBuf,
    listen: [SocketAddr; 2],
    origin: SocketAddr,
    generation: u64,
}

impl Process {
    /// Starts `program` in `folder`, and waits until it listens.
    pub(crate) async fn start(
        program: &Path,
        folder: &Path,
        listen: [SocketAddr; 2],
        origin: SocketAddr,
        certificates: &Certificates,
    ) -> Result<Self> {
        let stderr = File::create(folder.join("stderr"))?;
        let mut command = Command::new(program);
        command.arg("-p").arg(format!("{}/", folder.display())).arg("-c").arg(folder.join("soak.conf"));
        certificates.make(folder, 0)?;
        write_configuration(folder, listen, origin, 0)?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn();
        let child = child.with_context(|| format!("cannot start {}", program.display()))?;
        let mut process = Self { child, folder: folder.to_owned(), listen, origin, generation: 0 };
        let begun = Instant::now();
        while TcpStream::connect(listen[0]).is_err() {
            process.check()?;
            ensure!(begun.elapsed() < PATIENCE, "it doesn't listen: {}", process.log());
            sleep(Duration::from_millis(5)).await;
        }
        Ok(process)
    }

    /// Fails when it has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the proxy ended by itself ({status}): {}", self.log());
        }
        Ok(())
    }

    /// How often it was reloaded.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn meter(&self) -> Result<Meter> {
        Meter::of(self.child.id())
    }

    /// Changes the file and the certificate, has them read, waits until that is told. Returns the generation that is in use now.
    pub(crate) async fn reload(&mut self, certificates: &Certificates) -> Result<u64> {
        self.generation += 1;
        certificates.make(&self.folder, self.generation)?;
        write_configuration(&self.folder, self.listen, self.origin, self.generation)?;
        self.signal(Signal::HUP)?;
        let (begun, wanted) = (Instant::now(), self.generation as usize);
        while self.log().matches(": reconfigured\n").count() < wanted {
            self.check()?;
            ensure!(begun.elapsed() < PATIENCE, "reload {wanted} is not obeyed");
            sleep(Duration::from_millis(20)).await;
        }
        Ok(self.generation)
    }

    /// Asks it to end when its tunnels have, and waits until nobody listens.
    pub(crate) async fn quit(&mut self) -> Result<()> {
        self.signal(Signal::QUIT)?;
        let begun = Instant::now();
        loop {
            match TcpStream::connect(self.listen[0]) {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => return self.check(),
                _ => ensure!(begun.elapsed() < PATIENCE, "it still listens"),
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) -> Result<ExitStatus> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(begun.elapsed() < PATIENCE, "it doesn't end, though its tunnels have");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Lines of its error log that no traffic may cause.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let bad = |line: &&str| ["[crit]", "[alert]", "[emerg]"].iter().any(|word| line.contains(word));
        self.log().lines().filter(bad).map(str::to_owned).collect()
    }

    /// Tunnels that its access log tells of.
    pub(crate) fn told(&self) -> Result<u64> {
        let log = fs::read_to_string(self.folder.join("access.log")).context("the access log")?;
        Ok(log.lines().filter(|line| line.contains(" HTTP/1.1\" 101 ")).count() as u64)
    }

    fn log(&self) -> String {
        let read = |name| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        read("stderr") + &read("error.log")
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal).context("cannot send a signal to the proxy")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            // Something has gone wrong already, and was told.
            let _ended = self.child.kill().and_then(|()| self.child.wait());
        }
    }
}

fn write_configuration(
    folder: &Path,
    listen: [SocketAddr; 2],
    origin: SocketAddr,
    generation: u64,
) -> Result<()> {
    let text = include_str!("../../../soak.conf")
        .replace("@LISTEN@", &listen[0].to_string())
        .replace("@SECURE@", &listen[1].to_string())
        .replace("@ORIGIN@", &origin.to_string())
        .replace("@GENERATION@", &generation.to_string());
    fs::write(folder.join("soak.conf"), text).context("cannot write the configuration file")
}
