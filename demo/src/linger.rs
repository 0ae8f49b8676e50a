//! Closing a connection.

use std::io::{self, Read};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// Closing while the client still sends would destroy what was just sent to it, so what still comes is read
/// for a moment.
pub(super) fn linger(mut stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut dropped = [0; 4096];
    for _ in 0..256 {
        if stream.read(&mut dropped)? == 0 {
            break;
        }
    }
    Ok(())
}
