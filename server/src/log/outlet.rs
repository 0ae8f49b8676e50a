//! The descriptor that a log is written to. Nothing here waits for a reader.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
    net::SendFlags,
};
use underpass_core::Fault;
use underpass_nginx_config::Syslog;

use super::{
    opening::{Open, Opened, Readers, Standard, flags, open_for_appending},
    syslog::Client,
};

/// The most that a pipe takes as a whole or not at all (POSIX's `PIPE_BUF` on Linux), and without waiting once it
/// says that it is writable.
pub(super) const WHOLE: usize = 4096;

/// Where a log is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The standard error stream of the process.
    Stderr,
    /// A file, made when it does not exist. `/dev/stdout` and `/dev/stderr`, and links to them, mean the streams that
    /// the process was started with, even where these cannot be opened by name (a socket of the service manager).
    Path(PathBuf),
    /// A server that gets each line as a datagram.
    Syslog(Syslog),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stderr => f.write_str("stderr"),
            Self::Path(path) => write!(f, "\"{}\"", path.display()),
            Self::Syslog(syslog) => write!(f, "\"syslog:server={}\"", syslog.written),
        }
    }
}

/// What two descriptors of the same file have in common: device and inode.
pub(super) type Identity = (u64, u64);

/// Something that takes lines.
#[derive(Debug)]
pub(super) enum Outlet {
    Stream(Stream),
    Server(Box<Client>),
}

/// What has come of an attempt to write.
#[derive(Debug)]
pub(super) enum Attempt {
    /// So many bytes are written.
    Written(usize),
    /// It takes nothing now.
    Stuck,
    /// So many bytes can't be written.
    Failed(usize, io::Error),
}

impl Outlet {
    /// Opens a target.
    ///
    /// # Errors
    /// The text names the target, in nginx's words.
    pub(super) fn open(target: &Target, readers: Readers, opener: Option<&dyn Open>) -> io::Result<Self> {
        let opened = match target {
            Target::Stderr => Stream::standard(Standard::Error),
            Target::Path(path) => match Standard::meant_by(path) {
                Some(stream) => Stream::standard(stream),
                None => Stream::open(path, readers, opener),
            },
            Target::Syslog(syslog) => return Ok(Self::Server(Box::new(Client::new(syslog.clone())))),
        };
        opened.map(Self::Stream).map_err(|error| {
            let (kind, fault) = (error.kind(), Fault::from(error));
            io::Error::new(kind, format!("open() {target} failed ({fault})"))
        })
    }

    /// Writes some of `bytes`, which are whole lines but for what was written of the first one.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Attempt {
        let (skipped, result) = match self {
            Self::Stream(stream) => (bytes.len(), stream.write(bytes)),
            Self::Server(client) => client.send(bytes),
        };
        match result {
            Ok(count) => Attempt::Written(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Attempt::Written(0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Attempt::Stuck,
            Err(error) => {
                if let Self::Stream(stream) = self {
                    // What is left of the line is lost with the others.
                    stream.is_torn = stream.is_within_line;
                }
                Attempt::Failed(skipped, error)
            }
        }
    }

    /// What has become of lines that seemed to be written.
    pub(super) fn refusal(&mut self) -> Option<io::Error> {
        match self {
            Self::Stream(_) => None,
            Self::Server(client) => client.refusal(),
        }
    }

    /// How many lines there are in bytes that can't be written.
    pub(super) fn lines(&self, bytes: &[u8]) -> u64 {
        match self {
            Self::Stream(_) => memchr::memchr_iter(b'\n', bytes).count() as u64,
            Self::Server(_) => 1,
        }
    }

    /// How much at the front of `bytes` is the rest of a line that is partly written.
    pub(super) fn rest_of_line(&self, bytes: &[u8]) -> usize {
        match self {
            Self::Stream(stream) if stream.is_within_line => end_of_line(bytes),
            _ => 0,
        }
    }

    /// What it is a descriptor of; a server has none in common with another log.
    pub(super) fn identity(&self) -> Option<Identity> {
        match self {
            Self::Stream(stream) => Some(stream.identity),
            Self::Server(_) => None,
        }
    }

    /// What is writable once more can be written.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Stream(stream) => Some(stream.file.as_fd()),
            Self::Server(client) => client.descriptor(),
        }
    }
}

