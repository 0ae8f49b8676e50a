//! A reader of canonical HTTP/1.1 messages, as they come piece by piece; nothing of the core is in it.
//!
//! Where [`crate::strict`] takes what any sender may write, this one takes what the gateway itself should write,
//! byte by byte: one space behind a colon, sizes of chunks in short lower-case digits, no chunk extension. So
//! whatever it can't read, the gateway should not have sent.

mod content;
mod head;

pub use content::Content;
pub use head::{Field, Framing, Parsed, Request, Response, request, response};
