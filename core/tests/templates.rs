//! Templates and `map` (rule B7) against what their description says, read word by word.

use std::fmt::Write as _;

use proptest::{prelude::*, sample::select};
use underpass_testkit::{
    session_world::{World, config_of},
    strict::read_request,
};

/// What goes upstream as the field `T` of a request with these fields.
fn evaluated(http: &str, template: &str, fields: &str) -> String {
    let config = config_of(&format!(
        "http {{ {http} server {{ listen 127.0.0.1:8080; location / {{ proxy_pass http://127.0.0.1:9000;
         proxy_set_header T \"<{template}>\"; }} }} }}"
    ));
    let mut world = World::new(config);
    world.client_sends(format!("GET /t?k=key HTTP/1.1\r\nHost: h.example\r\n{fields}\r\n"));
    let received = world.origins.first().expect("a request").end.received();
    let request = read_request(received).expect("a request").expect("whole");
    let value = request.lines.iter().find(|(name, _)| name == "t").map(|(_, value)| value.clone());
    let value = String::from_utf8(value.expect("the field")).expect("ASCII");
    value
        .strip_prefix('<')
        .and_then(|value| value.strip_suffix('>'))
        .expect("what stands around it")
        .to_owned()
}

/// A piece of a template, and what it comes to.
#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Variable(&'static str, String),
}

fn piece() -> impl Strategy<Value = Piece> {
    let value = "[!#%-\\[\\]-z|~]{0,6}";
    prop_oneof![
        "[a-z0-9_ .,:/=<>()\\[\\]-]{1,4}".prop_map(Piece::Text),
        value.prop_map(|value| Piece::Variable("http_one", value)),
        value.prop_map(|value| Piece::Variable("http_TWO", value)),
        Just(Piece::Variable("arg_k", "key".to_owned())),
        Just(Piece::Variable("request_method", "GET".to_owned())),
        Just(Piece::Variable("host", "h.example".to_owned())),
        Just(Piece::Variable("http_absent", String::new())),
        Just(Piece::Variable("is_args", "?".to_owned())),
    ]
}

/// A key of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    Exact(String),
    /// `*.name`.
    Leading(String),
    /// `.name`: the name, and what ends in it.
    Both(String),
    /// `name.*`.
    Trailing(String),
    /// As it is written, whether it matches, and what it captures.
    Regex(&'static str),
}

impl Key {
    fn text(&self) -> String {
        match self {
            Self::Exact(name) => name.clone(),
            Self::Leading(name) => format!("*.{name}"),
            Self::Both(name) => format!(".{name}"),
            Self::Trailing(name) => format!("{name}.*"),
            Self::Regex(regex) => format!("~{regex}"),
        }
    }

    /// The strings that it defines, by kind.
    fn defines(&self) -> Vec<String> {
        match self {
            Self::Both(name) => vec![name.to_lowercase(), format!("*.{}", name.to_lowercase())],
            other => vec![other.text().to_lowercase()],
        }
    }

    /// How well it fits: what is greater wins. Exact, prefix masks (`*.name`) by length, suffix masks by length.
    fn fit(&self, value: &str) -> Option<(u8, usize)> {
        let value = value.to_lowercase();
        let exact = |name: &String| (value == name.to_lowercase()).then_some((3, 0));
        let leading = |name: &String| {
            let front = value.strip_suffix(&name.to_lowercase())?.strip_suffix('.')?;
            (!front.is_empty()).then_some((2, name.len()))
        };
        match self {
            Self::Exact(name) => exact(name),
            Self::Leading(name) => leading(name),
            Self::Both(name) => exact(name).or_else(|| leading(name)),
            Self::Trailing(name) => {
                let rest = value.strip_prefix(&name.to_lowercase())?.strip_prefix('.')?;
                (!rest.is_empty()).then_some((1, name.len()))
            }
            Self::Regex(_) => None,
        }
    }

    /// For regular expressions: what the first group holds.
    fn matches(&self, value: &str) -> Option<String> {
        let Self::Regex(regex) = self else { return None };
        match *regex {
            "^(a)" => value.starts_with('a').then(|| "a".to_owned()),
            "*(B)$" => value.to_lowercase().ends_with('b').then(|| value[value.len() - 1..].to_owned()),
            "(.)c" => value
                .char_indices()
                .skip(1)
                .find(|(_, c)| *c == 'c')
                .map(|(at, _)| value[at - 1..at].to_owned()),
            other => panic!("nobody has said what {other} matches"),
        }
    }
}

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec("[a-cA-C]{1,2}", 1..4).prop_map(|labels| labels.join("."))
}

fn key(hostnames: bool) -> BoxedStrategy<Key> {
    let regex = select(vec!["^(a)", "*(B)$", "(.)c"]).prop_map(Key::Regex);
    if hostnames {
        prop_oneof![
            2 => name().prop_map(Key::Exact),
            2 => name().prop_map(Key::Leading),
            2 => name().prop_map(Key::Both),
            2 => name().prop_map(Key::Trailing),
            1 => regex,
        ]
        .boxed()
    } else {
        prop_oneof![3 => "[a-cA-C.]{1,3}".prop_map(Key::Exact), 1 => regex].boxed()
    }
}

