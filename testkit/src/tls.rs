//! TLS for peers of a proxy: a connection that blocks, and the certificates of `tls/testdata`.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    path::PathBuf,
    sync::Arc,
};

use underpass_tls::{Choose, ClientOptions, ClientSettings, Credential, End, ServerOptions, Tls, Trust};

/// Whose certificate [`certificate`] is.
pub const NAME: &str = "server.example";

/// Where the chain of the server's certificate lies.
#[must_use]
pub fn certificate() -> PathBuf {
    file("ecdsa.pem")
}

/// Where the key of that lies.
#[must_use]
pub fn key() -> PathBuf {
    file("ecdsa.key")
}

/// The certificate, and the key, of the tests that are called `name`, where they lie; and the certificate itself, in DER.
///
/// # Panics
/// When there is no such pair.
#[must_use]
pub fn pair(name: &str) -> ([PathBuf; 2], Vec<u8>) {
    let paths = ["pem", "key"].map(|ending| file(&format!("{name}.{ending}")));
    let [chain, key] = paths.each_ref().map(|path| std::fs::read(path).expect("a file of the tests"));
    let credential = Credential::from_pem(&chain, &key).expect("a pair");
    let der = credential.certificates().next().expect("a certificate").to_vec();
    (paths, der)
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tls/testdata").join(name)
}

/// A server that has this certificate for every client.
///
/// # Panics
/// When a file isn't there.
#[must_use]
pub fn server() -> Arc<dyn Choose> {
    let read = |path: PathBuf| std::fs::read(path).expect("a file of the tests");
    let credential = Credential::from_pem(&read(certificate()), &read(key())).expect("a pair");
    let options = ServerOptions { credentials: vec![credential], ..ServerOptions::default() };
    Arc::new(options.settings().expect("settings"))
}

/// A client that believes the authority of that certificate, and says whom it looks for.
///
/// # Panics
/// When a file isn't there.
#[must_use]
pub fn client() -> ClientSettings {
    let authority = std::fs::read(file("ca.pem")).expect("a file of the tests");
    let trust = Some(Trust::from_pem(&authority).expect("an authority"));
    let options = ClientOptions { trust, send_name: true, ..ClientOptions::default() };
    options.settings().expect("settings")
}

/// A connection under TLS. An end without `close_notify` is an error of the kind `UnexpectedEof`.
#[derive(Debug)]
pub struct TlsStream {
    socket: TcpStream,
    tls: Tls,
    /// Received, and not yet taken.
    unread: Vec<u8>,
}

impl TlsStream {
    /// Shakes hands as a client that looks for [`NAME`].
    ///
    /// # Errors
    /// When the handshake fails.
    pub fn connect(socket: TcpStream) -> io::Result<Self> {
        let tls = Tls::client(&client(), NAME).map_err(io::Error::other)?;
        Self { socket, tls, unread: Vec::new() }.shaken()
    }

    /// Shakes hands as a server.
    ///
    /// # Errors
    /// When the handshake fails.
    pub fn accept(socket: TcpStream) -> io::Result<Self> {
        Self { socket, tls: Tls::server(server()), unread: Vec::new() }.shaken()
    }

    /// The connection itself.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// What TLS knows.
    #[must_use]
    pub fn tls(&self) -> &Tls {
        &self.tls
    }

    /// Says that nothing follows; the socket stays open.
    ///
    /// # Errors
    /// When it can't be said.
    pub fn notify_end(&mut self) -> io::Result<()> {
        let mut send = Vec::new();
        self.tls.close(&mut send).map_err(io::Error::other)?;
        self.socket.write_all(&send)
    }

    fn shaken(mut self) -> io::Result<Self> {
        self.feed(&mut [])?;
        while self.tls.is_handshaking() {
            self.receive()?;
            self.feed(&mut [])?;
        }
        Ok(self)
    }

    fn receive(&mut self) -> io::Result<()> {
        let mut piece = [0; 16 << 10];
        let count = self.socket.read(&mut piece)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.unread.extend_from_slice(&piece[..count]);
        Ok(())
    }

    fn feed(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let mut send = Vec::new();
        let fed = self.tls.feed(&mut self.unread, space, &mut send);
        self.socket.write_all(&send)?;
        let fed = fed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        self.unread.drain(..fed.consumed);
        Ok(fed.opened)
    }
}

impl Read for TlsStream {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        loop {
            let opened = self.feed(space)?;
            if opened > 0 || self.tls.end() == End::Notified {
                return Ok(opened);
            }
            self.receive()?;
        }
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut send = Vec::new();
        let piece = &bytes[..bytes.len().min(1 << 16)];
        self.tls.seal(piece, &mut send).map_err(io::Error::other)?;
        self.socket.write_all(&send)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
