//! Pages of `docs/` are what the examples that make them say.

#[path = "../examples/pages/deviations.rs"]
mod deviations;
#[path = "../examples/pages/directives.rs"]
mod directives;
#[path = "../examples/pages/migrating.rs"]
mod migrating;

use underpass_nginx_config::Directive;

#[test]
fn directives_md_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guide/directives.md");
    let file = std::fs::read_to_string(path).expect("docs/guide/directives.md");
    assert!(
        file == directives::markdown(),
        "cargo run -p underpass-nginx-config --example directives_md > docs/guide/directives.md"
    );
}

#[test]
fn migrating_md_is_up_to_date() {
    let committed = include_str!("../../docs/guide/migrating.md");
    assert!(
        committed == migrating::markdown(),
        "cargo run -p underpass-nginx-config --example migrating_md > docs/guide/migrating.md"
    );
}

/// The configurations that the page shows are read.
#[test]
fn what_migrating_md_shows_is_read() {
    let text = include_str!("../../docs/guide/migrating.md");
    let shown: Vec<_> =
        text.split("```nginx\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(shown.len(), 2);
    for http in shown {
        let file = format!("http {{ upstream chat {{ server 127.0.0.1:9000; }}\n{http} }}");
        let options = underpass_nginx_config::LoadOptions::default();
        underpass_nginx_config::load_text("nginx.conf", file, &options).expect("it is read");
    }
}

/// So are those of the page about tunnels, whole files and parts of `http`.
#[test]
fn what_tunnels_md_shows_is_read() {
    let text = include_str!("../../docs/guide/tunnels.md");
    let shown: Vec<_> =
        text.split("```nginx\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(shown.len(), 5);
    for part in shown {
        let file = if part.contains("http {") { part.to_owned() } else { format!("http {{ {part} }}") };
        let options = underpass_nginx_config::LoadOptions::default();
        let loaded = underpass_nginx_config::load_text("nginx.conf", file, &options).expect(part);
        assert_eq!(loaded.notes, [], "{part}");
    }
}

#[test]
fn switches_are_directives() {
    for deviation in deviations::DEVIATIONS {
        let deviations::Deviation { what, why, switch, .. } = deviation;
        assert!(what.ends_with('.') && why.ends_with('.'), "{what}");
        let name = switch.and_then(|switch| switch.split(' ').next());
        let is_known = |name| Directive::all().any(|directive| directive.name() == name);
        assert!(name.is_none_or(is_known), "{name:?} is a directive");
    }
}
