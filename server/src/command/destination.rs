//! What may be written behind `--to`.

use std::str::FromStr;

/// The URL of `--to`, one that is safe to stand in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    url: String,
}

impl Destination {
    /// The URL as written.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")) else {
            let scheme_is_missing = !text.contains("://");
            return Err(if scheme_is_missing && !text.is_empty() {
                format!("the scheme is missing, write http://{text}")
            } else {
                "write a URL such as http://127.0.0.1:9000".into()
            });
        };
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.is_empty() || authority.starts_with(':') {
            return Err("the host is missing, write a URL such as http://127.0.0.1:9000".into());
        }
        // In a configuration some of these would end the word, open a block or name a variable.
        match text.chars().find(|&letter| !is_plain(letter)) {
            Some(letter) => Err(format!(
                "{letter:?} can't stand here, give only scheme, host, port and path or use a file"
            )),
            None => Ok(Self { url: text.into() }),
        }
    }
}

fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-._~:/[]%!&()*+,=@".contains(letter)
}
