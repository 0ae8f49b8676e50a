//! The hard part of a reverse proxy for WebSockets, without the sockets.
//!
//! A client asks an HTTP/1.1 connection to become something else (`Upgrade`), the origin server agrees
//! (`101`), and from then on two byte streams are relayed until both are over or a timer says so. This
//! crate is that gateway as a pure state machine: every decision (what a byte means, which field lines are
//! rewritten, when a tunnel opens, which timer runs, who may still send) is taken by a [`Session`] that does
//! no IO, reads no clock, spawns nothing and holds no lock. A *shell* moves bytes between sockets and the
//! session; it can be a page of blocking `std::net` (`examples/blocking.rs`) or a reactor of any runtime.
//!
//! ```text
//!            reports                                    outputs
//!   socket ──────────▶ handle_received  ┌─────────┐
//!   socket ──────────▶ handle_sent      │         │ ──▶ Resolve  Admit  Connect
//!   dialler ─────────▶ handle_connected │ Session │ ──▶ Judge  Release  Shutdown  Close
//!   resolver ────────▶ handle_resolved  │         │ ──▶ Note  ExchangeDone
//!   clock ───────────▶ handle_timeout   └─────────┘ ──▶ Wait { deadline, interest }   Done
//!                        receive_space ──▶ memory ──▶ transmit
//! ```
//!
//! # The contract
//!
//! 1. Poll with [`Session::poll_output`] until it says [`Output::Wait`] or [`Output::Done`]. `Wait` is the
//!    only carrier of a deadline and of read and write interest, so that a shell can't sleep without having
//!    obeyed what came before. Polled again without a report between, it says the same.
//! 2. Try IO before sleeping, and report every result, "would block" included: unused memory then goes back.
//! 3. Bytes are reported as sent when no layer of the shell's own holds them.
//! 4. A connection has a name, a [`Leg`]: the client's is [`Leg::CLIENT`], and each [`Dial`] brings one for the
//!    connection to an origin server. Requests for memory and reports carry it, and [`Output::Release`] says which
//!    connection it is about. What is reported of a connection before the present one is ignored, but for its memory.
//! 5. What [`Session::receive_space`] and [`Session::transmit`] name neither moves nor changes, and is lent to nobody
//!    else, until its report, also when the connection has been released or closed meanwhile. Content received on one
//!    side is sent on the other from the same memory.
//! 6. [`Lookup`], [`Claim`] and [`Dial`] are one-shot: the answer consumes the token, and an answer that
//!    comes too late is recognised by its token and ignored. [`Output::Release`] while a dial is pending
//!    cancels it. The peer that a dial goes to is reported before anything is sent there
//!    ([`Session::handle_chosen`], which trades the [`Choice`] for its lease): of a dial that is cancelled the
//!    session knows whom it tried.
//! 7. A report about a connection that the session has closed meanwhile changes nothing; a call of
//!    [`Session::handle_timeout`] too early neither.
//! 8. Nothing that comes from the network makes a session panic.
//!
//! # Reads and writes that complete
//!
//! A loop in which the system reads and writes by itself and says so later (`io_uring`) gets memory when it begins
//! one, and has it until it completes:
//!
//! - It keeps the [`Leg`] with each operation. At [`Output::Release`] it cancels what is under way on that connection;
//!   at [`Output::Shutdown`] no write is under way that the session still counts on.
//! - A cancelled operation is reported as any other one, with whatever it came to, whenever that is: after the next
//!   connection was made, or in a later exchange. It brings back the memory, and nothing else: neither are its bytes
//!   taken for the present connection's, nor does what was sent of an earlier request count for this one.
//! - Until then the connection that has come since isn't given memory for the same direction: [`Wait`] doesn't ask for
//!   it, [`Session::receive_space`] says `None`, and [`Session::transmit`] is empty. So a report that is never made makes
//!   the exchange time out. A CONNECT is dialled when nothing is under way on an earlier connection. A tunnel has
//!   its two connections from its beginning to its end: a [`Tunnel`] names them by their [`Side`].
//! - The memory is the session's: a loop that hands its address to the system keeps the session, after [`Output::Done`]
//!   too, until everything has come back, and only then calls [`Session::recycle`]. A loop without `unsafe` has
//!   memory of its own, and copies into [`Session::receive_space`] when a read completes; where there is no space
//!   at that moment, it keeps what it has read until [`Wait`] asks for it.
//! - "Would block" is what a read that was cancelled for being asked reports: where [`Wait`] says that bytes are wanted
//!   and something was reported since the read began, the session may wait to hear that there are none.
//!
//! A loop that tries what is ready has none of this: its reads and writes end before it polls again.
//!
//! # A whole upgrade
//!
//! The shell below has no sockets: it plays the client and the origin server itself.
//!
//! ```
//! use std::sync::Arc;
//! use underpass_core::{
//!     Address, Buffers, ClientInfo, Connected, Leg, Now, Output, Session, Side, Tick, Turn,
//!     Verdict, config::Config,
//! };
//!
//! fn receive(session: &mut Session, from: Side, bytes: &[u8], turn: &mut Turn<'_>) {
//!     let space = session.receive_space(session.connection(from), turn).expect("bytes are wanted");
//!     space[..bytes.len()].copy_from_slice(bytes);
//!     session.handle_received(session.connection(from), Ok(bytes.len()), turn);
//! }
//!
//! fn send(session: &mut Session, to: Side, turn: &mut Turn<'_>) -> String {
//!     let slices = session.transmit(session.connection(to));
//!     let bytes = slices.iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>();
//!     session.handle_sent(session.connection(to), Ok(bytes.len()), turn);
//!     String::from_utf8(bytes).expect("ASCII")
//! }
//!
//! let peer: std::net::SocketAddr = "127.0.0.1:9000".parse()?;
//! let config = Arc::new(Config::proxy_to(Address::Ip(peer), "backend"));
//! let (remote, local) = (Address::Ip("192.0.2.1:40000".parse()?), Address::Ip("192.0.2.2:80".parse()?));
//! let client = ClientInfo::new(remote, local, 1, [7; 16]);
//! let now = Now { tick: Tick(0), unix_ms: 784_111_777_000, utc_offset_min: 0 };
//! let mut buffers = Buffers::default();
//! let turn = &mut Turn { now, buffers: &mut buffers };
//! let mut session = Session::new(Arc::clone(&config), client, now);
//!
//! // The client asks.
//! assert!(matches!(session.poll_output(), Output::Wait(wait) if wait.reads(Side::Downstream)));
//! receive(&mut session, Side::Downstream, b"GET /chat/ HTTP/1.1\r\nHost: example.com\r\n\
//!     Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
//!     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", turn);
//!
//! // The session wants an origin server; an upgrade never goes on a pooled connection.
//! let Output::Connect(dial) = session.poll_output() else { panic!("a dial is due") };
//! assert!(!dial.may_reuse());
//! let choice = session.choose(&dial, now.tick).expect("a peer");
//! let lease = session.handle_chosen(&dial, choice, turn);
//! assert_eq!(lease.address(), &Address::Ip(peer));
//! session.handle_connected(dial, Ok(Connected::Fresh), turn);
//! assert!(matches!(session.poll_output(), Output::Wait(wait) if wait.writes(Side::Upstream)));
//! assert_eq!(send(&mut session, Side::Upstream, turn), "GET /chat/ HTTP/1.1\r\nUpgrade: websocket\r\n\
//!     Connection: Upgrade\r\nHost: backend\r\nSec-WebSocket-Version: 13\r\n\
//!     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nVia: 1.1 underpass\r\n\r\n");
//!
//! // It agrees, and its first bytes come right behind the head.
//! receive(&mut session, Side::Upstream, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
//!     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x02hi", turn);
//! assert!(matches!(session.poll_output(), Output::Note(note) if note.event.to_string() == "tunnel opened"));
//! assert!(matches!(session.poll_output(), Output::Judge(Verdict::Success)));
//! assert!(session.snapshot(now.tick).is_tunnel());
//! let to_client = session.transmit(Leg::CLIENT);
//! let client_got = to_client.iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>();
//! assert!(client_got.starts_with(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"));
//! assert!(client_got.ends_with(b"Connection: Upgrade\r\n\r\n\x81\x02hi"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is where
//!
//! [`config`] is the typed configuration, built in code or, by the crate `underpass-nginx-config`, from a
//! file in nginx's syntax. [`template`] has variables and `map`. [`shared`] is what several workers share.
//! [`websocket`] judges opening handshakes and finds frames, without a session.
//! [`violation`] is the table of everything that is refused, with the clause it rests on. The state machines
//! are tables too; their diagrams stand in `docs/design/state.md` of the repository, the rules that the comments
//! cite (`A5`, `C2`) in `docs/design/behaviour.md`.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable, clippy::string_slice)
)]

