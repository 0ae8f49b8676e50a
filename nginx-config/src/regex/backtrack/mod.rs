//! The engine that can look around and refer back. A search takes a bounded number of steps, each of which takes bounded
//! time: none of the engines that can be had counts more than the times it goes back, and between two of these one may
//! read the subject as often as it is long.

mod machine;
mod parse;
mod program;

#[cfg(test)]
mod tests;

use underpass_core::template::{Captures, Pattern};

use machine::{Found, Machine};
use program::Program;

/// Steps that one search may take: one or two milliseconds. A path of 8,000 bytes has 60 for each of them.
const STEPS: usize = 500_000;

#[derive(Debug)]
pub(super) struct Backtracking(Program);

impl Backtracking {
    /// Compiles a translated pattern.
    ///
    /// # Errors
    /// With what is wrong with it, in PCRE's words.
    pub(super) fn new(pattern: &str, ignore_case: bool) -> Result<Self, String> {
        let (node, groups) = parse::parse(pattern, ignore_case)?;
        Program::compile(&node, groups).map(Self)
    }
}

impl Pattern for Backtracking {
    /// Past the limit there is no match (B7).
    fn find(&self, subject: &[u8], captures: &mut Captures) -> bool {
        let mut machine = Machine::new(&self.0, subject, STEPS);
        match machine.search() {
            Found::Nothing => false,
            Found::Unknown => {
                captures.give_up();
                false
            }
            Found::Match => {
                captures.begin(subject);
                for group in 0..self.0.groups {
                    if let Some((from, to)) = machine.group(group) {
                        captures.set(group, from, to);
                    }
                }
                true
            }
        }
    }
}
