//! What a hostile case is, and how it is read.

use std::{fmt, path::Path, time::Duration};

use serde::Deserialize;
use toml::{Table, Value};
use underpass_core::violation::Violation;

/// One step of a peer's script.
#[derive(Clone, PartialEq, Eq)]
pub enum Step {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Waits for what a simulated world has reached whenever it is at rest.
    Wait,
    /// Ends its direction, or the connection.
    End,
    /// Resets the connection.
    Reset,
    /// Answers as soon as it has the head.
    AtHead,
    /// Goes on once it has the whole request.
    AtWhole,
    /// Lets time pass.
    Elapse(Duration),
}

/// One case.
#[derive(Clone, Debug)]
pub struct Hostile {
    /// Family, group and name.
    pub name: String,
    /// The rules that it attacks.
    pub attacks: Vec<String>,
    /// What the client does.
    pub client: Vec<Step>,
    /// What the origin server does about a target of the case.
    pub origin: Option<Vec<Step>>,
    /// Requests, as `METHOD target`.
    pub asks: Vec<String>,
    /// No request reaches the origin server whole.
    pub refuse: bool,
    /// The client speaks HTTP/1.0.
    pub http10: bool,
    /// Contents of the requests that are asked, where that is said.
    pub content: Option<Vec<Vec<u8>>>,
    /// The host of every request.
    pub host: Option<Vec<u8>>,
    /// Field lines that every request has.
    pub keeps: Vec<(String, Vec<u8>)>,
    /// Fields that no request has.
    pub lacks: Vec<String>,
    /// Contents that may come of the hostile answer.
    pub answers: Vec<Vec<u8>>,
    /// Contents of which a beginning may come, recognisably cut.
    pub cuts: Vec<Vec<u8>>,
    /// Fields that no response has.
    pub hides: Vec<String>,
    /// No request offers an upgrade.
    pub no_upgrade: bool,
    /// Fields that no response has which underpass sends.
    pub strips: Vec<String>,
    /// Fields that no request has which underpass sends.
    pub drops: Vec<String>,
    /// What a tunnel may carry to the origin server.
    pub up: Option<Vec<u8>>,
    /// What a tunnel may carry to the client.
    pub down: Option<Vec<u8>>,
    /// The configuration, in nginx's syntax.
    pub config: String,
    /// Statuses of the final responses.
    pub status: Vec<u16>,
    /// What the error log names.
    pub violations: Vec<Violation>,
    /// Requests that the origin server gets whole, as `METHOD target`.
    pub reaches: Vec<String>,
}

#[expect(clippy::struct_excessive_bools, reason = "the fields of a case, as the file has them")]
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    attacks: Texts,
    #[serde(default)]
    client: Texts,
    origin: Option<Texts>,
    #[serde(default)]
    asks: Texts,
    #[serde(default)]
    refuse: bool,
    #[serde(default)]
    no_upgrade: bool,
    #[serde(default)]
    http10: bool,
    content: Option<Texts>,
    host: Option<String>,
    #[serde(default)]
    keeps: Texts,
    #[serde(default)]
    lacks: Texts,
    #[serde(default)]
    answers: Texts,
    #[serde(default)]
    cuts: Texts,
    #[serde(default)]
    hides: Texts,
    #[serde(default)]
    drops: Texts,
    #[serde(default)]
    strips: Texts,
    #[serde(default, rename = "not_for")]
    _not_for: Texts,
    #[serde(default, rename = "simulated")]
    _simulated: bool,
    up: Option<String>,
    down: Option<String>,
    #[serde(default)]
    location: String,
    #[serde(default)]
    server: String,
    #[serde(default)]
    status: Vec<u16>,
    #[serde(default)]
    violation: Texts,
    #[serde(default)]
    reaches: Texts,
}

/// One text, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

impl Default for Texts {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Texts {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Many(texts) if texts.is_empty())
    }

    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

const ORDINARY: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

impl Hostile {
    /// Every case of the families in `folder`.
    ///
    /// # Panics
    /// When a file can't be read, or a case is malformed.
    #[must_use]
    pub fn all(folder: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let mut files: Vec<_> = entries.map(|entry| entry.expect("a folder entry").path()).collect();
        files.sort();
        files.iter().flat_map(|path| Self::family(path)).collect()
    }

    fn family(path: &Path) -> Vec<Self> {
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let file: Table = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let family = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut cases = Vec::new();
        for group in file.get("group").and_then(Value::as_array).expect("groups") {
            let mut group = group.as_table().expect("a group").clone();
            let own = group.remove("cases").expect("the cases of a group");
            for case in own.as_array().expect("a list of cases") {
                let case = case.as_table().expect("a case");
                cases.push(Self::new(&family, &group, case));
            }
        }
        cases
    }

    fn new(family: &str, group: &Table, case: &Table) -> Self {
        let name = |table: &Table| table.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let full = format!("{family}: {}: {}", name(group), name(case));
        let mut all = group.clone();
        all.extend(case.clone());
        all.remove("name");
        let stand_ins: Vec<(String, String)> = ["x", "y", "z"]
            .iter()
            .filter_map(|key| Some((format!("{{{key}}}"), all.remove(*key)?.as_str()?.to_owned())))
            .collect();
        fill(&mut all, &stand_ins);
        let raw: Raw = Value::Table(all).try_into().unwrap_or_else(|e| panic!("{full}: {e}"));
        Self::from_raw(raw, full)
    }

    /// A client that does this, an origin server that answers so, or as any other where that is absent, and
    /// what a location has besides. Nothing is expected of it: see [`super::consistency()`].
    #[must_use]
    pub fn unjudged(client: Vec<Step>, origin: Option<Vec<Step>>, location: &str) -> Self {
        let raw = Raw { location: location.to_owned(), ..Raw::default() };
        Self { client, origin, ..Self::from_raw(raw, String::new()) }
    }

