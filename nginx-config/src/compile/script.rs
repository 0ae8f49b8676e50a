//! The rewrite directives: `set`, `if`, `rewrite`, `break`, `return`.

use std::sync::Arc;

use underpass_core::{
    config::{Condition, Handler, If, Location, Return, Rewrite, Script, Step, Then},
    template::{Escape, Names, Variable},
};

use super::{Builder, all, condition::condition_words, level::Level, variables::variable_name};
use crate::{
    error::{ConfigNote, Error},
    syntax::{Directive, Word},
    values,
};

/// What a `proxy_pass` inside of an `if` needs to know of its surroundings.
#[derive(Clone, Copy)]
pub(super) struct Forwarding<'a, 't> {
    pub(super) level: &'a Level<'t>,
    pub(super) server_name: &'a Arc<str>,
}

impl Builder<'_> {
    /// The script of a block.
    pub(super) fn script<'t>(
        &mut self,
        block: &'t [Directive],
        forwarding: Forwarding<'_, 't>,
    ) -> Result<Script, Error> {
        let mut steps = Vec::new();
        for directive in block {
            let Some(step) = self.step(directive, forwarding)? else { continue };
            if matches!(steps.last(), Some(Step::Return(_) | Step::Break)) {
                let message = format!(
                    "this \"{}\" is never reached: one before it ends the rewriting",
                    directive.name.text
                );
                self.notes.push(ConfigNote::new(&directive.name.position, message));
                continue;
            }
            steps.push(step);
        }
        Ok(Script::new(steps))
    }

    fn step<'t>(
        &mut self,
        directive: &'t Directive,
        forwarding: Forwarding<'_, 't>,
    ) -> Result<Option<Step>, Error> {
        Ok(Some(match directive.name.text.as_str() {
            "set" => self.set(directive)?,
            "if" => {
                let condition = self.condition(directive)?;
                let steps = self.script(directive.inside(), forwarding)?.steps;
                let mut branch = If::new(condition, steps);
                branch.location = self.forwarding_location(directive, forwarding)?;
                Step::If(branch)
            }
            "rewrite" => Step::Rewrite(self.rewrite(directive)?),
            "break" => Step::Break,
            "return" => Step::Return(self.answer(directive)?),
            _ => return Ok(None),
        }))
    }

    /// The location that a request is in once the `if` holds: that of its `proxy_pass`.
    fn forwarding_location<'t>(
        &mut self,
        branch: &'t Directive,
        forwarding: Forwarding<'_, 't>,
    ) -> Result<Option<Arc<Location>>, Error> {
        let Some(directive) = all(branch.inside(), "proxy_pass").next() else { return Ok(None) };
        let Forwarding { level, server_name } = forwarding;
        let level = self.level(Some(level), branch.inside())?;
        let proxy = self.proxy(directive.argument(0), &level, None)?;
        let handler = Handler::Proxy(Box::new(proxy));
        let location = self.finish_location(handler, &level, server_name, &branch.name)?;
        Ok(Some(location.shared()))
    }

    fn set(&self, directive: &Directive) -> Result<Step, Error> {
        let word = directive.argument(0);
        let name = variable_name(word)?;
        let value = self.template(directive.argument(1), Escape::None)?;
        if name.eq_ignore_ascii_case("args") {
            return Ok(Step::SetArgs(value));
        }
        Ok(match self.variables.lookup(name) {
            Some(Variable::Map(id)) => Step::SetMap(id, value),
            _ => Step::Set(self.set_id(name, word)?, value),
        })
    }

    fn rewrite(&mut self, directive: &Directive) -> Result<Rewrite, Error> {
        let pattern = directive.argument(0);
        let regex = self.regex(pattern, &pattern.text, false)?;
        let text = directive.argument(1);
        if text.text.is_empty() {
            return Err(Error::new(&text.position, "empty replacement"));
        }
        let replacement = self.template(text, Escape::None)?;
        let then = match directive.arguments.get(2).map(|word| (word, word.text.as_str())) {
            None => Then::GoOn,
            Some((_, "last")) => Then::Last,
            Some((_, "break")) => Then::Break,
            Some((_, "redirect")) => Then::Redirect,
            Some((_, "permanent")) => Then::Permanent,
            Some((word, other)) => {
                return Err(Error::new(&word.position, format!("invalid parameter \"{other}\""))
                    .hint("the flag is last, break, redirect or permanent"));
            }
        };
        Ok(Rewrite::new(regex, replacement, then))
    }

    /// The condition in the parentheses of an `if`.
    fn condition(&mut self, directive: &Directive) -> Result<Condition, Error> {
        let words = condition_words(directive)?;
        let invalid = |word: &Word| {
            Err(Error::new(&word.position, format!("invalid condition \"{}\"", word.text))
                .hint("it is ($variable), ($variable = text), or with !=, ~, ~*, !~, !~* in the place of ="))
        };
        let Some(subject) = words.first() else { return invalid(directive.argument(0)) };
        if let Some(operator) = subject.text.strip_prefix('!').or(Some(&subject.text))
            && matches!(operator, "-f" | "-d" | "-e" | "-x")
        {
            let message = format!("invalid condition \"{}\"", subject.text);
            return Err(Error::new(&subject.position, message)
                .hint("files are not looked at in this version: remove the \"if\""));
        }
        if !subject.text.starts_with('$') || subject.text.len() < 2 {
            return invalid(subject);
        }
        variable_name(subject)?;
        let value = self.template(subject, Escape::None)?;
        let (operator, other) = match words.as_slice() {
            [_] => return Ok(Condition::True(value)),
            [_, operator, other] => (operator, other),
            _ => return invalid(subject),
        };
        Ok(match operator.text.as_str() {
            sign @ ("=" | "!=") => {
                let other = self.template(other, Escape::None)?;
                Condition::Equal { value, other, negated: sign == "!=" }
            }
            sign @ ("~" | "~*" | "!~" | "!~*") => {
                let regex = self.regex(other, &other.text, sign.ends_with('*'))?;
                Condition::Matches { value, regex, negated: sign.starts_with('!') }
            }
            sign => {
                let message = format!("unexpected \"{sign}\" in condition");
                return Err(Error::new(&operator.position, message)
                    .hint("there are =, !=, ~, ~*, !~ and !~*, with spaces around"));
            }
        })
    }

    /// A `return`.
    pub(super) fn answer(&self, directive: &Directive) -> Result<Return, Error> {
        let word = directive.argument(0);
        let text = directive.arguments.get(1);
        let invalid = || Error::new(&word.position, format!("invalid return code \"{}\"", word.text));
        let Some(code) = values::number(&word.text) else {
            let is_url = ["http://", "https://", "$scheme"].iter().any(|start| word.text.starts_with(start));
            if text.is_some() || !is_url {
                return Err(
                    invalid().hint("it takes a code, or a URL that begins with http://, https:// or $scheme")
                );
            }
            return Ok(Return::new(302, Some(self.template(word, Escape::None)?)));
        };
        let Some(status) = u16::try_from(code).ok().filter(|status| (200..=599).contains(status)) else {
            return Err(invalid().hint("it is between 200 and 599; 444 closes the connection"));
        };
        let text = text.map(|text| self.template(text, Escape::None)).transpose()?;
        Ok(Return::new(status, text))
    }
}
