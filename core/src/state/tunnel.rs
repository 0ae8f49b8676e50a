//! One direction of a tunnel: from the connection that bytes are read from to the one they are written to.

transitions! {
    states {
        /// Bytes are relayed.
        Flowing,
        /// The source has ended; what it had sent is still being delivered.
        Ending,
        /// All was delivered, or can't be.
        Over,
        /// The sink takes no more: what the source still sends is read and dropped (C3).
        Discarding,
    }
    events {
        /// End of stream, in order, or because the source was cut.
        SourceEnded,
        /// What the source had sent has been delivered whole.
        Delivered,
        /// The sink can't be written to any more.
        SinkFailed,
    }
    starts Flowing
    rows {
        Flowing + SourceEnded => Ending;
        Ending + Delivered => Over;
        Flowing + SinkFailed => Discarding;
        Ending + SinkFailed => Over;
        Discarding + SourceEnded => Over;
    }
}
