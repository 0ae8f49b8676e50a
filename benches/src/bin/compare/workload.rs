//! What is measured. To add a row, add it to [`ALL`] and say in [`Workload::measure`] what one operation is.

use crate::client::{KeptConnection, Tunnel};
use anyhow::{Context as _, Result, ensure};
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::task::{JoinSet, spawn_local};
use underpass_benches::meter::Meter;

/// One row of the result.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workload {
    /// What `--workload` calls it.
    pub(crate) key: &'static str,
    /// What the table calls it.
    pub(crate) title: &'static str,
    pub(crate) unit: Unit,
    /// Operations of one measurement: in earnest, and in a smoke test.
    pub(crate) operations: [u64; 2],
    kind: Kind,
}

/// What a figure is a number of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Processor time per operation.
    Microseconds,
    /// Private memory per tunnel.
    Bytes,
}

impl Unit {
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Microseconds => "µs",
            Self::Bytes => "B",
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Connect, upgrade, close; so many clients at a time.
    Lives { clients: u64 },
    /// A message through a tunnel and back; so many tunnels at a time, one message under way in each.
    Echo { tunnels: u64, message: usize },
    /// GET on connections that persist; so many at a time.
    Get { connections: u64 },
    /// Tunnels that are open and quiet, after one message each.
    Idle,
}

/// All rows, in the order of the table.
pub(crate) const ALL: &[Workload] = &[
    Workload {
        key: "life",
        title: "a tunnel's life: connect, upgrade, close",
        unit: Unit::Microseconds,
        operations: [4_000, 100],
        kind: Kind::Lives { clients: 16 },
    },
    Workload {
        key: "echo-64",
        title: "a 128-byte message and its echo, 64 tunnels",
        unit: Unit::Microseconds,
        operations: [64_000, 640],
        kind: Kind::Echo { tunnels: 64, message: 128 },
    },
    Workload {
        key: "get",
        title: "a GET with keep-alive, 32 connections, 1 KiB of content",
        unit: Unit::Microseconds,
        operations: [64_000, 320],
        kind: Kind::Get { connections: 32 },
    },
    Workload {
        key: "idle",
        title: "private memory per idle tunnel, 5,000 tunnels",
        unit: Unit::Bytes,
        operations: [5_000, 200],
        kind: Kind::Idle,
    },
];

impl Workload {
    /// One figure, taken from a proxy that has just been started.
    pub(crate) async fn measure(&self, proxy: SocketAddr, meter: &Meter, quick: bool) -> Result<f64> {
        let operations = self.operations[usize::from(quick)];
        match self.kind {
            Kind::Lives { clients } => lives(proxy, meter, clients, operations).await,
            Kind::Echo { tunnels, message } => echo(proxy, meter, tunnels, message, operations).await,
            Kind::Get { connections } => get(proxy, meter, connections, operations).await,
            Kind::Idle => idle(proxy, meter, operations).await,
        }
        .with_context(|| self.title.to_owned())
    }

    /// Files that the origin server and the clients have open at once, generously.
    pub(crate) fn open_files(&self, quick: bool) -> u64 {
        let pairs = match self.kind {
            Kind::Lives { clients: pairs }
            | Kind::Echo { tunnels: pairs, .. }
            | Kind::Get { connections: pairs } => pairs,
            Kind::Idle => self.operations[usize::from(quick)],
        };
        2 * pairs + 200
    }
}

async fn lives(proxy: SocketAddr, meter: &Meter, clients: u64, operations: u64) -> Result<f64> {
    let serial = Rc::new(Cell::new(0));
    let some = async |count: u64| {
        let mut all = JoinSet::new();
        let left = Rc::new(Cell::new(count));
        for _ in 0..clients {
            let (left, serial) = (Rc::clone(&left), Rc::clone(&serial));
            all.spawn_local(async move {
                while let Some(rest) = left.get().checked_sub(1) {
                    left.set(rest);
                    serial.set(serial.get() + 1);
                    Tunnel::open(proxy, serial.get()).await?.close().await?;
                }
                Ok(())
            });
        }
        join(all).await.map(drop)
    };
    some(operations / 10).await?;
    let before = meter.processor_time().await?;
    some(operations).await?;
    per_operation(before, meter.processor_time().await?, operations)
}

