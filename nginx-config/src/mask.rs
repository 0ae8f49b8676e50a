//! A configuration without the secrets in it, for the traces of sessions.
//!
//! What a session decides by has to stay, or to become something else in all places alike. So a value is told where it
//! names a place, a size or a choice, and where it is compared with what a trace tells; a text that goes out as a
//! value of a field, as content or as part of a query is masked as the trace masks it there; and a text that is
//! compared with what a trace masks becomes what that becomes.

use std::collections::{HashMap, HashSet};

use underpass_core::trace::{is_scheme, is_told, mask_field, mask_text, mask_url};

use crate::syntax::Directive;

/// Stands for a variable in a text while that is masked: what can't be in a value of a field is left alone.
const PLACE: char = '\u{1}';

/// So short a text guards nothing. Flags have such values, and are put together of them.
const SHORT: usize = 4;

/// Fields that requests or responses get, with their values.
const FIELDS: &[&str] = &["add_header", "add_trailer", "proxy_set_header"];

/// A name and a value of which nothing is known, for protocols that aren't spoken here.
const PARAMETERS: &[&str] = &["fastcgi_param", "grpc_set_header", "scgi_param", "uwsgi_param"];

/// The directives of a file with what is masked in them.
pub(crate) fn masked(tree: &[Directive]) -> Vec<Directive> {
    let mut tree = tree.to_vec();
    let told = Told::of(&tree);
    tree.iter_mut().for_each(|directive| told.mask(directive));
    tree
}

/// Variables whose values a trace tells, or that something is decided by.
#[derive(Debug, Default)]
struct Told {
    /// Those that the file gives a value, and that a place, a size or a choice depends on.
    needed: HashSet<String>,
    /// Those that the file gives a value.
    defined: HashSet<String>,
}

impl Told {
    fn of(tree: &[Directive]) -> Self {
        let mut told = Self::default();
        // Which variables the values of a variable are made of.
        let mut parts: HashMap<String, HashSet<String>> = HashMap::new();
        let mut waiting = tree.iter().collect::<Vec<_>>();
        while let Some(directive) = waiting.pop() {
            let (name, arguments) = (directive.name.text.as_str(), &directive.arguments);
            let texts = |from: usize| arguments.iter().skip(from).map(|word| word.text.as_str());
            match name {
                "set" => {
                    let variable = defined(texts(0).next());
                    parts.entry(variable.clone()).or_default().extend(texts(1).flat_map(variables));
                    told.defined.insert(variable);
                }
                "map" | "geo" | "split_clients" => {
                    let variable = defined(texts(0).next_back());
                    let values = directive.inside().iter().flat_map(|pair| &pair.arguments);
                    let values = values.flat_map(|word| variables(&word.text));
                    parts.entry(variable.clone()).or_default().extend(values);
                    told.defined.insert(variable);
                    continue;
                }
                name if FIELDS.contains(&name) => {
                    let is_needed = texts(0).next().is_some_and(is_told);
                    told.needed.extend(texts(1).filter(|_| is_needed).flat_map(variables));
                }
                "if" | "return" | "log_format" | "access_log" | "upgrade_log" => {}
                name if PARAMETERS.contains(&name) => {}
                _ => told.needed.extend(texts(0).flat_map(variables)),
            }
            waiting.extend(directive.inside());
        }
        let mut waiting: Vec<_> = told.needed.iter().cloned().collect();
        while let Some(variable) = waiting.pop() {
            for part in parts.get(&variable).into_iter().flatten() {
                if told.needed.insert(part.clone()) {
                    waiting.push(part.clone());
                }
            }
        }
        told
    }

