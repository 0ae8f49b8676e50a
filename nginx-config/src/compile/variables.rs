//! The variables that a file defines: by `map`, `geo`, `split_clients`, `set` and named groups.

use std::collections::HashMap;

use underpass_core::template::{Captures, MapId, Names, Regex, SetId, Variable};

use super::{Builder, condition::condition_words};
use crate::{
    error::{ConfigNote, Error},
    regex::{self, Expression},
    syntax::{Directive, Word},
};

/// Variables by name in lower case: case is ignored, as in nginx.
#[derive(Debug, Default)]
pub(super) struct Variables {
    names: HashMap<String, Variable>,
    maps: usize,
    sets: usize,
}

impl Variables {
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// The number of the variable that `set` or a named group defines.
    pub(super) fn set(&self, name: &str) -> Option<SetId> {
        match self.names.get(&name.to_ascii_lowercase()) {
            Some(Variable::Set(id)) => Some(*id),
            _ => None,
        }
    }
}

impl Names for Variables {
    fn lookup(&self, name: &str) -> Option<Variable> {
        let name = name.to_ascii_lowercase();
        let empty = || is_always_empty(&name).then(|| Variable::Empty(name.as_str().into()));
        self.names.get(&name).cloned().or_else(empty)
    }
}

/// Whether nginx has this variable and nothing here ever gives it a value.
pub(crate) fn is_always_empty(name: &str) -> bool {
    EMPTY.split(' ').any(|known| known == name)
        || ["upstream_cookie_", "proxy_protocol_tlv_"].iter().any(|prefix| name.starts_with(prefix))
}

const EMPTY: &str = "\
    connections_active connections_reading connections_waiting connections_writing date_gmt date_local \
    document_root fastcgi_path_info fastcgi_script_name http2 http3 limit_conn_status limit_rate \
    limit_req_status proxy_protocol_server_addr proxy_protocol_server_port realpath_root request_body \
    request_body_file request_filename slice_range tcpinfo_rcv_space tcpinfo_rtt tcpinfo_rttvar \
    tcpinfo_snd_cwnd uid_got uid_reset uid_set upstream_last_server_name upstream_queue_time \
    upstream_response_length";

/// Directives that define a variable by another value; each has a number, in the order of the file.
pub(super) const MAPPINGS: [&str; 3] = ["map", "geo", "split_clients"];

impl Builder<'_> {
    /// Learns all variables of `http`, so that they can be used before the line that defines them.
    pub(super) fn declare(&mut self, http: &[Directive]) -> Result<(), Error> {
        for block in http.iter().filter(|directive| MAPPINGS.contains(&directive.name.text.as_str())) {
            self.declare_mapping(block)?;
        }
        self.declare_in(http)
    }

    fn declare_mapping(&mut self, block: &Directive) -> Result<(), Error> {
        let word = block.arguments.last().unwrap_or(&block.name);
        let name = variable_name(word)?.to_ascii_lowercase();
        if Variable::plain().contains(&name.as_str()) {
            return Err(duplicate(word, &name).hint("this variable is built in: choose another name"));
        }
        let variable = Variable::Map(MapId(self.variables.maps));
        self.variables.maps += 1;
        if self.variables.names.insert(name, variable).is_some() {
            let message = format!("\"{}\" is defined before: this block holds", word.text);
            self.notes.push(ConfigNote::new(&word.position, message));
        }
        Ok(())
    }

    fn declare_in(&mut self, block: &[Directive]) -> Result<(), Error> {
        for directive in block {
            let name = directive.name.text.as_str();
            if name == "set" {
                let word = directive.argument(0);
                let name = variable_name(word)?;
                if !matches!(self.variables.lookup(name), Some(Variable::Map(_))) {
                    self.declare_set(name, word)?;
                }
            }
            // Others can't define a variable, whatever their words look like.
            if matches!(
                name,
                "location"
                    | "server_name"
                    | "rewrite"
                    | "if"
                    | "proxy_redirect"
                    | "proxy_cookie_domain"
                    | "proxy_cookie_flags"
                    | "proxy_cookie_path"
            ) {
                self.declare_groups(directive)?;
            }
            if name == "map" {
                for pair in directive.inside().iter().filter(|pair| pair.name.text.starts_with('~')) {
                    self.declare_groups_of(&pair.name)?;
                }
            } else {
                self.declare_in(directive.inside())?;
            }
        }
        Ok(())
    }

    fn declare_groups(&mut self, directive: &Directive) -> Result<(), Error> {
        if directive.name.text == "if" {
            // What is wrong with a condition is said where it is built.
            let words = condition_words(directive).unwrap_or_default();
            return words.iter().try_for_each(|word| self.declare_groups_of(word));
        }
        directive.arguments.iter().try_for_each(|word| self.declare_groups_of(word))
    }

    fn declare_groups_of(&mut self, word: &Word) -> Result<(), Error> {
        // What is wrong with an expression is said where it is compiled.
        regex::names(&word.text).iter().try_for_each(|name| self.declare_set(name, word))
    }

    fn declare_set(&mut self, name: &str, word: &Word) -> Result<(), Error> {
        let name = name.to_ascii_lowercase();
        match self.variables.names.get(&name) {
            Some(Variable::Set(_)) => return Ok(()),
            Some(_) => {
                return Err(duplicate(word, &name).hint("a block defines it already: choose another name"));
            }
            None => {}
        }
        if name == "args" {
            return Ok(());
        }
        if Variable::plain().contains(&name.as_str()) {
            return Err(duplicate(word, &name).hint("this variable is built in: choose another name"));
        }
        self.variables.names.insert(name, Variable::Set(SetId(self.variables.sets)));
        self.variables.sets += 1;
        Ok(())
    }

    /// The number of a variable that has been declared.
    pub(super) fn set_id(&self, name: &str, word: &Word) -> Result<SetId, Error> {
        self.variables.set(name).ok_or_else(|| duplicate(word, name))
    }

    /// Compiles `source`, a part of `word`.
    pub(super) fn regex(&mut self, word: &Word, source: &str, ignore_case: bool) -> Result<Regex, Error> {
        let expression = Expression::new(source, ignore_case).map_err(|fault| {
            Error::new(&word.position, format!("invalid regular expression \"{source}\": {fault}"))
        })?;
        if let Some(needs) = expression.backtracks {
            let message = format!(
                "the regular expression \"{source}\" has {needs}: it runs in a slower engine, and does \
                 not match when that takes too many steps"
            );
            self.notes.push(ConfigNote::new(&word.position, message));
        }
        if let Some((_, name)) = expression.names.iter().find(|(group, _)| *group >= Captures::GROUPS) {
            let message = format!("the group \"{name}\" of the regular expression has too high a number");
            return Err(Error::new(&word.position, message)
                .hint("make groups that are not needed plain, (?:...): the first 19 count"));
        }
        let names = expression.names.iter().map(|(group, name)| Ok((*group, self.set_id(name, word)?)));
        Ok(Regex::new(expression.pattern, names.collect::<Result<_, Error>>()?))
    }
}

/// The name behind the dollar sign.
pub(super) fn variable_name(word: &Word) -> Result<&str, Error> {
    let is_name = |name: &&str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    word.text.strip_prefix('$').filter(is_name).ok_or_else(|| {
        let message = format!("invalid variable name \"{}\"", word.text);
        Error::new(&word.position, message).hint("it begins with \"$\", letters, digits and _ follow")
    })
}

fn duplicate(word: &Word, name: &str) -> Error {
    Error::new(&word.position, format!("the duplicate \"{name}\" variable"))
}
