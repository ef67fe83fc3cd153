//! Any bytes as a file and its checksum table: refused, or read as they are; never a panic.
#![no_main]

use elanus::storage::checked::CheckedFile;
use elanus::storage::fault::FaultDisk;
use elanus::storage::vfs::Vfs;
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::{Arc, LazyLock};

static POOL: LazyLock<rayon::ThreadPool> =
    LazyLock::new(|| rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap());

fuzz_target!(|input: (bool, u32, u16, Vec<u8>, Vec<u8>)| {
    let (sealed, offset, len, bytes, mut table) = input;
    if sealed && table.len() >= 32 {
        // With right checksums the numbers inside are reached.
        let stamp = crc32c::crc32c(&table[..12]);
        table[12..16].copy_from_slice(&stamp.to_le_bytes());
        let end = table.len() - 4;
        let own = crc32c::crc32c_append(crc32c::crc32c(b"/f"), &table[..end]);
        table[end..].copy_from_slice(&own.to_le_bytes());
    }
    let disk = FaultDisk::new();
    disk.tamper(Path::new("/f"), &bytes);
    disk.tamper(Path::new("/f.crc"), &table);
    let vfs: Arc<dyn Vfs> = Arc::new(disk);
    if let Ok(file) = CheckedFile::open(&vfs, Path::new("/f")) {
        if let Ok(read) = file.bytes(&POOL) {
            assert_eq!(read.as_slice(), bytes);
        }
        if let Ok(part) = file.read_at(u64::from(offset), usize::from(len)) {
            assert_eq!(part, &bytes[offset as usize..][..usize::from(len)]);
        }
    }
});
