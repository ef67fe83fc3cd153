//! Any bytes as the files of a log, and any damage to a good log: refused or read, never a panic; a damaged log gives a
//! prefix of what was written; and what opens can be appended to and opens again.
#![no_main]

use elanus::Result;
use elanus::storage::fault::FaultDisk;
use elanus::storage::vfs::Vfs;
use elanus::storage::wal::{self, Wal};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Arbitrary, Debug)]
enum Input {
    /// Two files as they are.
    Raw([Vec<u8>; 2]),
    /// Two files whose checksums are made right, so that the numbers inside are reached.
    Sealed([Vec<u8>; 2]),
    /// A good log, then bytes of its first file changed.
    Damaged { groups: Vec<(Vec<Vec<u8>>, bool)>, close: bool, changes: Vec<(u16, u8)>, cut: Option<u16> },
}

fuzz_target!(|input: Input| {
    let disk = FaultDisk::new();
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    match input {
        Input::Raw(files) => write(&disk, &files),
        Input::Sealed(mut files) => {
            (1..).zip(&mut files).for_each(|(number, file)| seal(number, file));
            write(&disk, &files);
        }
        Input::Damaged { groups, close, changes, cut } => {
            let mut log = Wal::open(&vfs, dir(), 1, &mut |_, _| Ok(())).unwrap().0;
            for (group, sync) in &groups {
                let slices: Vec<&[u8]> = group.iter().map(|payload| &payload[..]).collect();
                log.append(&slices, *sync).unwrap();
            }
            if close {
                log.close().unwrap();
            }
            let mut file = disk.read(&path(1)).unwrap();
            for (at, value) in changes {
                let len = file.len();
                file[usize::from(at) % len] ^= value;
            }
            file.truncate(cut.map_or(usize::MAX, usize::from));
            disk.tamper(&path(1), &file);
            let written: Vec<Vec<u8>> = groups.into_iter().flat_map(|(group, _)| group).collect();
            if let Ok(found) = read(&vfs) {
                assert_eq!(found, written[..found.len()]);
            }
        }
    }
    let Ok(found) = read(&vfs) else { return };
    let Ok((mut log, _)) = Wal::open(&vfs, dir(), 1, &mut |_, _| Ok(())) else { return };
    if log.append(&[b"more"], true).is_ok() {
        drop(log);
        assert_eq!(read(&vfs).unwrap(), [&found[..], &[b"more".to_vec()]].concat());
    }
});

fn dir() -> &'static Path {
    Path::new("/")
}

fn path(number: usize) -> PathBuf {
    dir().join(format!("wal-{number:08}.log"))
}

fn write(disk: &FaultDisk, files: &[Vec<u8>; 2]) {
    (1..).zip(files).for_each(|(number, file)| disk.tamper(&path(number), file));
}

fn read(vfs: &Arc<dyn Vfs>) -> Result<Vec<Vec<u8>>> {
    let mut records = Vec::new();
    wal::replay(vfs, dir(), 1, &mut |_, payload| {
        records.push(payload.to_vec());
        Ok(())
    })?;
    Ok(records)
}

/// Sets magics, versions, the file's number and all checksums, following the lengths that are there.
fn seal(number: u64, file: &mut [u8]) {
    if file.len() < 52 {
        return;
    }
    file[..12].copy_from_slice(b"ELANWAL\n\x01\0\0\0");
    put(file, 12, crc32c::crc32c(&file[..12]));
    file[16..24].copy_from_slice(&number.to_le_bytes());
    put(file, 48, crc32c::crc32c(&file[..48]));
    let mut at = 52;
    while at + 32 <= file.len() {
        let magic = if file[at] == b'c' { b"ELwc" } else { b"ELwr" };
        file[at..at + 4].copy_from_slice(magic);
        let len = u32::from_le_bytes(file[at + 4..at + 8].try_into().unwrap()) as usize;
        let end = (at + 32).saturating_add(len);
        if let Some(payload) = file.get(at + 32..end) {
            put(file, at + 24, crc32c::crc32c(payload));
        }
        let place = crc32c::crc32c_append(crc32c::crc32c(&number.to_le_bytes()), &(at as u64).to_le_bytes());
        put(file, at + 28, crc32c::crc32c_append(place, &file[at..at + 28]));
        at = end;
    }
}

fn put(file: &mut [u8], at: usize, crc: u32) {
    file[at..at + 4].copy_from_slice(&crc.to_le_bytes());
}
