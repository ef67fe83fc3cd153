//! An index of a sealed segment, in a file of its own.

use crate::error::Result;
use crate::index::catalog::scalar::Spec;
use crate::index::scalar::Sorted;
use crate::index::vectors::Vectors;
use crate::index::{self, AnyIndex, Index};
use crate::segment::slot::Slot;
use crate::segment::{Reservation, Rows, Shared, container};
use crate::storage::blocks;
use crate::storage::checked::{self, CheckedFile};
use crate::storage::residence::Residence;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// What is said of an index about `mmap.enabled`. It is shared by its definition and its files, and may change while they
/// are used: what is loaded from then on is where it says.
pub struct Mmap {
    /// 0: nothing; 1: false; 2: true.
    said: AtomicU8,
    /// What holds where nothing is said.
    default: bool,
}

impl Mmap {
    pub fn new(said: Option<bool>, default: bool) -> Arc<Mmap> {
        let mmap = Mmap { said: AtomicU8::new(0), default };
        mmap.say(said);
        Arc::new(mmap)
    }

    pub fn say(&self, enabled: Option<bool>) {
        self.said.store(enabled.map_or(0, |enabled| 1 + u8::from(enabled)), Ordering::Release);
    }

    pub fn said(&self) -> Option<bool> {
        let said = self.said.load(Ordering::Acquire);
        (said > 0).then_some(said == 2)
    }

    fn residence(&self) -> Residence {
        Residence::of_mmap(self.said().unwrap_or(self.default))
    }
}

/// What an index is over, and of which kind it is.
#[derive(Clone)]
pub struct Indexed {
    /// The number of its definition.
    pub definition: u64,
    /// The place of its field in the schema.
    pub at: usize,
    pub spec: Spec,
    pub mmap: Arc<Mmap>,
}

/// An index that is on the disk, and in memory once it was used.
pub struct IndexFile {
    shared: Arc<Shared>,
    path: PathBuf,
    of: Indexed,
    file: u64,
    slot: Slot<LoadedIndex>,
    doomed: AtomicBool,
}

/// A doomed index's file goes with the last who holds it.
impl Drop for IndexFile {
    fn drop(&mut self) {
        if *self.doomed.get_mut() {
            self.slot.clear();
            // Failing to is not an error: the next open tries again.
            let _ = checked::remove(&self.shared.vfs, &self.path);
        }
    }
}

/// An index that is open.
pub struct LoadedIndex {
    index: AnyIndex,
    residence: Residence,
    /// Of a vector field: the vectors that it was opened with.
    vectors: Option<Vectors>,
    /// As large as its file is in memory, and what it takes beyond.
    memory: [Reservation; 2],
}

impl LoadedIndex {
    /// That of a vector field.
    pub fn vector(&self) -> Option<&dyn Index> {
        match &self.index {
            AnyIndex::Vector(index) => Some(&**index),
            AnyIndex::Scalar(_) => None,
        }
    }

    /// That of a scalar field.
    pub fn scalar(&self) -> Option<&Sorted> {
        match &self.index {
            AnyIndex::Vector(_) => None,
            AnyIndex::Scalar(index) => Some(index),
        }
    }
}

impl IndexFile {
    /// The name of index file number `file` in its segment's directory.
    pub fn name(file: u64) -> String {
        format!("index-{file}.bin")
    }

    /// Names index file number `file` of the segment in `dir`; opens nothing.
    pub fn new(shared: Arc<Shared>, dir: &Path, of: Indexed, file: u64) -> IndexFile {
        let (path, doomed) = (dir.join(IndexFile::name(file)), AtomicBool::new(false));
        IndexFile { shared, path, of, file, slot: Slot::empty(), doomed }
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.file
    }

    /// What it is over.
    pub fn of(&self) -> &Indexed {
        &self.of
    }

    /// Bytes of the file and of its blocks; 0 if it cannot be asked.
    pub fn file_bytes(&self) -> u64 {
        let bytes = |path: &Path| self.shared.vfs.len(path).unwrap_or(0);
        bytes(&self.path) + bytes(&blocks::beside(&self.path))
    }

    /// No manifest names it (any more): its file is removed once the last search that uses it has ended.
    pub fn doom(&self) {
        self.doomed.store(true, Ordering::Release);
    }

