//! The two ends of a tunnel: each sends its pattern, verifies the other's, and ends as its life says.

use crate::life::{Direction, Ending, Life, Side, Traffic};
use anyhow::{Context as _, Result, bail, ensure};
use std::cell::Cell;
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::time::sleep;
use underpass_benches::pattern;
use underpass_benches::stream::Stream;

/// Plays one side of an open tunnel to its end. `early` came behind the head; once `stop` is true, nothing new is
/// said.
pub(crate) async fn converse(
    mut stream: Stream,
    early: &[u8],
    life: &Life,
    side: Side,
    stop: &Cell<bool>,
) -> Result<()> {
    let (reading, writing) = split(&mut stream);
    let mut receiver = Receiver { reading, life, side, position: 0 };
    receiver.verify(early)?;
    let mut sender = Sender { writing, life, side, traffic: life.traffic(side) };
    match life.ending {
        Ending::Reset(resetting) if resetting == side => {
            tokio::select! {
                sent = sender.messages(stop) => sent.context("sending before its own reset")?,
                end = receiver.until_the_end() => bail!("an end that nobody made ({:?})", end?),
            }
            life.from(side).is_over.set(true);
            stream.socket().set_zero_linger()?;
        }
        Ending::Reset(_) => {
            // What can't be sent any more tells the same as the end that is to come.
            let sending = async {
                let sent = sender.messages(stop).await;
                ensure!(sent.is_ok() || life.from(side.other()).is_over.get(), "sending: {sent:?}");
                std::future::pending::<Result<()>>().await
            };
            tokio::select! {
                end = receiver.until_the_end() => drop(end?),
                failed = sending => failed?,
            }
        }
        Ending::First(_) | Ending::Together => {
            let receiving = async {
                match receiver.until_the_end().await? {
                    End::Ordered => Ok(()),
                    End::Reset(error) => bail!("receiving: {error}"),
                }
            };
            tokio::try_join!(receiving, sender.all(stop))?;
        }
    }
    Ok(())
}

/// How a stream ended, as its receiver sees it.
#[derive(Debug)]
enum End {
    Ordered,
    Reset(io::Error),
}

struct Receiver<'a> {
    reading: ReadHalf<&'a mut Stream>,
    life: &'a Life,
    side: Side,
    position: u64,
}

impl Receiver<'_> {
    /// Reads and verifies until the stream ends, which the other side must have done.
    async fn until_the_end(&mut self) -> Result<End> {
        let mut traffic = self.life.traffic(self.side);
        let mut buffer = vec![0; 16 << 10];
        let end = loop {
            if let Some(pause) = traffic.distraction() {
                sleep(pause).await;
            }
            match self.reading.read(&mut buffer).await {
                Ok(0) => break End::Ordered,
                Ok(count) => self.verify(&buffer[..count])?,
                Err(error) => break End::Reset(error),
            }
        };
        let Direction { sent, received, is_over, end_seen, seen } = self.life.from(self.side.other());
        ensure!(is_over.get(), "an end that nobody made ({end:?}), behind {} bytes", received.get());
        let whole = received.get() == sent.get();
        ensure!(
            whole || self.life.is_reset(),
            "{} bytes of {} were lost",
            sent.get() - received.get(),
            sent.get()
        );
        end_seen.set(true);
        seen.notify_one();
        Ok(end)
    }

    fn verify(&mut self, bytes: &[u8]) -> Result<()> {
        let other = self.side.other();
        let mut expected = vec![0; bytes.len()];
        pattern::fill_from(self.life.pattern(other), self.position, &mut expected);
        if let Some(place) = bytes.iter().zip(&expected).position(|(came, sent)| came != sent) {
            bail!("byte {} is not the one that was sent", self.position + place as u64);
        }
        self.position += bytes.len() as u64;
        let Direction { sent, received, .. } = self.life.from(other);
        received.set(self.position);
        ensure!(self.position <= sent.get(), "more bytes than were sent");
        Ok(())
    }
}

struct Sender<'a> {
    writing: WriteHalf<&'a mut Stream>,
    life: &'a Life,
    side: Side,
    traffic: Traffic,
}

