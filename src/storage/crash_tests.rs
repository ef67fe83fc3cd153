//! A writer that keeps its records in a log, folds them into a manifest, and is cut off at every operation in every way:
//! what it acknowledged is there when it comes back, what it did not is whole or absent, and it always comes back.

use crate::error::{Code, Result};
use crate::storage::fault::{Cut, Fault, FaultDisk};
use crate::storage::manifest;
use crate::storage::vfs::Vfs;
use crate::storage::wal::Wal;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

/// The manifest and the log are in different directories, so that the sync of one is not the sync of the other.
const DIR: &str = "/db";
const LOG: &str = "/db/log";

/// What the manifest says: the first file of the log that is needed, and how many records the older files held.
fn encode(first: u64, folded: u64) -> Vec<u8> {
    [first.to_le_bytes(), folded.to_le_bytes()].concat()
}

fn decode(payload: &[u8]) -> (u64, u64) {
    let number = |at| u64::from_le_bytes(payload[at..at + 8].try_into().unwrap());
    (number(0), number(8))
}

/// Record `sequence`: from a few bytes to a few blocks, and different for each attempt at the same number.
fn record(sequence: u64, attempt: u64) -> Vec<u8> {
    let len = [5, 700, 0, 9000, 40, 4096][(sequence % 6) as usize];
    (0..len).map(|i| (sequence * 31 + attempt * 7 + i) as u8).chain(attempt.to_le_bytes()).collect()
}

/// What the writer knows about its records, by sequence number - 1.
#[derive(Default, Clone)]
struct Known {
    /// Attempts that were acknowledged, durable up to `durable`.
    written: Vec<u64>,
    durable: usize,
    /// Attempts of the group that was under way when the log was poisoned or the power went.
    doubtful: Vec<u64>,
    attempts: u64,
}

struct Writer {
    vfs: Arc<dyn Vfs>,
    wal: Wal,
}

impl Writer {
    /// Opens the log and checks what it holds. `async_too`: the records that were not synced must be there, too.
    fn open(disk: &FaultDisk, known: &mut Known, async_too: bool) -> Result<Writer> {
        let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
        vfs.create_dir_all(Path::new(LOG)).map_err(|error| crate::Error::io("mkdir", error))?;
        // The log's own directory gets durable with the manifest's, in `recover`.
        vfs.sync_dir(Path::new("/")).map_err(|error| crate::Error::io("sync", error))?;
        let payload = manifest::recover(&vfs, Path::new(DIR))?;
        let (first, folded) = payload.map_or((1, 0), |payload| decode(&payload));
        let possible = [&known.written[..], &known.doubtful].concat();
        let mut found = folded;
        let opened = Wal::open(&vfs, Path::new(LOG), first, &mut |sequence, payload| {
            found += 1;
            assert_eq!(sequence, found);
            assert_eq!(payload, record(sequence, possible[sequence as usize - 1]), "record {sequence}");
            Ok(())
        });
        let (wal, replay) = opened?;
        assert_eq!(wal.next_sequence(), found + 1);
        assert_eq!(replay.records, found - folded);
        let needed = if async_too { known.written.len() } else { known.durable };
        assert!(found as usize >= needed, "{found} of {needed} acknowledged records are there");
        known.written = possible[..found as usize].to_vec();
        known.durable = known.written.len();
        known.doubtful.clear();
        Ok(Writer { vfs, wal })
    }

    fn append(&mut self, known: &mut Known, count: u64, sync: bool) -> Result<()> {
        let first = known.written.len() as u64 + 1;
        let attempts: Vec<u64> = (1..=count).map(|i| known.attempts + i).collect();
        known.attempts += count;
        let payloads: Vec<Vec<u8>> =
            (first..).zip(&attempts).map(|(number, &at)| record(number, at)).collect();
        let slices: Vec<&[u8]> = payloads.iter().map(|payload| &payload[..]).collect();
        // Should it be cut off in the middle.
        known.doubtful = attempts.clone();
        match self.wal.append(&slices, sync) {
            Ok(number) => {
                assert_eq!(number, first);
                known.doubtful.clear();
                known.written.extend(attempts);
                if sync {
                    known.durable = known.written.len();
                }
                Ok(())
            }
            Err(error) => {
                // Otherwise it was cut back, and must not be seen again.
                if error.code() != Code::Poisoned {
                    known.doubtful.clear();
                }
                Err(error)
            }
        }
    }

    /// Starts a new file and folds all older records into the manifest.
    fn fold(&mut self, known: &mut Known) -> Result<()> {
        let first = self.wal.rotate()?;
        known.durable = known.written.len();
        manifest::commit(&self.vfs, Path::new(DIR), &encode(first, self.wal.next_sequence() - 1))?;
        self.wal.remove_before(first);
        Ok(())
    }
}

