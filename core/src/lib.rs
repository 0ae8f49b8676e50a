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
//! 4. What [`Session::receive_space`] and [`Session::transmit`] name neither moves nor changes until its
//!    report; where none is to come, because the connection was released or closed, until
//!    [`Output::ExchangeDone`]. Content received on one side is sent on the other from the same memory.
//! 5. [`Lookup`], [`Claim`] and [`Dial`] are one-shot: the answer consumes the token, and an answer that
//!    comes too late is recognised by its token and ignored. [`Output::Release`] while a dial is pending
//!    cancels it. The peer that a dial goes to is reported before anything is sent there
//!    ([`Session::handle_chosen`], which trades the [`Choice`] for its lease): of a dial that is cancelled the
//!    session knows whom it tried.
//! 6. A report about a connection that the session has closed meanwhile changes nothing; a call of
//!    [`Session::handle_timeout`] too early neither.
//! 7. Nothing that comes from the network makes a session panic.
//!
//! # A whole upgrade
//!
//! The shell below has no sockets: it plays the client and the origin server itself.
//!
//! ```
//! use std::sync::Arc;
//! use underpass_core::{
//!     Address, Buffers, ClientInfo, Connected, Now, Output, Session, Side, Tick, Turn,
//!     Verdict, config::Config,
//! };
//!
//! fn receive(session: &mut Session, from: Side, bytes: &[u8], turn: &mut Turn<'_>) {
//!     let space = session.receive_space(from, turn).expect("bytes are wanted");
//!     space[..bytes.len()].copy_from_slice(bytes);
//!     session.handle_received(from, Ok(bytes.len()), turn);
//! }
//!
//! fn send(session: &mut Session, to: Side, turn: &mut Turn<'_>) -> String {
//!     let bytes = session.transmit(to).iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>();
//!     session.handle_sent(to, Ok(bytes.len()), turn);
//!     String::from_utf8(bytes).expect("ASCII")
//! }
//!
//! let peer: std::net::SocketAddr = "127.0.0.1:9000".parse()?;
//! let config = Arc::new(Config::proxy_to(Address::Ip(peer), "backend"));
//! let client = ClientInfo {
//!     remote: Address::Ip("192.0.2.1:40000".parse()?),
//!     local: Address::Ip("192.0.2.2:80".parse()?),
//!     serial: 1,
//!     secret: [7; 16],
//! };
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
//! let client_got = session.transmit(Side::Downstream).iter().flat_map(|s| s.to_vec()).collect::<Vec<u8>>();
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
//! are tables too; their diagrams stand in `docs/state.md` of the repository, the rules that the comments
//! cite (`A5`, `C2`) in `docs/behaviour.md`.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable, clippy::string_slice)
)]

mod address;
mod buffer;
pub mod config;
mod fault;
mod http1;
mod intervals;
mod pool;
mod proxy_protocol;
mod record;
mod rewrite;
mod session;
pub mod shared;
mod state;
pub mod template;
mod time;
mod timer;
mod tunnel;
mod verdict;
pub mod violation;
mod wait;
pub mod websocket;

pub use address::{Address, ClientInfo, Network, Side};
pub use buffer::{Buffers, Turn};
pub use fault::Fault;
pub use http1::Version;
pub use intervals::Networks;
pub use pool::{Pool, Pooled};
pub use record::{EndedBy, Event, NoUpgrade, Note, Outcome, Record, RequestHead, Severity, UnknownSeverity};
pub use session::{
    Admission, Choice, Claim, Connected, Dial, DialError, Disposal, Lookup, Output, Refusal, Session, Slices,
    Snapshot, trace,
};
#[doc(hidden)]
pub use state::Rows;
pub use time::{Now, Tick};
pub use timer::Timer;
pub use tunnel::{Tunnel, TunnelOutput, TunnelReport, TunnelSettings, TunnelSnapshot};
pub use verdict::Verdict;
pub use wait::{Ending, Relayed, Wait};
