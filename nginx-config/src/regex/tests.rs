use proptest::prelude::*;
use underpass_core::template::Captures;

use super::*;

fn compiled(source: &str, ignore_case: bool) -> Expression {
    Expression::new(source, ignore_case).unwrap_or_else(|fault| panic!("{source}: {fault}"))
}

/// The groups of a match, `-` where there is none.
fn found(source: &str, subject: &str) -> String {
    let expression = compiled(source, false);
    let mut captures = Captures::default();
    if !expression.pattern.find(subject.as_bytes(), &mut captures) {
        return "-".to_owned();
    }
    let groups = translate::translate(source).expect("translated").groups;
    let groups = (0..=groups).map(|group| String::from_utf8_lossy(captures.get(group)).into_owned());
    groups.collect::<Vec<_>>().join("|")
}

#[test]
fn what_nginx_files_have() {
    for (source, subject, expected) in [
        (r"^/ws/(\d+)/(.*)$", "/ws/12/a/b", "/ws/12/a/b|12|a/b"),
        (r"\.(?:gif|jpe?g)$", "/a/b.jpeg", ".jpeg"),
        (r"\.(gif|png)$", "/a.php", "-"),
        (r"^(?<user>[^/]+)\.example\.com$", "joe.example.com", "joe.example.com|joe"),
        (r"^(?P<user>.+?)/(?'rest'.*)", "a/b/c", "a/b/c|a|b/c"),
        (
            r"^/(api|user/kernels/[^/]+/(channels|iopub))",
            "/user/kernels/7/iopub",
            "/user/kernels/7/iopub|user/kernels/7/iopub|iopub",
        ),
        (r"/x{2}/", "/xx/", "/xx/"),
        (r"^/[a-f0-9]{8}-[a-f0-9]{4}$", "/0123abcd-00ff", "/0123abcd-00ff"),
        (r"^\/a\-b\_c\/$", "/a-b_c/", "/a-b_c/"),
        (r"\<a\>", "<a>", "<a>"),
        (r"^(?i)/ABC", "/abc", "/abc"),
        (r"(?i:ab)c", "ABc", "ABc"),
        (r"", "anything", ""),
    ] {
        assert_eq!(found(source, subject), expected, "{source}");
    }
}

#[test]
fn what_pcre_writes_differently() {
    for (source, subject, expected) in [
        ("a{b}", "a{b}", "a{b}"),
        ("a{,2}", "a{,2}", "a{,2}"),
        ("a{1,}b", "aab", "aab"),
        ("[]a]+", "a]a", "a]a"),
        ("[^]a]", "]ab", "b"),
        ("[[]x", "[x", "[x"),
        ("[a[b]+", "[ab", "[ab"),
        ("[a&&b]+", "&ab", "&ab"),
        ("[+--]+", ",-+", ",-+"),
        ("[a-]+", "-a", "-a"),
        (r"[\w.-]+", "a_1.-", "a_1.-"),
        (r"[a-\d]+", "a-1", "a-1"),
        ("[[:alpha:]_]+", "1ab_", "ab_"),
        ("[[:^digit:]]+", "12ab", "ab"),
        (r"[\b]", "\u{8}", "\u{8}"),
        (r"[\x41-C]+", "ABCD", "ABC"),
        (r"\x{41}\x42\0103", "AB\u{8}3", "AB\u{8}3"),
        (r"[\101]", "A", "A"),
        (r"\h+\H", " \tx", " \tx"),
        (r"\R", "a\r\nb", "\r\n"),
        (r"\N+", "ab\nc", "ab"),
        (r"\Qa.b\E.", "a.bc", "a.bc"),
        (r"\cA\e", "\u{1}\u{1b}", "\u{1}\u{1b}"),
        ("a(?#comment ( )b", "ab", "ab"),
        ("(?x) a b # c (\n [ ] c", "ab c", "ab c"),
        ("(?x: a b)c d", "abc d", "abc d"),
        ("(?x)a(?-x: b) c", "a bc", "a bc"),
        ("é+", "xéé", "é"),
        ("[é]{2}", "é", "é"),
        (".", "é", "\u{fffd}"),
    ] {
        assert_eq!(found(source, subject), expected, "{source}");
    }
}

