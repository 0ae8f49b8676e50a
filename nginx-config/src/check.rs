//! Directives against their table.

use crate::{
    directives::{self, Context, Effect, Kind, Row},
    error::Error,
    syntax::{Directive, Word},
    values,
};

/// Checks that the directive exists, may stand where it stands behind `earlier` ones of its block, has as
/// many parameters as it takes, and that these are of its kind.
pub(crate) fn check(
    directive: &Directive,
    context: Context,
    earlier: &[Directive],
) -> Result<&'static Row, Error> {
    let row = check_place(directive, context)?;
    refuse(row, directive)?;
    if !row.repeatable && earlier.iter().any(|earlier| earlier.name.text == row.name) {
        let message = format!("\"{}\" directive is duplicate", row.name);
        return Err(Error::new(&directive.name.position, message));
    }
    directive.arguments.iter().try_for_each(|word| check_value(row, word))?;
    Ok(row)
}

/// What is asked for and would not come: nobody is left to think that it does.
fn refuse(row: &Row, directive: &Directive) -> Result<(), Error> {
    let (advice, value) = match row.effect {
        Effect::Refused(advice) => (advice, None),
        Effect::RefusedUnlessOff(advice) => (advice, Some(directive.argument(0))),
        Effect::Full | Effect::None(_) | Effect::Content => return Ok(()),
    };
    let value = match value {
        None => String::new(),
        Some(word) if values::flag(&word.text) == Some(false) => return Ok(()),
        Some(word) => {
            check_value(row, word)?;
            format!(" {}", word.text)
        }
    };
    let message = format!("\"{}{value}\" is not in this version", row.name);
    Err(Error::new(&directive.name.position, message).hint(advice))
}

/// What the others are wanted for in an `if` can be said by a value.
const IN_AN_IF: &str = "an \"if\" holds return, set, rewrite, break and, in a location, proxy_pass; let a \"map\" \
                        make the value instead, outside of the \"if\": an empty one adds no field";

fn check_place(directive: &Directive, context: Context) -> Result<&'static Row, Error> {
    let name = &directive.name.text;
    let error = |message| Error::new(&directive.name.position, message);
    let Some(row) = directives::find(name, context) else {
        return Err(unknown(&directive.name));
    };
    if !row.contexts.contains(&context) {
        let hint = match context {
            Context::LocationIf if row.name == "limit_rate" => {
                "write \"set $limit_rate RATE;\", which stands in an \"if\" and comes before \"limit_rate\""
                    .to_owned()
            }
            Context::ServerIf | Context::LocationIf if row.contexts.contains(&Context::Location) => {
                IN_AN_IF.to_owned()
            }
            _ => row.places(),
        };
        return Err(error(format!("\"{name}\" directive is not allowed here")).hint(hint));
    }
    match (row.is_block(), directive.block.is_some()) {
        (true, false) => return Err(error(format!("directive \"{name}\" has no opening \"{{\""))),
        (false, true) => return Err(error(format!("directive \"{name}\" is not terminated by \";\""))),
        _ => {}
    }
    let (least, most) = row.arity;
    if !(least..=most).contains(&directive.arguments.len()) {
        let hint = missing_semicolon(directive).unwrap_or_else(|| row.usage());
        return Err(error(format!("invalid number of arguments in \"{name}\" directive")).hint(hint));
    }
    Ok(row)
}

/// A directive that goes on over the name of another on a later line: its semicolon was forgotten.
pub(crate) fn missing_semicolon(directive: &Directive) -> Option<String> {
    let begins_another = |word: &&Word| {
        word.position.line > directive.name.position.line
            && directives::find(&word.text, Context::Http).is_some()
    };
    let next = directive.arguments.iter().find(begins_another)?;
    Some(format!("a \";\" seems to be missing before \"{}\"", next.text))
}

fn unknown(name: &Word) -> Error {
    let error = Error::new(&name.position, format!("unknown directive \"{}\"", name.text));
    let reason = directives::reason_of_absence(&name.text);
    let meant = || directives::similar(&name.text).map(|similar| format!("did you mean \"{similar}\"?"));
    match reason.or_else(meant) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn check_value(row: &Row, word: &Word) -> Result<(), Error> {
    let (name, text) = (row.name, word.text.as_str());
    let error = |message| Err(Error::new(&word.position, message));
    let invalid = || error(format!("\"{name}\" directive invalid value"));
    match row.kind {
        Kind::Block(_) | Kind::Pairs | Kind::Words => Ok(()),
        Kind::Flag if values::flag(text).is_none() => {
            error(format!("invalid value \"{text}\" in \"{name}\" directive, it must be \"on\" or \"off\""))
        }
        Kind::Time if values::time(text).is_none() => invalid()
            .map_err(|error| error.hint("a time is a number and a unit, as in 500ms, 60s, 1m30s, 1h")),
        Kind::Size if values::size(text).is_none() => {
            invalid().map_err(|error| error.hint("a size is a number of bytes, or one with k, m or g"))
        }
        // In nginx it has a reader of its own.
        Kind::Number if name == "worker_connections" && values::number(text).is_none() => {
            error(format!("invalid number \"{text}\""))
        }
        Kind::Number if values::number(text).is_none() => {
            error(format!("\"{name}\" directive invalid number"))
        }
        Kind::Refusal if values::number(text).is_none() => invalid(),
        Kind::Refusal if !values::number(text).is_some_and(|status| (400..=599).contains(&status)) => {
            error("value must be between 400 and 599".to_owned())
        }
        Kind::NumberOrAuto if text != "auto" && values::number(text).is_none() => invalid(),
        Kind::OneOf(known) | Kind::EachOf(known)
            if !known.iter().any(|known| known.eq_ignore_ascii_case(text)) =>
        {
            let hint = format!("\"{name}\" is {} in this version", known.join(" or "));
            error(format!("invalid value \"{text}\"")).map_err(|error| error.hint(hint))
        }
        Kind::Flag
        | Kind::Time
        | Kind::Size
        | Kind::Number
        | Kind::Refusal
        | Kind::NumberOrAuto
        | Kind::OneOf(_)
        | Kind::EachOf(_) => Ok(()),
    }
}

impl Row {
    fn is_block(&self) -> bool {
        matches!(self.kind, Kind::Block(_) | Kind::Pairs)
    }

    fn places(&self) -> String {
        let places: Vec<_> = self.contexts.iter().map(|context| context.place()).collect();
        format!("\"{}\" stands {}", self.name, places.join(" or "))
    }

    fn parameters(&self) -> String {
        match self.arity {
            (0, 0) => "it takes no parameters".to_owned(),
            (least, most) if least == most => format!("it takes {least}"),
            (least, usize::MAX) => format!("it takes at least {least}"),
            (least, most) => format!("it takes {least} to {most}"),
        }
    }

    fn usage(&self) -> String {
        let plain = self.syntax.replace(['*', '`'], "");
        if self.effect != Effect::Full {
            return self.parameters();
        }
        let space = if plain.is_empty() { "" } else { " " };
        let end = if self.is_block() { " { ... }" } else { ";" };
        format!("it is written {}{space}{plain}{end}", self.name)
    }
}
