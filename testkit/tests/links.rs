//! What pages and comments point to is there: relative links of every page, their anchors, and `docs/…` by name. The
//! index of `docs/` has every page.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

/// Folders with what tools have made.
const SKIPPED: [&str; 6] = ["target", "corpus", "artifacts", "coverage", "node_modules", "__pycache__"];

/// Hidden folders of the repository; others are somebody's tools.
const HIDDEN: [&str; 3] = [".cargo", ".ci", ".github"];

#[test]
fn relative_links_lead_somewhere() {
    let pages: Vec<_> = files().into_iter().filter(|file| is_page(file)).collect();
    assert!(pages.len() > 20, "the pages are found: {pages:?}");
    let mut links = 0;
    let mut broken = Vec::new();
    for page in &pages {
        for link in links_of(&read(page)) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            links += 1;
            if let Err(why) = follow(page, &link) {
                broken.push(format!("{}: ({link}) {why}", page.display()));
            }
        }
    }
    assert!(links > 20, "the links are found: {links}");
    assert!(broken.is_empty(), "{} broken links\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn every_rule_can_be_linked_to() {
    let page = read(Path::new("docs/design/behaviour.md"));
    let mut rules = 0;
    let mut before = "";
    for line in lines_outside_of_code(&page) {
        if let Some((name, _)) = line.split_once(". ").filter(|(name, _)| is_rule(name)) {
            assert_eq!(before, format!("<a id=\"{}\"></a>", name.to_lowercase()), "in front of {name}");
            rules += 1;
        }
        before = line;
    }
    assert!(rules > 50, "the rules are found: {rules}");
}

/// Whether it is a letter and a number, such as `A5`.
fn is_rule(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|letter| letter.is_ascii_uppercase())
        && !letters.as_str().is_empty()
        && letters.all(|letter| letter.is_ascii_digit())
}

#[test]
fn pages_that_are_named_are_there() {
    let mut named = 0;
    let mut missing = Vec::new();
    for file in files() {
        for name in pages_named_in(&read(&file)) {
            named += 1;
            if !root().join(&name).is_file() {
                missing.push(format!("{}: {name}", file.display()));
            }
        }
    }
    assert!(named > 100, "the names are found: {named}");
    assert!(missing.is_empty(), "{} pages are missing\n{}", missing.len(), missing.join("\n"));
}

#[test]
fn the_index_has_every_page() {
    let index = Path::new("docs/README.md");
    let listed: Vec<_> = links_of(&read(index)).iter().map(|link| resolved(index, link)).collect();
    let pages: BTreeSet<_> = files()
        .into_iter()
        .filter(|file| file.starts_with("docs") && is_page(file) && file != index)
        .collect();
    assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), pages);
    assert_eq!(listed.len(), pages.len(), "each page once");
}

#[test]
fn a_broken_link_is_found() {
    let text = "A [page](a.md), [two](b.md#c) `[no](code)`, an ![image](i.png).\n```\n[no](block)\n```\n[x]: y.md\n[z](z)";
    assert_eq!(links_of(text), ["a.md", "b.md#c", "i.png", "y.md", "z"]);
    let page = Path::new("docs/README.md");
    assert_eq!(follow(page, "../README.md"), Ok(()));
    assert_eq!(follow(page, "guide/"), Ok(()));
    assert_eq!(follow(page, "#documentation"), Ok(()));
    assert_eq!(follow(page, "guide/directives.md#what-differs-from-nginx"), Ok(()));
    assert!(follow(page, "guide/nothing.md").is_err());
    assert!(follow(page, "guide/directives.md#nothing").is_err());
    assert!(follow(page, "../../README.md").is_err(), "outside of the repository");
    assert_eq!(anchor("1. `-t`, and *what* it says (A5)"), "1--t-and-what-it-says-a5");
    let named = "`docs/design/state.md`, ../docs/README.md#d, https://example.org/docs/e.md, x-docs/f.md";
    assert_eq!(pages_named_in(named), ["docs/design/state.md", "docs/README.md"]);
}

/// Whether a link of a page leads to a file or folder of the repository, and to a heading of it.
fn follow(page: &Path, link: &str) -> Result<(), &'static str> {
    let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() { page.to_owned() } else { resolved(page, path) };
    if target.starts_with("..") {
        return Err("leads out of the repository");
    }
    if !root().join(&target).exists() {
        return Err("leads nowhere");
    }
    let has_place = || {
        let text = read(&target);
        let written = format!("<a id=\"{fragment}\"></a>");
        let has_heading = lines_outside_of_code(&text)
            .filter_map(|line| line.strip_prefix('#'))
            .any(|heading| anchor(heading.trim_start_matches('#').trim()) == fragment);
        has_heading || lines_outside_of_code(&text).any(|line| line == written)
    };
    if fragment.is_empty() || !is_page(&target) || has_place() {
        Ok(())
    } else {
        Err("has no such heading or anchor")
    }
}

/// The place that a link of a page means, from the root of the repository on.
fn resolved(page: &Path, link: &str) -> PathBuf {
    let mut place = page.parent().map(Path::to_owned).unwrap_or_default();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir if place.file_name().is_some() => _ = place.pop(),
            Component::CurDir => {}
            part => place.push(part),
        }
    }
    place
}

/// The targets of links: `[text](target)`, `![text](target)`, and `[name]: target`.
fn links_of(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in lines_outside_of_code(text) {
        let line = without_code(line);
        if let Some((_, target)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            links.push(target.trim().to_owned());
            continue;
        }
        for (at, _) in line.match_indices("](") {
            if let Some((target, _)) = line[at + 2..].split_once(')') {
                links.push(target.trim().to_owned());
            }
        }
    }
    links
}

fn lines_outside_of_code(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// What the web calls a heading.
fn anchor(heading: &str) -> String {
    let letters = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    letters.map(|letter| if letter == ' ' { '-' } else { letter }).collect::<String>().to_lowercase()
}

/// Pages of `docs/` that a text names by their path.
fn pages_named_in(text: &str) -> Vec<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    text.split(|letter| !is_part(letter))
        .filter_map(|word| {
            let name = word.trim_end_matches('.').trim_start_matches('/').trim_start_matches("../");
            let is_page = name.starts_with("docs/") && name.ends_with(".md");
            is_page.then(|| name.to_owned())
        })
        .collect()
}

fn is_page(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "md")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &Path) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// All files of the repository that are text, by their paths in it.
fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).expect("a folder") {
            let entry = entry.expect("an entry");
            let (kind, name) = (entry.file_type().expect("its type"), entry.file_name());
            let path = folder.join(&name);
            let is_skipped = name.to_string_lossy().starts_with('.')
                && !HIDDEN.iter().any(|hidden| name == *hidden)
                || SKIPPED.iter().any(|skipped| name == *skipped);
            if kind.is_dir() && !is_skipped {
                folders.push(path);
            } else if kind.is_file() && fs::read_to_string(root().join(&path)).is_ok() {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
