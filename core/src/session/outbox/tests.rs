//! An outbox: what is written, sent and kept.

use super::*;

/// Sends everything in pieces of `step` bytes.
fn send(outbox: &mut Outbox, inbox: &mut Inbox, complete: bool, step: usize) -> Vec<u8> {
    let mut buffers = Buffers::new(1024);
    let mut wire = Vec::new();
    loop {
        outbox.settle(inbox, complete, &mut buffers);
        let bytes: Vec<u8> = outbox.slices(inbox).iter().flat_map(|slice| slice.to_vec()).collect();
        let count = step.min(bytes.len());
        if count == 0 {
            assert!(outbox.is_done(inbox, complete));
            return wire;
        }
        wire.extend_from_slice(&bytes[..count]);
        outbox.sent(count, inbox);
    }
}

#[test]
fn the_same_bytes_in_every_cut() {
    for step in 1..60 {
        let mut buffers = Buffers::new(1024);
        let mut inbox = Inbox::default();
        inbox.space(&mut buffers).expect("space")[..17].copy_from_slice(b"0123456789abcdefg");
        inbox.received(17);
        inbox.promote(17);
        let mut outbox = Outbox::default();
        outbox.write(&mut buffers, |out| out.extend_from_slice(b"HEAD "));
        outbox.write(&mut buffers, |out| out.extend_from_slice(b"x "));
        outbox.begin_content(Coding::Chunked, &mut buffers);
        let wire = send(&mut outbox, &mut inbox, true, step);
        assert_eq!(wire, b"HEAD x 11\r\n0123456789abcdefg\r\n0\r\n\r\n");
    }
}

#[test]
fn nothing_is_a_last_chunk_alone() {
    let mut buffers = Buffers::new(1024);
    let mut outbox = Outbox::default();
    outbox.begin_content(Coding::Chunked, &mut buffers);
    assert_eq!(send(&mut outbox, &mut Inbox::default(), true, 2), b"0\r\n\r\n");
    let mut cut = Outbox::default();
    cut.begin_content(Coding::Chunked, &mut buffers);
    assert_eq!(send(&mut cut, &mut Inbox::default(), false, 2), b"", "a cut message gets no last chunk");
}

#[test]
fn what_was_offered_stays_until_its_report() {
    let (mut buffers, inbox) = (Buffers::new(1024), Inbox::default());
    let mut outbox = Outbox::default();
    outbox.write(&mut buffers, |out| out.extend_from_slice(b"offered"));
    outbox.offer(true);
    outbox.discard();
    assert!(outbox.retired.is_some() && outbox.slices(&inbox).is_empty());
    outbox.discard();
    assert!(outbox.retired.is_some(), "nothing came after it, and the write still goes on");
    outbox.write(&mut buffers, |out| out.extend_from_slice(b"instead"));
    outbox.offer(false);
    assert!(outbox.retired.is_none());
    assert_eq!(&*outbox.slices(&inbox)[0], b"instead");
}

#[test]
fn what_was_not_offered_is_dropped_and_its_memory_kept() {
    let mut buffers = Buffers::new(1024);
    let mut outbox = Outbox::default();
    outbox.write(&mut buffers, |out| out.extend_from_slice(b"in vain"));
    outbox.discard();
    assert!(outbox.retired.is_none() && outbox.around.is_some());
    assert!(outbox.slices(&Inbox::default()).is_empty());
}

#[test]
fn memory_goes_back_when_all_is_sent_and_nothing_offered() {
    let mut buffers = Buffers::new(1024);
    let mut inbox = Inbox::default();
    let mut outbox = Outbox::default();
    outbox.write(&mut buffers, |out| out.extend_from_slice(b"head"));
    outbox.settle(&inbox, false, &mut buffers);
    assert!(outbox.around.is_some(), "it is not sent");
    outbox.sent(4, &mut inbox);
    outbox.offer(true);
    outbox.settle(&inbox, false, &mut buffers);
    assert!(outbox.around.is_some(), "a write may use it");
    outbox.offer(false);
    outbox.settle(&inbox, false, &mut buffers);
    assert!(outbox.around.is_none());
}

#[test]
fn more_than_was_offered_was_not_sent() {
    // A shell that counts wrongly loses no content: what stands in no chunk was never shown to it.
    let mut buffers = Buffers::new(1024);
    let mut inbox = Inbox::default();
    inbox.space(&mut buffers).expect("space")[..3].copy_from_slice(b"abc");
    inbox.received(3);
    let mut outbox = Outbox::default();
    outbox.write(&mut buffers, |out| out.extend_from_slice(b"head"));
    outbox.begin_content(Coding::Chunked, &mut buffers);
    outbox.settle(&inbox, false, &mut buffers);
    inbox.promote(3);
    assert_eq!(outbox.slices(&inbox).total(), 4);
    assert_eq!((outbox.sent(7, &mut inbox), inbox.content()), (0, b"abc".as_slice()));
}

#[test]
fn an_outline_tells_what_slices_don_t_show() {
    let mut buffers = Buffers::new(1024);
    let mut inbox = Inbox::default();
    inbox.space(&mut buffers).expect("space")[..3].copy_from_slice(b"abc");
    inbox.received(3);
    inbox.promote(3);
    let mut outbox = Outbox::default();
    assert_eq!(outbox.outline(), Outline::default());
    outbox.begin_content(Coding::Chunked, &mut buffers);
    outbox.trailers().expect("chunks have them").extend_from_slice(b"X: y\r\n");
    outbox.settle(&inbox, true, &mut buffers);
    outbox.sent(4, &mut inbox);
    outbox.write(&mut buffers, |out| out.extend_from_slice(b"first"));
    outbox.sent(1, &mut inbox);
    outbox.write(&mut buffers, |out| out.extend_from_slice(b"later"));
    let trailers = b"X: y\r\n".to_vec();
    let outline = outbox.outline();
    assert_eq!((outline.trailers, outline.coding, outline.ended), (trailers, Coding::Chunked, false));
    assert_eq!((outline.later, outline.chunk_left), (b"later".to_vec(), Some(2)));
}
