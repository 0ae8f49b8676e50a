//! A network in memory: connections with latency and bounded room, ends of stream, resets.
//!
//! As in TCP, closing with unread input resets, writing to an end that is closed brings a reset back, and a reset
//! destroys what the other end has not read yet.

use std::collections::VecDeque;

use underpass_core::{Ending, Fault};

/// One end of a connection: its connection's number, and whether it is the end that connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct EndOf {
    pub(super) connection: usize,
    pub(super) active: bool,
}

impl EndOf {
    pub(super) fn other(self) -> Self {
        Self { active: !self.active, ..self }
    }
}

/// Who is to look at an end, and when.
pub(super) type Wake = (u64, EndOf);

/// All connections.
#[derive(Debug, Default)]
pub(super) struct Network {
    connections: Vec<Connection>,
    /// Ends that have something to look at, for the caller to schedule.
    pub(super) wakes: Vec<Wake>,
}

#[derive(Debug)]
struct Connection {
    latency: u64,
    capacity: usize,
    /// By the end that reads: the passive one first.
    ways: [Way; 2],
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    segments: VecDeque<(u64, Vec<u8>)>,
    queued: usize,
    /// When the end of the stream is there.
    ended: Option<u64>,
    /// When a reset is there.
    reset: Option<u64>,
    /// The reading end is closed.
    closed: bool,
    written: u64,
}

impl Network {
    pub(super) fn connect(&mut self, latency: u64, capacity: usize) -> usize {
        self.connections.push(Connection { latency, capacity, ways: Default::default() });
        self.connections.len() - 1
    }

    /// One `recv` at this end, of one segment at most.
    pub(super) fn read(&mut self, end: EndOf, space: &mut [u8], now: u64) -> Result<usize, Fault> {
        let connection = &mut self.connections[end.connection];
        let latency = connection.latency;
        let way = &mut connection.ways[usize::from(end.active)];
        if way.reset.is_some_and(|at| at <= now) {
            return Err(std::io::ErrorKind::ConnectionReset.into());
        }
        match way.segments.front_mut() {
            Some((at, bytes)) if *at <= now => {
                let count = bytes.len().min(space.len());
                space[..count].copy_from_slice(&bytes[..count]);
                bytes.drain(..count);
                if bytes.is_empty() {
                    way.segments.pop_front();
                }
                way.queued -= count;
                self.wakes.push((now + latency, end.other()));
                Ok(count)
            }
            None if way.ended.is_some_and(|at| at <= now) => Ok(0),
            _ => Err(Fault::WOULD_BLOCK),
        }
    }

    /// Whether a read at this end would bring something, and whether that is a reset.
    pub(super) fn readable(&self, end: EndOf, now: u64) -> Option<Option<Fault>> {
        let way = &self.connections[end.connection].ways[usize::from(end.active)];
        let there = |at: u64| at <= now;
        match () {
            () if way.reset.is_some_and(there) => Some(Some(std::io::ErrorKind::ConnectionReset.into())),
            () if way.segments.front().is_some_and(|(at, _)| there(*at)) => Some(None),
            () if way.segments.is_empty() && way.ended.is_some_and(there) => Some(None),
            () => None,
        }
    }

