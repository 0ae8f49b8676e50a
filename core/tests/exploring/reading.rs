//! What both sides of a run have said and got, as a reader sees it that shares nothing with the session.

use underpass_testkit::strict::{Request, Response, read_request, read_response};

/// Requests in a row.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// Each with where it ends; the last may be cut.
    pub(crate) all: Vec<(Request, usize)>,
    /// Where what was read ends.
    pub(crate) end: usize,
}

/// Reads requests from `front` on to the end, or to what is none.
pub(crate) fn requests(bytes: &[u8], front: usize) -> (Requests, Result<(), String>) {
    let mut read = Requests { all: Vec::new(), end: front };
    loop {
        match read_request(&bytes[read.end..]) {
            Ok(Some(request)) => {
                let whole = request.whole;
                read.end = whole.map_or(bytes.len(), |length| read.end + length);
                read.all.push((request, read.end));
                if whole.is_none() {
                    return (read, Ok(()));
                }
            }
            Ok(None) => return (read, Ok(())),
            Err(fault) => {
                // What is wrong may be its content, and only from somewhere on.
                let sound =
                    (read.end..bytes.len()).rev().find_map(|end| read_request(&bytes[read.end..end]).ok()?);
                read.all.extend(sound.map(|request| (request, bytes.len())));
                return (read, Err(fault.to_string()));
            }
        }
    }
}

impl Requests {
    pub(crate) fn method(&self, number: usize) -> &str {
        self.all.get(number).map_or("GET", |(request, _)| &request.method)
    }

    pub(crate) fn line(&self, number: usize) -> Option<String> {
        self.all.get(number).map(|(request, _)| request.line())
    }

    /// Bytes of content.
    pub(crate) fn content(&self) -> usize {
        self.all.iter().map(|(request, _)| request.content.len()).sum()
    }
}

/// Responses in a row.
#[derive(Debug, Default)]
pub(crate) struct Responses {
    /// The final ones.
    pub(crate) finals: Vec<Response>,
    /// How many interim ones.
    pub(crate) interims: usize,
    /// Where the tunnel begins behind the last of them.
    pub(crate) tunnel: Option<usize>,
    /// Where what was read ends.
    pub(crate) end: usize,
}

/// Reads the responses to `asked`, to the end, to a tunnel, or to what is none.
pub(crate) fn responses(bytes: &[u8], asked: &Requests) -> (Responses, Result<(), String>) {
    let mut read = Responses::default();
    loop {
        let method = asked.method(read.finals.len());
        match read_response(&bytes[read.end..], method) {
            Ok(Some(response)) => {
                let (start, whole) = (read.end, response.whole);
                read.end = whole.map_or(bytes.len(), |length| read.end + length);
                let opens = response.status == 101 || (method == "CONNECT" && response.status < 300);
                if response.is_interim() {
                    read.interims += 1;
                    continue;
                }
                read.finals.push(response);
                if opens {
                    let behind_head = |window: &[u8]| window == b"\r\n\r\n";
                    read.tunnel = bytes[start..].windows(4).position(behind_head).map(|at| start + at + 4);
                }
                if opens || whole.is_none() {
                    return (read, Ok(()));
                }
            }
            Ok(None) => return (read, Ok(())),
            Err(fault) => {
                let read_to = |end: usize| read_response(&bytes[read.end..end], method).ok()?;
                let sound = (read.end..bytes.len()).rev().find_map(read_to);
                read.finals.extend(sound.filter(|response| !response.is_interim()));
                return (read, Err(fault.to_string()));
            }
        }
    }
}

impl Responses {
    /// Bytes of content.
    pub(crate) fn content(&self) -> usize {
        self.finals.iter().map(|response| response.content.len()).sum()
    }
}

/// The values of a field.
pub(crate) fn values<'l>(lines: &'l [(String, Vec<u8>)], name: &str) -> Vec<&'l [u8]> {
    lines.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_slice()).collect()
}
