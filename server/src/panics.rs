//! A panic is a mistake of this program. It ends the session that it happened in and nothing else, and is logged.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    fmt,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::{Arc, Mutex, PoisonError, TryLockError},
    thread,
};

use underpass_core::Severity;

use crate::{Clock, Log};

/// What panicked, where that is known.
#[derive(Debug)]
pub struct Panic(String);

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Panic {}

thread_local! {
    /// Whether somebody on this thread tells of a panic that happens now.
    static CATCHES: Cell<bool> = const { Cell::new(false) };
    /// The panic that somebody is about to tell of.
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `task` and catches its panic. The caller logs it.
///
/// A task that panics may leave values half changed. The caller drops those that only this task uses; what others use,
/// too, must be consistent after each step of the task.
///
/// # Errors
/// When it panics.
pub fn catch<T>(task: impl FnOnce() -> T) -> Result<T, Panic> {
    let caught_before = CATCHES.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(task));
    CATCHES.set(caught_before);
    result.map_err(|payload| Panic(LAST.take().unwrap_or_else(|| sentence(message(&*payload), None))))
}

/// Has the error log told of panics, for as long as the process lives. The default is the standard error stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Teller(Arc<Mutex<Option<(Log, Clock)>>>);

impl Teller {
    /// From now on the process tells of its panics in this way.
    pub(crate) fn install() -> Self {
        let teller = Self::default();
        let hook = teller.clone();
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !hook.tell(info) {
                before(info);
            }
        }));
        teller
    }

    /// Panics are told to this log from now on.
    pub(crate) fn follow(&self, log: Log, clock: Clock) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((log, clock));
    }

    /// Says whether somebody is told.
    fn tell(&self, info: &PanicHookInfo<'_>) -> bool {
        let place = info.location().map(ToString::to_string);
        let what = sentence(message(info.payload()), place.as_deref());
        if CATCHES.get() {
            LAST.set(Some(what));
            return true;
        }
        // It may be the log itself that has panicked, and nothing is waited for here.
        let log = match self.0.try_lock() {
            Ok(log) => log,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        let Some((log, clock)) = &*log else { return false };
        let current = thread::current();
        let thread = current.name().unwrap_or("without a name");
        log.event(Severity::Alert, &format!("the thread \"{thread}\" {what}"), clock.now());
        true
    }
}

fn sentence(message: &str, place: Option<&str>) -> String {
    match place {
        Some(place) => format!("panicked at {place}: {message}"),
        None => format!("panicked: {message}"),
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "nobody knows why",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{ErrorLog, LogFile, Target};

    /// The hook is the process's own: one test for all that it does.
    #[test]
    fn a_panic_is_told_once_and_in_the_error_log() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("error.log");
        let file = LogFile::open(Target::Path(path.clone())).expect("a writable folder");
        let log = Log::new(vec![ErrorLog::new(file.into(), Severity::Alert)], Vec::new());
        let teller = Teller::install();
        teller.follow(log, Clock::start());

        let panic = catch::<()>(|| panic!("told by {}", "its catcher")).expect_err("it panics");
        let text = panic.to_string();
        assert!(text.starts_with(concat!("panicked at ", file!(), ":")), "{text}");
        assert!(text.ends_with(": told by its catcher"), "{text}");

        let thread = thread::Builder::new().name("loner".into()).spawn(|| panic!("told by nobody else"));
        thread.expect("a thread").join().expect_err("it panics");
        let told = fs::read_to_string(path).expect("the log");
        let line = told.lines().find(|line| line.contains("loner")).expect("a line");
        assert!(line.contains("[alert]") && line.ends_with(": told by nobody else"), "{line}");
        assert!(!told.contains("its catcher"), "who catches a panic tells of it: {told}");
    }

    #[test]
    fn what_did_not_panic_comes_back() {
        assert_eq!(catch(|| 7).expect("no panic"), 7);
    }
}
