//! A sealed segment: a directory with its rows (`data.arrow`), the bitmap of its live rows (`deletes-<n>.bin`, where
//! any is dead), when rows came and went (`history-<n>.bin`, where times are kept) and its index files.

use crate::batch;
use crate::error::Result;
use crate::filter::Cache;
use crate::schema::Schema;
use crate::segment::rows::gather_in_steps;
use crate::segment::slot::Slot;
use crate::segment::{History, Live, Rows, Run, SegmentView, Shared, data, raw};
use arc_swap::ArcSwap;
use arrow_array::RecordBatch;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

const DATA: &str = "data.arrow";
/// Rows that are copied at a time, between two questions whether to go on.
const STEP: usize = 16384;

/// The rows of a sealed segment, opened when they are first needed.
pub struct Sealed {
    shared: Arc<Shared>,
    schema: ArcSwap<Schema>,
    dir: PathBuf,
    id: u64,
    len: usize,
    /// The columns of the file, mapped.
    stored: Slot<Rows>,
    /// Every column, those in memory that are not mapped.
    rows: Slot<Rows>,
    file_bytes: OnceLock<u64>,
    doomed: AtomicBool,
}

/// A doomed segment's files go with the last who holds it.
impl Drop for Sealed {
    fn drop(&mut self) {
        if *self.doomed.get_mut() {
            self.release();
            // Failing to is not an error: the next open tries again.
            let _ = self.shared.vfs.remove_dir_all(&self.dir);
        }
    }
}

impl Sealed {
    /// The directory of segment `id` under a collection's.
    pub fn dir_of(collection: &Path, id: u64) -> PathBuf {
        Sealed::root_of(collection).join(id.to_string())
    }

    /// Where the directories of a collection's segments are.
    pub fn root_of(collection: &Path) -> PathBuf {
        collection.join("segments")
    }

    /// Names segment `id` of `len` rows of the collection in `collection`; opens nothing.
    pub fn new(shared: Arc<Shared>, schema: Arc<Schema>, collection: &Path, id: u64, len: usize) -> Sealed {
        Sealed {
            shared,
            schema: ArcSwap::new(schema),
            dir: Sealed::dir_of(collection, id),
            id,
            len,
            stored: Slot::empty(),
            rows: Slot::empty(),
            file_bytes: OnceLock::new(),
            doomed: AtomicBool::new(false),
        }
    }

