//! Memory that all connections of a thread use in turn. None of it is a connection's between two calls: so one that idles has no
//! buffer.

use std::cell::RefCell;

/// The longest record (RFC 5246 §6.2.3), with which any record is opened where it was received.
const LONGEST_RECORD: usize = 18_437;

/// What is lent for one call.
pub(super) struct Lent {
    /// Encrypted bytes are received into it, and plaintext in pieces is put together in it.
    pub(super) receive: Box<[u8]>,
    /// What is to be sent is written to it. Empty between two calls.
    pub(super) send: Vec<u8>,
}

thread_local! {
    static LENT: RefCell<Lent> =
        RefCell::new(Lent { receive: vec![0; LONGEST_RECORD].into(), send: Vec::new() });
}

/// Lends the thread's memory. Who has it must not ask for it again.
pub(super) fn with_lent<T>(use_it: impl FnOnce(&mut Lent) -> T) -> T {
    LENT.with_borrow_mut(|lent| {
        let value = use_it(lent);
        lent.send.clear();
        value
    })
}

/// Lends memory to receive into.
pub(in super::super) fn with_received<T>(receive: impl FnOnce(&mut [u8]) -> T) -> T {
    with_lent(|lent| receive(&mut lent.receive))
}
