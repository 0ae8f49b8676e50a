//! A few threads for what blocks, and a bounded queue in front of them.
//!
//! The pools of the runtimes grow with what is asked of them, and panic when the system gives them no thread. Here the
//! number of threads is fixed when they are started, which may fail, and never changes.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    io,
    net::{IpAddr, Ipv6Addr},
    pin::Pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    thread,
};

use futures_channel::oneshot;
use underpass_core::Address;

use crate::panics;

/// The most tasks that wait for a thread.
const MOST_TASKS: usize = 128;

/// The most tasks of one client that wait for a thread: no client can fill the queue alone.
const MOST_OF_CLIENT: usize = MOST_TASKS / 2;

/// Threads that do what blocks, one task at a time each. Clones stand for the same threads, which end when the last
/// clone is dropped and their queue is empty.
#[derive(Clone)]
pub(crate) struct Threads(Arc<Owner>);

/// No room is left in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// For whom a task is run. Clients take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// One that has an address. Of an IPv6 address the first 64 bits: a client chooses the others itself.
    At(IpAddr),
    /// One that came over a Unix domain socket.
    Local,
}

/// Yields what a task returns. When it is dropped, a task that has not begun isn't run.
#[derive(Debug)]
pub(crate) struct Done<T>(oneshot::Receiver<io::Result<T>>);

type Task = Box<dyn FnOnce() + Send>;

struct Owner(Arc<Desk>);

/// Where tasks wait.
#[derive(Default)]
struct Desk {
    queue: Mutex<Queue>,
    news: Condvar,
}

#[derive(Default)]
struct Queue {
    /// The clients, in the order of their turns. Each of them has a task.
    clients: VecDeque<(Client, VecDeque<Task>)>,
    /// Nobody adds tasks any more.
    closed: bool,
}

impl Threads {
    /// Starts `count` threads.
    ///
    /// # Errors
    /// When the system has no thread. Then none of the threads is left.
    pub(crate) fn start(name: &str, count: usize) -> io::Result<Self> {
        let threads = Self(Arc::new(Owner(Arc::default())));
        for number in 0..count {
            let desk = Arc::clone(&threads.0.0);
            thread::Builder::new().name(format!("{name} {number}")).spawn(move || desk.work())?;
        }
        Ok(threads)
    }

    /// Whether both stand for the same threads.
    #[cfg(test)]
    pub(crate) fn are(&self, others: &Self) -> bool {
        Arc::ptr_eq(&self.0, &others.0)
    }

    /// Queues `task` for `client`. The future yields what the task returns, or an error when the task panics. A task
    /// whose future is dropped before a thread begins it isn't run.
    ///
    /// # Errors
    /// When the queue is full, or holds as many tasks of this client as it may.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        client: Client,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Done<T>, Full> {
        let (sender, receiver) = oneshot::channel();
        let task = move || {
            if !sender.is_canceled() {
                let result = panics::catch(task).map_err(io::Error::other);
                // Whoever waited has left meanwhile.
                let _nobody_waits = sender.send(result);
            }
        };
        let Desk { queue, news } = &*self.0.0;
        lock(queue).push(client, Box::new(task))?;
        news.notify_one();
        Ok(Done(receiver))
    }
}

impl<T> Future for Done<T> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = Pin::new(&mut self.0).poll(cx);
        result.map(|result| result.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into())))
    }
}

impl Client {
    /// The client at this address.
    pub(crate) fn of(address: &Address) -> Self {
        match address {
            Address::Ip(address) => Self::At(match address.ip() {
                IpAddr::V4(address) => address.into(),
                IpAddr::V6(address) => network(address),
            }),
            Address::Unix(_) => Self::Local,
        }
    }
}

