//! What a client reads: bytes of a connection, heads of responses.

use crate::door::Door;
use anyhow::{Context as _, Result, bail, ensure};
use std::io::ErrorKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use underpass_benches::stream::Stream;

/// A connection and what has been received from it and not yet looked at.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) stream: Stream,
    buffer: Vec<u8>,
    /// Bytes of the buffer that nobody has looked at.
    pub(crate) filled: usize,
}

impl Wire {
    pub(crate) async fn connect(door: &Door) -> Result<Self> {
        Ok(Self { stream: door.connect().await?, buffer: vec![0; 4 * 1024], filled: 0 })
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await.context("sending to the proxy")?;
        self.stream.flush().await.context("sending to the proxy")
    }

    /// Receives some bytes behind those that are there; 0 at the end of the stream.
    async fn receive(&mut self) -> Result<usize> {
        ensure!(self.filled < self.buffer.len(), "{} bytes and no end", self.filled);
        let read =
            self.stream.read(&mut self.buffer[self.filled..]).await.context("reading from the proxy")?;
        self.filled += read;
        Ok(read)
    }

    /// Receives some bytes, or the end: 0. nginx ends a tunnel under TLS without `close_notify`; all that was to come is
    /// known and was compared, so that end is one as well.
    pub(crate) async fn rest(&mut self) -> Result<usize> {
        match self.stream.read(&mut self.buffer[self.filled..]).await {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
            read => read.context("reading from the proxy"),
        }
    }

    async fn receive_more(&mut self) -> Result<()> {
        match self.receive().await? {
            0 => bail!("the proxy ended the stream"),
            _ => Ok(()),
        }
    }

    /// Takes the head of a response.
    pub(crate) async fn head(&mut self) -> Result<Head> {
        loop {
            if let Some((length, head)) = Head::parse(&self.buffer[..self.filled])? {
                self.consume(length);
                return Ok(head);
            }
            self.receive_more().await?;
        }
    }

    /// Takes exactly these bytes, behind which nothing has come.
    pub(crate) async fn expect(&mut self, bytes: &[u8]) -> Result<()> {
        if self.buffer.len() <= bytes.len() {
            self.buffer.resize(bytes.len() + 1, 0);
        }
        while self.filled < bytes.len() {
            self.receive_more().await?;
        }
        if let Some(place) = self.buffer.iter().zip(bytes).position(|(came, sent)| came != sent) {
            bail!("byte {place} of {} is not the one that was sent", bytes.len());
        }
        ensure!(self.filled == bytes.len(), "{} bytes too many", self.filled - bytes.len());
        self.filled = 0;
        Ok(())
    }

    fn consume(&mut self, length: usize) {
        self.buffer.copy_within(length..self.filled, 0);
        self.filled -= length;
    }
}

#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    fields: Vec<(String, Vec<u8>)>,
}

impl Head {
    fn parse(bytes: &[u8]) -> Result<Option<(usize, Self)>> {
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(length) = response.parse(bytes).context("a malformed response")?
        else {
            return Ok(None);
        };
        let fields = response.headers.iter().map(|f| (f.name.to_owned(), f.value.to_vec())).collect();
        Ok(Some((length, Self { status: response.code.unwrap_or_default(), fields })))
    }

    /// The value of a field that must be there exactly once.
    pub(crate) fn field(&self, name: &str) -> Result<&[u8]> {
        let mut values =
            self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            (None, _) => bail!("a response without {name}"),
            (Some(_), Some(_)) => bail!("a response with {name} twice"),
        }
    }
}