#[derive(Clone, Debug)]
struct Map {
    hostnames: bool,
    keys: Vec<Key>,
    default: bool,
    value: String,
}

fn map() -> impl Strategy<Value = Map> {
    any::<bool>().prop_flat_map(|hostnames| {
        let keys = prop::collection::vec(key(hostnames), 0..8);
        let value =
            if hostnames { (name(), any::<bool>()).boxed() } else { ("[a-cA-C.]{0,3}", Just(false)).boxed() };
        (keys, any::<bool>(), value).prop_map(move |(keys, default, (value, dot))| {
            let mut defined: Vec<String> = Vec::new();
            let mut kept = Vec::new();
            for key in keys {
                // The same key twice is a mistake of the file.
                if key.defines().iter().all(|text| !defined.contains(text)) {
                    defined.extend(key.defines());
                    kept.push(key);
                }
            }
            // With `hostnames`, a dot at the end of a value is ignored.
            let value = if dot { format!("{value}.") } else { value };
            Map { hostnames, keys: kept, default, value }
        })
    })
}

impl Map {
    fn text(&self) -> String {
        let mut text = "map $http_v $found {".to_owned();
        if self.hostnames {
            text += " hostnames;";
        }
        for (number, key) in self.keys.iter().enumerate() {
            let capture = if matches!(key, Key::Regex(_)) { ":$1" } else { "" };
            write!(text, " \"{}\" \"{number}{capture}:$http_v\";", key.text()).expect("memory");
        }
        if self.default {
            text += " default none;";
        }
        text + " }"
    }

    fn expected(&self) -> String {
        let looked_up = self.value.strip_suffix('.').filter(|_| self.hostnames).unwrap_or(&self.value);
        let fits = self.keys.iter().enumerate();
        let best = fits.clone().filter_map(|(number, key)| Some((key.fit(looked_up)?, number))).max();
        if let Some((_, number)) = best {
            return format!("{number}:{}", self.value);
        }
        let first = fits.clone().find_map(|(number, key)| Some((number, key.matches(looked_up)?)));
        match first {
            Some((number, captured)) => format!("{number}:{captured}:{}", self.value),
            None if self.default => "none".to_owned(),
            None => String::new(),
        }
    }
}

/// The escapes of log lines, one character after the other.
fn escaped(value: &str, escape: &str) -> String {
    match escape {
        "none" => value.to_owned(),
        "default" if value.is_empty() => "-".to_owned(),
        "default" => value
            .chars()
            .map(|c| if matches!(c, '"' | '\\' | '\t') { format!("\\x{:02X}", c as u32) } else { c.into() })
            .collect(),
        "json" => value
            .chars()
            .map(|c| match c {
                '"' | '\\' => format!("\\{c}"),
                '\t' => "\\t".to_owned(),
                _ => c.to_string(),
            })
            .collect(),
        other => panic!("there is no escape {other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// A template is its pieces, one behind the other.
    #[test]
    fn templates(pieces in prop::collection::vec(piece(), 0..8), braces: bool) {
        let (mut template, mut fields, mut expected) = (String::new(), String::new(), String::new());
        let mut values = [None, None];
        for (at, piece) in pieces.iter().enumerate() {
            match piece {
                Piece::Text(text) => {
                    template += text;
                    expected += text;
                }
                Piece::Variable(name, value) => {
                    // A name ends where its letters do, or at a brace.
                    let goes_on = matches!(pieces.get(at + 1), Some(Piece::Text(text)) if text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'));
                    template += &if braces || goes_on { format!("${{{name}}}") } else { format!("${name}") };
                    // A field has one value.
                    let slot = ["http_one", "http_TWO"].iter().position(|field| field == name);
                    expected += slot.map_or(value, |slot| values[slot].get_or_insert_with(|| value.clone()));
                }
            }
        }
        for (name, value) in ["One", "Two"].iter().zip(values) {
            if let Some(value) = value {
                write!(fields, "{name}: {value}\r\n").expect("memory");
            }
        }
        prop_assert_eq!(evaluated("", &template, &fields), expected);
    }

    /// Exact, then the longest prefix mask, the longest suffix mask, the first regular expression, the default, and
    /// else nothing; the value is a template, with the captures of what has matched.
    #[test]
    fn maps(map in map()) {
        let fields = format!("V: {}\r\n", map.value);
        prop_assert_eq!(evaluated(&map.text(), "$found", &fields), map.expected(), "{}", map.text());
    }

    #[test]
    fn escapes_of_log_lines(value in "[ -~\t]{0,12}", escape in select(vec!["none", "default", "json"])) {
        let value = value.trim_matches([' ', '\t']);
        let config = config_of(&format!(
            "http {{ log_format f escape={escape} '<$http_v>'; access_log log f; server {{ listen 127.0.0.1:8080;
             return 204; }} }}"
        ));
        let mut world = World::new(config);
        world.client_sends(format!("GET / HTTP/1.1\r\nHost: a\r\nV: {value}\r\n\r\n"));
        prop_assert_eq!(&world.log, &[format!("<{}>", escaped(value, escape))]);
    }
}
