//! Locations and rewrite directives.

use super::*;

/// A script as one line.
fn shown(steps: &[Step]) -> String {
    let step = |step: &Step| match step {
        Step::Set(SetId(id), value) => format!("set {id} {}", value.source()),
        Step::SetArgs(value) => format!("args {}", value.source()),
        Step::If(branch) => {
            let to = branch.location.as_ref().map_or("", |_| " -> proxy");
            let condition = match &branch.condition {
                Condition::True(value) => value.source().to_owned(),
                Condition::Equal { value, other, negated } => {
                    format!("{} {}= {}", value.source(), if *negated { "!" } else { "=" }, other.source())
                }
                Condition::Matches { value, negated, .. } => {
                    format!("{} {}~", value.source(), if *negated { "!" } else { "" })
                }
                _ => "?".to_owned(),
            };
            format!("if {condition} [{}]{to}", shown(&branch.steps))
        }
        Step::Rewrite(rewrite) => format!("rewrite {} {:?}", rewrite.replacement.source(), rewrite.then),
        Step::Break => "break".to_owned(),
        Step::Return(answer) => format!("return {}", answer.status),
        _ => "?".to_owned(),
    };
    steps.iter().map(step).collect::<Vec<_>>().join("; ")
}

#[test]
fn rewrite_directives_in_the_order_of_the_file() {
    let site = site(
        "server {
             set $a 1; if ($host = x) { return 403; } rewrite ^/old(.*) /new$1;
             location /a {
                 set $b \"$a-2\"; set $A 3; set $args x=y;
                 if ($b) { set $c 1; proxy_pass http://one.test; }
                 if ( $b != '' ) { rewrite ^ /x last; }
                 if ($b !~* \"^x(?<tail>.*)\") { rewrite ^/(?<one>.*) /y break; rewrite z /z; break; }
                 rewrite ^ https://x$request_uri? permanent;
                 rewrite ^ /r redirect;
                 break; set $never 1;
                 proxy_pass http://one.test;
             }
             location /tail { return 200 $tail$one$c; }
         }",
    );
    assert_eq!(
        shown(&site.servers[0].otherwise.script.steps),
        "set 0 1; if $host == x [return 403]; rewrite /new$1 GoOn"
    );
    assert_eq!(
        shown(&site.location("/a").script.steps),
        "set 1 $a-2; set 0 3; args x=y; if $b [set 2 1] -> proxy; if $b != \u{20}[rewrite /x Last]; \
         if $b !~ [rewrite /y Break; rewrite /z GoOn; break]; rewrite https://x$request_uri? Permanent; \
         rewrite /r Redirect; break",
    );
    let text = answer(site.location("/tail")).text.as_ref().expect("a text");
    let sets: Vec<_> = text.variables().map(|variable| format!("{variable:?}")).collect();
    assert_eq!(sets, ["Set(SetId(3))", "Set(SetId(4))", "Set(SetId(2))"]);
    assert_eq!(site.notes, ["this \"set\" is never reached: one before it ends the rewriting in f:11:25"]);
}

#[test]
fn a_condition_names_the_groups_of_its_expression() {
    // The parenthesis that ends the condition is no part of the expression in front of it.
    for condition in ["($host ~ ^(?<sub>.+)\\.test$)", "($host ~ (?<sub>.+) )", "($host ~ \"(?<sub>.+)\")"] {
        let text = format!("server {{ if {condition} {{ return 200 $sub; }} }}");
        let site = site(&text);
        assert_eq!(shown(&site.servers[0].otherwise.script.steps), "if $host ~ [return 200]", "{condition}");
    }
}

#[test]
fn locations_of_all_kinds() {
    let site = site(
        "server {
             server_name .both.test *.mask.test www.tail.* ~^(?<sub>[a-z]+)\\.rx\\.test$ ~WWW $hostname;
             location ^~ /a/ { return 200; location /a/b { return 200 $sub; } location ~* \\.PHP$ { return 200; } }
             location ~ ^/r/(\\d+)$ { proxy_pass http://one.test; location ~ /r/1 { return 200 $1; } }
             location ~*x { return 200; }
             location @named { proxy_pass http://one.test; }
         }",
    );
    fn tree(sites: &[Site]) -> String {
        let site = |site: &Site| {
            let matcher = match &site.matcher {
                location::Matcher::Exact(path) => format!("={path}"),
                location::Matcher::Prefix { path, settles } => {
                    format!("{}{path}", if *settles { "^" } else { "" })
                }
                location::Matcher::Regex { source, .. } => format!("~{source}"),
                location::Matcher::Named(name) => name.clone(),
            };
            format!("{matcher}[{}]", tree(&site.nested))
        };
        sites.iter().map(site).collect::<Vec<_>>().join(" ")
    }
    assert_eq!(tree(&site.servers[0].sites), r"^/a/[/a/b[] ~\.PHP$[]] ~^/r/(\d+)$[~/r/1[]] ~x[] @named[]");
    let names: Vec<_> = site.servers[0].names.iter().map(|name| &*name.shown).collect();
    assert_eq!(
        names,
        ["both.test", "*.mask.test", "www.tail.*", r"~^(?<sub>[a-z]+)\.rx\.test$", "~WWW", "localhost"]
    );
    assert_eq!(site.servers[0].to_server().named.keys().collect::<Vec<_>>(), [&"named".into()]);
    assert_eq!(site.notes, [""; 0]);
}

#[test]
fn returns() {
    let site = site(
        "server {
             location /code { return 204; }
             location /text { return 200 \"$host\\n\"; }
             location /moved { return 301 https://$host$request_uri; }
             location /url { return https://example.com; }
             location /scheme { return $scheme://example.com; }
             location /both { return 403; return 200; proxy_pass http://one.test; }
             location /empty { }
         }",
    );
    for (path, status, text) in [
        ("/code", 204, None),
        ("/text", 200, Some("$host\n")),
        ("/moved", 301, Some("https://$host$request_uri")),
        ("/url", 302, Some("https://example.com")),
        ("/scheme", 302, Some("$scheme://example.com")),
        ("/both", 403, None),
    ] {
        let answer = answer(site.location(path));
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.text.as_ref().map(Template::source), text, "{path}");
    }
    assert!(matches!(site.location("/empty").handler, Handler::Nothing));
    assert_eq!(
        site.notes,
        [
            "this \"return\" is never reached: one before it ends the rewriting in f:8:43",
            "location \"/empty\" has neither \"proxy_pass\" nor \"return\": it answers 404 in f:9:14",
        ]
    );
}

#[test]
fn the_server_s_own_level_answers_the_rest() {
    let site = site(
        "server { server_name A.test b.test; location / { return 200; } }
         server { server_name \"\"; return 301 https://a.test$request_uri; location /x { return 200; } }
         server { }",
    );
    let names = |index: usize| {
        let names = site.servers[index].names.iter().map(|name| &*name.shown);
        names.collect::<Vec<_>>()
    };
    assert_eq!((names(0), names(1), names(2)), (vec!["a.test", "b.test"], vec![""], vec![""]));
    assert_eq!(&*site.location("/").server_name, "a.test");
    assert!(matches!(site.servers[0].otherwise.handler, Handler::Nothing));
    assert_eq!(answer(&site.servers[1].otherwise).status, 301);
    assert!(site.servers[1].sites.is_empty());
    assert_eq!(
        site.notes,
        ["the \"return\" of the server answers every request: its locations are never reached in f:3:10"]
    );
}

#[test]
fn locations_are_prefixes_or_exact() {
    let site = site(
        "server { location / { return 200; } location = / { return 200; } location =/a { return 200; }
                  location '/with space' { return 200; } location \"\" { return 200; } }",
    );
    let matchers: Vec<_> = site.servers[0].sites.iter().map(|site| format!("{:?}", site.matcher)).collect();
    let exact = |path: &str| format!("Exact({path:?})");
    let prefix = |path: &str| format!("Prefix {{ path: {path:?}, settles: false }}");
    assert_eq!(matchers, [prefix("/"), exact("/"), exact("/a"), prefix("/with space"), prefix("")]);
}
