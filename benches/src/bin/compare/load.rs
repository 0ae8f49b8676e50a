//! The clients of each workload, and what the proxy spends on them.

use crate::client::{KeptConnection, Tunnel};
use crate::door::Door;
use crate::flood::Flood;
use anyhow::{Context as _, Result, ensure};
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::{JoinSet, spawn_local};
use tokio::time::sleep;
use underpass_benches::meter::Meter;

/// Tunnels that open and close.
pub(crate) async fn lives(door: &Door, meter: &Meter, clients: u64, operations: u64) -> Result<f64> {
    let serial = Rc::new(Cell::new(0));
    let some = async |count: u64| {
        let mut all = JoinSet::new();
        let left = Rc::new(Cell::new(count));
        for _ in 0..clients {
            let (left, serial, door) = (Rc::clone(&left), Rc::clone(&serial), door.clone());
            all.spawn_local(async move {
                while takes_one(&left) {
                    serial.set(serial.get() + 1);
                    Tunnel::open(door.clone(), serial.get()).await?.close().await?;
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

/// Connections that only shake hands; a client comes by each of `doors`.
pub(crate) async fn handshakes(
    doors: Vec<Door>,
    meter: &Meter,
    resumed: bool,
    operations: u64,
) -> Result<f64> {
    let some = async |count: u64, resumed: bool| {
        let mut all = JoinSet::new();
        let left = Rc::new(Cell::new(count));
        for door in &doors {
            let (left, door) = (Rc::clone(&left), door.clone());
            all.spawn_local(async move {
                while takes_one(&left) {
                    door.shake_hands(resumed).await?;
                }
                Ok(())
            });
        }
        join(all).await.map(drop)
    };
    // The session of each client that it takes up later.
    for door in &doors {
        door.shake_hands(false).await?;
    }
    some(operations / 10, resumed).await?;
    let before = meter.processor_time().await?;
    some(operations, resumed).await?;
    per_operation(before, meter.processor_time().await?, operations)
}

/// Whether something is left to do, of which the caller does one.
fn takes_one(left: &Cell<u64>) -> bool {
    let rest = left.get().checked_sub(1);
    left.set(rest.unwrap_or_default());
    rest.is_some()
}

/// Messages through tunnels that are open, and back.
pub(crate) async fn echo(
    door: &Door,
    meter: &Meter,
    count: u64,
    length: usize,
    operations: u64,
) -> Result<f64> {
    let mut tunnels = open(door, 0, count).await?;
    let each = (operations / count).max(1);
    tunnels = messages(tunnels, length, (each / 10).max(1)).await?;
    let before = meter.processor_time().await?;
    tunnels = messages(tunnels, length, each).await?;
    let after = meter.processor_time().await?;
    close(tunnels).await?;
    per_operation(before, after, each * count)
}

/// The same through two doors of one proxy in turn: what drifts meanwhile, and how the program lies in memory, weighs on
/// both alike.
pub(crate) async fn echo_in_turn(
    doors: [Door; 2],
    meter: &Meter,
    count: u64,
    length: usize,
    operations: u64,
) -> Result<[f64; 2]> {
    let each = (operations / count / SLICES).max(1);
    let mut tunnels = [open(&doors[0], 0, count).await?, open(&doors[1], count, count).await?];
    for tunnels in &mut tunnels {
        *tunnels = messages(std::mem::take(tunnels), length, each).await?;
    }
    let mut spent = [0; 2];
    for slice in 0..SLICES {
        // A, B, B, A and so on.
        for turn in [slice % 2, (slice + 1) % 2].map(|turn| turn as usize) {
            let before = meter.processor_time().await?;
            tunnels[turn] = messages(std::mem::take(&mut tunnels[turn]), length, each).await?;
            spent[turn] += meter.processor_time().await? - before;
        }
    }
    for tunnels in tunnels {
        close(tunnels).await?;
    }
    let figure = |spent| per_operation(0, spent, each * SLICES * count);
    Ok([figure(spent[0])?, figure(spent[1])?])
}

/// How often each of two has its turn.
const SLICES: u64 = 10;

/// Requests on connections that persist.
pub(crate) async fn get(door: &Door, meter: &Meter, count: u64, operations: u64) -> Result<f64> {
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
        connections.push(KeptConnection::open(door).await?);
    }
    connections = some(connections, (each / 10).max(1)).await?;
    let before = meter.processor_time().await?;
    connections = some(connections, each).await?;
    let after = meter.processor_time().await?;
    drop(connections);
    per_operation(before, after, each * count)
}

/// Measures the memory of open and quiet tunnels. Where the proxy sends Pings (`is_pinged`), each client has answered one
/// before.
pub(crate) async fn idle(
    door: &Door,
    meter: &Meter,
    others: u64,
    count: u64,
    is_pinged: bool,
) -> Result<f64> {
    // What a worker allocates once, when it serves for the first time, is no tunnel's cost.
    close(messages(open(door, 0, 1).await?, 128, 1).await?).await?;
    let others = messages(open(door, count, others).await?, 128, 1).await?;
    let before = meter.private_memory().await?;
    let mut tunnels = messages(open(door, 0, count).await?, 128, 1).await?;
    if is_pinged {
        for tunnel in &mut tunnels {
            tunnel.ping().await?;
        }
    }
    let after = meter.private_memory().await?;
    // They were idle, not dead.
    tunnels = messages(tunnels, 128, 1).await?;
    close(tunnels).await?;
    close(others).await?;
    Ok((after as f64 - before as f64) / count as f64)
}

/// How long echoes take, first while nothing else is done, then while others shake hands, one after the other: of each
/// the time that 99 of 100 of them don't exceed. Then how busy the proxy's core was with those others, in percent: one that
/// wasn't at its limit has shown nothing.
pub(crate) async fn latency(
    door: &Door,
    meter: &Meter,
    flood: Door,
    [tunnels, clients]: [u64; 2],
    operations: u64,
    quick: bool,
) -> Result<[f64; 3]> {
    let mut tunnels = messages(open(door, 0, tunnels).await?, 128, 1).await?;
    let quiet = percentile(&mut tunnels, operations).await?;
    let flood = Flood::start(flood, clients)?;
    while flood.handshakes() < clients {
        sleep(Duration::from_millis(1)).await;
        ensure!(!flood.has_ended(), "{:?}", flood.end());
    }
    let (begun, first, spent) = (Instant::now(), flood.handshakes(), meter.processor_time_now()?);
    let flooded = percentile(&mut tunnels, operations).await?;
    let passed = begun.elapsed().as_secs_f64();
    let busy = (meter.processor_time_now()? - spent) as f64 / 1e7 / passed;
    if !quick {
        let each = (flood.handshakes() - first) as f64 / passed;
        eprintln!("  {each:.0} handshakes a second meanwhile");
    }
    flood.end()?;
    close(tunnels).await?;
    Ok([quiet, flooded, busy])
}

async fn percentile(tunnels: &mut [Tunnel], operations: u64) -> Result<f64> {
    let mut times = Vec::new();
    for index in 0..operations as usize {
        // In step with nothing.
        sleep(Duration::from_micros(fastrand::u64(0..2_000))).await;
        let at = index % tunnels.len();
        let sent = Instant::now();
        tunnels[at].echo(128).await?;
        times.push(sent.elapsed().as_nanos() as u64);
    }
    times.sort_unstable();
    let rank = (times.len() * 99).div_ceil(100);
    times.get(rank - 1).map(|time| *time as f64 / 1000.0).context("no echo")
}

/// Opens tunnels with the numbers from `first` on, a few at a time: a listen queue is short.
async fn open(door: &Door, first: u64, count: u64) -> Result<Vec<Tunnel>> {
    let mut tunnels = Vec::new();
    let serials = (first..first + count).collect::<Vec<_>>();
    for serials in serials.chunks(64) {
        let mut some = JoinSet::new();
        for &serial in serials {
            some.spawn_local(Tunnel::open(door.clone(), serial));
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
            for _ in 0..each {
                tunnel.echo(length).await?;
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
