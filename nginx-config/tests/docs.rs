//! `docs/directives.md` is what the table says.

#[test]
fn directives_md_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/directives.md");
    let file = std::fs::read_to_string(path).expect("docs/directives.md");
    assert!(
        file == underpass_nginx_config::directives_markdown(),
        "cargo run -p underpass-nginx-config --example directives_md > docs/directives.md"
    );
}

#[test]
fn migrating_md_is_up_to_date() {
    let committed = include_str!("../../docs/migrating.md");
    assert!(
        committed == underpass_nginx_config::migrating_markdown(),
        "cargo run -p underpass-nginx-config --example migrating_md > docs/migrating.md"
    );
}

/// The configurations that the page shows are read.
#[test]
fn what_migrating_md_shows_is_read() {
    let text = include_str!("../../docs/migrating.md");
    let shown: Vec<_> =
        text.split("```nginx\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(shown.len(), 2);
    for http in shown {
        let file = format!("http {{ upstream chat {{ server 127.0.0.1:9000; }}\n{http} }}");
        let options = underpass_nginx_config::LoadOptions::default();
        underpass_nginx_config::load_text("nginx.conf", file, &options).expect("it is read");
    }
}
