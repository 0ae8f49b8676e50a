//! The engine beside another one, and what it costs.

use fancy_regex::{BytesMode, RegexBuilder};
use proptest::prelude::*;
use underpass_core::template::{Captures, Pattern as _};

use super::{
    Backtracking, STEPS,
    machine::{Found, Machine},
};
use crate::regex::translate::translate;

fn compiled(source: &str, ignore_case: bool) -> Result<Backtracking, String> {
    Backtracking::new(&translate(source)?.pattern, ignore_case)
}

/// What the groups matched, or nothing.
fn found(source: &str, subject: &str) -> Option<Vec<String>> {
    let engine = compiled(source, false).unwrap_or_else(|error| panic!("{source}: {error}"));
    let mut captures = Captures::default();
    let groups = engine.0.groups;
    let matched = engine.find(subject.as_bytes(), &mut captures);
    let text = |group| String::from_utf8_lossy(captures.get(group)).into_owned();
    matched.then(|| (0..groups).map(text).collect())
}

#[test]
fn what_only_this_engine_can_do() {
    for (source, subject, expected) in [
        (r"(a+)\1", "aaaaa", Some(vec!["aaaa", "aa"])),
        (r"(a)?b\1", "b", None),
        (r"a(?=b)", "acab", Some(vec!["a"])),
        (r"a(?!b)", "abac", Some(vec!["a"])),
        (r"^(?:(?!ad).)*$", "bad", None),
        (r"^(?:(?!ad).)*$", "bid", Some(vec!["bid"])),
        (r"(?<=a|bc)d", "abcd", Some(vec!["d"])),
        (r"(?<!a)b", "abcb", Some(vec!["b"])),
        (r"(?<=a)b", "b", None),
        (r"(?>a+)a", "aaa", None),
        (r"a++b", "aaab", Some(vec!["aaab"])),
        (r"a*+a", "aaa", None),
        (r"foo\Kbar", "foobar", Some(vec!["bar"])),
        (r"(?=(\w+))\1:", "abc:", Some(vec!["abc:", "abc"])),
        (r"(?i)(ab)\1", "abAB", Some(vec!["abAB", "ab"])),
        (r"(?:a(?i)b|c)\b(?=!)", "C!", Some(vec!["C"])),
        (r"(?m)^b$(?=\n)", "a\nb\nc", Some(vec!["b"])),
        (r"(?:a|ab)(?:c|bcd)(?=e)", "abcde", Some(vec!["abcd"])),
        (r"(?:(?=x)|y)*z", "yyz", Some(vec!["yyz"])),
        (r"(?:(?=a)){3}a", "a", Some(vec!["a"])),
        (r"(a|b(?!c)){2,}d", "abad", Some(vec!["abad", "a"])),
        (r"(?U)a+(?=a)", "aaa", Some(vec!["a"])),
        (r"\Ba(?=\d{2})", "ba12", Some(vec!["a"])),
        (r"(?!)", "", None),
        (r"(?=)", "", Some(vec![""])),
    ] {
        let expected = expected.map(|groups| groups.into_iter().map(str::to_owned).collect());
        assert_eq!(found(source, subject), expected, "{source} {subject}");
    }
}

#[test]
fn mistakes_are_named_as_pcre_names_them() {
    for (source, fault) in [
        (r"(?<=a+)b", "lookbehind assertion is not fixed length"),
        (r"(a)\2", "reference to non-existent subpattern"),
        (r"(?=*)", "quantifier does not follow a repeatable item"),
        (r"(?=a{3,2})", "numbers out of order in {} quantifier"),
        (r"(?=a{99999})", "number too big in {} quantifier"),
        (r"(?=(?:a{999}){999})", "regular expression is too large"),
    ] {
        assert_eq!(compiled(source, false).map(|_| ()), Err(fault.to_owned()), "{source}");
    }
    let deep = format!("{}(?=a){}", "(".repeat(300), ")".repeat(300));
    assert_eq!(compiled(&deep, false).map(|_| ()), Err("parentheses are too deeply nested".to_owned()));
}

