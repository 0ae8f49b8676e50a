//! `limit_rate`, `limit_rate_after`, `proxy_limit_rate`.

use std::sync::Arc;

use underpass_core::{
    config::Rates,
    template::{Escape, Template, Variable},
};

use super::{
    Builder,
    level::{Level, value_or_default},
};
use crate::{directives::Context, error::Error, values};

impl Builder<'_> {
    /// What limits the responses of a level; nothing where they go as fast as they can.
    pub(super) fn rates(&self, level: &Level<'_>) -> Result<Option<Arc<Rates>>, Error> {
        let mut rates = Rates::default();
        // `set $limit_rate` is the other way to say it, for some requests only.
        let set = self.variables.set("limit_rate");
        rates.variable = set.map(|id| Template::variable(Variable::Set(id)));
        rates.rate = self.rate(level, "limit_rate")?;
        rates.after = self.rate(level, "limit_rate_after")?;
        // What comes first does so, too, before a rate that the origin server says.
        let said = rates.variable.is_some() || rates.rate.is_some() || rates.after.is_some();
        Ok(said.then(|| Arc::new(rates)))
    }

    /// A number of bytes, which may have variables in it.
    pub(super) fn rate(&self, level: &Level<'_>, name: &str) -> Result<Option<Template>, Error> {
        let Some(word) = level.innermost(name).map(|directive| directive.argument(0)) else {
            return Ok(None);
        };
        if word.text.contains('$') {
            return self.template(word, Escape::None).map(Some);
        }
        let size = value_or_default(name, Some(word), Context::Location, values::size)?;
        Ok((size > 0).then(|| Template::literal(&size.to_string())))
    }
}
