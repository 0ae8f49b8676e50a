//! The one timer that a worker has of its runtime.

use std::{
    future::Future as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
    time::Instant,
};

use underpass_core::Tick;

use super::Network;
use crate::{
    Clock,
    wake::{Alarm, ReadyList, Source},
};

/// Goes off once, at the earliest time that it was set to, or for no reason.
pub(super) struct Timer<N: Network> {
    sleep: Pin<Box<N::Sleep>>,
    alarm: Arc<Alarm>,
    waker: Waker,
    armed: Option<Tick>,
}

impl<N: Network> Timer<N> {
    /// To be called in the runtime.
    pub(super) fn new(ready: &Arc<ReadyList>) -> Self {
        let alarm = Alarm::new(ready, Source::Timer);
        Self {
            sleep: Box::pin(N::sleep_until(Instant::now())),
            waker: Waker::from(Arc::clone(&alarm)),
            alarm,
            armed: None,
        }
    }

    /// Sets the timer, unless it goes off before anyway.
    pub(super) fn set(&mut self, at: Tick, clock: &Clock) {
        if self.armed.is_some_and(|armed| armed <= at) {
            return;
        }
        // A time beyond what the system can express never comes.
        let Some(instant) = clock.instant(at.0) else { return };
        self.armed = Some(at);
        N::reset(self.sleep.as_mut(), instant);
        if self.sleep.as_mut().poll(&mut Context::from_waker(&self.waker)).is_ready() {
            self.waker.wake_by_ref();
        }
    }

    /// The timer was found on the list of what is ready.
    pub(super) fn went_off(&mut self) {
        self.alarm.reset();
        self.armed = None;
    }
}
