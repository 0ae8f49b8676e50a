//! Prints `docs/guide/directives.md`: `cargo run -p underpass-nginx-config --example directives_md > docs/guide/directives.md`

#[path = "pages/directives.rs"]
mod directives;

fn main() {
    print!("{}", directives::markdown());
}
