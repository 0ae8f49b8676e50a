//! Routing and header policy in code, without nginx's syntax, on the tokio shell: chat rooms go to an origin
//! server, pages that other sites embed get no tunnel, and everything else is a 404.
//!
//! `cargo run -p underpass-examples --bin policy -- 127.0.0.1:8080 127.0.0.1:9000`

use std::sync::Arc;

use underpass::{Listener, Setup, serve};
use underpass_core::{
    RequestHead,
    config::{Config, Handler, Location, Proxy, Return, Route, Router, SetHeader, Target},
    shared::{Group, GroupId, Upstreams},
    template::{Escape, Template},
};
use underpass_examples::addresses;

/// Decides where each request goes.
#[derive(Debug)]
struct Rooms {
    chat: Arc<Location>,
    foreign: Arc<Location>,
    nowhere: Arc<Location>,
}

impl Router for Rooms {
    fn route(&self, head: &RequestHead<'_>) -> Route {
        let same_site = |origin: &[u8]| origin.ends_with(head.host());
        let location = if !head.path().starts_with(b"/rooms/") {
            &self.nowhere
        } else if head.field("origin").all(same_site) {
            &self.chat
        } else {
            &self.foreign
        };
        Route::Location(Arc::clone(location))
    }
}

/// Forwards to the group, tunnels included; the origin server learns who the client is.
fn chat() -> Result<Location, Box<dyn std::error::Error>> {
    let mut proxy = Proxy::new(Target::Group(GroupId(0)), "chat");
    proxy.set_headers = SetHeader::websocket_recipe();
    for (name, value) in [("X-Client", "$remote_addr:$remote_port"), ("X-Room", "$uri")] {
        proxy.set_headers.push(SetHeader::new(name, Template::parse(value, &(), Escape::None)?)?);
    }
    Ok(Location::new(Handler::Proxy(Box::new(proxy))))
}

fn answer(status: u16, text: &str) -> Arc<Location> {
    Arc::new(Location::new(Handler::Return(Return::new(status, Some(Template::literal(text))))))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [listen, origin] = addresses()?;
    let rooms = Rooms {
        chat: Arc::new(chat()?),
        foreign: answer(403, "not from that site\n"),
        nowhere: answer(404, "there are only /rooms/\n"),
    };
    let upstreams = Upstreams::new(vec![Group::single("chat", origin.into())]);
    let config = Arc::new(Config::new(Arc::new(rooms), Arc::new(upstreams)));
    let listener = Listener::bind(listen, config)?;
    println!("listening on {}", listener.local_addr()?);
    serve(Setup::new(vec![listener])).await?;
    Ok(())
}
