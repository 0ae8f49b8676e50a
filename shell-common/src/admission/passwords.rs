//! Users and their passwords, as `htpasswd` writes them: `auth_basic_user_file`.

use std::{fs, io, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::{Digest as _, Md5};
use sha_crypt::{PasswordVerifier as _, ShaCrypt};
use sha1_smol::Sha1;

/// The entry of a user: the hash of its password.
///
/// # Errors
/// When the file can't be read.
pub(super) fn find(file: &Path, user: &[u8]) -> io::Result<Option<String>> {
    let text = fs::read(file)?;
    let entry = text.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, rest) = line.split_at_checked(user.len())?;
        let rest = rest.strip_prefix(b":")?;
        (name == user && !line.starts_with(b"#")).then(|| rest.trim_ascii())
    });
    // A comment may follow behind another colon.
    let hash = |rest: &[u8]| rest.split(|byte| *byte == b':').next().map(<[u8]>::to_vec).unwrap_or_default();
    Ok(entry.map(|rest| String::from_utf8_lossy(&hash(rest)).into_owned()))
}

/// Why a password could not be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnknownHash;

/// Whether `password` is the one that `hash` was made of.
///
/// bcrypt (`$2y$`), SHA-crypt (`$5$`, `$6$`), Apache's and crypt's MD5 (`$apr1$`, `$1$`), `{SHA}`, `{SSHA}` and
/// `{PLAIN}` are known; the old DES crypt is not.
///
/// # Errors
/// When the hash is of none of these kinds.
pub(super) fn verify(password: &[u8], hash: &str) -> Result<bool, UnknownHash> {
    let matches = if let Some(plain) = hash.strip_prefix("{PLAIN}") {
        equal(password, plain.as_bytes())
    } else if let Some(encoded) = hash.strip_prefix("{SHA}") {
        let decoded = STANDARD.decode(encoded).map_err(|_| UnknownHash)?;
        equal(&Sha1::from(password).digest().bytes(), &decoded)
    } else if let Some(encoded) = hash.strip_prefix("{SSHA}") {
        let decoded = STANDARD.decode(encoded).map_err(|_| UnknownHash)?;
        let (digest, salt) = decoded.split_at_checked(20).ok_or(UnknownHash)?;
        equal(&Sha1::from([password, salt].concat()).digest().bytes(), digest)
    } else if hash.starts_with("$2") {
        bcrypt::verify(password, hash).map_err(|_| UnknownHash)?
    } else if hash.starts_with("$5$") || hash.starts_with("$6$") {
        let parsed = sha_crypt::PasswordHashRef::new(hash).map_err(|_| UnknownHash)?;
        ShaCrypt::default().verify_password(password, parsed).is_ok()
    } else if let Some(magic) = ["$apr1$", "$1$"].into_iter().find(|magic| hash.starts_with(magic)) {
        let (salt, _) = hash.get(magic.len()..).and_then(|rest| rest.split_once('$')).ok_or(UnknownHash)?;
        equal(md5_crypt(password, salt.as_bytes(), magic).as_bytes(), hash.as_bytes())
    } else {
        return Err(UnknownHash);
    };
    Ok(matches)
}

/// Compares in a time that tells nothing of where they differ.
fn equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// The MD5 crypt of FreeBSD, which Apache has under a name of its own. No kept-up crate has it.
fn md5_crypt(password: &[u8], salt: &[u8], magic: &str) -> String {
    let salt = salt.get(..8).unwrap_or(salt);
    let inner: [u8; 16] = Md5::digest([password, salt, password].concat()).into();
    let mut first = Md5::new();
    first.update(password);
    first.update(magic);
    first.update(salt);
    for piece in (0..password.len()).step_by(16) {
        first.update(inner.get(..(password.len() - piece).min(16)).unwrap_or_default());
    }
    let mut length = password.len();
    while length > 0 {
        first.update(if length & 1 == 1 { b"\0" } else { password.get(..1).unwrap_or_default() });
        length >>= 1;
    }
    let mut digest: [u8; 16] = first.finalize().into();
    for round in 0..1000 {
        let mut next = Md5::new();
        let odd = round & 1 == 1;
        next.update(if odd { password } else { &digest });
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        next.update(if odd { &digest[..] } else { password });
        digest = next.finalize().into();
    }
    let mut text = format!("{magic}{}$", String::from_utf8_lossy(salt));
    for [a, b, c] in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        let group = u32::from_be_bytes([0, digest[a], digest[b], digest[c]]);
        encode(group, 4, &mut text);
    }
    encode(u32::from(digest[11]), 2, &mut text);
    text
}

fn encode(mut bits: u32, characters: u32, text: &mut String) {
    const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for _ in 0..characters {
        text.push(char::from(ALPHABET[(bits & 63) as usize]));
        bits >>= 6;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_hash() {
        // Made by htpasswd and openssl passwd, of the password "secret".
        for hash in HASHES {
            assert_eq!(verify(b"secret", hash), Ok(true), "{hash}");
            assert_eq!(verify(b"Secret", hash), Ok(false), "{hash}");
            assert_eq!(verify(b"", hash), Ok(false), "{hash}");
        }
        for unknown in ["", "secret", "rl.3StKT.4T8M", "$apr1$", "{SHA}%", "{SSHA}AAAA", "$9$x$y"] {
            assert_eq!(verify(b"secret", unknown), Err(UnknownHash), "{unknown}");
        }
    }

    const HASHES: [&str; 7] = [
        "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/",
        "$1$xyz$Qia9Wq6FxQkYcwNWMk/RM0",
        "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
        "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
        "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
        "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "{PLAIN}secret",
    ];

    #[test]
    fn salted_sha1() {
        let salted =
            STANDARD.encode([Sha1::from("secretsalt").digest().bytes().as_slice(), b"salt"].concat());
        assert_eq!(verify(b"secret", &format!("{{SSHA}}{salted}")), Ok(true));
        assert_eq!(verify(b"other", &format!("{{SSHA}}{salted}")), Ok(false));
    }

    #[test]
    fn users_are_found_by_their_whole_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("users");
        fs::write(&path, "# ann:{PLAIN}a comment\r\nanna:{PLAIN}b\nann:{PLAIN}c:a note\r\n\nempty:\n")
            .expect("a file");
        let found = |user: &str| find(&path, user.as_bytes()).expect("a readable file");
        assert_eq!(found("ann").as_deref(), Some("{PLAIN}c"));
        assert_eq!(found("anna").as_deref(), Some("{PLAIN}b"));
        assert_eq!(found("empty").as_deref(), Some(""));
        assert_eq!(found("an"), None);
        assert_eq!(found("# ann"), None);
        assert_eq!(found(""), None);
        assert!(find(&folder.path().join("missing"), b"ann").is_err());
    }
}
