//! All tunnels: clients that open one after another, the origin server, and what has come of them.

use crate::certificates::Certificates;
use crate::head::Head;
use crate::life::{Ending, Life, Side};
use crate::peers::converse;
use anyhow::{Context as _, Result, bail, ensure};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::{JoinSet, spawn_local};
use tokio::time::timeout;
use underpass_benches::handshake::{accept_of, key_of};
use underpass_benches::pattern;
use underpass_benches::stream::Stream;
use underpass_benches::tls::{Client, Wishes};

/// Bounds what hangs: by then an end of a tunnel has come through, and a handshake is done.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tunnels that begin at the same time: a listen queue is short.
const BEGINNERS: usize = 64;

/// Ways of TLS that clients take in turn, every other one of them: 1.3 and 1.2, in full and resumed.
const WAYS: usize = 4;

/// What is shared by all clients and the origin server.
#[derive(Debug)]
pub(crate) struct Fleet {
    /// Where the proxy is reached in clear, and under TLS.
    proxy: [SocketAddr; 2],
    tls: [Client; WAYS],
    pub(crate) certificates: Certificates,
    seed: u64,
    next: Cell<u64>,
    /// What is known of a tunnel whose ends are not both done.
    lives: RefCell<HashMap<u64, Rc<Known>>>,
    beginners: Semaphore,
    /// Time is up: nothing new is said, and no tunnel follows another.
    stop: Cell<bool>,
    /// The generation of the configuration that is in use for certain.
    generation: Cell<u64>,
    pub(crate) counts: Counts,
    pub(crate) faults: RefCell<Vec<String>>,
}

/// What has come of the tunnels so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) open: Cell<u64>,
    pub(crate) opened: Cell<u64>,
    /// Of those under TLS, and of these with a session that was resumed.
    pub(crate) secured: Cell<u64>,
    pub(crate) resumed: Cell<u64>,
    pub(crate) client_first: Cell<u64>,
    pub(crate) origin_first: Cell<u64>,
    pub(crate) together: Cell<u64>,
    pub(crate) client_reset: Cell<u64>,
    pub(crate) origin_reset: Cell<u64>,
    /// Bytes of tunnels that ended in order: each was sent, and each was received.
    pub(crate) moved: [Cell<u64>; 2],
}

#[derive(Debug)]
struct Known {
    life: Life,
    /// The configuration that was in use when the client connected, or a later one, serves it.
    generation: u64,
    origin_done: Notify,
}

