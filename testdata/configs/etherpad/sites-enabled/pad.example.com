# enforces HTTP 1.1 only where a socket wants it
map $http_upgrade $connection_upgrade {
  default upgrade;
  ''      close;
}

server {
    listen       80;
    listen       [::]:80;
    server_name  pad.example.com;

    location / {
        proxy_pass         http://127.0.0.1:9001;
        proxy_buffering    off; # be careful, this line doesn't override any proxy_buffering on set in a conf.d/file.conf
        proxy_set_header   Host $host;
        proxy_pass_header  Server;

        # Note you might want to pass these headers etc too.
        proxy_set_header    X-Real-IP $remote_addr; # https://nginx.org
        proxy_set_header    X-Forwarded-For $remote_addr; # EP logs to show the actual remote IP
        proxy_set_header    X-Forwarded-Proto $scheme; # for EP to set secure cookie flag when https is used
        proxy_http_version  1.1; # recommended with keepalive connections

        # WebSocket proxying
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
    }

    # Short names of pads
    location ~ "^/(?<pad>[\w-]{1,50})$" {
        return 302 $scheme://$host/p/$pad$is_args$args;
    }

    location ^~ /p/ {
        proxy_pass         http://127.0.0.1:9001;
        proxy_set_header   Host $host;
        proxy_set_header   X-Pad-Path $uri;
        proxy_pass_header  Date;
        add_header         X-Pad $upstream_http_x_pad_id;
        add_header         X-Port $proxy_port;
        add_trailer        X-Done $upstream_status;
    }
}
