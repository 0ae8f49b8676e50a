//! Everything that the fuzzer kept, without a fuzzer; and bytes by chance.

mod fuzzing;

use std::{fs, path::PathBuf};

use proptest::prelude::*;

#[test]
fn the_corpus_holds() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let mut count = 0;
    for folder in ["corpus/tls", "regressions/tls"] {
        // There may have been no finding.
        let Ok(files) = fs::read_dir(root.join(folder)) else { continue };
        for file in files {
            let path = file.expect("a folder entry").path();
            let bytes = fs::read(&path).expect("a file that can be read");
            // Said before it runs: a panic doesn't know whose input it was.
            println!("{}", path.display());
            fuzzing::check(&bytes);
            count += 1;
        }
    }
    assert!(count >= 100, "{count} inputs");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bytes_by_chance_hold(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzzing::check(&bytes);
    }

    /// Records whose headers are right: what is in them is anything.
    #[test]
    fn records_by_chance_hold(
        first in 0u8..4,
        records in prop::collection::vec((20u8..25, prop::collection::vec(any::<u8>(), 0..200)), 0..6),
    ) {
        let mut bytes = vec![first];
        for (kind, content) in records {
            bytes.extend([kind, 3, 3]);
            bytes.extend((content.len() as u16).to_be_bytes());
            bytes.extend(content);
        }
        fuzzing::check(&bytes);
    }
}
