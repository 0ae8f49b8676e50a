//! What the figures were taken on.

use anyhow::{Context as _, Result, ensure};
use std::fs;

/// Processor and kernel in one line.
pub fn describe() -> Result<String> {
    let processors = fs::read_to_string("/proc/cpuinfo").context("/proc/cpuinfo")?;
    let field = |name: &str| {
        let line =
            processors.lines().find(|line| line.split(':').next().is_some_and(|word| word.trim() == name));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
    };
    // Virtual machines often hide the model's name; family and number still tell the generation.
    let model = match (field("model name"), field("cpu family"), field("model")) {
        (Some(name), Some(family), Some(number)) => format!("{name} (family {family}, model {number})"),
        (Some(name), ..) => name.to_owned(),
        _ => "unknown processor".to_owned(),
    };
    let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").context("the kernel's release")?;
    let guest = if field("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")) {
        ", virtual machine"
    } else {
        ""
    };
    Ok(format!("{model}, {cores} cores{guest}; Linux {}", kernel.trim()))
}

/// How much of the two cores went to programs that have nothing to do with the comparison, or to other machines on
/// the same host. On a machine that isn't quiet the figures are worth less, and the reader should know.
#[derive(Debug)]
pub struct Disturbance {
    cores: [usize; 2],
    before: Ticks,
}

impl Disturbance {
    /// Begins to look.
    pub fn watch(cores: [usize; 2]) -> Result<Self> {
        Ok(Self { cores, before: Ticks::read(cores)? })
    }

    /// In percent of both cores since [`Self::watch`]. Proxies count as ours once they have ended.
    pub fn percent(&self) -> Result<f64> {
        let now = Ticks::read(self.cores)?;
        let (all, busy) = (now.all - self.before.all, now.busy - self.before.busy);
        let ours = now.ours - self.before.ours;
        Ok(if all == 0 { 0.0 } else { 100.0 * busy.saturating_sub(ours) as f64 / all as f64 })
    }
}

/// The kernel's tick counters: of two cores, and of this process with the children that it has waited for.
#[derive(Debug, Clone, Copy)]
struct Ticks {
    all: u64,
    busy: u64,
    ours: u64,
}

impl Ticks {
    fn read(cores: [usize; 2]) -> Result<Self> {
        let (mut all, mut busy) = (0, 0);
        let text = fs::read_to_string("/proc/stat").context("/proc/stat")?;
        for core in cores {
            let name = format!("cpu{core}");
            let line =
                text.lines().find(|line| line.split(' ').next() == Some(&name)).context(name.clone())?;
            // user nice system idle iowait irq softirq steal; what follows is contained in the first two.
            let fields = numbers(line.split_ascii_whitespace().skip(1).take(8))?;
            ensure!(fields.len() == 8, "/proc/stat: {line}");
            let total = fields.iter().sum::<u64>();
            all += total;
            busy += total - fields[3] - fields[4];
        }
        let own = fs::read_to_string("/proc/self/stat").context("/proc/self/stat")?;
        let (_, behind_name) = own.rsplit_once(')').context("/proc/self/stat")?;
        // utime stime cutime cstime are the fields 14 to 17; the state, behind the name, is field 3.
        let fields = numbers(behind_name.split_ascii_whitespace().skip(11).take(4))?;
        ensure!(fields.len() == 4, "/proc/self/stat: {own}");
        Ok(Self { all, busy, ours: fields.iter().sum() })
    }
}

fn numbers<'a>(words: impl Iterator<Item = &'a str>) -> Result<Vec<u64>> {
    words.map(|word| word.parse().with_context(|| format!("not a number: {word}"))).collect()
}
