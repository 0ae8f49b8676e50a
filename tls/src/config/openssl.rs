//! Cipher lists and curves as OpenSSL's programs write them, mapped to what this build has.

use super::{ciphers, groups};

/// What a list in OpenSSL's words comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chosen {
    /// What of it this build has, in the order of the list, by OpenSSL's names.
    pub names: Vec<String>,
    /// What was asked for by a word that stands for nothing here.
    pub lacking: Vec<String>,
}

/// Chooses cipher suites by a list for OpenSSL (`ssl_ciphers`): names, and words for many, such as `HIGH`, with colons between;
/// `A+B` for what is both, `!A` for never, `-A` for not yet, `+A` for last. As there, it chooses among suites of TLS 1.2. Those
/// of TLS 1.3 are always in, and first. Without any of TLS 1.2 the list chooses nothing: `names` is empty then.
pub fn cipher_list(list: &str) -> Chosen {
    let known: Vec<Suite> = ciphers().filter_map(Suite::of).collect();
    let (mut chosen, mut killed): (Vec<Suite>, Vec<Suite>) = (Vec::new(), Vec::new());
    let mut lacking: Vec<String> = Vec::new();
    for item in list.split([':', ',', ' ', ';']).filter(|item| !item.is_empty()) {
        // `@STRENGTH` sorts by the length of keys, and `@SECLEVEL` forbids short ones; none is short here.
        if item == "@STRENGTH" {
            chosen.sort_by_key(|suite| std::cmp::Reverse(suite.bits()));
            continue;
        }
        if item.starts_with('@') {
            continue;
        }
        let (sign, words) = match item.strip_prefix(['!', '-', '+']) {
            Some(words) => (item.as_bytes()[0], words),
            None => (b' ', item),
        };
        let meant: Vec<Suite> =
            known.iter().copied().filter(|suite| words.split('+').all(|word| suite.is(word))).collect();
        match sign {
            b'!' => {
                chosen.retain(|suite| !meant.contains(suite));
                killed.extend(meant);
            }
            b'-' => chosen.retain(|suite| !meant.contains(suite)),
            b'+' => {
                let (last, first): (Vec<_>, Vec<_>) =
                    chosen.into_iter().partition(|suite| meant.contains(suite));
                chosen = [first, last].concat();
            }
            _ => {
                if meant.is_empty() && !is_of_tls13(words) && !lacking.iter().any(|known| known == words) {
                    lacking.push(words.to_owned());
                }
                for suite in meant {
                    if !chosen.contains(&suite) && !killed.contains(&suite) {
                        chosen.push(suite);
                    }
                }
            }
        }
    }
    let mut names = Vec::new();
    if !chosen.is_empty() {
        names.extend(ciphers().filter(|name| is_of_tls13(name)).map(str::to_owned));
        names.extend(chosen.iter().map(|suite| suite.name.to_owned()));
    }
    Chosen { names, lacking }
}

/// Chooses groups by a list for OpenSSL (`ssl_ecdh_curve`): names with colons between.
pub fn curve_list(list: &str) -> Chosen {
    let mut chosen = Chosen::default();
    for item in list.split(':').filter(|item| !item.is_empty()) {
        let meant = match item.to_ascii_lowercase().as_str() {
            "p-256" | "secp256r1" => "prime256v1".to_owned(),
            "p-384" => "secp384r1".to_owned(),
            "p-521" => "secp521r1".to_owned(),
            other => other.to_owned(),
        };
        match groups().find(|name| name.eq_ignore_ascii_case(&meant)) {
            Some(name) if chosen.names.iter().any(|known| known == name) => {}
            Some(name) => chosen.names.push(name.to_owned()),
            None => chosen.lacking.push(item.to_owned()),
        }
    }
    chosen
}

/// The names of suites of TLS 1.3, of RFC 8446 and as they were in drafts.
fn is_of_tls13(name: &str) -> bool {
    name.starts_with("TLS_") || name.starts_with("TLS13-")
}

/// A suite of TLS 1.2 that this build has. Each exchanges keys with ECDHE, and has an AEAD in the place of a MAC.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Suite {
    name: &'static str,
}

impl Suite {
    fn of(name: &'static str) -> Option<Self> {
        (!is_of_tls13(name)).then_some(Self { name })
    }

    fn has(self, part: &str) -> bool {
        self.name.contains(part)
    }

    fn bits(self) -> u32 {
        if self.has("AES128") { 128 } else { 256 }
    }

