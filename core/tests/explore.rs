//! Every state that a session can reach under small alphabets, and what has to hold in each.
//!
//! `cargo test -p underpass-core --test explore -- --nocapture` prints a line for each alphabet: whether it has
//! closed, how many states and transitions, the depth, the seconds; and which rows of the tables none has taken.
//! With `UNDERPASS_EXPLORE_DEEP=1` five of the alphabets are larger: in all about a million states and seven
//! million transitions in five minutes of one processor, all closed. No state is cut off for its depth.

mod exploring;

use std::{fs, path::Path};

use underpass_core::Rows;

use exploring::{
    alphabets::{self, Exploration},
    web_sockets,
};

fn closes(exploration: &Exploration) {
    let explored = exploration.explored();
    // Said here, so that it is said by the test whose alphabet it is, whichever ran first.
    println!("explore: {} {explored}", exploration.name);
    assert!(explored.closed, "{} does not close", exploration.name);
}

#[test]
fn one_exchange_with_everything_that_can_happen_to_it() {
    closes(&alphabets::ONE_EXCHANGE);
}

#[test]
fn two_exchanges_on_one_connection() {
    closes(&alphabets::TWO_EXCHANGES);
}

#[test]
fn an_exchange_that_another_location_takes_over() {
    closes(&alphabets::TWO_LOCATIONS);
}

#[test]
fn a_tunnel_with_three_bytes_each_way() {
    closes(&alphabets::TUNNEL);
}

#[test]
fn a_tunnel_that_ends_with_either_end() {
    closes(&alphabets::STRICT_TUNNEL);
}

#[test]
fn a_tunnel_alone() {
    closes(&alphabets::TUNNEL_ALONE);
}

#[test]
fn a_tunnel_whose_peers_are_pinged() {
    closes(&web_sockets::PINGS);
}

#[test]
fn answers_to_pings_that_come_byte_by_byte() {
    closes(&web_sockets::ANSWERS_IN_PIECES);
}

#[test]
fn a_tunnel_that_says_close_at_its_age() {
    closes(&web_sockets::CLOSES);
}

#[test]
fn a_tunnel_that_drains_within_a_window() {
    closes(&web_sockets::WINDOWS);
}

#[test]
fn messages_that_are_too_long() {
    closes(&web_sockets::LIMITS);
}

#[test]
fn a_client_that_is_silent() {
    closes(&web_sockets::SILENCE);
}

#[test]
fn pings_of_the_other_end_s_own() {
    closes(&web_sockets::RELAYED_PINGS);
}

#[test]
fn violations_that_are_not_borne() {
    closes(&web_sockets::VIOLATIONS);
}

#[test]
fn request_content_of_a_stated_length() {
    closes(&alphabets::REQUEST_CONTENT);
}

#[test]
fn request_content_in_chunks() {
    closes(&alphabets::REQUEST_CHUNKS);
}

#[test]
fn response_content_however_it_is_framed() {
    closes(&alphabets::RESPONSE_CONTENT);
}

#[test]
fn an_upgrade_that_has_content() {
    closes(&alphabets::UPGRADE_CONTENT);
}

#[test]
fn another_peer_is_asked() {
    closes(&alphabets::NEXT_PEER);
}

#[test]
fn reads_and_writes_of_a_connection_before_that_come_back_late() {
    closes(&alphabets::LATE_REPORTS);
}

#[test]
fn connections_that_are_used_again() {
    closes(&alphabets::POOL);
}

#[test]
fn errands_that_take_their_time() {
    closes(&alphabets::ERRANDS);
}

#[test]
fn connects() {
    closes(&alphabets::CONNECTS);
}

#[test]
fn a_proxy_in_front() {
    closes(&alphabets::GREETING);
}

#[test]
fn heads_that_come_in_pieces() {
    closes(&alphabets::PIECES);
}

/// Each row of each table, with the explorations that take it; the checked-in list says which are expected to.
/// `UPDATE_SNAPSHOTS=1 cargo test -p underpass-core --test explore every_row` writes it anew.
#[test]
fn every_row_of_every_table_is_taken() {
    let takes = |row: &String| {
        let takers = alphabets::ALL.iter().filter(|one| one.explored().rows.names().contains(row));
        takers.map(|one| one.name).collect::<Vec<_>>()
    };
    let rows = Rows::all().names();
    let list: String = rows.iter().map(|row| format!("{row}: {}\n", takes(row).join(" "))).collect();
    let never: Vec<_> = rows.iter().filter(|row| takes(row).is_empty()).collect();
    println!("explore: rows={} never-taken={never:?}", rows.len());
    assert!(never.is_empty(), "no exploration takes {never:#?}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exploring/rows.txt");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &list).expect("the list can be written");
    }
    let expected = fs::read_to_string(&path).expect("the list is checked in");
    assert_eq!(list, expected, "other explorations take these rows than rows.txt says");
}
