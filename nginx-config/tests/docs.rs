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
