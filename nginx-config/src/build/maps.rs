//! `map`: the variables that a file defines.

use std::collections::HashMap;

use underpass_core::template::{Escape, Map, MapBuilder, MapId, Names, Template, Variable};

use super::{Builder, all};
use crate::{
    error::{Error, Note, Position},
    syntax::{Directive, Word},
};

/// The variables of the maps, by name in lower case: case is ignored, as in nginx.
#[derive(Debug, Default)]
pub(super) struct Variables(HashMap<String, MapId>);

impl Variables {
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl Names for Variables {
    fn lookup(&self, name: &str) -> Option<Variable> {
        self.0.get(&name.to_ascii_lowercase()).copied().map(Variable::Map)
    }
}

impl Builder<'_> {
    /// Builds the maps. All variables are known before the first value is read, so that maps may use each
    /// other in any order.
    pub(super) fn maps(&mut self, http: &[Directive]) -> Result<Vec<Map>, Error> {
        for (index, block) in all(http, "map").enumerate() {
            let name = block.argument(1);
            if self.variables.0.insert(variable_name(name)?, MapId(index)).is_some() {
                let message = format!("\"{}\" is defined by a \"map\" before: this one holds", name.text);
                self.notes.push(Note::new(&name.position, message));
            }
        }
        let mut maps = Vec::new();
        let mut uses = Vec::new();
        for block in all(http, "map") {
            let mut draft = Draft::new(self, block)?;
            for pair in block.inside() {
                draft.add(pair)?;
            }
            uses.push(Uses { of: block.argument(1), maps: draft.uses });
            maps.push(draft.map.build());
        }
        refuse_circles(&uses)?;
        Ok(maps)
    }
}

fn variable_name(word: &Word) -> Result<String, Error> {
    let is_name = |name: &&str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let Some(name) = word.text.strip_prefix('$').filter(is_name) else {
        let message = format!("invalid variable name \"{}\"", word.text);
        return Err(Error::new(&word.position, message).hint("a map defines a \"$variable\""));
    };
    let name = name.to_ascii_lowercase();
    if Variable::built_in(&name).is_some() {
        let message = format!("the duplicate \"{name}\" variable");
        return Err(
            Error::new(&word.position, message).hint("this variable is built in: choose another name")
        );
    }
    Ok(name)
}

/// A map that is being built.
struct Draft<'b, 'o> {
    builder: &'b Builder<'o>,
    map: MapBuilder,
    hostnames: bool,
    /// The maps whose variables it uses.
    uses: Vec<usize>,
}

impl<'b, 'o> Draft<'b, 'o> {
    fn new(builder: &'b Builder<'o>, block: &Directive) -> Result<Self, Error> {
        let source = builder.template(block.argument(0), Escape::None)?;
        let uses = maps_in(&source).collect();
        Ok(Self { builder, map: Map::builder(source), hostnames: false, uses })
    }

    fn add(&mut self, pair: &Directive) -> Result<(), Error> {
        let position = &pair.name.position;
        match (pair.name.text.as_str(), pair.arguments.as_slice()) {
            ("hostnames", []) => {
                self.hostnames = true;
                self.map.hostnames();
                Ok(())
            }
            ("volatile", []) => {
                self.map.volatile();
                Ok(())
            }
            (_, [value]) => {
                let value = self.builder.template(value, Escape::None)?;
                self.uses.extend(maps_in(&value));
                self.add_pair(&pair.name.text, value, position)
            }
            _ => Err(Error::new(position, "invalid number of the map parameters")
                .hint("a pair is a value and what the variable is then; text with spaces stands in quotes")),
        }
    }

    fn add_pair(&mut self, key: &str, value: Template, position: &Position) -> Result<(), Error> {
        if key == "default" {
            let message = "duplicate default map parameter";
            return self.map.default(value).then_some(()).ok_or_else(|| Error::new(position, message));
        }
        if key.starts_with('~') {
            return Err(Error::new(position, format!("invalid map parameter \"{key}\"")).hint(
                "regular expressions are not in this version; \"\\\" in front makes a plain string of it",
            ));
        }
        let key = key.strip_prefix('\\').unwrap_or(key);
        if self.hostnames && !is_hostname(key) {
            return Err(Error::new(position, format!("invalid hostname or wildcard \"{key}\"")));
        }
        let added = if self.hostnames {
            self.map.hostname(key.as_bytes(), value)
        } else {
            self.map.exact(key.as_bytes(), value)
        };
        added.then_some(()).ok_or_else(|| Error::new(position, format!("conflicting parameter \"{key}\"")))
    }
}

/// A name, or a mask: `*.example.com`, `.example.com`, `example.*`.
fn is_hostname(key: &str) -> bool {
    let masked = [key.strip_prefix("*."), key.strip_prefix('.'), key.strip_suffix(".*")];
    let name = masked.into_iter().flatten().next();
    !key.contains("..")
        && !key.contains('\0')
        && name.map_or_else(|| !key.contains('*'), |name| !name.is_empty() && !name.contains('*'))
}

fn maps_in(template: &Template) -> impl Iterator<Item = usize> {
    template.variables().filter_map(|variable| match variable {
        Variable::Map(MapId(index)) => Some(*index),
        _ => None,
    })
}

/// Which maps a map uses.
struct Uses<'t> {
    of: &'t Word,
    maps: Vec<usize>,
}

/// Maps that use each other in a circle have no value.
fn refuse_circles(uses: &[Uses<'_>]) -> Result<(), Error> {
    let mut settled = vec![false; uses.len()];
    let open = |settled: &[bool], index: usize| !settled.get(index).copied().unwrap_or(true);
    // Each round settles at least one map, or none of the rest can be.
    for _ in uses {
        for (index, user) in uses.iter().enumerate() {
            let done = !user.maps.iter().any(|used| open(&settled, *used));
            if let Some(slot) = settled.get_mut(index) {
                *slot |= done;
            }
        }
    }
    let Some(mut at) = settled.iter().position(|settled| !settled) else { return Ok(()) };
    // Those that only lead to a circle are open, too: so many steps end inside of it.
    for _ in uses {
        let next = uses.get(at).and_then(|user| user.maps.iter().copied().find(|used| open(&settled, *used)));
        at = next.unwrap_or(at);
    }
    let Some(Uses { of, .. }) = uses.get(at) else { return Ok(()) };
    let message = format!("cycle while evaluating variable \"{}\"", of.text.trim_start_matches('$'));
    Err(Error::new(&of.position, message).hint("maps use each other in a circle"))
}
