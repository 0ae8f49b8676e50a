//! Hostile peers: what they send stands in `testdata/hostile/`, what must hold is judged by a strict reader.
//!
//! A file is a family; its folder says who is hostile: `requests` the client, `responses` the origin server. A
//! file holds groups, and a group its cases, each of which may say anew what the group says for all:
//!
//! - `name`, `attacks`: of the case; the rules of `docs/design/behaviour.md` that it attacks.
//! - `client`: what the client does, one string or a list; the default is one GET.
//! - `origin`: how the origin server answers a target of the case. `/next` and `/probe` get an ordinary answer,
//!   and everything does where this is absent.
//! - `x`, `y`, `z`: text that stands where `{x}` is written. `{text*70000}` repeats a text.
//!
//! What must hold, whichever proxy it is:
//!
//! - `asks`: the requests that the client's bytes are, read as generously as the RFCs permit. What reaches the
//!   origin server are some of them, in their order, well-formed; each one that it answers in the ordinary way
//!   is answered to the client, as the response to that request and no other.
//! - `no_upgrade`: no upgrade is offered to the origin server.
//! - `refuse`: the RFCs demand a refusal: no request reaches the origin server whole.
//! - `http10`: the client speaks HTTP/1.0, and knows no chunks and no interim responses.
//! - `content`, `host`, `keeps`, `lacks`: contents of what is asked, in order; its host; field lines that have
//!   to reach the origin server; names that must not.
//! - `answers`, `cuts`, `hides`: contents that may come of the hostile answer; contents of which a beginning may
//!   come, recognisably cut; names that no response may have.
//! - `up`, `down`: bytes that a tunnel carries to the origin server and to the client; no tunnel without them.
//!
//! What underpass does:
//!
//! - `location`, `server`: directives that the case needs.
//! - `not_for`: another proxy that has a feature in the place of the fault.
//! - `simulated`: it rests on what names are resolved to, or on time, and runs in a simulated world only.
//! - `status`, `violation`: statuses of the final responses; what the error log names.
//! - `reaches`, `drops`, `strips`: requests that reach the origin server whole; names that they don't have;
//!   names that responses don't have.
//!
//! A character up to U+00FF is a byte. Each string is sent at once; a step begins with an at sign:
//!
//! - `@answered N`, `@received N`: waits until the client has N final responses, the origin server N heads.
//! - `@end`, `@reset`: ends its direction; resets the connection. `@close`: the origin server ends it.
//! - `@head`: the origin server answers as soon as it has a head; otherwise it waits for the whole request.
//!   `@whole`: from here on it does so, too.
//! - `@elapse 60s`: time passes.
//!
//! [`Hostile::mutant`] makes more of them, of which only [`consistency()`] can be asked.
//!
//! At the end of its script the client ends its direction, and reads to the end of the stream.

mod case;
mod consistency;
mod judge;
mod mutate;
mod play;

pub use case::{Hostile, Step};
pub use consistency::consistency;
pub use judge::judge;
pub use play::{Cut, Seen, play};
