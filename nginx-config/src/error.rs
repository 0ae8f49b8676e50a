//! What is wrong, or odd, with a configuration, and where.

use std::{fmt, io, path::Path, sync::Arc};

/// A place in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Position {
    /// Name of the file, as it was opened.
    pub file: Arc<str>,
    /// Number of the line, from 1.
    pub line: u32,
    /// Number of the character in the line, from 1.
    pub column: u32,
}

impl Position {
    pub(crate) fn new(file: &Arc<str>, line: u32, column: u32) -> Self {
        Self { file: Arc::clone(file), line, column }
    }
}

/// `nginx.conf:3:5`.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Why a configuration can't be used. Messages have nginx's wording.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error {
    /// What is wrong.
    pub message: String,
    /// How to fix it, where that is known: a sentence without its full stop.
    pub hint: Option<String>,
    /// Where; absent only when the configuration could not be opened at all.
    pub position: Option<Position>,
}

impl Error {
    pub(crate) fn new(position: &Position, message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, position: Some(position.clone()) }
    }

    /// A file that can't be read; `position` is where it is included.
    pub(crate) fn unreadable(path: &Path, error: &io::Error, position: Option<&Position>) -> Self {
        let text = error.to_string();
        let (code, reason) = match error.raw_os_error() {
            Some(code) => (code, text.trim_end_matches(&format!(" (os error {code})")).to_owned()),
            None => (0, text),
        };
        let message = format!("open() \"{}\" failed ({code}: {reason})", path.display());
        Self { message, hint: None, position: position.cloned() }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// `MESSAGE in FILE:LINE:COLUMN; HINT`, on one line.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_line(f, &self.message)?;
        self.position.as_ref().map_or(Ok(()), |position| write!(f, " in {position}"))?;
        let Some(hint) = &self.hint else { return Ok(()) };
        f.write_str("; ")?;
        write_line(f, hint)
    }
}

impl std::error::Error for Error {}

/// Something that the operator should know of a configuration that can be used all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigNote {
    /// What is odd, and what holds.
    pub message: String,
    /// How to fix it, where that is known: a sentence without its full stop.
    pub hint: Option<String>,
    /// Where.
    pub position: Position,
}

impl ConfigNote {
    pub(crate) fn new(position: &Position, message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, position: position.clone() }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// `MESSAGE in FILE:LINE:COLUMN; HINT`, on one line.
impl fmt::Display for ConfigNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_line(f, &self.message)?;
        write!(f, " in {}", self.position)?;
        let Some(hint) = &self.hint else { return Ok(()) };
        f.write_str("; ")?;
        write_line(f, hint)
    }
}

/// Control characters of the file are shown escaped: a message stays on its line.
fn write_line(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    text.chars().try_for_each(|character| match character.is_control() {
        true => write!(f, "{}", character.escape_default()),
        false => write!(f, "{character}"),
    })
}
