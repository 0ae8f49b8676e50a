//! What a process and its keeper say to each other: lists of byte strings, and descriptors behind them.

use std::{
    io::{self, IoSlice, IoSliceMut, Read as _, Write as _},
    mem::MaybeUninit,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

/// A descriptor travels with this byte.
const WITH: [u8; 1] = *b"+";

/// Sends a list of words.
pub(super) fn send<W: AsRef<[u8]>>(mut stream: &UnixStream, words: &[W]) -> io::Result<()> {
    let length = |length: usize| u32::try_from(length).map(u32::to_be_bytes).map_err(io::Error::other);
    let mut bytes = length(words.len())?.to_vec();
    for word in words {
        bytes.extend_from_slice(&length(word.as_ref().len())?);
        bytes.extend_from_slice(word.as_ref());
    }
    stream.write_all(&bytes)
}

/// Receives a list of words that have at most `most` bytes together; absent at the end of the stream.
pub(super) fn receive(mut stream: &UnixStream, most: usize) -> io::Result<Option<Vec<Vec<u8>>>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let mut left = most;
    let mut words = Vec::new();
    for _ in 0..u32::from_be_bytes(length) {
        stream.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
        // An empty word takes some memory, too.
        left = left.checked_sub(length + length_of_a_word()).ok_or(io::ErrorKind::InvalidData)?;
        let mut word = vec![0; length];
        stream.read_exact(&mut word)?;
        words.push(word);
    }
    Ok(Some(words))
}

const fn length_of_a_word() -> usize {
    size_of::<Vec<u8>>()
}

/// Sends a descriptor.
pub(super) fn send_descriptor(stream: &UnixStream, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let descriptors = [descriptor];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    sendmsg(stream, &[IoSlice::new(&WITH)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives a descriptor.
pub(super) fn receive_descriptor(stream: &UnixStream) -> io::Result<OwnedFd> {
    let mut byte = [0; 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    loop {
        match recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            received => {
                received?;
                break;
            }
        }
    }
    let descriptors = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    descriptors.flatten().next().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn words_and_descriptors_come_as_they_went() {
        let (one, other) = UnixStream::pair().expect("two ends");
        let (kept, given) = UnixStream::pair().expect("two ends");
        send(&one, &[&b"word"[..], b"", b"\0"]).expect("somebody listens");
        send_descriptor(&one, given.as_fd()).expect("somebody listens");
        send(&one, &["next"]).expect("somebody listens");
        drop((one, given));
        assert_eq!(receive(&other, 100).expect("words").expect("some"), [&b"word"[..], b"", b"\0"]);
        let mut taken = UnixStream::from(receive_descriptor(&other).expect("a descriptor"));
        assert_eq!(receive(&other, 100).expect("words").expect("some"), [b"next"]);
        assert!(receive(&other, 100).expect("the end").is_none());
        receive_descriptor(&other).expect_err("the end");
        taken.write_all(b"!").expect("the other end lives");
        drop(taken);
        let mut said = String::new();
        { &kept }.read_to_string(&mut said).expect("text");
        assert_eq!(said, "!");
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let (one, other) = UnixStream::pair().expect("two ends");
        send(&one, &[[0; 101]]).expect("somebody listens");
        assert_eq!(receive(&other, 100).expect_err("too long").kind(), io::ErrorKind::InvalidData);
        let (one, other) = UnixStream::pair().expect("two ends");
        send(&one, &[b""; 100]).expect("somebody listens");
        assert_eq!(receive(&other, 100).expect_err("too many").kind(), io::ErrorKind::InvalidData);
    }
}
