//! `docs/evidence/properties.md` against the code: each property has a rule and a check, and what is named is there.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The cells of the rows under the heading of a table.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let text = read("docs/evidence/properties.md");
    let (_, behind) = text.split_once(heading).unwrap_or_else(|| panic!("there is no table {heading}"));
    let rows = behind.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

fn properties() -> Vec<Vec<String>> {
    rows("| | Property | Rule |")
}

fn checks() -> Vec<Vec<String>> {
    rows("| | By | Where |")
}

#[test]
fn every_property_has_a_number_a_rule_and_a_check() {
    let rules = read("docs/design/behaviour.md");
    let checked: BTreeSet<String> = checks().into_iter().map(|mut row| row.swap_remove(0)).collect();
    let properties = properties();
    assert!(properties.len() > 40, "the table is there");
    for (at, row) in properties.iter().enumerate() {
        let [number, sentence, rule] = row.as_slice() else { panic!("{row:?} has three cells") };
        assert_eq!(*number, format!("P{}", at + 1));
        assert!(sentence.ends_with('.'), "{sentence}");
        assert!(rule == "contract" || rules.contains(&format!("\n{rule}. ")), "{rule} is a rule");
        assert!(checked.contains(number), "{number} is checked nowhere");
    }
    assert_eq!(checked.len(), properties.len(), "a check of a property that there is none");
}

#[test]
fn every_check_is_there() {
    const METHODS: [&str; 10] = [
        "invariant",
        "exploration",
        "proptest",
        "models",
        "simulation",
        "hostile",
        "fuzz",
        "cases",
        "tests",
        "tables",
    ];
    for row in checks() {
        let [_, method, places] = row.as_slice() else { panic!("{row:?} has three cells") };
        assert!(METHODS.contains(&method.as_str()), "{method} is no method");
        for place in places.split("`, `").map(|place| place.trim_matches('`')) {
            if method == "fuzz" {
                // A target is a file, and its corpus has its name.
                assert!(root().join(place).is_file(), "{place} is there");
                continue;
            }
            let (file, name) = place.split_once("::").expect("FILE::NAME");
            let source = read(file);
            let found = match file.ends_with(".toml") {
                true => source.contains(&format!("name = \"{name}\"")),
                false => source.contains(&format!("fn {name}(")),
            };
            assert!(found, "{place} is there");
        }
    }
}

/// Each wrong machine names its rule, and a test that is there (`core/wrong/run` shows that it fails).
#[test]
fn every_wrong_machine_names_what_catches_it() {
    let rules = read("docs/design/behaviour.md");
    let mut count = 0;
    for entry in fs::read_dir(root().join("core/wrong")).expect("the folder") {
        let path = entry.expect("a file").path();
        if path.extension().is_none_or(|extension| extension != "patch") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a patch");
        let line = text.lines().next().unwrap_or_default();
        let [broken, _, test] = line.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("{}", path.display())
        };
        assert!(broken.split(' ').all(|rule| rules.contains(&format!("\n{rule}. "))), "{}", path.display());
        let (binary, name) = test.split_once("::").expect("BINARY::TEST");
        let name = name.rsplit("::").next().unwrap_or_default();
        let sources = match binary {
            "lib" => sources(&root().join("core/src")),
            _ => vec![root().join(format!("core/tests/{binary}.rs"))],
        };
        let has = |path: &PathBuf| {
            fs::read_to_string(path).is_ok_and(|source| source.contains(&format!("fn {name}(")))
        };
        assert!(sources.iter().any(has), "{}: {test} is there", path.display());
        count += 1;
    }
    assert!(count >= 30, "{count} wrong machines");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}
