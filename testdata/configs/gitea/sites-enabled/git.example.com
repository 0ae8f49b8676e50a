server {
    listen 80;
    listen [::]:80;
    server_name git.example.com;

    location ~ ^/(gitea|v2)($|/) {
        client_max_body_size 512M;

        # The target as it came: encoded slashes in names of branches stay encoded.
        rewrite ^ $request_uri;

        # The part of the sub-path goes, registries stay at the root.
        rewrite ^(/gitea)?(/.*) $2 break;
        proxy_pass http://127.0.0.1:3000$uri;

        # Other common HTTP headers
        proxy_set_header Connection $http_connection;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Host $host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
    }

    location / {
        return 302 /gitea/;
    }
}

server {
    listen 80;
    server_name gitea.example.com;

    location /_/static/assets/ {
        alias /srv/gitea/public/;
    }

    location / {
        client_max_body_size 512M;
        proxy_pass http://localhost:3000;
        proxy_set_header Connection $http_connection;
        proxy_set_header Upgrade $http_upgrade;
        include proxy_params;
    }
}
