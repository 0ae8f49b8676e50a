//! One request and its final response (RFC 9110 §3.4), or the tunnel that comes of it.

transitions! {
    states {
        /// The head is complete, or what came of it is all that will be read; nothing is waited for.
        Read,
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
        /// It has become a tunnel. Nothing is waited for.
        Tunnelling,
        /// Over: the record is complete. Nothing is waited for.
        Finished,
    }
    events {
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
        /// The client is gone, or is left without an answer.
        Abort,
    }
    starts Read
    rows {
        Read + HeadComplete => Routing;
        Routing + Admit => Admitting;
        Routing | Admitting + Resolve => Resolving;
        Routing | Admitting | Resolving + Dial => Dialling;
        Dialling + Connected => Awaiting;
        Dialling | Awaiting + Retry => Dialling;
        Awaiting + FinalHead => Responding;
        Routing | Resolving | Admitting | Dialling | Awaiting | Switching + Reroute => Routing;
        Read | Routing | Resolving | Admitting | Dialling | Awaiting + Reply => Replying;
        Awaiting + Switch => Switching;
        Switching + Open => Tunnelling;
        Switching + Reply => Replying;
        Responding | Replying + Finish => Finished;
        Read | Routing | Resolving | Admitting | Dialling | Awaiting | Responding | Replying | Switching + Abort => Finished;
    }
}
