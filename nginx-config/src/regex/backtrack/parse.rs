//! From a translated pattern to a tree.

use regex_automata::{meta::Regex, util::syntax};

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Set([u64; 4]);

impl Set {
    pub(super) fn has(self, byte: u8) -> bool {
        self.0.get(usize::from(byte >> 6)).is_some_and(|bits| bits >> (byte & 63) & 1 == 1)
    }

    /// What is in either.
    pub(super) fn or(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(bits, more)| *bits |= more);
        self
    }

    fn add(&mut self, byte: u8) {
        if let Some(bits) = self.0.get_mut(usize::from(byte >> 6)) {
            *bits |= 1 << (byte & 63);
        }
    }
}

/// What holds between two bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Start,
    End,
    LineStart,
    LineEnd,
    Word,
    NotWord,
}

/// A part of a pattern.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// One byte.
    Byte(Set),
    Place(Place),
    /// With its number when it is remembered.
    Group(Option<usize>, Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    Repeat(Box<Self>, Repeat),
    Around(Box<Self>, Around),
    /// What has matched once isn't tried otherwise.
    Atomic(Box<Self>),
    /// What a group matched, once more.
    Reference {
        group: usize,
        ignore_case: bool,
    },
    /// The match begins here.
    Keep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repeat {
    pub(super) least: u32,
    pub(super) most: Option<u32>,
    pub(super) greedy: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Around {
    pub(super) ahead: bool,
    pub(super) negated: bool,
}

/// Groups in groups; as in PCRE.
const DEPTH: usize = 250;

/// Reads a pattern; says how many groups it remembers, the whole match included.
pub(super) fn parse(pattern: &str, ignore_case: bool) -> Result<(Node, usize), String> {
    let flags = Flags { ignore_case, lines: false, dot_all: false, lazy: false };
    let mut parser = Parser { rest: pattern, flags, groups: 1, depth: 0, referred: 0 };
    let node = parser.alternatives()?;
    if !parser.rest.is_empty() {
        return Err("unmatched closing parenthesis".to_owned());
    }
    if parser.referred >= parser.groups {
        return Err("reference to non-existent subpattern".to_owned());
    }
    Ok((node, parser.groups))
}

struct Parser<'p> {
    rest: &'p str,
    flags: Flags,
    groups: usize,
    depth: usize,
    /// The highest number that is referred to.
    referred: usize,
}

#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "they are PCRE's, each on its own")]
struct Flags {
    /// `i`.
    ignore_case: bool,
    /// `m`.
    lines: bool,
    /// `s`.
    dot_all: bool,
    /// `U`.
    lazy: bool,
}

impl Parser<'_> {
    fn alternatives(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("parentheses are too deeply nested".to_owned());
        }
        let mut alternatives = vec![self.sequence()?];
        while self.take("|") {
            alternatives.push(self.sequence()?);
        }
        self.depth -= 1;
        Ok(match alternatives.len() {
            1 => alternatives.remove(0),
            _ => Node::Any(alternatives),
        })
    }

    fn sequence(&mut self) -> Result<Node, String> {
        let mut nodes = Vec::new();
        while !self.rest.is_empty() && !self.rest.starts_with(['|', ')']) {
            if let Some(node) = self.atom()? {
                let node = self.quantified(node)?;
                nodes.push(node);
            }
        }
        Ok(Node::All(nodes))
    }

    /// The next thing that can be repeated; nothing where only flags were set.
    fn atom(&mut self) -> Result<Option<Node>, String> {
        let Some(first) = self.next() else { return Ok(None) };
        Ok(Some(match first {
            '*' | '+' | '?' => return Err("quantifier does not follow a repeatable item".to_owned()),
            '^' => Node::Place(if self.flags.lines { Place::LineStart } else { Place::Start }),
            '$' => Node::Place(if self.flags.lines { Place::LineEnd } else { Place::End }),
            '.' => self.set(".")?,
            '[' => {
                let length = class_length(self.rest)?;
                let (inside, behind) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
                let class = format!("[{inside}");
                self.rest = behind;
                self.set(&class)?
            }
            '(' => return self.group(),
            '\\' => self.escape()?,
            plain => self.literal(u8::try_from(plain).map_err(|_| "a byte is expected".to_owned())?),
        }))
    }

    fn escape(&mut self) -> Result<Node, String> {
        Ok(match self.next() {
            Some('A') => Node::Place(Place::Start),
            Some('z') => Node::Place(Place::End),
            Some('b') => Node::Place(Place::Word),
            Some('B') => Node::Place(Place::NotWord),
            Some('K') => Node::Keep,
            Some('n') => self.literal(b'\n'),
            Some('r') => self.literal(b'\r'),
            Some('x') => {
                let (digits, behind) = self.rest.split_at_checked(2).unwrap_or((self.rest, ""));
                self.rest = behind;
                let byte = u8::from_str_radix(digits, 16);
                self.literal(byte.map_err(|_| format!("\\x{digits} is not a byte"))?)
            }
            Some(set @ ('d' | 'D' | 'w' | 'W' | 's' | 'S')) => self.set(&format!("\\{set}"))?,
            Some(digit @ '1'..='9') => {
                let more =
                    self.rest.len() - self.rest.trim_start_matches(|next: char| next.is_ascii_digit()).len();
                let (digits, behind) = self.rest.split_at_checked(more).unwrap_or_default();
                self.rest = behind;
                let group = format!("{digit}{digits}").parse().unwrap_or(usize::MAX);
                self.referred = self.referred.max(group);
                Node::Reference { group, ignore_case: self.flags.ignore_case }
            }
            Some(plain) if plain.is_ascii_punctuation() => self.literal(plain as u8),
            Some(other) => return Err(format!("\"\\{other}\" is not known here")),
            None => return Err("\\ at end of pattern".to_owned()),
        })
    }

    fn literal(&self, byte: u8) -> Node {
        let mut set = Set::default();
        set.add(byte);
        if self.flags.ignore_case {
            set.add(byte.to_ascii_lowercase());
            set.add(byte.to_ascii_uppercase());
        }
        Node::Byte(set)
    }

    /// A class or another set: the linear engine is asked of each byte whether it is in it.
    fn set(&self, text: &str) -> Result<Node, String> {
        let Flags { ignore_case, dot_all, .. } = self.flags;
        let syntax = syntax::Config::new().unicode(false).utf8(false);
        let syntax = syntax.case_insensitive(ignore_case).dot_matches_new_line(dot_all);
        let regex = Regex::builder().syntax(syntax).build(&format!("\\A(?:{text})\\z"));
        let regex = regex.map_err(|error| error.to_string())?;
        let mut set = Set::default();
        (0..=u8::MAX).filter(|byte| regex.is_match(&[*byte])).for_each(|byte| set.add(byte));
        Ok(Node::Byte(set))
    }

    fn group(&mut self) -> Result<Option<Node>, String> {
        let outer = self.flags;
        let ahead = |negated| Around { ahead: true, negated };
        let behind = |negated| Around { ahead: false, negated };
        for (sign, around) in
            [("?<=", behind(false)), ("?<!", behind(true)), ("?=", ahead(false)), ("?!", ahead(true))]
        {
            if self.take(sign) {
                return Ok(Some(Node::Around(Box::new(self.inside(outer)?), around)));
            }
        }
        if self.take("?>") {
            return Ok(Some(Node::Atomic(Box::new(self.inside(outer)?))));
        }
        if !self.take("?") {
            let number = self.groups;
            self.groups += 1;
            return Ok(Some(Node::Group(Some(number), Box::new(self.inside(outer)?))));
        }
        let mut on = true;
        loop {
            match self.next() {
                Some('-') => on = false,
                Some('i') => self.flags.ignore_case = on,
                Some('m') => self.flags.lines = on,
                Some('s') => self.flags.dot_all = on,
                Some('U') => self.flags.lazy = on,
                Some(':') => return Ok(Some(Node::Group(None, Box::new(self.inside(outer)?)))),
                // They hold to the end of the group around them.
                Some(')') => return Ok(None),
                _ => return Err("missing closing parenthesis".to_owned()),
            }
        }
    }

    /// What stands in a group, to its end. Behind it the flags are those from before.
    fn inside(&mut self, outer: Flags) -> Result<Node, String> {
        let node = self.alternatives()?;
        self.flags = outer;
        if self.take(")") { Ok(node) } else { Err("missing closing parenthesis".to_owned()) }
    }

    fn quantified(&mut self, mut node: Node) -> Result<Node, String> {
        loop {
            let (least, most) = if self.take("*") {
                (0, None)
            } else if self.take("+") {
                (1, None)
            } else if self.take("?") {
                (0, Some(1))
            } else if self.take("{") {
                self.bounds()?
            } else {
                return Ok(node);
            };
            let possessive = self.take("+");
            let greedy = self.take("?") == self.flags.lazy;
            node = Node::Repeat(Box::new(node), Repeat { least, most, greedy });
            if possessive {
                node = Node::Atomic(Box::new(node));
            }
        }
    }

    /// `2}`, `2,}`, `2,3}`.
    fn bounds(&mut self) -> Result<(u32, Option<u32>), String> {
        let (inside, behind) = self.rest.split_once('}').ok_or("missing } behind {")?;
        self.rest = behind;
        let number =
            |text: &str| text.parse::<u16>().map(u32::from).map_err(|_| "number too big in {} quantifier");
        let (least, most) = match inside.split_once(',') {
            None => (number(inside)?, Some(number(inside)?)),
            Some((least, "")) => (number(least)?, None),
            Some((least, most)) => (number(least)?, Some(number(most)?)),
        };
        if most.is_some_and(|most| most < least) {
            return Err("numbers out of order in {} quantifier".to_owned());
        }
        Ok((least, most))
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let first = chars.next()?;
        self.rest = chars.as_str();
        Some(first)
    }

    fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

/// Length of a translated class behind its `[`, its `]` included: sets and names in it have brackets of their own.
fn class_length(text: &str) -> Result<usize, String> {
    let (mut open, mut escaped) = (1_usize, false);
    for (at, sign) in text.char_indices() {
        match sign {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => open += 1,
            ']' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Ok(at + 1);
        }
    }
    Err("missing terminating ] for character class".to_owned())
}
