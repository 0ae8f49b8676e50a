//! The life of one connection, either side.

transitions! {
    states {
        /// There is none.
        Absent,
        /// Both directions are open.
        Open,
        /// The peer has ended its direction; ours is open.
        PeerEnded,
        /// We have ended our direction; the peer's is open.
        WeEnded,
        /// Both directions have ended in order.
        Ended,
        /// It failed: nothing can be read or written any more.
        Failed,
    }
    events {
        /// It was accepted, made, or taken from the pool.
        Established,
        /// The peer's end of stream was read.
        PeerEnd,
        /// Our direction was shut down.
        OurEnd,
        /// Reading or writing failed.
        Fail,
        /// It was closed, pooled or given back.
        Close,
    }
    starts Absent
    rows {
        Absent + Established => Open;
        Open + PeerEnd => PeerEnded;
        WeEnded + PeerEnd => Ended;
        Open + OurEnd => WeEnded;
        PeerEnded + OurEnd => Ended;
        Open | PeerEnded | WeEnded | Ended + Fail => Failed;
        Open | PeerEnded | WeEnded | Ended | Failed + Close => Absent;
    }
}

impl Machine {
    /// Whether more may be read.
    pub(crate) const fn reads(self) -> bool {
        matches!(self.0, State::Open | State::WeEnded)
    }

    /// Whether bytes may be written.
    pub(crate) const fn writes(self) -> bool {
        matches!(self.0, State::Open | State::PeerEnded)
    }

    /// Whether there is a connection.
    pub(crate) const fn exists(self) -> bool {
        !matches!(self.0, State::Absent)
    }
}
