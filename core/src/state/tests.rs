//! The tables against their checked-in matrices, and the diagrams against `docs/design/state.md`.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test -p underpass-core state` rewrites both.

use std::{fs, path::Path};

use super::{connection, exchange, message, phase, tunnel};

fn check(path: &Path, actual: &str) {
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(path, actual).expect("the snapshot can be written");
    }
    let expected = fs::read_to_string(path).expect("the snapshot is checked in");
    assert_eq!(actual, expected, "{} no longer agrees with its table", path.display());
}

#[test]
fn matrices() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/state/snapshots");
    check(&folder.join("phase.txt"), &phase::matrix());
    check(&folder.join("message.txt"), &message::matrix());
    check(&folder.join("connection.txt"), &connection::matrix());
    check(&folder.join("exchange.txt"), &exchange::matrix());
    check(&folder.join("tunnel.txt"), &tunnel::matrix());
}

#[test]
fn diagrams() {
    let machines = [
        ("Phase", "A session, from accept to close.", phase::diagram()),
        (
            "Exchange",
            "One request and its final response, or the tunnel that comes of it.",
            exchange::diagram(),
        ),
        ("Message", "Reading one message from one connection.", message::diagram()),
        ("Connection", "The life of one connection, either side.", connection::diagram()),
        ("Tunnel", "One direction of a tunnel.", tunnel::diagram()),
    ];
    let mut text = String::from(
        "# The state machines\n\nGenerated from the tables in `core/src/state/`; a test compares. \
         `UPDATE_SNAPSHOTS=1 cargo test -p underpass-core state` writes this file anew.\n",
    );
    for (name, sentence, diagram) in machines {
        text.push_str(&format!("\n## {name}\n\n{sentence}\n\n```mermaid\n{diagram}```\n"));
    }
    check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/design/state.md"), &text);
}

#[test]
fn an_illegal_event_changes_nothing() {
    let mut machine = tunnel::Machine::default();
    assert!(!machine.on(tunnel::Event::Delivered));
    assert_eq!(machine.state(), tunnel::State::Flowing);
    assert!(!machine.permits(tunnel::Event::Delivered));
    assert!(machine.on(tunnel::Event::SourceEnded));
    assert_eq!(machine.state(), tunnel::State::Ending);
}
