//! What the command line means where it names no file, said as configurations: there is one way to configure the proxy.

use super::{Destination, Front, Identity};

/// The configuration that proxies everything from `listen` to `to`, in nginx's syntax.
///
/// It holds what WebSocket applications need in practice: the fields of nginx's page about them, the `Host`
/// that the browser sent (applications compare it with `Origin`), content of any size, and patience with
/// tunnels on which nothing is said for a while.
///
/// To an origin server by TLS its name is sent, since hosts of many names need it. As in nginx nobody verifies it.
pub fn direct(listen: &Front, to: &Destination) -> String {
    let url = to.url();
    let front = listens(listen);
    let name = if url.starts_with("https://") { "\n            proxy_ssl_server_name on;" } else { "" };
    proxy(&format!(
        "
    server {{
        {front}
        client_max_body_size 0;

        location / {{
            proxy_pass {url};{name}
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
/// WebSocket proxying, a location for the page, and what the page shows of rules G3, G6 and G9. The log of tunnels goes to `log`.
#[cfg(feature = "demo")]
pub fn demo(listen: &Front, origin: std::net::SocketAddr, log: std::net::SocketAddr) -> String {
    let front = listens(listen);
    proxy(&format!(
        "
    log_format pings '$tunnel_id $tunnel_client_ping $tunnel_upstream_ping';

    upstream backend {{
        server {origin};
    }}

    server {{
        {front}

        location / {{
            proxy_pass http://backend;
            proxy_set_header Host $http_host;
        }}

        location /chat/ {{
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;

            # Each side that is quiet for a second gets a Ping. The origin server learns of which tunnel a line of
            # the log is by the number of the tunnel's request.
            upgrade_ping_interval 1s;
            upgrade_log syslog:server={log},nohostname pings every=3s;
            proxy_set_header X-Request-ID $request_id;

            # The button on the page has the proxy reload. Each tunnel then ends within two seconds.
            upgrade_drain_on_reload on;
            upgrade_drain_window 2s;
        }}
    }}
"
    ))
}

/// Where clients connect to, with the certificate where they do it by TLS.
fn listens(front: &Front) -> String {
    let Front { address, identity } = front;
    let Some(Identity { certificate, key }) = identity else { return format!("listen {address};") };
    let quoted = |path: &std::path::Path| {
        format!("\"{}\"", path.display().to_string().replace('\\', "\\\\").replace('"', "\\\""))
    };
    format!(
        "listen {address} ssl;\n        ssl_certificate {};\n        ssl_certificate_key {};",
        quoted(certificate),
        quoted(key)
    )
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