/// Whatever it is, it ends within its steps: no other engine here says so of look-aheads in loops.
#[test]
fn what_would_take_for_ever_is_given_up() {
    let subject = "a".repeat(8_000);
    for source in [
        "(?=[a-y]*z)a",
        "^(?:(?=(?:(?=[a-y]*)a)*)a)*$",
        r"(a+)\1b",
        r"(?:(?:(?:(?=a)a?)*)*)*z",
        "(?>(?:(a)|b)*)c",
        "(?:(?<=a)|a)*(?!a)b",
    ] {
        let engine = compiled(source, false).expect("it compiles");
        let mut machine = Machine::new(&engine.0, subject.as_bytes(), STEPS);
        assert_eq!(machine.search(), Found::Unknown, "{source}");
        let mut captures = Captures::default();
        assert!(!engine.find(subject.as_bytes(), &mut captures), "{source}");
    }
}

/// What operators deny with: as long as a path may be, it is matched.
#[test]
fn usual_expressions_are_matched_on_the_longest_paths() {
    let long = "a/".repeat(4_000);
    let letters = "a".repeat(8_000);
    for (source, subject, expected) in [
        (r"^(?:(?!/admin).)*$", format!("/{long}"), true),
        (r"^(?:(?!/admin).)*$", format!("/{long}/admin"), false),
        (r"\.(?!php$)[a-z]+$", format!("/{long}.html"), true),
        (r"^/(?!api/|static/|health/).*$", format!("/{long}"), true),
        (r"(?<!\.min)\.js$", format!("/{long}.js"), true),
        (r"^/(\w+)/.*/\1$", format!("/x/{long}/x"), true),
        (r"\.(?!php$)[a-z]+$", ".".repeat(8_000) + "html", true),
        // Nothing there begins as a match does.
        ("(?=[a-y]*z)q", letters, false),
    ] {
        let engine = compiled(source, false).expect("it compiles");
        let found = Machine::new(&engine.0, subject.as_bytes(), STEPS).search();
        assert_eq!(found, if expected { Found::Match } else { Found::Nothing }, "{source}");
    }
}

/// Sources of parts that look around, refer back, and repeat each other.
fn sources() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("a".to_owned()),
        Just("b".to_owned()),
        Just("[ab]".to_owned()),
        Just(".".to_owned()),
        Just("^".to_owned()),
        Just("$".to_owned()),
        Just("\\b".to_owned()),
        Just("\\w".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("{one}{other}")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("(?:{one}|{other})")),
            (
                inner.clone(),
                prop_oneof![Just("*"), Just("+"), Just("?"), Just("*?"), Just("{2}"), Just("{1,2}")]
            )
                .prop_map(|(inner, times)| format!("(?:{inner}){times}")),
            inner.clone().prop_map(|inner| format!("({inner})")),
            inner.clone().prop_map(|inner| format!("(?={inner})")),
            inner.clone().prop_map(|inner| format!("(?!{inner})")),
            inner.clone().prop_map(|inner| format!("(?>{inner})")),
            "[ab]".prop_map(|byte| format!("(?<={byte})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Both find the same match. What groups hold isn't compared where they are repeated: the other engine keeps
    /// what an earlier round has matched.
    #[test]
    fn it_matches_what_another_engine_matches(source in sources(), subject in "[abc\n]{0,7}", ignore_case: bool) {
        let translated = translate(&source).expect("it is well-formed").pattern;
        let mut builder = RegexBuilder::new(&translated);
        builder.bytes_mode(BytesMode::Ascii).case_insensitive(ignore_case).backtrack_limit(100_000);
        let other = builder.build().map_err(|error| TestCaseError::reject(error.to_string()))?;
        let expected = other.find(subject.as_bytes());
        let expected = expected.map_err(|error| TestCaseError::reject(error.to_string()))?;
        let engine = Backtracking::new(&translated, ignore_case).expect("the other compiles it");
        let mut machine = Machine::new(&engine.0, subject.as_bytes(), STEPS);
        let found = (machine.search() == Found::Match).then(|| machine.group(0)).flatten();
        prop_assert_eq!(found, expected.map(|found| (found.start(), found.end())), "{}", translated);
    }
}
