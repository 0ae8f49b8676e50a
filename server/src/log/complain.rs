//! What is told on the standard error stream, where no log is there to take it. Nothing here waits for a reader.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io,
    os::fd::AsFd as _,
};

use super::outlet::{WHOLE, is_writable, is_writable_within};

/// Tells the operator about a trouble of the logs themselves, or of something that has no log. When the standard
/// error stream is gone, or nobody reads it, there is nobody left to tell.
pub(crate) fn complain(what: &str) {
    complain_whole(&format!("underpass: [alert] {what}\n"));
}

/// Prints why the program fails. Whoever reads that has a second: the end of a process that has served waits for
/// nobody.
pub(crate) fn say_last(text: &str) {
    if is_writable_within(io::stderr().as_fd(), 1) {
        complain_whole(&format!("{text}\n"));
    }
}

fn complain_whole(text: &str) {
    for piece in text.as_bytes().chunks(WHOLE) {
        if !is_writable(io::stderr().as_fd()) {
            return;
        }
        // Not through the lock that a thread may hold that waits for a reader.
        let _nobody_left_to_tell = rustix::io::write(rustix::stdio::stderr(), piece);
    }
}

/// From now on a panic is told without waiting for whoever reads the standard error stream.
pub(crate) fn complain_of_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("without a name");
        let backtrace = Backtrace::capture();
        let backtrace = match backtrace.status() {
            BacktraceStatus::Captured => format!("\n{backtrace}"),
            _ => String::new(),
        };
        complain_whole(&format!("underpass: [alert] thread \"{name}\" {panic}{backtrace}\n"));
    }));
}
