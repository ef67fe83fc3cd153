//! The manifest: one small checksummed file, replaced by rename; one commit = one manifest.
//!
//! `MANIFEST` is a stamp (16 bytes), the payload's length (u64), the CRC-32C of length and payload (u32), and the payload.

use crate::error::{Code, Error, Result};
use crate::storage::stamp::{Stamp, u32_at, u64_at};
use crate::storage::vfs::Vfs;
use std::io;
use std::path::Path;
use std::sync::Arc;

const NAME: &str = "MANIFEST";
const TEMPORARY: &str = "MANIFEST.tmp";
const STAMP: Stamp = Stamp { name: "manifest", magic: *b"ELANMAN\n", version: 1 };
/// After the stamp: length and checksum.
const FRAME: usize = 12;

/// The payload of the current manifest in `dir`, or `None` where there is none. A newer format is `FormatTooNew`, bad
/// bytes are `Corrupt`. Writes nothing; a leftover temporary file is ignored.
pub fn load(vfs: &Arc<dyn Vfs>, dir: &Path) -> Result<Option<Vec<u8>>> {
    let path = dir.join(NAME);
    let bytes = match vfs.read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(format_args!("cannot read {}", path.display()), error)),
    };
    let rest = STAMP.strip(&bytes, path.display())?;
    let damaged = |what: String| Err(Error::corrupt(format!("{}: {what}", path.display())));
    let Some(payload) = rest.get(FRAME..) else {
        return damaged(format!("the manifest ends after {} bytes", bytes.len()));
    };
    if u64_at(rest, 0) != payload.len() as u64 {
        return damaged(format!("the manifest says {} bytes and has {}", u64_at(rest, 0), payload.len()));
    }
    if checksum(payload) != u32_at(rest, 8) {
        return damaged("the manifest's checksum is wrong".to_owned());
    }
    Ok(Some(payload.to_vec()))
}

/// Like [`load`], for a writer: what it returns survives a power cut from now on. (A process may have died between the
/// rename and the sync of the directory; a writer that removed files on the word of such a manifest, and then lost the
/// manifest, would have lost them for the one before.)
pub fn recover(vfs: &Arc<dyn Vfs>, dir: &Path) -> Result<Option<Vec<u8>>> {
    vfs.sync_dir(dir).map_err(|error| Error::io(format_args!("cannot sync {}", dir.display()), error))?;
    load(vfs, dir)
}

/// Replaces the manifest: writes a temporary file, syncs it, renames it, syncs the directory. After an error the old
/// manifest is in force; only with the code `Poisoned` it may be the old or the new one, and the caller must reopen.
pub fn commit(vfs: &Arc<dyn Vfs>, dir: &Path, payload: &[u8]) -> Result<()> {
    let (path, temporary) = (dir.join(NAME), dir.join(TEMPORARY));
    let mut bytes = Vec::with_capacity(Stamp::LEN + FRAME + payload.len());
    bytes.extend_from_slice(&STAMP.bytes());
    bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&checksum(payload).to_le_bytes());
    bytes.extend_from_slice(payload);

    let written = write(vfs, &temporary, &bytes).and_then(|()| vfs.rename(&temporary, &path));
    if let Err(error) = written {
        // Not needed for the next commit, only to give the space back.
        let _ = vfs.remove_file(&temporary);
        return Err(Error::io(format_args!("cannot write {}", temporary.display()), error));
    }
    vfs.sync_dir(dir).map_err(|error| {
        Error::new(
            Code::Poisoned,
            format!("cannot sync {}, so a power cut may undo the commit: {error}", dir.display()),
        )
    })
}

fn write(vfs: &Arc<dyn Vfs>, path: &Path, bytes: &[u8]) -> io::Result<()> {
    match vfs.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = vfs.create(path)?;
    file.append(bytes)?;
    file.sync()
}

