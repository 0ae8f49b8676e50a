//! What embedders may rely on: public types can be shown, sent and shared.

use std::{fmt::Debug, sync::Arc};

use underpass_core::{
    Address, Admission, Buffers, Choice, Claim, ClientInfo, Connected, Dial, DialError, Disposal, EndedBy,
    Ending, Event, Fault, Lookup, Network, Note, Now, Outcome, Output, Pool, Pooled, Record, Refusal,
    Relayed, RequestHead, Session, Severity, Side, Snapshot, Tick, Timer, Tunnel, TunnelOutput, TunnelReport,
    TunnelSettings, TunnelSnapshot, Turn, Verdict, Version, Wait, config, shared, template, violation,
    websocket::{
        CloseCode, ControlFrame, DataRun, FrameHeader, FrameScanner, FrameViolation, Mask, Opcode,
        PayloadTooLong, handshake,
    },
};
use underpass_testkit::session_world::World;

fn sent<T: Debug + Send>() {}

fn shared<T: Debug + Send + Sync>() {}

#[test]
fn what_several_workers_share_is_send_and_sync() {
    shared::<config::Config>();
    shared::<config::ConfigBuilder>();
    shared::<config::Location>();
    shared::<config::Proxy>();
    shared::<config::TunnelPass>();
    shared::<config::Settings>();
    shared::<config::Server>();
    shared::<config::ServerTable>();
    shared::<config::Script>();
    shared::<Box<dyn config::Router>>();
    shared::<config::Route>();
    shared::<shared::Upstreams>();
    shared::<shared::Group>();
    shared::<shared::Peer>();
    shared::<shared::Lease>();
    shared::<shared::LimitConn>();
    shared::<shared::LimitReq>();
    shared::<Box<dyn shared::Peers>>();
    shared::<Box<dyn shared::ChosenPeer>>();
    shared::<shared::Permit>();
    shared::<shared::DrainGate>();
    shared::<shared::Pass>();
    shared::<shared::Swap<config::Config>>();
    shared::<shared::Reader<config::Config>>();
    shared::<template::Template>();
    shared::<template::Mapping>();
    shared::<template::Regex>();
    shared::<template::Captures>();
    shared::<Box<dyn template::Pattern>>();
    shared::<violation::Violation>();
    shared::<FrameScanner>();
    shared::<ControlFrame>();
}

#[test]
fn a_session_and_its_memory_move_between_threads() {
    sent::<Session>();
    sent::<Tunnel>();
    sent::<TunnelOutput>();
    sent::<Record>();
    sent::<Buffers>();
    sent::<Pool<u8>>();
    sent::<Pooled<u8>>();
    sent::<Output>();
    sent::<Turn<'_>>();
    sent::<Lookup>();
    sent::<Claim>();
    sent::<Dial>();
    sent::<Choice>();
}

#[test]
fn plain_values_are_plain() {
    fn copied<T: Copy + Eq + std::hash::Hash + Debug + Send + Sync>() {}
    copied::<handshake::Agreed<'_>>();
    copied::<handshake::AnswerViolation>();
    copied::<handshake::OfferViolation>();
    copied::<handshake::RequestViolation>();
    copied::<CloseCode>();
    copied::<DataRun>();
    copied::<FrameHeader>();
    copied::<FrameViolation>();
    copied::<Mask>();
    copied::<Opcode>();
    copied::<PayloadTooLong>();
    copied::<Admission>();
    copied::<Connected>();
    copied::<DialError>();
    copied::<Disposal>();
    copied::<EndedBy>();
    copied::<Ending>();
    copied::<Event>();
    copied::<Fault>();
    copied::<Network>();
    copied::<Note>();
    copied::<Outcome>();
    copied::<Refusal>();
    copied::<Relayed>();
    copied::<Side>();
    copied::<Tick>();
    copied::<Timer>();
    copied::<TunnelReport>();
    copied::<Verdict>();
    copied::<violation::Culprit>();
    copied::<Version>();
    copied::<Wait>();
    shared::<Address>();
    shared::<ClientInfo>();
    shared::<Now>();
    shared::<Severity>();
    shared::<Snapshot>();
    shared::<TunnelSettings>();
    shared::<TunnelSnapshot>();
    fn shown<T: Debug>() {}
    shown::<RequestHead<'_>>();
}

/// Answers with what it sees of a request.
#[derive(Debug)]
struct Mirror;

impl config::Router for Mirror {
    fn route(&self, head: &RequestHead<'_>) -> config::Route {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let lines: Vec<_> = head.field("x-line").map(text).collect();
        let [method, target, path] = [head.method(), head.target(), head.path()].map(text);
        let [query, host] = [head.query(), head.host()].map(text);
        let seen = format!("{method} {target} {path} {query} {host} {:?} {lines:?}", head.version());
        let answer = config::Return::new(200, Some(template::Template::literal(&seen)));
        config::Route::Location(Arc::new(config::Location::new(config::Handler::Return(answer))))
    }
}

/// The content that the client got last.
fn content(world: &World) -> String {
    let text = String::from_utf8_lossy(world.client.received()).into_owned();
    text.rsplit_once("\r\n\r\n").map(|(_, content)| content.to_owned()).unwrap_or_default()
}

#[test]
fn a_router_of_one_s_own_sees_the_whole_head() {
    let config = config::Config::new(Arc::new(Mirror), Arc::new(shared::Upstreams::new(Vec::new())));
    let mut world = World::new(Arc::new(config));
    world.client_sends("PUT /a/%2e./b?c=d HTTP/1.1\r\nHost: A.example:81\r\nX-Line: 1\r\nx-line: 2\r\n\r\n");
    assert_eq!(content(&world), "PUT /a/%2e./b?c=d /b c=d a.example Http11 [\"1\", \"2\"]");
    world.client_sends("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(content(&world), "GET / /   Http10 []");
}

#[test]
fn a_configuration_is_built_in_code() {
    let place: std::net::SocketAddr = "127.0.0.1:9000".parse().expect("an address");
    let config = config::Config::builder()
        .forward("/chat/", shared::Group::single("chat", place.into()), |proxy| {
            proxy.method = Some(template::Template::literal("PUT"));
        })
        .answer("/health", 200, "fine")
        .settings(|settings| settings.max_headers = 2)
        .build();
    let mut world = World::new(Arc::new(config));
    world.client_sends("GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(content(&world), "fine");
    world.client_sends("GET /chat/x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(world.origin().received().starts_with(b"PUT /chat/x HTTP/1.1\r\nHost: chat\r\n"));
    world.origin_sends("HTTP/1.1 204 No Content\r\n\r\n");
    world.client_sends("GET /else HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n");
    assert_eq!(world.exchanges.last().map(|exchange| exchange.status), Some(404));
    world.client_sends("GET /health HTTP/1.1\r\nHost: a\r\nA: b\r\nC: d\r\n\r\n");
    assert_eq!(world.exchanges.last().map(|exchange| exchange.status), Some(431), "limits hold everywhere");
}

#[test]
fn errors_are_said_in_words() {
    let refused =
        config::SetHeader::new("no token", template::Template::literal("")).expect_err("a space in it");
    assert!(refused.to_string().starts_with("a field name consists of letters, digits"));
}
