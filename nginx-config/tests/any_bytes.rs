//! Whatever the bytes of a file are: a configuration, or an error with its place.

mod common;

use common::options;
use proptest::prelude::*;
use underpass_nginx_config::load_text;

const RECIPE: &str = include_str!("recipe.conf");

/// Loads; what loads, prints as what loads again and prints the same.
fn judge(text: &[u8]) {
    match load_text("f", text, &options()) {
        Ok(loaded) => {
            let expanded = loaded.expanded();
            let again = load_text("f", expanded.as_str(), &options()).expect("what was printed loads");
            assert_eq!(again.expanded(), expanded);
            assert_eq!(again.listeners.len(), loaded.listeners.len());
            assert_eq!(again.main, loaded.main);
        }
        Err(error) => {
            let position = error.position.expect("a position");
            let lines = text.split(|byte| *byte == b'\n').count();
            assert!((1..=lines).contains(&(position.line as usize)) && position.column > 0, "{position}");
        }
    }
}

#[test]
fn the_recipe_loads() {
    load_text("f", RECIPE, &options()).expect("loads");
    judge(RECIPE.as_bytes());
}

#[test]
fn every_prefix_and_every_missing_byte() {
    for at in 0..RECIPE.len() {
        judge(&RECIPE.as_bytes()[..at]);
        let mut text = RECIPE.as_bytes().to_vec();
        text.remove(at);
        judge(&text);
    }
}

/// Words and signs that mean something, in no order.
fn scrap() -> impl Strategy<Value = String> {
    let words = RECIPE.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
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
    fn the_recipe_with_bytes_put_in(at in 0..RECIPE.len(), bytes in prop::collection::vec(any::<u8>(), 1..4)) {
        let mut text = RECIPE.as_bytes().to_vec();
        text.splice(at..at, bytes);
        judge(&text);
    }

    #[test]
    fn the_recipe_with_a_scrap_put_in(at in 0..RECIPE.len(), length in 0..20_usize, scrap in scrap()) {
        let end = (at + length).min(RECIPE.len());
        let mut text = RECIPE.as_bytes().to_vec();
        text.splice(at..end, scrap.into_bytes());
        judge(&text);
    }
}
