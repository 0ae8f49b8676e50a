//! The order of things: rounds, in each round the workloads, for each workload the proxies in turn.

use crate::arguments::Arguments;
use crate::client::Tunnel;
use crate::door::Door;
use crate::origin::Origin;
use crate::proxy::{self, Proxy, Running, Site};
use crate::workload::{self, Workload};
use anyhow::{Context as _, Result, ensure};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use tokio::task::LocalSet;
use tokio::time::timeout;
use underpass_benches::cores;
use underpass_benches::machine::{self, Disturbance};
use underpass_benches::ports;

/// All figures of a run, and what they were taken on.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) machine: String,
    /// Percent of the two cores that other programs took meanwhile.
    pub(crate) disturbance: f64,
    pub(crate) rounds: u32,
    pub(crate) proxies: Vec<Entrant>,
    pub(crate) rows: Vec<Row>,
    /// What the proxies wrote to their logs as an error, though every byte was right.
    pub(crate) complaints: Vec<String>,
}

/// A proxy that took part.
#[derive(Debug)]
pub(crate) struct Entrant {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    /// Whether it is one of this project's.
    pub(crate) ours: bool,
}

/// One workload's figures.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) workload: Workload,
    /// By proxy, then by round.
    pub(crate) figures: Vec<Vec<f64>>,
}

/// Measures everything that the command line asks for.
pub(crate) async fn run(arguments: &Arguments) -> Result<Outcome> {
    LocalSet::new().run_until(measure_all(arguments)).await
}

async fn measure_all(arguments: &Arguments) -> Result<Outcome> {
    let proxies = proxy::chosen(arguments)?.into_iter().map(Proxy::found).collect::<Result<Vec<_>>>()?;
    let workloads = workloads(arguments)?;
    cores::check(arguments.load_core, arguments.proxy_core)?;
    let files = workloads.iter().map(|workload| workload.open_files(arguments.quick)).max();
    cores::raise_open_files(files.unwrap_or_default())?;
    cores::pin(arguments.load_core)?;

    let folder = tempfile::Builder::new().prefix("underpass-compare-").tempdir()?;
    let (listener, [listen, secure]) = ports::free_three(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    let origin = Origin::start(listener)?;
    let site = Site {
        folder: folder.path().to_owned(),
        listen,
        secure,
        origin: origin.address,
        load_core: arguments.load_core,
        proxy_core: arguments.proxy_core,
    };
    site.prepare()?;

    let entrants = proxies.iter().map(|p| Ok(Entrant { name: p.name, version: p.version()?, ours: p.ours }));
    let entrants = entrants.collect::<Result<_>>()?;
    let rounds = if arguments.quick { 1 } else { arguments.rounds };
    let mut outcome = Outcome {
        machine: machine::describe()?,
        disturbance: 0.0,
        rounds,
        proxies: entrants,
        rows: Vec::new(),
        complaints: Vec::new(),
    };
    outcome.rows.extend(
        workloads
            .iter()
            .map(|workload| Row { workload: *workload, figures: vec![Vec::new(); proxies.len()] }),
    );

    let disturbance = Disturbance::watch([arguments.load_core, arguments.proxy_core])?;
    // Round 0 warms up caches, the processor's clock and the kernel's tables; a smoke test has no use for it.
    let first = u32::from(arguments.quick);
    for round in first..=rounds {
        for row in &mut outcome.rows {
            for index in in_turn(proxies.len(), round) {
                let visit = visit(&proxies[index], &row.workload, &site, arguments.quick);
                let (figure, complaints) = timeout(PATIENCE, visit).await.unwrap_or_else(|_| {
                    Err(anyhow::anyhow!("{}: no end after {PATIENCE:?}", row.workload.title))
                })?;
                origin.check().with_context(|| proxies[index].name)?;
                outcome.complaints.extend(complaints);
                if round > 0 {
                    row.figures[index].push(figure);
                }
            }
        }
        if !arguments.quick {
            eprintln!(
                "round {round} of {rounds}{}",
                if round == 0 { " (warm-up, does not count)" } else { "" }
            );
        }
    }
    outcome.disturbance = disturbance.percent()?;
    Ok(outcome)
}

/// Bounds one visit that hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A A's turn, B's turn, B's turn, A's turn: what drifts in the course of a run weighs on all alike.
fn in_turn(proxies: usize, round: u32) -> Vec<usize> {
    if round.is_multiple_of(2) { (0..proxies).collect() } else { (0..proxies).rev().collect() }
}

/// Starts a proxy, takes one figure and stops it: each figure is that of a process of its own.
async fn visit(proxy: &Proxy, workload: &Workload, site: &Site, quick: bool) -> Result<(f64, Vec<String>)> {
    let started = Instant::now();
    let running = proxy.start(site)?;
    let figure = measure(workload, site, &running, quick).await.with_context(|| {
        let log = running.complaints().map(|lines| lines.join("\n"));
        format!("{}; its log: {}", proxy.name, log.unwrap_or_else(|error| error.to_string()))
    })?;
    let complaints = running.complaints()?;
    running.stop()?;
    if !quick {
        let (key, name, unit) = (workload.key, proxy.name, workload.unit.symbol());
        eprintln!("  {key:<12} {name:<20} {figure:>9.2} {unit} ({:.1} s)", started.elapsed().as_secs_f64());
    }
    Ok((figure, complaints))
}

async fn measure(workload: &Workload, site: &Site, running: &Running, quick: bool) -> Result<f64> {
    Tunnel::open(Door::plain(site.listen), 0).await?.close().await.context("the first tunnel")?;
    workload.measure(site, &running.meter()?, quick).await
}

fn workloads(arguments: &Arguments) -> Result<Vec<Workload>> {
    for key in &arguments.workload {
        let known = workload::ALL.iter().map(|w| w.key).collect::<Vec<_>>();
        ensure!(known.contains(&key.as_str()), "--workload {key}: known are {}", known.join(", "));
    }
    let wanted =
        |w: &&Workload| arguments.workload.is_empty() || arguments.workload.iter().any(|key| key == w.key);
    Ok(workload::ALL.iter().filter(wanted).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::in_turn;

    #[test]
    fn the_first_turn_alternates() {
        assert_eq!(in_turn(2, 0), [0, 1]);
        assert_eq!(in_turn(2, 1), [1, 0]);
        assert_eq!(in_turn(3, 3), [2, 1, 0]);
    }
}
