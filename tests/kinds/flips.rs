//! Each byte of each index file of a small database flipped: what is then read is an error that says so, or exactly what it
//! was before. A plain run takes every so many-th byte; `ELANUS_FLIP=all` (`make flip`) takes every one.

use crate::cases::{Case, working};
use crate::engine::*;
use crate::sets::{Set, tags, w2v};
use elanus::database::Options;
use elanus::error::{Code, Error};
use elanus::index::catalog::VectorKind;
use elanus::storage::fault::{Cut, FaultDisk};
use std::path::Path;

/// Of each file these bytes at both ends are always changed, and of the rest every so many-th.
const ENDS: usize = 96;
const STEP: usize = 211;

type Answer = Vec<Vec<(i64, f32)>>;

/// A database with the index and an insert after it, closed.
fn closed(case: &Case, set: &Set) -> FaultDisk {
    let (disk, database, collection) = stored(set, 1);
    let description = case.description(case.metrics()[0], case.promise().typical);
    create_index(&collection, &description).unwrap_or_else(|e| panic!("{description}: {e}"));
    collection.insert(batch(set, 0..3, 1_000)).expect("an insert");
    database.close().expect("a close");
    disk
}

fn ask(disk: &FaultDisk, set: &Set, wide: &str) -> Result<[Answer; 2], Error> {
    let database = open(disk, Options { read_only: true, ..options(1) })?;
    let collection = database.collection("c")?;
    let narrow = hits(&search(&collection, &set.queries, &search_options(5, "", None))?);
    let wide = hits(&search(&collection, &set.queries, &search_options(50, wide, None))?);
    Ok([narrow, wide])
}

/// Flips bytes of one file; says how many flips were refused and how many changed nothing.
fn flip(disk: &FaultDisk, set: &Set, wide: &str, path: &Path, good: &[u8]) -> (usize, usize) {
    let expected = ask(disk, set, wide).expect("the undamaged answers");
    let all = std::env::var("ELANUS_FLIP").is_ok_and(|value| value == "all");
    let (mut refused, mut unchanged) = (0, 0);
    let mut random = Random(11);
    for at in 0..good.len() {
        if !(all || at < ENDS || at + ENDS >= good.len() || at % STEP == 0) {
            continue;
        }
        let mut bytes = good.to_vec();
        bytes[at] ^= 1 << random.below(8);
        disk.tamper(path, &bytes);
        match ask(disk, set, wide) {
            Err(error) => {
                assert_eq!(error.code(), Code::Corrupt, "{} byte {at}: {error}", path.display());
                refused += 1;
            }
            Ok(answer) => {
                assert!(answer == expected, "{} byte {at}: another answer", path.display());
                unchanged += 1;
            }
        }
    }
    disk.tamper(path, good);
    assert!(ask(disk, set, wide).expect("the mended answers") == expected);
    (refused, unchanged)
}

#[test]
fn a_flipped_byte_of_an_index_is_found_or_harmless() {
    for case in working() {
        let set = match case.kind {
            VectorKind::Float => w2v(),
            VectorKind::Binary => tags(),
        };
        let set = set.head(120, 4);
        let disk = closed(&case, &set).power_cut(Cut::Kept, 0);
        let files = files(&disk);
        let of_index = files.iter().filter(|(path, _)| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("index-"))
        });
        let mut told = Vec::new();
        for (path, good) in of_index {
            let (refused, unchanged) = flip(&disk, &set, case.promise().wide, path, good);
            told.push(format!("{} bytes, {refused} refused, {unchanged} unchanged", good.len()));
        }
        println!("{} {:?}: {}", case.entry.name, case.kind, told.join("; "));
        assert!(told.len() >= 2, "{}: an index file and its checksums", case.entry.name);
    }
}
