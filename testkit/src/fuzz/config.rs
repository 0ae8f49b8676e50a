//! Any bytes as a file of nginx's syntax: a configuration that prints as one that comes to the same, or an error
//! with its place.

use underpass_nginx_config::{LoadOptions, load_text};

/// Directives that read files of the machine, on which no input of a corpus may rest.
const READS_FILES: [&[u8]; 2] = [b"include", b"auth_basic_user_file"];

pub(super) fn check(bytes: &[u8]) {
    let holds = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
    if READS_FILES.into_iter().any(holds) {
        return;
    }
    // A folder that nobody has: what is included isn't there.
    let options = LoadOptions::new("/var/empty");
    match load_text("f", bytes, &options) {
        Ok(loaded) => {
            let printed = loaded.expanded();
            let again = load_text("f", printed.as_str(), &options).expect("what was printed loads");
            assert_eq!(again.expanded(), printed, "printed again");
            assert_eq!(again.main, loaded.main);
            assert_eq!(again.listeners.len(), loaded.listeners.len());
        }
        Err(error) => {
            let position = error.position.expect("a position");
            let lines = bytes.split(|byte| *byte == b'\n').count();
            assert!((1..=lines).contains(&(position.line as usize)) && position.column > 0, "{position}");
        }
    }
}

pub(super) fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    collect(&crate::conformance::testdata().join("configs"), &mut seeds);
    seeds.sort();
    seeds
}

fn collect(folder: &std::path::Path, seeds: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("the folder of configurations") {
        let path = entry.expect("a folder entry").path();
        if path.is_dir() {
            collect(&path, seeds);
        } else if path.extension().is_some_and(|extension| extension == "conf") {
            let name = path.to_string_lossy().rsplit("configs/").next().unwrap_or_default().replace('/', "-");
            seeds.push((name, std::fs::read(&path).expect("a file")));
        }
    }
}
