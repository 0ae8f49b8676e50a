//! The one file that knows rustls' unbuffered interface: version 0.24 gives it another form.
//!
//! What the interface asks for, and what is made sure of here and in `tls.rs`:
//!
//! * The bytes of a call begin with those that the last call left. The library keeps offsets into them while a handshake
//!   message is incomplete, and would panic without them.
//! * Every state but an error is followed by another call, until one says that it waits.
//! * After an error nothing is called but what fetches the alert.

use std::sync::Arc;

use rustls::{
    ClientConfig, CommonState, ServerConfig,
    client::{ClientConnectionData, UnbufferedClientConnection},
    pki_types::ServerName,
    server::{ServerConnectionData, UnbufferedServerConnection},
    unbuffered::{
        ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedStatus,
        WriteTraffic,
    },
};

use crate::TlsError;

/// What sealing adds to a record at most: header, explicit nonce, type, tag.
const SEAL_OVERHEAD: usize = 5 + 8 + 1 + 16;

/// What is put beside the records of a seal without asking how much it is: a key update of ours.
const BESIDE: usize = 64;

/// Boxed, since a connection is a kilobyte and lives in places that are smaller before and after.
pub(crate) enum Connection {
    Server(Box<UnbufferedServerConnection>),
    Client(Box<UnbufferedClientConnection>),
}

/// What some bytes have come to.
#[derive(Debug)]
pub(crate) struct Advance {
    /// So many of them aren't needed any more.
    pub(crate) discard: usize,
    /// The peer has sent `close_notify`.
    pub(crate) closed: bool,
}

impl Connection {
    pub(crate) fn server(config: Arc<ServerConfig>) -> Result<Self, TlsError> {
        Ok(Self::Server(Box::new(UnbufferedServerConnection::new(config)?)))
    }

    pub(crate) fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, TlsError> {
        Ok(Self::Client(Box::new(UnbufferedClientConnection::new(config, name)?)))
    }

    /// Takes whole records, and what was left of earlier ones before them. Plaintext goes to `open`, what the library wants
    /// to send to `send`: on an error, the alert.
    pub(crate) fn advance(
        &mut self,
        bytes: &mut [u8],
        open: &mut dyn FnMut(&[u8]),
        send: &mut Vec<u8>,
    ) -> Result<Advance, TlsError> {
        match self {
            Self::Server(connection) => advance(connection.as_mut(), bytes, open, send),
            Self::Client(connection) => advance(connection.as_mut(), bytes, open, send),
        }
    }

    /// Seals plaintext. `seen` is what the last [`Connection::advance`] left.
    pub(crate) fn seal(&mut self, seen: &mut [u8], plain: &[u8], send: &mut Vec<u8>) -> Result<(), TlsError> {
        match self {
            Self::Server(connection) => {
                write(connection.as_mut(), seen, send, |traffic, send| seal(traffic, plain, send))
            }
            Self::Client(connection) => {
                write(connection.as_mut(), seen, send, |traffic, send| seal(traffic, plain, send))
            }
        }
    }

    /// Writes `close_notify`.
    pub(crate) fn close(&mut self, seen: &mut [u8], send: &mut Vec<u8>) -> Result<(), TlsError> {
        match self {
            Self::Server(connection) => write(connection.as_mut(), seen, send, close),
            Self::Client(connection) => write(connection.as_mut(), seen, send, close),
        }
    }

    pub(crate) fn state(&self) -> &CommonState {
        match self {
            Self::Server(connection) => connection.as_ref(),
            Self::Client(connection) => connection.as_ref(),
        }
    }
}

/// The library has no trait for what both roles do.
trait Process {
    type Data;

    fn process<'c, 'i>(&'c mut self, bytes: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;

    fn wants_write(&self) -> bool;
}

impl Process for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, bytes: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(bytes)
    }

    fn wants_write(&self) -> bool {
        CommonState::wants_write(self)
    }
}

impl Process for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, bytes: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(bytes)
    }

    fn wants_write(&self) -> bool {
        CommonState::wants_write(self)
    }
}

