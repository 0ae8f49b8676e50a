//! Names that are looked up at run time, and locations that aren't there.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use super::web::{Place, Web, named};
use crate::{
    error::ConfigNote,
    syntax::{Directive, Word},
    values::HostPort,
};

pub(super) fn check(web: &Web<'_>) -> Vec<ConfigNote> {
    let mut notes: Vec<_> =
        web.forwarding().filter_map(|(place, pass)| without_resolver(web, place, pass)).collect();
    let mut locations = HashMap::new();
    notes.extend(web.places.iter().flat_map(|place| missing_locations(place, &mut locations)));
    notes
}

fn without_resolver(web: &Web<'_>, place: &Place<'_>, pass: &Directive) -> Option<ConfigNote> {
    let url = pass.argument(0);
    if !url.text.contains('$') || place.innermost("resolver").is_some() || is_known(web, &url.text, 3) {
        return None;
    }
    let message =
        "the host in this \"proxy_pass\" is looked up for each request, and there is no \"resolver\"";
    Some(ConfigNote::new(&url.position, message).hint(
        "the system is asked; name a server, as in \"resolver 127.0.0.53;\", or make an \"upstream\" \
         of each host",
    ))
}

/// Whether the host of a URL is a group or an address, whatever its variables are.
fn is_known(web: &Web<'_>, url: &str, depth: usize) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    if host.starts_with("unix:") {
        return true;
    }
    let host = host.split(['/', '?']).next().unwrap_or_default();
    let (before, behind) =
        host.split_once('$').map_or((host, None), |(before, behind)| (before, Some(behind)));
    // A port ends the host: `http://127.0.0.1:3000$uri`.
    let is_whole = behind.is_none() || before.contains(':');
    if is_whole {
        let parsed = HostPort::parse(before).map(|parsed| parsed.host.trim_matches(['[', ']']));
        return parsed.is_ok_and(|host| host.parse::<IpAddr>().is_ok()) || web.upstream(before).is_some();
    }
    if !before.is_empty() {
        // `http://group_$name`: of some group at least the name begins so.
        let before = before.to_ascii_lowercase();
        let begins_so = |group: &Directive| group.argument(0).text.to_ascii_lowercase().starts_with(&before);
        return named(web.http.block(), "upstream").any(begins_so);
    }
    let variable = host.split(':').next().unwrap_or_default();
    matches!(variable, "$server_addr" | "$remote_addr") || values_are_known(web, variable, depth)
}

/// Whether all that a variable may be is a group or an address. What stands for nothing in such a file (an empty
/// value, `0`, `-`) doesn't count.
fn values_are_known(web: &Web<'_>, variable: &str, depth: usize) -> bool {
    if depth == 0 {
        return false;
    }
    let values = web.values_of(variable);
    let mut told = values.iter().filter(|word| !matches!(word.text.as_str(), "" | "0" | "-")).peekable();
    told.peek().is_some()
        && told.all(|word| word.text.starts_with('$') || is_known(web, &word.text, depth - 1))
}

/// The first word of each location of a server.
type Locations<'t> = HashMap<*const Directive, HashSet<&'t str>>;

/// An `error_page` to a named location that the server doesn't have.
fn missing_locations<'t>(place: &Place<'t>, known: &mut Locations<'t>) -> Vec<ConfigNote> {
    let Some(server) = place.server else { return Vec::new() };
    let pages = named(place.own(), "error_page").filter_map(|page| page.arguments.last());
    let mut pages = pages.filter(|word| word.text.starts_with('@')).peekable();
    if pages.peek().is_none() {
        return Vec::new();
    }
    let locations = known.entry(std::ptr::from_ref(server)).or_insert_with(|| {
        named(server.inside(), "location").map(|location| location.argument(0).text.as_str()).collect()
    });
    let missing = pages.filter(|word| !locations.contains(word.text.as_str()));
    let note = |word: &Word| {
        let message = format!("the server has no location \"{}\"", word.text);
        ConfigNote::new(&word.position, message).hint("named locations stand in the \"server\" itself")
    };
    missing.map(note).collect()
}