    fn from_raw(raw: Raw, name: String) -> Self {
        let step = |text: String| Step::parse(&text).unwrap_or_else(|| panic!("{name}: {text}"));
        let steps = |texts: Texts| texts.into_vec().into_iter().map(step).collect::<Vec<_>>();
        let contents = |texts: Texts| texts.into_vec().iter().map(|text| bytes(text)).collect::<Vec<_>>();
        let or = |texts: Vec<String>, default: &str| {
            if texts.is_empty() { vec![default.to_owned()] } else { texts }
        };
        let violation = |wanted: String| {
            let found = Violation::ALL.iter().find(|violation| format!("{violation:?}") == wanted);
            *found.unwrap_or_else(|| panic!("{name}: there is no violation {wanted}"))
        };
        assert!(!raw.refuse || raw.reaches.is_empty(), "{name}: what is refused reaches nobody");
        Self {
            attacks: raw.attacks.into_vec(),
            client: steps(Texts::Many(or(raw.client.into_vec(), ORDINARY))),
            origin: raw.origin.map(steps),
            asks: or(raw.asks.into_vec(), "GET /"),
            refuse: raw.refuse,
            http10: raw.http10,
            content: raw.content.map(contents),
            host: raw.host.as_deref().map(bytes),
            keeps: raw.keeps.into_vec().iter().map(|line| split_line(line)).collect(),
            lacks: raw.lacks.into_vec(),
            answers: contents(raw.answers),
            cuts: contents(raw.cuts),
            no_upgrade: raw.no_upgrade,
            drops: raw.drops.into_vec(),
            strips: raw.strips.into_vec(),
            hides: raw.hides.into_vec(),
            up: raw.up.as_deref().map(bytes),
            down: raw.down.as_deref().map(bytes),
            config: config(&raw.server, &raw.location),
            status: raw.status,
            reaches: raw.reaches.into_vec(),
            violations: raw.violation.into_vec().into_iter().map(violation).collect(),
            name,
        }
    }
}

/// The configuration of nginx's page around what the case says itself, which may be all of it.
fn config(server: &str, location: &str) -> String {
    let recipe = format!(
        "location / {{ proxy_pass http://{}; proxy_set_header Host $host;
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"; {location} }}",
        crate::session_world::ORIGIN
    );
    let recipe = if server.contains("location / ") { "" } else { &recipe };
    format!("events {{}} http {{ server {{ listen {}; {server} {recipe} }} }}", crate::session_world::LISTEN)
}

fn split_line(line: &str) -> (String, Vec<u8>) {
    let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("a field line: {line}"));
    (name.to_ascii_lowercase(), bytes(value))
}

/// A character is a byte.
fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|char| u8::try_from(u32::from(char)).expect("a character that is a byte")).collect()
}

/// Puts stand-ins and repetitions into every text.
fn fill(table: &mut Table, stand_ins: &[(String, String)]) {
    for (_, value) in table.iter_mut() {
        match value {
            Value::String(text) => *text = filled(text, stand_ins),
            Value::Array(texts) => {
                for text in texts {
                    if let Value::String(text) = text {
                        *text = filled(text, stand_ins);
                    }
                }
            }
            _ => {}
        }
    }
}

fn filled(text: &str, stand_ins: &[(String, String)]) -> String {
    let mut text = text.to_owned();
    for (mark, own) in stand_ins {
        text = text.replace(mark, own);
    }
    repeated(&text)
}

/// `{text*3}` is `texttexttext`.
fn repeated(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let inner = rest[open + 1..].split('}').next().unwrap_or_default();
        let repetition = inner.rsplit_once('*').filter(|_| !inner.contains('{'));
        let repetition = repetition.and_then(|(what, times)| Some((what, times.parse().ok()?)));
        let behind = open + inner.len() + 2;
        match repetition {
            Some((what, times)) if behind <= rest.len() => {
                out += &rest[..open];
                out += &what.repeat(times);
                rest = &rest[behind..];
            }
            _ => {
                out += &rest[..=open];
                rest = &rest[open + 1..];
            }
        }
    }
    out + rest
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Self::Wait => f.write_str("@answered"),
            Self::End => f.write_str("@end"),
            Self::Reset => f.write_str("@reset"),
            Self::AtHead => f.write_str("@head"),
            Self::AtWhole => f.write_str("@whole"),
            Self::Elapse(span) => write!(f, "@elapse {span:?}"),
        }
    }
}

impl Step {
    fn parse(text: &str) -> Option<Self> {
        let Some(step) = text.strip_prefix('@') else { return Some(Self::Send(bytes(text))) };
        let (word, value) = step.split_once(' ').unwrap_or((step, ""));
        match word {
            "answered" | "received" => value.parse::<usize>().ok().map(|_| Self::Wait),
            "end" | "close" => Some(Self::End),
            "reset" => Some(Self::Reset),
            "head" => Some(Self::AtHead),
            "whole" => Some(Self::AtWhole),
            "elapse" => value
                .strip_suffix('s')?
                .parse()
                .ok()
                .map(|seconds| Self::Elapse(Duration::from_secs(seconds))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let stand_ins = [("{x}".to_owned(), "X: {ab*2}".to_owned())];
        assert_eq!(filled("{x} {y} {a*3}{", &stand_ins), "X: abab {y} aaa{");
        assert_eq!(Step::parse("@elapse 2s"), Some(Step::Elapse(Duration::from_secs(2))));
        assert_eq!(Step::parse("\u{ff}"), Some(Step::Send(vec![255])));
        assert_eq!(Step::parse("@unknown"), None);
    }
}
