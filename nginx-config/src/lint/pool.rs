//! Requests that cost the origin server a connection each.

use super::web::{Web, variables};
use crate::{error::ConfigNote, syntax::Word};

pub(super) fn check(web: &Web<'_>) -> Vec<ConfigNote> {
    let mut notes: Vec<ConfigNote> = Vec::new();
    let closes = |word: &Word| word.text.eq_ignore_ascii_case("close");
    for (place, _) in web.forwarding() {
        let Some(line) = place.set_header("Connection") else { continue };
        let value = line.argument(1);
        let Some(closing) =
            Some(value).into_iter().chain(web.values_of(&value.text)).find(|word| closes(word))
        else {
            continue;
        };
        // The second recipe of nginx's page: `'' close` in a map of `$http_upgrade`.
        let in_map = web.http.all(&["map"]).into_iter().find_map(|map| {
            let of_upgrade = variables(&map.argument(0).text).any(|name| name == "http_upgrade");
            let pair = map
                .inside()
                .iter()
                .find(|pair| pair.arguments.first().is_some_and(|word| std::ptr::eq(word, closing)));
            pair.filter(|_| of_upgrade)
        });
        let hint = match in_map {
            Some(pair) if pair.name.text.is_empty() => "write \"'' '';\": the connections are kept then",
            Some(_) => "write '' in the place of close: the connections are kept then",
            None => "remove the line, or make its value '': the connections are kept then",
        };
        let position = &in_map.map_or(&line.name, |pair| &pair.name).position;
        let message = "\"Connection: close\" has a connection to the origin server made for each request";
        if !notes.iter().any(|note| note.position == *position) {
            notes.push(ConfigNote::new(position, message).hint(hint));
        }
    }
    notes
}
