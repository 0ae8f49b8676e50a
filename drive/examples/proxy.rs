//! A whole proxy on smol: `cargo run -p underpass-futures --example proxy -- 127.0.0.1:8080 127.0.0.1:9000`
//! forwards everything that comes to the first address to the second, WebSockets included.

use std::{error::Error, io, net::SocketAddr, sync::Arc};

use smol::net::{TcpListener, TcpStream};
use underpass_core::{Address, ClientInfo, config::Config};
use underpass_futures::{Futures, proxy};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(origin)) = (arguments.next(), arguments.next()) else {
        return Err("usage: proxy LISTEN-ADDRESS ORIGIN-ADDRESS".into());
    };
    let peer: SocketAddr = origin.parse()?;
    let config = Arc::new(Config::proxy_to(peer.into(), &origin));
    smol::block_on(async {
        let listener = TcpListener::bind(listen).await?;
        println!("listening on {}", listener.local_addr()?);
        for serial in 1.. {
            let (client, remote) = listener.accept().await?;
            let (remote, local) = (remote.into(), client.local_addr()?.into());
            let info = ClientInfo::new(remote, local, serial, *b"an example only!");
            let config = Arc::clone(&config);
            smol::spawn(async move { proxy(client, info, &config, &connect).await }).detach();
        }
        Ok(())
    })
}

async fn connect(address: Address) -> io::Result<Futures<TcpStream>> {
    let Address::Ip(address) = address else { return Err(io::ErrorKind::Unsupported.into()) };
    TcpStream::connect(address).await.map(Futures)
}
