//! A syslog server: each line is a datagram (RFC 3164), as nginx sends it.

use std::{
    io::{self, Write as _},
    os::fd::{AsFd as _, BorrowedFd},
};

use socket2::{SockAddr, Socket, Type};
use underpass_core::{Address, Severity};
use underpass_nginx_config::Syslog;

use crate::{Clock, Moment};

/// Bytes in front of a line that waits: its length, and its severity.
const FRAME: usize = 5;

/// A line's place among those that wait for the writer. It may hold line feeds: what ends it is its length.
pub(super) fn frame(severity: Option<Severity>, line: &[u8], into: &mut Vec<u8>) {
    let length = u32::try_from(line.len()).unwrap_or(u32::MAX);
    into.extend_from_slice(&length.to_le_bytes());
    into.push(severity.map_or(u8::MAX, number));
    into.extend_from_slice(line);
}

/// How many bytes [`frame`] adds.
pub(super) const fn framed(length: usize) -> usize {
    length + FRAME
}

/// RFC 3164 §4.1.1.
const fn number(severity: Severity) -> u8 {
    match severity {
        Severity::Emerg => 0,
        Severity::Alert => 1,
        Severity::Crit => 2,
        Severity::Error => 3,
        Severity::Warn => 4,
        Severity::Notice => 5,
        Severity::Info => 6,
        Severity::Debug => 7,
    }
}

/// Sends to one server. One that is away is tried again with each line.
#[derive(Debug)]
pub(super) struct Client {
    syslog: Syslog,
    socket: Option<Socket>,
    clock: Clock,
    datagram: Vec<u8>,
    /// What an earlier datagram has met, as the system says with the next one.
    refusal: Option<io::Error>,
}

impl Client {
    pub(super) fn new(syslog: Syslog) -> Self {
        Self { syslog, socket: None, clock: Clock::start(), datagram: Vec::new(), refusal: None }
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(Socket::as_fd)
    }

    /// Why an earlier datagram is lost: over UDP, where nobody answers, that is all that is heard of it.
    pub(super) fn refusal(&mut self) -> Option<io::Error> {
        self.refusal.take()
    }

    /// Sends the first of the lines that [`frame`] has put together. How many bytes that is, sent or not.
    pub(super) fn send(&mut self, lines: &[u8]) -> (usize, io::Result<usize>) {
        let Some((&[a, b, c, d, severity], rest)) = lines.split_first_chunk::<FRAME>() else {
            return (lines.len(), Ok(lines.len()));
        };
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let line = rest.get(..length).unwrap_or(rest);
        self.compose(severity, line, self.clock.now());
        let whole = FRAME + line.len();
        (whole, self.send_datagram().map(|()| whole))
    }

    fn compose(&mut self, severity: u8, line: &[u8], at: Moment) {
        let Self { syslog, datagram, .. } = self;
        let severity = if severity == u8::MAX { number(syslog.severity) } else { severity };
        datagram.clear();
        let written = match &syslog.hostname {
            Some(hostname) => write!(
                datagram,
                "<{}>{} {hostname} {}: ",
                syslog.facility * 8 + severity,
                at.syslog_time(),
                syslog.tag
            ),
            None => {
                write!(datagram, "<{}>{} {}: ", syslog.facility * 8 + severity, at.syslog_time(), syslog.tag)
            }
        };
        // A vector takes every write.
        let _always_taken = written;
        datagram.extend_from_slice(line);
    }

    fn send_datagram(&mut self) -> io::Result<()> {
        // The first failure may be an earlier datagram's (UDP), or that of a server that has come back since.
        let mut again = self.socket.is_some();
        loop {
            let socket = match self.socket.take() {
                Some(socket) => socket,
                None => connect(&self.syslog.server)?,
            };
            let sent = self.socket.insert(socket).send(&self.datagram).map(drop);
            match sent {
                Err(error)
                    if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
                {
                    self.socket = None;
                    if !std::mem::take(&mut again) {
                        return Err(error);
                    }
                    self.refusal = Some(error).filter(|_| matches!(self.syslog.server, Address::Ip(_)));
                }
                sent => return sent,
            }
        }
    }
}

