//! Classes of bytes, `[…]`, and escapes that stand for one byte or a set of them.

use std::fmt::Write as _;

/// Translates a class; `text` begins behind its `[`. Also gives what follows it.
///
/// Every byte that is not a letter or a digit is written as a number: the engines know more signs in a class
/// than PCRE does (`[` nests, `&&` intersects).
pub(super) fn translate(text: &str) -> Result<(String, &str), String> {
    const UNTERMINATED: &str = "missing terminating ] for character class";
    let mut rest = text;
    let mut out = String::from("[");
    if let Some(behind) = rest.strip_prefix('^') {
        out.push('^');
        rest = behind;
    }
    let mut first = true;
    loop {
        if !first && let Some(behind) = rest.strip_prefix(']') {
            out.push(']');
            return Ok((out, behind));
        }
        first = false;
        match item(&mut rest).ok_or(UNTERMINATED)?? {
            Item::Set(set) => out.push_str(&set),
            Item::Bytes(bytes) => {
                let Some((&last, before)) = bytes.split_last() else { continue };
                before.iter().for_each(|byte| push(&mut out, *byte));
                match range_end(&mut rest)? {
                    Some(end) if end < last => {
                        return Err("range out of order in character class".to_owned());
                    }
                    Some(end) => {
                        push(&mut out, last);
                        out.push('-');
                        push(&mut out, end);
                    }
                    None => push(&mut out, last),
                }
            }
        }
    }
}

enum Item {
    /// A named class or a set, in the engines' syntax.
    Set(String),
    /// One character: a byte, outside of ASCII several. Empty: `\E`.
    Bytes(Vec<u8>),
}

/// The next item of a class; nothing at the end of the text.
fn item(rest: &mut &str) -> Option<Result<Item, String>> {
    if let Some(named) = rest.strip_prefix("[:").and_then(|behind| behind.split_once(":]"))
        && named.0.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'^')
    {
        let (name, behind) = named;
        *rest = behind;
        return Some(Ok(Item::Set(format!("[:{name}:]"))));
    }
    let mut chars = rest.chars();
    let first = chars.next()?;
    *rest = chars.as_str();
    if first != '\\' {
        return Some(Ok(Item::Bytes(first.to_string().into_bytes())));
    }
    let mut chars = rest.chars();
    let escaped = chars.next()?;
    *rest = chars.as_str();
    Some(match escaped {
        'd' | 'D' | 'w' | 'W' | 's' | 'S' => Ok(Item::Set(format!("\\{escaped}"))),
        'b' => Ok(Item::Bytes(vec![0x08])),
        'E' | 'Q' => Ok(Item::Bytes(Vec::new())),
        '1'..='7' => Ok(Item::Bytes(vec![octal(escaped, rest)])),
        _ => match set(escaped) {
            Some(set) => Ok(Item::Set(format!("[{set}]"))),
            None => escaped_byte(escaped, rest).map(|byte| {
                Item::Bytes(byte.map_or_else(|| escaped.to_string().into_bytes(), |byte| vec![byte]))
            }),
        },
    })
}

/// The end of a range, if one begins here; a `-` before the end of the class is plain.
fn range_end(rest: &mut &str) -> Result<Option<u8>, String> {
    let Some(mut behind) = rest.strip_prefix('-').filter(|behind| !behind.starts_with(']')) else {
        return Ok(None);
    };
    match item(&mut behind) {
        Some(Ok(Item::Bytes(bytes))) => {
            let [end] = bytes.as_slice() else {
                return Err("ranges in a class are of single bytes".to_owned());
            };
            *rest = behind;
            Ok(Some(*end))
        }
        // `[a-\d]`: the hyphen is plain.
        Some(Ok(Item::Set(_))) | None => Ok(None),
        Some(Err(fault)) => Err(fault),
    }
}

/// The set that an escape of PCRE stands for, as it is written inside of a class.
pub(super) fn set(escaped: char) -> Option<&'static str> {
    match escaped {
        'h' => Some("\\t\\x20\\xA0"),
        'H' => Some("^\\t\\x20\\xA0"),
        'v' => Some("\\n\\x0B\\x0C\\r\\x85"),
        'V' => Some("^\\n\\x0B\\x0C\\r\\x85"),
        _ => None,
    }
}

/// The byte that an escape stands for; `None`: the character itself.
pub(super) fn escaped_byte(escaped: char, rest: &mut &str) -> Result<Option<u8>, String> {
    Ok(Some(match escaped {
        'a' => 0x07,
        'e' => 0x1b,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        '0' => octal('0', rest),
        'x' => hexadecimal(rest)?,
        'c' => {
            let mut chars = rest.chars();
            let control = chars.next().filter(char::is_ascii_graphic).ok_or("\\c at end of pattern")?;
            *rest = chars.as_str();
            control.to_ascii_uppercase() as u8 ^ 0x40
        }
        letter if letter.is_ascii_alphanumeric() => {
            return Err(format!("\"\\{letter}\" is not known here"));
        }
        _ => return Ok(None),
    }))
}

/// Up to three octal digits.
fn octal(first: char, rest: &mut &str) -> u8 {
    let mut value = first.to_digit(8).unwrap_or(0);
    for _ in 0..2 {
        let Some(digit) = rest.chars().next().and_then(|next| next.to_digit(8)) else { break };
        value = value * 8 + digit;
        *rest = rest.get(1..).unwrap_or_default();
    }
    u8::try_from(value & 0xff).unwrap_or(0)
}

/// `\xHH`, `\xH`, `\x{H…}`.
fn hexadecimal(rest: &mut &str) -> Result<u8, String> {
    if let Some((digits, behind)) = rest.strip_prefix('{').and_then(|inside| inside.split_once('}')) {
        *rest = behind;
        let value = u32::from_str_radix(digits, 16).ok().and_then(|value| u8::try_from(value).ok());
        return value.ok_or_else(|| format!("\\x{{{digits}}} is not a byte"));
    }
    let digits = rest.bytes().take(2).take_while(u8::is_ascii_hexdigit).count();
    let (digits, behind) = rest.split_at(digits);
    *rest = behind;
    Ok(u8::from_str_radix(digits, 16).unwrap_or(0))
}

fn push(out: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() {
        out.push(char::from(byte));
    } else {
        // Writing to a string can't fail.
        let _ = write!(out, "\\x{byte:02X}");
    }
}
