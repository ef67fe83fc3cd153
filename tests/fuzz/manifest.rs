//! Any bytes as a manifest: refused or read, never a panic, and what is read can be committed and read again.
#![no_main]

use elanus::storage::fault::FaultDisk;
use elanus::storage::manifest;
use elanus::storage::vfs::Vfs;
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::Arc;

fuzz_target!(|input: (bool, Vec<u8>)| {
    let (sealed, mut bytes) = input;
    if sealed && bytes.len() >= 28 {
        // With right checksums the numbers inside are reached.
        seal(&mut bytes, 0..12, 12);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[16..24]), &bytes[28..]);
        bytes[24..28].copy_from_slice(&crc.to_le_bytes());
    }
    let disk = FaultDisk::new();
    disk.tamper(Path::new("/MANIFEST"), &bytes);
    let vfs: Arc<dyn Vfs> = Arc::new(disk);
    if let Ok(Some(payload)) = manifest::load(&vfs, Path::new("/")) {
        manifest::commit(&vfs, Path::new("/"), &payload).unwrap();
        assert_eq!(manifest::load(&vfs, Path::new("/")).unwrap().unwrap(), payload);
    }
});

fn seal(bytes: &mut [u8], covered: std::ops::Range<usize>, at: usize) {
    let crc = crc32c::crc32c(&bytes[covered]);
    bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
}
