server {
    listen 80;
    server_name dashboards.example.com;
    proxy_buffering off;

    location / {
        return 302 /voila/;
    }

    location /voila/ {
        include proxy_params;
        proxy_pass http://127.0.0.1:8866/voila/;

        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
        proxy_read_timeout 86400;
    }

    # Kernels
    location ~* "^/voila/api/kernels/(?<kernel>[0-9a-f-]{36})/channels$" {
        include proxy_params;
        proxy_pass http://127.0.0.1:8866;
        proxy_http_version 1.1;
        proxy_set_header Upgrade websocket;
        proxy_set_header Connection "Upgrade";
        proxy_set_header X-Kernel $kernel;
        proxy_read_timeout 1d;
        proxy_hide_header X-Content-Type-Options;
    }

    location ~* \.(?:ipynb|py)$ {
        deny all;
        access_log off;
        log_not_found off;
    }
}
