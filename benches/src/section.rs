//! A part of a Markdown file that a program writes anew.

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Puts `text` between the markers `<!-- NAME: begin -->` and `<!-- NAME: end -->` of a file, which is made when it
/// isn't there.
///
/// # Errors
/// When the file has no such markers, or can't be read or written.
pub fn write(file: &Path, name: &str, text: &str) -> Result<()> {
    let (begin, end) = markers(name);
    let old = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => format!("{begin}\n{end}\n"),
        Err(error) => return Err(error).with_context(|| file.display().to_string()),
    };
    let new = replaced(&old, name, text).with_context(|| file.display().to_string())?;
    fs::write(file, new).with_context(|| file.display().to_string())
}

fn markers(name: &str) -> (String, String) {
    (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"))
}

fn replaced(old: &str, name: &str, text: &str) -> Result<String> {
    let (begin, end) = markers(name);
    let missing = || format!("the lines `{begin}` and `{end}` must stand in it, in this order");
    let (before, rest) = old.split_once(&begin).with_context(missing)?;
    let (_, after) = rest.split_once(&end).with_context(missing)?;
    ensure!(!after.contains(&begin) && !after.contains(&end), "more than one pair of markers");
    Ok(format!("{before}{begin}\n{text}\n{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::{markers, replaced};

    #[test]
    fn only_the_section_changes() {
        let (begin, end) = markers("one");
        let old = format!("# Title\n{begin}\nold\n{end}\nrest\n");
        let new = replaced(&old, "one", "new").expect("the markers are there");
        assert_eq!(new, format!("# Title\n{begin}\nnew\n{end}\nrest\n"));
        assert_eq!(replaced(&new, "one", "new").expect("still there"), new);
    }

    #[test]
    fn a_file_without_markers_is_left_alone() {
        let (begin, end) = markers("one");
        for text in ["", "text", &begin, &end, &format!("{end}{begin}"), &format!("{begin}{end}{begin}{end}")]
        {
            assert!(replaced(text, "one", "new").is_err(), "{text}");
        }
    }
}
