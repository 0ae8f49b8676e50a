//! Prints `docs/migrating.md`: `cargo run -p underpass-nginx-config --example directives_md > docs/migrating.md`

fn main() {
    print!("{}", underpass_nginx_config::migrating_markdown());
}
