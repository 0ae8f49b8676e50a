//! Upgrades that don't get through.

use super::web::Web;
use crate::error::ConfigNote;

pub(super) fn check(web: &Web<'_>) -> Vec<ConfigNote> {
    let mut notes = Vec::new();
    for (place, pass) in web.forwarding() {
        let upgrades = place.upgrades(web);
        match (upgrades.connection, upgrades.upgrade) {
            (Some(connection), None) if upgrades.permits => {
                let message =
                    format!("{} sets \"Connection\" for an upgrade, but no \"Upgrade\"", place.called());
                notes.push(ConfigNote::new(&connection.name.position, message).hint(
                    "no WebSocket gets through: add \"proxy_set_header Upgrade $http_upgrade;\" beside it",
                ));
            }
            (_, Some(upgrade)) if !upgrades.permits => {
                let message = format!(
                    "{} sets \"Upgrade\", but no \"Connection\" that permits an upgrade",
                    place.called()
                );
                notes.push(ConfigNote::new(&upgrade.name.position, message).hint(
                    "no WebSocket gets through: add \"proxy_set_header Connection upgrade;\" beside it",
                ));
            }
            _ => {}
        }
        let asks = upgrades.upgrade.is_some() && upgrades.permits;
        let version = place.innermost("proxy_http_version");
        if let Some(version) = version.filter(|version| asks && version.argument(0).text == "1.0") {
            let message = format!("{} forwards upgrades, and HTTP/1.0 has none", place.called());
            let position = if place.own().iter().any(|own| std::ptr::eq(own, version)) {
                &version.name.position
            } else {
                &pass.name.position
            };
            notes.push(
                ConfigNote::new(position, message).hint("write \"proxy_http_version 1.1;\", or nothing"),
            );
        }
    }
    notes
}
