//! Quiet WebSockets that are closed.

use std::time::Duration;

use super::web::{Place, Web};
use crate::{error::ConfigNote, syntax::Directive};

/// Browsers send no pings of their own, and servers often every 25 to 30 seconds, if at all.
const SHORT: Duration = Duration::from_secs(60);

pub(super) fn check(web: &Web<'_>) -> Vec<ConfigNote> {
    let mut notes = Vec::new();
    for (place, pass) in web.forwarding() {
        let upgrades = place.upgrades(web);
        let asks = upgrades.upgrade.is_some() && upgrades.permits;
        let (time, line) = place.read_timeout();
        let Some(time) = time.filter(|_| asks) else { continue };
        if let Some((interval, line)) =
            place.time_but_zero("upgrade_ping_interval").filter(|_| place.looks_for_frames())
        {
            // Pings keep it open, where they come soon enough.
            notes.extend((interval >= time).then(|| late_pings(line, place, [interval, time])));
            continue;
        }
        if time > SHORT {
            continue;
        }
        let message = format!(
            "a WebSocket of {} that is silent for {} s is closed (\"proxy_read_timeout\")",
            place.called(),
            time.as_secs_f32()
        );
        let here = line.filter(|line| place.own().iter().any(|own| std::ptr::eq(own, *line)));
        let position = &here.unwrap_or(pass).name.position;
        notes.push(ConfigNote::new(position, message).hint(
            "write \"upgrade_ping_interval\" with less than that, raise \"proxy_read_timeout\", or have the origin \
             server send WebSocket pings more often than that",
        ));
    }
    notes
}

/// G3: a Ping keeps a tunnel open by its answer, which has to come before the tunnel ends.
fn late_pings(line: &Directive, place: &Place<'_>, [interval, time]: [Duration; 2]) -> ConfigNote {
    let message = format!(
        "a WebSocket of {} is pinged when it was silent for {} s, and closed when it was for {} s \
         (\"proxy_read_timeout\")",
        place.called(),
        interval.as_secs_f32(),
        time.as_secs_f32()
    );
    ConfigNote::new(&line.name.position, message)
        .hint("make \"upgrade_ping_interval\" shorter than \"proxy_read_timeout\"")
}
