//! What is done with one connection.

use std::{io, net::Shutdown, task::Poll, time::Duration};

use socket2::SockRef;
use tokio::net::TcpStream;
use underpass_core::{Ending, Fault};

/// What the session is told of an operation.
pub(crate) fn outcome(polled: Poll<io::Result<usize>>) -> Result<usize, Fault> {
    match polled {
        Poll::Ready(result) => result.map_err(Fault::from),
        Poll::Pending => Err(Fault::WOULD_BLOCK),
    }
}

/// Whether the operation did anything, if only fail.
pub(crate) fn progress(result: Result<usize, Fault>) -> bool {
    result != Err(Fault::WOULD_BLOCK)
}

/// Whether an idle connection is still good: neither closed nor sent anything by the other end.
pub(crate) fn is_quiet(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Ends what is sent.
pub(crate) fn shut_down(stream: &TcpStream) {
    // Refused only when the other end has reset the connection, which the next read reports.
    let _reset_already = SockRef::from(stream).shutdown(Shutdown::Write);
}

/// Ends the connection.
pub(crate) fn close(stream: TcpStream, ending: Ending) {
    if ending == Ending::Reset {
        // Refused only for a connection that is gone: then there is nothing to reset.
        let _gone_already = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
    drop(stream);
}
