use std::{fmt, sync::Arc};

use rustls::{
    ContentType, ProtocolVersion, SupportedCipherSuite, Tls13CipherSuite,
    crypto::{
        GetRandomFailed,
        cipher::{AeadKey, InboundOpaqueMessage, Iv, OutboundChunks, OutboundPlainMessage},
        tls13::HkdfExpander,
    },
    pki_types::UnixTime,
    server::ProducesTickets,
    ticketer::TicketRotator,
};

use crate::provider::provider;

/// Session tickets (RFC 5077, RFC 8446 §4.6.1), the state of a session that its client keeps, and who can read them.
///
/// Clones share their keys. A client's ticket is taken by every server whose settings have the same keys.
#[derive(Clone, Debug, Default)]
pub struct Tickets(pub(crate) Option<Arc<dyn ProducesTickets>>);

impl Tickets {
    /// No tickets (`ssl_session_tickets off`).
    pub fn off() -> Self {
        Self(None)
    }

    /// Keys by chance, new ones each `seconds` (`ssl_session_timeout`), or later where nobody comes. A ticket is taken for that
    /// long.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn random(seconds: u32) -> Result<Self, GetRandom> {
        let new = || Ok(Box::new(Keys::new([TicketKey::random()?].into(), 0)) as Box<dyn ProducesTickets>);
        let rotator = TicketRotator::new(seconds, new).map_err(|_| GetRandom)?;
        Ok(Self(Some(Arc::new(Aged::new(rotator, seconds)))))
    }

    /// Keys of an operator (`ssl_session_ticket_key`): the first seals, each opens; a ticket is taken for `seconds`. Without
    /// a key there are no tickets.
    pub fn with_keys(keys: Vec<TicketKey>, seconds: u32) -> Self {
        if keys.is_empty() {
            return Self::off();
        }
        Self(Some(Arc::new(Aged::new(Keys::new(keys, seconds), seconds))))
    }
}

/// The system gives no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetRandom;

impl fmt::Display for GetRandom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the system gives no random bytes")
    }
}

impl std::error::Error for GetRandom {}

/// A key that seals tickets. Its bytes aren't shown.
///
/// The files that nginx reads are taken, and shared by several machines as there. A ticket itself is in a form of its own:
/// nginx's has OpenSSL's state of a session in it.
#[derive(Clone)]
pub struct TicketKey {
    name: [u8; NAME],
    secret: Vec<u8>,
}

impl TicketKey {
    /// A key from the content of a file: 48 or 80 random bytes, the first 16 of them its public name.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (name, secret) = bytes.split_first_chunk()?;
        matches!(bytes.len(), 48 | 80).then(|| Self { name: *name, secret: secret.to_vec() })
    }

    fn random() -> Result<Self, GetRandomFailed> {
        let mut name = [0; NAME];
        let mut secret = vec![0; 64];
        provider().secure_random.fill(&mut name)?;
        provider().secure_random.fill(&mut secret)?;
        Ok(Self { name, secret })
    }

    /// What seals one ticket. Salted with 32 random bytes, no two tickets have the same: so the sequence number can stay 0.
    fn derive(&self, suite: &Tls13CipherSuite, salt: &[u8; SALT]) -> (AeadKey, Iv) {
        let expander = suite.hkdf_provider.extract_from_secret(Some(salt), &self.secret);
        let mut key = [0; 32];
        let mut iv = [0; 12];
        expand(&*expander, b"underpass ticket key", &mut key);
        expand(&*expander, b"underpass ticket iv", &mut iv);
        (AeadKey::from(key), Iv::from(iv))
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKey").finish_non_exhaustive()
    }
}

fn expand(expander: &dyn HkdfExpander, label: &[u8], output: &mut [u8]) {
    // At most 255 times the length of a hash (RFC 5869 §2.3): 32 and 12 bytes never fail.
    expander.expand_slice(&[label], output).expect("a short output");
}

/// Tickets with the time of their sealing in front of the state, which ends with their age: the keys may be older. A file's stays
/// as long as the file, and the rotator changes its own only when somebody comes.
#[derive(Debug)]
struct Aged<T> {
    tickets: T,
    seconds: u32,
    /// Seconds since 1970. Machines that share a key share the time, too.
    clock: fn() -> u64,
}

impl<T: ProducesTickets> Aged<T> {
    fn new(tickets: T, seconds: u32) -> Self {
        Self { tickets, seconds, clock: || UnixTime::now().as_secs() }
    }
}

