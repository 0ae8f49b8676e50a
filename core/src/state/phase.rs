//! The phases of a session, and which may follow which. What a phase has is a type of its own.

transitions! {
    states {
        /// A connection that another proxy made: its PROXY protocol header is awaited.
        Greeting,
        /// Between exchanges: no byte of a request has come.
        Idle,
        /// A request head has begun.
        Receiving,
        /// The request is being answered, or refused; its states are a table of their own.
        Exchange,
        /// The tunnel is open.
        Tunnelling,
        /// The exchange, or the tunnel that came of it, is over: the record is complete.
        Finished,
        /// Over, and so is the session's business with the client; what it still sends is dropped.
        Lingering,
        /// Nothing is left to be done.
        Closed,
    }
    events {
        /// The connection begins with a request: no header is due, or it has been read.
        Greeted,
        /// The first byte of a request head.
        HeadBegun,
        /// No more of the head is awaited: it is complete, or never will be.
        HeadEnded,
        /// The request was sent whole behind a 101, or the CONNECT has its connection.
        Open,
        /// The exchange is over, or the tunnel.
        Finish,
        /// The connection persists.
        Persist,
        /// The connection doesn't persist and is drained of input first.
        Linger,
        /// The connection is closed.
        Close,
    }
    starts Greeting
    rows {
        Greeting + Greeted => Idle;
        Idle + HeadBegun => Receiving;
        Receiving + HeadEnded => Exchange;
        Exchange + Open => Tunnelling;
        Exchange | Tunnelling + Finish => Finished;
        Finished + Persist => Idle;
        Finished + Linger => Lingering;
        Greeting | Idle | Finished | Lingering + Close => Closed;
    }
}