    pub fn id(&self) -> u64 {
        self.id
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes the live rows of `parts` as this segment, durably but for the entry of its directory. Asks `go_on` from
    /// time to time, whose error ends it.
    pub fn write(&self, parts: &[SegmentView], go_on: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        let shared = &self.shared;
        let io = |e| crate::error::Error::io(format!("cannot create {}", self.dir.display()), e);
        shared.vfs.create_dir_all(&self.dir).map_err(io)?;
        let batch = live_rows(&self.schema.load(), parts, go_on)?;
        data::write(shared, &batch, &self.dir.join(DATA), go_on)?;
        shared.vfs.sync_dir(&self.dir).map_err(io)
    }

    /// Bytes of the file of rows; 0 if it cannot be asked.
    pub fn file_bytes(&self) -> u64 {
        *self.file_bytes.get_or_init(|| self.shared.vfs.len(&self.dir.join(DATA)).unwrap_or(0))
    }

    /// No manifest names it any more: its files are removed once the last search that uses it has ended.
    pub fn doom(&self) {
        self.doomed.store(true, Ordering::Release);
    }

    /// The rows, opened and verified at the first call. What of them is in memory and not mapped counts as such, and is
    /// refused where it does not fit.
    pub fn rows(&self) -> Result<Arc<Rows>> {
        self.rows.get(|| self.complete(self.mapped()?))
    }

    /// The rows as they are, if they are open; otherwise the columns that the file has, mapped, which no limit refuses:
    /// perhaps without fields that the collection got later.
    pub fn stored(&self) -> Result<Arc<Rows>> {
        self.rows.loaded().map_or_else(|| self.mapped(), Ok)
    }

    fn mapped(&self) -> Result<Arc<Rows>> {
        self.stored.get(|| {
            let schema = self.schema.load();
            let batch = data::read(&self.shared, &schema, &self.dir.join(DATA), self.len)?;
            Ok(Rows::new(&schema, batch, None).with_filters(Cache::new(&self.shared.memory)))
        })
    }

    /// All columns, with copies of those that shall be in memory, and those that the collection got later.
    fn complete(&self, stored: Arc<Rows>) -> Result<Arc<Rows>> {
        let schema = self.schema.load();
        let (fields, have) = (schema.fields(), stored.batch().num_columns());
        let held: Vec<usize> = (0..have).filter(|&at| !schema.is_mapped(at)).collect();
        if held.is_empty() && have == fields.len() {
            return Ok(stored);
        }
        let mut columns = stored.batch().columns().to_vec();
        let needed = held.iter().map(|&at| batch::column_bytes(&fields[at], &columns[at])).sum::<u64>()
            + fields[have..].iter().map(|field| batch::absent_bytes(field, self.len)).sum::<u64>();
        let what = format!("opening segment {} of {} rows", self.id, self.len);
        let memory = self.shared.memory.reserve(needed, &what)?;
        for at in held {
            columns[at] = raw::copied(&fields[at], &columns[at])?;
        }
        let batch = RecordBatch::try_new(stored.batch().schema(), columns)
            .map_err(|e| crate::error::Error::internal(format!("copied columns: {e}")))?;
        let rows = Rows::new(&schema, batch::widened(&schema, batch)?, Some(memory));
        Ok(Arc::new(rows.with_filters(Cache::new(&self.shared.memory))))
    }

    /// The fields that its rows have; those that are opened later may have more.
    pub fn schema(&self) -> Arc<Schema> {
        self.schema.load_full()
    }

    /// The schema has changed: rows that are opened from now on have what was added, and are where it says.
    pub fn change(&self, schema: &Arc<Schema>) {
        if !Arc::ptr_eq(&self.schema.load(), schema) {
            self.rows.reset(|| self.schema.store(schema.clone()));
        }
    }

    /// Drops mapping and copies; searches that run keep them until they are done.
    pub fn release(&self) {
        self.rows.clear();
        self.stored.clear();
    }

    /// The rows, if the segment is open.
    pub fn loaded(&self) -> Option<Arc<Rows>> {
        self.rows.loaded()
    }

    /// The file of the live rows, generation `generation`.
    fn live_path(&self, generation: u64) -> PathBuf {
        self.dir.join(Sealed::live_name(generation))
    }

    /// Its name.
    pub fn live_name(generation: u64) -> String {
        format!("deletes-{generation}.bin")
    }

    /// The name of the file of rows.
    pub fn data_name() -> &'static str {
        DATA
    }

    /// Writes the live rows as generation `generation`, durably.
    pub fn save_live(&self, live: &Live, generation: u64) -> Result<()> {
        live.save(&self.shared, &self.live_path(generation))?;
        let io = |e| crate::error::Error::io(format!("cannot sync {}", self.dir.display()), e);
        self.shared.vfs.sync_dir(&self.dir).map_err(io)
    }

    /// The name of the file of the history, generation `generation`.
    pub fn history_name(generation: u64) -> String {
        format!("history-{generation}.bin")
    }

    /// Writes as generation 1 which rows of a new segment are dead, if any, and when its rows came and went, if that is kept.
    pub fn save_first(&self, live: &Live, history: &History) -> Result<()> {
        if live.dead() > 0 {
            self.save_live(live, 1)?;
        }
        if history.is_empty() { Ok(()) } else { self.save_history(history, 1) }
    }

    /// Writes when rows came and went as generation `generation`, durably.
    pub fn save_history(&self, history: &History, generation: u64) -> Result<()> {
        history.save(&self.shared, &self.dir.join(Sealed::history_name(generation)), self.len)?;
        let io = |e| crate::error::Error::io(format!("cannot sync {}", self.dir.display()), e);
        self.shared.vfs.sync_dir(&self.dir).map_err(io)
    }

    /// Reads generation `generation`, of the live rows `live`.
    pub fn load_history(&self, generation: u64, live: &Live) -> Result<History> {
        History::load(&self.shared, &self.dir.join(Sealed::history_name(generation)), live)
    }

    /// Reads generation `generation`, which has `dead` dead rows.
    pub fn load_live(&self, generation: u64, dead: usize) -> Result<Live> {
        Live::load(&self.shared, &self.live_path(generation), self.len, dead)
    }
}

