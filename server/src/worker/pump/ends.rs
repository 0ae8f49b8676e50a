//! What ends, and what has to be sent before.

use std::task::Context;

use underpass_core::{Ending, Side};

use super::{
    super::{
        Network,
        farewell::Farewell,
        secured::{End, Secured},
    },
    Connection, Shared, stream,
};

impl<N: Network> Connection<N> {
    /// Closes a connection, now or behind what its socket hasn't taken yet.
    pub(super) fn say_farewell(
        &self,
        stream: Secured<N::Stream>,
        ending: Ending,
        shared: &mut Shared<N>,
        cx: &mut Context<'_>,
    ) {
        if let Some(stream) = stream.close(ending, self.end(), cx) {
            // Who takes nothing for so long is waited for no longer, here as elsewhere.
            let patience = self.service.config.edge.send_timeout;
            let deadline = shared.now().tick.after(patience);
            shared.farewells.push(Farewell::new(stream, deadline, self.service.generation));
        }
    }

    /// What the end of a stream is to say now.
    fn end(&self) -> End {
        if self.session.is_cut() { End::Cut } else { End::Whole }
    }

    pub(super) fn shut_down(&mut self, cx: &mut Context<'_>) {
        let end = self.end();
        for side in Side::BOTH {
            let wanted = std::mem::take(&mut self.shutdowns[side as usize]);
            if wanted && let Some((_, stream)) = stream(&mut self.client, &mut self.upstream, side) {
                stream.shut_down(end, cx);
            }
        }
    }

    /// Sends what was sealed and not taken by its socket, whether or not the session has more to send.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) {
        for side in Side::BOTH {
            if let Some((_, stream)) = stream(&mut self.client, &mut self.upstream, side)
                && stream.has_unsent()
            {
                // A failure is that of the connection, which the session hears of when it reads or writes.
                let _broken_or_later = stream.poll_flush(cx);
            }
        }
    }
}
