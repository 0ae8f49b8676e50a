//! Drains that don't come to their end, or that peers take for something else (G6).

use super::web::Web;
use crate::error::ConfigNote;

/// Registered with IANA after RFC 6455, and unknown to some libraries.
const BAD_GATEWAY: &str = "1014";

pub(super) fn check(web: &Web<'_>) -> Vec<ConfigNote> {
    let mut notes = Vec::new();
    for place in &web.places {
        let window =
            place.first("upgrade_drain_window").and_then(|_| place.time_but_zero("upgrade_drain_window"));
        if let (Some((window, line)), Some(shutdown)) = (window, web.shutdown)
            && window > shutdown
        {
            let message = format!(
                "tunnels are drained over {} s, and \"worker_shutdown_timeout\" ends all that are left after {} s",
                window.as_secs_f32(),
                shutdown.as_secs_f32()
            );
            notes.push(
                ConfigNote::new(&line.name.position, message)
                    .hint("raise \"worker_shutdown_timeout\" above the window, or shorten the window"),
            );
        }
        let close = place.first("upgrade_drain_close");
        if let Some(line) = close.filter(|line| line.argument(0).text == BAD_GATEWAY) {
            let message = "some WebSocket libraries take a Close with code 1014 for an error of the protocol";
            notes.push(
                ConfigNote::new(&line.argument(0).position, message)
                    .hint("write 1012, which says that the service is started again, or 1001"),
            );
        }
    }
    notes
}