impl Sender<'_> {
    /// Sends what there is to say, and ends the stream when it is this side's turn to.
    async fn all(&mut self, stop: &Cell<bool>) -> Result<()> {
        self.messages(stop).await.context("sending")?;
        if self.life.ending == Ending::First(self.side.other()) {
            self.life.from(self.side.other()).seen.notified().await;
            let length = self.traffic.length();
            self.message(length).await.context("sending a last word")?;
        }
        self.life.from(self.side).is_over.set(true);
        self.writing.shutdown().await.context("ending a stream")
    }

    async fn messages(&mut self, stop: &Cell<bool>) -> io::Result<()> {
        while !stop.get()
            && let Some((pause, length)) = self.traffic.next()
        {
            sleep(pause).await;
            self.message(length).await?;
        }
        Ok(())
    }

    async fn message(&mut self, length: usize) -> io::Result<()> {
        let sent = &self.life.from(self.side).sent;
        let mut bytes = vec![0; length];
        pattern::fill_from(self.life.pattern(self.side), sent.get(), &mut bytes);
        // Counted before: the other end may have it before this one runs again.
        sent.set(sent.get() + length as u64);
        self.writing.write_all(&bytes).await?;
        self.writing.flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::{Stream, converse};
    use crate::life::{Ending, Life, Side};
    use std::cell::Cell;
    use std::io;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::tcp::{ReadHalf, WriteHalf};
    use tokio::net::{TcpListener, TcpStream};

    #[test]
    fn what_comes_through_whole_passes() {
        let endings = [Side::Client, Side::Origin].map(|side| [Ending::First(side), Ending::Reset(side)]);
        for ending in endings.into_iter().flatten().chain([Ending::Together]) {
            let ends = ends_through(ending, unchanged);
            assert!(ends.iter().all(Result::is_ok), "{ending:?}: {ends:?}");
        }
    }

    #[test]
    fn what_a_relay_does_wrong_is_noticed() {
        let wrong: [(Change, &str); 4] = [
            (|bytes| bytes.truncate(bytes.len() - 1), "is not the one that was sent"),
            (|bytes| bytes[0] ^= 1, "byte 0 is not the one that was sent"),
            (|bytes| bytes.clear(), "were lost"),
            (|bytes| bytes.extend_from_within(..), "is not the one that was sent"),
        ];
        for (change, complaint) in wrong {
            let [_, origin] = ends_through(Ending::First(Side::Client), change);
            let said = format!("{:#}", origin.expect_err(complaint));
            assert!(said.contains(complaint), "{said}");
        }
    }

    type Change = fn(&mut Vec<u8>);

    fn unchanged(_: &mut Vec<u8>) {}

    /// How both ends fare with a relay that does something to what the client sends. Time passes as fast as it can.
    fn ends_through(ending: Ending, change: Change) -> [anyhow::Result<()>; 2] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let life = Life::with(5, ending);
            let stop = Cell::new(false);
            let ([client, near], [far, origin]) = (pair().await, pair().await);
            let [client, origin] = [client, origin].map(Stream::Plain);
            let client = converse(client, &[], &life, Side::Client, &stop);
            let origin = converse(origin, &[], &life, Side::Origin, &stop);
            let (client, origin, _) = tokio::join!(client, origin, relay(near, far, change));
            [client, origin]
        })
    }

    async fn pair() -> [TcpStream; 2] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let connecting = TcpStream::connect(listener.local_addr().expect("it is bound"));
        let (one, other) = tokio::join!(connecting, listener.accept());
        [one.expect("it listens"), other.expect("a connection").0]
    }

    /// Ends of stream go through; when one connection breaks, both end.
    async fn relay(mut near: TcpStream, mut far: TcpStream, change: Change) -> io::Result<()> {
        let ((up_from, down_to), (down_from, up_to)) = (near.split(), far.split());
        tokio::try_join!(pump(up_from, up_to, change), pump(down_from, down_to, unchanged)).map(drop)
    }

    async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, change: Change) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(16 << 10);
        while from.read_buf(&mut bytes).await? > 0 {
            change(&mut bytes);
            to.write_all(&bytes).await?;
            bytes.clear();
        }
        to.shutdown().await
    }
}
