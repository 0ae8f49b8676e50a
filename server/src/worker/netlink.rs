//! One question to Linux by netlink(7), and its one answer.

use std::io::{self, Read as _, Write as _};

use netlink_packet_core::{
    NLM_F_REQUEST, NetlinkDeserializable, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use socket2::{Domain, Socket, Type};

/// `AF_NETLINK`.
const DOMAIN: i32 = 16;

/// Asks the part of the kernel that has this `protocol`.
///
/// # Errors
/// Where the system has no such part, or no descriptor is left.
pub(super) fn ask<M>(protocol: i32, question: M) -> io::Result<NetlinkPayload<M>>
where
    M: NetlinkSerializable + NetlinkDeserializable + Into<NetlinkPayload<M>>,
{
    let mut message = NetlinkMessage::from(question);
    message.header.flags = NLM_F_REQUEST;
    message.finalize();
    let mut request = vec![0; message.buffer_len()];
    message.serialize(&mut request);
    let mut kernel = Socket::new(Domain::from(DOMAIN), Type::DGRAM.nonblocking(), Some(protocol.into()))?;
    kernel.write_all(&request)?;
    // The answer is there when the request has been written.
    let mut answer = [0; 4096];
    let length = kernel.read(&mut answer)?;
    Ok(NetlinkMessage::deserialize(&answer[..length]).map_err(io::Error::other)?.payload)
}
