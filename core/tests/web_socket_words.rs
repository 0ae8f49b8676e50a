//! What people read of a WebSocket: why a handshake is refused, why frames are, what a Close says.

use std::collections::BTreeSet;

use underpass_core::{
    EndedHow, NoUpgrade, Side, TunnelEvent,
    websocket::{
        CloseCode, FrameScanner, FrameViolation, Next, PayloadTooLong,
        handshake::{AnswerViolation, OfferViolation, RequestViolation},
    },
};

/// Each is a sentence without a full stop, and no other says the same.
fn are_sentences(sentences: &[String]) {
    let distinct: BTreeSet<_> = sentences.iter().collect();
    assert_eq!(distinct.len(), sentences.len(), "{sentences:?}");
    for sentence in sentences {
        assert!(sentence.contains(' ') && !sentence.ends_with('.'), "{sentence:?}");
    }
}

#[test]
fn each_refusal_of_a_handshake_says_why_and_by_which_clause() {
    let answers: Vec<String> = AnswerViolation::ALL.iter().map(|one| one.sentence().to_owned()).collect();
    are_sentences(&answers);
    for one in AnswerViolation::ALL {
        let section = match one {
            AnswerViolation::SeveralUpgrades => "RFC 6455 §4.2.2",
            AnswerViolation::SeveralSubprotocols => "RFC 6455 §11.3.4",
            _ => "RFC 6455 §4.1",
        };
        assert_eq!(one.section(), section, "{one:?}");
        assert_eq!(one.to_string(), format!("{} ({section})", one.sentence()));
    }
    let offers =
        [OfferViolation::Method, OfferViolation::OtherVersion, OfferViolation::Version, OfferViolation::Key];
    let requests = [
        RequestViolation::Http10,
        RequestViolation::Host,
        RequestViolation::Upgrade,
        RequestViolation::Connection,
    ];
    let offers = offers.map(|one| one.to_string());
    let requests = requests.map(|one| one.to_string());
    let all = [offers.to_vec(), requests.to_vec()].concat();
    are_sentences(&all);
    assert!(all.iter().all(|sentence| sentence.contains("(RFC ")), "{all:?}");
    assert_eq!(RequestViolation::Offer(OfferViolation::Key).to_string(), offers[3]);
}

#[test]
fn each_violation_of_framing_says_what_it_is() {
    let all: Vec<String> = FrameViolation::ALL.iter().map(ToString::to_string).collect();
    are_sentences(&all);
}

#[test]
fn closes_and_their_bounds_are_told_in_numbers() {
    assert_eq!(CloseCode::SERVICE_RESTART.to_string(), "1012");
    assert!(PayloadTooLong.to_string().contains("125 bytes"));
}

/// Whoever logs a frame or a scanner logs no content.
#[test]
fn no_content_is_shown() {
    let pong = b"\x8a\x05Hello";
    let mut scanner = FrameScanner::new(Side::Upstream);
    let Ok(Next::Frame(frame)) = scanner.next(pong) else { panic!("a frame") };
    let payload = frame.pong_payload().expect("it is whole");
    let shown = format!("{frame:?} {payload:?}");
    assert!(shown.contains("Pong") && shown.contains("left: 5"), "{shown}");
    for hidden in ["Hello", "72, 101", "48, 65"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
    assert_eq!((payload.len(), payload.size_hint()), (5, (5, Some(5))));
    let mut rest = payload;
    assert_eq!((rest.next(), rest.size_hint()), (Some(b'H'), (4, Some(4))));
    assert_eq!(frame.take(), 7);
}

#[test]
fn a_pong_is_told_when_it_is_whole_and_a_close_by_its_code() {
    let mut scanner = FrameScanner::new(Side::Upstream);
    let Ok(Next::Frame(part)) = scanner.next(b"\x8a\x05Hell") else { panic!("a frame") };
    assert!(part.pong_payload().is_none());
    let Ok(Next::Frame(ping)) = scanner.next(b"\x89\x02\x03\xe8") else { panic!("a frame") };
    assert!(ping.pong_payload().is_none() && ping.close_code().is_none());
    for (bytes, code) in
        [(&b"\x88\x00"[..], None), (b"\x88\x01\x03", None), (b"\x88\x02\x03\xe8", Some(1000))]
    {
        let Ok(Next::Frame(close)) = scanner.next(bytes) else { panic!("a frame") };
        assert_eq!(close.close_code(), code);
    }
    // What stands behind a Close without a code is no part of it.
    let Ok(Next::Frame(close)) = scanner.next(b"\x88\x00\x03\xe8") else { panic!("a frame") };
    assert_eq!(close.close_code(), None);
}

#[test]
fn a_scanner_shows_how_far_it_has_come() {
    let mut scanner = FrameScanner::new(Side::Upstream);
    assert!(!scanner.is_in_message() && !scanner.is_closed());
    assert_eq!(scanner.take_data(b"\x01\x0aHello", None).taken, 7);
    assert!(scanner.is_in_message() && !scanner.is_closed() && !scanner.is_at_boundary());
    let shown = format!("{scanner:?}");
    assert!(shown.contains("left: 5") && shown.contains("message_length: 10"), "{shown}");
    scanner.skip(5);
    assert!(scanner.is_in_message() && scanner.is_at_boundary());
    assert_eq!(scanner.take_data(b"\x80\x00", None).messages, 1);
    assert!(!scanner.is_in_message() && !scanner.is_closed());
}

/// The words of the log of tunnels, and why an upgrade was none.
#[test]
fn what_became_of_a_tunnel_is_a_word() {
    let how = [EndedHow::Close, EndedHow::Fin, EndedHow::Reset, EndedHow::Cut, EndedHow::Timeout];
    assert_eq!(how.map(|one| one.to_string()), ["close", "fin", "reset", "cut", "timeout"]);
    let events = [TunnelEvent::Open, TunnelEvent::Progress, TunnelEvent::Close];
    assert_eq!(events.map(|one| one.to_string()), ["open", "progress", "close"]);
    let reasons = [
        NoUpgrade::Http10,
        NoUpgrade::NoOption,
        NoUpgrade::NoProtocol,
        NoUpgrade::ContentGone,
        NoUpgrade::Http10Upstream,
        NoUpgrade::NotPermitted,
        NoUpgrade::NotSet,
        NoUpgrade::Refused,
    ];
    let reasons = reasons.map(|one| one.to_string());
    are_sentences(&reasons);
    assert!(reasons.iter().all(|reason| reason.contains("(rule A")), "{reasons:?}");
}
