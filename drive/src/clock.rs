//! Time: what it is now, and how to sleep until another moment.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    time::{Instant, SystemTime},
};

use underpass_core::{Now, Tick};

/// A sleep under way.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The clock of a runtime. The features `async-io` and `tokio` bring one each.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The present moment.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// Sleeps until then.
    fn sleep_until(&self, then: Instant) -> Sleep;
}

/// Sleeps on the reactor of the crate `async-io`, which needs no runtime.
#[cfg(feature = "async-io")]
#[derive(Clone, Copy, Debug, Default)]
pub struct AsyncIo;

#[cfg(feature = "async-io")]
impl Clock for AsyncIo {
    fn sleep_until(&self, then: Instant) -> Sleep {
        Box::pin(async move {
            async_io::Timer::at(then).await;
        })
    }
}

/// A session's view of a clock: ticks since the session began, and one sleep that is set rarely.
///
/// A deadline that moves later doesn't set the sleep anew: it wakes early, looks, and sleeps on (rule C6).
pub(crate) struct Alarm {
    clock: std::sync::Arc<dyn Clock>,
    epoch: Instant,
    sleep: Option<(Instant, Sleep)>,
}

impl Alarm {
    pub(crate) fn new(clock: std::sync::Arc<dyn Clock>) -> Self {
        let epoch = clock.now();
        Self { clock, epoch, sleep: None }
    }

    pub(crate) fn now(&self) -> Now {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let elapsed = self.clock.now().saturating_duration_since(self.epoch);
        let tick = Tick(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
        let unix_ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
        Now { tick, unix_ms, utc_offset_min: 0 }
    }

    /// Has the task woken at the deadline, or earlier. Says whether the sleep is over now.
    pub(crate) fn wake_at(&mut self, deadline: Option<Tick>, cx: &mut std::task::Context<'_>) -> bool {
        let Some(deadline) = deadline else { return false };
        // What is too far away for the clock never comes.
        let Some(then) = self.epoch.checked_add(std::time::Duration::from_nanos(deadline.0)) else {
            return false;
        };
        let (_, sleep) = match &mut self.sleep {
            Some(set) if set.0 <= then => set,
            unset => unset.insert((then, self.clock.sleep_until(then))),
        };
        let is_over = sleep.as_mut().poll(cx).is_ready();
        if is_over {
            self.sleep = None;
        }
        is_over
    }
}