    /// Writes `index`, which was built over `rows` rows (the caller syncs the directory).
    pub fn save(&self, index: &AnyIndex, rows: usize) -> Result<()> {
        let mut out = container::ContainerWriter::create(
            &self.shared,
            &self.path,
            self.of.spec.to_json(),
            rows as u64,
        )?;
        index.save(&mut out)?;
        out.finish()
    }

    /// The index over its segment's `rows`, opened and verified at the first call; again if it is to be elsewhere since, or
    /// the vectors are.
    pub fn get(&self, rows: &Rows) -> Result<Arc<LoadedIndex>> {
        let is_current = |loaded: &LoadedIndex| {
            let are_these = |vectors: &Vectors| vectors.are(rows.vectors());
            loaded.residence == self.of.mmap.residence() && loaded.vectors.as_ref().is_none_or(are_these)
        };
        self.slot.get_current(is_current, || self.load(rows).map_err(|e| e.within(self.path.display())))
    }

    fn load(&self, rows: &Rows) -> Result<LoadedIndex> {
        let reserve = |bytes: u64| self.shared.memory.reserve(bytes, "loading the index");
        let (spec, len, residence) = (&self.of.spec, rows.len(), self.of.mmap.residence());
        let file = CheckedFile::open(&self.shared.vfs, &self.path)?;
        // One in memory is at least as large as its file, and so is that of a scalar field: what has no room is not read.
        let is_as_large = residence == Residence::Memory || spec.vector().is_none();
        let as_file = reserve(if is_as_large { file.len() } else { 0 })?;
        let bytes = file.bytes_in(residence, &self.shared.pool)?;
        let sections = container::read(&self.shared.vfs, &self.path, &bytes, &spec.to_json(), len as u64)?;
        let (index, vectors) = match spec {
            Spec::Vector(spec) => {
                let index = index::load(spec, &sections, rows.vectors().clone())?;
                (AnyIndex::Vector(index), Some(rows.vectors().clone()))
            }
            Spec::Scalar(_) => (AnyIndex::Scalar(Sorted::load(&sections, len)?), None),
        };
        let beyond = reserve((index.memory() as u64).saturating_sub(as_file.bytes()))?;
        Ok(LoadedIndex { index, residence, vectors, memory: [as_file, beyond] })
    }

    /// Bytes that the index takes now, mapped or in memory.
    pub fn memory(&self) -> u64 {
        self.slot.loaded().map_or(0, |loaded| loaded.memory.iter().map(Reservation::bytes).sum())
    }

    /// Those of them that are in memory of the process and not mapped.
    pub fn held(&self) -> u64 {
        let is_held = self.slot.loaded().is_some_and(|loaded| loaded.residence == Residence::Memory);
        if is_held { self.memory() } else { 0 }
    }

    /// Whether it is in memory.
    pub fn is_loaded(&self) -> bool {
        self.slot.loaded().is_some()
    }

