//! Clients that shake hands as fast as the proxy lets them.

use crate::door::Door;
use anyhow::{Context as _, Result, anyhow};
use rustix::process::setpriority_process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use tokio::task::{JoinSet, LocalSet};

/// A flood that is under way; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Flood {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    is_over: AtomicBool,
    handshakes: AtomicU64,
}

impl Flood {
    /// So many clients at a time, on a thread that gives way to whoever measures on the same core.
    pub(crate) fn start(door: Door, clients: u64) -> Result<Self> {
        let shared = Arc::<Shared>::default();
        let counted = Arc::clone(&shared);
        let thread =
            thread::Builder::new().name("flood".to_owned()).spawn(move || run(&door, clients, &counted));
        Ok(Self { shared, thread: Some(thread.context("a thread for the flood")?) })
    }

    /// Handshakes until now.
    pub(crate) fn handshakes(&self) -> u64 {
        self.shared.handshakes.load(Ordering::Relaxed)
    }

    /// Whether a client has failed.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits until every client has ended, and fails when one has failed.
    pub(crate) fn end(mut self) -> Result<()> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("a flood ends once")?;
        thread.join().map_err(|_| anyhow!("the flood panicked"))?.context("the flood")
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

fn run(door: &Door, clients: u64, shared: &Arc<Shared>) -> Result<()> {
    // Of Linux, where a thread has a priority of its own.
    setpriority_process(None, 19).context("a lower priority for the flood")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut all = JoinSet::new();
        for _ in 0..clients {
            let (door, shared) = (door.clone(), Arc::clone(shared));
            all.spawn_local(async move {
                while !shared.is_over.load(Ordering::Relaxed) {
                    door.shake_hands(false).await?;
                    shared.handshakes.fetch_add(1, Ordering::Relaxed);
                }
                anyhow::Ok(())
            });
        }
        while let Some(ended) = all.join_next().await {
            ended.context("a client panicked")??;
        }
        Ok(())
    })
}
