//! An inbox: where content stands, and what moves.

use super::*;

#[test]
fn content_stays_where_it_was_received() {
    let mut buffers = Buffers::new(4096);
    let mut inbox = Inbox::default();
    let space = inbox.space(&mut buffers).expect("an empty buffer");
    space[..6].copy_from_slice(b"abcdef");
    let lent = space.as_ptr();
    inbox.received(6);
    inbox.consume(2);
    inbox.promote(3);
    assert_eq!(inbox.content(), b"cde");
    assert_eq!(inbox.content().as_ptr() as usize, lent as usize + 2);
    assert_eq!(inbox.raw(), b"f");
    inbox.sent(3);
    inbox.settle(&mut buffers);
    assert!(inbox.holds_buffer(), "a raw byte is left");
    inbox.promote(1);
    inbox.sent(1);
    inbox.settle(&mut buffers);
    assert!(!inbox.holds_buffer());
}

#[test]
fn what_was_offered_stays_though_it_is_given_up() {
    let mut buffers = Buffers::new(4096);
    let mut inbox = Inbox::default();
    let space = inbox.space(&mut buffers).expect("an empty buffer");
    space[..3].copy_from_slice(b"abc");
    let length = space.len();
    inbox.received(length);
    inbox.promote(length);
    let offered = inbox.content().as_ptr();
    inbox.offer(true);
    inbox.discard();
    inbox.settle(&mut buffers);
    assert!(inbox.has_space());
    let fresh = inbox.space(&mut buffers).expect("another buffer").as_ptr();
    assert_ne!(fresh, offered);
    let kept = inbox.retired.as_deref().expect("it was offered");
    assert_eq!((kept.as_ptr(), &kept[..3]), (offered, b"abc".as_slice()));
    inbox.received(0);
    inbox.offer(false);
    assert!(inbox.retired.is_none());
}

fn holding(bytes: &[u8], buffers: &mut Buffers) -> Inbox {
    let mut inbox = Inbox::default();
    inbox.space(buffers).expect("an empty buffer")[..bytes.len()].copy_from_slice(bytes);
    inbox.received(bytes.len());
    inbox
}

#[test]
fn content_is_joined_over_what_is_not_forwarded() {
    let mut inbox = holding(b"ab--cde", &mut Buffers::new(4096));
    inbox.promote(2);
    inbox.consume(2);
    inbox.promote(1);
    assert_eq!((inbox.content(), inbox.raw()), (b"abc".as_slice(), b"de".as_slice()));
    inbox.promote(5);
    assert_eq!((inbox.content(), inbox.raw()), (b"abcde".as_slice(), b"".as_slice()));
    assert!(inbox.is_sound());
}

#[test]
fn raw_bytes_stay_where_they_are_while_something_before_them_is_on_its_way() {
    let mut buffers = Buffers::new(4096);
    let mut inbox = holding(&[b'x'; 4096], &mut buffers);
    inbox.promote(4000);
    inbox.offer(true);
    inbox.discard_content();
    assert!(inbox.space(&mut buffers).is_none());
    inbox.offer(false);
    assert_eq!(inbox.space(&mut buffers).map(|space| space.len()), Some(4000));
}

#[test]
fn positions_out_of_order_are_not_sound() {
    let mut inbox = holding(b"abcd", &mut Buffers::new(4096));
    for (kept, start, ready, raw, filled, sound) in [
        (1, 1, 2, 3, 4, true),
        (0, 1, 2, 3, 4, true),
        (2, 1, 2, 3, 4, false),
        (1, 3, 2, 3, 4, false),
        (1, 1, 4, 3, 4, false),
        (1, 1, 2, 5, 4, false),
        (1, 1, 2, 3, 4096, true),
        (1, 1, 2, 3, 4097, false),
    ] {
        inbox.at = Positions { kept, start, ready, raw, filled };
        assert_eq!(inbox.is_sound(), sound, "{:?}", inbox.at);
    }
}

#[test]
fn content_that_is_kept_is_sent_again_from_where_it_was_received() {
    let mut buffers = Buffers::new(4096);
    let mut inbox = holding(b"abcdef", &mut buffers);
    let received = inbox.raw().as_ptr();
    inbox.keep(true);
    inbox.promote(3);
    inbox.sent(2);
    assert_eq!((inbox.kept(), inbox.content()), (b"ab".as_slice(), b"c".as_slice()));
    inbox.promote(1);
    inbox.sent(2);
    inbox.settle(&mut buffers);
    inbox.rewind();
    assert_eq!((inbox.content(), inbox.content().as_ptr()), (b"abcd".as_slice(), received));
    assert_eq!(inbox.raw(), b"ef");
    inbox.sent(4);
    inbox.keep(false);
    inbox.rewind();
    assert_eq!(
        (inbox.kept(), inbox.content(), inbox.raw()),
        (b"".as_slice(), b"".as_slice(), b"ef".as_slice())
    );
    inbox.consume(2);
    inbox.settle(&mut buffers);
    assert!(!inbox.holds_buffer());
}

#[test]
fn content_that_is_kept_takes_its_room() {
    let mut buffers = Buffers::new(4096);
    let mut inbox = holding(&[b'x'; 4096], &mut buffers);
    inbox.keep(true);
    inbox.promote(4000);
    inbox.sent(4000);
    assert!(!inbox.has_space() && inbox.space(&mut buffers).is_none());
    inbox.keep(false);
    assert_eq!(inbox.space(&mut buffers).map(|space| space.len()), Some(4000));
}

#[test]
fn chunks_are_joined_behind_what_is_kept() {
    let mut inbox = holding(b"2\r\nab\r\n3\r\ncde\r\n", &mut Buffers::new(4096));
    inbox.keep(true);
    let mut decoder = ChunkedDecoder::default();
    assert_eq!(inbox.decode(&mut decoder), Ok(None));
    inbox.sent(4);
    inbox.received(0);
    assert_eq!((inbox.kept(), inbox.content()), (b"abcd".as_slice(), b"e".as_slice()));
    inbox.rewind();
    assert_eq!(inbox.content(), b"abcde");
    assert!(inbox.is_sound());
}

#[test]
fn the_outline_tells_a_loan_and_a_search() {
    let mut buffers = Buffers::new(4096);
    let mut inbox = holding(b"GET / HT", &mut buffers);
    let searched = inbox.parse(|raw, scan| {
        assert_eq!(crate::http1::head_end(raw, scan), None);
        *scan
    });
    assert_ne!(searched, Scan::NONE);
    assert_eq!(inbox.outline(), (false, searched));
    let _space = inbox.space(&mut buffers);
    assert_eq!(inbox.outline(), (true, searched));
}

#[test]
fn a_full_buffer_makes_room_only_when_nothing_is_offered() {
    let mut buffers = Buffers::new(4096);
    let mut inbox = Inbox::default();
    let length = inbox.space(&mut buffers).expect("an empty buffer").len();
    inbox.received(length);
    inbox.promote(4072);
    assert!(inbox.space(&mut buffers).is_none());
    assert!(!inbox.has_space());
    inbox.sent(4072);
    assert!(inbox.has_space());
    assert_eq!(inbox.space(&mut buffers).map(|space| space.len()), Some(4072));
    assert_eq!(inbox.raw().len(), 24);
    assert!(inbox.is_sound());
}
