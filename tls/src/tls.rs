use std::{fmt, sync::Arc};

use crate::{
    Choose, ClientSettings, Facts, ServerSettings, TlsError,
    config::ClientCertificate,
    connection::Connection,
    facts::Greeted,
    hello::{self, CLIENT_HELLO_MAX, Scan},
    record,
    waiting::{Held, Next, Opened},
};

/// One connection's TLS: encrypted bytes on one side, plaintext on the other, no socket.
///
/// The memory of a connection that idles is that of its keys. What waits inside is an incomplete record or handshake message,
/// at most one record's plaintext that found no room, and nothing else; each gives its memory back when it goes.
///
/// After an error it stays failed, whatever is asked of it.
pub struct Tls {
    phase: Phase,
    held: Held,
    /// Opened, and not yet taken.
    opened: Opened,
    greeted: Greeted,
    peer_closed: bool,
    closed: bool,
}

enum Phase {
    /// A server that hasn't seen the client's first message.
    Greeting(Box<Greeting>),
    Connected {
        connection: Connection,
        settings: Option<ServerSettings>,
    },
    /// With the reason, if it hasn't been told yet. Boxed, since a connection that hasn't failed would be larger for it.
    Failed(Option<Box<TlsError>>),
}

struct Greeting {
    choose: Arc<dyn Choose>,
    scan: Scan,
}

/// What [`Tls::feed`] has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Fed {
    /// So many of the encrypted bytes have been taken: all of them, unless plaintext found no room. The rest is lent again,
    /// at the front, once there is room.
    pub consumed: usize,
    /// So many bytes of plaintext have been written to the front of the memory for it.
    pub opened: usize,
}

/// How a stream has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer has said that nothing follows: what came is whole.
    Notified,
    /// The connection ended without a word: what came may be cut (RFC 8446 §6.1, RFC 9112 §9.8).
    Cut,
    /// It ended before the handshake had.
    Handshake,
}

impl Tls {
    /// A server's end. The settings are chosen when the client has said whom it looks for.
    pub fn server(choose: Arc<dyn Choose>) -> Self {
        Self::new(Phase::Greeting(Box::new(Greeting { choose, scan: Scan::default() })))
    }

    /// A client's end of a connection to `name`, which is verified, and sent, as the settings say. What has to be sent first
    /// is written by the first [`Tls::feed`], without bytes.
    ///
    /// # Errors
    /// `Protocol` if the settings can't be used for `name`: it is neither a DNS name nor an address, and is to be verified.
    pub fn client(settings: &ClientSettings, name: &str) -> Result<Self, TlsError> {
        let (config, name) = settings.for_name(name)?;
        let connection = Connection::client(config, name)?;
        Ok(Self::new(Phase::Connected { connection, settings: None }))
    }

    fn new(phase: Phase) -> Self {
        Self {
            phase,
            held: Held::default(),
            opened: Opened::default(),
            greeted: Greeted::default(),
            peer_closed: false,
            closed: false,
        }
    }

    /// Takes encrypted bytes from memory that is lent for the call, in which they may be changed; writes plaintext to `plain`,
    /// and appends what has to be sent to `send`: parts of the handshake, answers, alerts.
    ///
    /// An incomplete record is copied, so that the lent memory is free afterwards. A record whose plaintext doesn't fit into
    /// `plain` waits inside for the next call, and nothing behind it is taken. Bytes behind `close_notify` are taken and
    /// ignored (RFC 8446 §6.1).
    ///
    /// The cost is linear in the bytes: each is copied at most once here, and goes into the library once its record is whole.
    ///
    /// # Errors
    /// The connection has failed; what fits as an alert, if anything does, has been appended to `send`, and all is taken. What
    /// was opened before is given first: so it doesn't matter how the bytes were cut. With [`TlsError::PlainHttp`] the lent bytes
    /// are as they were. Once it has been told, the failure is [`TlsError::Failed`].
    pub fn feed(
        &mut self,
        encrypted: &mut [u8],
        plain: &mut [u8],
        send: &mut Vec<u8>,
    ) -> Result<Fed, TlsError> {
        let mut fed = Fed { consumed: 0, opened: self.opened.take(plain) };
        let Err(error) = self.advance(&mut fed, encrypted, plain, send) else { return Ok(fed) };
        self.held = Held::default();
        let first = fed.opened > 0 || !self.opened.is_empty();
        self.phase = Phase::Failed(first.then(|| Box::new(error.clone())));
        if first { Ok(Fed { consumed: encrypted.len(), ..fed }) } else { Err(error) }
    }

