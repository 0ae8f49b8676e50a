//! `demo`: an origin server, the configuration that proxies to it, and where to look.

use std::net::SocketAddr;

use underpass_demo::Origin;

use super::{Runtime, identity::Identity, say, serve::Startup, source::Source, trouble::Trouble};
use crate::{Program, command::demo_configuration};

/// Starts the origin server, and serves in front of it.
pub(super) fn serve<R: Runtime>(program: &'static Program, listen: SocketAddr) -> Result<(), Trouble> {
    // Before the origin server has threads. Whom the process becomes doesn't depend on where that one listens.
    let identity = Identity::assume(&source(listen, listen).load()?.main)?;
    let origin = Origin::start().map_err(|error| Trouble::new(format!("the demo can't start: {error}")))?;
    let text = demo_configuration(listen, origin.address());
    origin.show_configuration(&text);
    let source = source(listen, origin.address());
    let loaded = source.load()?;
    say(&format!("{text}\nOpen http://{listen}/ in a browser; Ctrl-C ends it.\n"));
    Startup { program, identity, source, loaded, background: None }.run::<R>()
}

/// The configuration that proxies `listen` to the origin server at `origin`.
pub(super) fn source(listen: SocketAddr, origin: SocketAddr) -> Source {
    Source::text("demo", demo_configuration(listen, origin))
}