#[test]
fn what_only_backtracking_can_do() {
    for (source, needs, subject, expected) in [
        (r"^(?!.*\.php$)/a(.*)", "look-ahead", "/a/b.html", "/a/b.html|/b.html"),
        (r"^(?!.*\.php$)/a(.*)", "look-ahead", "/a/b.php", "-"),
        (r"a(?=b)", "look-ahead", "ab", "a"),
        (r"(?<=/)x", "look-behind", "/x", "x"),
        (r"(?<!/)x", "look-behind", "/x", "-"),
        (r"(a|b)\1", "a back-reference", "abb", "bb|b"),
        (r"(?<n>a|b)\k<n>2", "a back-reference", "bb2", "bb2|b"),
        (r"(a)(b)\g{-1}", "a back-reference", "abb", "abb|a|b"),
        (r"(?P<n>a)(?P=n)", "a back-reference", "aa", "aa|a"),
        (r"(?>a+)b", "an atomic group", "aab", "aab"),
        (r"(?>a+)ab", "an atomic group", "aaab", "-"),
        (r"a++b", "a possessive quantifier", "aab", "aab"),
        (r"a++ab", "a possessive quantifier", "aaab", "-"),
        (r"a{1,3}+ab", "a possessive quantifier", "aaab", "-"),
        (r"a\Z", "\\Z", "a\n", "a"),
        (r"a\Kb", "\\K", "ab", "b"),
        (r"(?=.)[\x80-\xFF]", "look-ahead", "é", "\u{fffd}"),
        // A byte, then the two of a letter.
        (r"(?=.)[^a]é", "look-ahead", "éé", "\u{fffd}é"),
    ] {
        assert_eq!(compiled(source, false).backtracks, Some(needs), "{source}");
        assert_eq!(found(source, subject), expected, "{source}");
    }
}

#[test]
fn case_is_ignored_where_it_is_said() {
    for source in ["^/ABC[x-z]é$", "(?=.)^/ABC[x-z]é$"] {
        let mut captures = Captures::default();
        assert!(compiled(source, true).pattern.find("/abcYé".as_bytes(), &mut captures), "{source}");
        assert!(!compiled(source, true).pattern.find("/abcYÉ".as_bytes(), &mut captures), "{source}");
        assert!(!compiled(source, false).pattern.find("/abcYé".as_bytes(), &mut captures), "{source}");
    }
}

#[test]
fn mistakes_are_named() {
    for (source, fault) in [
        ("(a", "missing closing parenthesis"),
        ("a)", "unmatched closing parenthesis"),
        ("[a", "missing terminating ] for character class"),
        ("a\\", "\\ at end of pattern"),
        ("*a", "repetition operator missing expression"),
        ("[z-a]", "range out of order in character class"),
        ("[a--]", "range out of order in character class"),
        ("(?<1>a)", "the name of a group consists of letters, digits and _, no digit first"),
        ("(?<n>a)(?<n>b)", "two named subpatterns have the same name \"n\""),
        (r"a\i", "\"\\i\" is not known here"),
        (r"\pL", "\"\\p\" is not known here"),
        ("(?R)", "\"(?R\" is not known here"),
        ("(*UTF8)a", "verbs, \"(*\", are not known here"),
        (r"\k<a>", "reference to the group \"a\", which is not there"),
    ] {
        assert_eq!(Expression::new(source, false).map(|_| ()), Err(fault.to_owned()), "{source}");
    }
    assert!(Expression::new("(((((a{99}){99}){99}){99}){99})", false).is_err());
    assert!(Expression::new(r"(a)\2", false).is_err());
}

#[test]
fn an_expression_that_takes_too_long_does_not_match() {
    let expression = compiled(r"^(?=a)(a+)+\1$", false);
    let subject = "a".repeat(40) + "b";
    assert!(!expression.pattern.find(subject.as_bytes(), &mut Captures::default()));
}

#[test]
fn names_are_found_before_anything_is_compiled() {
    assert_eq!(names("(a)(?<one>b(?'two'c))"), ["one", "two"]);
    assert_eq!(names("(?<one>"), [""; 0]);
}

proptest! {
    #[test]
    fn no_expression_panics(source in
        "([a(){}|?*+^$.\\\\\\[\\]<>:P'=!#0-9xiQEk-]|\\PC){0,20}", ignore_case: bool) {
        if let Ok(expression) = Expression::new(&source, ignore_case) {
            let mut captures = Captures::default();
            for subject in [b"".as_slice(), b"abc/1", b"\xff\xc3\xa9"] {
                expression.pattern.find(subject, &mut captures);
            }
        }
    }

    /// Text in `\Q…\E` and escaped text match themselves.
    #[test]
    fn quoted_text_is_plain(text in "[^\\\\]{1,12}") {
        prop_assert_eq!(found(&format!("^\\Q{text}\\E$"), &text), text.clone());
        let escape = |c: char| if c.is_ascii_punctuation() { format!("\\{c}") } else { c.to_string() };
        let escaped: String = text.chars().map(escape).collect();
        prop_assert_eq!(found(&format!("^{escaped}$"), &text), text.clone());
        let class: String = text.bytes().map(|byte| format!("[\\x{byte:02x}]")).collect();
        prop_assert_eq!(found(&format!("^{class}$"), &text), text);
    }
}
