//! How heads of responses are changed: cookies, fields that don't go on.

use std::sync::Arc;

use underpass_core::{
    config::{CookieFlag, CookieFlags, Substituted, Substitution},
    template::{Escape, Template},
};

use super::{
    Builder, all,
    level::{Level, has},
    redirect::refuse_others,
    rewriting::Rewriting,
};
use crate::{
    error::Error,
    syntax::{Directive, Word},
};

impl Builder<'_> {
    pub(super) fn rewriting(&mut self, level: &mut Level<'_>, block: &[Directive]) -> Result<(), Error> {
        const NAMES: [&str; 5] = [
            "proxy_cookie_domain",
            "proxy_cookie_flags",
            "proxy_cookie_path",
            "proxy_hide_header",
            "proxy_pass_header",
        ];
        if !has(block, &NAMES) {
            return Ok(());
        }
        let mut rewriting = Rewriting::clone(&level.rewriting);
        if has(block, &["proxy_cookie_domain"]) {
            rewriting.cookie_domains = self.cookie_rules(block, "proxy_cookie_domain")?;
        }
        if has(block, &["proxy_cookie_path"]) {
            rewriting.cookie_paths = self.cookie_rules(block, "proxy_cookie_path")?;
        }
        if has(block, &["proxy_cookie_flags"]) {
            rewriting.cookie_flags = self.cookie_flags(block)?;
        }
        if has(block, &["proxy_hide_header"]) {
            rewriting.hide = fields(block, "proxy_hide_header");
        }
        if has(block, &["proxy_pass_header"]) {
            rewriting.pass = fields(block, "proxy_pass_header");
        }
        level.rewriting = Arc::new(rewriting);
        Ok(())
    }

    fn cookie_rules(&mut self, block: &[Directive], name: &str) -> Result<Vec<Substitution>, Error> {
        let mut rules = Vec::new();
        for directive in all(block, name) {
            match directive.arguments.as_slice() {
                [word] if word.text == "off" => refuse_others(block, directive)?,
                [from, to] => rules.push(self.substitution(from, to, name == "proxy_cookie_domain")?),
                _ => {
                    let word = directive.argument(0);
                    return Err(Error::new(&word.position, format!("invalid parameter \"{}\"", word.text))
                        .hint("one parameter is \"off\""));
                }
            }
        }
        Ok(rules)
    }

    fn cookie_flags(&mut self, block: &[Directive]) -> Result<Vec<CookieFlags>, Error> {
        let mut rules = Vec::new();
        for directive in all(block, "proxy_cookie_flags") {
            let (cookie, flags) = match directive.arguments.as_slice() {
                [word] if word.text == "off" => {
                    refuse_others(block, directive)?;
                    continue;
                }
                [cookie, flags @ ..] if !flags.is_empty() => (cookie, flags),
                _ => {
                    let word = directive.argument(0);
                    return Err(Error::new(&word.position, format!("invalid parameter \"{}\"", word.text))
                        .hint("one parameter is \"off\""));
                }
            };
            let name = match cookie.text.strip_prefix('~') {
                Some(source) => Substituted::Regex(self.regex(cookie, source, true)?),
                None => Substituted::Text(self.template(cookie, Escape::None)?),
            };
            let flags = flags.iter().map(|flag| self.cookie_flag(flag)).collect::<Result<_, _>>()?;
            rules.push(CookieFlags::new(name, flags));
        }
        Ok(rules)
    }

    fn cookie_flag(&mut self, word: &Word) -> Result<Template, Error> {
        if !word.text.contains('$') && CookieFlag::parse(word.text.as_bytes()).is_none() {
            return Err(Error::new(&word.position, format!("invalid parameter \"{}\"", word.text)).hint(
                "a flag is secure, httponly, samesite=strict, samesite=lax, samesite=none, or one of nosecure, \
                 nohttponly, nosamesite",
            ));
        }
        self.template(word, Escape::None)
    }
}

fn fields(block: &[Directive], name: &str) -> Vec<Box<str>> {
    all(block, name).map(|directive| directive.argument(0).text.as_str().into()).collect()
}
