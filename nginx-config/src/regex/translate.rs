//! From PCRE's syntax to that of the engines.
//!
//! Most of it is the same. What differs is written anew: classes (the engines nest them), braces that are
//! plain text, escapes that only PCRE has, names of groups in quotes, bytes outside of ASCII. Groups lose
//! their names, which are handed out beside the pattern.

use std::fmt::Write as _;

use super::classes;

pub(super) struct Translated {
    pub(super) pattern: String,
    /// Number of the group and its name.
    pub(super) names: Vec<(usize, String)>,
    /// How many groups there are.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests look at every group"))]
    pub(super) groups: usize,
    /// What in it needs the backtracking engine.
    pub(super) backtracks: Option<&'static str>,
}

/// Translates `source`; says what is wrong with it, as far as this is seen here.
pub(super) fn translate(source: &str) -> Result<Translated, String> {
    let mut translation = Translation {
        rest: source,
        out: String::with_capacity(source.len() + 8),
        names: Vec::new(),
        groups: 0,
        backtracks: None,
        extended: vec![false],
    };
    while !translation.rest.is_empty() {
        translation.step()?;
    }
    if translation.extended.len() > 1 {
        return Err("missing closing parenthesis".to_owned());
    }
    let Translation { out, names, groups, backtracks, .. } = translation;
    Ok(Translated { pattern: out, names, groups, backtracks })
}

struct Translation<'s> {
    rest: &'s str,
    out: String,
    names: Vec<(usize, String)>,
    groups: usize,
    backtracks: Option<&'static str>,
    /// For each open group, and outside of all, whether white space is ignored (`(?x)`).
    extended: Vec<bool>,
}

