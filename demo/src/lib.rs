//! Something to look at: an origin server with a small chat, to be started behind the proxy.
//!
//! The origin server speaks HTTP and WebSocket by itself, on threads, so that what a browser shows is two
//! independent implementations and the proxy between them.
//!
//! ```
//! let origin = underpass_demo::Origin::start()?;
//! // The page at / shows it.
//! origin.show_configuration(&format!("location / {{ proxy_pass http://{}; }}", origin.address()));
//! # Ok::<(), std::io::Error>(())
//! ```

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use self::chat::Room;

mod chat;
mod http;
mod linger;
mod page;
mod pings;

/// Each connection costs a thread or two, so their number is bounded.
const MOST_CONNECTIONS: usize = 256;

/// An origin server on a port of this machine: a page at `/`, a chat at `/chat/` and an echo at `/chat/echo`,
/// both over WebSocket. It ends when the value is dropped.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    log_address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Origin {
    /// Starts serving on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When the system gives no port or no thread.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let log = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let shared = Arc::new(Shared::default());
        let mut origin = Self {
            address: listener.local_addr()?,
            log_address: log.local_addr()?,
            shared: Arc::clone(&shared),
            threads: Vec::new(),
        };
        let hearing = Arc::clone(&shared);
        origin.threads.push(named("demo log").spawn(move || pings::hear(&log, &hearing))?);
        origin.threads.push(named("demo").spawn(move || accept(&listener, &shared))?);
        Ok(origin)
    }

    /// Where the proxy finds it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it takes the proxy's log, as a server of syslog does (RFC 3164, by UDP): of each line the last three words,
    /// which are the number that the request of a tunnel had in `X-Request-ID`, and how many milliseconds the client's
    /// and the origin server's last answer to a Ping of the proxy's took. The page shows them.
    pub fn log_address(&self) -> SocketAddr {
        self.log_address
    }

    /// Gives the page a button with which a visitor calls `drain`, which is to make the proxy drain its tunnels. What is
    /// given later counts for nothing.
    pub fn offer_drain(&self, drain: impl Fn() -> io::Result<()> + Send + Sync + 'static) {
        self.shared.drain.get_or_init(|| Drain(Box::new(drain)));
    }

    /// Shows this text on the page as the configuration in use.
    pub fn show_configuration(&self, text: &str) {
        let mut shown = self.shared.configuration.write().unwrap_or_else(PoisonError::into_inner);
        text.clone_into(&mut shown);
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // A connection and a datagram of our own wake the threads that wait for one. Without them the threads would stay
        // until the process ends, and so would the join.
        let woken = TcpStream::connect(self.address).is_ok()
            && UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
                .is_ok_and(|socket| socket.send_to(b"", self.log_address).is_ok());
        for thread in self.threads.drain(..).filter(|_| woken) {
            // If it has panicked, the hook of the process has told that.
            let _was_told = thread.join();
        }
        for stream in self.shared.connections().open.values() {
            // One that is closed already needs no closing.
            let _closed_already = stream.shutdown(Shutdown::Both);
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    room: Room,
    configuration: RwLock<String>,
    connections: Mutex<Connections>,
    drain: OnceLock<Drain>,
    stopping: AtomicBool,
}

/// How the proxy is made to drain its tunnels.
struct Drain(Box<dyn Fn() -> io::Result<()> + Send + Sync>);

impl fmt::Debug for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Drain")
    }
}

#[derive(Debug, Default)]
struct Connections {
    open: BTreeMap<u64, Arc<TcpStream>>,
    opened: u64,
}

impl Shared {
    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn page(&self) -> String {
        let configuration = self.configuration.read().unwrap_or_else(PoisonError::into_inner);
        page::render(&configuration, self.drain.get().is_some())
    }
}

/// A connection's place in the list of open ones.
struct Place {
    shared: Arc<Shared>,
    stream: Arc<TcpStream>,
    number: u64,
}

impl Place {
    /// `None` when the demo is full; the client is told.
    fn take(shared: &Arc<Shared>, stream: TcpStream) -> Option<Self> {
        let stream = Arc::new(stream);
        let mut connections = shared.connections();
        if connections.open.len() >= MOST_CONNECTIONS {
            // One that doesn't listen to this answer doesn't get it.
            let _told = http::turn_away(&stream);
            return None;
        }
        connections.opened += 1;
        let number = connections.opened;
        connections.open.insert(number, Arc::clone(&stream));
        drop(connections);
        Some(Self { shared: Arc::clone(shared), stream, number })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.connections().open.remove(&self.number);
    }
}

fn named(name: &str) -> thread::Builder {
    thread::Builder::new().name(name.into())
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    loop {
        let accepted = listener.accept();
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        if accepted.and_then(|(stream, _)| start(stream, shared)).is_err() {
            // Out of descriptors or threads: some will come back, asking at once would only burn time.
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn start(stream: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    let Some(place) = Place::take(shared, stream) else { return Ok(()) };
    // When there is no thread to be had, the place is given back with the closure.
    named("demo connection")
        .spawn(move || {
            // A client that breaks off, or is too slow, ends its own connection and nothing else.
            let _broken_off = http::serve(&place.stream, &place.shared);
        })
        .map(drop)
}

#[cfg(test)]
mod tests;
