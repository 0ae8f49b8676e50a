//! The driver for a proxy on real sockets, whatever it is made of: a process of its own, with a client and an
//! origin server on loopback.

use std::{
    fmt,
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::Child,
    time::{Duration, Instant},
};

use super::{Case, Driver, Names, Need, Sight, Stage, Step, VIRTUAL_TIME, Who, wire::Wire};
use crate::tls;

/// Bounds hangs; nothing is asserted to be faster than this.
const PATIENCE: Duration = Duration::from_secs(20);

/// For how long "nothing" is waited for.
const A_MOMENT: Duration = Duration::from_millis(20);

/// What a proxy is started with.
#[derive(Debug)]
pub struct Launch<'a> {
    /// Where it has to listen.
    pub listen: SocketAddr,
    /// Where the origin server is.
    pub origin: SocketAddr,
    /// The configuration, in a file.
    pub config: PathBuf,
    /// The folder of that file, which the run may fill with others.
    pub folder: PathBuf,
    /// The case.
    pub case: &'a Case,
}

/// Runs cases with a proxy that a closure starts.
pub struct OnSockets<F> {
    name: &'static str,
    /// The name of the driver whose clients are under TLS.
    under_tls: Option<&'static str>,
    only_default: bool,
    lacks: Vec<Need>,
    folder: PathBuf,
    count: usize,
    start: F,
}

impl<F> fmt::Debug for OnSockets<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnSockets").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<F: FnMut(&Launch<'_>) -> std::io::Result<Child>> OnSockets<F> {
    /// A driver called `name` that keeps its files in `folder`.
    pub fn new(name: &'static str, folder: impl Into<PathBuf>, start: F) -> Self {
        Self {
            name,
            under_tls: None,
            only_default: false,
            lacks: Vec::new(),
            folder: folder.into(),
            count: 0,
            start,
        }
    }

    /// The proxy reads no configuration: it can run the cases that need none.
    #[must_use]
    pub fn without_configuration(mut self) -> Self {
        self.only_default = true;
        self
    }

    /// Clients are under TLS, which the configuration is made to say; the driver is called `name` then.
    #[must_use]
    pub fn under_tls(mut self, name: &'static str) -> Self {
        self.under_tls = Some(name);
        self
    }

    /// The proxy can't run the cases that need this.
    #[must_use]
    pub fn lacks(mut self, need: Need) -> Self {
        self.lacks.push(need);
        self
    }
}

impl<F: FnMut(&Launch<'_>) -> std::io::Result<Child>> Driver for OnSockets<F> {
    fn name(&self) -> &str {
        self.under_tls.unwrap_or(self.name)
    }

    fn inapplicable(&self, case: &Case) -> Option<&'static str> {
        let lacking = case.needs.iter().find(|need| self.lacks.contains(need));
        match lacking {
            _ if case.drivers == ["simulated"] => Some(VIRTUAL_TIME),
            _ if self.only_default && !case.is_default => Some("it reads no configuration"),
            _ if !case.names(self.name) => Some("it can't be told to drain"),
            Some(Need::Pool) => Some("it keeps no connections to origin servers"),
            Some(Need::Reset) => Some("it can't reset a connection"),
            None => None,
        }
    }

    fn start(&mut self, case: &Case) -> Result<Box<dyn Stage>, String> {
        self.count += 1;
        let say = |what: &str, error: std::io::Error| format!("{what}: {error}");
        let folder = self.folder.join(self.count.to_string());
        std::fs::create_dir_all(&folder).map_err(|e| say("folder", e))?;
        let loopback = (Ipv4Addr::LOCALHOST, 0);
        let listener = TcpListener::bind(loopback).map_err(|e| say("origin server", e))?;
        listener.set_nonblocking(true).map_err(|e| say("origin server", e))?;
        let origin = listener.local_addr().map_err(|e| say("origin server", e))?;
        let refuses = case.steps.iter().any(|step| matches!(step, Step::Refuses));
        let listener = (!refuses).then_some(listener);
        // A port that is free now will be free in a moment: the system hands out others first.
        let free = TcpListener::bind(loopback).and_then(|listener| listener.local_addr());
        let listen = free.map_err(|e| say("a free port", e))?;
        let log = folder.join("access.log");
        let names = Names {
            origin: origin.to_string(),
            listen: listen.to_string(),
            scheme: if self.under_tls.is_some() { "https" } else { "http" },
            log: log.to_string_lossy().into_owned(),
        };
        let config = folder.join("case.conf");
        let mut text = case.config(&names);
        if self.under_tls.is_some() {
            text = secured(&text, &names);
        }
        std::fs::write(&config, text).map_err(|e| say("configuration", e))?;
        let launch = Launch { listen, origin, config, folder, case };
        let mut proxy = Proxy((self.start)(&launch).map_err(|e| say("starting the proxy", e))?);
        let client = connect(listen, &mut proxy)?;
        let mut client = Peer::new(client)?;
        if self.under_tls.is_some() {
            client.wire = client.wire.secured()?;
        }
        let peers = vec![Some(client)];
        Ok(Box::new(SocketStage { proxy, names, listener, peers, log, lines: 0 }))
    }
}

/// The configuration with its clients under TLS.
fn secured(config: &str, names: &Names) -> String {
    let listen = format!("listen {}", names.listen);
    let (certificate, key) = (tls::certificate(), tls::key());
    let lines = format!("ssl_certificate {}; ssl_certificate_key {};", certificate.display(), key.display());
    config.replace(&listen, &format!("{listen} ssl")).replacen("http {", &format!("http {{ {lines}"), 1)
}