impl Translation<'_> {
    fn step(&mut self) -> Result<(), String> {
        let Some(first) = self.next() else { return Ok(()) };
        match first {
            '\\' => self.escape(),
            '[' => {
                let (class, rest) = classes::translate(self.rest)?;
                self.out.push_str(&class);
                self.rest = rest;
                Ok(())
            }
            '(' => self.group(),
            ')' => {
                if self.extended.len() == 1 {
                    return Err("unmatched closing parenthesis".to_owned());
                }
                self.extended.pop();
                self.out.push(')');
                Ok(())
            }
            '*' | '+' | '?' => {
                self.out.push(first);
                self.after_quantifier();
                Ok(())
            }
            '{' => {
                self.brace();
                Ok(())
            }
            '^' | '$' | '.' | '|' => {
                self.out.push(first);
                Ok(())
            }
            '#' if self.is_extended() => {
                self.rest = self.rest.find('\n').and_then(|end| self.rest.get(end..)).unwrap_or_default();
                Ok(())
            }
            space if space.is_ascii_whitespace() && self.is_extended() => Ok(()),
            plain => {
                push_literal(&mut self.out, plain);
                Ok(())
            }
        }
    }

    /// A quantifier, or plain text that looks like one.
    fn brace(&mut self) {
        let inside = self.rest.split_once('}').map(|(inside, _)| inside);
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_quantifier = inside.is_some_and(|inside| match inside.split_once(',') {
            None => is_number(inside),
            Some((least, most)) => is_number(least) && (most.is_empty() || is_number(most)),
        });
        let Some(inside) = inside.filter(|_| is_quantifier) else {
            self.out.push_str("\\{");
            return;
        };
        // Writing to a string can't fail.
        let _ = write!(self.out, "{{{inside}}}");
        self.rest = self.rest.get(inside.len() + 1..).unwrap_or_default();
        self.after_quantifier();
    }

    /// A plus behind a quantifier makes it possessive; to the linear engine it would be one more quantifier.
    fn after_quantifier(&mut self) {
        if self.take("+") {
            self.backtracks.get_or_insert("a possessive quantifier");
            self.out.push('+');
        } else if self.take("?") {
            self.out.push('?');
        }
    }

    fn escape(&mut self) -> Result<(), String> {
        let Some(escaped) = self.next() else { return Err("\\ at end of pattern".to_owned()) };
        match escaped {
            'd' | 'D' | 'w' | 'W' | 's' | 'S' | 'b' | 'B' | 'A' | 'z' => {
                self.out.push('\\');
                self.out.push(escaped);
            }
            'Z' => {
                self.backtracks.get_or_insert("\\Z");
                self.out.push_str("(?=\\n?\\z)");
            }
            // A search begins at the start of the subject.
            'G' => self.out.push_str("\\A"),
            'K' => {
                self.backtracks.get_or_insert("\\K");
                self.out.push_str("\\K");
            }
            'N' => self.out.push_str("[^\\n]"),
            'R' => self.out.push_str("(?:\\r\\n|[\\n\\x0B\\x0C\\r\\x85])"),
            'Q' => {
                let (quoted, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
                quoted.chars().for_each(|plain| push_literal(&mut self.out, plain));
                self.rest = rest;
            }
            'E' => {}
            '1'..='9' => {
                let more = self.next_if(|next| next.is_ascii_digit());
                let number: String = [Some(escaped), more].into_iter().flatten().collect();
                self.reference(&number)?;
            }
            'g' | 'k' => self.named_reference(escaped)?,
            _ => match classes::set(escaped) {
                Some(set) => {
                    let _ = write!(self.out, "[{set}]");
                }
                None => {
                    let byte = classes::escaped_byte(escaped, &mut self.rest)?;
                    match byte {
                        Some(byte) => push_byte(&mut self.out, byte),
                        None => push_literal(&mut self.out, escaped),
                    }
                }
            },
        }
        Ok(())
    }

    /// `\g1`, `\g{1}`, `\g{-1}`, `\g{name}`, `\k<name>`, `\k'name'`, `\k{name}`.
    fn named_reference(&mut self, letter: char) -> Result<(), String> {
        let closing = match self.next() {
            Some('{') => '}',
            Some('<') if letter == 'k' => '>',
            Some('\'') if letter == 'k' => '\'',
            Some(digit) if letter == 'g' && digit.is_ascii_digit() => {
                return self.reference(&digit.to_string());
            }
            _ => return Err(format!("\\{letter} is not followed by the name or number of a group")),
        };
        let Some((name, rest)) = self.rest.split_once(closing) else {
            return Err(format!("the name behind \\{letter} does not end"));
        };
        self.rest = rest;
        self.reference(name)
    }

    fn reference(&mut self, to: &str) -> Result<(), String> {
        let relative = to.strip_prefix('-').and_then(|back| back.parse::<usize>().ok());
        let named = || self.names.iter().find(|(_, name)| name == to).map(|(group, _)| *group);
        let group = match relative {
            Some(back) => (self.groups + 1).checked_sub(back),
            None => to.parse().ok().or_else(named),
        };
        let Some(group) = group.filter(|group| *group > 0) else {
            return Err(format!("reference to the group \"{to}\", which is not there"));
        };
        self.backtracks.get_or_insert("a back-reference");
        let _ = write!(self.out, "(?:\\{group})");
        Ok(())
    }

    fn group(&mut self) -> Result<(), String> {
        if self.rest.starts_with('*') {
            return Err("verbs, \"(*\", are not known here".to_owned());
        }
        if !self.take("?") {
            self.groups += 1;
            return self.open("(");
        }
        for (sign, needs) in [
            ("<=", "look-behind"),
            ("<!", "look-behind"),
            ("=", "look-ahead"),
            ("!", "look-ahead"),
            (">", "an atomic group"),
        ] {
            if self.take(sign) {
                self.backtracks.get_or_insert(needs);
                return self.open(&format!("(?{sign}"));
            }
        }
        if self.take("#") {
            let Some((_, rest)) = self.rest.split_once(')') else {
                return Err("missing ) after (?# comment".to_owned());
            };
            self.rest = rest;
            return Ok(());
        }
        if self.take("P=") {
            let Some((name, rest)) = self.rest.split_once(')') else {
                return Err("missing closing parenthesis".to_owned());
            };
            self.rest = rest;
            return self.reference(name);
        }
        for (sign, closing) in [("P<", '>'), ("<", '>'), ("'", '\'')] {
            if self.take(sign) {
                return self.named_group(closing);
            }
        }
        self.flags()
    }

    fn open(&mut self, text: &str) -> Result<(), String> {
        let extended = self.is_extended();
        self.extended.push(extended);
        self.out.push_str(text);
        Ok(())
    }

    fn named_group(&mut self, closing: char) -> Result<(), String> {
        let (name, rest) = self.rest.split_once(closing).unwrap_or_default();
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if name.is_empty() || !is_name || name.starts_with(|first: char| first.is_ascii_digit()) {
            return Err("the name of a group consists of letters, digits and _, no digit first".to_owned());
        }
        if self.names.iter().any(|(_, known)| known == name) {
            return Err(format!("two named subpatterns have the same name \"{name}\""));
        }
        self.groups += 1;
        self.names.push((self.groups, name.to_owned()));
        self.rest = rest;
        self.open("(")
    }

    /// `(?i)`, `(?i-s:`, `(?:`.
    fn flags(&mut self) -> Result<(), String> {
        let end = self.rest.find([':', ')']).ok_or("missing closing parenthesis")?;
        let (flags, tail) = self.rest.split_at(end);
        let mut kept = String::new();
        let mut on = true;
        let mut extended = self.is_extended();
        for flag in flags.chars() {
            match flag {
                '-' => {
                    on = false;
                    kept.push('-');
                }
                'x' => extended = on,
                'i' | 'm' | 's' | 'U' => kept.push(flag),
                _ => return Err(format!("\"(?{flags}\" is not known here")),
            }
        }
        let kept = kept.trim_end_matches('-');
        let opens = tail.starts_with(':');
        self.rest = tail.get(1..).unwrap_or_default();
        if opens {
            self.extended.push(extended);
            let _ = write!(self.out, "(?{kept}:");
        } else {
            if let Some(current) = self.extended.last_mut() {
                *current = extended;
            }
            if !kept.is_empty() {
                let _ = write!(self.out, "(?{kept})");
            }
        }
        Ok(())
    }

    fn is_extended(&self) -> bool {
        self.extended.last().copied().unwrap_or(false)
    }

    fn next(&mut self) -> Option<char> {
        self.next_if(|_| true)
    }

    fn next_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        let mut chars = self.rest.chars();
        let first = chars.next().filter(|first| wanted(*first))?;
        self.rest = chars.as_str();
        Some(first)
    }

    fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

/// Plain text: outside of ASCII the bytes, each on its own, as PCRE has them.
fn push_literal(out: &mut String, plain: char) {
    plain.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| push_byte(out, byte));
}

fn push_byte(out: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b' ' | b'=' | b':' | b',' | b'@') {
        out.push(char::from(byte));
    } else {
        let _ = write!(out, "\\x{byte:02X}");
    }
}
