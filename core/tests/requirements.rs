//! `docs/evidence/requirements.md` and the tables of demands against the code: what they name is there, and what the
//! code cites and the rules are they have.

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
    let text = read("docs/evidence/requirements.md");
    let rows = text.lines().filter(|line| line.starts_with("| RFC "));
    rows.map(|row| row.split(" | ").map(|cell| cell.trim_matches(['|', ' ', '`']).to_owned()).collect())
        .collect()
}

#[test]
fn every_row_names_what_is_there() {
    let rules = read("docs/design/behaviour.md");
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
        assert!(is_there(test), "{test} is there");
    }
}

/// Whether `FILE::TEST` is: a case or a group, or a function, be it one with arguments that a library makes up.
fn is_there(test: &str) -> bool {
    let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{test} is FILE::TEST"));
    let source = read(file);
    let begins_with = |keyword: &str| source.contains(&format!("{keyword} {name}("));
    match file.rsplit_once('.').map(|(_, extension)| extension) {
        Some("toml") => {
            let quoted = [format!("name = \"{name}\""), format!("name = '{name}'")];
            source.lines().any(|line| quoted.iter().any(|quoted| line == quoted))
        }
        Some("rs") => begins_with("fn"),
        Some("py") => begins_with("def"),
        _ => panic!("{file} holds no tests"),
    }
}

/// Rules of a letter: the first and the last number.
type Rules = (char, usize, usize);

/// The rules that a table of demands is about.
const TABLES: [(&str, &[Rules]); 5] = [
    ("docs/design/rules-a-c.md", &[('A', 1, 13), ('B', 1, 7), ('C', 1, 8)]),
    ("docs/design/rules-d-f.md", &[('D', 1, 4), ('E', 1, 15), ('F', 0, 0)]),
    ("docs/design/rules-g.md", &[('G', 1, 10)]),
    ("docs/design/rules-h.md", &[('H', 1, 7), ('H', 9, 9)]),
    ("docs/design/rules-j.md", &[('J', 1, 1), ('J', 5, 6)]),
];

/// The rules of a letter; one without numbers is its letter.
fn numbered((letter, first, last): Rules) -> Vec<String> {
    if last == 0 {
        vec![letter.to_string()]
    } else {
        (first..=last).map(|n| format!("{letter}{n}")).collect()
    }
}

#[test]
fn every_demand_names_a_test_that_is_there_and_every_rule_has_one() {
    for (table, letters) in TABLES {
        let text = read(table);
        // A file may have several tables.
        let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Rule "));
        let mut rules = BTreeSet::new();
        let mut missing = Vec::new();
        for row in rows {
            let cells: Vec<_> = row.trim_matches(['|', ' ']).split(" | ").collect();
            let [rule, what, test] = cells[..] else { panic!("{row} has three cells") };
            assert!(!what.is_empty(), "{row}");
            rules.insert(rule.to_owned());
            if !is_there(test.trim_matches('`')) {
                missing.push(test.to_owned());
            }
        }
        assert_eq!(missing, Vec::<String>::new(), "{table}");
        let expected: BTreeSet<String> = letters.iter().copied().flat_map(numbered).collect();
        assert_eq!(rules, expected, "{table}: the rules that have rows");
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
