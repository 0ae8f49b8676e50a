//! What a case is, as it stands in a file of `testdata/`.

use std::{fmt, path::Path, time::Duration};

use serde::Deserialize;
use underpass_core::{
    config::Identity,
    violation::{Culprit, Violation},
};

/// The cases of one file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Raw>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    rules: Vec<String>,
    #[serde(default)]
    drivers: Vec<String>,
    #[serde(default)]
    needs: Vec<Need>,
    #[serde(default)]
    http: String,
    #[serde(default)]
    server: String,
    #[serde(default)]
    location: String,
    #[serde(default)]
    plain: bool,
    #[serde(default)]
    peers: String,
    #[serde(default)]
    log: String,
    steps: Vec<Vec<String>>,
}

/// What not every driver has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Need {
    /// Connections to the origin server are used again.
    Pool,
    /// Connections can be closed with a reset.
    Reset,
}

/// One case: a configuration, and what the peers do and see.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// The rules of `docs/design/behaviour.md` that it belongs to.
    pub rules: Vec<String>,
    /// The drivers that can run it; empty: all.
    pub drivers: Vec<String>,
    /// What a driver needs to have for it.
    pub needs: Vec<Need>,
    /// The script.
    pub steps: Vec<Step>,
    /// Whether the configuration is the one that everybody has: one origin server, tunnels included.
    pub is_default: bool,
    config: String,
}

/// Who does something, or sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The client.
    Client,
    /// The origin server, on the connection with this number, from 1.
    Origin(usize),
}

/// One step of a script.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends bytes.
    Sends(Who, Text),
    /// Gets exactly these bytes next.
    Gets(Who, Text),
    /// Shuts its direction down.
    Ends(Who),
    /// Resets its connection.
    Resets(Who),
    /// Sees this next.
    Sees(Who, Sight),
    /// The origin server refuses connections from the beginning.
    Refuses,
    /// The origin server doesn't answer the next dial.
    Hangs,
    /// Time passes.
    Elapses(Duration),
    /// The next line of the access log.
    Log(Text),
    /// So many connections were made to the origin server.
    Connections(usize),
    /// The proxy drains, for so long at most.
    Drains(Option<Duration>),
}

/// What a peer sees of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The end of the stream.
    End,
    /// A reset.
    Reset,
    /// That it is open, and that nothing has come.
    Nothing,
}

/// Text with placeholders: `{origin}`, `{listen}`, `{scheme}`, `{port}`, `{server}`, `{date}`.
#[derive(Clone, Debug)]
pub struct Text(String);

/// What placeholders stand for in one run.
#[derive(Clone, Debug)]
pub struct Names {
    /// Address of the origin server.
    pub origin: String,
    /// Where the proxy listens.
    pub listen: String,
    /// The scheme under which its clients ask: `http` or `https`.
    pub scheme: &'static str,
    /// The access log's file.
    pub log: String,
}

/// The length of every `Date`: `Sun, 06 Nov 1994 08:49:37 GMT`.
const DATE: usize = 29;

impl Text {
    /// The bytes, with what placeholders stand for; a date is left open.
    #[must_use]
    pub fn expected(&self, names: &Names) -> Expected {
        let mut pieces = self.filled(names).into_bytes();
        let mut dates = Vec::new();
        let mark = b"{date}";
        while let Some(at) = pieces.windows(mark.len()).position(|window| window == mark) {
            pieces.splice(at..at + mark.len(), std::iter::repeat_n(b'?', DATE));
            dates.push(at);
        }
        Expected { bytes: pieces, dates }
    }

    /// The bytes to be sent.
    #[must_use]
    pub fn filled(&self, names: &Names) -> String {
        let port = names.listen.rsplit(':').next().unwrap_or_default();
        with_refusals(&self.0)
            .replace("{origin}", &names.origin)
            .replace("{listen}", &names.listen)
            .replace("{scheme}", names.scheme)
            .replace("{port}", port)
            .replace("{log}", &names.log)
            .replace("{server}", &Identity::default().server)
    }
}

/// `{refusal NAME}` is our whole response to the violation of that name, `{refusal NAME close}` the same on a
/// connection that is closed after it.
fn with_refusals(text: &str) -> String {
    let Some((before, rest)) = text.split_once("{refusal ") else { return text.to_owned() };
    let (words, after) = rest.split_once('}').expect("the brace that closes a refusal");
    let (name, close) = words.split_once(' ').map_or((words, false), |(name, word)| (name, word == "close"));
    let violation = Violation::ALL.iter().find(|violation| format!("{violation:?}") == name);
    let violation = violation.unwrap_or_else(|| panic!("there is no violation {name}"));
    let (status, reason) = (violation.status(), reason(violation.status()));
    let mut content = format!("{status} {reason}\n");
    if violation.culprit() == Culprit::Client {
        let section = violation.section().replace('§', "section ");
        content += &format!("\n{} ({section})\n", violation.sentence());
        content += &violation.switch().map_or_else(String::new, |switch| format!("see: {switch}\n"));
    }
    let demanded = match status {
        405 => "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n",
        426 => "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        _ => "",
    };
    let connection = match (status == 426, close) {
        (false, false) => "",
        (false, true) => "Connection: close\r\n",
        (true, false) => "Connection: Upgrade\r\n",
        (true, true) => "Connection: Upgrade, close\r\n",
    };
    format!(
        "{before}HTTP/1.1 {status} {reason}\r\nServer: {{server}}\r\nDate: {{date}}\r\nContent-Type: text/plain\r\n\
         Content-Length: {}\r\n{demanded}{connection}\r\n{content}{}",
        content.len(),
        with_refusals(after)
    )
}

fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        508 => "Loop Detected",
        _ => panic!("no case has needed the status {status} yet"),
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Bytes in which dates are open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The bytes, question marks where a date stands.
    pub bytes: Vec<u8>,
    dates: Vec<usize>,
}

impl Expected {
    /// Whether these are the bytes.
    #[must_use]
    pub fn matches(&self, seen: &[u8]) -> bool {
        let mut seen = seen.to_vec();
        for at in &self.dates {
            match seen.get_mut(*at..*at + DATE) {
                Some(date) if date.ends_with(b" GMT") => date.fill(b'?'),
                _ => return false,
            }
        }
        seen == self.bytes
    }
}

impl Case {
    /// Every case of the files in `folder`, in the order of their names.
    ///
    /// # Panics
    /// When a file can't be read, or a case is malformed.
    #[must_use]
    pub fn all(folder: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let mut files: Vec<_> = entries.map(|entry| entry.expect("a folder entry").path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        files.sort();
        let mut cases = Vec::new();
        for path in files {
            let text = std::fs::read_to_string(&path).expect("a readable file");
            let file: File = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            cases.extend(file.case.into_iter().map(|raw| Self::new(raw, &stem)));
        }
        cases
    }

    fn new(raw: Raw, file: &str) -> Self {
        let name = format!("{file}: {}", raw.name);
        assert!(!raw.rules.is_empty(), "{name}: no rule");
        let parse = |step: &Vec<String>| Step::parse(step).unwrap_or_else(|| panic!("{name}: {step:?}"));
        Self {
            steps: raw.steps.iter().map(parse).collect(),
            is_default: !raw.plain
                && [&raw.http, &raw.server, &raw.location, &raw.peers, &raw.log]
                    .iter()
                    .all(|text| text.is_empty()),
            config: config(&raw),
            rules: raw.rules,
            drivers: raw.drivers,
            needs: raw.needs,
            name,
        }
    }

    /// Whether the driver called `driver` is to run it.
    #[must_use]
    pub fn names(&self, driver: &str) -> bool {
        self.drivers.is_empty() || self.drivers.iter().any(|name| name == driver)
    }

    /// The file that it is from, without its extension.
    #[must_use]
    pub fn file(&self) -> &str {
        self.name.split(':').next().unwrap_or_default()
    }

    /// The configuration in nginx's syntax.
    #[must_use]
    pub fn config(&self, names: &Names) -> String {
        Text(self.config.clone()).filled(names)
    }
}

/// The configuration of nginx's page around what the case says itself.
fn config(raw: &Raw) -> String {
    let recipe = if raw.plain {
        ""
    } else {
        "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"Upgrade\";"
    };
    let (format, log) = if raw.log.is_empty() {
        (String::new(), "access_log off;".to_owned())
    } else {
        (format!("log_format case '{}';", raw.log), "access_log {log} case;".to_owned())
    };
    let (group, pass) = if raw.peers.is_empty() {
        (String::new(), "{origin}")
    } else {
        (format!("upstream group {{ {} }}", raw.peers), "group")
    };
    let location = if raw.server.contains("location ") {
        String::new()
    } else {
        format!("location / {{ proxy_pass http://{pass}; {recipe} {} }}", raw.location)
    };
    format!(
        "events {{ }}\nhttp {{\n{format}\n{log}\n{group}\n{}\nserver {{\nlisten {{listen}};\n{}\n{location}\n}}\n}}\n",
        raw.http, raw.server
    )
}

impl Step {
    fn parse(words: &[String]) -> Option<Self> {
        let (first, rest) = words.split_first()?;
        let text = Text(rest.concat());
        let words: Vec<_> = first.split(' ').collect();
        let (who, verb) = match words.as_slice() {
            ["client", verb] => (Who::Client, *verb),
            ["origin", verb] => (Who::Origin(1), *verb),
            ["origin", number, verb] => (Who::Origin(number.parse().ok()?), *verb),
            ["elapse"] => return Some(Self::Elapses(span(&text.0)?)),
            ["log"] => return Some(Self::Log(text)),
            ["connections"] => return Some(Self::Connections(text.0.parse().ok()?)),
            ["drain"] if text.0.is_empty() => return Some(Self::Drains(None)),
            ["drain"] => return Some(Self::Drains(Some(span(&text.0)?))),
            _ => return None,
        };
        match verb {
            "sends" => Some(Self::Sends(who, text)),
            "gets" => Some(Self::Gets(who, text)),
            "ends" => Some(Self::Ends(who)),
            "resets" => Some(Self::Resets(who)),
            "refuses" => Some(Self::Refuses),
            "hangs" => Some(Self::Hangs),
            "sees" => {
                let sight = match text.0.as_str() {
                    "end" => Sight::End,
                    "reset" => Sight::Reset,
                    "nothing" => Sight::Nothing,
                    _ => return None,
                };
                Some(Self::Sees(who, sight))
            }
            _ => None,
        }
    }
}

fn span(text: &str) -> Option<Duration> {
    match text.strip_suffix("ms") {
        Some(number) => Some(Duration::from_millis(number.parse().ok()?)),
        None => Some(Duration::from_secs(text.strip_suffix('s')?.parse().ok()?)),
    }
}
