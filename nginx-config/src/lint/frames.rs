//! What rests on frames of WebSocket, where nobody looks for frames (G1).

use super::web::{Place, Web};
use crate::{error::ConfigNote, syntax::Directive, values};

/// Directives that have an effect only where frames are looked for.
const RESTING: &[&str] = &[
    "upgrade_client_silence",
    "upgrade_message_limit",
    "upgrade_message_rate",
    "upgrade_ping_interval",
    "upgrade_websocket_strict",
];

pub(super) fn check(web: &Web<'_>) -> Vec<ConfigNote> {
    let mut notes: Vec<_> = web
        .forwarding()
        .filter(|(place, _)| !place.looks_for_frames())
        .flat_map(|(place, _)| without(place))
        .collect();
    let connecting = web.places.iter().filter(|place| place.first("tunnel_pass").is_some());
    notes.extend(connecting.flat_map(|place| of_connect(web, place)));
    notes
}

/// `upgrade_websocket_frames off` beside these.
fn without(place: &Place<'_>) -> Vec<ConfigNote> {
    let Some(off) = place.innermost("upgrade_websocket_frames") else { return Vec::new() };
    let note = |line: &Directive| {
        let message =
            format!("\"{}\" has no effect in {}: no frames are looked for", line.name.text, place.called());
        ConfigNote::new(&off.name.position, message)
            .hint("write \"upgrade_websocket_frames on;\", or remove the other line")
    };
    resting(place).map(note).collect()
}

/// The same, where a client asks for a tunnel with CONNECT, and nothing else is there that they hold for.
fn of_connect<'t>(web: &Web<'t>, place: &Place<'t>) -> Vec<ConfigNote> {
    let is_used = |line: &Directive| {
        web.forwarding().any(|(other, _)| {
            other.innermost(&line.name.text).is_some_and(|holding| std::ptr::eq(holding, line))
        })
    };
    resting(place)
        .filter(|line| !is_used(line))
        .map(|line| {
            let message = format!(
                "\"{}\" has no effect on tunnels of \"tunnel_pass\": nobody knows what is in them",
                line.name.text
            );
            ConfigNote::new(&line.name.position, message)
        })
        .collect()
}

/// Those that hold in a place and aren't off.
fn resting<'t>(place: &Place<'t>) -> impl Iterator<Item = &'t Directive> + use<'t> {
    let lines: Vec<_> =
        RESTING.iter().filter_map(|name| place.innermost(name)).filter(|line| is_on(line)).collect();
    lines.into_iter()
}

fn is_on(line: &Directive) -> bool {
    let text = line.argument(0).text.as_str();
    let zero = [values::time(text).map(|time| time.is_zero()), values::size(text).map(|size| size == 0)];
    values::flag(text) != Some(false) && !zero.contains(&Some(true))
}
