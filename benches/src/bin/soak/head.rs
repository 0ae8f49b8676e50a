//! Heads of requests and responses, and the bytes behind them.

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// A head that was read.
#[derive(Debug)]
pub(crate) struct Head {
    /// The first line's second word: a request's target, a response's status.
    pub(crate) second: String,
    fields: Vec<(String, String)>,
    /// What came behind it in the same read.
    pub(crate) early: Vec<u8>,
}

impl Head {
    /// Reads one; `None` when the stream ends without a byte.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<Self>> {
        let mut bytes = Vec::with_capacity(2 << 10);
        loop {
            if let Some(length) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                let early = bytes.split_off(length + 4);
                return Self::parse(&bytes, early).map(Some);
            }
            ensure!(bytes.len() < 256 << 10, "a head without an end");
            match stream.read_buf(&mut bytes).await.context("reading a head")? {
                0 if bytes.is_empty() => return Ok(None),
                0 => bail!("the end of the stream inside a head: {}", bytes.escape_ascii()),
                _ => {}
            }
        }
    }

    /// The value of a field that must be there exactly once.
    pub(crate) fn field(&self, name: &str) -> Result<&str> {
        let mut values = self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Ok(value),
            (None, _) => bail!("a head without {name}"),
            (Some(_), Some(_)) => bail!("a head with {name} twice"),
        }
    }

    fn parse(bytes: &[u8], early: Vec<u8>) -> Result<Self> {
        let mut space = [httparse::EMPTY_HEADER; 32];
        let (second, headers) = if bytes.starts_with(b"HTTP/") {
            let mut response = httparse::Response::new(&mut space);
            response.parse(bytes).context("a malformed response")?;
            (response.code.unwrap_or_default().to_string(), response.headers)
        } else {
            let mut request = httparse::Request::new(&mut space);
            request.parse(bytes).context("a malformed request")?;
            (request.path.unwrap_or_default().to_owned(), request.headers)
        };
        let fields = headers.iter().map(|field| {
            Ok((field.name.to_owned(), std::str::from_utf8(field.value).context("a field value")?.to_owned()))
        });
        Ok(Self { second, fields: fields.collect::<Result<_>>()?, early })
    }
}
