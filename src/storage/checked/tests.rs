use super::*;
use crate::storage::disk::Disk;
use crate::storage::fault::{Fault, FaultDisk};
use std::io::Write;

fn pool() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap()
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
}

fn write(vfs: &Arc<dyn Vfs>, path: &Path, bytes: &[u8], step: usize) -> Result<()> {
    let mut writer = CheckedWriter::create(vfs, path)?;
    for part in bytes.chunks(step.max(1)) {
        writer.write_all(part).map_err(|error| Error::io("write", error))?;
    }
    assert_eq!(writer.position(), bytes.len() as u64);
    writer.finish()
}

fn memory() -> (FaultDisk, Arc<dyn Vfs>) {
    let disk = FaultDisk::new();
    (disk.clone(), Arc::new(disk))
}

#[test]
fn what_is_written_is_read_at_every_size() {
    let root = tempfile::tempdir().unwrap();
    let (_, memory) = memory();
    let pool = pool();
    for len in [0, 1, 5, BLOCK - 1, BLOCK, BLOCK + 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 3 * BLOCK + 9]
    {
        let bytes = pattern(len);
        for (vfs, dir) in [(Arc::new(Disk) as Arc<dyn Vfs>, root.path()), (memory.clone(), Path::new("/"))] {
            let path = dir.join("f");
            write(&vfs, &path, &bytes, 100_003).unwrap();
            let file = CheckedFile::open(&vfs, &path).unwrap();
            assert_eq!((file.len(), file.is_empty()), (len as u64, len == 0));
            for residence in [Residence::Mapped, Residence::Memory, Residence::Mapped, Residence::Memory] {
                assert_eq!(file.bytes_in(residence, &pool).unwrap().as_slice(), bytes);
            }
            for (offset, part) in [(0, len), (len / 2, len - len / 2), (len / 3, len / 3), (len, 0)] {
                assert_eq!(file.read_at(offset as u64, part).unwrap(), bytes[offset..offset + part]);
            }
            for (offset, part) in [(len as u64, 1), (0, len + 1), (u64::MAX, 2), (1 << 60, 0)] {
                assert_eq!(file.read_at(offset, part).unwrap_err().code(), Code::Corrupt);
            }
        }
    }
}

#[test]
fn a_file_in_the_place_of_another_is_found_with_its_table() {
    let (disk, vfs) = memory();
    let paths = ["/1", "/2"].map(|dir| Path::new(dir).join("f"));
    for (path, byte) in paths.iter().zip([7, 8]) {
        vfs.create_dir_all(path.parent().unwrap()).unwrap();
        write(&vfs, path, &[byte; 9], 9).unwrap();
    }
    for path_of in [Path::to_path_buf, sidecar] {
        disk.tamper(&path_of(&paths[0]), &disk.read(&path_of(&paths[1])).unwrap());
    }
    assert_eq!(CheckedFile::open(&vfs, &paths[0]).err().unwrap().code(), Code::Corrupt);
    assert!(CheckedFile::open(&vfs, &paths[1]).is_ok());
}

#[test]
fn flipped_bytes_are_found_and_named() {
    let (disk, vfs) = memory();
    let (path, pool) = (Path::new("/f"), pool());
    let bytes = pattern(CHUNK + 2 * BLOCK + 100);
    write(&vfs, path, &bytes, 1 << 20).unwrap();
    for at in [0, 1, BLOCK - 1, BLOCK, 5 * BLOCK + 7, CHUNK, CHUNK + BLOCK, bytes.len() - 1] {
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        disk.tamper(path, &bad);
        let file = CheckedFile::open(&vfs, path).unwrap();
        for _ in 0..2 {
            let in_memory = file.bytes_in(Residence::Memory, &pool).unwrap_err();
            let error = file.bytes(&pool).unwrap_err();
            assert_eq!(in_memory.message(), error.message());
            assert_eq!(error.code(), Code::Corrupt);
            assert!(error.message().contains(&format!("/f: block {} ", at / BLOCK)), "{error}");
        }
        assert_eq!(file.read_at(at as u64, 1).unwrap_err().code(), Code::Corrupt);
        // A block that is whole can still be read.
        let other = if at < 2 * BLOCK { 2 * BLOCK } else { 0 };
        assert_eq!(file.read_at(other as u64, 10).unwrap(), bytes[other..other + 10]);
    }
}

#[test]
fn of_several_bad_blocks_the_first_is_named() {
    let (disk, vfs) = memory();
    let path = Path::new("/f");
    let mut bytes = pattern(4 * CHUNK);
    write(&vfs, path, &bytes, 1 << 20).unwrap();
    for block in [3, 20, 21, 50] {
        bytes[block * BLOCK] ^= 1;
    }
    disk.tamper(path, &bytes);
    let error = CheckedFile::open(&vfs, path).unwrap().bytes(&pool()).unwrap_err();
    assert!(error.message().contains("block 3 "), "{error}");
}