    fn advance(
        &mut self,
        fed: &mut Fed,
        encrypted: &mut [u8],
        plain: &mut [u8],
        send: &mut Vec<u8>,
    ) -> Result<(), TlsError> {
        if let Phase::Greeting(greeting) = &mut self.phase {
            match greet(greeting, &mut self.held, encrypted, send)? {
                Answer::Waiting => {
                    fed.consumed = encrypted.len();
                    return Ok(());
                }
                Answer::Chosen { settings, greeted, taken } => {
                    fed.consumed = taken;
                    self.greeted = greeted;
                    let connection = Connection::server(settings.config())?;
                    self.phase = Phase::Connected { connection, settings: Some(settings) };
                }
            }
        }
        let connection = match &mut self.phase {
            Phase::Connected { connection, .. } => connection,
            Phase::Failed(_) if fed.opened > 0 || !self.opened.is_empty() => return Ok(()),
            Phase::Failed(error) => return Err(error.take().map_or(TlsError::Failed, |error| *error)),
            Phase::Greeting(_) => return Ok(()),
        };
        if encrypted.is_empty() && self.held.bytes.is_empty() {
            // A client's first words.
            connection.advance(&mut [], &mut |_| {}, send)?;
        }
        while self.opened.is_empty() && (fed.opened == 0 || fed.opened < plain.len()) {
            if self.peer_closed {
                self.held = Held::default();
                fed.consumed = encrypted.len();
                break;
            }
            let Some(rest) = encrypted.get_mut(fed.consumed..) else { break };
            let opened = &mut self.opened;
            let mut open = |record: &[u8]| fed.opened += opened.put(record, &mut plain[fed.opened..]);
            match self.held.next(connection, rest, &mut open, send)? {
                Next::Advanced { taken, closed } => {
                    fed.consumed += taken;
                    self.peer_closed |= closed;
                }
                Next::Waiting => {
                    fed.consumed = encrypted.len();
                    break;
                }
            }
        }
        Ok(())
    }

    /// Seals plaintext into records, of at most 16 KiB of it each, which are appended to `send`. Nothing is sealed for nothing.
    ///
    /// # Errors
    /// `Handshaking`, `Closed` after [`Tls::close`], `Failed`; `Exhausted`, with TLS 1.2 after 2^24 records or more: then
    /// the connection is to be closed. In all of them nothing has been sealed.
    pub fn seal(&mut self, plain: &[u8], send: &mut Vec<u8>) -> Result<(), TlsError> {
        if self.closed {
            return Err(TlsError::Closed);
        }
        let connection = connected(&mut self.phase)?;
        connection.seal(self.held.seen(), plain, send)
    }

    /// Says that nothing of ours follows: appends `close_notify` to `send`. What the peer sends is opened on (RFC 8446 §6.1).
    /// Closed already, or failed, it does nothing.
    ///
    /// # Errors
    /// `Handshaking`: there is no stream to end yet, and nothing has been written.
    pub fn close(&mut self, send: &mut Vec<u8>) -> Result<(), TlsError> {
        if self.closed || matches!(self.phase, Phase::Failed(_)) {
            return Ok(());
        }
        connected(&mut self.phase)?.close(self.held.seen(), send)?;
        self.closed = true;
        Ok(())
    }

    /// Whether the handshake is under way: until it is over, plaintext is neither opened nor sealed.
    pub fn is_handshaking(&self) -> bool {
        match &self.phase {
            Phase::Greeting(_) => true,
            Phase::Connected { connection, .. } => connection.state().is_handshaking(),
            Phase::Failed(_) => false,
        }
    }

    /// Whether the next [`Tls::feed`] has something to give without bytes: plaintext that found no room, or the failure behind
    /// plaintext.
    pub fn has_more(&self) -> bool {
        !self.opened.is_empty() || matches!(self.phase, Phase::Failed(Some(_)))
    }

    /// Whether more bytes of the peer mean anything: not after its `close_notify`, nor a failure.
    pub fn wants(&self) -> bool {
        !self.peer_closed && !matches!(self.phase, Phase::Failed(_))
    }

