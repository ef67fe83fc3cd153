//! Reads `src/ffi` and the index catalog, and writes what is made from them:
//!
//! - `include/elanus.h`, the C header;
//! - `bindings/elanus.json`, the model that the raw layers of other languages are made from;
//! - `tests/abi/layout.c` and `tests/abi/symbols.txt`, the record of the binary interface;
//! - the table of index types in `README.md`.
//!
//! `elanus-generate` writes the files that changed; `elanus-generate --check` writes nothing, names each outdated file
//! and fails.

mod catalog;
mod header;
mod json;
mod layout;
mod model;
mod read;

#[cfg(all(test, feature = "crosscheck"))]
mod crosscheck;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

fn run(check: bool) -> Result<bool, Box<dyn Error>> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).ok_or("no workspace above this crate")?;
    let model = read::model(root)?;
    let mut fresh = true;
    let files = [
        ("include/elanus.h", header::render(&model)),
        ("bindings/elanus.json", json::render(&model)?),
        ("tests/abi/layout.c", layout::render(&model)),
        ("tests/abi/symbols.txt", layout::symbols(&model)),
        ("README.md", catalog::renew(&fs::read_to_string(root.join("README.md"))?)?),
    ];
    for (path, text) in files {
        let file = root.join(path);
        if fs::read_to_string(&file).is_ok_and(|old| old == text) {
            continue;
        }
        if check {
            eprintln!("{path} is outdated: run `make bindings`");
            fresh = false;
        } else {
            fs::create_dir_all(file.parent().ok_or("a file has a folder")?)?;
            fs::write(&file, text)?;
            eprintln!("wrote {path}");
        }
    }
    Ok(fresh)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let check = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--check"] => true,
        _ => {
            eprintln!("usage: elanus-generate [--check]");
            return ExitCode::from(2);
        }
    };
    match run(check) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("elanus-generate: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_committed_is_what_would_be_written() {
        assert!(super::run(true).unwrap(), "run `make bindings`");
    }
}
