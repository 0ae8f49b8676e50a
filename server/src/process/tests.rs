//! A process whose names nobody answers.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use underpass_nginx_config::Resolve;

use super::{event::Event, identity::Identity, state::Process, *};
use crate::Signal;

/// Bounds hangs.
const PATIENCE: Duration = Duration::from_secs(60);

const PROGRAM: Program = Program { name: "test", version: "0", build: "" };

/// A worker that serves nobody.
struct Idle;

impl Runtime for Idle {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    fn serve(self, setup: Setup) -> io::Result<()> {
        while setup.control.end().is_none() {
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

/// Answers the first time; later it tells that it was asked, and answers when it is told to.
#[derive(Debug)]
struct Slow {
    asked: Sender<()>,
    go_on: Mutex<Receiver<()>>,
    times: AtomicUsize,
}

impl Resolve for Slow {
    fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        if self.times.fetch_add(1, Ordering::Relaxed) > 0 {
            self.asked.send(()).expect("the test listens");
            // Nobody tells it any more: the test is over.
            let _over = self.go_on.lock().expect("nobody panics").recv();
        }
        Ok(vec![[127, 0, 0, 1].into()])
    }
}

#[test]
fn signals_are_obeyed_while_a_name_is_looked_up() {
    for (signal, answered) in [(Signal::Terminate, false), (Signal::Quit, false), (Signal::Terminate, true)] {
        let folder = tempfile::tempdir().expect("a folder");
        let (asked, was_asked) = channel();
        let (let_go_on, go_on) = channel();
        let slow = Slow { asked, go_on: Mutex::new(go_on), times: AtomicUsize::new(0) };
        let text = format!(
            "error_log {0}/error.log notice; events {{}} http {{ access_log off; upstream u {{ server slow.test; }}
             server {{ listen unix:{0}/socket; location / {{ proxy_pass http://u; }} }} }}",
            folder.path().display()
        );
        let source = Source::text_with("test", text, Arc::new(slow));
        let loaded = source.load().expect("the first time there is an answer");
        let (sender, events) = channel();
        let deliver = |signal| sender.send(Event::Signal(signal)).expect("the process lives");
        thread::scope(|scope| {
            let identity = Identity { user: None, keeper: None };
            let mut process = Process::<Idle>::new(source, &loaded.main, identity, sender.clone());
            let serving = scope.spawn(move || {
                process.draft(Some(loaded)).expect("a thread");
                assert!(process.start(&PROGRAM, &events).expect("a good configuration"));
                process.obey(&events).expect("workers that end as they are told");
            });
            deliver(Signal::HangUp);
            was_asked.recv_timeout(PATIENCE).expect("it looks the name up");
            if answered {
                // Both come to one more reading.
                deliver(Signal::HangUp);
                deliver(Signal::HangUp);
                let_go_on.send(()).expect("it waits");
                was_asked.recv_timeout(PATIENCE).expect("it looks the name up again");
                let_go_on.send(()).expect("it waits");
            }
            deliver(signal);
            serving.join().expect("the process ends");
        });
        assert!(!folder.path().join("socket").exists(), "it has closed what it listened on");
        // The thread that still looks the name up has the logs as well, so their writer may not be done.
        let log = || std::fs::read_to_string(folder.path().join("error.log")).expect("the log");
        let told = || log().matches(": reconfiguring\n").count();
        let (begin, expected) = (Instant::now(), 1 + usize::from(answered));
        while told() < expected && begin.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(told(), expected, "{}", log());
    }
}
