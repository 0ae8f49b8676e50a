//! The way in: nobody passes it once it is closed, and the last to leave after that is known.

use super::sync::{Arc, AtomicU64, Lock, Ordering};

/// The highest bit says that the gate is closed, the others how many are inside.
const CLOSED: u64 = 1 << 63;

/// What is called when a gate is closed and nobody is inside.
type Completion = Box<dyn FnOnce() + Send>;

/// Counts who is inside of something that can be closed: the sessions of all workers, say, while the process
/// shuts down (C8).
///
/// A shell takes a [`Pass`] for each client before it begins a session, and keeps it as long as the session;
/// without one the client is not served. When the process is to end it closes the gate, tells its workers to
/// drain ([`Session::handle_drain`](crate::Session::handle_drain)), and waits for the completion.
pub struct DrainGate {
    state: AtomicU64,
    completion: Lock<Option<Completion>>,
}

impl DrainGate {
    /// An open gate. `completion` is called once, when it is closed and nobody is inside any more, on the thread
    /// that brought that about: it sends a message or wakes a task, and does no more.
    #[must_use]
    pub fn new(completion: impl FnOnce() + Send + 'static) -> Self {
        Self { state: AtomicU64::new(0), completion: Lock::new(Some(Box::new(completion))) }
    }

    /// Lets one in, unless the gate is closed.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> Option<Pass> {
        let one_more = |state| (state & CLOSED == 0).then_some(state + 1);
        let entered = self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        entered.is_ok().then(|| Pass { gate: Arc::clone(self) })
    }

    /// Closes the gate. Whoever is inside stays. Closing it again changes nothing.
    pub fn close(&self) {
        if self.state.fetch_or(CLOSED, Ordering::AcqRel) == 0 {
            self.complete();
        }
    }

    /// Whether it is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state.load(Ordering::Acquire) & CLOSED != 0
    }

    /// How many are inside.
    #[must_use]
    pub fn inside(&self) -> u64 {
        self.state.load(Ordering::Acquire) & !CLOSED
    }

    fn complete(&self) {
        let completion = self.completion.hold().take();
        if let Some(completion) = completion {
            completion();
        }
    }
}

impl std::fmt::Debug for DrainGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DrainGate")
            .field("closed", &self.is_closed())
            .field("inside", &self.inside())
            .finish()
    }
}

/// One that is inside. Dropping it leaves.
#[derive(Debug)]
#[must_use = "a dropped pass has left"]
pub struct Pass {
    gate: Arc<DrainGate>,
}

impl Drop for Pass {
    fn drop(&mut self) {
        // What was done inside is done before the completion.
        if self.gate.state.fetch_sub(1, Ordering::AcqRel) == CLOSED | 1 {
            self.gate.complete();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn the_last_to_leave_a_closed_gate_completes_it() {
        let (done, completed) = channel();
        let gate = Arc::new(DrainGate::new(move || done.send(()).expect("it is awaited")));
        assert_eq!((gate.inside(), gate.is_closed()), (0, false));
        let passes = [gate.enter(), gate.enter()];
        assert_eq!((gate.inside(), gate.is_closed()), (2, false));
        let [Some(one), Some(two)] = passes else { panic!("the gate is open") };
        drop(one);
        gate.close();
        gate.close();
        assert!(gate.enter().is_none());
        assert_eq!((gate.inside(), gate.is_closed()), (1, true));
        assert_eq!(format!("{gate:?}"), "DrainGate { closed: true, inside: 1 }");
        assert!(completed.try_recv().is_err());
        drop(two);
        assert!(completed.try_recv().is_ok());
        gate.close();
        assert!(completed.try_recv().is_err());
    }

    #[test]
    fn an_empty_gate_is_complete_at_once() {
        let (done, completed) = channel();
        let gate = Arc::new(DrainGate::new(move || done.send(()).expect("it is awaited")));
        drop(gate.enter());
        gate.close();
        assert!(completed.try_recv().is_ok());
    }
}
