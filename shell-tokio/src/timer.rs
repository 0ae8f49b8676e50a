//! The one timer that a worker has of its runtime.

use std::{
    future::Future as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
};

use tokio::time::{Instant, Sleep, sleep_until};
use underpass_core::Tick;
use underpass_shell_common::{
    Clock,
    wake::{Alarm, ReadyList, Source},
};

/// Goes off once, at the earliest time that it was set to, or for no reason.
pub(crate) struct Timer {
    sleep: Pin<Box<Sleep>>,
    alarm: Arc<Alarm>,
    waker: Waker,
    armed: Option<Tick>,
}

impl Timer {
    /// To be called in the runtime.
    pub(crate) fn new(ready: &Arc<ReadyList>) -> Self {
        let alarm = Alarm::new(ready, Source::Timer);
        Self {
            sleep: Box::pin(sleep_until(Instant::now())),
            waker: Waker::from(Arc::clone(&alarm)),
            alarm,
            armed: None,
        }
    }

    /// Sets the timer, unless it goes off before anyway.
    pub(crate) fn set(&mut self, at: Tick, clock: &Clock) {
        if self.armed.is_some_and(|armed| armed <= at) {
            return;
        }
        // A time beyond what the system can express never comes.
        let Some(instant) = clock.instant(at.0) else { return };
        self.armed = Some(at);
        self.sleep.as_mut().reset(Instant::from_std(instant));
        if self.sleep.as_mut().poll(&mut Context::from_waker(&self.waker)).is_ready() {
            self.waker.wake_by_ref();
        }
    }

    /// The timer was found on the list of what is ready.
    pub(crate) fn went_off(&mut self) {
        self.alarm.reset();
        self.armed = None;
    }
}
