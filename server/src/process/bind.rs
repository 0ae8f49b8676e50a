//! One listening socket: how it is bound, its options, and the file that it is found by.

use std::{
    fs, io,
    os::fd::OwnedFd,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use socket2::{SockRef, Socket, TcpKeepalive};
use underpass_core::{Address, Fault};
use underpass_nginx_config::{KeepAliveProbes, ListenOptions};

use crate::listen::{BACKLOG, Listening, open};

/// A socket that is bound and doesn't listen yet, and the file that it is found by, if it is found by one.
pub(crate) fn bind(address: &Address, dual_stack: bool) -> io::Result<(Listening, Option<SocketFile>)> {
    match address {
        Address::Ip(address) => {
            let socket = open(*address, dual_stack)?;
            socket.set_reuse_port(true)?;
            socket.bind(&(*address).into())?;
            Ok((Listening::Tcp(socket.into()), None))
        }
        Address::Unix(path) => {
            remove_stale(path)?;
            let socket = Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
            socket.bind(&socket2::SockAddr::unix(path)?)?;
            let file = SocketFile::new(path)?;
            Ok((Listening::Unix(socket.into()), Some(file)))
        }
    }
}

impl From<Listening> for OwnedFd {
    fn from(socket: Listening) -> Self {
        match socket {
            Listening::Tcp(socket) => socket.into(),
            Listening::Unix(socket) => socket.into(),
        }
    }
}

impl Listening {
    /// Sets these options; what the system refuses is told, and the rest is set all the same. It is told once
    /// for all sockets of the address.
    pub(super) fn configure(&self, options: &ListenOptions, address: &Address, failures: &mut Vec<String>) {
        let socket = self.as_socket();
        let mut note = |what: &str, done: io::Result<()>| {
            if let Err(error) = done {
                let fault = Fault::from(error);
                let failure = format!("setsockopt({what}) {address} failed, ignored ({fault})");
                if !failures.contains(&failure) {
                    failures.push(failure);
                }
            }
        };
        if let Some(size) = options.receive_buffer {
            note(&format!("SO_RCVBUF, {size}"), socket.set_recv_buffer_size(saturated(size)));
        }
        if let Some(size) = options.send_buffer {
            note(&format!("SO_SNDBUF, {size}"), socket.set_send_buffer_size(saturated(size)));
        }
        if matches!(self, Self::Unix(_)) {
            return;
        }
        match options.keepalive {
            None => {}
            Some(KeepAliveProbes::Off) => note("SO_KEEPALIVE, 0", socket.set_keepalive(false)),
            Some(KeepAliveProbes::On { idle, interval, count }) => {
                note("SO_KEEPALIVE, 1", socket.set_keepalive(true));
                // Each by itself: one that is refused leaves the others.
                let probes = TcpKeepalive::new;
                if let Some(idle) = idle {
                    let set = socket.set_tcp_keepalive(&probes().with_time(idle));
                    note(&format!("TCP_KEEPIDLE, {}", idle.as_secs()), set);
                }
                if let Some(interval) = interval {
                    let set = socket.set_tcp_keepalive(&probes().with_interval(interval));
                    note(&format!("TCP_KEEPINTVL, {}", interval.as_secs()), set);
                }
                if let Some(count) = count {
                    note(
                        &format!("TCP_KEEPCNT, {count}"),
                        socket.set_tcp_keepalive(&probes().with_retries(count)),
                    );
                }
            }
        }
    }

    /// Listens; on a socket that listens already, the length of the queue changes.
    pub(super) fn listen(&self, options: &ListenOptions) -> io::Result<()> {
        let backlog = options.backlog.map_or(BACKLOG, |backlog| i32::try_from(backlog).unwrap_or(i32::MAX));
        self.as_socket().listen(backlog)
    }

    fn as_socket(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(socket) => SockRef::from(socket),
            Self::Unix(socket) => SockRef::from(socket),
        }
    }
}

fn saturated(size: u32) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

/// The file by which a Unix domain socket is found. It goes with the socket, unless it has been replaced.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    /// As in nginx, whoever reaches the file may connect.
    fn new(path: &Path) -> io::Result<Self> {
        fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            crate::log::complain(&format!("cannot remove \"{}\": {error}", self.path.display()));
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// A process that was killed leaves its socket's file behind. Where somebody answers, it is in use, and what
/// is no socket is nothing of ours.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket
        && let Err(error) = UnixStream::connect(path)
        && error.kind() == io::ErrorKind::ConnectionRefused
    {
        fs::remove_file(path)?;
    }
    Ok(())
}
