//! One request and its final response (RFC 9110 §3.4), or the tunnel that comes of it.

transitions! {
    states {
        /// A connection that another proxy made: its PROXY protocol header is awaited.
        Greeting,
        /// Between exchanges: no byte of a request has come.
        Idle,
        /// A request head has begun.
        Receiving,
        /// It is being decided where the request goes: nothing is waited for.
        Routing,
        /// The origin server's name is being looked up.
        Resolving,
        /// The request waits to be admitted.
        Admitting,
        /// An upstream connection is being made.
        Dialling,
        /// The request is under way; the final response has not begun.
        Awaiting,
        /// The origin server's final response is being forwarded.
        Responding,
        /// A response of our own is being sent.
        Replying,
        /// The origin server has switched protocols; the request's content is still being sent (A9).
        Switching,
        /// The tunnel is open.
        Tunnelling,
        /// Over: the record is complete.
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
        /// The head is complete, and what it says was understood.
        HeadComplete,
        /// Another location has the request: an error page.
        Reroute,
        /// The origin server's name has to be looked up first.
        Resolve,
        /// The request wants to be admitted.
        Admit,
        /// An upstream connection is wanted.
        Dial,
        /// It is there.
        Connected,
        /// The attempt failed before a byte of the final response was forwarded; another is made.
        Retry,
        /// The final response's head was read.
        FinalHead,
        /// We answer ourselves.
        Reply,
        /// A valid 101 to a request that asked (A5).
        Switch,
        /// The request was sent whole: the tunnel opens.
        Open,
        /// The response was sent whole, or will never be.
        Finish,
        /// The client is gone, or a tunnel is over.
        Abort,
        /// The record was handed out; the connection persists.
        Persist,
        /// The record was handed out; the connection doesn't persist and is drained of input first.
        Linger,
        /// The connection is closed.
        Close,
    }
    starts Greeting
    rows {
        Greeting + Greeted => Idle;
        Idle + HeadBegun => Receiving;
        Receiving + HeadComplete => Routing;
        Routing + Admit => Admitting;
        Routing | Admitting + Resolve => Resolving;
        Routing | Admitting | Resolving + Dial => Dialling;
        Dialling + Connected => Awaiting;
        Dialling | Awaiting + Retry => Dialling;
        Awaiting + FinalHead => Responding;
        Routing | Resolving | Admitting | Dialling | Awaiting | Switching + Reroute => Routing;
        Receiving | Routing | Resolving | Admitting | Dialling | Awaiting + Reply => Replying;
        Awaiting + Switch => Switching;
        Switching + Open => Tunnelling;
        Switching + Reply => Replying;
        Responding | Replying | Tunnelling + Finish => Finished;
        Receiving | Routing | Resolving | Admitting | Dialling | Awaiting | Responding | Replying | Switching + Abort => Finished;
        Finished + Persist => Idle;
        Finished + Linger => Lingering;
        Greeting | Idle | Finished | Lingering + Close => Closed;
    }
}
