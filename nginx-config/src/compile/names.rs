//! `server_name`.

use underpass_core::config::ServerName;

use super::{Builder, all};
use crate::{
    error::{ConfigNote, Error, Position},
    syntax::{Directive, Word},
    values,
};

/// A name of a server.
pub(super) struct Name {
    pub(super) name: ServerName,
    /// As `$server_name` shows it.
    pub(super) shown: Box<str>,
    pub(super) position: Position,
}

impl Builder<'_> {
    /// The names of a server: without any, it is that of requests without a host.
    pub(super) fn names(&mut self, server: &Directive) -> Result<Vec<Name>, Error> {
        let words = all(server.inside(), "server_name").flat_map(|directive| &directive.arguments);
        let mut names = words.map(|word| self.name(word)).collect::<Result<Vec<_>, _>>()?;
        if names.is_empty() {
            let position = server.name.position.clone();
            names.push(Name { name: ServerName::Name("".into()), shown: "".into(), position });
        }
        Ok(names)
    }

    fn name(&mut self, word: &Word) -> Result<Name, Error> {
        let (text, position) = (word.text.as_str(), word.position.clone());
        if let Some(source) = text.strip_prefix('~') {
            if source.is_empty() {
                return Err(Error::new(&position, format!("empty regex in server name \"{text}\"")));
            }
            // As in nginx: hosts are in lower case, so letters in upper case mean both.
            let ignore_case = source.bytes().any(|byte| byte.is_ascii_uppercase());
            let regex = self.regex(word, source, ignore_case)?;
            return Ok(Name { name: ServerName::Regex(regex), shown: text.into(), position });
        }
        if !values::is_host_mask(text) {
            return Err(Error::new(&position, format!("server name \"{text}\" is invalid")).hint(
                "a mask stands for whole labels at one end: *.example.com, .example.com or example.*",
            ));
        }
        if text.contains('/') {
            let message = format!("server name \"{text}\" has suspicious symbols");
            self.notes.push(ConfigNote::new(&position, message));
        }
        let text = if text == "$hostname" { &*self.options.identity.hostname } else { text };
        let name = text.to_ascii_lowercase().into_boxed_str();
        let shown = name.strip_prefix('.').unwrap_or(&name).into();
        Ok(Name { name: ServerName::Name(name), shown, position })
    }
}
