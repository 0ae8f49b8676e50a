use super::*;

const SIZE: usize = Buffers::MIN_SIZE;

fn buffers() -> Buffers {
    Buffers::new(SIZE)
}

/// What has come at byte number `at`.
fn byte(at: usize) -> u8 {
    u8::try_from(at % 251).expect("it is small")
}

/// So many bytes have come, of which so many may pass and so many have been sent.
fn filled(buffers: &mut Buffers, [came, passed, sent]: [usize; 3]) -> Held {
    let mut held = Held::default();
    receive(&mut held, buffers, 0, came);
    held.pass(passed);
    assert_eq!(held.sent(sent), sent);
    held
}

fn receive(held: &mut Held, buffers: &mut Buffers, before: usize, count: usize) {
    let space = held.space(buffers).expect("there is space");
    space.iter_mut().take(count).enumerate().for_each(|(at, slot)| *slot = byte(before + at));
    assert_eq!(held.received(count), count);
}

fn bytes(range: std::ops::Range<usize>) -> Vec<u8> {
    range.map(byte).collect()
}

#[test]
fn what_has_come_is_sent_from_where_it_was_read_to() {
    let buffers = &mut buffers();
    let mut held = filled(buffers, [100, 60, 10]);
    assert_eq!((held.bytes(), held.unseen()), (&*bytes(10..60), &*bytes(60..100)));
    assert!(held.waits() && !held.is_empty() && held.has_space());
    held.pass_all();
    assert_eq!((held.sent(1000), held.is_empty(), held.waits()), (90, true, false), "no more than there is");
    held.settle(buffers);
    assert_eq!(held.outline(), [false; 3], "the buffer has gone back");
    assert_eq!(buffers.block().get(..100), Some(&*bytes(0..100)), "it is the worker's again");
}

#[test]
fn no_more_is_counted_than_there_is() {
    let buffers = &mut buffers();
    let mut held = filled(buffers, [SIZE - 10, 0, 0]);
    let space = held.space(buffers).expect("there is space");
    assert_eq!(space.len(), 10);
    space.copy_from_slice(&bytes(SIZE - 10..SIZE));
    assert_eq!(held.received(1000), 10, "there was no space for more");
    held.pass(20);
    assert_eq!(held.sent(15), 15);
    held.pass(usize::MAX);
    assert_eq!((held.bytes().len(), held.unseen()), (SIZE - 15, b"".as_slice()));
    assert_eq!(held.sent(SIZE - 20), SIZE - 20);
    held.drop_received(3);
    assert_eq!(held.bytes(), bytes(SIZE - 5..SIZE - 3), "the last were not wanted");
    held.drop_received(1000);
    assert!(held.is_empty() && held.is_sound(), "and no more than there were");
}

#[test]
fn what_is_cut_out_is_no_more_than_is_unseen() {
    let buffers = &mut buffers();
    let mut held = filled(buffers, [100, 60, 50]);
    held.cut_out(30);
    assert_eq!(
        (held.bytes(), held.unseen()),
        (&*bytes(50..60), &*bytes(90..100)),
        "what is behind closes up"
    );
    held.cut_out(1000);
    assert_eq!((held.bytes(), held.unseen()), (&*bytes(50..60), b"".as_slice()));
    assert!(held.is_sound());
}

#[test]
fn what_is_swallowed_is_not_sent() {
    let buffers = &mut buffers();
    let mut held = filled(buffers, [100, 10, 10]);
    held.swallow(20);
    assert_eq!((held.bytes(), held.unseen()), (b"".as_slice(), &*bytes(30..100)));
}

/// The most that the beginning of a frame may be moved by (see [`MOST_MOVED`]).
const MOST: usize = MOST_MOVED as usize;

#[test]
fn the_beginning_of_a_frame_at_the_end_of_a_full_buffer_makes_room_for_its_rest() {
    let buffers = &mut buffers();
    for left in [1, 14, MOST] {
        let mut held = filled(buffers, [SIZE, SIZE - left, SIZE - left]);
        assert!(held.has_space());
        let space = held.space(buffers).expect("room for the rest").len();
        assert_eq!((space, held.unseen()), (SIZE - left, &*bytes(SIZE - left..SIZE)));
        assert_eq!(held.received(space), space);
        assert_eq!(held.unseen().len(), SIZE);
        assert!(held.is_sound());
    }
}

#[test]
fn but_not_more_than_a_few_bytes_and_not_what_the_shell_has_in_its_hands() {
    let buffers = &mut buffers();
    let stays = |mut held: Held, buffers: &mut Buffers| {
        let (before, there) = (held.unseen().to_vec(), held.unseen().as_ptr());
        assert!(!held.has_space());
        assert!(held.space(buffers).is_none());
        assert_eq!((held.unseen(), held.unseen().as_ptr()), (&*before, there), "nothing has moved");
    };
    let end = SIZE - MOST;
    stays(filled(buffers, [SIZE, end - 1, end - 1]), buffers);
    // A few bytes still wait to be sent.
    stays(filled(buffers, [SIZE, SIZE - 5, SIZE - 10]), buffers);
    // Some may be on their way, although they were given up.
    let mut held = filled(buffers, [SIZE, end, end - 1]);
    held.discard_seen();
    assert_eq!((held.bytes(), held.unseen()), (b"".as_slice(), &*bytes(end..SIZE)));
    assert_eq!(held.outline(), [true, false, true]);
    stays(held.clone(), buffers);
    held.reported();
    assert!(held.has_space() && held.space(buffers).is_some(), "they are on their way no more");
    // Somebody else reads into it.
    let block = || Some(vec![0; SIZE].into_boxed_slice());
    let positions = [end, SIZE].map(|at| u32::try_from(at).expect("it is small"));
    stays(Held::new(block(), positions, true), buffers);
    assert!(Held::new(block(), positions, false).space(buffers).is_some());
    // It is full of that frame's beginning.
    let few = || Some(vec![0; MOST].into_boxed_slice());
    stays(Held::new(few(), [0, MOST_MOVED], false), buffers);
    // The buffer isn't full: what comes has a place behind it.
    let mut held = filled(buffers, [SIZE - 1, SIZE - 2, SIZE - 2]);
    let there = held.unseen().as_ptr();
    assert!(held.space(buffers).is_some_and(|space| space.len() == 1));
    assert_eq!(held.unseen().as_ptr(), there);
}

