//! Everything that the fuzzer began with, kept, and once found, without a fuzzer.

use std::{fs, path::PathBuf};

use underpass_testkit::fuzz::{TARGETS, run, seeds};

fn replay(folder: &str) -> usize {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(folder);
    let mut count = 0;
    for (target, _) in TARGETS {
        let Ok(files) = fs::read_dir(root.join(target)) else { continue };
        for file in files {
            let path = file.expect("a folder entry").path();
            let bytes = fs::read(&path).expect("a file that can be read");
            // Said before it runs: a panic doesn't know whose input it was.
            println!("{}", path.display());
            run(target, &bytes);
            count += 1;
        }
    }
    count
}

#[test]
fn the_corpus_holds() {
    let count = replay("corpus");
    println!("fuzz: {count} inputs of the corpus hold");
    assert!(count >= 100 * TARGETS.len(), "{count} inputs");
}

/// A minimised corpus keeps one input for each edge of a machine that is right; a machine that is wrong is shown up by what
/// the hostile cases say of it, too.
#[test]
fn the_seeds_hold() {
    for (target, _) in TARGETS {
        for (name, bytes) in seeds(target) {
            println!("{target}: {name}");
            run(target, &bytes);
        }
    }
}

#[test]
fn what_was_found_stays_mended() {
    assert!(replay("regressions") > 0);
}

#[test]
fn every_target_has_a_binary_a_dictionary_and_seeds() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("the manifest");
    for (target, _) in TARGETS {
        let binary = fs::read_to_string(root.join(format!("fuzz_targets/{target}.rs"))).expect("a binary");
        assert!(binary.contains(&format!("\"{target}\"")), "{target} runs another");
        assert!(manifest.contains(&format!("name = \"{target}\"")), "{target} is not built");
        assert!(root.join(format!("dictionaries/{target}.dict")).exists(), "{target} has no dictionary");
        assert!(!seeds(target).is_empty(), "{target} has no seeds");
    }
}