fn advance<C: Process>(
    connection: &mut C,
    bytes: &mut [u8],
    open: &mut dyn FnMut(&[u8]),
    send: &mut Vec<u8>,
) -> Result<Advance, TlsError> {
    let mut advance = Advance { discard: 0, closed: false };
    loop {
        let UnbufferedStatus { discard, state, .. } = connection.process(&mut bytes[advance.discard..]);
        advance.discard += discard;
        match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    open(record?.payload);
                }
            }
            Ok(ConnectionState::EncodeTlsData(data)) => encode(data, send)?,
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::PeerClosed) => advance.closed = true,
            Ok(
                ConnectionState::Closed
                | ConnectionState::BlockedHandshake
                | ConnectionState::WriteTraffic(_),
            ) => {
                return Ok(advance);
            }
            // No settings of ours accept early data: an exchange could be replayed by it.
            Ok(state) => return Err(unexpected(&state)),
            Err(error) => {
                fetch_alert(connection, send);
                return Err(error.into());
            }
        }
    }
}

fn write<C: Process>(
    connection: &mut C,
    seen: &mut [u8],
    send: &mut Vec<u8>,
    what: impl FnOnce(WriteTraffic<'_, C::Data>, &mut Vec<u8>) -> Result<(), TlsError>,
) -> Result<(), TlsError> {
    loop {
        match connection.process(seen).state {
            Ok(ConnectionState::WriteTraffic(traffic)) => return what(traffic, send),
            Ok(ConnectionState::EncodeTlsData(data)) => encode(data, send)?,
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::BlockedHandshake) => return Err(TlsError::Handshaking),
            Ok(ConnectionState::Closed) => return Err(TlsError::Closed),
            Ok(state) => return Err(unexpected(&state)),
            Err(error) => {
                fetch_alert(connection, send);
                return Err(error.into());
            }
        }
    }
}

/// After an error the library has at most an alert to say, and must not be asked for more than that.
fn fetch_alert<C: Process>(connection: &mut C, send: &mut Vec<u8>) {
    while connection.wants_write() {
        let Ok(ConnectionState::EncodeTlsData(data)) = connection.process(&mut []).state else { return };
        if encode(data, send).is_err() {
            return;
        }
    }
}

fn seal<D>(mut traffic: WriteTraffic<'_, D>, plain: &[u8], send: &mut Vec<u8>) -> Result<(), TlsError> {
    let records = plain.len().div_ceil(crate::record::CLEAR_MAX);
    let room = plain.len() + records * SEAL_OVERHEAD + BESIDE;
    append(send, room, |room| traffic.encrypt(plain, room))
}

fn close<D>(mut traffic: WriteTraffic<'_, D>, send: &mut Vec<u8>) -> Result<(), TlsError> {
    append(send, BESIDE, |room| traffic.queue_close_notify(room))
}

/// Lets the library write behind what is in `send`, with more room if it says that it needs more.
fn append(
    send: &mut Vec<u8>,
    room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
) -> Result<(), TlsError> {
    let start = send.len();
    send.resize(start + room, 0);
    let written = match write(&mut send[start..]) {
        Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size })) => {
            send.resize(start + required_size, 0);
            write(&mut send[start..])
        }
        written => written,
    };
    send.truncate(start + *written.as_ref().unwrap_or(&0));
    written.map(drop).map_err(|_| TlsError::Exhausted)
}

fn encode<D>(mut data: EncodeTlsData<'_, D>, send: &mut Vec<u8>) -> Result<(), TlsError> {
    let start = send.len();
    // Nothing fits into nothing: so the library says how long it is.
    let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) = data.encode(&mut [])
    else {
        return Ok(());
    };
    send.resize(start + required_size, 0);
    data.encode(&mut send[start..]).map(drop).map_err(|error| general(&error.to_string()))
}

fn unexpected<D>(state: &ConnectionState<'_, '_, D>) -> TlsError {
    general(&format!("unexpected state {state:?}"))
}

fn general(what: &str) -> TlsError {
    rustls::Error::General(what.into()).into()
}