fn live_rows(
    schema: &Schema,
    parts: &[SegmentView],
    go_on: &mut dyn FnMut() -> Result<()>,
) -> Result<RecordBatch> {
    let whole = |part: &SegmentView| batch::widened(schema, part.stored()?.batch().clone());
    let batches: Vec<RecordBatch> = parts.iter().map(whole).collect::<Result<_>>()?;
    let batches: Vec<&RecordBatch> = batches.iter().collect();
    let mut runs = Vec::new();
    for (source, part) in parts.iter().enumerate() {
        for (first, end) in part.live.runs() {
            let starts = (first..end).step_by(STEP);
            runs.extend(starts.map(|start| Run { source, start, end: end.min(start + STEP) }));
        }
    }
    gather_in_steps(schema.arrow(), &batches, &runs, go_on)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::catalog::scalar::Spec;
    use crate::index::catalog::{IndexSpec, VectorKind};
    use crate::index::{self, AnyIndex, BuildContext, Pace};
    use crate::segment::rows::tests::{batch, schema};
    use crate::segment::{IndexFile, Indexed, Memory, Mmap};
    use crate::storage::fault::FaultDisk;
    use crate::storage::vfs::Vfs;

    struct Free;

    impl Pace for Free {
        fn checkpoint(&self, _: u64, _: u64) -> Result<()> {
            Ok(())
        }
    }

    fn shared(disk: &FaultDisk) -> Arc<Shared> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        Arc::new(Shared { vfs: Arc::new(disk.clone()), pool, memory: Memory::new(0) })
    }

    #[test]
    fn files_go_with_their_last_user() {
        let disk = FaultDisk::new();
        let (shared, schema) = (shared(&disk), Arc::new(schema()));
        let growing = SegmentView::growing(Rows::new(&schema, batch(&[3, 1, 2]), None), 0, 0);
        let sealed = Arc::new(Sealed::new(shared.clone(), schema.clone(), Path::new("/c"), 1, 3));
        sealed.write(&[growing], &mut || Ok(())).unwrap();
        let text = r#"{"index_type":"FLAT","metric_type":"L2"}"#;
        let spec = Arc::new(IndexSpec::from_json(text, VectorKind::Float, 3).unwrap());
        let context = BuildContext::new(&shared.pool, 1, &Free);
        let rows = sealed.rows().unwrap();
        let index = index::build(&spec, rows.vectors().clone(), &context).unwrap();
        let mmap = Mmap::new(None, true);
        let of = Indexed { definition: 1, at: 9, spec: Spec::Vector(spec), mmap };
        let file = Arc::new(IndexFile::new(shared.clone(), sealed.dir(), of, 1));
        file.save(&AnyIndex::Vector(index), 3).unwrap();
        sealed.release();
        let mut view = SegmentView::sealed(sealed.clone(), 0, Live::all(3), History::default());
        view.indexes.push(file);
        let search = view.clone();
        drop(sealed);

        let names = || disk.list(Path::new("/c/segments/1")).unwrap_or_default();
        view.drop_index(1);
        assert!(names().contains(&"index-1.bin".to_owned()), "a search may still want it");
        assert!(search.vector_index().unwrap().is_some(), "and opens it only now");
        let without_index = view.clone();
        drop(search);
        assert_eq!(names(), ["data.arrow", "data.arrow.crc"]);
        view.doom();
        drop(view);
        assert_eq!(without_index.rows().unwrap().len(), 3);
        drop(without_index);
        assert!(!disk.exists(Path::new("/c/segments/1")).unwrap());
        assert_eq!(rows.len(), 3, "what is mapped stays readable");
    }

    #[test]
    fn a_write_that_is_stopped_says_so() {
        let disk = FaultDisk::new();
        let schema = Arc::new(schema());
        let growing = SegmentView::growing(Rows::new(&schema, batch(&[3, 1, 2]), None), 0, 0);
        for stop_at in 0.. {
            let sealed = Sealed::new(shared(&disk), schema.clone(), Path::new("/c"), 1, 3);
            let mut asked = 0;
            let written = sealed.write(std::slice::from_ref(&growing), &mut || {
                asked += 1;
                if asked > stop_at { Err(crate::error::Error::internal("enough")) } else { Ok(()) }
            });
            if let Err(error) = written {
                assert_eq!(error.message(), "enough");
                assert!(disk.list(sealed.dir()).unwrap().is_empty(), "no half of a file");
                continue;
            }
            // Once a column, and for the parts of the file.
            assert!(stop_at > schema.fields().len(), "{stop_at}");
            return assert_eq!(sealed.rows().unwrap().batch(), &batch(&[3, 1, 2]));
        }
    }
}
