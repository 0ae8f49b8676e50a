//! Fuzz targets without a fuzzer: `fuzz seeds TARGET FOLDER` writes their seeds, `fuzz TARGET FILE…` runs inputs.

use std::{fs, path::Path, process::ExitCode};

use underpass_testkit::fuzz::{run, seeds};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["seeds", target, folder] => {
            fs::create_dir_all(folder).expect("a folder that can be made");
            for (number, (name, bytes)) in seeds(target).iter().enumerate() {
                let name: String =
                    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
                let file = Path::new(folder).join(format!("seed-{number:04}-{name}"));
                fs::write(file, bytes).expect("a folder that can be written to");
            }
        }
        [target, files @ ..] if !files.is_empty() => {
            for file in files {
                println!("{file}");
                run(target, &fs::read(file).expect("a file that can be read"));
            }
        }
        _ => {
            eprintln!("usage: fuzz seeds TARGET FOLDER | fuzz TARGET FILE…");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
