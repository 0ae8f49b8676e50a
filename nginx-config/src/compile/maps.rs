//! `map`, and the order of all blocks that define a variable by another value.

use underpass_core::template::{Escape, Map, MapBuilder, MapId, Mapping, Template, Variable};

use super::{Builder, variables::MAPPINGS};
use crate::{
    error::{Error, Position},
    syntax::{Directive, Word},
    values,
};

impl Builder<'_> {
    /// Builds the `map`, `geo` and `split_clients` blocks, by their numbers.
    pub(super) fn mappings(&mut self, http: &[Directive]) -> Result<Vec<Mapping>, Error> {
        let mut mappings = Vec::new();
        let mut uses = Vec::new();
        for block in http.iter().filter(|directive| MAPPINGS.contains(&directive.name.text.as_str())) {
            let mut used = Vec::new();
            mappings.push(match block.name.text.as_str() {
                "map" => Mapping::Map(self.map(block, &mut used)?),
                "geo" => Mapping::Geo(self.geo(block, &mut used)?),
                _ => Mapping::Split(self.split_clients(block, &mut used)?),
            });
            uses.push(Uses { of: block.arguments.last().unwrap_or(&block.name), maps: used });
        }
        refuse_circles(&uses)?;
        Ok(mappings)
    }

    fn map(&mut self, block: &Directive, used: &mut Vec<usize>) -> Result<Map, Error> {
        let source = self.template(block.argument(0), Escape::None)?;
        used.extend(maps_in(&source));
        // Wherever it stands, it is meant for the whole block.
        let hostnames = block.inside().iter().any(|pair| is_word(pair, "hostnames"));
        let mut draft = Draft { builder: self, map: Map::builder(source), hostnames, used };
        block.inside().iter().try_for_each(|pair| draft.add(pair))?;
        Ok(draft.map.build())
    }
}

/// A map that is being built.
struct Draft<'b, 'o> {
    builder: &'b mut Builder<'o>,
    map: MapBuilder,
    hostnames: bool,
    /// The maps whose variables it uses.
    used: &'b mut Vec<usize>,
}

impl Draft<'_, '_> {
    fn add(&mut self, pair: &Directive) -> Result<(), Error> {
        let key = &pair.name;
        match pair.arguments.as_slice() {
            [] if key.text == "hostnames" => self.map.hostnames(),
            [] if key.text == "volatile" => self.map.volatile(),
            [value] => {
                let value = self.builder.template(value, Escape::None)?;
                self.used.extend(maps_in(&value));
                return self.add_pair(key, value);
            }
            _ => {
                return Err(Error::new(&key.position, "invalid number of the map parameters").hint(
                    "a pair is a value and what the variable is then; text with spaces stands in quotes",
                ));
            }
        }
        Ok(())
    }

    fn add_pair(&mut self, word: &Word, value: Template) -> Result<(), Error> {
        let (key, position) = (word.text.as_str(), &word.position);
        if key == "default" {
            return added(self.map.default(value), position, || "duplicate default map parameter".to_owned());
        }
        if let Some(source) = key.strip_prefix('~') {
            let insensitive = source.strip_prefix('*');
            let regex = self.builder.regex(word, insensitive.unwrap_or(source), insensitive.is_some())?;
            self.map.regex(regex, value);
            return Ok(());
        }
        let key = key.strip_prefix('\\').unwrap_or(key);
        let new = if self.hostnames {
            if !values::is_host_mask(key) {
                return Err(Error::new(position, format!("invalid hostname or wildcard \"{key}\"")));
            }
            self.map.hostname(key.as_bytes(), value)
        } else {
            self.map.exact(key.as_bytes(), value)
        };
        added(new, position, || format!("conflicting parameter \"{key}\""))
    }
}

fn added(new: bool, position: &Position, message: impl FnOnce() -> String) -> Result<(), Error> {
    if new { Ok(()) } else { Err(Error::new(position, message())) }
}

/// A line of a block of pairs that is one word.
pub(super) fn is_word(pair: &Directive, word: &str) -> bool {
    pair.name.text == word && pair.arguments.is_empty()
}

/// The numbers of the maps whose variables are in a template.
pub(super) fn maps_in(template: &Template) -> impl Iterator<Item = usize> {
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
