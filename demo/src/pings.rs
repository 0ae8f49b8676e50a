//! Round trips of the proxy's Pings. No page sees a Ping: the browser answers it, and the answer ends at the proxy. So the
//! proxy's log tells, which it sends here as to any server of syslog.

use std::net::UdpSocket;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::Shared;

/// What the log says of one tunnel: times in milliseconds as they are written, `-` where there is none yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RoundTrips<'a> {
    /// The number of the request that has opened it.
    pub(super) tunnel: &'a str,
    pub(super) client: &'a str,
    pub(super) upstream: &'a str,
}

/// Passes on what the log says, until the demo ends.
pub(super) fn hear(socket: &UdpSocket, shared: &Shared) {
    let mut line = [0; 2048];
    loop {
        let heard = socket.recv(&mut line);
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        match heard {
            Ok(length) => {
                if let Some(trips) = parse(&line[..length]) {
                    shared.room.pinged(&trips);
                }
            }
            // Out of memory: some will come back, asking at once would only burn time.
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// The last three words of a line: whatever stands in front of them is syslog's.
fn parse(line: &[u8]) -> Option<RoundTrips<'_>> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_ascii_whitespace().rev();
    let [upstream, client, tunnel] = [words.next()?, words.next()?, words.next()?];
    let is_time = |word: &str| word == "-" || word.parse::<u32>().is_ok();
    let is_known = is_time(client) && is_time(upstream) && [client, upstream] != ["-", "-"];
    is_known.then_some(RoundTrips { tunnel, client, upstream })
}

#[cfg(test)]
mod tests {
    use super::{RoundTrips, parse};

    #[test]
    fn a_line_of_the_log_is_read_and_others_are_left() {
        let trips = |tunnel, client, upstream| Some(RoundTrips { tunnel, client, upstream });
        assert_eq!(parse(b"<190>Dec  1 00:00:00 underpass: 0af3 12 0"), trips("0af3", "12", "0"));
        assert_eq!(parse(b"<190>Dec  1 00:00:00 underpass: 0af3 12 -\n"), trips("0af3", "12", "-"));
        for line in ["", "12 0", "<190>underpass: 0af3 - -", "0af3 12 <b>", "0af3 -1 2", "0af3 99999999999 2"]
        {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
        assert_eq!(parse(b"a \xff 2"), None);
    }
}