    /// Drops it from memory; searches that run keep it until they are done.
    pub fn release(&self) {
        self.slot.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use crate::index::catalog::{IndexSpec, VectorKind};
    use crate::index::{BuildContext, Pace, Probe, Queries, Scratch};
    use crate::kernel::topk::{Hit, TopK};
    use crate::segment::Memory;
    use crate::segment::rows::tests::{batch, schema};
    use crate::storage::checked;
    use crate::storage::fault::FaultDisk;
    use crate::storage::vfs::Vfs;
    use std::io;
    use std::sync::atomic::AtomicBool;

    const ROWS: usize = 1500;

    struct Patient;
    impl Pace for Patient {
        fn checkpoint(&self, _: u64, _: u64) -> Result<()> {
            Ok(())
        }
    }

    /// A disk with a saved DISKANN index over rows on a line, and these.
    fn saved() -> (FaultDisk, Rows, IndexFile) {
        let disk = FaultDisk::new();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let shared = Arc::new(Shared { vfs: Arc::new(disk.clone()), pool, memory: Memory::new(0) });
        let rows = Rows::new(&schema(), batch(&(0..ROWS as i64).collect::<Vec<_>>()), None);
        let text = r#"{"index_type":"DISKANN","metric_type":"L2","params":{"max_degree":8}}"#;
        let spec = Arc::new(IndexSpec::from_json(text, VectorKind::Float, 3).unwrap());
        let mmap = Mmap::new(None, true);
        let of = Indexed { definition: 1, at: 9, spec: Spec::Vector(spec.clone()), mmap };
        let context = BuildContext::new(&shared.pool, 1, &Patient);
        let index = index::build(&spec, rows.vectors().clone(), &context).unwrap();
        let file = IndexFile::new(shared.clone(), Path::new("/"), of, 7);
        file.save(&AnyIndex::Vector(index), ROWS).unwrap();
        (disk, rows, file)
    }

    fn search(index: &LoadedIndex, at: f32) -> Result<Vec<Hit>> {
        let text = r#"{"index_type":"DISKANN","metric_type":"L2"}"#;
        let spec = IndexSpec::from_json(text, VectorKind::Float, 3).unwrap();
        let params = spec.search_params(r#"{"search_list":60}"#, 3).unwrap();
        let (query, stop) = ([at, 0.5, -1.0], AtomicBool::new(false));
        let probe =
            Probe { queries: Queries::Float(&query), k: 3, allow: None, params: &params, stop: &stop };
        let mut tops = [TopK::new(3)];
        index.vector().unwrap().search(&probe, &mut Scratch::default(), &mut tops)?;
        Ok(tops[0].drain_sorted())
    }

    fn answer(row: u32) -> [Hit; 3] {
        [(0.0625, row), (0.5625, row + 1), (1.5625, row - 1)].map(|(score, row)| Hit { score, row })
    }

    #[test]
    fn blocks_are_read_while_searching() {
        let (disk, rows, file) = saved();
        assert_eq!(
            disk.list(Path::new("/")).unwrap(),
            ["index-7.bin", "index-7.bin.blocks", "index-7.bin.crc"]
        );
        let index = file.get(&rows).unwrap();
        let places = [100u32, 700, 1400];
        for row in places {
            assert_eq!(search(&index, row as f32 + 0.25).unwrap(), answer(row));
        }
        // Reads that fail, while the index is open and when it is opened.
        disk.fail_reads(Some(io::ErrorKind::TimedOut));
        let failed = places.iter().filter_map(|&row| search(&index, row as f32 + 0.25).err());
        let codes: Vec<Code> = failed.map(|error| error.code()).collect();
        assert!(!codes.is_empty() && codes.iter().all(|&code| code == Code::Io), "{codes:?}");
        file.release();
        assert_eq!(file.get(&rows).err().unwrap().code(), Code::Io);
        disk.fail_reads(None);
        assert!(file.get(&rows).is_ok());
        // It goes as a whole.
        let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
        checked::remove(&vfs, &file.path).unwrap();
        assert_eq!(disk.list(Path::new("/")).unwrap(), [] as [&str; 0]);
        assert_eq!(search(&index, 700.25).unwrap(), answer(700), "a search goes on with a file that is gone");
    }

    /// Whatever byte is damaged, before or after the index is opened: an error, or the right answer.
    #[test]
    fn damage_is_never_an_answer() {
        let (disk, rows, file) = saved();
        let index = file.get(&rows).unwrap();
        let (mut searches, mut refused) = (0, 0);
        for name in ["/index-7.bin", "/index-7.bin.blocks", "/index-7.bin.crc"] {
            let path = Path::new(name);
            let good = disk.read(path).unwrap();
            for at in (0..good.len()).step_by((good.len() / 150).max(1)) {
                let mut bad = good.clone();
                bad[at] ^= 1 << (at % 8);
                disk.tamper(path, &bad);
                let mut check = |index: &LoadedIndex| {
                    for row in [100, 700, 1400] {
                        searches += 1;
                        match search(index, row as f32 + 0.25) {
                            Ok(hits) => assert_eq!(hits, answer(row), "{name} {at}"),
                            Err(error) => {
                                assert_eq!(error.code(), Code::Corrupt, "{name} {at}: {error}");
                                refused += 1;
                            }
                        }
                    }
                };
                check(&index);
                file.release();
                match file.get(&rows) {
                    Ok(again) => {
                        assert!(name.ends_with("blocks"), "{name} {at}");
                        check(&again);
                    }
                    Err(error) => assert_eq!(error.code(), Code::Corrupt, "{name} {at}: {error}"),
                }
            }
            for len in [0, good.len() / 2, good.len() - 1] {
                disk.tamper(path, &good[..len]);
                file.release();
                assert_eq!(file.get(&rows).err().unwrap().code(), Code::Corrupt, "{name} cut to {len}");
            }
            disk.tamper(path, &good);
        }
        assert!(refused > 0 && refused < searches, "{refused} of {searches}");
    }
}