#[test]
fn a_full_buffer_of_what_was_given_up_makes_place_where_it_may_be_on_its_way() {
    let buffers = &mut buffers();
    let mut held = filled(buffers, [SIZE, SIZE, 0]);
    held.discard();
    assert!(held.is_empty() && held.has_space());
    let there = held.clone().into_parts().0.map(|block| block.len());
    assert_eq!(there, Some(SIZE));
    held.settle(buffers);
    assert_eq!(held.outline(), [true, false, true], "it isn't lent again before it was reported");
    assert_eq!(held.retire().map(|block| block.len()), Some(SIZE));
    assert_eq!(held.outline(), [false; 3]);
    assert!(held.space(buffers).is_some_and(|space| space.len() == SIZE), "another one takes its place");
}

#[test]
fn no_other_buffer_makes_place() {
    let buffers = &mut buffers();
    let keeps = |held: &mut Held, why: &str| {
        let before = held.outline();
        assert!(held.retire().is_none(), "{why}");
        assert_eq!(held.outline(), before, "{why}");
    };
    keeps(&mut Held::default(), "there is none");
    let mut held = filled(buffers, [100, 100, 0]);
    held.discard();
    keeps(&mut held, "it has space");
    keeps(&mut filled(buffers, [SIZE, SIZE, 10]), "it is wanted");
    keeps(&mut filled(buffers, [SIZE, SIZE, SIZE]), "nothing of it is on its way: it just goes back");
    let mut held = filled(buffers, [SIZE, SIZE - 1, 0]);
    held.discard_seen();
    keeps(&mut held, "its last byte is wanted");
    let block = Some(vec![0; SIZE].into_boxed_slice());
    let mut held = Held::new(block, [0, SIZE as u32], true);
    held.pass_all();
    held.discard();
    keeps(&mut held, "somebody reads into it");
}

#[test]
fn memory_that_somebody_uses_does_not_go_back() {
    let buffers = &mut buffers();
    let mut held = Held::default();
    let _space = held.space(buffers);
    held.settle(buffers);
    assert_eq!(held.outline(), [true, true, false], "somebody reads into it");
    assert_eq!(held.received(0), 0);
    held.settle(buffers);
    assert_eq!(held.outline(), [false; 3]);
    let mut held = filled(buffers, [10, 0, 0]);
    held.settle(buffers);
    assert_eq!(held.outline(), [true, false, false], "there is something in it");
    held.discard();
    assert_eq!(held.outline(), [true, false, false], "nothing of it was offered");
    let mut held = filled(buffers, [10, 10, 0]);
    held.discard();
    held.settle(buffers);
    assert_eq!(held.outline(), [true, false, true], "it may be on its way");
    // Whoever ends everything takes it all the same.
    held.recycle(buffers);
    assert_eq!(held.outline(), [false; 3]);
    assert_eq!(buffers.block().get(..10), Some(&*bytes(0..10)));
}

#[test]
fn what_is_handed_on_says_who_uses_it() {
    let buffers = &mut buffers();
    let mut held = filled(buffers, [10, 4, 2]);
    let _space = held.space(buffers);
    let (block, end, lent, offered) = held.into_parts();
    assert_eq!((block.map(|block| block.len()), end, lent, offered), (Some(SIZE), 10, true, true));
    let (block, end, lent, offered) = filled(buffers, [10, 4, 4]).into_parts();
    assert_eq!((block.map(|block| block.len()), end, lent, offered), (Some(SIZE), 10, false, false));
    let (block, end, lent, offered) = Held::default().into_parts();
    assert_eq!((block, end, lent, offered), (None, 0, false, false));
}

#[test]
fn positions_out_of_order_are_noticed() {
    let block = || Some(vec![0; 10].into_boxed_slice());
    let held = |start, passed, end| Held { block: block(), start, passed, end, lent: false, offered: false };
    assert!(held(2, 3, 10).is_sound());
    for (start, passed, end) in [(4, 3, 10), (2, 9, 8), (2, 3, 11)] {
        assert!(!held(start, passed, end).is_sound(), "{start} {passed} {end}");
    }
}

#[test]
fn bytes_are_shown_before_they_are_reported_where_space_was_handed_out() {
    let buffers = &mut buffers();
    let mut held = filled(buffers, [10, 10, 0]);
    assert_eq!(held.arriving(5), None, "nobody reads");
    held.space(buffers).expect("there is space")[..5].copy_from_slice(b"bytes");
    assert_eq!(held.arriving(5), Some(b"bytes".as_slice()));
    assert_eq!(held.arriving(usize::MAX).map(<[u8]>::len), Some(SIZE - 10), "no more than there is space");
}
