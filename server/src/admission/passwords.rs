//! Users and their passwords, as `htpasswd` writes them: `auth_basic_user_file`.

use std::{
    fs,
    hash::{BuildHasher as _, RandomState},
    io,
    path::Path,
    sync::LazyLock,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::{Digest as _, Md5};
use sha_crypt::{PasswordVerifier as _, ShaCrypt};
use sha1_smol::Sha1;

/// What a file of users says of a user and a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The password is the user's.
    Match,
    /// It is not.
    Mismatch,
    /// There is no such user.
    Nobody,
    /// The user's hash is of a kind that we don't know.
    UnknownHash,
}

/// Looks the user up, and compares the password.
///
/// A user that is not there takes as long as one that is, so that nobody can find out by the time who is: the password
/// is compared with another user's hash, which is always the same one for the same name.
///
/// # Errors
/// When the file can't be read.
pub(super) fn check(file: &Path, user: &[u8], password: &[u8]) -> io::Result<Found> {
    let text = fs::read(file)?;
    let mut hash = None;
    let mut others = 0_u64;
    for (name, its_hash) in entries(&text) {
        others += 1;
        if hash.is_none() && name == user {
            hash = Some(its_hash);
        }
    }
    let compared = match hash {
        Some(hash) => verify(password, &String::from_utf8_lossy(hash)),
        None => {
            let number = stand_in(user).checked_rem(others).and_then(|number| usize::try_from(number).ok());
            if let Some((_, hash)) = number.and_then(|number| entries(&text).nth(number)) {
                // Whatever it says is of no account.
                let _another_user = verify(password, &String::from_utf8_lossy(hash));
            }
            return Ok(Found::Nobody);
        }
    };
    Ok(match compared {
        Ok(true) => Found::Match,
        Ok(false) => Found::Mismatch,
        Err(UnknownHash) => Found::UnknownHash,
    })
}

/// The names and their hashes, in the order of the file.
fn entries(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#"));
    lines.filter_map(|line| {
        let mut fields = line.trim_ascii_end().split(|byte| *byte == b':');
        // A comment may follow behind another colon.
        Some((fields.next()?, fields.next()?.trim_ascii()))
    })
}

/// Which entry stands in for a user that is not there. Nobody outside of the process can say which one it is.
fn stand_in(user: &[u8]) -> u64 {
    static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    SECRET.hash_one(user)
}

/// Why a password could not be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct UnknownHash;

/// Whether `password` is the one that `hash` was made of.
///
/// bcrypt (`$2y$`), SHA-crypt (`$5$`, `$6$`), Apache's and crypt's MD5 (`$apr1$`, `$1$`), `{SHA}`, `{SSHA}` and
/// `{PLAIN}` are known; the old DES crypt is not.
///
/// # Errors
/// When the hash is of none of these kinds.
fn verify(password: &[u8], hash: &str) -> Result<bool, UnknownHash> {
    #[cfg(test)]
    tests::COMPARED.with_borrow_mut(|compared| compared.push(hash.to_owned()));
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
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        /// The hashes that this thread has compared passwords with.
        pub(super) static COMPARED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

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
        fs::write(
            &path,
            "# ann:{PLAIN}a comment\r\nanna:{PLAIN}b\nann:{PLAIN}c:a note\r\n\nempty:\nann:{PLAIN}d\n",
        )
        .expect("a file");
        let found =
            |user: &str, password: &str| check(&path, user.as_bytes(), password.as_bytes()).expect("a file");
        assert_eq!(found("ann", "c"), Found::Match);
        assert_eq!(found("ann", "d"), Found::Mismatch, "the first entry counts");
        assert_eq!(found("anna", "b"), Found::Match);
        assert_eq!(found("empty", ""), Found::UnknownHash);
        for nobody in ["an", "# ann", "#", ""] {
            assert_eq!(found(nobody, "c"), Found::Nobody, "{nobody}");
        }
        assert!(check(&folder.path().join("missing"), b"ann", b"c").is_err());
    }

    /// Else the time of an answer would say who has an account.
    #[test]
    fn a_user_that_is_not_there_costs_a_comparison_with_a_hash_of_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("users");
        let text = |hashes: &[&str]| {
            (0..).zip(hashes).map(|(number, hash)| format!("user{number}:{hash}\n")).collect::<String>()
        };
        fs::write(&path, text(&HASHES)).expect("a file");
        let compared = |user: &str| {
            COMPARED.take();
            assert_eq!(check(&path, user.as_bytes(), b"secret").expect("a file"), Found::Nobody, "{user}");
            COMPARED.take()
        };
        let mut used = Vec::new();
        for name in 0..1000 {
            let name = format!("nobody{name}");
            let hashes = compared(&name);
            assert_eq!(hashes.len(), 1, "{hashes:?}");
            assert_eq!(compared(&name), hashes, "the same name costs the same each time");
            if used.len() == HASHES.len() {
                break;
            }
            if !used.contains(&hashes) {
                used.push(hashes);
            }
        }
        assert_eq!(used.len(), HASHES.len(), "each entry stands in for somebody");
        // A file without users says nothing of anybody.
        fs::write(&path, "# nobody yet\n").expect("a file");
        assert!(compared("ann").is_empty());
    }
}
