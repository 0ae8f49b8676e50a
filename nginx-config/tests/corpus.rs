//! The configurations of `testdata/configs` load, or are refused, as their cases say; and what `-T` prints of them is
//! read as the same.

use std::{fs, io, net::IpAddr, path::Path, sync::Arc};

use underpass_nginx_config::{LoadOptions, Resolve, load, load_text};

/// Knows every name.
#[derive(Debug)]
struct Anybody;

impl Resolve for Anybody {
    fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![[192, 0, 2, 1].into()])
    }
}

#[test]
fn products_recipes_load_or_are_refused_as_their_cases_say() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/configs");
    let mut options = LoadOptions::new("/prefix");
    options.resolver = Arc::new(Anybody);
    let mut count = 0;
    for entry in fs::read_dir(&configs).expect("testdata/configs") {
        let folder = entry.expect("an entry").path();
        let Ok(case) = fs::read_to_string(folder.join("case.toml")) else { continue };
        let place = tempfile::TempDir::new().expect("a folder");
        for from in [configs.join("shared"), folder.clone()] {
            copy(&from, place.path(), &place.path().display().to_string());
        }
        let loaded = load(place.path().join("nginx.conf"), &options);
        let case: toml::Table = case.parse().expect("a case");
        let refusal = case.get("underpass").and_then(|says| says.get("refused"));
        match loaded {
            Ok(loaded) => {
                assert!(refusal.is_none(), "{} loads", folder.display());
                let expanded = loaded.expanded();
                // Names of files that aren't included are relative to the folder of the main file.
                let again = load_text(place.path().join("nginx.conf"), expanded.as_str(), &options);
                let again = again.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
                assert_eq!(again.expanded(), expanded, "{}", folder.display());
                assert_eq!(again.main, loaded.main, "{}", folder.display());
                assert_eq!(again.listeners.len(), loaded.listeners.len(), "{}", folder.display());
                // What traces tell of it is a configuration, too.
                let masked = loaded.masked();
                let again = load_text(place.path().join("nginx.conf"), masked.as_str(), &options);
                let again = again.unwrap_or_else(|error| panic!("{}, masked: {error}", folder.display()));
                assert_eq!(again.masked(), masked, "{}", folder.display());
                assert_eq!(again.main, loaded.main, "{}", folder.display());
                assert_eq!(again.listeners.len(), loaded.listeners.len(), "{}", folder.display());
            }
            Err(error) => {
                let refusal = refusal.unwrap_or_else(|| panic!("{}: {error}", folder.display()));
                let says = refusal.get("says").and_then(|says| says.as_str()).expect("what is said");
                assert!(error.to_string().contains(says), "{}: {error}", folder.display());
            }
        }
        count += 1;
    }
    assert!(count >= 40, "only {count} cases");
}

/// Copies a folder; in its files `/etc/nginx` becomes `place`, and `/etc/letsencrypt` a folder in it.
fn copy(from: &Path, to: &Path, place: &str) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target, place);
        } else {
            let text = fs::read_to_string(&path).expect("text");
            let text = text.replace("/etc/nginx", place);
            let text = text.replace("/etc/letsencrypt", &format!("{place}/letsencrypt"));
            fs::write(target, text).expect("a file");
        }
    }
}
