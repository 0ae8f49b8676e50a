//! nginx's syntax: text to directives, each with its place in the file.
//!
//! A directive is words up to `;`, or up to `{`, directives, `}`. Which directives there are, and what
//! their words mean, is no concern of this module.
//!
//! Written by hand, because nginx's rules for words are few but peculiar, and a file must mean here what
//! it means there: a quote begins a string only at the beginning of a word, a backslash protects any
//! character but vanishes only before some, `#` inside of a word is plain, `${` does not open a block.
//! nginx-lint-parser (0.24), a grammar made for linting, differs in these: `a\;b` and `a\ b` become two
//! words, `"a"b` passes, `}` inside of a word and a carriage return behind a name are errors.

mod by_name;
mod print;
mod token;

pub(crate) use by_name::ByName;
pub(crate) use print::Printed;

use std::sync::Arc;

use crate::error::{Error, Position};
use token::{Token, Tokens};

/// How deep blocks may be nested: more than any real file, little enough for the stack.
const MAX_DEPTH: usize = 32;

/// A word of a directive.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    /// Without quotes, escapes resolved.
    pub(crate) text: String,
    pub(crate) position: Position,
}

/// A directive and, if it is a block, what is in it.
#[derive(Clone, Debug)]
pub(crate) struct Directive {
    pub(crate) name: Word,
    pub(crate) arguments: Vec<Word>,
    pub(crate) block: Option<Vec<Self>>,
}

impl Directive {
    /// The argument at `index`; the directive's name where there is none, for want of a better place.
    pub(crate) fn argument(&self, index: usize) -> &Word {
        self.arguments.get(index).unwrap_or(&self.name)
    }

    /// What is inside of a block.
    pub(crate) fn inside(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }
}

/// What a file consists of, one after the other.
pub(crate) enum Item {
    /// A directive that ends in `;`.
    Simple(Directive),
    /// A directive whose block begins here.
    Open(Directive),
    /// The end of the innermost block.
    Close,
    /// The end of the file, outside of all its blocks.
    End,
}

/// Reads one file. Mistakes come up where they stand, so that what is said of a file is said in its order.
pub(crate) struct Parser<'t> {
    tokens: Tokens<'t>,
    depth: usize,
}

impl<'t> Parser<'t> {
    pub(crate) fn new(file: &'t Arc<str>, text: &'t [u8]) -> Self {
        Self { tokens: Tokens::new(file, text), depth: 0 }
    }

    pub(crate) fn next(&mut self) -> Result<Item, Error> {
        let (token, position) = self.tokens.next()?;
        match token {
            Token::Word(text) => self.directive(Word { text, position }),
            Token::Close if self.depth > 0 => {
                self.depth -= 1;
                Ok(Item::Close)
            }
            Token::End if self.depth == 0 => Ok(Item::End),
            Token::End => Err(Error::new(&position, "unexpected end of file, expecting \"}\"")),
            Token::Open | Token::Close | Token::Semicolon => Err(token.unexpected(&position)),
        }
    }

    /// What follows a directive's name.
    fn directive(&mut self, name: Word) -> Result<Item, Error> {
        let mut arguments = Vec::new();
        loop {
            let (token, position) = self.tokens.next()?;
            match token {
                Token::Word(text) => arguments.push(Word { text, position }),
                Token::Semicolon => return Ok(Item::Simple(Directive { name, arguments, block: None })),
                Token::Open if self.depth == MAX_DEPTH => {
                    return Err(Error::new(&position, "too many levels of blocks"));
                }
                Token::Open => {
                    self.depth += 1;
                    return Ok(Item::Open(Directive { name, arguments, block: Some(Vec::new()) }));
                }
                Token::Close => {
                    return Err(token.unexpected(&position).hint(unterminated(&name)));
                }
                Token::End => {
                    let message = "unexpected end of file, expecting \";\" or \"}\"";
                    return Err(Error::new(&position, message).hint(unterminated(&name)));
                }
            }
        }
    }
}

fn unterminated(name: &Word) -> String {
    format!("\"{}\" of line {} lacks a \";\" at its end", name.text, name.position.line)
}

