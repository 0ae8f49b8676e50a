//! Templates, the variables in them, and `map`: what header rewriting, logs, `return` and hash keys use.
//!
//! A template is compiled once, when the configuration is made: an unknown variable is an error of the
//! file, not of a request. Evaluation appends to memory that the caller lends.

mod geo;
mod map;
mod masks;
mod pattern;
mod split;
mod variable;

pub use geo::{Geo, GeoBuilder};
pub use map::{Map, MapBuilder};
pub(crate) use masks::Masks;
pub use pattern::{Captures, Pattern, Regex};
pub use split::SplitClients;
pub use variable::{MapId, SetId, Variable};

use std::fmt;

/// What defines a variable by another value.
#[derive(Debug)]
#[non_exhaustive]
pub enum Mapping {
    /// `map`.
    Map(Map),
    /// `geo`.
    Geo(Geo),
    /// `split_clients`.
    Split(SplitClients),
}

impl Mapping {
    /// What is looked up.
    pub(crate) fn source(&self) -> &Template {
        match self {
            Self::Map(map) => map.source(),
            Self::Geo(geo) => geo.source(),
            Self::Split(split) => split.source(),
        }
    }
}

/// Text with variables in it, ready to be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    source: Box<str>,
    parts: Box<[Part]>,
    escape: Escape,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Literal(Box<[u8]>),
    Variable(Variable),
}

/// How the value of a variable is written: the `escape=` of a `log_format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Escape {
    /// As it is. For header fields, targets, keys.
    #[default]
    None,
    /// nginx's default for logs: `"`, `\` and bytes outside 0x20-0x7E as `\xHH`; an empty value as `-`.
    Log,
    /// For values inside JSON strings: `escape=json`.
    Json,
}

/// Finds what a name stands for that the configuration defines: the variables of `map`, `set` and others.
/// They come before built-in ones of the same name.
pub trait Names {
    /// The variable called `name` (without the dollar sign).
    fn lookup(&self, name: &str) -> Option<Variable>;
}

/// No names beyond the built-in ones.
impl Names for () {
    fn lookup(&self, _: &str) -> Option<Variable> {
        None
    }
}

impl Template {
    /// Compiles `source`: `$name`, `${name}` and text. Case is ignored in names, as in nginx.
    ///
    /// # Errors
    /// When a name is unknown, or a dollar sign is not followed by a name.
    pub fn parse(source: &str, names: &dyn Names, escape: Escape) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some(dollar) = rest.find('$') {
            let (text, tail) = rest.split_at(dollar);
            push_literal(&mut parts, text.as_bytes());
            let (name, behind) = split_name(tail.get(1..).unwrap_or_default())?;
            // A file may define `$http_NAME` and its like, and then it means its own.
            let variable = names
                .lookup(name)
                .or_else(|| Variable::built_in(name))
                .or_else(|| Variable::built_in(&name.to_ascii_lowercase()))
                .ok_or_else(|| TemplateError::UnknownVariable(name.into()))?;
            parts.push(Part::Variable(variable));
            rest = behind;
        }
        push_literal(&mut parts, rest.as_bytes());
        Ok(Self { source: source.into(), parts: parts.into(), escape })
    }

    /// Text without variables; dollar signs in it are plain text.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        let mut parts = Vec::new();
        push_literal(&mut parts, text.as_bytes());
        Self { source: text.into(), parts: parts.into(), escape: Escape::None }
    }

    /// Just one variable.
    #[must_use]
    pub fn variable(variable: Variable) -> Self {
        Self {
            source: format!("${variable}").into(),
            parts: Box::new([Part::Variable(variable)]),
            escape: Escape::None,
        }
    }

    /// As it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text, when there is no variable in it.
    #[must_use]
    pub(crate) fn as_literal(&self) -> Option<&[u8]> {
        match &*self.parts {
            [] => Some(b""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The variables in it, in order.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(variable) => Some(variable),
            Part::Literal(_) => None,
        })
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    pub(crate) fn escape(&self) -> Escape {
        self.escape
    }
}

fn push_literal(parts: &mut Vec<Part>, text: &[u8]) {
    if !text.is_empty() {
        parts.push(Part::Literal(text.into()));
    }
}

/// Splits `name` or `{name}` off the front of `text`.
fn split_name(text: &str) -> Result<(&str, &str), TemplateError> {
    let (inner, braced) = text.strip_prefix('{').map_or((text, false), |inner| (inner, true));
    let mut end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
    // `$1` is one digit in nginx: `$10` is `$1` and a zero.
    if inner.starts_with(|c: char| c.is_ascii_digit()) && !braced {
        end = 1;
    }
    let (name, behind) = inner.split_at(end);
    if name.is_empty() {
        return Err(TemplateError::NoName);
    }
    if !braced {
        return Ok((name, behind));
    }
    behind.strip_prefix('}').map(|behind| (name, behind)).ok_or_else(|| TemplateError::Unclosed(name.into()))
}