    fn mask(&self, directive: &mut Directive) {
        let name = directive.name.text.clone();
        let arguments = &mut directive.arguments;
        match name.as_str() {
            name if FIELDS.contains(&name) => {
                if let [field, value, ..] = arguments.as_mut_slice() {
                    value.text = around_variables(&value.text, |text| mask_field(&field.text, text));
                }
            }
            name if PARAMETERS.contains(&name) => {
                arguments.iter_mut().skip(1).for_each(|value| value.text = mask_text(&value.text));
            }
            "env" => {
                for word in arguments {
                    if let Some((name, value)) = word.text.split_once('=') {
                        word.text = format!("{name}={}", mask_text(value));
                    }
                }
            }
            "set" => {
                if let [variable, value] = arguments.as_mut_slice() {
                    value.text = self.value(&defined(Some(&variable.text)), &value.text);
                }
            }
            "return" => {
                if let [status, text] = arguments.as_mut_slice() {
                    let is_redirect = ["301", "302", "303", "307", "308"].contains(&status.text.as_str());
                    let mask = if is_redirect { mask_url } else { mask_text };
                    text.text = around_variables(&text.text, mask);
                } else if let [url] = arguments.as_mut_slice() {
                    url.text = around_variables(&url.text, mask_url);
                }
            }
            "if" => {
                let Some(at) = arguments.iter().position(|word| word.text.contains('$')) else { return };
                let left = arguments.get(at).map(|word| word.text.clone()).unwrap_or_default();
                let is_regex = arguments.get(at + 1).is_some_and(|operator| operator.text.contains('~'));
                for word in arguments.iter_mut().skip(at + 2).filter(|word| word.text != ")") {
                    let closes = word.text.ends_with(')') && !is_open(&word.text);
                    let text = word.text.strip_suffix(')').filter(|_| closes).unwrap_or(&word.text);
                    let masked = self.compared(&left, text, is_regex);
                    word.text = if closes { masked + ")" } else { masked };
                }
            }
            "map" | "geo" | "split_clients" => return self.mask_pairs(directive),
            // What is matched with a URL is told, and no URL itself.
            "location" | "server_name" => {}
            "rewrite" => {
                if let Some(replacement) = arguments.get_mut(1) {
                    replacement.text = around_variables(&replacement.text, mask_url);
                }
            }
            _ => {
                for word in
                    arguments.iter_mut().filter(|word| word.text.contains("//") || word.text.starts_with('/'))
                {
                    word.text = around_variables(&word.text, mask_url);
                }
            }
        }
        directive.block.iter_mut().flatten().for_each(|inner| self.mask(inner));
    }

    fn mask_pairs(&self, block: &mut Directive) {
        let is_map = block.name.text == "map";
        let source = block.arguments.first().map(|word| word.text.clone()).unwrap_or_default();
        let variable = defined(block.arguments.last().map(|word| word.text.as_str()));
        let mut known = HashSet::new();
        for pair in block.block.iter_mut().flatten() {
            // What stands behind these is no value of the variable.
            if matches!(pair.name.text.as_str(), "delete" | "include" | "proxy") {
                continue;
            }
            for value in &mut pair.arguments {
                value.text = self.value(&variable, &value.text);
            }
            if is_map && !matches!(pair.name.text.as_str(), "default" | "hostnames" | "volatile") {
                let key = &pair.name.text;
                pair.name.text = match key
                    .strip_prefix("~*")
                    .map(|key| ("~*", key))
                    .or_else(|| key.strip_prefix('~').map(|key| ("~", key)))
                {
                    Some((sign, regex)) => sign.to_owned() + &self.compared(&source, regex, true),
                    None => self.compared(&source, key, false),
                };
            }
        }
        if is_map {
            // Two that have become one can't be told apart by what a trace tells either.
            let block = block.block.as_mut();
            if let Some(block) = block {
                block.retain(|pair| known.insert(pair.name.text.to_lowercase()));
            }
        }
    }

    /// A value of a variable of the file.
    fn value(&self, variable: &str, text: &str) -> String {
        if self.needed.contains(variable) {
            return around_variables(text, mask_url);
        }
        literal(text)
    }

    /// A text that is compared with what `source` comes to.
    fn compared(&self, source: &str, text: &str, is_regex: bool) -> String {
        let mut masks = None;
        for variable in variables(source) {
            if self.needed.contains(&variable) {
                continue;
            }
            if self.defined.contains(&variable) {
                masks = masks.or(Some(Compared::Own));
            } else if let Some(field) = masked_field(&variable) {
                masks = Some(Compared::Field(field));
            }
        }
        match masks {
            None => text.to_owned(),
            Some(_) if is_regex => regex(text),
            Some(Compared::Own) => literal(text),
            Some(Compared::Field(field)) if !field.is_empty() => {
                around_variables(text, |text| mask_field(&field, text))
            }
            Some(Compared::Field(_)) => around_variables(text, parameter),
        }
    }
}

/// What a text is compared with.
enum Compared {
    /// A variable of the file, whose values are masked as [`literal`] does.
    Own,
    /// The value of a field with this name; without a name, what stands in a query.
    Field(String),
}

/// The field whose value a variable has, where a trace masks that.
fn masked_field(variable: &str) -> Option<String> {
    for prefix in ["http_", "upstream_http_", "sent_http_", "upstream_trailer_", "sent_trailer_"] {
        if let Some(field) = variable.strip_prefix(prefix) {
            let field = field.replace('_', "-");
            return (!is_told(&field)).then_some(field);
        }
    }
    if ["cookie_", "upstream_cookie_"].iter().any(|prefix| variable.starts_with(prefix)) {
        // As long as it is, and letter by letter, as a field that nobody knows.
        return Some("-".to_owned());
    }
    let is_query = matches!(
        variable,
        "args" | "query_string" | "request_uri" | "request" | "remote_user" | "request_body"
    );
    (variable.starts_with("arg_") || is_query).then(String::new)
}

