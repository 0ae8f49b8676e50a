//! The order of things: tunnels and reloads for so long, all tunnels end, then as many again and a drain.

use crate::arguments::Arguments;
use crate::curve::{Sample, growth};
use crate::fleet::{Counts, Fleet};
use crate::process::Process;
use anyhow::{Context as _, Result, ensure};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::time::sleep;
use underpass_benches::meter::Holdings;
use underpass_benches::{cores, machine, ports};

/// What a run has shown.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) program: String,
    pub(crate) machine: String,
    pub(crate) tunnels: u32,
    pub(crate) seconds: u64,
    pub(crate) reloads: u64,
    /// Before the first tunnel, and once all had ended.
    pub(crate) rest: [Holdings; 2],
    pub(crate) curve: Vec<Sample>,
    pub(crate) fleet: Rc<Fleet>,
    /// What went wrong.
    pub(crate) faults: Vec<String>,
}

impl Outcome {
    pub(crate) fn counts(&self) -> &Counts {
        &self.fleet.counts
    }
}

/// Runs what the command line asks for. An error is something that keeps the run from going on; what is wrong with
/// single tunnels is in the outcome.
pub(crate) async fn run(arguments: &Arguments) -> Result<Outcome> {
    // Two ends of each tunnel here, two in the proxy, which takes its limit from this process.
    cores::raise_open_files(u64::from(arguments.tunnels) * 2 + 200)?;
    let folder = tempfile::Builder::new().prefix("underpass-soak-").tempdir()?;
    let (listener, listen) = ports::free_three(Ipv4Addr::LOCALHOST.into())?;
    let origin = listener.local_addr()?;
    let fleet = Fleet::start(listener, listen, arguments.seed)?;
    let mut process =
        Process::start(&arguments.program, folder.path(), listen, origin, &fleet.certificates).await?;

    let before = at_rest_before(&fleet, &process).await?;
    let curve = traffic(arguments, &fleet, &mut process).await?;
    let after = at_rest_after(&fleet, &process, before).await?;
    if let Some(growth) = growth(&curve) {
        fleet.fault(growth);
    }
    drain(arguments, &fleet, &mut process).await?;

    for line in process.complaints() {
        fleet.fault(format!("in its log: {line}"));
    }
    let (told, opened) = (process.told()?, fleet.counts.opened.get());
    if told != opened {
        fleet.fault(format!("the access log tells of {told} tunnels, {opened} were opened"));
    }
    let program = arguments.program.file_name().context("a program")?.to_string_lossy().into_owned();
    let faults = fleet.faults.borrow().clone();
    Ok(Outcome {
        program,
        machine: machine::describe()?,
        tunnels: arguments.tunnels,
        seconds: arguments.seconds,
        reloads: process.generation(),
        rest: [before, after],
        curve,
        fleet,
        faults,
    })
}

/// What the proxy holds when it has served, and serves nobody.
async fn at_rest_before(fleet: &Rc<Fleet>, process: &Process) -> Result<Holdings> {
    let some = fleet.open_lasting(16);
    sleep(Duration::from_millis(500)).await;
    fleet.stop(some).await;
    let meter = process.meter()?;
    meter.private_memory().await?;
    meter.holdings()
}

async fn traffic(arguments: &Arguments, fleet: &Rc<Fleet>, process: &mut Process) -> Result<Vec<Sample>> {
    let (begun, meter) = (Instant::now(), process.meter()?);
    let [end, reload, sample] =
        [arguments.seconds, arguments.reload, arguments.sample].map(Duration::from_secs);
    let clients = fleet.keep_open(arguments.tunnels);
    let (mut next_reload, mut next_sample) = (reload, sample);
    let mut curve = Vec::new();
    while begun.elapsed() < end {
        let next = next_reload.min(next_sample).min(end);
        sleep(next.saturating_sub(begun.elapsed())).await;
        process.check()?;
        if next == next_reload {
            fleet.reached(process.reload(&fleet.certificates).await?);
            next_reload += reload;
        }
        if next == next_sample {
            let look =
                Sample { at: begun.elapsed(), open: fleet.counts.open.get(), holdings: meter.holdings()? };
            tell(&look, fleet);
            curve.push(look);
            next_sample += sample;
        }
        ensure!(fleet.faults.borrow().len() < 1_000, "too much went wrong: {}", fleet.faults.borrow()[0]);
    }
    fleet.stop(clients).await;
    Ok(curve)
}

fn tell(look: &Sample, fleet: &Fleet) {
    let Holdings { private, resident, descriptors } = look.holdings;
    eprintln!(
        "  {:>4} s: {} open, {} opened, private {} KiB, resident {} KiB, {descriptors} descriptors, {} faults",
        look.at.as_secs(),
        look.open,
        fleet.counts.opened.get(),
        private >> 10,
        resident >> 10,
        fleet.faults.borrow().len()
    );
}

/// All tunnels have ended: the descriptors are those from before.
async fn at_rest_after(fleet: &Fleet, process: &Process, before: Holdings) -> Result<Holdings> {
    let (meter, begun) = (process.meter()?, Instant::now());
    while meter.holdings()?.descriptors > before.descriptors && begun.elapsed() < Duration::from_secs(30) {
        sleep(Duration::from_millis(100)).await;
    }
    meter.private_memory().await?;
    let after = meter.holdings()?;
    if after.descriptors != before.descriptors {
        fleet.fault(format!("{} descriptors before, {} after", before.descriptors, after.descriptors));
    }
    Ok(after)
}

/// As many tunnels again; they live on while the proxy drains, and it ends when they have.
async fn drain(arguments: &Arguments, fleet: &Rc<Fleet>, process: &mut Process) -> Result<()> {
    let wanted = fleet.counts.opened.get() + u64::from(arguments.tunnels);
    let clients = fleet.open_lasting(arguments.tunnels);
    let begun = Instant::now();
    while fleet.counts.opened.get() < wanted {
        ensure!(begun.elapsed() < Duration::from_secs(60), "not all tunnels for the drain can be opened");
        sleep(Duration::from_millis(10)).await;
    }
    process.quit().await?;
    sleep(Duration::from_secs(arguments.seconds.div_ceil(60).max(2))).await;
    process.check().context("while tunnels are open")?;
    fleet.stop(clients).await;
    let status = process.ended().await?;
    if status.code() != Some(0) {
        fleet.fault(format!("the drain ended with {status}"));
    }
    Ok(())
}
