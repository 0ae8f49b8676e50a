//! What every shell does, on real sockets and as a process. `tests/shell.rs` in the crate of a shell includes this
//! file, and says in its module `shell` which one it is:
//!
//! | item | what it is |
//! |---|---|
//! | `PROGRAM` | where the binary is |
//! | `NAME` | what it calls itself |
//! | `DRIVER` | what `docs/evidence/drivers.md` calls it |
//! | `RUNTIME` | what `-V` says of it |
//! | `serve` | one worker as a future |
//! | `block_on` | runs a worker on this thread |
//! | `tasks` | runs workers as tasks of one runtime with threads of its own; what it returns waits for their ends |

mod certificates;
mod command;
mod common;
mod forward;
mod logs;
mod names;
mod process;
mod reload;
mod replay;
mod rights;
mod server;
mod sockets;
mod threads;
mod tls;
mod tunnel;
mod worker;

use std::{collections::BTreeMap, process::Command};

use crate::shell::DRIVER;
use underpass_testkit::drivers::{self, Tally};

/// Each is run by this program, and fails by itself.
#[test]
fn every_test_is_in_the_table() {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program).args(["--list", "--format", "terse"]).output().expect("it runs");
    let mut suites = BTreeMap::<String, Tally>::new();
    for line in String::from_utf8(output.stdout).expect("text").lines() {
        let Some((file, _)) = line.strip_prefix("suite::").and_then(|name| name.split_once("::")) else {
            continue;
        };
        suites.entry(format!("testkit/shell/{file}.rs")).or_default().passed += 1;
    }
    drivers::check(DRIVER, "testkit/shell/", &suites);
}
