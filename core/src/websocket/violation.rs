//! What a stream of frames may break.

use std::fmt;

macro_rules! violations {
    ($($variant:ident: $section:literal, $sentence:literal;)+) => {
        /// A rule of RFC 6455 that the bytes of one side break.
        ///
        /// There is no status code, as there is in [`violation`](crate::violation): a 101 has been sent. Whoever
        /// relays either goes on without looking at frames, or ends both directions with Close 1002 (protocol error).
        ///
        /// ```
        /// use underpass_core::websocket::FrameViolation;
        ///
        /// let violation = FrameViolation::Unmasked;
        /// assert_eq!(violation.section(), "RFC 6455 §5.1");
        /// assert_eq!(violation.to_string(), "a frame of the client is not masked (RFC 6455 §5.1)");
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum FrameViolation { $(#[doc = concat!("RFC 6455: ", $sentence, ".")] $variant,)+ }

        impl FrameViolation {
            /// All of them, for tables and tests.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The clause, as `RFC 6455 §5.2`.
            #[must_use]
            pub const fn section(self) -> &'static str {
                match self { $(Self::$variant => $section,)+ }
            }

            /// What is wrong, in one sentence without a full stop.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }
        }
    };
}

violations! {
    ReservedOpcode: "RFC 6455 §5.2", "the opcode of a frame is reserved";
    FragmentedControl: "RFC 6455 §5.5", "a control frame is fragmented";
    LongControl: "RFC 6455 §5.5", "the payload of a control frame is longer than 125 bytes";
    StrayContinuation: "RFC 6455 §5.4", "a continuation frame belongs to no message";
    InterleavedMessage: "RFC 6455 §5.4", "a message begins before the one before it has ended";
    Unmasked: "RFC 6455 §5.1", "a frame of the client is not masked";
    Masked: "RFC 6455 §5.1", "a frame of the server is masked";
    LengthTooLarge: "RFC 6455 §5.2", "the most significant bit of a 64-bit payload length is set";
    LengthNotShortest: "RFC 6455 §5.2", "a payload length is not in its shortest form";
}

/// The sentence with the clause.
impl fmt::Display for FrameViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.sentence(), self.section())
    }
}

impl std::error::Error for FrameViolation {}
