//! What is added to responses, and what answers instead.

use underpass_core::config::{AddedField, ErrorStatus, ErrorTarget, Expires};

use super::*;

fn fields(fields: &[AddedField]) -> Vec<String> {
    let line = |field: &AddedField| {
        format!("{}: {}{}", field.name, field.value.source(), if field.always { " always" } else { "" })
    };
    fields.iter().map(line).collect()
}

#[test]
fn fields_are_added() {
    let site = site(
        "add_header A 1; expires 1h; add_trailer T $status;
         server {
             location /inherits { return 200; }
             location /own { add_header B $host always; expires -1; return 200; }
             location /merged { add_header_inherit merge; add_header C 3; expires off; return 200; }
             location /none { add_header_inherit off; expires max; return 200; }
             location /trailer { add_trailer U 2; expires epoch; return 200; }
         }",
    );
    for (path, headers, trailers, expires) in [
        ("/inherits", vec!["A: 1"], vec!["T: $status"], Some(Expires::After(3600))),
        ("/own", vec!["B: $host always"], vec!["T: $status"], Some(Expires::After(-1))),
        ("/merged", vec!["A: 1", "C: 3"], vec!["T: $status"], None),
        ("/none", vec![], vec!["T: $status"], Some(Expires::Max)),
        ("/trailer", vec!["A: 1"], vec!["U: 2"], Some(Expires::Epoch)),
    ] {
        let additions = &site.location(path).additions;
        assert_eq!(fields(&additions.headers), headers, "{path}");
        assert_eq!(fields(&additions.trailers), trailers, "{path}");
        assert_eq!(additions.expires, expires, "{path}");
    }
    assert_eq!(site.notes, [""; 0]);
}

#[test]
fn fields_of_the_connection_are_not_added() {
    let site = site("server { location / { add_header Connection upgrade; add_header X y; return 200; } }");
    assert_eq!(fields(&site.location("/").additions.headers), ["X: y"]);
    assert_eq!(
        site.notes,
        [
            "\"add_header Connection\" has no effect in f:2:34; this field belongs to one connection and is the \
          gateway's own: for an upgrade, write \"proxy_set_header\" instead"
        ]
    );
}

#[test]
fn error_pages_in_all_their_forms() {
    let site = site(
        "error_page 404 /404.html;
         server {
             location /a { return 200; }
             location /b {
                 error_page 500 502 = /50x; error_page 403 =200 @named; error_page 404 =301 http://x.test/$uri;
                 error_page 405 $scheme://y; error_page 406 $uri; recursive_error_pages on; return 200;
             }
             location @named { internal; return 200; }
         }",
    );
    let shown = |path: &str| -> Vec<String> {
        let pages = site.location(path).error_pages.iter();
        let page = |page: &underpass_core::config::ErrorPage| {
            let status = match page.status {
                ErrorStatus::Kept => String::new(),
                ErrorStatus::Taken => "=".to_owned(),
                ErrorStatus::Fixed(code) => format!("={code}"),
            };
            let target = match &page.target {
                ErrorTarget::Uri(template) => format!("uri {}", template.source()),
                ErrorTarget::Named(name) => format!("@{name}"),
                ErrorTarget::Url(template) => format!("url {}", template.source()),
                other => format!("{other:?}"),
            };
            format!("{:?} {status} {target}", page.statuses)
        };
        pages.map(page).collect()
    };
    assert_eq!(shown("/a"), ["[404]  uri /404.html"]);
    assert_eq!(
        shown("/b"),
        [
            "[500, 502] = uri /50x",
            "[403] =200 @named",
            "[404] =301 url http://x.test/$uri",
            "[405]  url $scheme://y",
            "[406]  uri $uri"
        ]
    );
    assert!(site.location("/b").recursive_error_pages && !site.location("/a").recursive_error_pages);
    assert!(site.location("@named").internal && !site.location("/a").internal);
}

#[test]
fn media_types() {
    let site = site(
        "types { text/css css; application/json json MAP; } default_type application/octet-stream;
         server {
             location /a { return 200; }
             location /b { types { } default_type text/x; return 200; }
             location /c { default_type text/y; return 200; }
         }",
    );
    let of = |path: &str, file: &str| site.location(path).types.of(file.as_bytes()).to_owned();
    assert_eq!(of("/a", "/x.map"), "application/json");
    assert_eq!(
        (of("/a", "/x.html"), of("/b", "/x.css"), of("/c", "/x.css")),
        ("application/octet-stream".into(), "text/x".into(), "text/css".into())
    );
    assert_eq!(of("/c", "/x"), "text/y");
}

#[test]
fn what_is_not_forwarding_is_not_implemented() {
    let site = site(
        "server {
             root /var/www; index index.html;
             location / { proxy_pass http://one.test; }
             location /files/ { }
             location /alias/ { alias /x/; }
             location /try/ { try_files $uri =404; proxy_pass http://one.test; }
             location /php/ { fastcgi_pass unix:/x; fastcgi_param A b; }
             location /text/ { return 200 text; }
             location /sometimes/ { if ($host) { return 200; } }
             location /denied/ { deny all; }
         }
         server { location /none/ { } location /nobody/ { deny all; } }",
    );
    let unsupported = |path: &str| match &site.location(path).handler {
        Handler::Unsupported(name) => name.to_string(),
        other => format!("{other:?}").split(['(', ' ']).next().unwrap_or_default().to_owned(),
    };
    for (path, expected) in [
        ("/", "Proxy"),
        ("/files/", "root"),
        ("/alias/", "alias"),
        ("/try/", "try_files"),
        ("/php/", "fastcgi_pass"),
        ("/text/", "Return"),
        ("/sometimes/", "root"),
        ("/none/", "Nothing"),
        ("/denied/", "root"),
    ] {
        assert_eq!(unsupported(path), expected, "{path}");
    }
    let said: Vec<_> = site.notes.iter().filter_map(|note| note.split(';').next()).collect();
    assert_eq!(
        said,
        [
            "location \"/files/\" answers by \"root\": requests get a 501 in f:5:14",
            "location \"/alias/\" answers by \"alias\": requests get a 501 in f:6:14",
            "location \"/try/\" answers by \"try_files\": requests get a 501 in f:7:14",
            "location \"/php/\" answers by \"fastcgi_pass\": requests get a 501 in f:8:14",
            "location \"/sometimes/\" answers by \"root\": requests get a 501 in f:10:14",
            "location \"/none/\" has neither \"proxy_pass\" nor \"return\": it answers 404 in f:13:19",
        ]
    );
}

/// nginx's page: the inheritance rules themselves are inherited in the standard way.
#[test]
fn what_is_not_inherited_is_not_inherited_further_down_either() {
    let site = site(
        "server {
             add_header A 1; add_trailer T 1; add_header_inherit off;
             location / { return 200; location /inner { add_header B 2; return 200; location /inner/most { return 200; } } }
         }
         server {
             add_header A 1; add_trailer T 1; add_trailer_inherit off;
             location /second { return 200; location /second/again { add_header_inherit merge; return 200; } }
         }",
    );
    for (path, headers, trailers) in [
        ("/", vec![], vec!["T: 1"]),
        ("/inner", vec!["B: 2"], vec!["T: 1"]),
        ("/inner/most", vec![], vec!["T: 1"]),
        ("/second", vec!["A: 1"], vec![]),
        ("/second/again", vec!["A: 1"], vec![]),
    ] {
        let additions = &site.location(path).additions;
        assert_eq!(fields(&additions.headers), headers, "{path}");
        assert_eq!(fields(&additions.trailers), trailers, "{path}");
    }
}
