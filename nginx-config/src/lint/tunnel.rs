//! Forward proxies that anybody may use.

use super::web::{Place, Web};
use crate::error::ConfigNote;

pub(super) fn check(web: &Web<'_>) -> Vec<ConfigNote> {
    web.places.iter().filter_map(open).collect()
}

/// A `tunnel_pass` without a destination of its own, as far as nothing says who may use it for what.
fn open(place: &Place<'_>) -> Option<ConfigNote> {
    let pass = place.first("tunnel_pass").filter(|pass| pass.arguments.is_empty())?;
    let allowed = place.holding("tunnel_allow");
    let opens_all = allowed.iter().any(|rule| {
        rule.arguments.iter().any(|word| matches!(word.text.as_str(), "all" | "*" | "0.0.0.0/0" | "::/0"))
    });
    let asks = place.innermost("auth_basic").is_some_and(|line| line.argument(0).text != "off");
    let lets_in = || named_clients(place);
    if asks || lets_in() || (!allowed.is_empty() && !opens_all) {
        return None;
    }
    let what = match (opens_all, place.holding("tunnel_deny").is_empty()) {
        (true, _) => "every address, private ones, too",
        (false, true) => "every public address, at every port but 25",
        (false, false) => "every public address that \"tunnel_deny\" leaves, at every port but 25",
    };
    let message = format!("{} lets everybody tunnel to {what}", place.called());
    Some(ConfigNote::new(&pass.name.position, message).hint(
        "say who may (\"allow\" and \"deny\", \"auth_basic\") or where to (\"tunnel_allow \
         example.com 443;\")",
    ))
}

/// Whether `allow` and `deny` keep anybody out.
fn named_clients(place: &Place<'_>) -> bool {
    // The two are inherited together.
    let level = place.outwards().find(|level| level.has("allow") || level.has("deny"));
    level.is_some_and(|level| level.has("deny"))
}
