//! Quiet WebSockets that are closed.

use std::time::Duration;

use super::web::Web;
use crate::error::ConfigNote;

/// Browsers send no pings of their own, and servers often every 25 to 30 seconds, if at all.
const SHORT: Duration = Duration::from_secs(60);

pub(super) fn check(web: &Web<'_>) -> Vec<ConfigNote> {
    let mut notes = Vec::new();
    for (place, pass) in web.forwarding() {
        let upgrades = place.upgrades(web);
        let asks = upgrades.upgrade.is_some() && upgrades.permits;
        let (time, line) = place.read_timeout();
        let Some(time) = time.filter(|time| asks && *time <= SHORT) else { continue };
        let message = format!(
            "a WebSocket of {} that is silent for {} s is closed (\"proxy_read_timeout\")",
            place.called(),
            time.as_secs_f32()
        );
        let here = line.filter(|line| place.own().iter().any(|own| std::ptr::eq(own, *line)));
        let position = &here.unwrap_or(pass).name.position;
        notes.push(ConfigNote::new(position, message).mend(
            "raise \"proxy_read_timeout\", or have the origin server send WebSocket pings more often \
             than that",
        ));
    }
    notes
}