/// Why a template can't be compiled. The sentences are nginx's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TemplateError {
    /// There is no such variable.
    UnknownVariable(Box<str>),
    /// A dollar sign without a name behind it.
    NoName,
    /// `${name` without the closing brace.
    Unclosed(Box<str>),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownVariable(name) => write!(f, "unknown \"{name}\" variable"),
            Self::NoName => f.write_str("invalid variable name"),
            Self::Unclosed(name) => write!(f, "the closing bracket in \"{name}\" variable is missing"),
        }
    }
}

impl std::error::Error for TemplateError {}

/// Appends `value` as `escape` demands.
pub(crate) fn write_escaped(out: &mut Vec<u8>, value: &[u8], escape: Escape) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    match escape {
        Escape::None => out.extend_from_slice(value),
        Escape::Log if value.is_empty() => out.push(b'-'),
        Escape::Log => {
            for &byte in value {
                if byte == b'"' || byte == b'\\' || !(0x20..0x7f).contains(&byte) {
                    let hex = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
                    out.extend_from_slice(&[b'\\', b'x', hex(byte >> 4), hex(byte & 15)]);
                } else {
                    out.push(byte);
                }
            }
        }
        Escape::Json => {
            for &byte in value {
                match byte {
                    b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                    b'\n' => out.extend_from_slice(b"\\n"),
                    b'\r' => out.extend_from_slice(b"\\r"),
                    b'\t' => out.extend_from_slice(b"\\t"),
                    0x08 => out.extend_from_slice(b"\\b"),
                    0x0c => out.extend_from_slice(b"\\f"),
                    0..0x20 => {
                        let hex = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
                        out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
                    }
                    _ => out.push(byte),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_where_nginx_ends_them() {
        let template = Template::parse("a$host-${args}b$1x$10", &(), Escape::None).expect("compiles");
        let expected = [
            Part::Literal(b"a".as_slice().into()),
            Part::Variable(Variable::Host),
            Part::Literal(b"-".as_slice().into()),
            Part::Variable(Variable::Args),
            Part::Literal(b"b".as_slice().into()),
            Part::Variable(Variable::Capture(1)),
            Part::Literal(b"x".as_slice().into()),
            Part::Variable(Variable::Capture(1)),
            Part::Literal(b"0".as_slice().into()),
        ];
        assert_eq!(template.parts(), expected);
    }

    #[test]
    fn case_of_names_is_ignored() {
        let template = Template::parse("$Host$HTTP_Upgrade", &(), Escape::None).expect("compiles");
        let upgrade = Variable::Http("upgrade".into());
        assert_eq!(template.parts(), [Part::Variable(Variable::Host), Part::Variable(upgrade)]);
    }

    #[test]
    fn mistakes_are_named() {
        let error = |source| Template::parse(source, &(), Escape::None).expect_err("refused").to_string();
        assert_eq!(error("$hots"), "unknown \"hots\" variable");
        assert_eq!(error("a$"), "invalid variable name");
        assert_eq!(error("${host"), "the closing bracket in \"host\" variable is missing");
    }

    #[test]
    fn escapes() {
        let escaped = |value: &[u8], escape| {
            let mut out = Vec::new();
            write_escaped(&mut out, value, escape);
            String::from_utf8(out).expect("ASCII")
        };
        assert_eq!(escaped(b"a\"b\\\n\xff", Escape::Log), "a\\x22b\\x5C\\x0A\\xFF");
        assert_eq!(escaped(b"", Escape::Log), "-");
        assert_eq!(escaped(b"a\"b\\\n\x01", Escape::Json), "a\\\"b\\\\\\n\\u0001");
        assert_eq!(escaped(b"\r\n\t\x08\x0c\x1f\x7f", Escape::Json), "\\r\\n\\t\\b\\f\\u001F\x7f");
        assert_eq!(escaped(b"", Escape::Json), "");
    }

    #[test]
    fn text_without_variables_is_its_own_value() {
        let template = |source| Template::parse(source, &(), Escape::None).expect("compiles");
        assert_eq!(template("").as_literal(), Some(b"".as_slice()));
        assert_eq!(template("plain").as_literal(), Some(b"plain".as_slice()));
        assert_eq!(Template::literal("$host").as_literal(), Some(b"$host".as_slice()));
        for source in ["$host", "a$host", "${host}b"] {
            assert_eq!(template(source).as_literal(), None, "{source}");
        }
    }
}
