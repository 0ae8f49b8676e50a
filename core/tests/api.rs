//! What embedders may rely on: public types can be shown, sent and shared.

use std::fmt::Debug;

use underpass_core::{
    Address, Admission, Buffers, Choice, Claim, ClientInfo, Connected, Dial, DialError, Disposal, Ended,
    Ending, Event, Fault, Lookup, Network, Note, Now, Outcome, Output, Pool, Pooled, Record, Refusal,
    Relayed, RequestHead, Session, Severity, Side, Snapshot, Tick, Timer, TunnelConfig, TunnelRecord, Turn,
    Verdict, Version, Wait, config, shared, template, violation,
};

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
}

#[test]
fn a_session_and_its_memory_move_between_threads() {
    sent::<Session>();
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
    copied::<Admission>();
    copied::<Connected>();
    copied::<DialError>();
    copied::<Disposal>();
    copied::<Ended>();
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
    copied::<TunnelRecord>();
    copied::<Verdict>();
    copied::<Version>();
    copied::<Wait>();
    shared::<Address>();
    shared::<ClientInfo>();
    shared::<Now>();
    shared::<Severity>();
    shared::<Snapshot>();
    shared::<TunnelConfig>();
    fn shown<T: Debug>() {}
    shown::<RequestHead<'_>>();
}