    /// One vectored `send` of `limit` bytes at most.
    pub(super) fn write<'a>(
        &mut self,
        end: EndOf,
        slices: impl Iterator<Item = &'a [u8]>,
        limit: usize,
        now: u64,
    ) -> Result<usize, Fault> {
        let connection = &mut self.connections[end.connection];
        let (latency, capacity) = (connection.latency, connection.capacity);
        if connection.ways[usize::from(end.active)].reset.is_some_and(|at| at <= now) {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        let way = &mut connection.ways[usize::from(!end.active)];
        assert!(way.ended.is_none(), "bytes behind the end of a stream");
        let room = capacity.saturating_sub(way.queued).min(limit);
        let mut bytes = Vec::new();
        for slice in slices {
            let count = slice.len().min(room - bytes.len());
            bytes.extend_from_slice(&slice[..count]);
        }
        if bytes.is_empty() {
            return Err(Fault::WOULD_BLOCK);
        }
        let count = bytes.len();
        way.written += count as u64;
        let arrives = now + latency;
        if way.closed {
            // Nobody is there: a reset comes back.
            self.reset_at(end, arrives + latency);
        } else {
            way.queued += count;
            way.segments.push_back((arrives, bytes));
            self.wakes.push((arrives, end.other()));
        }
        Ok(count)
    }

    /// Bytes that can be written at this end.
    pub(super) fn room(&self, end: EndOf) -> usize {
        let connection = &self.connections[end.connection];
        connection.capacity.saturating_sub(connection.ways[usize::from(!end.active)].queued)
    }

    /// Bytes that were ever written at this end.
    pub(super) fn written(&self, end: EndOf) -> u64 {
        self.connections[end.connection].ways[usize::from(!end.active)].written
    }

    /// Whether the other end has all that was written at this one, and has read it: a reset destroys none of it.
    pub(super) fn has_acknowledged(&self, end: EndOf) -> bool {
        self.connections[end.connection].ways[usize::from(!end.active)].queued == 0
    }

    /// The write direction of this end is shut down.
    pub(super) fn shut_down(&mut self, end: EndOf, now: u64) {
        let connection = &mut self.connections[end.connection];
        let arrives = now + connection.latency;
        let way = &mut connection.ways[usize::from(!end.active)];
        if way.ended.is_none() {
            way.ended = Some(arrives);
            self.wakes.push((arrives, end.other()));
        }
    }

    /// This end is closed.
    pub(super) fn close(&mut self, end: EndOf, ending: Ending, now: u64) {
        let connection = &mut self.connections[end.connection];
        let latency = connection.latency;
        let way = &mut connection.ways[usize::from(end.active)];
        if way.closed {
            return;
        }
        way.closed = true;
        let unread = way.segments.front().is_some_and(|(at, _)| *at <= now);
        // What is still on its way will meet a closed end.
        let late = way.segments.back().map(|(at, _)| *at);
        way.segments.clear();
        way.queued = 0;
        if way.reset.is_some_and(|at| at <= now) {
            return;
        }
        if ending == Ending::Reset || unread {
            self.reset_at(end.other(), now + latency);
        } else {
            self.shut_down(end, now);
            if let Some(late) = late {
                self.reset_at(end.other(), late.max(now) + latency);
            }
        }
    }

    /// Whether a reset has come, or will come, to this end.
    pub(super) fn is_reset(&self, end: EndOf) -> bool {
        self.connections[end.connection].ways[usize::from(end.active)].reset.is_some()
    }

    /// A reset comes to `end` then; what it has not read by that time is lost.
    fn reset_at(&mut self, end: EndOf, at: u64) {
        let connection = &mut self.connections[end.connection];
        let way = &mut connection.ways[usize::from(end.active)];
        let at = way.reset.map_or(at, |earlier| earlier.min(at));
        way.reset = Some(at);
        // What was to come later doesn't come.
        way.segments.retain(|(arrives, _)| *arrives <= at);
        way.queued = way.segments.iter().map(|(_, bytes)| bytes.len()).sum();
        self.wakes.push((at, end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Network, EndOf) {
        let mut network = Network::default();
        let connection = network.connect(10, 4);
        (network, EndOf { connection, active: true })
    }

    fn read(network: &mut Network, end: EndOf, now: u64) -> Result<Vec<u8>, Fault> {
        let mut space = [0; 16];
        network.read(end, &mut space, now).map(|count| space[..count].to_vec())
    }

    #[test]
    fn bytes_take_their_time_and_room() {
        let (mut network, a) = pair();
        assert_eq!(network.write(a, [&b"abc"[..], b"def"].into_iter(), 99, 0), Ok(4));
        assert_eq!(network.write(a, [&b"g"[..]].into_iter(), 99, 1), Err(Fault::WOULD_BLOCK));
        assert_eq!(read(&mut network, a.other(), 9), Err(Fault::WOULD_BLOCK));
        assert_eq!(read(&mut network, a.other(), 10), Ok(b"abcd".to_vec()));
        network.shut_down(a, 11);
        assert_eq!(read(&mut network, a.other(), 20), Err(Fault::WOULD_BLOCK));
        assert_eq!(read(&mut network, a.other(), 21), Ok(vec![]));
    }

    #[test]
    fn closing_with_unread_input_resets() {
        let (mut network, a) = pair();
        assert_eq!(network.write(a, [&b"ab"[..]].into_iter(), 99, 0), Ok(2));
        assert_eq!(network.write(a.other(), [&b"tail"[..]].into_iter(), 99, 9), Ok(4));
        network.close(a.other(), Ending::Fin, 10);
        assert!(network.is_reset(a));
        assert_eq!(
            read(&mut network, a, 20).map_err(|fault| fault.kind),
            Err(std::io::ErrorKind::ConnectionReset)
        );
    }

    #[test]
    fn what_meets_a_closed_end_brings_a_reset_back() {
        let (mut network, a) = pair();
        network.close(a.other(), Ending::Fin, 0);
        assert_eq!(read(&mut network, a, 10), Ok(vec![]));
        assert_eq!(network.write(a, [&b"ab"[..]].into_iter(), 99, 11), Ok(2));
        assert_eq!(read(&mut network, a, 30), Ok(vec![]));
        assert!(read(&mut network, a, 31).is_err());
    }
}