/// What a query has, where letters and digits are masked.
fn parameter(text: &str) -> String {
    let (mut masked, mut rest) = (String::new(), text);
    // Names stay: `$args` has some, and the value of one argument rarely a `=`.
    while let Some((name, behind)) = rest.split_once('=') {
        let end = behind.find('&').unwrap_or(behind.len());
        let (value, behind) = behind.split_at(end);
        masked += name;
        masked.push('=');
        masked += &letters(value);
        rest = behind;
        if rest.is_empty() {
            return masked;
        }
    }
    masked + &if rest.starts_with('/') { rest.to_owned() } else { letters(rest) }
}

fn letters(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || !letter.is_ascii() { 'x' } else { letter })
        .collect()
}

/// A text of the file's own.
fn literal(text: &str) -> String {
    around_variables(text, |text| {
        if text.replace(PLACE, "").len() <= SHORT { text.to_owned() } else { mask_text(text) }
    })
}

/// What an expression looks for, letter by letter where that is no syntax.
fn regex(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = match first {
            '\\' => rest.chars().take(2).map(char::len_utf8).sum(),
            '[' => behind(rest, "]"),
            '{' => behind(rest, "}"),
            '(' if rest.starts_with("(?") => behind(rest, ":>)=!"),
            letter if letter.is_alphanumeric() => {
                let end = rest
                    .find(|letter: char| !letter.is_alphanumeric() && letter != '-')
                    .unwrap_or(rest.len());
                let (word, behind) = rest.split_at(end);
                let stays = word.len() < SHORT || is_scheme(word) || behind.starts_with('=');
                masked += &if stays { word.to_owned() } else { "x".repeat(word.chars().count()) };
                rest = behind;
                continue;
            }
            other => other.len_utf8(),
        };
        let (syntax, behind) = rest.split_at(skipped);
        masked += syntax;
        rest = behind;
    }
    masked
}

/// The length up to and with the first of these.
fn behind(text: &str, ends: &str) -> usize {
    text.char_indices()
        .skip(1)
        .find(|(_, letter)| ends.contains(*letter))
        .map_or(text.len(), |(at, end)| at + end.len_utf8())
}

/// Whether a parenthesis of an expression is closed by the last one.
fn is_open(text: &str) -> bool {
    text.matches('(').count() >= text.matches(')').count()
}

/// Masks a text around its variables.
fn around_variables(text: &str, mask: impl FnOnce(&str) -> String) -> String {
    let mut names = Vec::new();
    let mut places = String::new();
    let mut rest = text;
    while let Some((before, from)) = rest.find('$').map(|at| rest.split_at(at)) {
        places += before;
        let length = variable_length(from);
        let (variable, behind) = from.split_at(length.max(1));
        if length > 0 {
            names.push(variable);
            places.push(PLACE);
        } else {
            places += variable;
        }
        rest = behind;
    }
    places += rest;
    let masked = mask(&places);
    let mut pieces = masked.split(PLACE);
    let mut whole = pieces.next().unwrap_or_default().to_owned();
    for (variable, piece) in names.iter().zip(pieces) {
        // What was no letter may have become one, and isn't to be read as a part of the name.
        let goes_on = piece.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_');
        match variable.strip_prefix('$').filter(|name| goes_on && !name.starts_with('{')) {
            Some(name) => whole.extend(["${", name, "}"]),
            None => whole += variable,
        }
        whole += piece;
    }
    whole
}

/// The length of the variable that `text` begins with, its `$` included.
fn variable_length(text: &str) -> usize {
    let name = text.strip_prefix('$').unwrap_or_default();
    if let Some(name) = name.strip_prefix('{') {
        return name.find('}').map_or(0, |end| end + 3);
    }
    // A capture has one digit.
    if name.starts_with(|letter: char| letter.is_ascii_digit()) {
        return 2;
    }
    let end =
        name.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(name.len());
    if end == 0 { 0 } else { end + 1 }
}

/// The names of the variables in a text.
fn variables(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, from)) = rest.find('$').map(|at| rest.split_at(at)) {
        let length = variable_length(from);
        let (variable, behind) = from.split_at(length.max(1));
        let name = variable.trim_start_matches('$').trim_matches(['{', '}']);
        if !name.is_empty() {
            found.push(name.to_ascii_lowercase());
        }
        rest = behind;
    }
    found
}

/// The variable that a directive defines.
fn defined(word: Option<&str>) -> String {
    word.unwrap_or_default().trim_start_matches('$').to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
