//! What a proxy costs, as the kernel counts it: processor time and private memory, summed over all its processes.

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Reads the counters of a process and its descendants.
#[derive(Debug)]
pub struct Meter {
    processes: Vec<u32>,
}

impl Meter {
    /// The process `root` and what it has started until now.
    pub fn of(root: u32) -> Result<Self> {
        let parents = parents()?;
        let mut processes = vec![root];
        let mut looked_at = 0;
        while looked_at < processes.len() {
            let parent = processes[looked_at];
            processes.extend(parents.iter().filter(|(_, p)| *p == parent).map(|(child, _)| *child));
            looked_at += 1;
        }
        Ok(Self { processes })
    }

    /// The processes, parents before children.
    pub fn processes(&self) -> Vec<u32> {
        self.processes.clone()
    }

    /// Nanoseconds that all threads have spent on a core, once the proxy has come to rest. The kernel brings the
    /// counter of a running thread up to date only now and then; that of a sleeping one is exact.
    pub async fn processor_time(&self) -> Result<u64> {
        self.at_rest("processor time", Duration::from_millis(20), Self::processor_time_now).await
    }

    /// Bytes of memory that no other process shares, once they stand still.
    pub async fn private_memory(&self) -> Result<u64> {
        self.at_rest("private memory", Duration::from_millis(250), Self::private_memory_now).await
    }

    /// Reads again and again until two readings that lie `pause` apart are the same.
    async fn at_rest(&self, what: &str, pause: Duration, read: fn(&Self) -> Result<u64>) -> Result<u64> {
        let mut last = read(self)?;
        for _ in 0..400 {
            tokio::time::sleep(pause).await;
            let next = read(self)?;
            if next == last {
                return Ok(next);
            }
            last = next;
        }
        anyhow::bail!("the proxy's {what} does not come to rest");
    }

    /// The same at this moment, without what a thread that runs has spent since the kernel looked last.
    ///
    /// # Errors
    /// When a process has gone, or the kernel doesn't count.
    pub fn processor_time_now(&self) -> Result<u64> {
        let mut total = 0;
        for process in &self.processes {
            let folder = format!("/proc/{process}/task");
            let threads = fs::read_dir(&folder).with_context(|| format!("process {process} has gone"))?;
            for thread in threads {
                let file = thread?.path().join("schedstat");
                let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
                let first = text.split_ascii_whitespace().next().context("an empty schedstat")?;
                total += first.parse::<u64>().context("schedstat")?;
            }
        }
        // Kernels without the counter show zeros; a figure made of them would flatter everybody.
        ensure!(total > 0, "this kernel does not fill in /proc/PID/schedstat");
        Ok(total)
    }

    /// What its processes hold at this moment.
    ///
    /// # Errors
    /// When one of them has gone.
    pub fn holdings(&self) -> Result<Holdings> {
        let mut descriptors = 0;
        for process in &self.processes {
            let folder = format!("/proc/{process}/fd");
            descriptors +=
                fs::read_dir(&folder).with_context(|| format!("process {process} has gone"))?.count();
        }
        Ok(Holdings {
            private: self.private_memory_now()?,
            resident: self.rolled_up(&["Rss:"])?,
            descriptors,
        })
    }

    fn private_memory_now(&self) -> Result<u64> {
        self.rolled_up(&["Private_Clean:", "Private_Dirty:"])
    }

    /// Bytes: the sum of some lines of `smaps_rollup`.
    fn rolled_up(&self, names: &[&str]) -> Result<u64> {
        let mut kilobytes = 0;
        for process in &self.processes {
            let file = format!("/proc/{process}/smaps_rollup");
            let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
            let mut found = 0;
            for line in text.lines() {
                let mut words = line.split_ascii_whitespace();
                if words.next().is_some_and(|name| names.contains(&name)) {
                    kilobytes +=
                        words.next().context(line.to_owned())?.parse::<u64>().context(line.to_owned())?;
                    found += 1;
                }
            }
            ensure!(found == names.len(), "{file} does not tell {names:?}");
        }
        Ok(kilobytes * 1024)
    }
}

/// What a process holds.
#[derive(Debug, Clone, Copy)]
pub struct Holdings {
    /// Bytes of memory that no other process shares.
    pub private: u64,
    /// Bytes of memory that are there at all.
    pub resident: u64,
    /// Open files and sockets.
    pub descriptors: usize,
}

/// All processes of the machine, each with its parent.
fn parents() -> Result<Vec<(u32, u32)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").context("/proc")? {
        let entry = entry?;
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process may end between the listing and this line; a worker of ours doesn't.
        let Some(parent) = parent(&entry.path()) else { continue };
        all.push((process, parent));
    }
    Ok(all)
}

fn parent(process: &Path) -> Option<u32> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    // The name stands in parentheses and may hold any character; the state and the parent follow it.
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::Meter;
    use std::process::{Command, Stdio};

    #[test]
    fn a_child_belongs_to_its_parent() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat starts");
        let meter = Meter::of(std::process::id()).expect("/proc is there");
        let found = meter.processes().contains(&child.id());
        drop(child.stdin.take());
        child.wait().expect("cat ends with its input");
        assert!(found);
    }

    #[test]
    fn memory_that_was_touched_is_private() {
        let meter = Meter { processes: vec![std::process::id()] };
        let before = meter.private_memory_now().expect("smaps_rollup");
        let touched = std::hint::black_box(vec![1_u8; 64 << 20]);
        let after = meter.private_memory_now().expect("smaps_rollup");
        assert!(after > before + (60 << 20), "{before} {after}");
        drop(touched);
    }
}
