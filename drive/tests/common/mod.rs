//! Streams in memory, time by hand, and an executor of a dozen lines.

use std::{
    collections::VecDeque,
    future::Future,
    io::{self, ErrorKind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use futures_io::{AsyncRead, AsyncWrite};
use underpass_futures::{Clock, Sleep};

/// One direction of a connection in memory.
#[derive(Debug, Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    room: usize,
    ended: bool,
    broken: bool,
    wakers: Vec<Waker>,
}

/// One end of a connection in memory.
#[derive(Debug)]
pub(crate) struct End {
    reads: Arc<Mutex<Pipe>>,
    writes: Arc<Mutex<Pipe>>,
    /// What was written and not flushed; absent: nothing is held back.
    held: Option<Vec<u8>>,
}

/// A connection whose directions hold `room` bytes each.
pub(crate) fn connection(room: usize) -> (End, End) {
    let pipe = || Arc::new(Mutex::new(Pipe { room, ..Pipe::default() }));
    let (there, back) = (pipe(), pipe());
    let end = |reads: &Arc<Mutex<Pipe>>, writes: &Arc<Mutex<Pipe>>| End {
        reads: Arc::clone(reads),
        writes: Arc::clone(writes),
        held: None,
    };
    (end(&there, &back), end(&back, &there))
}

impl End {
    /// Holds back what is written until it is flushed, as a layer of encryption may.
    pub(crate) fn buffered(mut self) -> Self {
        self.held = Some(Vec::new());
        self
    }

    /// Sends as much as there is room for.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> usize {
        let mut pipe = self.writes.lock().expect("not poisoned");
        let count = bytes.len().min(pipe.room - pipe.bytes.len());
        pipe.bytes.extend(&bytes[..count]);
        wake(&mut pipe);
        count
    }

    /// Takes what has come.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let mut pipe = self.reads.lock().expect("not poisoned");
        wake(&mut pipe);
        pipe.bytes.drain(..).collect()
    }

    /// Ends the direction that this end writes.
    pub(crate) fn end(&mut self) {
        let mut pipe = self.writes.lock().expect("not poisoned");
        pipe.ended = true;
        wake(&mut pipe);
    }

    /// Resets the connection.
    pub(crate) fn reset(self) {
        for pipe in [&self.reads, &self.writes] {
            let mut pipe = pipe.lock().expect("not poisoned");
            pipe.broken = true;
            wake(&mut pipe);
        }
    }

    /// Whether the other end has taken all that was written.
    pub(crate) fn is_taken(&self) -> bool {
        self.held.as_ref().is_none_or(Vec::is_empty)
            && self.writes.lock().expect("not poisoned").bytes.is_empty()
    }

    /// Whether the other end has ended its direction, and all of it was taken.
    pub(crate) fn is_over(&self) -> bool {
        let pipe = self.reads.lock().expect("not poisoned");
        pipe.ended && pipe.bytes.is_empty()
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut pipe = self.writes.lock().expect("not poisoned");
        pipe.ended = true;
        wake(&mut pipe);
    }
}

fn wake(pipe: &mut Pipe) {
    pipe.wakers.drain(..).for_each(Waker::wake);
}

impl AsyncRead for End {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut pipe = self.reads.lock().expect("not poisoned");
        if pipe.bytes.is_empty() {
            if pipe.broken {
                return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
            }
            if pipe.ended {
                return Poll::Ready(Ok(0));
            }
            pipe.wakers.push(cx.waker().clone());
            return Poll::Pending;
        }
        let count = space.len().min(pipe.bytes.len());
        for (place, byte) in space.iter_mut().zip(pipe.bytes.drain(..count)) {
            *place = byte;
        }
        wake(&mut pipe);
        Poll::Ready(Ok(count))
    }
}

impl End {
    fn poll_put(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut pipe = self.writes.lock().expect("not poisoned");
        if pipe.broken {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let count = bytes.len().min(pipe.room - pipe.bytes.len());
        if count == 0 {
            pipe.wakers.push(cx.waker().clone());
            return Poll::Pending;
        }
        pipe.bytes.extend(&bytes[..count]);
        wake(&mut pipe);
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for End {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.held {
            Some(held) => {
                held.extend(bytes);
                Poll::Ready(Ok(bytes.len()))
            }
            None => self.poll_put(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut held = self.held.take().unwrap_or_default();
        let mut polled = Poll::Ready(Ok(()));
        while !held.is_empty() {
            match self.poll_put(cx, &held) {
                Poll::Ready(Ok(count)) => drop(held.drain(..count)),
                Poll::Ready(Err(error)) => {
                    polled = Poll::Ready(Err(error));
                    break;
                }
                Poll::Pending => {
                    polled = Poll::Pending;
                    break;
                }
            }
        }
        self.held = Some(held).filter(|held| !held.is_empty() || held.capacity() > 0);
        polled
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.as_mut().poll_flush(cx))?;
        self.end();
        Poll::Ready(Ok(()))
    }
}

/// Time that passes when the test says so.
#[derive(Clone, Debug)]
pub(crate) struct ByHand(Arc<Mutex<(Instant, Vec<Waker>)>>, Arc<AtomicU64>);

impl ByHand {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new((Instant::now(), Vec::new()))), Arc::default())
    }

    /// How often it was looked at.
    pub(crate) fn looks(&self) -> u64 {
        self.1.load(Ordering::Relaxed)
    }

    pub(crate) fn pass(&self, time: Duration) {
        let mut clock = self.0.lock().expect("not poisoned");
        clock.0 += time;
        clock.1.drain(..).for_each(Waker::wake);
    }
}

impl Clock for ByHand {
    fn now(&self) -> Instant {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.lock().expect("not poisoned").0
    }

    fn sleep_until(&self, then: Instant) -> Sleep {
        let clock = self.clone();
        Box::pin(std::future::poll_fn(move |cx| {
            let mut clock = clock.0.lock().expect("not poisoned");
            if clock.0 >= then {
                return Poll::Ready(());
            }
            clock.1.push(cx.waker().clone());
            Poll::Pending
        }))
    }
}

/// A task, polled for as long as it is woken: the executor of these tests.
pub(crate) struct Task<F: Future> {
    future: Pin<Box<F>>,
    woken: Arc<Woken>,
}

#[derive(Debug)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

impl<F: Future> Task<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future: Box::pin(future), woken: Arc::new(Woken(AtomicBool::new(true))) }
    }

    /// Polls until it isn't woken any more; its result, once it has one.
    pub(crate) fn run(&mut self) -> Option<F::Output> {
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut cx = Context::from_waker(&waker);
        // A task that wakes itself without an end is a mistake that a test must show, not hang on.
        for _ in 0..100_000 {
            if !self.woken.0.swap(false, Ordering::AcqRel) {
                return None;
            }
            if let Poll::Ready(result) = self.future.as_mut().poll(&mut cx) {
                return Some(result);
            }
        }
        panic!("it wakes itself for ever");
    }
}