/// The tree of a text, whatever its directives are.
#[cfg(test)]
pub(crate) fn parse(file: &Arc<str>, text: &[u8]) -> Result<Vec<Directive>, Error> {
    let mut parser = Parser::new(file, text);
    let mut levels = vec![Vec::new()];
    loop {
        match parser.next()? {
            Item::Simple(directive) => levels.last_mut().expect("a level").push(directive),
            Item::Open(directive) => {
                levels.last_mut().expect("a level").push(directive);
                levels.push(Vec::new());
            }
            Item::Close => {
                let inside = levels.pop().expect("a block");
                let block = levels.last_mut().expect("a level").last_mut().expect("a directive");
                block.block = Some(inside);
            }
            Item::End => return Ok(levels.remove(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match parse(&Arc::from("f"), text.as_bytes()) {
            Ok(tree) => tree.iter().map(|directive| show(directive) + " ").collect(),
            Err(error) => error.to_string(),
        }
    }

    fn show(directive: &Directive) -> String {
        let words = [&directive.name].into_iter().chain(&directive.arguments);
        let words: Vec<_> = words.map(|word| format!("<{}>", word.text)).collect();
        let block = directive.block.as_ref();
        let block = block.map(|inside| format!("{{{}}}", inside.iter().map(show).collect::<String>()));
        words.concat() + &block.unwrap_or_default()
    }

    #[test]
    fn words_as_nginx_reads_them() {
        for (text, expected) in [
            ("a b\"c d\" e;", "<a><b\"c><d\"><e> "),
            (r#"a "b\"c" 'd\'e' f\ g;"#, "<a><b\"c><d'e><f\\ g> "),
            (r"a b\;c;", "<a><b\\;c> "),
            (r#"a "\t\n\x\\";"#, "<a><\t\n\\x\\> "),
            ("a ${x}y $z{ b; }", "<a><${x}y><$z>{<b>} "),
            ("a ${;", "<a><${> "),
            ("a#x b #c\n;", "<a#x><b> "),
            ("a b}c;", "<a><b}c> "),
            ("a {b;}c;", "<a>{<b>} <c> "),
            ("a\r\n'' b\r\n;\r\n", "<a><><b> "),
            ("\u{feff}a b;", "<a><b> "),
            ("ä 'ö ü';", "<ä><ö ü> "),
            ("if (\"x\") { }", "<if><(\"x\")>{} "),
            ("a 'b'{}", "<a><b>{} "),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn mistakes_have_a_place() {
        for (text, expected) in [
            ("a;\n  }", "unexpected \"}\" in f:2:3"),
            ("a;;", "unexpected \";\" in f:1:3"),
            ("{", "unexpected \"{\" in f:1:1"),
            ("a {\nb;\n", "unexpected end of file, expecting \"}\" in f:3:1"),
            ("a {\n b c }", "unexpected \"}\" in f:2:6; \"b\" of line 2 lacks a \";\" at its end"),
            (
                "a\n b",
                "unexpected end of file, expecting \";\" or \"}\" in f:2:3; \"a\" of line 1 lacks a \
                 \";\" at its end",
            ),
            (
                "a 'b;\n",
                "unexpected end of file, expecting \";\" or \"}\" in f:2:1; the quote of 1:3 is not closed",
            ),
            ("ä \"b\"c;", "unexpected \"c\" in f:1:6"),
            ("a 'b'#c\n;", "unexpected \"#\" in f:1:6"),
            ("a 'b'}", "unexpected \"}\" in f:1:6"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn depth_is_bounded() {
        assert!(shown(&"a{".repeat(100_000)).starts_with("too many levels of blocks in f:1:66"));
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_outside_of_comments() {
        let file = Arc::from("f");
        assert!(parse(&file, b"# \xe4\na b;").is_ok());
        let error = parse(&file, b"a\n b\xe4;").expect_err("refused");
        assert_eq!(error.to_string(), "invalid UTF-8 in \"b\u{fffd}\" in f:2:2");
    }
}