fn checksum(payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&(payload.len() as u64).to_le_bytes()), payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::disk::Disk;
    use crate::storage::fault::{Cut, Fault, FaultDisk};

    fn dir() -> &'static Path {
        Path::new("/db")
    }

    fn disk() -> (FaultDisk, Arc<dyn Vfs>) {
        let disk = FaultDisk::new();
        disk.create_dir_all(dir()).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        (disk.clone(), Arc::new(disk))
    }

    #[test]
    fn the_last_commit_is_loaded() {
        let root = tempfile::tempdir().unwrap();
        let vfs: Arc<dyn Vfs> = Arc::new(Disk);
        assert_eq!(load(&vfs, root.path()).unwrap(), None);
        for payload in [&b"one"[..], b"", b"three, longer"] {
            commit(&vfs, root.path(), payload).unwrap();
            assert_eq!(load(&vfs, root.path()).unwrap().unwrap(), payload);
            assert_eq!(recover(&vfs, root.path()).unwrap().unwrap(), payload);
        }
        assert_eq!(vfs.list(root.path()).unwrap(), [NAME]);
    }

    #[test]
    fn every_flipped_bit_and_every_length_is_corrupt() {
        let (disk, vfs) = disk();
        commit(&vfs, dir(), b"the payload").unwrap();
        let path = dir().join(NAME);
        let bytes = disk.read(&path).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            disk.tamper(&path, &bad);
            assert_eq!(load(&vfs, dir()).unwrap_err().code(), Code::Corrupt, "bit {bit}");
        }
        for len in 0..bytes.len() {
            disk.tamper(&path, &bytes[..len]);
            assert_eq!(load(&vfs, dir()).unwrap_err().code(), Code::Corrupt, "length {len}");
        }
        for longer in [[&bytes[..], b"x"].concat(), vec![0; bytes.len()], vec![0xff; 100]] {
            disk.tamper(&path, &longer);
            assert_eq!(load(&vfs, dir()).unwrap_err().code(), Code::Corrupt);
        }
    }

    #[test]
    fn a_newer_format_is_named() {
        let (disk, vfs) = disk();
        disk.tamper(&dir().join(NAME), &Stamp { version: 9, ..STAMP }.bytes());
        let error = load(&vfs, dir()).unwrap_err();
        assert_eq!(error.code(), Code::FormatTooNew);
        assert!(error.message().contains("version 9") && error.message().contains("up to 1"), "{error}");
    }

    #[test]
    fn a_leftover_temporary_file_is_overwritten() {
        let (disk, vfs) = disk();
        disk.tamper(&dir().join(TEMPORARY), b"half of something");
        assert_eq!(load(&vfs, dir()).unwrap(), None);
        commit(&vfs, dir(), b"whole").unwrap();
        assert_eq!(load(&vfs, dir()).unwrap().unwrap(), b"whole");
    }

    /// Three commits, every operation failing or cut off: the manifest is the last acknowledged one or the one after.
    #[test]
    fn a_crash_at_any_operation_leaves_an_acknowledged_manifest() {
        let faults = [
            Fault::PowerOff,
            Fault::Once(io::ErrorKind::StorageFull),
            Fault::Once(io::ErrorKind::Other),
            Fault::Always(io::ErrorKind::StorageFull),
        ];
        let mut states = 0;
        for fault in faults {
            for operation in 0.. {
                let (disk, vfs) = disk();
                let start = disk.operations();
                disk.fail_at(start + operation, fault);
                let (mut acknowledged, mut poisoned) = (0, false);
                for number in 1..=3u8 {
                    match commit(&vfs, dir(), &[number; 600]) {
                        Ok(()) => acknowledged = number,
                        Err(error) => poisoned |= error.code() == Code::Poisoned,
                    }
                    if poisoned {
                        break;
                    }
                }
                let cut_off = disk.operations() > start + operation;
                for (cut, seed) in Cut::ALL.iter().flat_map(|&cut| (0..8).map(move |seed| (cut, seed))) {
                    let after: Arc<dyn Vfs> = Arc::new(disk.power_cut(cut, seed));
                    let found = recover(&after, dir()).unwrap();
                    let found = found.map_or(0, |payload| {
                        assert_eq!(payload, [payload[0]; 600]);
                        payload[0]
                    });
                    let doubtful = poisoned || fault == Fault::PowerOff;
                    assert!(
                        found == acknowledged || doubtful && found == acknowledged + 1,
                        "{fault:?} at {operation}, {cut:?} {seed}: {found} after {acknowledged}"
                    );
                    commit(&after, dir(), b"goes on").unwrap();
                    states += 1;
                }
                if !cut_off {
                    break;
                }
            }
        }
        assert!(states > 1000, "{states}");
    }
}