fn network(address: Ipv6Addr) -> IpAddr {
    match address.to_ipv4_mapped() {
        Some(address) => address.into(),
        None => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

impl Desk {
    fn work(&self) {
        while let Some(task) = self.next() {
            task();
        }
    }

    /// Waits for a task; none comes any more once the desk is closed.
    fn next(&self) -> Option<Task> {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(task) = queue.pop() {
                return Some(task);
            }
            if queue.closed {
                return None;
            }
            queue = self.news.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Queue {
    fn push(&mut self, client: Client, task: Task) -> Result<(), Full> {
        if self.clients.iter().map(|(_, tasks)| tasks.len()).sum::<usize>() >= MOST_TASKS {
            return Err(Full);
        }
        match self.clients.iter_mut().find(|(other, _)| *other == client) {
            Some((_, tasks)) if tasks.len() >= MOST_OF_CLIENT => return Err(Full),
            Some((_, tasks)) => tasks.push_back(task),
            None => self.clients.push_back((client, VecDeque::from([task]))),
        }
        Ok(())
    }

    /// The oldest task of the client whose turn it is.
    fn pop(&mut self) -> Option<Task> {
        let (client, mut tasks) = self.clients.pop_front()?;
        let task = tasks.pop_front();
        if !tasks.is_empty() {
            self.clients.push_back((client, tasks));
        }
        task
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        lock(&self.0.queue).closed = true;
        self.0.news.notify_all();
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Threads")
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{
        pin::pin,
        sync::mpsc::{Receiver, Sender, channel},
        task::{Wake, Waker},
    };

    use super::*;

    const ONE: Client = Client::At(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn started(count: usize) -> Threads {
        Threads::start("test", count).expect("the system has threads")
    }

    /// Waits for what a thread does.
    pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
        struct Unpark(thread::Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return result;
            }
            thread::park();
        }
    }

    /// A thread that is held up until the value is dropped.
    pub(crate) struct HeldUp {
        _until: Sender<()>,
        _done: Done<()>,
    }

    /// Holds up one thread.
    pub(crate) fn hold_up(threads: &Threads) -> HeldUp {
        let (until, dropped) = channel::<()>();
        let (begin, begun) = channel();
        let task = move || {
            begin.send(()).expect("it is waited for");
            dropped.recv().expect_err("nothing is sent");
        };
        let done = threads.run(Client::Local, task).expect("there is room");
        begun.recv().expect("a thread comes to it");
        HeldUp { _until: until, _done: done }
    }

    #[test]
    fn tasks_are_done_on_threads_of_that_name() {
        let threads = started(2);
        let name = || thread::current().name().map(str::to_owned);
        let name = wait(threads.run(ONE, name).expect("there is room")).expect("no panic");
        assert!(["test 0", "test 1"].map(str::to_owned).contains(&name.expect("a name")));
    }

    #[test]
    fn a_task_that_panics_is_an_error_and_its_thread_goes_on() {
        let threads = started(1);
        let result = wait(threads.run::<()>(ONE, || panic!("no {}", 7)).expect("there is room"));
        let error = result.expect_err("it panics").to_string();
        assert!(error.contains("no 7"), "{error}");
        assert_eq!(wait(threads.run(ONE, || 8).expect("there is room")).expect("no panic"), 8);
    }

    #[test]
    fn the_queue_is_bounded_as_a_whole_and_for_each_client() {
        let threads = started(1);
        let _busy = hold_up(&threads);
        let client = |number: u8| Client::At([192, 0, 2, number].into());
        let room = |client: Client| {
            let waiting = (0..MOST_TASKS).map_while(|_| threads.run(client, || ()).ok());
            waiting.collect::<Vec<_>>()
        };
        let waiting = [1, 2, 3].map(|number| room(client(number)));
        assert_eq!(waiting.map(|waiting| waiting.len()), [MOST_OF_CLIENT, MOST_OF_CLIENT, 0]);
    }

    #[test]
    fn clients_have_turns() {
        let threads = started(1);
        let busy = hold_up(&threads);
        let (tell, told): (_, Receiver<char>) = channel();
        let mut waiting = Vec::new();
        for (client, name) in [(1, 'a'), (1, 'b'), (1, 'c'), (2, 'd'), (3, 'e')] {
            let tell = tell.clone();
            let task = move || tell.send(name).expect("it is waited for");
            let client = Client::At([192, 0, 2, client].into());
            waiting.push(threads.run(client, task).expect("there is room"));
        }
        drop((busy, tell));
        assert_eq!(told.iter().collect::<String>(), "adebc");
    }

    #[test]
    fn nobody_does_what_nobody_waits_for() {
        let threads = started(1);
        let busy = hold_up(&threads);
        let (tell, told) = channel::<()>();
        drop(threads.run(ONE, move || tell.send(())).expect("there is room"));
        drop(busy);
        told.recv().expect_err("it is dropped without having been done");
    }

    #[test]
    fn threads_end_with_the_last_clone() {
        let threads = started(2);
        // Each thread has the desk, until it ends.
        let desk = Arc::downgrade(&threads.0.0);
        drop(threads.clone());
        assert_eq!(desk.strong_count(), 3, "they live");
        drop(threads);
        let mut waits = 0;
        while desk.strong_count() > 0 {
            assert!(waits < 10_000, "they have not ended");
            waits += 1;
            thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    #[test]
    fn a_client_is_its_address_or_its_network() {
        let of = |text: &str| Client::of(&text.parse::<std::net::SocketAddr>().expect("an address").into());
        assert_eq!(of("192.0.2.1:1"), of("192.0.2.1:2"));
        assert_ne!(of("192.0.2.1:1"), of("192.0.2.2:1"));
        assert_eq!(of("[::ffff:192.0.2.1]:1"), of("192.0.2.1:1"));
        assert_eq!(of("[2001:db8::1]:1"), of("[2001:db8::ffff:0:0:2]:1"));
        assert_ne!(of("[2001:db8::1]:1"), of("[2001:db8:0:1::1]:1"));
    }
}
