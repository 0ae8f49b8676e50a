//! Prints `docs/directives.md`: `cargo run -p underpass-nginx-config --example directives_md > docs/directives.md`

fn main() {
    print!("{}", underpass_nginx_config::directives_markdown());
}
