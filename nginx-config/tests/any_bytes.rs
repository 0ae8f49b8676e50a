//! Whatever the bytes of a file are: a configuration, or an error with its place.

mod common;

use common::options;
use proptest::prelude::*;
use underpass_nginx_config::{Loaded, load_text};

const RECIPE: &str = include_str!("recipe.conf");
const EVERYTHING: &str = include_str!("everything.conf");

/// Loads; what loads, prints as what loads again and prints the same.
fn judge(text: &[u8]) {
    match load_text("f", text, &options()) {
        Ok(loaded) => {
            let expanded = loaded.expanded();
            let again = load_text("f", expanded.as_str(), &options()).expect("what was printed loads");
            assert_eq!(again.expanded(), expanded);
            assert_eq!(again.listeners.len(), loaded.listeners.len());
            assert_eq!(again.main, loaded.main);
            let said = |loaded: &Loaded| -> Vec<String> {
                loaded.notes.iter().map(|note| note.message.clone()).collect()
            };
            assert_eq!(without_lines(said(&again)), without_lines(said(&loaded)));
        }
        Err(error) => {
            let position = error.position.expect("a position");
            let lines = text.split(|byte| *byte == b'\n').count();
            assert!((1..=lines).contains(&(position.line as usize)) && position.column > 0, "{position}");
        }
    }
}

/// Notes that name another line name a different one in what was printed.
fn without_lines(mut notes: Vec<String>) -> Vec<String> {
    for note in &mut notes {
        note.retain(|character| !character.is_ascii_digit());
    }
    notes.sort();
    notes
}

#[test]
fn what_is_printed_comes_to_the_same() {
    for text in [RECIPE, EVERYTHING] {
        judge(text.as_bytes());
        let loaded = load_text("f", text, &options()).expect("loads");
        let again = load_text("f", loaded.expanded(), &options()).expect("loads again");
        // What tables hold, they show in no order.
        let shown = |loaded: &Loaded| {
            let configs: Vec<_> = loaded.listeners.iter().map(|listener| &listener.config).collect();
            let mut lines: Vec<_> =
                format!("{configs:#?} {:#?}", loaded.access).lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(shown(&loaded), shown(&again));
    }
}

#[test]
fn every_prefix_and_every_missing_byte() {
    for (whole, step) in [(RECIPE, 1), (EVERYTHING, 5)] {
        for at in (0..whole.len()).step_by(step) {
            judge(&whole.as_bytes()[..at]);
            let mut text = whole.as_bytes().to_vec();
            text.remove(at);
            judge(&text);
        }
    }
}

fn whole() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(RECIPE), Just(EVERYTHING)]
}

/// Words and signs that mean something, in no order.
fn scrap() -> impl Strategy<Value = String> {
    let words = [RECIPE, EVERYTHING].map(str::split_whitespace).into_iter().flatten();
    let words = words.map(str::to_owned).collect::<Vec<_>>();
    let signs = ["{", "}", ";", "\"", "'", "\\", "$", "${", "#", "\n", " ", "*", "~", "=", "\u{feff}", "ä"];
    let signs = signs.map(str::to_owned).to_vec();
    prop_oneof![prop::sample::select(words), prop::sample::select(signs)]
}

proptest! {
    #[test]
    fn any_bytes(text in prop::collection::vec(any::<u8>(), 0..200)) {
        judge(&text);
    }

    #[test]
    fn any_scraps(scraps in prop::collection::vec(scrap(), 0..60)) {
        judge(scraps.join(" ").as_bytes());
        judge(scraps.concat().as_bytes());
    }

    #[test]
    fn bytes_put_in(
        whole in whole(),
        at in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 1..4),
    ) {
        let mut text = whole.as_bytes().to_vec();
        let at = at.index(text.len());
        text.splice(at..at, bytes);
        judge(&text);
    }

    #[test]
    fn scraps_put_in(
        whole in whole(),
        at in any::<prop::sample::Index>(),
        length in 0..20_usize,
        scrap in scrap(),
    ) {
        let mut text = whole.as_bytes().to_vec();
        let at = at.index(text.len());
        let end = (at + length).min(text.len());
        text.splice(at..end, scrap.into_bytes());
        judge(&text);
    }

    /// Lines in another order, some twice, some not at all.
    #[test]
    fn lines_in_any_order(lines in prop::collection::vec(any::<prop::sample::Index>(), 0..30)) {
        let known: Vec<_> = EVERYTHING.lines().collect();
        let mut text = String::from("http {\n");
        lines.iter().for_each(|line| text = format!("{text}{}\n", known[line.index(known.len())]));
        judge(text.as_bytes());
        judge((text + "}").as_bytes());
    }
}