mod address;
mod buffer;
mod client;
pub mod config;
mod draining;
mod fault;
mod http1;
mod ids;
mod intervals;
mod pool;
pub mod proxy_protocol;
mod rate;
mod record;
mod rewrite;
mod session;
pub mod shared;
mod state;
pub mod template;
mod time;
mod timer;
mod tls;
mod tunnel;
mod verdict;
pub mod violation;
mod wait;
pub mod websocket;

pub use address::{Address, Network, Side};
pub use buffer::{Buffers, Turn};
pub use client::ClientInfo;
pub use draining::Draining;
pub use fault::Fault;
pub use http1::Version;
pub use intervals::Networks;
pub use pool::{Pool, Pooled};
pub use record::{
    EndedBy, EndedHow, Event, NoUpgrade, Note, Outcome, Record, RequestHead, Severity, TunnelEvent,
    UnknownSeverity,
};
pub use session::{
    Admission, Choice, Claim, Connected, Dial, DialError, Disposal, Epoch, Leg, Lookup, Output, Refusal,
    Session, Slices, Snapshot, trace,
};
#[doc(hidden)]
pub use state::Rows;
pub use time::{Now, Tick};
pub use timer::Timer;
pub use tls::{CertificateFault, PeerCertificate, TlsFacts, TlsPeer};
pub use tunnel::{
    DrainSettings, Farewell, FrameCount, Lifetime, MessageRate, PingSettings, SideReport, Tunnel,
    TunnelOutput, TunnelReport, TunnelSecret, TunnelSettings, TunnelSnapshot, WebSocketSettings,
};
pub use verdict::Verdict;
pub use wait::{Ending, Relayed, Wait};
