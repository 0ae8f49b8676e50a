//! `proxy_redirect`.

use underpass_core::{
    config::{Substituted, Substitution},
    template::{Escape, Template},
};

use super::{
    Builder, all,
    level::{Level, has},
    rewriting::Redirect,
};
use crate::{
    error::Error,
    syntax::{Directive, Word},
};

impl Builder<'_> {
    pub(super) fn redirects(&mut self, level: &mut Level<'_>, block: &[Directive]) -> Result<(), Error> {
        if !has(block, &["proxy_redirect"]) {
            return Ok(());
        }
        level.redirects.clear();
        level.has_redirects = true;
        for directive in all(block, "proxy_redirect") {
            match directive.arguments.as_slice() {
                [word] if word.text == "off" => refuse_others(block, directive)?,
                [word] if word.text == "default" => {
                    check_default(block, directive)?;
                    level.redirects.push(Redirect::Default);
                }
                [from, to] => level.redirects.push(Redirect::Rule(self.substitution(from, to, false)?)),
                [word, ..] => {
                    return Err(Error::new(&word.position, format!("invalid parameter \"{}\"", word.text))
                        .hint("one parameter is \"default\" or \"off\""));
                }
                [] => {}
            }
        }
        Ok(())
    }

    /// A replacement of `from`, or of what matches it as `~REGEX` or `~*REGEX`.
    pub(super) fn substitution(
        &mut self,
        from: &Word,
        to: &Word,
        ignores_case: bool,
    ) -> Result<Substitution, Error> {
        let substituted = match from.text.strip_prefix('~') {
            Some(source) => {
                let insensitive = source.strip_prefix('*');
                let ignore_case = ignores_case || insensitive.is_some();
                Substituted::Regex(self.regex(from, insensitive.unwrap_or(source), ignore_case)?)
            }
            None => Substituted::Text(self.template(from, Escape::None)?),
        };
        Ok(Substitution::new(substituted, self.template(to, Escape::None)?))
    }
}

/// What `Location` is changed by in a location that forwards to `url`, which has a URI in the place of the
/// location's path or not; `url` is absent where it has variables in it.
pub(super) fn substitutions(level: &Level<'_>, url: Option<&str>, path: Option<&str>) -> Vec<Substitution> {
    let by_default = || {
        let (from, to) = match (url?, path) {
            (url, Some(path)) => (url.to_owned(), path),
            (url, None) => (format!("{url}/"), "/"),
        };
        Some(Substitution::new(Substituted::Text(Template::literal(&from)), Template::literal(to)))
    };
    if !level.has_redirects {
        return by_default().into_iter().collect();
    }
    let rule = |redirect: &Redirect| match redirect {
        Redirect::Default => by_default(),
        Redirect::Rule(rule) => Some(rule.clone()),
    };
    level.redirects.iter().filter_map(rule).collect()
}

/// Beside `off` there is no other directive of the name in a block.
pub(super) fn refuse_others(block: &[Directive], off: &Directive) -> Result<(), Error> {
    match all(block, &off.name.text).nth(1) {
        None => Ok(()),
        Some(second) => {
            let message = format!("\"{}\" directive is duplicate", second.name.text);
            Err(Error::new(&second.name.position, message))
        }
    }
}

/// `default` needs a `proxy_pass` before it, without variables.
fn check_default(block: &[Directive], directive: &Directive) -> Result<(), Error> {
    let error = |message: &str| Err(Error::new(&directive.name.position, message));
    let before = block.iter().take_while(|other| !std::ptr::eq(*other, directive));
    match before.filter(|other| other.name.text == "proxy_pass").last() {
        None => error("\"proxy_redirect default\" should be placed after the \"proxy_pass\" directive"),
        Some(pass) if pass.argument(0).text.contains('$') => {
            error("\"proxy_redirect default\" cannot be used with \"proxy_pass\" directive with variables")
        }
        Some(_) => Ok(()),
    }
}
