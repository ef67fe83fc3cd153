//! Files for what a build cannot hold in memory. They go with the build; what a crash leaves is removed by the next open,
//! as no manifest names it.

use crate::error::{Error, Result};
use crate::index::spill::{Spill, SpillFile, Spilled};
use crate::storage::vfs::{AppendFile, Vfs};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is written at a time.
const CHUNK: usize = 1 << 20;

/// Numbers the files of this process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Puts its files into one directory.
pub struct DiskSpill {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
}

impl DiskSpill {
    pub fn new(vfs: &Arc<dyn Vfs>, dir: &Path) -> DiskSpill {
        DiskSpill { vfs: vfs.clone(), dir: dir.to_owned() }
    }
}

impl Spill for DiskSpill {
    fn create(&self) -> Result<Box<dyn SpillFile>> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(format!("spill-{}-{number}.tmp", std::process::id()));
        let file = self.vfs.create(&path).map_err(|error| io_error("create", &path, error))?;
        Ok(Box::new(File { place: Place { vfs: self.vfs.clone(), path }, file, buffer: Vec::new() }))
    }
}

/// A file that is removed on drop.
struct Place {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
}

struct File {
    place: Place,
    file: Box<dyn AppendFile>,
    /// Not yet in the file.
    buffer: Vec<u8>,
}

impl File {
    fn write_buffer(&mut self) -> Result<()> {
        self.file.append(&self.buffer).map_err(|error| io_error("write", &self.place.path, error))?;
        self.buffer.clear();
        Ok(())
    }
}

impl SpillFile for File {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK { self.write_buffer() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<Box<dyn Spilled>> {
        self.write_buffer()?;
        Ok(Box::new(self.place))
    }
}

impl Spilled for Place {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.vfs.read_at(&self.path, offset, out).map_err(|error| io_error("read", &self.path, error))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A leftover is removed by the next open.
        let _ = self.vfs.remove_file(&self.path);
    }
}

fn io_error(verb: &str, path: &Path, error: io::Error) -> Error {
    Error::io(format_args!("cannot {verb} {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use crate::storage::disk::Disk;
    use crate::storage::fault::{Fault, FaultDisk};

    #[test]
    fn what_is_spilled_is_read_and_goes() {
        let root = tempfile::tempdir().unwrap();
        let memory: Arc<dyn Vfs> = Arc::new(FaultDisk::new());
        for (vfs, dir) in [(Arc::new(Disk) as Arc<dyn Vfs>, root.path()), (memory, Path::new("/"))] {
            let spill = DiskSpill::new(&vfs, dir);
            let (mut one, mut two) = (spill.create().unwrap(), spill.create().unwrap());
            let part = vec![7; CHUNK / 2 + 1];
            for _ in 0..5 {
                one.append(&part).unwrap();
            }
            one.append(b"end").unwrap();
            two.append(b"two").unwrap();
            let (one, two) = (one.finish().unwrap(), two.finish().unwrap());
            let mut end = [0; 4];
            one.read_at(5 * part.len() as u64 - 1, &mut end).unwrap();
            assert_eq!(&end, b"\x07end");
            two.read_at(0, &mut end[..3]).unwrap();
            assert_eq!(&end[..3], b"two");
            assert!(two.read_at(1, &mut end).is_err());
            assert_eq!(vfs.list(dir).unwrap().len(), 2);
            drop((one, two));
            assert_eq!(vfs.list(dir).unwrap(), [] as [&str; 0]);
        }
    }

    #[test]
    fn a_full_disk_is_told() {
        let disk = FaultDisk::new();
        let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
        let mut file = DiskSpill::new(&vfs, Path::new("/")).create().unwrap();
        disk.fail_at(disk.operations(), Fault::Once(io::ErrorKind::StorageFull));
        file.append(b"x").unwrap();
        assert_eq!(file.finish().err().unwrap().code(), Code::DiskFull);
        assert_eq!(disk.list(Path::new("/")).unwrap(), [] as [&str; 0]);
    }
}
