//! The tree as text again.

use std::fmt;

use super::{Directive, Word};

/// Directives as text that is read as the same directives.
pub(crate) struct Printed<'t>(pub(crate) &'t [Directive]);

impl fmt::Display for Printed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|directive| write_directive(f, directive, 0))
    }
}

fn write_directive(f: &mut fmt::Formatter<'_>, directive: &Directive, depth: usize) -> fmt::Result {
    write!(f, "{:width$}", "", width = depth * 4)?;
    write_word(f, &directive.name)?;
    for word in &directive.arguments {
        f.write_str(" ")?;
        write_word(f, word)?;
    }
    let Some(block) = &directive.block else { return f.write_str(";\n") };
    f.write_str(" {\n")?;
    block.iter().try_for_each(|inner| write_directive(f, inner, depth + 1))?;
    writeln!(f, "{:width$}}}", "", width = depth * 4)
}

/// In quotes where the plain text would be read differently.
fn write_word(f: &mut fmt::Formatter<'_>, word: &Word) -> fmt::Result {
    let special = |c: char| c.is_ascii_whitespace() || ";{}\"'\\#".contains(c);
    if !word.text.is_empty() && !word.text.contains(special) && !word.text.starts_with('\u{feff}') {
        return f.write_str(&word.text);
    }
    f.write_str("\"")?;
    for character in word.text.chars() {
        match character {
            '"' | '\\' => write!(f, "\\{character}")?,
            _ => write!(f, "{character}")?,
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::{error::Position, syntax::parse};

    fn directive() -> impl Strategy<Value = Directive> {
        let position = Position::new(&Arc::from("f"), 1, 1);
        let word = any::<String>().boxed().prop_union("[ \t\r\n\\\\\"';{}#$a]{0,6}".boxed());
        let word = word.prop_map(move |text| Word { text, position: position.clone() });
        let header = (word.clone(), prop::collection::vec(word, 0..4));
        let leaf = header.clone().prop_map(|(name, arguments)| Directive { name, arguments, block: None });
        leaf.prop_recursive(4, 16, 4, move |inner| {
            (header.clone(), prop::collection::vec(inner, 0..4))
                .prop_map(|((name, arguments), inside)| Directive { name, arguments, block: Some(inside) })
        })
    }

    /// Everything but positions.
    fn same(one: &[Directive], other: &[Directive]) -> bool {
        let words = |directive: &Directive| {
            let words = [&directive.name].into_iter().chain(&directive.arguments);
            words.map(|word| word.text.clone()).collect::<Vec<_>>()
        };
        one.len() == other.len()
            && one.iter().zip(other).all(|(one, other)| {
                words(one) == words(other)
                    && one.block.is_some() == other.block.is_some()
                    && same(one.inside(), other.inside())
            })
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_as_it_was(tree in prop::collection::vec(directive(), 0..4)) {
            let printed = Printed(&tree).to_string();
            let read = parse(&Arc::from("f"), printed.as_bytes()).expect("what is printed is syntax");
            prop_assert!(same(&tree, &read), "{printed}");
        }
    }
}