    /// Whether the word stands for it, as the manual of `openssl ciphers` says. `SHA256` and `SHA384` are about MACs, and an AEAD has
    /// none; `MEDIUM` has keys of 128 bits of older ciphers only.
    fn is(self, word: &str) -> bool {
        match word {
            "ALL" | "DEFAULT" | "HIGH" | "ECDHE" | "EECDH" | "kECDHE" | "kEECDH" | "ECDH" | "TLSv1.2"
            | "FIPS" => word != "FIPS" || !self.has("CHACHA20"),
            "aRSA" => self.has("ECDHE-RSA"),
            "aECDSA" | "ECDSA" => self.has("ECDSA"),
            "AES" | "AESGCM" => self.has("AES"),
            "AES128" | "AES256" => self.has(word),
            "CHACHA20" => self.has("CHACHA20"),
            name => self.name == name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 6] = [
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-CHACHA20-POLY1305",
    ];

    /// The suites of TLS 1.2 that a list chooses.
    fn chosen(list: &str) -> Vec<String> {
        cipher_list(list).names.into_iter().filter(|name| !is_of_tls13(name)).collect()
    }

    fn sorted(list: &str) -> Vec<String> {
        let mut chosen = chosen(list);
        chosen.sort();
        chosen
    }

    #[test]
    fn words_stand_for_what_openssl_says() {
        let mut all = ALL;
        all.sort_unstable();
        for list in [
            "HIGH:!aNULL:!MD5",
            "DEFAULT",
            "ALL",
            "EECDH+AESGCM:EDH+AESGCM:EECDH+CHACHA20",
            "ECDHE+AESGCM:CHACHA20:@SECLEVEL=2",
            "HIGH !SHA1,!SHA256 !SHA384",
            "TLSv1.2:!3DES:!RC4:!kRSA:!PSK",
        ] {
            assert_eq!(sorted(list), all, "{list}");
        }
        for nothing in [
            "",
            "RC4-SHA",
            "MD5",
            "LOW:MEDIUM",
            "!HIGH",
            "HIGH:!ECDHE",
            "SHA256",
            "RSA",
            "TLS_AES_128_GCM_SHA256",
        ] {
            assert_eq!(cipher_list(nothing).names, [""; 0], "{nothing}");
        }
        assert!(chosen("HIGH:!CHACHA20:!AES128").iter().all(|name| name.contains("AES256")));
        assert!(chosen("aRSA").iter().all(|name| name.starts_with("ECDHE-RSA")));
        assert_eq!(chosen("FIPS").len(), 4);
    }

    #[test]
    fn the_order_is_that_of_the_list() {
        assert_eq!(
            chosen("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:CHACHA20+aRSA"),
            [ALL[4], ALL[1], ALL[5]]
        );
        assert_eq!(chosen(&format!("{}:{}:+aECDSA", ALL[1], ALL[4])), [ALL[4], ALL[1]]);
        assert_eq!(chosen(&format!("{}:{}:@STRENGTH", ALL[1], ALL[0])), [ALL[0], ALL[1]]);
        // What is taken out may come in again; what is killed may not.
        assert_eq!(chosen(&format!("{0}:-{0}:{0}", ALL[1])), [ALL[1]]);
        assert_eq!(chosen(&format!("{0}:!{0}:{0}", ALL[1])), [""; 0]);
        assert_eq!(chosen(&format!("{0}:{0}", ALL[1])), [ALL[1]]);
    }

    /// The shape of the lists that Mozilla's generator and certbot write: some suites that are here, some that aren't.
    #[test]
    fn what_is_lacking_is_named_once() {
        let list = "ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256:kEDH+AESGCM:DHE-RSA-AES128-GCM-SHA256:!DSS:!aNULL:\
                    TLS_AES_128_GCM_SHA256:TLS13-AES-256-GCM-SHA384";
        let found = cipher_list(list);
        assert_eq!(found.lacking, ["DHE-RSA-AES128-GCM-SHA256", "kEDH+AESGCM"]);
        assert!(found.names.iter().any(|name| name == ALL[4]));
        assert!(
            found.names.iter().any(|name| name == "TLS_CHACHA20_POLY1305_SHA256"),
            "TLS 1.3 is always in"
        );
    }

    #[test]
    fn curves_have_several_names() {
        let found = curve_list("X448:x25519:P-256:secp256r1:secp384r1:brainpoolP256r1");
        assert_eq!(found.names, ["X25519", "prime256v1", "secp384r1"]);
        assert_eq!(found.lacking, ["X448", "brainpoolP256r1"]);
    }

    proptest::proptest! {
        /// Whatever stands in a file: names of ours, each once, and nothing is both chosen and lacking.
        #[test]
        fn any_list_chooses_among_what_is_there(list in "[-A-Z0-9a-z:+!@, ]{0,80}", words in 0..40_usize) {
            let known: Vec<_> = ALL.iter().copied().chain(["HIGH", "!AES128", "-CHACHA20", "+aRSA", "kRSA", "@STRENGTH"]).collect();
            let list = format!("{list}:{}", known.iter().cycle().skip(words).step_by(5).take(words).copied().collect::<Vec<_>>().join(":"));
            let found = cipher_list(&list);
            let there: Vec<_> = ciphers().collect();
            for (at, name) in found.names.iter().enumerate() {
                proptest::prop_assert!(there.contains(&name.as_str()) && !found.names[..at].contains(name));
                proptest::prop_assert!(!found.lacking.contains(name));
            }
            let curves = curve_list(&list).names;
            proptest::prop_assert!(curves.iter().all(|name| groups().any(|group| group == name)));
        }
    }
}