/// A file, a pipe, a terminal or a socket.
#[derive(Debug)]
pub(super) struct Stream {
    file: File,
    kind: Kind,
    identity: Identity,
    /// Whether the last byte that was written ends no line.
    is_within_line: bool,
    /// Whether what comes next doesn't go on with that line.
    is_torn: bool,
}

/// How it is written without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A regular file: it never waits for a reader. A device of no terminal is like one.
    File,
    /// A pipe or a terminal that this descriptor alone says `O_NONBLOCK` of.
    Own,
    /// The same, shared with processes that may not expect `O_NONBLOCK`.
    Shared,
    /// A socket.
    Socket,
}

impl Stream {
    fn open(path: &Path, readers: Readers, opener: Option<&dyn Open>) -> io::Result<Self> {
        let opened = opener.map_or(Ok(Opened::LeftToTheProcess), |opener| opener.open(path, readers))?;
        let file = match opened {
            Opened::File(file) => file,
            Opened::Standard(stream) => return Self::standard(stream),
            Opened::LeftToTheProcess => open_for_appending(path, readers, OFlags::empty())?,
        };
        Self::new(file, Kind::Own)
    }

    fn standard(stream: Standard) -> io::Result<Self> {
        match stream {
            Standard::Output => Self::inherited(io::stdout().as_fd()),
            Standard::Error => Self::inherited(io::stderr().as_fd()),
        }
    }

    /// A stream that the process was started with. Others may have it, too: its flags are theirs.
    fn inherited(stream: BorrowedFd<'_>) -> io::Result<Self> {
        let copy = Self::new(stream.try_clone_to_owned()?.into(), Kind::Shared)?;
        match copy.kind {
            Kind::Shared => match again(&copy.file) {
                Ok(own) => Self::new(own.into(), Kind::Own),
                // Another user's.
                Err(_) => Ok(copy),
            },
            _ => Ok(copy),
        }
    }

    /// `waiting`: what it is if it may wait for a reader.
    fn new(file: File, waiting: Kind) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let (identity, kind) = ((metadata.dev(), metadata.ino()), metadata.file_type());
        let kind = if kind.is_socket() {
            Kind::Socket
        } else if kind.is_fifo() || (kind.is_char_device() && rustix::termios::isatty(&file)) {
            waiting
        } else {
            Kind::File
        };
        Ok(Self { file, kind, identity, is_within_line: false, is_torn: false })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_torn {
            self.write_some(b"\n")?;
            (self.is_torn, self.is_within_line) = (false, false);
        }
        let piece = match self.kind {
            Kind::File | Kind::Socket => bytes,
            Kind::Own | Kind::Shared => piece(bytes),
        };
        let written = self.write_some(piece)?;
        if let Some(last) = piece.get(..written).and_then(<[u8]>::last) {
            self.is_within_line = *last != b'\n';
        }
        if written == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(written) }
    }

    fn write_some(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.kind {
            Kind::Socket => {
                Ok(rustix::net::send(&self.file, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?)
            }
            Kind::Shared if !is_writable(self.file.as_fd()) => Err(io::ErrorKind::WouldBlock.into()),
            Kind::File | Kind::Own | Kind::Shared => (&self.file).write(bytes),
        }
    }
}

/// Whole lines, as many as a pipe takes at once; of a line that is longer the beginning.
fn piece(bytes: &[u8]) -> &[u8] {
    let Some(whole) = bytes.get(..WHOLE) else { return bytes };
    match memchr::memrchr(b'\n', whole) {
        Some(end) => whole.get(..=end).unwrap_or(whole),
        None => whole,
    }
}

fn end_of_line(bytes: &[u8]) -> usize {
    memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1)
}

/// Opens what a descriptor stands for once more, for flags of our own.
#[cfg(target_os = "linux")]
fn again(file: &File) -> io::Result<OwnedFd> {
    use std::os::fd::AsRawFd as _;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = flags(OFlags::NONBLOCK | OFlags::NOCTTY);
    OpenOptions::new().write(true).custom_flags(flags).open(path).map(OwnedFd::from)
}

/// Elsewhere such a name stands for the same description.
#[cfg(not(target_os = "linux"))]
fn again(_file: &File) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether a write of [`WHOLE`] bytes doesn't wait, or fails at once.
pub(super) fn is_writable(descriptor: BorrowedFd<'_>) -> bool {
    is_writable_within(descriptor, 0)
}

