//! Signals as values, delivered by a thread that does nothing else.

use std::fmt;
use std::io;
use std::thread::{self, JoinHandle};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::{Handle, Signals};

/// A signal that the process obeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// `SIGQUIT`: finish what is open, then exit.
    Quit,
    /// `SIGTERM`: exit now.
    Terminate,
    /// `SIGINT`, what Ctrl-C sends: exit now.
    Interrupt,
    /// `SIGHUP`: read the configuration again.
    HangUp,
    /// `SIGUSR1`: reopen the logs.
    User1,
    /// `SIGUSR2`: nginx starts another version of itself.
    User2,
    /// `SIGWINCH`, which terminals send as well: nginx in the background ends its workers.
    WindowChange,
}

impl Signal {
    pub(crate) const ALL: [Self; 7] = [
        Self::Quit,
        Self::Terminate,
        Self::Interrupt,
        Self::HangUp,
        Self::User1,
        Self::User2,
        Self::WindowChange,
    ];

    /// The name in the manual, such as `SIGQUIT`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quit => "SIGQUIT",
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
            Self::HangUp => "SIGHUP",
            Self::User1 => "SIGUSR1",
            Self::User2 => "SIGUSR2",
            Self::WindowChange => "SIGWINCH",
        }
    }

    /// The number that the system knows it by.
    pub fn number(self) -> i32 {
        match self {
            Self::Quit => SIGQUIT,
            Self::Terminate => SIGTERM,
            Self::Interrupt => SIGINT,
            Self::HangUp => SIGHUP,
            Self::User1 => SIGUSR1,
            Self::User2 => SIGUSR2,
            Self::WindowChange => SIGWINCH,
        }
    }

    /// As the system's calls take it.
    pub(crate) fn to_system(self) -> rustix::process::Signal {
        use rustix::process::Signal;
        match self {
            Self::Quit => Signal::QUIT,
            Self::Terminate => Signal::TERM,
            Self::Interrupt => Signal::INT,
            Self::HangUp => Signal::HUP,
            Self::User1 => Signal::USR1,
            Self::User2 => Signal::USR2,
            Self::WindowChange => Signal::WINCH,
        }
    }

    fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.number() == number)
    }
}

/// Written as nginx's log does: `15 (SIGTERM)`.
impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.number(), self.name())
    }
}

/// Delivers signals until it is dropped. Afterwards the signals are still caught, but nobody hears of them.
#[derive(Debug)]
#[must_use = "no signal is delivered once this is dropped"]
pub struct SignalWatch {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl SignalWatch {
    /// Calls `deliver` for each signal that arrives from now on, on a thread of its own: a callback may
    /// block, and typically wakes a runtime.
    ///
    /// # Errors
    /// When the system refuses the handlers or the thread.
    pub fn start(mut deliver: impl FnMut(Signal) + Send + 'static) -> io::Result<Self> {
        let mut signals = Signals::new(Signal::ALL.map(Signal::number))?;
        let handle = signals.handle();
        let thread = thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever().filter_map(Signal::from_number) {
                deliver(signal);
            }
        })?;
        Ok(Self { handle, thread: Some(thread) })
    }
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
            && thread.join().is_err()
        {
            crate::log::complain("the thread that delivers signals has panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use signal_hook::low_level;

    use super::*;

    /// One test for all of it, because handlers belong to the whole process.
    #[test]
    fn each_signal_is_delivered_and_none_after_the_drop() {
        let (sender, receiver) = mpsc::channel();
        let watch = SignalWatch::start(move |signal| sender.send(signal).expect("the test listens"))
            .expect("handlers can be set");
        for signal in Signal::ALL {
            low_level::raise(signal.number()).expect("a signal to ourselves");
            assert_eq!(receiver.recv_timeout(Duration::from_secs(60)), Ok(signal));
        }
        drop(watch);
        low_level::raise(SIGINT).expect("caught, as before");
        assert_eq!(receiver.recv(), Err(mpsc::RecvError), "the callback is gone");
    }

    #[test]
    fn is_written_as_in_nginx_logs() {
        assert_eq!(Signal::Terminate.to_string(), "15 (SIGTERM)");
    }
}
