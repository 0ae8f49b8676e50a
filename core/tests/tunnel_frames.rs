//! A tunnel that puts frames of its own among those of two peers (G10).

use proptest::{prelude::*, sample::select};
use underpass_testkit::tunnel_frames::{Happening, Part, Play, check};

fn part() -> impl Strategy<Value = Part> {
    let length = prop_oneof![5 => 0..30_u32, 2 => 100..300_u32, 1 => 60_000..70_000_u32];
    let control = prop_oneof![3 => Just(None), 1 => any::<bool>().prop_map(Some)];
    (length, any::<bool>(), control).prop_map(|(length, last, control)| Part { length, last, control })
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        8 => (any::<bool>(), 1..400_u16).prop_map(|(client, count)| Happening::Sends(client, count)),
        1 => (any::<bool>(), select(vec![1_u16, 5_000, 60_000])).prop_map(|(client, count)| Happening::Sends(client, count)),
        3 => (any::<bool>(), 1..600_u16).prop_map(|(client, count)| Happening::Window(client, count)),
        4 => (any::<bool>(), 0..2_u8).prop_map(|(client, back)| Happening::Answers(client, back)),
        4 => (1..4_000_u16).prop_map(Happening::Passes),
        1 => prop_oneof![Just(Happening::Drains), any::<bool>().prop_map(Happening::Ends)],
    ]
}

/// What may stand at the end.
fn ending() -> impl Strategy<Value = Option<Happening>> {
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(Happening::Drains)),
        1 => any::<bool>().prop_map(|client| Some(Happening::Ends(client))),
    ]
}

fn play() -> impl Strategy<Value = Play> {
    let stream = || prop::collection::vec(part(), 0..12);
    let happenings = (prop::collection::vec(happening(), 0..60), ending());
    let shell = (any::<bool>(), prop::option::weighted(0.3, any::<u64>()));
    (prop::array::uniform4(100..5_000_u16), any::<[bool; 5]>(), [stream(), stream()], happenings, shell)
        .prop_map(|(spans, has, streams, (mut happenings, ending), (splices, late))| {
            happenings.extend(ending);
            Play { spans, has, streams, happenings, splices, late }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_peer_gets_what_the_other_sent_and_frames_of_ours_between(play in play()) {
        check(&play);
    }
}
