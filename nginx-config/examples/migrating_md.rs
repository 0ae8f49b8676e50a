//! Prints `docs/guide/migrating.md`: `cargo run -p underpass-nginx-config --example migrating_md > docs/guide/migrating.md`

#[path = "pages/deviations.rs"]
mod deviations;
#[path = "pages/migrating.rs"]
mod migrating;

fn main() {
    print!("{}", migrating::markdown());
}
