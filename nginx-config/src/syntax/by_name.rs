//! The directives of a block by name.

use std::collections::HashMap;

use super::Directive;

/// The directives of a block by name. Each location of a server asks the blocks around it for many names, and there may
/// be thousands of locations: so many times a block can't be searched.
#[derive(Debug)]
pub(crate) struct ByName<'t> {
    block: &'t [Directive],
    /// With their places in the block.
    found: HashMap<&'t str, Vec<(usize, &'t Directive)>>,
}

impl<'t> ByName<'t> {
    pub(crate) fn of(block: &'t [Directive]) -> Self {
        let mut found: HashMap<_, Vec<_>> = HashMap::new();
        for (place, directive) in block.iter().enumerate() {
            found.entry(directive.name.text.as_str()).or_default().push((place, directive));
        }
        Self { block, found }
    }

    /// All of them.
    pub(crate) fn block(&self) -> &'t [Directive] {
        self.block
    }

    /// The first one of this name.
    pub(crate) fn first(&self, name: &str) -> Option<&'t Directive> {
        self.found.get(name)?.first().map(|(_, directive)| *directive)
    }

    /// Whether there is one of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.found.contains_key(name)
    }

    /// Those of one of these names, in the order of the file.
    pub(crate) fn all(&self, names: &[&str]) -> Vec<&'t Directive> {
        let mut found: Vec<_> =
            names.iter().filter_map(|name| self.found.get(name)).flatten().copied().collect();
        found.sort_unstable_by_key(|(place, _)| *place);
        found.into_iter().map(|(_, directive)| directive).collect()
    }
}