#[test]
fn a_bad_table_does_not_open() {
    let (disk, vfs) = memory();
    let (path, table) = (Path::new("/f"), Path::new("/f.crc"));
    write(&vfs, path, &pattern(3 * BLOCK), 1000).unwrap();
    let good = disk.read(table).unwrap();
    let fails = |bytes: &[u8]| {
        disk.tamper(table, bytes);
        assert_eq!(CheckedFile::open(&vfs, path).err().unwrap().code(), Code::Corrupt);
    };
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        fails(&bad);
    }
    for len in 0..good.len() {
        fails(&good[..len]);
    }
    fails(&[&good[..], b"more"].concat());
    fails(&vec![0; good.len()]);
    disk.tamper(table, &Stamp { version: 3, ..STAMP }.bytes());
    assert_eq!(CheckedFile::open(&vfs, path).err().unwrap().code(), Code::FormatTooNew);
    disk.remove_file(table).unwrap();
    assert!(CheckedFile::open(&vfs, path).err().unwrap().message().contains("/f.crc is missing"));
}

#[test]
fn a_file_of_another_length_does_not_open() {
    let (disk, vfs) = memory();
    let path = Path::new("/f");
    let bytes = pattern(1000);
    write(&vfs, path, &bytes, 1000).unwrap();
    for len in 0..1000 {
        disk.tamper(path, &bytes[..len]);
        assert_eq!(CheckedFile::open(&vfs, path).err().unwrap().code(), Code::Corrupt);
    }
    disk.tamper(path, &[&bytes[..], b"x"].concat());
    assert_eq!(CheckedFile::open(&vfs, path).err().unwrap().code(), Code::Corrupt);
    // Cut after it was opened.
    disk.tamper(path, &bytes);
    let file = CheckedFile::open(&vfs, path).unwrap();
    disk.tamper(path, &bytes[..900]);
    assert_eq!(file.bytes(&pool()).unwrap_err().code(), Code::Corrupt);
}

#[test]
fn an_unfinished_file_is_removed() {
    let (disk, vfs) = memory();
    let path = Path::new("/f");
    write(&vfs, path, b"old", 3).unwrap();
    let mut writer = CheckedWriter::create(&vfs, path).unwrap();
    writer.write_all(b"new").unwrap();
    drop(writer);
    assert_eq!(disk.list(Path::new("/")).unwrap(), [] as [&str; 0]);
}

/// Whatever operation fails, the error is told and no half file stays; without faults afterwards all goes well.
#[test]
fn every_failing_operation_is_told_and_cleaned_up() {
    let bytes = pattern(CHUNK + 10);
    let mut operation = 0;
    loop {
        let (disk, vfs) = memory();
        disk.fail_at(operation, Fault::Once(io::ErrorKind::StorageFull));
        let outcome = write(&vfs, Path::new("/f"), &bytes, 1 << 20);
        if disk.operations() <= operation {
            outcome.unwrap();
            break;
        }
        assert_eq!(outcome.unwrap_err().code(), Code::DiskFull, "operation {operation}");
        assert_eq!(disk.list(Path::new("/")).unwrap(), [] as [&str; 0], "operation {operation}");
        write(&vfs, Path::new("/f"), &bytes, 1 << 20).unwrap();
        operation += 1;
    }
    assert!(operation >= 7, "create, two writes, sync; create, write, sync");
}

#[test]
fn a_failed_write_is_not_forgotten() {
    let (disk, vfs) = memory();
    let mut writer = CheckedWriter::create(&vfs, Path::new("/f")).unwrap();
    disk.fail_at(disk.operations(), Fault::Once(io::ErrorKind::StorageFull));
    assert_eq!(writer.write_all(&pattern(CHUNK)).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(writer.write_all(b"more").is_err());
    assert_eq!(writer.finish().unwrap_err().code(), Code::DiskFull);
}

#[test]
fn tasks_of_the_pool_may_verify_one_file_at_once() {
    let (_, vfs) = memory();
    let path = Path::new("/f");
    write(&vfs, path, &pattern(8 * CHUNK), 1 << 20).unwrap();
    let (file, pool) = (CheckedFile::open(&vfs, path).unwrap(), pool());
    let total: usize =
        pool.install(|| (0..32).into_par_iter().map(|_| file.bytes(&pool).unwrap().len()).sum());
    assert_eq!(total, 32 * 8 * CHUNK);
}