impl Fleet {
    /// Starts the origin server on `listener`, for clients of `proxy`.
    pub(crate) fn start(
        listener: std::net::TcpListener,
        proxy: [SocketAddr; 2],
        seed: u64,
    ) -> Result<Rc<Self>> {
        let client =
            |way| Client::new(Wishes { is_old: way & 1 == 1, resumes: way & 2 == 2, ..Wishes::default() });
        let tls = [client(0)?, client(1)?, client(2)?, client(3)?];
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let fleet = Rc::new(Self {
            proxy,
            tls,
            certificates: Certificates::default(),
            seed,
            next: Cell::new(0),
            lives: RefCell::default(),
            beginners: Semaphore::new(BEGINNERS),
            stop: Cell::new(false),
            generation: Cell::new(0),
            counts: Counts::default(),
            faults: RefCell::default(),
        });
        let serving = Rc::clone(&fleet);
        spawn_local(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => drop(spawn_local(Rc::clone(&serving).answer(stream))),
                    Err(error) => return serving.fault(format!("the origin server can't accept: {error}")),
                }
            }
        });
        Ok(fleet)
    }

    /// Keeps `count` tunnels open, one after the other each, until [`Self::stop`].
    pub(crate) fn keep_open(self: &Rc<Self>, count: u32) -> JoinSet<()> {
        self.stop.set(false);
        let mut clients = JoinSet::new();
        for _ in 0..count {
            let fleet = Rc::clone(self);
            clients.spawn_local(async move {
                while !fleet.stop.get() {
                    fleet.live(Life::new).await;
                }
            });
        }
        clients
    }

    /// Opens `count` tunnels that end when time is up.
    pub(crate) fn open_lasting(self: &Rc<Self>, count: u32) -> JoinSet<()> {
        self.stop.set(false);
        let mut clients = JoinSet::new();
        for _ in 0..count {
            let fleet = Rc::clone(self);
            clients.spawn_local(async move { fleet.live(Life::lasting).await });
        }
        clients
    }

    /// From here on a client that connects is served with this generation of the configuration, or a later one.
    pub(crate) fn reached(&self, generation: u64) {
        self.generation.set(generation);
    }

    /// Time is up. Waits until all tunnels have ended, and says which haven't.
    pub(crate) async fn stop(&self, mut clients: JoinSet<()>) {
        self.stop.set(true);
        let all = async {
            while let Some(ended) = clients.join_next().await {
                if let Err(error) = ended {
                    self.fault(format!("a client: {error}"));
                }
            }
        };
        if timeout(2 * PATIENCE, all).await.is_err() {
            let lives = self.lives.borrow();
            self.fault(format!("{} tunnels don't end", lives.len()));
            lives.values().take(5).for_each(|known| self.fault(known.life.describe()));
        }
    }

    pub(crate) fn fault(&self, fault: String) {
        self.faults.borrow_mut().push(fault);
    }

    /// One tunnel from beginning to end, as its client sees it; then it is looked at from both.
    async fn live(&self, make: fn(u64, u64) -> Life) {
        let serial = self.next.get();
        self.next.set(serial + 1);
        let known = Known {
            life: make(self.seed, serial),
            generation: self.generation.get(),
            origin_done: Notify::new(),
        };
        let known = Rc::new(known);
        self.lives.borrow_mut().insert(serial, Rc::clone(&known));
        if let Err(error) = self.client(&known).await {
            self.fault(format!("the client: {error:#}; {}", known.life.describe()));
            // What isn't well may fail at once, again and again.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.lives.borrow_mut().remove(&serial);
    }

    async fn client(&self, known: &Known) -> Result<()> {
        let opening = async {
            let _turn = self.beginners.acquire().await?;
            timeout(PATIENCE, self.open(known)).await.context("no end of the handshake")?
        };
        let (stream, early) = opening.await?;
        add(&self.counts.opened, 1);
        add(&self.counts.open, 1);
        let outcome = converse(stream, &early, &known.life, Side::Client, &self.stop).await;
        self.counts.open.set(self.counts.open.get() - 1);
        outcome?;
        timeout(PATIENCE, known.origin_done.notified())
            .await
            .context("the origin server doesn't see the end")?;
        self.count(&known.life)
    }

    async fn open(&self, known: &Known) -> Result<(Stream, Vec<u8>)> {
        let serial = known.life.serial;
        let mut nonce = [0; 16];
        pattern::fill(!serial, &mut nonce);
        let key = key_of(nonce);
        let mut stream = self.connect(known).await?;
        let request = format!(
            "GET /{serial} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n",
            self.proxy[0]
        );
        stream.write_all(request.as_bytes()).await.context("asking for a tunnel")?;
        stream.flush().await.context("asking for a tunnel")?;
        let head = Head::read(&mut stream).await?.context("the end of the stream instead of an answer")?;
        ensure!(head.second == "101", "status {} instead of 101", head.second);
        ensure!(head.field("Sec-WebSocket-Accept")? == accept_of(key.as_bytes()), "a wrong hash");
        Ok((stream, head.early))
    }

    /// Every other client comes under TLS. Who shakes hands in full has the certificate of the configuration that serves it.
    async fn connect(&self, known: &Known) -> Result<Stream> {
        let way = known.life.serial as usize;
        let socket = TcpStream::connect(self.proxy[way % 2]).await.context("connecting to the proxy")?;
        socket.set_nodelay(true)?;
        if way.is_multiple_of(2) {
            return Ok(Stream::Plain(socket));
        }
        let stream = self.tls[way / 2 % WAYS].secure(socket).await?;
        add(&self.counts.secured, 1);
        let certificate = stream.certificate().context("a server without a certificate")?;
        let generation = self.certificates.generation(certificate).context("an unknown certificate")?;
        if stream.is_resumed() {
            add(&self.counts.resumed, 1);
        } else {
            ensure!(
                generation >= known.generation,
                "the certificate of {generation}, not {}",
                known.generation
            );
        }
        Ok(stream)
    }

    /// Both ends are done: their books have to agree.
    fn count(&self, life: &Life) -> Result<()> {
        let counts = &self.counts;
        match life.ending {
            Ending::First(Side::Client) => add(&counts.client_first, 1),
            Ending::First(Side::Origin) => add(&counts.origin_first, 1),
            Ending::Together => add(&counts.together, 1),
            Ending::Reset(Side::Client) => add(&counts.client_reset, 1),
            Ending::Reset(Side::Origin) => add(&counts.origin_reset, 1),
        }
        if life.is_reset() {
            return Ok(());
        }
        for side in [Side::Client, Side::Origin] {
            let direction = life.from(side);
            ensure!(direction.end_seen.get(), "an end that didn't come through");
            ensure!(direction.sent.get() == direction.received.get(), "bytes were lost");
            add(&counts.moved[side as usize], direction.sent.get());
        }
        Ok(())
    }

    /// The origin server's end of one connection.
    async fn answer(self: Rc<Self>, stream: TcpStream) {
        let mut whose = None;
        let outcome = self.serve(stream, &mut whose).await;
        let Some(known) = whose else {
            return outcome.unwrap_or_else(|error| self.fault(format!("the origin server: {error:#}")));
        };
        if let Err(error) = outcome {
            self.fault(format!("the origin server: {error:#}; {}", known.life.describe()));
        }
        known.origin_done.notify_one();
    }

    async fn serve(&self, mut stream: TcpStream, whose: &mut Option<Rc<Known>>) -> Result<()> {
        stream.set_nodelay(true)?;
        let Some(head) = timeout(PATIENCE, Head::read(&mut stream)).await.context("no request")?? else {
            bail!("a connection without a request");
        };
        let serial =
            head.second.trim_start_matches('/').parse::<u64>().context("a tunnel without its number")?;
        let known = self.lives.borrow().get(&serial).map(Rc::clone);
        let known = whose.insert(known.with_context(|| format!("tunnel {serial} is nobody's"))?);
        let generation = head.field("X-Generation")?.parse::<u64>().context("a generation")?;
        ensure!(generation >= known.generation, "served as of {generation}, not {}", known.generation);
        let accept = accept_of(head.field("Sec-WebSocket-Key")?.as_bytes());
        let response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        stream.write_all(response.as_bytes()).await.context("sending a 101")?;
        converse(Stream::Plain(stream), &head.early, &known.life, Side::Origin, &self.stop).await
    }
}

fn add(count: &Cell<u64>, more: u64) {
    count.set(count.get() + more);
}
