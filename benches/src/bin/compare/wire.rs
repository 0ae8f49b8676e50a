//! What a client reads: bytes of a connection, heads of responses.

use crate::door::Door;
use anyhow::{Context as _, Result, bail, ensure};
use std::io::ErrorKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use underpass_benches::frames::{self, Frame, Kind, Sender};
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

    /// Receives until the end, and says how many bytes came that aren't Pings. nginx ends a tunnel under TLS without
    /// `close_notify`; all that was to come is known and was compared, so that end is one as well.
    pub(crate) async fn rest(&mut self) -> Result<usize> {
        loop {
            while let Some(frame) = self.whole_ping()? {
                self.consume(frame.length);
            }
            if self.filled == self.buffer.len() {
                return Ok(self.filled);
            }
            match self.stream.read(&mut self.buffer[self.filled..]).await {
                Ok(0) => return Ok(self.filled),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(self.filled),
                Err(error) => return Err(error).context("reading from the proxy"),
            }
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
        self.hold(bytes.len()).await?;
        compare(&self.buffer[..bytes.len()], bytes)?;
        self.consume(bytes.len());
        self.expect_nothing()
    }

    /// Takes a message of exactly these bytes in one frame, behind which nothing has come. A Ping is answered.
    pub(crate) async fn message(&mut self, bytes: &[u8]) -> Result<()> {
        let frame = loop {
            match Frame::first(&self.buffer[..self.filled], Sender::Server)? {
                Some(frame) if frame.kind == Kind::Message => break frame,
                Some(frame) => self.answer(frame).await?,
                None => self.receive_more().await?,
            }
        };
        ensure!(
            frame.length - frame.header == bytes.len(),
            "a message of {} bytes instead of {}",
            frame.length - frame.header,
            bytes.len()
        );
        self.hold(frame.length).await?;
        compare(&self.buffer[frame.header..frame.length], bytes)?;
        self.consume(frame.length);
        while let Some(ping) = self.whole_ping()? {
            self.answer(ping).await?;
        }
        self.expect_nothing()
    }

    /// Waits for a Ping, and answers it.
    pub(crate) async fn ping(&mut self) -> Result<()> {
        loop {
            match Frame::first(&self.buffer[..self.filled], Sender::Server)? {
                Some(frame) => return self.answer(frame).await,
                None => self.receive_more().await?,
            }
        }
    }

    /// Takes a Ping, and answers it.
    async fn answer(&mut self, ping: Frame) -> Result<()> {
        ensure!(ping.kind == Kind::Ping, "a {:?} that nobody asked for", ping.kind);
        self.hold(ping.length).await?;
        let mut pong = Vec::new();
        let payload = &self.buffer[ping.header..ping.length];
        frames::append(&mut pong, Kind::Pong, fastrand::u32(..).to_ne_bytes(), payload)?;
        self.consume(ping.length);
        self.send(&pong).await
    }

    /// The frame that has come, when that is a whole Ping.
    fn whole_ping(&self) -> Result<Option<Frame>> {
        let frame = Frame::first(&self.buffer[..self.filled], Sender::Server);
        Ok(frame?.filter(|frame| frame.kind == Kind::Ping && frame.length <= self.filled))
    }

    /// Receives until so many bytes are there.
    async fn hold(&mut self, length: usize) -> Result<()> {
        if self.buffer.len() <= length {
            self.buffer.resize(length + 1, 0);
        }
        while self.filled < length {
            self.receive_more().await?;
        }
        Ok(())
    }

    fn expect_nothing(&self) -> Result<()> {
        ensure!(self.filled == 0, "{} bytes too many", self.filled);
        Ok(())
    }

    fn consume(&mut self, length: usize) {
        self.buffer.copy_within(length..self.filled, 0);
        self.filled -= length;
    }
}

fn compare(came: &[u8], sent: &[u8]) -> Result<()> {
    if came == sent {
        return Ok(());
    }
    let place = came.iter().zip(sent).position(|(came, sent)| came != sent).unwrap_or_default();
    bail!("byte {place} of {} is not the one that was sent", sent.len())
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