/// The proxy's process; it ends with the case.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended by itself, after a drain.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn connect(listen: SocketAddr, proxy: &mut Proxy) -> Result<TcpStream, String> {
    let begun = Instant::now();
    loop {
        match TcpStream::connect(listen) {
            Ok(stream) => return Ok(stream),
            Err(error) if begun.elapsed() > PATIENCE => {
                return Err(format!("the proxy doesn't listen: {error}"));
            }
            Err(_) => {}
        }
        if let Ok(Some(status)) = proxy.0.try_wait() {
            return Err(format!("the proxy ended with {status}"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// One end of a real connection.
struct Peer {
    wire: Wire,
    received: Vec<u8>,
    taken: usize,
    saw: Option<Sight>,
}

impl Peer {
    fn new(stream: TcpStream) -> Result<Self, String> {
        stream.set_nonblocking(false).and_then(|()| stream.set_nodelay(true)).map_err(|e| e.to_string())?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
        Ok(Self { wire: Wire::Clear(stream), received: Vec::new(), taken: 0, saw: None })
    }

    /// Reads until `enough`, or the connection ends, or the time is over.
    fn read_until(&mut self, limit: Duration, enough: impl Fn(&Self) -> bool) -> Result<(), String> {
        let begun = Instant::now();
        let mut piece = [0; 16 << 10];
        while !enough(self) && self.saw.is_none() {
            let left = limit.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            self.wire.socket().set_read_timeout(Some(left)).map_err(|e| e.to_string())?;
            match self.wire.read(&mut piece) {
                Ok(0) => self.saw = Some(Sight::End),
                Ok(count) => self.received.extend_from_slice(&piece[..count]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.saw = Some(Sight::Reset),
            }
        }
        Ok(())
    }
}

struct SocketStage {
    proxy: Proxy,
    names: Names,
    listener: Option<TcpListener>,
    /// The client, then the origin server's connections; `None` after a reset of its own.
    peers: Vec<Option<Peer>>,
    log: PathBuf,
    lines: usize,
}

impl SocketStage {
    fn accept(&mut self) -> Result<bool, String> {
        let Some(listener) = &self.listener else { return Ok(false) };
        match listener.accept() {
            Ok((stream, _)) => {
                self.peers.push(Some(Peer::new(stream)?));
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }

    fn slot(&mut self, who: Who) -> Result<&mut Option<Peer>, String> {
        let index = match who {
            Who::Client => 0,
            Who::Origin(number) => number,
        };
        let begun = Instant::now();
        while self.peers.len() <= index {
            if !self.accept()? {
                if begun.elapsed() > PATIENCE {
                    return Err(format!("connection {index} was never made"));
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(&mut self.peers[index])
    }

    fn peer(&mut self, who: Who) -> Result<&mut Peer, String> {
        self.slot(who)?.as_mut().ok_or_else(|| format!("{who:?} has reset its connection"))
    }
}

impl Stage for SocketStage {
    fn names(&self) -> &Names {
        &self.names
    }

    fn send(&mut self, who: Who, bytes: &[u8]) -> Result<(), String> {
        self.peer(who)?.wire.write_all(bytes).map_err(|error| format!("{who:?} sends: {error}"))
    }

    fn take(&mut self, who: Who, count: usize) -> Result<Vec<u8>, String> {
        let peer = self.peer(who)?;
        let from = peer.taken;
        peer.read_until(PATIENCE, |peer| peer.received.len() >= from + count)?;
        let to = peer.received.len().min(from + count);
        peer.taken = to;
        Ok(peer.received[from..to].to_vec())
    }

    fn end(&mut self, who: Who, reset: bool) -> Result<(), String> {
        if !reset {
            let ended = self.peer(who)?.wire.end();
            return ended.map_err(|error| format!("{who:?} ends: {error}"));
        }
        let peer = self.slot(who)?.take().ok_or_else(|| format!("{who:?} resets twice"))?;
        peer.wire.reset().map_err(|error| error.to_string())
    }

    fn sight(&mut self, who: Who, hoped: Sight) -> Result<Sight, String> {
        let Some(peer) = self.slot(who)? else { return Ok(Sight::Reset) };
        let limit = if hoped == Sight::Nothing { A_MOMENT } else { PATIENCE };
        let taken = peer.taken;
        peer.read_until(limit, |peer| peer.received.len() > taken)?;
        let seen = if peer.received.len() > taken { None } else { peer.saw };
        Ok(seen.unwrap_or(Sight::Nothing))
    }

    fn left_over(&mut self) -> Vec<(Who, Vec<u8>)> {
        std::thread::sleep(A_MOMENT);
        let mut left = Vec::new();
        for (index, peer) in self.peers.iter_mut().enumerate() {
            let who = if index == 0 { Who::Client } else { Who::Origin(index) };
            let Some(peer) = peer else { continue };
            let taken = peer.taken;
            let outcome = peer.read_until(Duration::from_millis(1), |peer| peer.received.len() > taken);
            if outcome.is_ok() && peer.received.len() > taken {
                left.push((who, peer.received[taken..].to_vec()));
            }
        }
        left
    }

    fn elapse(&mut self, span: Duration) {
        std::thread::sleep(span);
    }

    fn log_line(&mut self) -> Option<String> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let text = std::fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(line) = text.split_inclusive('\n').nth(self.lines).filter(|line| line.ends_with('\n'))
            {
                self.lines += 1;
                return Some(line.trim_end().to_owned());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        None
    }

    fn connections(&mut self) -> usize {
        while self.accept() == Ok(true) {}
        self.peers.len() - 1
    }

    fn drain(&mut self, _: Option<Duration>) -> Result<(), String> {
        let id = self.proxy.0.id().to_string();
        let status = std::process::Command::new("kill").args(["-QUIT", &id]).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            other => Err(format!("kill -QUIT: {other:?}")),
        }
    }
}
