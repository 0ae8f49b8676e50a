//! Characters to words and punctuation.

use std::sync::Arc;

use crate::error::{Error, Position};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    /// `{`
    Open,
    /// `}`
    Close,
    Semicolon,
    End,
}

impl Token {
    pub(super) fn unexpected(&self, position: &Position) -> Error {
        let sign = match self {
            Self::Open => "{",
            Self::Close => "}",
            Self::Semicolon => ";",
            Self::Word(text) => text,
            Self::End => return Error::new(position, "unexpected end of file"),
        };
        Error::new(position, format!("unexpected \"{sign}\""))
    }
}

/// The tokens of a text, with where each begins.
pub(super) struct Tokens<'t> {
    file: &'t Arc<str>,
    rest: &'t [u8],
    line: u32,
    column: u32,
    /// A string has just ended: a word can't follow without a space between.
    after_quote: bool,
}

impl<'t> Tokens<'t> {
    pub(super) fn new(file: &'t Arc<str>, text: &'t [u8]) -> Self {
        let rest = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        Self { file, rest, line: 1, column: 1, after_quote: false }
    }

    pub(super) fn next(&mut self) -> Result<(Token, Position), Error> {
        let glued = self.after_quote;
        self.after_quote = false;
        let spaces = self.skip_space(glued);
        let position = self.position();
        let token = match self.rest.first() {
            None => Token::End,
            Some(b'{') => self.single(Token::Open),
            Some(b'}') => self.single(Token::Close),
            Some(b';') => self.single(Token::Semicolon),
            // As in `if ($a = "b")`; anything else needs a space.
            Some(byte) if glued && !spaces && *byte != b')' => {
                return Err(self.unexpected_character(&position));
            }
            Some(&quote @ (b'"' | b'\'')) => self.string(quote, &position)?,
            Some(_) => self.word(&position)?,
        };
        // nginx wants a space, `;` or `{` behind a string.
        if glued && !spaces && token == Token::Close {
            return Err(token.unexpected(&position));
        }
        Ok((token, position))
    }

    /// Skips white space and comments; says whether there was any.
    fn skip_space(&mut self, glued: bool) -> bool {
        let before = self.rest.len();
        while let Some(&byte) = self.rest.first() {
            if byte == b'#' && !(glued && before == self.rest.len()) {
                while self.rest.first().is_some_and(|byte| *byte != b'\n') {
                    self.advance();
                }
            } else if is_space(byte) {
                self.advance();
            } else {
                break;
            }
        }
        before != self.rest.len()
    }

    fn single(&mut self, token: Token) -> Token {
        self.advance();
        token
    }

    /// A word without quotes: up to white space, `;` or `{`; a `{` right behind a `$` belongs to it.
    fn word(&mut self, position: &Position) -> Result<Token, Error> {
        let mut raw = Vec::new();
        let mut variable = false;
        while let Some(&byte) = self.rest.first() {
            let ends = is_space(byte) || byte == b';' || (byte == b'{' && !variable);
            if ends {
                break;
            }
            variable = byte == b'$' || byte == b'{';
            self.take_into(&mut raw);
            if byte == b'\\' {
                self.take_into(&mut raw);
            }
        }
        Ok(Token::Word(self.resolve(&raw, position)?))
    }

    fn string(&mut self, quote: u8, position: &Position) -> Result<Token, Error> {
        self.advance();
        let mut raw = Vec::new();
        while let Some(&byte) = self.rest.first() {
            if byte == quote {
                self.advance();
                self.after_quote = true;
                return Ok(Token::Word(self.resolve(&raw, position)?));
            }
            self.take_into(&mut raw);
            if byte == b'\\' {
                self.take_into(&mut raw);
            }
        }
        let message = "unexpected end of file, expecting \";\" or \"}\"";
        let Position { line, column, .. } = position;
        Err(Error::new(&self.position(), message).hint(format!("the quote of {line}:{column} is not closed")))
    }

    /// Resolves escapes: the backslash vanishes before a quote and a backslash, `\t`, `\r`, `\n` are what
    /// they are in C, and any other backslash stays.
    fn resolve(&self, raw: &[u8], position: &Position) -> Result<String, Error> {
        let mut text = Vec::with_capacity(raw.len());
        let mut bytes = raw.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            let escaped = match (byte, bytes.peek()) {
                (b'\\', Some(&next @ (b'"' | b'\'' | b'\\'))) => Some(next),
                (b'\\', Some(b't')) => Some(b'\t'),
                (b'\\', Some(b'r')) => Some(b'\r'),
                (b'\\', Some(b'n')) => Some(b'\n'),
                _ => None,
            };
            if escaped.is_some() {
                bytes.next();
            }
            text.push(escaped.unwrap_or(byte));
        }
        String::from_utf8(text).map_err(|error| {
            let shown = String::from_utf8_lossy(error.as_bytes()).into_owned();
            Error::new(position, format!("invalid UTF-8 in \"{shown}\""))
        })
    }

    fn unexpected_character(&self, position: &Position) -> Error {
        let shown = String::from_utf8_lossy(self.rest.get(..4.min(self.rest.len())).unwrap_or_default());
        let first: String = shown.chars().take(1).collect();
        Error::new(position, format!("unexpected \"{first}\""))
    }

    fn take_into(&mut self, raw: &mut Vec<u8>) {
        raw.extend(self.rest.first());
        self.advance();
    }

    /// Moves past one byte. Columns count characters: bytes that continue one don't count.
    fn advance(&mut self) {
        let Some((&byte, rest)) = self.rest.split_first() else { return };
        self.rest = rest;
        if byte == b'\n' {
            self.line = self.line.saturating_add(1);
            self.column = 1;
        } else if rest.first().is_none_or(|next| next & 0xc0 != 0x80) {
            self.column = self.column.saturating_add(1);
        }
    }

    fn position(&self) -> Position {
        Position::new(self.file, self.line, self.column)
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}
