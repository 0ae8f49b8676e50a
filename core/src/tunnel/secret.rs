//! What nobody outside can foresee of a tunnel.

use std::fmt;

/// 16 bytes that belong to one tunnel alone and that no peer can guess. Payloads of Pings, masking keys (RFC 6455 §5.3)
/// and whatever happens by chance follow from them, so that the same tunnel behaves the same when it is replayed.
///
/// Whoever opens a tunnel by hand draws them from the system's source of random numbers; a session derives them from
/// [`ClientInfo::secret`](crate::ClientInfo::secret) and the numbers of its client and its request.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TunnelSecret([u8; 16]);

/// What bytes by chance are for: no two purposes share any.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Purpose {
    /// A Ping to the client.
    PingClient,
    /// A Ping to the origin server, and its mask.
    PingUpstream,
    /// What masks a Close to the origin server.
    MaskClose,
    /// Moments that are spread.
    Moments,
}

impl TunnelSecret {
    /// These bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Those for the tunnel that came of this request of a client: no other tunnel of the process has the same.
    pub(crate) fn derived(secret: [u8; 16], client: u64, request: u64) -> Self {
        let mut bytes = secret;
        let own = client.to_le_bytes().into_iter().chain(request.to_le_bytes());
        bytes.iter_mut().zip(own).for_each(|(byte, own)| *byte ^= own);
        Self(bytes)
    }

    /// What the tunnel keeps of it.
    pub(super) fn seed(self) -> Seed {
        let Self([a, b, c, d, e, f, g, h, rest @ ..]) = self;
        // By an odd number, so that no bit of either half is lost: halves that are equal don't cancel each other.
        let spread = u64::from_le_bytes(rest).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let folded = u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ spread;
        Seed(folded.to_le_bytes())
    }
}

/// 64 bits of a secret: each tunnel of WebSocket has them for as long as it lives (G10). Whoever guessed them could answer
/// Pings before they come, which it might as well do when they have come.
#[derive(Clone, Copy)]
pub(super) struct Seed([u8; 8]);

impl Seed {
    /// Bytes that nobody can foresee who doesn't know the seed, the same each time for the same purpose and number.
    pub(super) fn draw(self, purpose: Purpose, number: u32) -> [u8; 20] {
        let mut digest = sha1_smol::Sha1::new();
        digest.update(&self.0);
        // `$request_id` is made of the same secret, without this.
        digest.update(b"tunnel");
        digest.update(&[purpose as u8]);
        digest.update(&number.to_le_bytes());
        digest.digest().bytes()
    }
}

/// No byte of it.
impl fmt::Debug for TunnelSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TunnelSecret")
    }
}

/// No byte of it.
impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed")
    }
}
