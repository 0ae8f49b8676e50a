//! `docs/requirements.md` against the code: what it names is there, and what the code cites it has.

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

/// The cells of each row, without what sets them in type.
fn rows() -> Vec<Vec<String>> {
    let text = read("docs/requirements.md");
    let rows = text.lines().filter(|line| line.starts_with("| RFC "));
    rows.map(|row| row.split(" | ").map(|cell| cell.trim_matches(['|', ' ', '`']).to_owned()).collect())
        .collect()
}

#[test]
fn every_row_names_what_is_there() {
    let rules = read("docs/behaviour.md");
    assert!(rows().len() > 100, "the table is there");
    for row in rows() {
        let [clause, _, asked, rule, code, test] = row.as_slice() else { panic!("{row:?} has six cells") };
        assert!(
            clause.starts_with("RFC 9110 §")
                || clause.starts_with("RFC 9112 §")
                || clause.starts_with("RFC 6455 §")
                || clause == "RFC 9931 (draft)",
            "{clause}"
        );
        assert!(!asked.is_empty(), "{row:?}");
        assert!(rules.contains(&format!("{rule}.")), "{rule} is a rule");
        assert!(root().join(code).is_file(), "{code} is there");
        let (file, name) = test.split_once("::").expect("FILE::TEST");
        let source = read(file);
        let found = match file.ends_with(".toml") {
            true => source.contains(&format!("name = \"{name}\"")),
            false => source.contains(&format!("fn {name}()")),
        };
        assert!(found, "{test} is there");
    }
}

#[test]
fn no_cited_clause_is_missing() {
    let listed: BTreeSet<String> = rows().iter().map(|row| row[0].clone()).collect();
    let mut missing = BTreeSet::new();
    for file in sources(&root().join("core/src")) {
        let text = fs::read_to_string(&file).expect("a source file");
        for (at, _) in text.match_indices("RFC ") {
            let rest = &text[at + 4..];
            let Some((number, clause)) = rest.split_once(" §").filter(|(number, _)| number.len() == 4)
            else {
                continue;
            };
            if !["9110", "9112", "6455"].contains(&number) {
                continue;
            }
            let end = clause.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(clause.len());
            let cited = format!("RFC {number} §{}", clause[..end].trim_end_matches('.'));
            if !listed.contains(&cited) {
                missing.insert(format!("{cited} ({})", file.display()));
            }
        }
    }
    assert!(missing.is_empty(), "clauses that the code cites and the table has not: {missing:#?}");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}