async fn echo(proxy: SocketAddr, meter: &Meter, count: u64, length: usize, operations: u64) -> Result<f64> {
    let mut tunnels = open(proxy, count).await?;
    let each = (operations / count).max(1);
    tunnels = messages(tunnels, length, (each / 10).max(1)).await?;
    let before = meter.processor_time().await?;
    tunnels = messages(tunnels, length, each).await?;
    let after = meter.processor_time().await?;
    close(tunnels).await?;
    per_operation(before, after, each * count)
}

async fn get(proxy: SocketAddr, meter: &Meter, count: u64, operations: u64) -> Result<f64> {
    let each = (operations / count).max(1);
    let some = async |connections: Vec<KeptConnection>, each: u64| {
        let mut all = JoinSet::new();
        for (index, mut connection) in (0_u64..).zip(connections) {
            all.spawn_local(async move {
                for request in 0..each {
                    connection.get((index << 32) | request).await?;
                }
                Ok(connection)
            });
        }
        join(all).await
    };
    let mut connections = Vec::new();
    for _ in 0..count {
        connections.push(KeptConnection::open(proxy).await?);
    }
    connections = some(connections, (each / 10).max(1)).await?;
    let before = meter.processor_time().await?;
    connections = some(connections, each).await?;
    let after = meter.processor_time().await?;
    drop(connections);
    per_operation(before, after, each * count)
}

async fn idle(proxy: SocketAddr, meter: &Meter, count: u64) -> Result<f64> {
    // What a worker allocates once, when it serves for the first time, is no tunnel's cost.
    close(messages(open(proxy, 1).await?, 128, 1).await?).await?;
    let before = meter.private_memory().await?;
    let mut tunnels = messages(open(proxy, count).await?, 128, 1).await?;
    let after = meter.private_memory().await?;
    // They were idle, not dead.
    tunnels = messages(tunnels, 128, 1).await?;
    close(tunnels).await?;
    Ok((after as f64 - before as f64) / count as f64)
}

/// Opens tunnels, a few at a time: a listen queue is short.
async fn open(proxy: SocketAddr, count: u64) -> Result<Vec<Tunnel>> {
    let mut tunnels = Vec::new();
    for first in (0..count).step_by(64) {
        let mut some = JoinSet::new();
        for serial in first..count.min(first + 64) {
            some.spawn_local(Tunnel::open(proxy, serial));
        }
        tunnels.extend(join(some).await?);
    }
    Ok(tunnels)
}

/// Sends `each` messages through each tunnel, all tunnels at the same time.
async fn messages(tunnels: Vec<Tunnel>, length: usize, each: u64) -> Result<Vec<Tunnel>> {
    let mut all = JoinSet::new();
    for mut tunnel in tunnels {
        all.spawn_local(async move {
            let mut message = vec![0; length];
            for _ in 0..each {
                tunnel.echo(&mut message).await?;
            }
            Ok(tunnel)
        });
    }
    join(all).await
}

async fn close(tunnels: Vec<Tunnel>) -> Result<()> {
    for tunnel in tunnels {
        spawn_local(tunnel.close()).await??;
    }
    Ok(())
}

/// Waits for all, and fails with the first that fails.
async fn join<T: 'static>(mut all: JoinSet<Result<T>>) -> Result<Vec<T>> {
    let mut results = Vec::with_capacity(all.len());
    while let Some(result) = all.join_next().await {
        results.push(result.context("a client panicked")??);
    }
    Ok(results)
}

fn per_operation(before: u64, after: u64, operations: u64) -> Result<f64> {
    ensure!(after > before, "{operations} operations took no processor time");
    Ok((after - before) as f64 / 1000.0 / operations as f64)
}
