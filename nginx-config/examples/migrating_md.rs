//! Prints `docs/migrating.md`: `cargo run -p underpass-nginx-config --example migrating_md > docs/migrating.md`

#[path = "pages/deviations.rs"]
mod deviations;
#[path = "pages/migrating.rs"]
mod migrating;

fn main() {
    print!("{}", migrating::markdown());
}
