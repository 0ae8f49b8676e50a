//! The order of things: rounds, in each round the workloads, for each workload the proxies in turn.

use crate::arguments::Arguments;
use crate::client::Tunnel;
use crate::door::Door;
use crate::origin::Origin;
use crate::proxy::{self, Configuration, Proxy, Running, Setup, Site};
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
    /// By proxy, then by figure, then by round; none of a proxy that isn't measured with it.
    pub(crate) figures: Vec<Vec<Vec<f64>>>,
}

impl Row {
    fn new(workload: Workload, proxies: &[Proxy]) -> Self {
        let of = |proxy: &Proxy| {
            let takes_part = proxy.knows_frames || !workload.is_about_frames();
            vec![Vec::new(); if takes_part { workload.figures().len() } else { 0 }]
        };
        Self { workload, figures: proxies.iter().map(of).collect() }
    }
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
    let rows = workloads.into_iter().map(|workload| Row::new(workload, &proxies));
    outcome.rows.extend(rows.filter(|row| row.figures.iter().any(|figures| !figures.is_empty())));
    ensure!(!outcome.rows.is_empty(), "none of these proxies takes part in any of these workloads");
    if outcome.rows.iter().any(|row| row.workload.setup().tells_blindness) {
        for proxy in proxies.iter().filter(|proxy| proxy.knows_frames) {
            tells_blindness(proxy, &site).await.with_context(|| proxy.name)?;
        }
    }

    let disturbance = Disturbance::watch([arguments.load_core, arguments.proxy_core])?;
    // Round 0 warms up caches, the processor's clock and the kernel's tables; a smoke test has no use for it.
    let first = u32::from(arguments.quick);
    for round in first..=rounds {
        let begun = Instant::now();
        for row in outcome.rows.iter_mut().filter(|row| row.workload.is_due(round)) {
            for index in in_turn(proxies.len(), round) {
                if row.figures[index].is_empty() {
                    continue;
                }
                let visits = visits(&proxies[index], &row.workload, &site, round, arguments.quick);
                let (figures, complaints) = visits.await?;
                origin.check().with_context(|| proxies[index].name)?;
                outcome.complaints.extend(complaints);
                if round > 0 {
                    row.figures[index].iter_mut().zip(figures).for_each(|(all, figure)| all.push(figure));
                }
            }
        }
        if !arguments.quick {
            eprintln!(
                "round {round} of {rounds} in {:.0} s{}",
                begun.elapsed().as_secs_f64(),
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

/// Tries that a tunnel that goes blind is seen in the log of this proxy, with each configuration: what is never said proves
/// nothing when it is missing.
async fn tells_blindness(proxy: &Proxy, site: &Site) -> Result<()> {
    for (file, path, tells) in [
        (Configuration::Common, "/chat/", true),
        (Configuration::Awareness, "/chat/", true),
        (Configuration::Awareness, "/chat/all/", true),
        (Configuration::Awareness, "/chat/off/", false),
    ] {
        let running = proxy.start(site, Setup { file, tells_blindness: true })?;
        let mut tunnel = Tunnel::open(Door::plain_at(site.listen, path), 0).await?;
        tunnel.break_rules().await?;
        tunnel.close().await?;
        let lines = running.stop()?.gone_blind();
        ensure!(
            lines.len() == usize::from(tells),
            "a tunnel of {path} in {file:?} that breaks the rules of frames leaves {} lines about that in the log",
            lines.len()
        );
    }
    Ok(())
}

/// All figures of a workload in one round, and what the proxy complained about: each sitting is that of a process of its own.
async fn visits(
    proxy: &Proxy,
    workload: &Workload,
    site: &Site,
    round: u32,
    quick: bool,
) -> Result<(Vec<f64>, Vec<String>)> {
    let mut figures = vec![Vec::new(); workload.sittings()];
    let mut complaints = Vec::new();
    for sitting in in_turn(workload.sittings(), round) {
        let visit = visit(proxy, workload, site, sitting, quick);
        let (some, said) = timeout(PATIENCE, visit)
            .await
            .unwrap_or_else(|_| Err(anyhow::anyhow!("{}: no end after {PATIENCE:?}", workload.title)))?;
        figures[sitting] = some;
        complaints.extend(said);
    }
    Ok((figures.concat(), complaints))
}

/// Starts a proxy, takes the figures of one sitting and stops it.
async fn visit(
    proxy: &Proxy,
    workload: &Workload,
    site: &Site,
    sitting: usize,
    quick: bool,
) -> Result<(Vec<f64>, Vec<String>)> {
    let started = Instant::now();
    let running = proxy.start(site, workload.setup())?;
    let figures = measure(workload, site, &running, sitting, quick).await.with_context(|| {
        let log = running.logged().map(|log| log.complaints().join("\n"));
        format!("{}; its log: {}", proxy.name, log.unwrap_or_else(|error| error.to_string()))
    })?;
    let log = running.stop()?;
    // Its figure would be that of bytes nobody looks at.
    let blind = log.gone_blind();
    ensure!(blind.is_empty(), "{}: {} tunnels went blind: {}", proxy.name, blind.len(), blind[0]);
    if !quick {
        let unit = |figure| workload.unit_of(figure).symbol();
        let shown = figures.iter().enumerate().map(|(at, figure)| format!("{figure:>9.2} {}", unit(at)));
        let (key, name, shown) = (workload.key, proxy.name, shown.collect::<Vec<_>>().join(" "));
        eprintln!("  {key:<14} {name:<20} {shown} ({:.1} s)", started.elapsed().as_secs_f64());
    }
    Ok((figures, log.complaints()))
}

async fn measure(
    workload: &Workload,
    site: &Site,
    running: &Running,
    sitting: usize,
    quick: bool,
) -> Result<Vec<f64>> {
    Tunnel::open(Door::plain(site.listen), 0).await?.close().await.context("the first tunnel")?;
    workload.measure(site, &running.meter()?, sitting, quick).await
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