    /// How many bytes wait inside: of an incomplete record or handshake message, and opened ones.
    pub fn waiting(&self) -> usize {
        self.held.bytes.len() + self.opened.left().len()
    }

    /// What it means that the peer's bytes have ended, or what it would mean now. Its `close_notify` counts once all that was
    /// before it has been given.
    pub fn end(&self) -> End {
        match self.peer_closed {
            true => End::Notified,
            false if self.is_handshaking() => End::Handshake,
            false => End::Cut,
        }
    }

    /// What the handshake has found; `None` before its end, and after a failure.
    pub fn facts(&self) -> Option<Facts<'_>> {
        let Phase::Connected { connection, .. } = &self.phase else { return None };
        Facts::of(connection.state(), &self.greeted)
    }

    /// What a server thinks of its client's certificate. The chain is verified each time that this is called, against the
    /// settings that the connection began with, at the present time.
    pub fn client_certificate(&self) -> ClientCertificate {
        match &self.phase {
            Phase::Connected { connection, settings: Some(settings) } => {
                settings.verify(connection.state().peer_certificates().unwrap_or_default())
            }
            _ => ClientCertificate::None,
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("handshaking", &self.is_handshaking())
            .field("waiting", &self.waiting())
            .field("end", &self.end())
            .finish_non_exhaustive()
    }
}

/// The connection, once plaintext may be sealed. Before, the library isn't asked: it would answer with parts of the handshake.
fn connected(phase: &mut Phase) -> Result<&mut Connection, TlsError> {
    match phase {
        Phase::Connected { connection, .. } if !connection.state().is_handshaking() => Ok(connection),
        Phase::Connected { .. } | Phase::Greeting(_) => Err(TlsError::Handshaking),
        Phase::Failed(_) => Err(TlsError::Failed),
    }
}

/// What a server has of a client's first message.
enum Answer {
    /// All bytes were taken, and the message isn't whole.
    Waiting,
    Chosen {
        settings: ServerSettings,
        greeted: Greeted,
        taken: usize,
    },
}

/// Collects a client's first message. Whole at once, as it nearly always comes, it is read where it is lent.
fn greet(
    greeting: &mut Greeting,
    held: &mut Held,
    lent: &[u8],
    send: &mut Vec<u8>,
) -> Result<Answer, TlsError> {
    if held.bytes.is_empty() {
        let Some(&byte) = lent.first() else { return Ok(Answer::Waiting) };
        record::first(byte).inspect_err(|error| send_own_alert(error, send))?;
    }
    let before = held.bytes.len();
    let room = CLIENT_HELLO_MAX - before;
    let mut bytes = lent;
    if before > 0 {
        held.bytes.extend_from_slice(&lent[..lent.len().min(room)]);
        bytes = &held.bytes;
    }
    let chosen = match greeting.scan.end(bytes) {
        Ok(Some(end)) => {
            let accepted =
                greeting.scan.version().and_then(|()| hello::accept(&bytes[..end], &*greeting.choose, send));
            accepted.map(|found| (found, end))
        }
        Ok(None) if lent.len() > room => Err(TlsError::ClientHelloTooLong),
        Ok(None) => {
            if before == 0 {
                held.bytes.extend_from_slice(lent);
            }
            return Ok(Answer::Waiting);
        }
        Err(error) => Err(error),
    };
    let ((settings, greeted), end) = chosen.inspect_err(|error| send_own_alert(error, send))?;
    // What came behind the message is left to the caller.
    held.bytes.truncate(end);
    Ok(Answer::Chosen { settings, greeted, taken: if before > 0 { end - before } else { 0 } })
}

/// The alert for what isn't the library's judgement: there are no keys yet.
fn send_own_alert(error: &TlsError, send: &mut Vec<u8>) {
    let alert = match error {
        TlsError::OldHello | TlsError::OldVersion { .. } | TlsError::NotTls => {
            rustls::AlertDescription::ProtocolVersion
        }
        TlsError::RecordTooLong { .. } => rustls::AlertDescription::RecordOverflow,
        TlsError::ClientHelloTooLong => rustls::AlertDescription::DecodeError,
        TlsError::Refused => rustls::AlertDescription::UnrecognisedName,
        _ => return,
    };
    record::clear_alert(alert.into(), send);
}
