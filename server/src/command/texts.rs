//! What the command line means where it names no file, said as configurations: there is one way to configure the proxy.

use std::net::SocketAddr;

use super::Destination;

/// The configuration that proxies everything from `listen` to `to`, in nginx's syntax.
///
/// It holds what WebSocket applications need in practice: the fields of nginx's page about them, the `Host`
/// that the browser sent (applications compare it with `Origin`), content of any size, and patience with
/// tunnels on which nothing is said for a while.
pub fn direct(listen: SocketAddr, to: &Destination) -> String {
    let url = to.url();
    proxy(&format!(
        "
    server {{
        listen {listen};
        client_max_body_size 0;

        location / {{
            proxy_pass {url};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header Host $http_host;
            proxy_read_timeout 1h;
        }}
    }}
"
    ))
}

/// The configuration that proxies `listen` to the demo's origin server: the second recipe of nginx's page on
/// WebSocket proxying, and a location for the page.
#[cfg(feature = "demo")]
pub fn demo(listen: SocketAddr, origin: SocketAddr) -> String {
    proxy(&format!(
        "
    upstream backend {{
        server {origin};
    }}

    server {{
        listen {listen};

        location / {{
            proxy_pass http://backend;
        }}

        location /chat/ {{
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
        }}
    }}
"
    ))
}

/// Logs to the terminal, and a proxy that knows the connection option of an upgrade: as browsers write it, for
/// applications that compare it letter by letter.
fn proxy(rest: &str) -> String {
    format!(
        "\
error_log stderr notice;

events {{
}}

http {{
    access_log /dev/stdout;

    map $http_upgrade $connection_upgrade {{
        default Upgrade;
        ''      close;
    }}
{rest}}}
"
    )
}
