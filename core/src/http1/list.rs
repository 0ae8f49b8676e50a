//! Comma-separated lists (RFC 9110 §5.6.1).

/// The elements of a list that stands in one or several field lines. Empty ones are left out; commas in
/// quoted strings don't separate.
pub(crate) fn elements<'a>(
    lines: impl Iterator<Item = &'a [u8]> + Clone,
) -> impl Iterator<Item = &'a [u8]> + Clone {
    lines.flat_map(|line| Elements { rest: Some(line) }).filter(|element| !element.is_empty())
}

/// The same with the empty ones.
pub(crate) fn all_elements<'a>(lines: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    lines.flat_map(|line| Elements { rest: Some(line) })
}

/// How many elements are empty.
pub(crate) fn empty_elements<'a>(lines: impl Iterator<Item = &'a [u8]>) -> usize {
    all_elements(lines).filter(|element| element.is_empty()).count()
}

#[derive(Clone)]
struct Elements<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        // Lists are short: a look at each byte is cheaper than the beginning of a search.
        let comma = match rest.iter().position(|byte| matches!(byte, b',' | b'"')) {
            Some(at) if rest.get(at) == Some(&b'"') => comma_behind_quotes(rest, at),
            comma => comma,
        };
        let (element, behind) = match comma {
            Some(at) => (rest.get(..at), rest.get(at + 1..)),
            None => (Some(rest), None),
        };
        self.rest = behind;
        Some(super::trim(element.unwrap_or_default()))
    }
}

/// Where the first comma stands that is in no quoted string (RFC 9110 §5.6.4): the first of these begins at `quote`.
fn comma_behind_quotes(list: &[u8], quote: usize) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    let behind = list.get(quote..)?.iter().position(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return true,
            _ => {}
        }
        false
    })?;
    Some(quote + behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_and_counts() {
        let lines = [b"a, b,,\"c,\\\"d\" ".as_slice(), b"", b"e"];
        let found: Vec<_> = elements(lines.iter().copied()).collect();
        assert_eq!(found, [b"a".as_slice(), b"b", b"\"c,\\\"d\"", b"e"]);
        assert_eq!(empty_elements(lines.iter().copied()), 2);
    }

    #[test]
    fn a_backslash_escapes_in_quotes_only() {
        let lines = [b"\"c\\\",d\",a\\,b".as_slice()];
        let found: Vec<_> = elements(lines.iter().copied()).collect();
        assert_eq!(found, [b"\"c\\\",d\"".as_slice(), b"a\\", b"b"]);
    }
}