impl<T: ProducesTickets> ProducesTickets for Aged<T> {
    fn enabled(&self) -> bool {
        self.tickets.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.seconds
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.tickets.encrypt(&[&(self.clock)().to_be_bytes(), plain].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let mut plain = self.tickets.decrypt(ticket)?;
        let sealed_at = u64::from_be_bytes(*plain.first_chunk()?);
        let age = (self.clock)().saturating_sub(sealed_at);
        (age <= self.seconds.into()).then(|| plain.split_off(size_of::<u64>()))
    }
}

const NAME: usize = 16;
const SALT: usize = 32;

/// Tickets are `name || salt || sealed state`, sealed as a record of TLS 1.3 would be: so each provider can do it.
struct Keys {
    keys: Vec<TicketKey>,
    seconds: u32,
    suite: &'static Tls13CipherSuite,
}

impl Keys {
    fn new(keys: Vec<TicketKey>, seconds: u32) -> Self {
        // The strongest with a key of 32 bytes. Every provider has it or its sibling.
        let suites = || provider().cipher_suites.iter().filter_map(SupportedCipherSuite::tls13);
        let suite = suites().find(|suite| suite.aead_alg.key_len() == 32).expect("a suite with 256 bits");
        Self { keys, seconds, suite }
    }

    fn seal(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let key = self.keys.first()?;
        let mut salt = [0; SALT];
        provider().secure_random.fill(&mut salt).ok()?;
        let (aead, iv) = key.derive(self.suite, &salt);
        let message = OutboundPlainMessage {
            typ: ContentType::ApplicationData,
            version: ProtocolVersion::TLSv1_2,
            payload: OutboundChunks::Single(plain),
        };
        let sealed = self.suite.aead_alg.encrypter(aead, iv).encrypt(message, 0).ok()?;
        Some([&key.name, &salt[..], sealed.payload.as_ref()].concat())
    }

    fn open(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME>()?;
        let (salt, sealed) = rest.split_first_chunk::<SALT>()?;
        let key = self.keys.iter().find(|key| key.name == *name)?;
        let (aead, iv) = key.derive(self.suite, salt);
        let mut sealed = sealed.to_vec();
        let message =
            InboundOpaqueMessage::new(ContentType::ApplicationData, ProtocolVersion::TLSv1_2, &mut sealed);
        let plain = self.suite.aead_alg.decrypter(aead, iv).decrypt(message, 0).ok()?;
        Some(plain.payload.to_vec())
    }
}

impl ProducesTickets for Keys {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.seconds
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.seal(plain)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.open(ticket)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> TicketKey {
        TicketKey::from_bytes(&[byte; 48]).expect("48 bytes")
    }

    #[test]
    fn what_a_key_sealed_it_opens_and_no_other() {
        let (one, two) = (Keys::new(vec![key(1)], 300), Keys::new(vec![key(2)], 300));
        let ticket = one.seal(b"a session").expect("a ticket");
        assert_eq!(one.open(&ticket).as_deref(), Some(&b"a session"[..]));
        assert_eq!(two.open(&ticket), None);
        assert_eq!(Keys::new(vec![key(2), key(1)], 300).open(&ticket).as_deref(), Some(&b"a session"[..]));
        assert_ne!(one.seal(b"a session"), Some(ticket), "no two tickets are alike");
    }

    thread_local! {
        static NOW: std::cell::Cell<u64> = const { std::cell::Cell::new(1_000_000) };
    }

    /// `ssl_session_timeout` bounds a ticket, however long its key lives.
    #[test]
    fn a_ticket_is_taken_for_its_time() {
        let tickets = Aged { tickets: Keys::new(vec![key(1)], 300), seconds: 300, clock: || NOW.get() };
        let ticket = tickets.encrypt(b"a session").expect("a ticket");
        for (later, is_taken) in [(0, true), (300, true), (301, false), (86_400, false)] {
            NOW.set(1_000_000 + later);
            let taken = tickets.decrypt(&ticket);
            assert_eq!(taken.as_deref(), is_taken.then_some(&b"a session"[..]), "after {later} s");
        }
        NOW.set(999_990);
        assert!(tickets.decrypt(&ticket).is_some(), "of a machine whose clock is ahead");
        let timeless = tickets.tickets.encrypt(b"short").expect("a ticket");
        assert_eq!(tickets.decrypt(&timeless), None, "of another version");
    }

    #[test]
    fn every_way_to_have_tickets_bounds_their_time() {
        for tickets in [Tickets::random(300).expect("random bytes"), Tickets::with_keys(vec![key(1)], 300)] {
            let tickets = tickets.0.expect("there are some");
            assert_eq!(tickets.lifetime(), 300);
            assert!(format!("{tickets:?}").starts_with("Aged"));
            let ticket = tickets.encrypt(b"a session").expect("a ticket");
            assert_eq!(tickets.decrypt(&ticket).as_deref(), Some(&b"a session"[..]));
        }
    }

    #[test]
    fn a_changed_or_cut_ticket_is_none() {
        let keys = Keys::new(vec![key(1)], 300);
        let ticket = keys.seal(b"a session").expect("a ticket");
        for at in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[at] ^= 1;
            assert_eq!(keys.open(&changed), None, "byte {at}");
            assert_eq!(keys.open(&ticket[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn a_key_file_has_48_or_80_bytes() {
        for length in 0..100 {
            assert_eq!(
                TicketKey::from_bytes(&vec![7; length]).is_some(),
                matches!(length, 48 | 80),
                "{length}"
            );
        }
        assert!(!format!("{:?}", key(7)).contains('7'), "a key is never shown");
    }
}
