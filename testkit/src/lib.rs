//! What the tests of underpass stand on: a virtual network with a clock of its own ([`session_world`]), cases in data
//! files that every driver runs ([`conformance`]), hostile peers ([`hostile`]) with a reader that forgives nothing
//! ([`strict`]), a gateway that is
//! obviously right ([`mod@reference`]), an explorer of all states ([`explore`]), frames
//! of a WebSocket and an independent reader of them ([`frames`]), connections under TLS ([`tls`]), properties of any bytes for coverage-guided search
//! ([`fuzz`]), and a simulation of a whole worker ([`worker_world`]) whose peers read canonical messages as they come ([`wire`]).

pub mod conformance;
pub mod costs;
pub mod drivers;
pub mod explore;
pub mod frames;
pub mod fuzz;
pub mod hostile;
pub mod reference;
pub mod session_world;
pub mod strict;
pub mod tls;
pub mod tunnel_frames;
pub mod wire;
pub mod worker_world;