/// The same before so many seconds are over.
pub(super) fn is_writable_within(descriptor: BorrowedFd<'_>, seconds: u8) -> bool {
    let mut asked = [PollFd::from_borrowed_fd(descriptor, PollFlags::OUT)];
    poll(&mut asked, Some(&Timespec { tv_sec: seconds.into(), tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// The outlet of a pipe, and its reader.
    fn pipe(kind: Kind) -> (Stream, io::PipeReader) {
        let (reader, writer) = io::pipe().expect("a pipe");
        let file = File::from(OwnedFd::from(writer));
        let file = if kind == Kind::Own { again(&file).expect("it is ours").into() } else { file };
        (Stream::new(file, kind).expect("a pipe"), reader)
    }

    #[test]
    fn a_pipe_that_nobody_reads_takes_what_it_can() {
        for kind in [Kind::Own, Kind::Shared] {
            let (mut stream, mut reader) = pipe(kind);
            let lines: Vec<u8> =
                (0..20_000).flat_map(|number| format!("{number:09}\n").into_bytes()).collect();
            let mut written = 0;
            let stuck = loop {
                match stream.write(&lines[written..]) {
                    Ok(count) => written += count,
                    Err(error) => break error,
                }
            };
            assert_eq!(stuck.kind(), io::ErrorKind::WouldBlock);
            assert!(written > WHOLE && written % 10 == 0 && !stream.is_within_line, "{written}: whole lines");
            let mut read = vec![0; written];
            reader.read_exact(&mut read).expect("what was written");
            assert_eq!(read, lines[..written]);
            assert!(stream.write(&lines[written..]).is_ok(), "there is room again");
        }
    }

    #[test]
    fn the_flags_of_an_inherited_stream_stay() {
        let (_reader, writer) = io::pipe().expect("a pipe");
        let stream = Stream::inherited(writer.as_fd()).expect("a pipe");
        assert_eq!(stream.kind, Kind::Own);
        let flags = |descriptor: BorrowedFd<'_>| rustix::fs::fcntl_getfl(descriptor).expect("a descriptor");
        assert!(flags(stream.file.as_fd()).contains(OFlags::NONBLOCK));
        assert!(!flags(writer.as_fd()).contains(OFlags::NONBLOCK));
    }

    #[test]
    fn a_torn_line_is_ended_before_the_next_one() {
        let (stream, mut reader) = pipe(Kind::Own);
        let mut outlet = Outlet::Stream(stream);
        let long = [vec![b'a'; 1 << 20], b"\n".to_vec()].concat();
        let mut written = 0;
        while let Attempt::Written(count) = outlet.write(&long[written..]) {
            written += count;
        }
        assert_eq!(outlet.rest_of_line(&long[written..]), long.len() - written);
        let Outlet::Stream(stream) = &mut outlet else { panic!("it is one") };
        // As if the rest had failed.
        stream.is_torn = true;
        let mut read = vec![0; written];
        reader.read_exact(&mut read).expect("what was written");
        assert!(matches!(outlet.write(b"b\n"), Attempt::Written(2)));
        let mut read = [0; 3];
        reader.read_exact(&mut read).expect("what was written");
        assert_eq!(&read, b"\nb\n");
    }

    #[test]
    fn a_named_pipe_can_be_opened_before_its_reader() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("a tool of all systems");
        assert!(made.success());
        let mut outlet =
            Outlet::open(&Target::Path(path.clone()), Readers::Usual, None).expect("it doesn't wait");
        assert!(matches!(outlet.write(b"line\n"), Attempt::Written(5)));
        let mut read = [0; 5];
        File::open(path).expect("the pipe").read_exact(&mut read).expect("what was written");
        assert_eq!(&read, b"line\n");
    }

    #[test]
    fn a_piece_is_whole_lines_where_that_is_possible() {
        let long = [b'a'; WHOLE + 1];
        assert_eq!(piece(b"a\nb\n"), b"a\nb\n");
        assert_eq!(piece(&long).len(), WHOLE);
        assert_eq!(piece(&[b"ab\n", &long[..]].concat()), b"ab\n");
    }
}
