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
    /// How old the tunnel grows.
    Lifetime,
    /// Moments that are spread.
    Others,
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

    /// Bytes that nobody can foresee who doesn't know the secret, the same each time for the same purpose and number.
    pub(super) fn draw(self, purpose: Purpose, number: u32) -> [u8; 20] {
        let mut digest = sha1_smol::Sha1::new();
        digest.update(&self.0);
        // `$request_id` is made of the same secret, without this.
        digest.update(b"tunnel");
        digest.update(&[purpose as u8]);
        digest.update(&number.to_le_bytes());
        digest.digest().bytes()
    }

    /// A number below 2³², each as likely as any other.
    pub(super) fn chance(self, purpose: Purpose) -> u32 {
        let [a, b, c, d, ..] = self.draw(purpose, 0);
        u32::from_le_bytes([a, b, c, d])
    }
}

/// No byte of it.
impl fmt::Debug for TunnelSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TunnelSecret")
    }
}
