//! Regular expressions of the file: PCRE's syntax, as nginx has it, for two engines (B7).
//!
//! Subjects are bytes, as in nginx without `(*UTF8)`: a dot is one byte, classes are those of ASCII. What
//! the linear engine can express runs in it. An expression with look-around, back-references or anything
//! else that only backtracking can do runs in the second engine, with a limit to its steps.

mod backtrack;
mod classes;
mod linear;
mod translate;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use underpass_core::template::Pattern;

use translate::Translated;

/// A compiled regular expression.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    pub(crate) pattern: Arc<dyn Pattern>,
    /// Its named groups: number and name.
    pub(crate) names: Vec<(usize, String)>,
    /// What of it only the backtracking engine can do.
    pub(crate) backtracks: Option<&'static str>,
}

impl Expression {
    /// Compiles `source`.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub(crate) fn new(source: &str, ignore_case: bool) -> Result<Self, String> {
        let Translated { pattern, names, backtracks, .. } = translate::translate(source)?;
        let pattern: Arc<dyn Pattern> = match backtracks {
            None => Arc::new(linear::Linear::new(&pattern, ignore_case)?),
            Some(_) => Arc::new(backtrack::Backtracking::new(&pattern, ignore_case)?),
        };
        Ok(Self { pattern, names, backtracks })
    }
}

/// The names of the groups of an expression; none of one that is wrong.
pub(crate) fn names(source: &str) -> Vec<String> {
    let translated = translate::translate(source).map(|translated| translated.names).unwrap_or_default();
    translated.into_iter().map(|(_, name)| name).collect()
}
