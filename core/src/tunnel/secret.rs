//! What nobody outside can foresee of a tunnel.

use std::fmt;

/// 16 bytes that belong to one tunnel alone and that no peer can guess. Payloads of Pings, masking keys (RFC 6455 §5.3)
/// and whatever happens by chance follow from them, so that the same tunnel behaves the same when it is replayed.
///
/// Whoever opens a tunnel by hand draws them from the system's source of random numbers; a session has
/// [`ClientInfo::secret`](crate::ClientInfo::secret) and the numbers of its client and its request.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TunnelSecret {
    key: [u8; 16],
    /// What tells this tunnel from others with the same key.
    of: [u64; 2],
}

/// What a number by chance is for: no two purposes share one.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Purpose {
    /// What a Ping to the client, or to the origin server, says.
    Ping = 0,
    /// What masks a frame of ours.
    Mask = 2,
    /// By how much an interval between Pings is shortened.
    Interval = 3,
    /// When a drain comes to this tunnel.
    Drain = 5,
    /// How old the tunnel grows.
    Lifetime = 6,
}

impl TunnelSecret {
    /// These bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self { key: bytes, of: [0; 2] }
    }

    /// Those of the process, for the tunnel that came of this request of a client.
    pub(crate) const fn derived(key: [u8; 16], client: u64, request: u64) -> Self {
        Self { key, of: [client, request] }
    }

    /// Bytes that nobody can foresee who doesn't know the secret, the same each time for the same purpose and number.
    pub(super) fn draw(self, purpose: Purpose, which: u8, number: u32) -> [u8; 20] {
        let mut digest = sha1_smol::Sha1::new();
        digest.update(&self.key);
        digest.update(&self.of[0].to_le_bytes());
        digest.update(&self.of[1].to_le_bytes());
        // `$request_id` is made of the same, without this.
        digest.update(b"tunnel");
        digest.update(&[purpose as u8, which]);
        digest.update(&number.to_le_bytes());
        digest.digest().bytes()
    }

    /// A number below 2³², each as likely as any other.
    pub(super) fn chance(self, purpose: Purpose, which: u8, number: u32) -> u32 {
        let [a, b, c, d, ..] = self.draw(purpose, which, number);
        u32::from_le_bytes([a, b, c, d])
    }
}

/// No byte of it.
impl fmt::Debug for TunnelSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TunnelSecret")
    }
}
