//! What is added to responses, what answers in the place of an error, and media types.

use std::sync::Arc;

use underpass_core::{
    config::{AddedField, Additions, ContentTypes, ErrorPage, ErrorStatus, ErrorTarget, Expires},
    template::Escape,
};

use super::{
    Builder, all,
    level::{Level, first_argument, has},
};
use crate::{
    error::{ConfigNote, Error},
    syntax::{Directive, Word},
    values,
};

impl Builder<'_> {
    /// `add_header`, `add_trailer`, `expires`.
    pub(super) fn additions(&mut self, level: &mut Level<'_>, block: &[Directive]) -> Result<(), Error> {
        const NAMES: [&str; 5] =
            ["add_header", "add_header_inherit", "add_trailer", "add_trailer_inherit", "expires"];
        // The rules of inheritance are themselves inherited: a level that says nothing may lose fields.
        let is_ruled = || {
            ["add_header_inherit", "add_trailer_inherit"].iter().any(|name| level.innermost(name).is_some())
        };
        if !has(block, &NAMES) && !is_ruled() {
            return Ok(());
        }
        let outer = &level.additions;
        let mut additions = Additions::default();
        additions.headers = self.added(level, block, "add_header", &outer.headers)?;
        additions.trailers = self.added(level, block, "add_trailer", &outer.trailers)?;
        additions.expires = match all(block, "expires").next() {
            Some(directive) => expires(directive)?,
            None => outer.expires,
        };
        level.additions = Arc::new(additions);
        Ok(())
    }

    fn added(
        &mut self,
        level: &Level<'_>,
        block: &[Directive],
        name: &str,
        outer: &[AddedField],
    ) -> Result<Vec<AddedField>, Error> {
        let mut own = Vec::new();
        for directive in all(block, name) {
            own.extend(self.added_field(directive)?);
        }
        let inherit =
            level.innermost(&format!("{name}_inherit")).map(|directive| &*directive.argument(0).text);
        Ok(match inherit {
            Some("off") => own,
            Some("merge") => [outer.to_vec(), own].concat(),
            _ if has(block, &[name]) => own,
            _ => outer.to_vec(),
        })
    }

    fn added_field(&mut self, directive: &Directive) -> Result<Option<AddedField>, Error> {
        let (name, value) = (directive.argument(0), directive.argument(1));
        let always = match directive.arguments.get(2) {
            None => false,
            Some(word) if word.text == "always" => true,
            Some(word) => {
                return Err(Error::new(&word.position, format!("invalid parameter \"{}\"", word.text))
                    .hint("there is \"always\"; text with spaces stands in quotes"));
            }
        };
        let value = self.template(value, Escape::None)?;
        let field = AddedField::new(&name.text, value, always).map_err(|error| {
            Error::new(&name.position, format!("invalid field name \"{}\"", name.text))
                .hint(error.to_string())
        })?;
        let own =
            ["Connection", "Content-Length", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade"];
        if own.iter().any(|own| own.eq_ignore_ascii_case(&name.text)) {
            let message = format!("\"{} {}\" has no effect", directive.name.text, name.text);
            let hint = "this field belongs to one connection and is the gateway's own: for an upgrade, write \
                        \"proxy_set_header\" instead";
            self.notes.push(ConfigNote::new(&name.position, message).hint(hint));
            return Ok(None);
        }
        Ok(Some(field))
    }

    /// `error_page`.
    pub(super) fn error_pages(&mut self, level: &mut Level<'_>, block: &[Directive]) -> Result<(), Error> {
        if has(block, &["error_page"]) {
            let pages = all(block, "error_page").map(|directive| self.error_page(directive));
            level.error_pages = pages.collect::<Result<_, _>>()?;
        }
        Ok(())
    }

    fn error_page(&self, directive: &Directive) -> Result<ErrorPage, Error> {
        let invalid = |word: &Word| Error::new(&word.position, format!("invalid value \"{}\"", word.text));
        let Some((target, before)) = directive.arguments.split_last() else {
            return Err(invalid(&directive.name));
        };
        let (codes, status) = match before.split_last() {
            Some((word, codes)) if word.text.starts_with('=') => {
                let code = word.text.trim_start_matches('=');
                let status = match code {
                    "" => ErrorStatus::Taken,
                    _ => ErrorStatus::Fixed(
                        code.parse()
                            .ok()
                            .filter(|code| (200..=599).contains(code))
                            .ok_or_else(|| invalid(word).hint("the code is between 200 and 599"))?,
                    ),
                };
                (codes, status)
            }
            _ => (before, ErrorStatus::Kept),
        };
        let mut statuses = Vec::new();
        for word in codes {
            let code = values::number(&word.text).ok_or_else(|| {
                invalid(word).hint("an error_page is codes, perhaps =CODE, and where they lead to")
            })?;
            let code = u16::try_from(code).ok().filter(|code| (300..=599).contains(code));
            let code = code.ok_or_else(|| {
                Error::new(&word.position, format!("value \"{}\" must be between 300 and 599", word.text))
            })?;
            if code == 499 {
                return Err(invalid(word).hint("its client has gone"));
            }
            statuses.push(code);
        }
        if statuses.is_empty() {
            return Err(invalid(directive.argument(0)));
        }
        let text = target.text.as_str();
        let target = if text.starts_with('@') {
            ErrorTarget::Named(text.trim_start_matches('@').into())
        } else if text.starts_with('/') || (text.starts_with('$') && !text.starts_with("$scheme")) {
            ErrorTarget::Uri(self.template(target, Escape::None)?)
        } else {
            ErrorTarget::Url(self.template(target, Escape::None)?)
        };
        Ok(ErrorPage::new(statuses, status, target))
    }

    /// `types` and `default_type`.
    pub(super) fn types(&mut self, level: &mut Level<'_>, block: &[Directive]) -> Result<(), Error> {
        if !has(block, &["types", "default_type"]) {
            return Ok(());
        }
        let mut types = ContentTypes::clone(&level.types);
        if has(block, &["types"]) {
            types.by_extension.clear();
        }
        for pair in all(block, "types").flat_map(Directive::inside) {
            if pair.arguments.is_empty() {
                return Err(Error::new(
                    &pair.name.position,
                    "invalid number of arguments in \"types\" directive",
                )
                .hint("a pair is a type and its extensions"));
            }
            for extension in &pair.arguments {
                let extension = extension.text.to_ascii_lowercase().into_bytes().into();
                types.by_extension.insert(extension, pair.name.text.as_str().into());
            }
        }
        if let Some(word) = first_argument(block, "default_type") {
            types.default = word.text.as_str().into();
        }
        level.types = Arc::new(types);
        Ok(())
    }
}

fn expires(directive: &Directive) -> Result<Option<Expires>, Error> {
    let word = directive.argument(0);
    let absent = |what: &str| {
        Error::new(&word.position, format!("{what} in \"expires\" is not in this version"))
            .hint("it takes a time from the request on, such as 1h or -1, epoch, max or off")
    };
    if word.text == "modified" {
        return Err(absent("\"modified\""));
    }
    if let Some(more) = directive.arguments.get(1) {
        return Err(Error::new(&more.position, format!("invalid value \"{}\"", more.text)));
    }
    let text = word.text.as_str();
    match text {
        "epoch" => return Ok(Some(Expires::Epoch)),
        "max" => return Ok(Some(Expires::Max)),
        "off" => return Ok(None),
        _ if text.starts_with('@') => return Err(absent("a time of the day")),
        _ if text.starts_with('$') => return Err(absent("a variable")),
        _ => {}
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let seconds = values::seconds(digits).and_then(|time| i64::try_from(time.as_secs()).ok());
    let seconds = seconds.ok_or_else(|| Error::new(&word.position, "\"expires\" directive invalid value"))?;
    Ok(Some(Expires::After(if negative { -seconds } else { seconds })))
}
