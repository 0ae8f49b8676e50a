//! `replay`: sessions that were recorded, step by step, without a network.

use std::{
    fs,
    io::{self, Read as _, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use underpass_core::{
    Tick,
    config::Config,
    trace::{Recording, Replay, ReplayStep, read},
};
use underpass_nginx_config::load_recorded;

use super::trouble::Trouble;

/// Replays a trace. The program fails when a session takes another way than it took.
pub(super) fn replay(file: &Path, session: Option<u64>, quiet: bool) -> Result<ExitCode, Trouble> {
    let name = file.display();
    let unreadable = |error: io::Error| Trouble::new(format!("cannot read {name}: {error}"));
    let mut trace = Vec::new();
    if file.as_os_str() == "-" {
        io::stdin().read_to_end(&mut trace).map_err(unreadable)?;
    } else {
        trace = fs::read(file).map_err(unreadable)?;
    }
    let recordings = read(&trace).map_err(|broken| Trouble::new(format!("{name}: {broken}")))?;
    let is_meant = |recording: &&Recording| session.is_none_or(|number| recording.serial() == number);
    let meant: Vec<_> = recordings.iter().filter(is_meant).collect();
    if meant.is_empty() {
        return Err(Trouble::new(format!("{name} has no session to replay")));
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut diverged = false;
    for recording in meant {
        let config = load_recorded(recording)?;
        let config =
            config.ok_or_else(|| Trouble::new(format!("{name}: its listening socket is not configured")))?;
        diverged |= show(recording, config, quiet, &mut out)
            .map_err(|error| Trouble::new(format!("cannot write: {error}")))?;
    }
    Ok(if diverged { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Whether the session has taken another way.
fn show(recording: &Recording, config: Arc<Config>, quiet: bool, out: &mut impl Write) -> io::Result<bool> {
    let (serial, client) = (recording.serial(), &recording.client.remote);
    let mut replay = Replay::new(recording, config);
    if !quiet {
        writeln!(out, "session {serial} of {client}")?;
    }
    let mut steps = 0_u64;
    let mut began = None;
    while let Some(step) = replay.next() {
        steps += 1;
        let began = *began.get_or_insert(step.now.tick);
        if !quiet {
            print(&replay, &step, steps, began, out)?;
        }
        if let Some(instead) = &step.divergence {
            writeln!(out, "session {serial} diverges in line {}:", step.line)?;
            writeln!(out, "  recorded {}", step.told)?;
            writeln!(out, "  replayed {instead}")?;
            if !recording.plain {
                writeln!(
                    out,
                    "  (credentials are masked; a configuration that decides by them goes another way)"
                )?;
            }
            out.flush()?;
            return Ok(true);
        }
    }
    if !quiet {
        let end = if replay.is_cut() { ", where the recording breaks off" } else { "" };
        writeln!(out, "session {serial}: {steps} steps, each as recorded{end}")?;
    }
    out.flush()?;
    Ok(false)
}

/// A step: its number, the time since the beginning, the call or what came of it; below an input the bytes, the
/// state, and the timers.
fn print(
    replay: &Replay<'_>,
    step: &ReplayStep<'_>,
    number: u64,
    began: Tick,
    out: &mut impl Write,
) -> io::Result<()> {
    let since = step.now.tick.since(began);
    writeln!(out, "{number:>5} {:>12.6} {}", since.as_secs_f64(), step.told)?;
    if !step.told.starts_with('<') {
        return print_frames(step, out);
    }
    for line in step.received.split_inclusive(|byte| *byte == b'\n').take(40) {
        writeln!(out, "{:>18} | {}", "", line.escape_ascii())?;
    }
    for head in &step.heads {
        writeln!(out, "{:>18} {head}", "")?;
    }
    print_frames(step, out)?;
    writeln!(out, "{:>18} {}", "", replay.session().snapshot(step.now.tick))
}

/// Frames that have come, those of ours, and how far the end of a tunnel has come.
fn print_frames(step: &ReplayStep<'_>, out: &mut impl Write) -> io::Result<()> {
    step.frames.iter().try_for_each(|line| writeln!(out, "{:>18} {line}", ""))
}
