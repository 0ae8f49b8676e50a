//! Reading one message from one connection (RFC 9112 §2.1): a head, then its content, then the next head.

transitions! {
    states {
        /// Waiting for the end of a head.
        Head,
        /// The head is complete; content follows.
        Content,
        /// The last byte of the message has been read.
        Complete,
        /// The message will never be complete: the stream ended inside it, or it can't be understood.
        Cut,
        /// The connection has switched protocols: there are no messages on it any more.
        Switched,
    }
    events {
        /// An interim response was read: the final one is still to come (RFC 9110 §15.2).
        Interim,
        /// A head was read, and content follows it.
        HeadWithContent,
        /// A head was read, and the message ends with it.
        HeadAlone,
        /// The content has ended, by its framing.
        ContentEnded,
        /// The stream failed, ended too early, or broke the syntax.
        Broken,
        /// The next message on the same connection may begin.
        Next,
        /// A tunnel has opened.
        Switch,
    }
    starts Head
    rows {
        Head + Interim => Head;
        Head + HeadWithContent => Content;
        Head + HeadAlone => Complete;
        Content + ContentEnded => Complete;
        Head | Content + Broken => Cut;
        Complete + Next => Head;
        Complete + Switch => Switched;
    }
}
