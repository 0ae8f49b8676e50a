//! Finds the programs of this workspace that a test runs.

use std::{path::PathBuf, process::Command};

/// Builds a program of this workspace with `cargo build ARGUMENTS`, and says where it is. What is built
/// already is only found.
///
/// # Panics
/// When it can't be built, or is no program.
#[must_use]
pub fn build(arguments: &[&str]) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.arg("build").args(arguments).arg("--message-format=json-render-diagnostics");
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.stderr(std::process::Stdio::inherit()).output().expect("cargo runs");
    assert!(output.status.success(), "{command:?}: {}", output.status);
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    let executable = messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    });
    executable.unwrap_or_else(|| panic!("{command:?} made no program"))
}
