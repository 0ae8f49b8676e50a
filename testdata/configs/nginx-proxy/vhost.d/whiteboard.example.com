client_max_body_size 100m;
location = /robots.txt {
    return 200 "User-agent: *\nDisallow: /\n";
}
