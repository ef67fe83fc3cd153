//! The file system of the operating system.

use crate::storage::direct::DiskBlocks;
use crate::storage::mmap;
use crate::storage::vfs::{AppendFile, BlockFile, LockGuard, Vfs};
use arrow_buffer::Buffer;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// The file system of the operating system.
#[derive(Clone, Copy, Default, Debug)]
pub struct Disk;

impl Vfs for Disk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(path)?.len())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        // Append mode: after a truncation the next write lands at the new end.
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(Box::new(DiskFile(file)))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn read_at(&self, path: &Path, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(out)
    }

    fn map(&self, path: &Path) -> io::Result<Buffer> {
        mmap::map(&File::open(path)?)
    }

    fn blocks(&self, path: &Path) -> io::Result<Box<dyn BlockFile>> {
        Ok(Box::new(DiskBlocks::open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        // Writable, because Windows flushes no other handle.
        OpenOptions::new().append(true).open(path)?.sync_data()
    }

    #[cfg(unix)]
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        // The parent of a bare name is the empty path, and means the current directory.
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        File::open(path)?.sync_all()
    }

    /// Windows has no such call; NTFS journals its directories in order.
    #[cfg(not(unix))]
    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn LockGuard>> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let holder = match file.take(32).read_to_string(&mut pid) {
                    Ok(read) if read > 0 => pid.trim().to_owned(),
                    _ => "unknown".to_owned(),
                };
                return Err(io::Error::new(io::ErrorKind::WouldBlock, holder));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // The kernel holds the lock; the text only tells people who has it. So a full disk does not stop the open.
        let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(Box::new(DiskLock { _file: file }))
    }
}

struct DiskFile(File);

impl AppendFile for DiskFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    /// `fdatasync`: the length is part of what it makes durable, the times are not.
    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

/// The kernel frees the lock with the file.
struct DiskLock {
    _file: File,
}

impl LockGuard for DiskLock {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::fault::FaultDisk;

    /// One suite over every file system.
    fn behaves(vfs: &dyn Vfs, root: &Path) {
        let dir = root.join("a/b");
        vfs.create_dir_all(&dir).unwrap();
        vfs.create_dir_all(&dir).unwrap();
        let path = dir.join("file");
        assert!(!vfs.exists(&path).unwrap());
        assert_eq!(vfs.len(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(vfs.read(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(vfs.remove_file(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(vfs.create(&dir.join("none/file")).is_err());

        let mut file = vfs.create(&path).unwrap();
        assert_eq!(vfs.create(&path).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(vfs.map(&path).unwrap().len(), 0);
        file.append(b"hello, ").unwrap();
        file.append(b"world").unwrap();
        file.sync().unwrap();
        file.truncate(5).unwrap();
        file.append(b"!").unwrap();
        drop(file);
        vfs.sync_file(&path).unwrap();
        vfs.sync_dir(&dir).unwrap();
        assert_eq!(vfs.read(&path).unwrap(), b"hello!");
        assert_eq!(vfs.len(&path).unwrap(), 6);
        let mut part = [0; 3];
        vfs.read_at(&path, 3, &mut part).unwrap();
        assert_eq!(&part, b"lo!");
        assert_eq!(vfs.read_at(&path, 4, &mut part).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(vfs.read_at(&path, 400, &mut part).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);

        vfs.create(&dir.join("other")).unwrap().append(b"other").unwrap();
        assert_eq!(vfs.list(&dir).unwrap(), ["file", "other"]);
        let mapped = vfs.map(&path).unwrap();
        vfs.rename(&dir.join("other"), &path).unwrap();
        assert_eq!(vfs.read(&path).unwrap(), b"other");
        assert_eq!(vfs.list(&dir).unwrap(), ["file"]);
        vfs.remove_file(&path).unwrap();
        assert_eq!(mapped.as_slice(), b"hello!", "a mapping outlives its file");

        vfs.create(&path).unwrap();
        vfs.remove_dir_all(&root.join("a")).unwrap();
        assert!(!vfs.exists(&path).unwrap() && !vfs.exists(&root.join("a")).unwrap());
        assert!(vfs.list(&dir).is_err());
        assert!(vfs.sync_dir(&dir).is_err());
    }

    fn locks(vfs: &dyn Vfs, path: &Path) {
        let guard = vfs.lock(path).unwrap();
        assert_eq!(vfs.read(path).unwrap(), std::process::id().to_string().as_bytes());
        let error = vfs.lock(path).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(error.to_string(), std::process::id().to_string());
        drop(guard);
        vfs.lock(path).unwrap();
    }

    #[test]
    fn the_disk_behaves() {
        let root = tempfile::tempdir().unwrap();
        behaves(&Disk, root.path());
        locks(&Disk, &root.path().join("LOCK"));
    }

    #[test]
    fn the_faulty_disk_behaves() {
        let disk = FaultDisk::new();
        behaves(&disk, Path::new("/db"));
        locks(&disk, Path::new("/db/LOCK"));
    }

    #[test]
    fn a_stale_longer_pid_is_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("LOCK");
        fs::write(&path, "123456789012345").unwrap();
        let _guard = Disk.lock(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), std::process::id().to_string());
    }
}