fn connect(server: &Address) -> io::Result<Socket> {
    let address = match server {
        Address::Ip(address) => SockAddr::from(*address),
        Address::Unix(path) => SockAddr::unix(path)?,
    };
    let socket = Socket::new(address.domain(), Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, os::unix::net::UnixDatagram, time::Duration};

    use super::*;

    fn syslog(parameters: &str) -> Syslog {
        use underpass_nginx_config::{LoadOptions, LogTarget, load_text};
        let text = format!("error_log syslog:{parameters}; events {{ }} http {{ }}");
        let loaded = load_text("test.conf", text, &LoadOptions::default()).expect("a good configuration");
        match &loaded.main.error_logs[0].target {
            LogTarget::Syslog(syslog) => syslog.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn sends(client: &mut Client, severity: Option<Severity>, line: &[u8]) -> io::Result<()> {
        let mut framed = Vec::new();
        frame(severity, line, &mut framed);
        let length = framed.len();
        frame(None, b"another", &mut framed);
        let (taken, result) = client.send(&framed);
        assert_eq!(taken, length, "one line");
        result.map(drop)
    }

    #[test]
    fn a_line_has_the_header_of_rfc_3164() {
        let at = Moment { monotonic_ns: 0, unix_ms: 1_795_228_521_000, utc_offset_min: 0 };
        for (parameters, severity, expected) in [
            ("server=127.0.0.1", None, "<190>Nov 21 02:35:21 localhost nginx: line"),
            ("server=127.0.0.1,nohostname,tag=a_1", None, "<190>Nov 21 02:35:21 a_1: line"),
            (
                "server=127.0.0.1,nohostname,facility=kern",
                Some(Severity::Emerg),
                "<0>Nov 21 02:35:21 nginx: line",
            ),
            ("server=127.0.0.1,nohostname,severity=debug", None, "<191>Nov 21 02:35:21 nginx: line"),
            ("server=127.0.0.1,nohostname", Some(Severity::Error), "<187>Nov 21 02:35:21 nginx: line"),
        ] {
            let mut syslog = syslog(parameters);
            syslog.hostname = syslog.hostname.map(|_| "localhost".to_owned());
            let mut client = Client::new(syslog);
            client.compose(severity.map_or(u8::MAX, number), b"line", at);
            assert_eq!(String::from_utf8_lossy(&client.datagram), expected);
        }
    }

    /// Returns when the socket is closed everywhere: a process that another test starts has a copy of it between its fork and
    /// its exec.
    fn close(server: UnixDatagram, path: &std::path::Path) {
        let probe = UnixDatagram::unbound().expect("a socket");
        probe.connect(path).and_then(|()| probe.set_nonblocking(true)).expect("the server is there");
        drop(server);
        std::fs::remove_file(path).expect("a socket");
        while probe.send(b"").map_err(|error| error.kind()) != Err(io::ErrorKind::ConnectionRefused) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_server_that_comes_back_gets_lines_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let server = UnixDatagram::bind(&path).expect("a free path");
        let mut client = Client::new(syslog(&format!("server=unix:{},nohostname", path.display())));
        sends(&mut client, None, b"first").expect("it is there");
        close(server, &path);
        assert!(sends(&mut client, None, b"lost").is_err());
        let server = UnixDatagram::bind(&path).expect("a free path");
        sends(&mut client, None, b"again").expect("it is there");
        let mut datagram = [0; 100];
        let length = server.recv(&mut datagram).expect("the line");
        assert!(datagram[..length].ends_with(b" nginx: again"));
        // Connected to one that has gone and another one is there: nothing is lost.
        close(server, &path);
        let server = UnixDatagram::bind(&path).expect("a free path");
        sends(&mut client, None, b"another").expect("it is there");
        server.recv(&mut datagram).expect("the line");
    }

    #[test]
    fn a_server_that_reads_nothing_is_stuck() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let server = UnixDatagram::bind(&path).expect("a free path");
        let mut client = Client::new(syslog(&format!("server=unix:{}", path.display())));
        let stuck = (0..100_000).find_map(|_| sends(&mut client, None, &[b'a'; 1000]).err());
        assert_eq!(stuck.map(|error| error.kind()), Some(io::ErrorKind::WouldBlock));
        drop(server);
    }

    #[test]
    fn lines_go_over_udp() {
        let server = UdpSocket::bind("[::1]:0").expect("a free port");
        server.set_read_timeout(Some(Duration::from_secs(60))).expect("a time");
        let address = server.local_addr().expect("it is bound");
        let mut client = Client::new(syslog(&format!("server={address}")));
        sends(&mut client, None, b"with\na line feed").expect("it is there");
        let mut datagram = [0; 100];
        let length = server.recv(&mut datagram).expect("the line");
        assert!(datagram[..length].ends_with(b" nginx: with\na line feed"));
    }
}
