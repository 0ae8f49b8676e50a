//! Room for heads that are larger than an IO buffer (K6).

use super::*;

/// Receives all of it, in pieces of at most `most` bytes, as a head that isn't whole.
fn receive_head(inbox: &mut Inbox, mut bytes: &[u8], most: usize, limit: usize, buffers: &mut Buffers) {
    while !bytes.is_empty() {
        let space = inbox.space(buffers).expect("there is room");
        let count = space.len().min(most).min(bytes.len());
        space[..count].copy_from_slice(&bytes[..count]);
        inbox.received(count);
        inbox.make_room(limit, buffers);
        bytes = &bytes[count..];
    }
}

fn capacity(inbox: &Inbox) -> usize {
    inbox.block.as_ref().map_or(0, |block| block.len())
}

#[test]
fn a_head_has_room_up_to_its_limit() {
    let head: Vec<u8> = (0..=255).cycle().take(20_000).collect();
    for most in [1000, 4096, usize::MAX] {
        let (mut buffers, mut inbox) = (Buffers::new(4096), Inbox::default());
        receive_head(&mut inbox, &head, most, 20_000, &mut buffers);
        assert_eq!((inbox.raw(), capacity(&inbox)), (head.as_slice(), 20_000));
        assert!(!inbox.has_space() && inbox.space(&mut buffers).is_none(), "there is no more");
        assert!(inbox.is_sound());
    }
}

#[test]
fn room_doubles_when_it_is_full() {
    let (mut buffers, mut inbox) = (Buffers::new(4096), Inbox::default());
    let sizes: Vec<usize> = (1..=5)
        .map(|_| {
            receive_head(&mut inbox, &[b'x'; 2048], usize::MAX, 1 << 20, &mut buffers);
            capacity(&inbox)
        })
        .collect();
    assert_eq!(sizes, [4096, 8192, 8192, 16_384, 16_384]);
    let space = inbox.space(&mut buffers).expect("room").len();
    assert_eq!(space, 4096, "no more comes behind a head than an IO buffer holds");
}

#[test]
fn what_stands_behind_a_large_head_moves_into_an_io_buffer() {
    let (mut buffers, mut inbox) = (Buffers::new(4096), Inbox::default());
    receive_head(&mut inbox, &[&[b'h'; 6000][..], b"rest"].concat(), usize::MAX, 1 << 20, &mut buffers);
    inbox.take_head(6000, &mut buffers);
    assert_eq!((inbox.raw(), capacity(&inbox)), (b"rest".as_slice(), 4096));
    inbox.promote(2);
    assert_eq!((inbox.content(), inbox.raw()), (b"re".as_slice(), b"st".as_slice()));
    // Of an ordinary head nothing moves.
    let mut inbox = Inbox::default();
    receive_head(&mut inbox, b"headrest", usize::MAX, 1 << 20, &mut buffers);
    let received = inbox.raw().as_ptr() as usize;
    inbox.take_head(4, &mut buffers);
    assert_eq!((inbox.raw(), inbox.raw().as_ptr() as usize), (b"rest".as_slice(), received + 4));
}

#[test]
fn no_memory_moves_while_somebody_uses_it() {
    for (lent, offered) in [(true, false), (false, true)] {
        let (mut buffers, mut inbox) = (Buffers::new(4096), Inbox::default());
        let length = inbox.space(&mut buffers).expect("an empty buffer").len();
        inbox.received(length);
        (inbox.lent, inbox.offered) = (lent, offered);
        inbox.make_room(1 << 20, &mut buffers);
        assert_eq!(capacity(&inbox), 4096);
        (inbox.lent, inbox.offered) = (false, false);
        inbox.make_room(1 << 20, &mut buffers);
        assert_eq!(capacity(&inbox), 8192);
        (inbox.lent, inbox.offered) = (lent, offered);
        inbox.take_head(4000, &mut buffers);
        assert_eq!((capacity(&inbox), inbox.raw().len()), (8192, 96));
    }
}

#[test]
fn a_head_behind_others_moves_to_the_front_before_it_gets_more_room() {
    let (mut buffers, mut inbox) = (Buffers::new(4096), Inbox::default());
    receive_head(&mut inbox, &[b'x'; 4095], usize::MAX, 1 << 20, &mut buffers);
    inbox.take_head(4000, &mut buffers);
    receive_head(&mut inbox, b"y", 1, 1 << 20, &mut buffers);
    assert_eq!((capacity(&inbox), inbox.raw().len()), (4096, 96));
    assert_eq!(inbox.space(&mut buffers).map(|space| space.len()), Some(4000));
}

#[test]
fn content_in_front_of_a_head_stays_where_it_is() {
    let (mut buffers, mut inbox) = (Buffers::new(4096), Inbox::default());
    receive_head(&mut inbox, &[b'c'; 5000], usize::MAX, 1 << 20, &mut buffers);
    inbox.promote(1000);
    inbox.take_head(3000, &mut buffers);
    assert_eq!((capacity(&inbox), inbox.content().len(), inbox.raw().len()), (8192, 1000, 1000));
}