/// The script; goes on after an error like an engine whose caller tries other things, and stops at a poison.
fn workload(disk: &FaultDisk, known: &mut Known) -> Result<()> {
    let mut writer = Writer::open(disk, known, true)?;
    let poison = |outcome: Result<()>| match outcome {
        Err(error) if error.code() == Code::Poisoned => Err(error),
        _ => Ok(()),
    };
    for (step, &(count, sync)) in
        [(1, true), (3, false), (2, false), (1, true), (4, false)].iter().enumerate()
    {
        poison(writer.append(known, count, sync))?;
        if step == 1 {
            poison(writer.fold(known))?;
        }
    }
    poison(writer.wal.rotate().map(|_| known.durable = known.written.len()))?;
    poison(writer.append(known, 2, false))?;
    poison(writer.wal.sync().map(|()| known.durable = known.written.len()))?;
    poison(writer.fold(known))?;
    poison(writer.append(known, 1, true))?;
    let outcome = writer.wal.close();
    known.durable = if outcome.is_ok() { known.written.len() } else { known.durable };
    // Comes back once, so that recovery's own operations are in the script.
    let mut writer = Writer::open(disk, known, true)?;
    poison(writer.append(known, 2, true))?;
    poison(writer.append(known, 1, false))
}

/// Opens a disk that the power went off on, once more with the power going off during each operation of that, and
/// checks that it works afterwards. Returns how many states were opened.
fn comes_back(disk: &FaultDisk, known: &Known, async_too: bool, again: bool) -> usize {
    let mut states = 1;
    if again {
        for operation in 0.. {
            let twin = disk.power_cut(Cut::Kept, 0);
            twin.fail_at(operation, Fault::PowerOff);
            let outcome = Writer::open(&twin, &mut known.clone(), async_too);
            if twin.operations() <= operation {
                outcome.map(drop).unwrap();
                break;
            }
            for cut in Cut::ALL {
                states += comes_back(&twin.power_cut(cut, operation), known, async_too, false);
            }
        }
    }
    let mut known = known.clone();
    let mut writer = Writer::open(disk, &mut known, async_too).unwrap();
    writer.append(&mut known, 2, true).unwrap();
    writer.fold(&mut known).unwrap();
    writer.append(&mut known, 1, true).unwrap();
    drop(writer);
    Writer::open(&disk.power_cut(Cut::Lost, 0), &mut known, true).unwrap();
    states
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_that_was_acknowledged() {
    let mut states = 0;
    for operation in 0.. {
        let (disk, mut known) = (FaultDisk::new(), Known::default());
        disk.fail_at(operation, Fault::PowerOff);
        let _ = workload(&disk, &mut known);
        for cut in Cut::ALL {
            let seeds = if matches!(cut, Cut::Lost | Cut::Kept) { 1 } else { 30 };
            for seed in 0..seeds {
                let after = disk.power_cut(cut, operation << 8 | seed);
                states += comes_back(&after, &known, cut == Cut::Kept, seed == 0);
            }
        }
        if disk.operations() <= operation {
            break;
        }
    }
    println!("{states} states");
    assert!(states > 10_000, "{states}");
}

/// An error at any operation, which the writer survives or not, and soon afterwards the power goes off.
#[test]
fn a_power_cut_after_an_error_loses_nothing_that_was_acknowledged() {
    let mut states = 0;
    let faults =
        [Fault::Once(ErrorKind::StorageFull), Fault::Once(ErrorKind::Other), Fault::Always(ErrorKind::Other)];
    for fault in faults {
        for operation in 0.. {
            let (disk, mut known) = (FaultDisk::new(), Known::default());
            disk.fail_at(operation, fault);
            let _ = workload(&disk, &mut known);
            if disk.operations() <= operation {
                break;
            }
            for later in 1..8 {
                let (disk, mut known) = (FaultDisk::new(), Known::default());
                disk.fail_at(operation, fault);
                disk.fail_at(operation + later, Fault::PowerOff);
                let _ = workload(&disk, &mut known);
                for (cut, seed) in Cut::ALL.iter().flat_map(|&cut| (0..4).map(move |seed| (cut, seed))) {
                    let after = disk.power_cut(cut, operation << 8 | seed);
                    states += comes_back(&after, &known, cut == Cut::Kept, false);
                }
            }
        }
    }
    println!("{states} states");
    assert!(states > 10_000, "{states}");
}

/// The process dies at any operation, comes back on the same machine, where nothing is lost, and the power goes off at
/// any operation of its recovery, or right after it.
#[test]
fn a_power_cut_during_recovery_loses_nothing_that_was_acknowledged() {
    let mut states = 0;
    for operation in 0.. {
        let mut ran_through = false;
        for recovery in 0.. {
            let (disk, mut known) = (FaultDisk::new(), Known::default());
            disk.fail_at(operation, Fault::PowerOff);
            let _ = workload(&disk, &mut known);
            ran_through = disk.operations() <= operation;
            disk.heal();
            let off = disk.operations() + recovery;
            disk.fail_at(off, Fault::PowerOff);
            let opened = Writer::open(&disk, &mut known, true);
            for (cut, seed) in Cut::ALL.iter().flat_map(|&cut| (0..8).map(move |seed| (cut, seed))) {
                let after = disk.power_cut(cut, operation << 8 | seed);
                states += comes_back(&after, &known, cut == Cut::Kept, false);
            }
            if opened.is_ok() && disk.operations() <= off {
                break;
            }
        }
        if ran_through {
            break;
        }
    }
    println!("{states} states");
    assert!(states > 10_000, "{states}");
}
